import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { framed, MAX_PACKET_BYTES, PacketFrames } from './packetFrames.ts'

const packets = (frames: PacketFrames, chunk: Uint8Array): Uint8Array[] => {
  const taken: Uint8Array[] = []
  frames.push(chunk, (packet) => taken.push(packet.slice()))
  return taken
}

test('packets come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1 }),
      (sent, cuts) => {
        const stream = framed(sent)
        const frames = new PacketFrames()
        const came: Uint8Array[] = []
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = at + (cuts[i % cuts.length] as number)
          came.push(...packets(frames, stream.subarray(at, end)))
          at = end
        }
        assert.deepEqual(came, sent)
      },
    ),
  )
})

test('the longest packet is one frame', () => {
  const longest = new Uint8Array(MAX_PACKET_BYTES).fill(7)
  assert.deepEqual(packets(new PacketFrames(), framed([longest, Uint8Array.of(1)])), [longest, Uint8Array.of(1)])
})

test('a packet that is kept until its end has come is not a view of what the caller uses again', () => {
  const frames = new PacketFrames()
  const chunk = Uint8Array.of(0, 3, 1, 2)
  assert.deepEqual(packets(frames, chunk), [])
  chunk.fill(9)
  assert.deepEqual(packets(frames, Uint8Array.of(3, 0)), [Uint8Array.of(1, 2, 3)])
})

test('any bytes are packets', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (chunks) => {
      const frames = new PacketFrames()
      const total = chunks.reduce((sum, { length }) => sum + length, 0)
      const came = chunks.flatMap((chunk) => packets(frames, chunk))
      assert.ok(came.reduce((sum, { length }) => sum + length + 2, 0) <= total)
    }),
  )
})
