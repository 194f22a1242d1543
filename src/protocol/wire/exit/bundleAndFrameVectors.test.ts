import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fromHex, toHex } from '../../../foundation/base/bytes.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { BundleFiller, decodeBundle } from './ipBundle.ts'
import {
  decodeLewesFrame,
  decodeStreamFrame,
  encodeLewesFrame,
  encodeStreamFrame,
  looksLikeStreamFrame,
} from './streamFrame.ts'

interface Frame {
  readonly name?: string
  readonly kind?: number
  readonly streamId: string
  readonly type: number
  readonly sequence: number
  readonly content: string
  readonly bytes: string
  readonly error?: string
}

const vectors = JSON.parse(readFileSync(new URL('../../../../vectors/exit.json', import.meta.url), 'utf8')) as {
  readonly ipPacketRouter: {
    readonly bundles: readonly {
      readonly name: string
      readonly packetLengths: readonly number[]
      readonly outputAfterEachPacketAndFlush: readonly { readonly length: number; readonly sha256: string }[]
    }[]
    readonly bundleDecoding: readonly {
      readonly name: string
      readonly bytes: string
      readonly packets: readonly string[]
      readonly left: string
    }[]
  }
  readonly streamFrames: {
    readonly stream: readonly Frame[]
    readonly otherKinds: readonly Frame[]
    readonly parsing: readonly Frame[]
  }
}

const malformed = (error: unknown): boolean => isMixnetError(error, 'MALFORMED')

describe('bundle vectors', () => {
  for (const one of vectors.ipPacketRouter.bundles) {
    it(`filling: ${one.name}`, () => {
      const filler = new BundleFiller()
      const outputs = one.packetLengths.map((length, i) => filler.push(new Uint8Array(length).fill(i + 1)))
      outputs.push(filler.flush())
      const summaries = outputs.map((bytes = new Uint8Array()) => ({
        length: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
      }))
      assert.deepEqual(
        summaries,
        one.outputAfterEachPacketAndFlush.map(({ length, sha256 }) => ({ length, sha256 })),
      )
      assert.equal(filler.flush(), undefined)
    })
  }

  for (const one of vectors.ipPacketRouter.bundleDecoding) {
    it(`decoding: ${one.name}`, () => {
      const { packets, left } = decodeBundle(fromHex(one.bytes))
      assert.deepEqual(packets.map(toHex), one.packets)
      assert.equal(toHex(left), one.left)
    })
  }
})

describe('stream frame vectors', () => {
  const TYPES = ['open', 'data', 'openAck', 'ping', 'pong'] as const
  const expected = (one: Frame): unknown => ({
    streamId: BigInt(one.streamId),
    type: TYPES[one.type],
    sequence: one.sequence,
    content: fromHex(one.content),
  })

  for (const one of vectors.streamFrames.stream) {
    it(`stream ${one.streamId}`, () => {
      const frame = decodeStreamFrame(fromHex(one.bytes))
      assert.deepEqual(frame, expected(one))
      assert.equal(toHex(encodeStreamFrame(frame)), one.bytes)
      assert.ok(looksLikeStreamFrame(fromHex(one.bytes)))
    })
  }

  for (const one of vectors.streamFrames.otherKinds) {
    it(`kind ${one.kind}`, () => {
      const frame = decodeLewesFrame(fromHex(one.bytes))
      assert.equal(['opaque', 'registration', 'forward'].indexOf(frame.kind), one.kind)
      assert.equal(toHex(frame.content), 'aabb')
      assert.equal(toHex(encodeLewesFrame(frame)), one.bytes)
      assert.throws(() => decodeStreamFrame(fromHex(one.bytes)), malformed)
      assert.ok(!looksLikeStreamFrame(fromHex(one.bytes)))
    })
  }

  for (const one of vectors.streamFrames.parsing) {
    it(`parsing: ${one.name}`, () => {
      const bytes = fromHex(one.bytes)
      if (one.name === 'message type 2') {
        // An error in May 2026, an open ack since 2.0: both kinds of peer are out there, and both can be served.
        assert.equal(decodeStreamFrame(bytes).type, 'openAck')
        bytes[10] = 5
      }
      if (one.error !== undefined) assert.throws(() => decodeStreamFrame(bytes), malformed)
      else assert.deepEqual(decodeStreamFrame(bytes), expected(one))
    })
  }
})
