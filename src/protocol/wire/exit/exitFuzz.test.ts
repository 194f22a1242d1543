import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { fromHex } from '../../../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../../../foundation/base/errors.ts'
import { nodeProvider as crypto } from '../../../foundation/crypto/nodeProvider.ts'
import { parseJson } from '../directory/json.ts'
import { BincodeReader, BincodeWriter } from './bincode.ts'
import { formatExitPolicy, parseExitPolicy, readExitPolicy } from './exitPolicy.ts'
import { decodeInterfaceRequest, decodeInterfaceResponse } from './interfaceEnvelope.ts'
import { BundleFiller, decodeBundle, MAX_BUNDLE_BYTES } from './ipBundle.ts'
import {
  decodeIpPacketRequest,
  decodeIpPacketResponse,
  encodeIpPacketRequest,
  encodeIpPacketResponse,
} from './ipPacketRouter.ts'
import { decodeLegacyIpPacketRequest, decodeLegacyIpPacketResponse } from './ipPacketRouterLegacy.ts'
import {
  decodeSocks5Request,
  decodeSocks5Response,
  encodeSocks5Request,
  encodeSocks5Response,
} from './socks5Messages.ts'
import { decodeStreamFrame, encodeStreamFrame } from './streamFrame.ts'

const vectors = JSON.parse(readFileSync(new URL('../../../../vectors/exit.json', import.meta.url), 'utf8')) as {
  readonly networkRequester: Record<'requests' | 'responses', readonly { readonly bytes: string }[]>
  readonly ipPacketRouter: Record<'requests' | 'responses', readonly { readonly bytes: string }[]>
}
const { networkRequester, ipPacketRouter } = vectors
const samples = [
  networkRequester.requests,
  networkRequester.responses,
  ipPacketRouter.requests,
  ipPacketRouter.responses,
]
  .flat()
  .map(({ bytes }) => fromHex(bytes))

/** Arbitrary bytes, and real messages with bytes changed, cut off or added, with and without their envelope. */
const hostile = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc
    .record({
      sample: fc.constantFrom(...samples),
      changes: fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 3 }),
      skip: fc.constantFrom(0, 0, 2),
      keep: fc.option(fc.nat(400), { nil: undefined }),
      tail: fc.uint8Array({ maxLength: 3 }),
    })
    .map(({ sample, changes, skip, keep, tail }) => {
      const bytes = Uint8Array.from([...sample.subarray(skip, keep), ...tail])
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
      return bytes
    }),
)

const decoders: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  decodeInterfaceRequest,
  decodeInterfaceResponse,
  decodeSocks5Request: (bytes) => decodeSocks5Request(crypto, bytes),
  decodeSocks5Response,
  decodeIpPacketRequest,
  decodeIpPacketResponse,
  decodeLegacyIpPacketRequest: (bytes) => decodeLegacyIpPacketRequest(crypto, bytes),
  decodeLegacyIpPacketResponse: (bytes) => decodeLegacyIpPacketResponse(crypto, bytes),
  decodeStreamFrame,
}

describe('exit decoders on hostile bytes', () => {
  for (const [name, decode] of Object.entries(decoders)) {
    it(`${name} gives a value or MALFORMED`, () => {
      fc.assert(
        fc.property(hostile, (bytes) => {
          const result = tryDecode(() => decode(bytes))
          assert.ok(!isMixnetError(result) || isMixnetError(result, 'MALFORMED'))
        }),
        { numRuns: 500 },
      )
    })
  }

  it('decodeBundle is total', () => {
    fc.assert(
      fc.property(hostile, (bytes) => {
        const { packets, left } = decodeBundle(bytes)
        assert.equal(
          packets.reduce((sum, packet) => sum + packet.length + 2, left.length),
          bytes.length,
        )
      }),
    )
  })

  it('policy readers give a value or MALFORMED', () => {
    const words = [
      'ExitPolicy',
      ' ',
      'accept',
      'reject6',
      '*',
      '*4',
      ':',
      '1.2.3.4',
      '[::1]',
      '/',
      '8',
      '-',
      '\n',
      '#',
      '+0',
    ]
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(...words), { maxLength: 12 }).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(text, (candidate) => {
        const policy = tryDecode(() => parseExitPolicy(candidate))
        if (isMixnetError(policy)) assert.equal(policy.code, 'MALFORMED')
        else assert.deepEqual(parseExitPolicy(formatExitPolicy(policy)), policy)
      }),
      { numRuns: 500 },
    )
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const rules = { rules: [{ action: 'accept', pattern: { ip_pattern: value, ports: { start: 1, end: value } } }] }
        for (const document of [value, { rules: value }, rules]) {
          const result = tryDecode(() => readExitPolicy(parseJson(JSON.stringify(document), 'policy')))
          assert.ok(!isMixnetError(result) || isMixnetError(result, 'MALFORMED'))
        }
      }),
    )
  })
})

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const data = fc.uint8Array({ maxLength: 50 })
// Plain objects, which deepEqual tells from those without a prototype.
const plain = { noNullPrototype: true } as const
const timestamp = fc.record(
  {
    unixSeconds: fc.integer({ min: -377_705_116_800, max: 253_402_300_799 }),
    nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
  },
  plain,
)

describe('exit messages round trip', () => {
  it('bincode numbers, in their shortest form', () => {
    fc.assert(
      fc.property(u64, fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.double(), (large, signed, float) => {
        const bytes = new BincodeWriter().varint(large).i32(signed).f64(float).finish()
        const reader = new BincodeReader(bytes, 'numbers')
        assert.equal(reader.u64('large'), large)
        assert.equal(reader.offset, large <= 250n ? 1 : large < 1n << 16n ? 3 : large < 1n << 32n ? 5 : 9)
        assert.equal(reader.i32('signed'), signed)
        assert.ok(Object.is(reader.f64('float'), float))
        reader.expectEnd()
      }),
    )
  })

  it('an announced length of 2⁶⁴ − 1 is refused before anything is allocated', () => {
    assert.throws(
      () => new BincodeReader(fromHex('fdffffffffffffffff'), 'huge').byteString('data'),
      (error) => isMixnetError(error, 'MALFORMED'),
    )
  })

  it('timestamps, and offsets from UTC are taken off', () => {
    fc.assert(
      fc.property(timestamp, (instant) => {
        const bytes = new BincodeWriter().timestamp(instant).finish()
        assert.deepEqual(new BincodeReader(bytes, 'instant').timestamp('instant'), instant)
      }),
    )
    // 2024-01-01T00:59:59+02:00 and the same with -02:00.
    const at = (offset: number): number =>
      new BincodeReader(Uint8Array.of(0xfb, 0x0f, 0xd0, 1, 0, 59, 59, 0, offset & 0xff, 0, 0), 'offset').timestamp('at')
        .unixSeconds
    assert.equal(at(2), Date.UTC(2023, 11, 31, 22, 59, 59) / 1000)
    assert.equal(at(-2), Date.UTC(2024, 0, 1, 2, 59, 59) / 1000)
  })

  it('socket data, whose two orders differ', () => {
    const body = fc.record({ connectionId: u64, closed: fc.boolean(), sequence: u64, data })
    const version = fc.constantFrom('legacy' as const, 3)
    fc.assert(
      fc.property(body, version, (fields, stated) => {
        const sent = { version: stated, kind: 'send', ...fields } as const
        assert.deepEqual(decodeSocks5Request(crypto, encodeSocks5Request(sent)), sent)
        const received = { version: stated, kind: 'networkData', ...fields } as const
        assert.deepEqual(decodeSocks5Response(encodeSocks5Response(received)), received)
      }),
    )
  })

  it('packet router messages', () => {
    fc.assert(
      fc.property(fc.constantFrom(8 as const, 9, 10), u64, timestamp, data, (version, requestId, instant, bundle) => {
        const requests = [
          { kind: 'data', bundle } as const,
          { kind: 'connect', requestId, bufferTimeoutMs: requestId, timestamp: instant } as const,
          { kind: 'ping', requestId, timestamp: instant } as const,
        ]
        for (const request of requests) {
          assert.deepEqual(decodeIpPacketRequest(encodeIpPacketRequest(version, request)), { version, request })
        }
        const ips = { ipv4: new Uint8Array(4), ipv6: new Uint8Array(16) }
        const mtu = version === 10 ? 1280 : undefined
        const connected = { kind: 'connected', requestId, ips, mtu } as const
        const decoded = decodeIpPacketResponse(encodeIpPacketResponse(version, connected))
        assert.deepEqual(decoded, { version, response: connected })
      }),
    )
  })

  it('bundles: every packet comes out once, in order, and only lone packets overfill', () => {
    const lengths = fc.array(fc.oneof(fc.nat(100), fc.integer({ min: 1400, max: 1600 })), { maxLength: 20 })
    fc.assert(
      fc.property(lengths, (sizes) => {
        const filler = new BundleFiller()
        const packets = sizes.map((size, i) => new Uint8Array(size).fill(i))
        const bundles = [...packets.map((packet) => filler.push(packet)), filler.flush()].filter(
          (one) => one !== undefined,
        )
        assert.deepEqual(
          bundles.flatMap((bundle) => decodeBundle(bundle).packets.map((packet) => packet.slice())),
          packets,
        )
        for (const bundle of bundles) {
          assert.ok(bundle.length <= MAX_BUNDLE_BYTES || decodeBundle(bundle).packets.length === 1)
        }
      }),
    )
  })

  it('stream frames', () => {
    const type = fc.constantFrom('open' as const, 'data', 'openAck', 'ping', 'pong')
    const sequence = fc.integer({ min: 0, max: 2 ** 32 - 1 })
    fc.assert(
      fc.property(fc.record({ streamId: u64, type, sequence, content: data }, plain), (frame) => {
        assert.deepEqual(decodeStreamFrame(encodeStreamFrame(frame)), frame)
      }),
    )
  })
})
