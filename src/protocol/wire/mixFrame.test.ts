import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { concat, fromHex, toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { type RotationFlag, rotationFlag } from '../packet/keyRotation.ts'
import { formatNodeAddress } from '../packet/nodeAddress.ts'
import { ACK, EXTENDED_32, packetSizeByTotal, REGULAR } from '../packet/sizes.ts'
import { encodeMixFrame, type MixFrame, MixFrameDecoder, type MixFrameRefusal } from './mixFrame.ts'
import { decodeMixPacket, encodeMixPacket, type MixPacketVersion } from './mixPacket.ts'

interface Vectors {
  mixFrames: { packet: string; encoded: { name: string; rotationId: number; header: string }[] }
  mixFrameDecoding: {
    name: string
    bytes: string
    result?: string
    packetSize?: number
    keyRotation?: number
    left?: number
    error?: string
  }[]
  mixPacketDecoding: {
    name: string
    version: MixPacketVersion
    bytes: string
    nextHop?: string
    keyRotation?: number
    error?: string
  }[]
}
const vectors = JSON.parse(readFileSync(new URL('../../../vectors/packet.json', import.meta.url), 'utf8')) as Vectors
const packetHex = vectors.mixFrames.packet

const fill = (text: string): Uint8Array =>
  fromHex(text.replace('<packet>', packetHex).replace('<packet without its last byte>', packetHex.slice(0, -2)))

function drain(decoder: MixFrameDecoder): (MixFrame | MixFrameRefusal)[] {
  const results: (MixFrame | MixFrameRefusal)[] = []
  for (let next = decoder.next(); next !== undefined; next = decoder.next()) {
    results.push(next)
    if ('refused' in next) break
  }
  return results
}

describe('mix frame vectors', () => {
  for (const { name, rotationId, header } of vectors.mixFrames.encoded) {
    it(`encodes ${name}`, () => {
      const frame: MixFrame = { size: ACK, rotation: rotationFlag(rotationId), packet: fromHex(packetHex) }
      assert.equal(toHex(encodeMixFrame(frame, header.startsWith('07') ? 7 : 8)), header + packetHex)
    })
  }
  for (const vector of vectors.mixFrameDecoding) {
    it(`decodes: ${vector.name}`, () => {
      const decoder = new MixFrameDecoder()
      decoder.push(fill(vector.bytes))
      const first = decoder.next()
      if (vector.error !== undefined) {
        assert.ok(first !== undefined && 'refused' in first)
        assert.equal(decoder.next(), first)
        decoder.push(fill('070200<packet>'))
        assert.equal(decoder.next(), first, 'final')
      } else if (vector.result === 'incomplete') {
        assert.equal(first, undefined)
        assert.equal(decoder.heldBytes, fill(vector.bytes).length)
      } else {
        assert.ok(first !== undefined && 'packet' in first)
        assert.equal(first.size.totalBytes, vector.packetSize)
        assert.equal(first.rotation, vector.keyRotation)
        assert.equal(toHex(first.packet), packetHex)
        assert.equal(decoder.heldBytes, 0)
        if (vector.left !== 0) assert.deepEqual(decoder.next(), { refused: 'version' })
      }
    })
  }
})

const frames = fc.array(
  fc.record({
    size: fc.constantFrom(ACK, ACK, REGULAR, REGULAR, EXTENDED_32),
    rotation: fc.constantFrom<RotationFlag>(0, 1, 2),
    version: fc.constantFrom<7 | 8>(7, 8),
    seed: fc.nat(255),
  }),
  { maxLength: 5 },
)

describe('MixFrameDecoder', () => {
  it('gives the same frames wherever the stream is cut', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(), { maxLength: 12 }), (wanted, cutSeeds) => {
        const sent = wanted.map(({ size, rotation, version, seed }) => {
          const packet = Uint8Array.from({ length: size.totalBytes }, (_, i) => (seed + i * 31) & 255)
          return { frame: { size, rotation: version === 7 ? 0 : rotation, packet } as MixFrame, version }
        })
        const stream = concat(...sent.map(({ frame, version }) => encodeMixFrame(frame, version)))
        const cuts = [0, ...cutSeeds.map((seed) => seed % (stream.length + 1)), stream.length].sort((a, b) => a - b)
        const decoder = new MixFrameDecoder()
        const got: (MixFrame | MixFrameRefusal)[] = []
        for (let i = 1; i < cuts.length; i++) {
          decoder.push(stream.subarray(cuts[i - 1], cuts[i]))
          got.push(...drain(decoder))
          assert.ok(decoder.heldBytes < EXTENDED_32.totalBytes + 4)
        }
        assert.deepEqual(
          got,
          sent.map(({ frame }) => frame),
        )
        assert.equal(decoder.heldBytes, 0)
      }),
      { numRuns: 60 },
    )
  })

  it('takes a stream byte by byte', () => {
    const packet = fromHex(packetHex)
    const stream = concat(
      encodeMixFrame({ size: ACK, rotation: 2, packet }, 8),
      encodeMixFrame({ size: ACK, rotation: 2, packet }, 7),
    )
    const decoder = new MixFrameDecoder()
    const got: unknown[] = []
    for (const byte of stream) {
      decoder.push(Uint8Array.of(byte))
      got.push(...drain(decoder))
    }
    assert.deepEqual(got, [
      { size: ACK, rotation: 2, packet },
      { size: ACK, rotation: 0, packet },
    ])
  })

  it('hands out views into a chunk that holds the whole frame, and never reuses what it handed out', () => {
    const packet = fromHex(packetHex)
    const encoded = encodeMixFrame({ size: ACK, rotation: 1, packet }, 8)
    const decoder = new MixFrameDecoder()
    decoder.push(encoded)
    const whole = decoder.next()
    assert.ok(whole && 'packet' in whole && whole.packet.buffer === encoded.buffer)
    decoder.push(encoded.subarray(0, 200))
    assert.equal(decoder.next(), undefined)
    decoder.push(encoded.subarray(200))
    const joined = decoder.next()
    assert.ok(joined && 'packet' in joined && joined.packet.buffer !== encoded.buffer)
    decoder.push(Uint8Array.of(8, 1, 0, 0, ...new Uint8Array(300)))
    assert.equal(decoder.next(), undefined)
    assert.deepEqual(joined.packet, packet)
  })

  it('refuses the same whether the bad header comes whole or in pieces', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 60 }), fc.nat(), (bytes, cut) => {
        const whole = new MixFrameDecoder()
        whole.push(bytes)
        const inPieces = new MixFrameDecoder()
        inPieces.push(bytes.subarray(0, cut % bytes.length))
        const early = inPieces.next()
        if (early === undefined) inPieces.push(bytes.subarray(cut % bytes.length))
        assert.deepEqual(early ?? inPieces.next(), whole.next())
      }),
    )
  })

  it('says so when a chunk is pushed before the last one is read out', () => {
    const decoder = new MixFrameDecoder()
    decoder.push(fill('070200<packet>'))
    assert.throws(
      () => decoder.push(Uint8Array.of(7)),
      (error) => isMixnetError(error, 'BAD_ARGUMENT'),
    )
  })

  it('does not encode a packet of another size than it names', () => {
    assert.throws(
      () => encodeMixFrame({ size: REGULAR, rotation: 0, packet: fromHex(packetHex) }, 8),
      (error) => isMixnetError(error, 'BAD_ARGUMENT'),
    )
  })
})

describe('mix packets', () => {
  for (const { name, version, bytes, nextHop, keyRotation, error } of vectors.mixPacketDecoding) {
    it(name, () => {
      const input = fill(bytes)
      if (error !== undefined) {
        assert.throws(
          () => decodeMixPacket(input, version),
          (thrown) => isMixnetError(thrown, 'MALFORMED'),
        )
        return
      }
      const decoded = decodeMixPacket(input, version)
      assert.equal(formatNodeAddress(decoded.nextHop), nextHop)
      assert.equal(decoded.rotation, keyRotation)
      assert.equal(toHex(decoded.packet), packetHex)
      assert.deepEqual(encodeMixPacket(decoded, version), input)
    })
  }

  it('gives a value or MALFORMED for any bytes, and what it accepts it writes back', () => {
    const valid = encodeMixPacket(
      { rotation: 1, nextHop: { ip: '10.0.0.1', port: 1789 }, packet: fromHex(packetHex) },
      2,
    )
    const mutated = fc
      .tuple(fc.nat(12), fc.nat(255), fc.nat(3))
      .map(([at, byte, cut]) => valid.with(at, byte).subarray(0, valid.length - (cut === 0 ? 1 : 0)))
    const version = fc.constantFrom<MixPacketVersion>(1, 2)
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 450 }), mutated), version, (bytes, versionTried) => {
        try {
          const decoded = decodeMixPacket(bytes, versionTried)
          assert.ok(packetSizeByTotal(decoded.packet.length))
          assert.equal(encodeMixPacket(decoded, versionTried).length, bytes.length)
        } catch (error) {
          assert.ok(isMixnetError(error, 'MALFORMED'))
        }
      }),
    )
  })
})
