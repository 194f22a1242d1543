/** Properties of the room over every geometry, and what it does with damaged or hostile input. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { concat } from '../../foundation/base/bytes.ts'
import { type ErrorCode, isMixnetError } from '../../foundation/base/errors.ts'
import { type Nanos, nanos } from '../../foundation/base/units.ts'
import { nobleProvider } from '../../foundation/crypto/nobleProvider.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import { BETA_OFFSET, HEADER_BYTES, MAX_HOPS, MIN_PACKET_BYTES, type SphinxVersion } from './constants.ts'
import { buildHeader, ZERO_IV } from './header.ts'
import { encapsulate, type PacketParams, recoverMessage, wrapPacket } from './packet.ts'
import { finalPaddingBytes } from './route.ts'
import { createSurb, decodeSurb, encodeSurb, useSurb } from './surb.ts'
import { openHeader, type RefusalReason, type Unwrapped } from './unwrap.ts'

/** The payloads of every packet size of the network, the smallest possible, and two odd ones. */
const PAYLOAD_SIZES = [33, 38, 257, 2065, 8209, 16401, 32785, 1024] as const

interface Wrapped {
  readonly params: PacketParams
  readonly secretKeys: readonly Uint8Array[]
}

const bytesOf = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })

/** Key stream as test data: large arrays without asking fast-check for every byte. */
function filled(length: number, seed: number): Uint8Array {
  const key = new Uint8Array(16)
  new DataView(key.buffer).setUint32(0, seed)
  return crypto.aes128Ctr(key, ZERO_IV, new Uint8Array(length))
}

function example(hops: number, version: SphinxVersion, payloadBytes: number, messageBytes: number, seed = 1): Wrapped {
  const random = filled(32 * (4 + 2 * hops) + finalPaddingBytes(hops) + messageBytes, seed)
  let offset = 0
  const take = (length: number): Uint8Array => {
    offset += length
    return random.slice(offset - length, offset)
  }
  const secretKeys = Array.from({ length: hops }, () => take(32))
  const params: PacketParams = {
    secret: take(32),
    route: secretKeys.map((key) => ({ address: take(32), publicKey: crypto.x25519Base(key) })),
    delays: secretKeys.map((_, i) => nanos(seed * 1_003 * (i + 1))),
    destination: { address: take(32), identifier: take(16) },
    version,
    padding: take(finalPaddingBytes(hops)),
    message: take(messageBytes),
    payloadBytes,
  }
  return { params, secretKeys }
}

function unwrap(secretKey: Uint8Array, packet: Uint8Array, using: CryptoProvider = crypto): Unwrapped {
  const header = openHeader(using, secretKey, packet)
  return header.kind === 'opened' ? header.unwrap() : header
}

/** The packet as it reaches hop `hop`. */
function travel(packet: Uint8Array, secretKeys: readonly Uint8Array[], hop: number): Uint8Array {
  let current = packet
  for (const key of secretKeys.slice(0, hop)) {
    const result = unwrap(key, current)
    assert.equal(result.kind, 'forward')
    current = result.packet
  }
  return current
}

/** Follows a packet to its end, checking what every hop is told. */
function follow({ params, secretKeys }: Wrapped, start: Uint8Array, using: CryptoProvider = crypto): void {
  const tags = new Set<string>()
  let packet = start
  for (const [i, key] of secretKeys.entries()) {
    const header = openHeader(using, key, packet)
    assert.equal(header.kind, 'opened')
    tags.add(header.replayTag.toString())
    const result = header.unwrap()
    if (i < secretKeys.length - 1) {
      assert.equal(result.kind, 'forward')
      assert.deepEqual(result.nextAddress, params.route[i + 1]?.address)
      assert.equal(result.delay, params.delays[i])
      assert.equal(result.packet.length, packet.length)
      packet = result.packet
    } else {
      assert.equal(result.kind, 'final')
      assert.deepEqual(result.destination, params.destination.address)
      assert.deepEqual(result.identifier, params.destination.identifier)
      assert.deepEqual(result.message, params.message)
    }
  }
  assert.equal(tags.size, secretKeys.length)
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice()
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
  return copy
}

const refused = (reason: RefusalReason): Unwrapped => ({ kind: 'refused', reason })
const throwsCode = (run: () => unknown, code: ErrorCode): void =>
  assert.throws(run, (error) => isMixnetError(error, code))

const hopsArbitrary = fc.integer({ min: 1, max: MAX_HOPS })
const versionArbitrary = fc.constantFrom<SphinxVersion>(258, 259)
const seedArbitrary = fc.integer({ min: 0, max: 0xffff_ffff })

describe('wrapping and unwrapping', () => {
  it('gives back the message, for every number of hops, size and version', () => {
    for (let hops = 1; hops <= MAX_HOPS; hops++) {
      for (const version of [258, 259] as const) {
        for (const [i, payloadBytes] of PAYLOAD_SIZES.entries()) {
          for (const messageBytes of [0, 1, payloadBytes - 18, payloadBytes - 17]) {
            const wrapped = example(hops, version, payloadBytes, messageBytes, 100 * hops + i)
            const packet = wrapPacket(crypto, wrapped.params)
            assert.equal(packet.length, HEADER_BYTES + payloadBytes)
            follow(wrapped, packet)
          }
        }
      }
    }
  })

  it('gives back any message of any packet', () => {
    const property = fc.property(
      hopsArbitrary,
      versionArbitrary,
      fc.integer({ min: 33, max: 600 }),
      fc.nat(),
      seedArbitrary,
      (hops, version, payloadBytes, length, seed) => {
        const wrapped = example(hops, version, payloadBytes, length % (payloadBytes - 16), seed)
        follow(wrapped, wrapPacket(crypto, wrapped.params))
      },
    )
    fc.assert(property, { numRuns: 200 })
  })

  it('gives the same bytes and results with the reference provider', () => {
    for (const [hops, version] of [
      [5, 258],
      [4, 259],
    ] as const) {
      const wrapped = example(hops, version, 38, 21)
      const packet = wrapPacket(nobleProvider, wrapped.params)
      assert.deepEqual(packet, wrapPacket(crypto, wrapped.params))
      follow(wrapped, packet, nobleProvider)
    }
  })

  it('carries delays up to the largest safe integer', () => {
    for (const delay of [0, 1, 255, 256, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      const { params, secretKeys } = example(2, 259, 38, 21)
      const packet = wrapPacket(crypto, { ...params, delays: [nanos(delay), nanos(0)] })
      const result = unwrap(secretKeys[0] as Uint8Array, packet)
      assert.equal(result.kind, 'forward')
      assert.equal(result.delay, delay)
    }
  })

  it('refuses bad arguments', () => {
    const { params } = example(3, 259, 38, 21)
    const [hop] = params.route
    assert.ok(hop)
    const build = (change: Partial<PacketParams>) => (): unknown => wrapPacket(crypto, { ...params, ...change })
    throwsCode(build({ route: [], delays: [] }), 'SPHINX_BAD_ROUTE')
    throwsCode(build({ route: Array(6).fill(hop), delays: Array(6).fill(nanos(0)) }), 'SPHINX_BAD_ROUTE')
    throwsCode(build({ delays: params.delays.slice(1) }), 'SPHINX_BAD_ROUTE')
    throwsCode(() => finalPaddingBytes(0), 'SPHINX_BAD_ROUTE')
    throwsCode(() => finalPaddingBytes(1.5), 'SPHINX_BAD_ROUTE')
    for (const delay of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      throwsCode(build({ delays: [nanos(0), delay as Nanos, nanos(0)] }), 'BAD_ARGUMENT')
    }
    throwsCode(build({ version: 257 as SphinxVersion }), 'BAD_ARGUMENT')
    throwsCode(build({ secret: new Uint8Array(31) }), 'BAD_ARGUMENT')
    throwsCode(build({ padding: new Uint8Array(68) }), 'BAD_ARGUMENT')
    throwsCode(build({ route: [hop, hop, { ...hop, address: new Uint8Array(19) }] }), 'BAD_ARGUMENT')
    throwsCode(build({ route: [hop, hop, { ...hop, publicKey: new Uint8Array(33) }] }), 'BAD_ARGUMENT')
    throwsCode(build({ destination: { ...params.destination, address: new Uint8Array(0) } }), 'BAD_ARGUMENT')
    throwsCode(build({ destination: { ...params.destination, identifier: new Uint8Array(15) } }), 'BAD_ARGUMENT')
    for (const payloadBytes of [0, 32, 38.5, Number.NaN]) throwsCode(build({ payloadBytes }), 'BAD_ARGUMENT')
    throwsCode(build({ message: new Uint8Array(22) }), 'MESSAGE_TOO_LONG')
    throwsCode(() => openHeader(crypto, new Uint8Array(31), new Uint8Array(386)), 'BAD_ARGUMENT')
  })
})

describe('damaged and hostile packets', () => {
  it('are refused at the next hop for any flipped bit of the header', () => {
    const { params, secretKeys } = example(3, 259, 38, 21)
    const packet = wrapPacket(crypto, params)
    for (let bit = 0; bit < HEADER_BYTES * 8; bit++) {
      // X25519 ignores the top bit of alpha, as RFC 7748 demands: the packet stays the same to every hop, tag included.
      const expected = bit === 255 ? 'opened' : 'refused'
      assert.equal(openHeader(crypto, secretKeys[0] as Uint8Array, flipped(packet, bit)).kind, expected, `bit ${bit}`)
    }
  })

  it('are refused at any later hop for any flipped bit of the header', () => {
    const property = fc.property(
      hopsArbitrary,
      fc.nat(),
      versionArbitrary,
      seedArbitrary,
      fc.nat(HEADER_BYTES * 8 - 1).filter((bit) => bit !== 255),
      (hops, where, version, seed, bit) => {
        const { params, secretKeys } = example(hops, version, 38, 21, seed)
        const hop = where % hops
        const packet = travel(wrapPacket(crypto, params), secretKeys, hop)
        assert.deepEqual(openHeader(crypto, secretKeys[hop] as Uint8Array, flipped(packet, bit)), refused('mac'))
      },
    )
    fc.assert(property, { numRuns: 150 })
  })

  it('keep the replay tag where only the ignored bit of alpha or the payload changes', () => {
    const { params, secretKeys } = example(2, 259, 38, 21)
    const packet = wrapPacket(crypto, params)
    const tag = (bytes: Uint8Array): Uint8Array => {
      const header = openHeader(crypto, secretKeys[0] as Uint8Array, bytes)
      assert.equal(header.kind, 'opened')
      return header.replayTag
    }
    assert.deepEqual(tag(flipped(packet, 255)), tag(packet))
    assert.deepEqual(tag(flipped(packet, HEADER_BYTES * 8)), tag(packet))
  })

  it('are found out at the last hop for any flipped bit of the payload, wherever it was flipped', () => {
    const property = fc.property(
      hopsArbitrary,
      fc.nat(),
      versionArbitrary,
      // Not 33: with a right side of one byte, one change in 256 to the left side goes unnoticed.
      fc.constantFrom(38, 300),
      fc.nat(),
      (hops, where, version, payloadBytes, bit) => {
        const { params, secretKeys } = example(hops, version, payloadBytes, payloadBytes - 17, bit)
        const hop = where % hops
        const damaged = flipped(
          travel(wrapPacket(crypto, params), secretKeys, hop),
          HEADER_BYTES * 8 + (bit % (payloadBytes * 8)),
        )
        const last = travel(damaged, secretKeys.slice(hop), hops - 1 - hop)
        assert.deepEqual(unwrap(secretKeys[hops - 1] as Uint8Array, last), refused('payload'))
      },
    )
    fc.assert(property, { numRuns: 200 })
  })

  it('are refused where bytes are missing or added', () => {
    const { params, secretKeys } = example(1, 259, 60, 43)
    const packet = wrapPacket(crypto, params)
    const key = secretKeys[0] as Uint8Array
    for (let length = 0; length < packet.length; length++) {
      const reason = length < MIN_PACKET_BYTES ? 'too-short' : 'payload'
      assert.deepEqual(unwrap(key, packet.slice(0, length)), refused(reason), `${length} bytes`)
    }
    for (const added of [1, 2, 16, 2000]) {
      assert.deepEqual(unwrap(key, concat(packet, new Uint8Array(added))), refused('payload'))
    }
  })

  it('are not changed by unwrapping, even where they come as a Buffer', () => {
    const { params, secretKeys } = example(2, 259, 38, 21)
    const first = wrapPacket(crypto, params)
    for (const [i, packet] of [first, travel(first, secretKeys, 1)].entries()) {
      const given = Buffer.from(packet)
      const header = openHeader(crypto, secretKeys[i] as Uint8Array, given)
      assert.equal(header.kind, 'opened')
      assert.deepEqual(header.unwrap(), header.unwrap())
      assert.ok(given.equals(packet))
    }
  })

  it('never throw', () => {
    const lengths = fc.oneof(fc.nat(700), fc.constantFrom(386, 2413))
    const property = fc.property(lengths, seedArbitrary, bytesOf(32), (length, seed, key) => {
      assert.equal(openHeader(crypto, key, filled(length, seed)).kind, 'refused')
    })
    fc.assert(property, { numRuns: 300 })
  })

  it('are refused where alpha has low order, even with a MAC that holds', () => {
    const { params, secretKeys } = example(1, 259, 38, 21)
    // What the whole world shares with every node once alpha is zero.
    const zero = new Uint8Array(32)
    const blind: CryptoProvider = { ...crypto, x25519: () => zero, x25519Base: () => zero }
    const packet = wrapPacket(blind, params)
    assert.equal(openHeader(blind, secretKeys[0] as Uint8Array, packet).kind, 'refused')
    assert.deepEqual(openHeader(crypto, secretKeys[0] as Uint8Array, packet), refused('mac'))
  })

  it('are refused for an unknown flag, whatever a sender with valid keys writes', () => {
    const { params, secretKeys } = example(1, 259, 38, 21)
    const packet = wrapPacket(crypto, params)
    const [secret] = buildHeader(crypto, params).secrets
    assert.ok(secret)
    for (const [change, expected] of [
      [0, 'final'],
      [2 ^ 1, 'forward'],
      [2, 'refused'],
      [1, 'refused'],
      [0xff, 'refused'],
    ] as const) {
      const forged = packet.slice()
      forged[BETA_OFFSET] = (forged[BETA_OFFSET] as number) ^ change
      forged.set(crypto.hmacSha256(secret.macKey, forged.subarray(BETA_OFFSET, HEADER_BYTES)).subarray(0, 16), 32)
      const result = unwrap(secretKeys[0] as Uint8Array, forged)
      assert.equal(result.kind, expected)
      if (result.kind === 'refused') assert.equal(result.reason, 'routing-flag')
    }
  })

  it('of a version nobody knows are processed like 259', () => {
    const { params, secretKeys } = example(1, 259, 38, 21)
    const [secret] = buildHeader(crypto, params).secrets
    assert.ok(secret)
    for (const [version, readableLike259] of [
      [0, true],
      [260, true],
      [65535, true],
      [1, false],
      [257, false],
      [258, false],
    ] as const) {
      const packet = wrapPacket(crypto, params)
      packet[BETA_OFFSET + 2] = (packet[BETA_OFFSET + 2] as number) ^ (259 >> 8) ^ (version >> 8)
      packet[BETA_OFFSET + 3] = (packet[BETA_OFFSET + 3] as number) ^ (259 & 0xff) ^ (version & 0xff)
      packet.set(crypto.hmacSha256(secret.macKey, packet.subarray(BETA_OFFSET, HEADER_BYTES)).subarray(0, 16), 32)
      const result = unwrap(secretKeys[0] as Uint8Array, packet)
      assert.equal(result.kind, readableLike259 ? 'final' : 'refused', `version ${version}`)
    }
  })
})

describe('recovering a message', () => {
  const block = (...parts: (number | readonly number[])[]): Uint8Array => Uint8Array.from(parts.flat())
  const zeros = new Array<number>(16).fill(0)

  it('ends it at the last 0x01', () => {
    assert.deepEqual(recoverMessage(block(zeros, 1)), block())
    assert.deepEqual(recoverMessage(block(zeros, 1, 1, 0, 0)), block(1))
    assert.deepEqual(recoverMessage(block(zeros, 5, 1, 7)), block(5))
  })

  it('refuses what is no plain block', () => {
    assert.equal(recoverMessage(block()), undefined)
    assert.equal(recoverMessage(block(zeros)), undefined)
    assert.equal(recoverMessage(block(zeros, 0, 2)), undefined)
    for (let i = 0; i < 16; i++) assert.equal(recoverMessage(block(zeros.with(i, 1), 1)), undefined)
  })

  it('undoes encapsulation under no key at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 83 }), (message) => {
        assert.deepEqual(recoverMessage(encapsulate(crypto, message, [], 100)), message)
      }),
    )
  })
})

describe('SURBs', () => {
  it('carry a reply, for every number of hops and both kinds of key material', () => {
    for (let hops = 1; hops <= MAX_HOPS; hops++) {
      for (const version of [258, 259] as const) {
        const wrapped = example(hops, version, 2065, 1500, hops)
        const { params } = wrapped
        const bytes = encodeSurb(createSurb(crypto, params))
        assert.equal(bytes.length, 380 + hops * (version === 259 ? 16 : 192))
        const surb = decodeSurb(bytes)
        bytes.fill(0)
        assert.equal(surb.version, version)
        const { packet, firstHop } = useSurb(crypto, surb, params.message, params.payloadBytes)
        assert.deepEqual(firstHop, params.route[0]?.address)
        assert.deepEqual(packet, wrapPacket(crypto, params))
        follow(wrapped, packet)
      }
    }
  })

  it('refuse every length but ten', () => {
    const accepted: number[] = []
    for (let length = 0; length <= 1600; length++) {
      try {
        decodeSurb(filled(length, 7))
        accepted.push(length)
      } catch (error) {
        assert.ok(isMixnetError(error, 'MALFORMED'))
      }
    }
    assert.deepEqual(accepted, [396, 412, 428, 444, 460, 572, 764, 956, 1148, 1340])
  })

  it('come back the same from any bytes that decode', () => {
    const length = fc.constantFrom(396, 412, 428, 444, 460, 572, 764, 956, 1148, 1340)
    fc.assert(
      fc.property(length, seedArbitrary, (bytes, seed) => {
        assert.deepEqual(encodeSurb(decodeSurb(filled(bytes, seed))), filled(bytes, seed))
      }),
    )
  })

  it('refuse messages that do not fit and bad routes', () => {
    const { params } = example(4, 259, 38, 21)
    const surb = createSurb(crypto, params)
    throwsCode(() => useSurb(crypto, surb, new Uint8Array(22), 38), 'MESSAGE_TOO_LONG')
    throwsCode(() => useSurb(crypto, surb, new Uint8Array(0), 32), 'BAD_ARGUMENT')
    throwsCode(() => createSurb(crypto, { ...params, route: [], delays: [] }), 'SPHINX_BAD_ROUTE')
    throwsCode(() => createSurb(crypto, { ...params, delays: params.delays.slice(1) }), 'SPHINX_BAD_ROUTE')
  })
})
