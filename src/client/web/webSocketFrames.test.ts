import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concat, fromHex, utf8 } from '../../foundation/base/bytes.ts'
import { encodeFrame, FrameReader, FrameRefusal, type Opcode, type Received } from './webSocketFrames.ts'

const MAX = 70_000

/** As a server writes it. */
function frame(first: number, payload: Uint8Array, { lengthBytes }: { lengthBytes?: 0 | 2 | 8 } = {}): Uint8Array {
  const { length } = payload
  const extended = lengthBytes ?? (length < 126 ? 0 : length < 65_536 ? 2 : 8)
  const header = new Uint8Array(2 + extended)
  const view = new DataView(header.buffer)
  header[0] = first
  header[1] = extended === 0 ? length : extended === 2 ? 126 : 127
  if (extended === 2) view.setUint16(2, length)
  if (extended === 8) view.setBigUint64(2, BigInt(length))
  return concat(header, payload)
}

function read(bytes: Uint8Array, cuts: readonly number[] = [], max = MAX): Received[] {
  const reader = new FrameReader(max)
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  let start = 0
  return ends.flatMap((end) => {
    const piece = bytes.subarray(start, end)
    start = end
    return [...reader.push(piece)]
  })
}

function refused(code: number, bytes: Uint8Array, max = MAX): void {
  assert.throws(
    () => read(bytes, [], max),
    (error) => {
      assert.ok(error instanceof FrameRefusal, String(error))
      assert.equal(error.code, code, error.message)
      assert.equal(error.error.code, 'MALFORMED')
      return true
    },
  )
}

describe('frames', () => {
  test('the examples of RFC 6455 5.7', () => {
    assert.deepEqual(read(fromHex('810548656c6c6f', 'frame')), [{ kind: 'text', text: 'Hello' }])
    const mask = fromHex('37fa213d', 'mask')
    assert.deepEqual(encodeFrame('text', utf8('Hello'), mask), fromHex('818537fa213d7f9f4d5158', 'frame'))
    assert.deepEqual(read(fromHex('010348656c80026c6f', 'frames')), [{ kind: 'text', text: 'Hello' }])
    assert.deepEqual(read(fromHex('890548656c6c6f', 'ping')), [{ kind: 'ping', data: utf8('Hello') }])
    assert.deepEqual(encodeFrame('pong', utf8('Hello'), mask), fromHex('8a8537fa213d7f9f4d5158', 'frame'))
  })

  test('written ones, unmasked, are read as they were, however they are cut', () => {
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(125, 126, 127, 65_535, 65_536).map((length) => new Uint8Array(length).fill(7)),
    )
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom<Opcode>('binary', 'ping', 'pong'), payload), { maxLength: 4 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        (messages, cuts, mask) => {
          const fit = messages.map(
            ([opcode, data]) => [opcode, opcode === 'binary' ? data : data.slice(0, 125)] as const,
          )
          const unmasked = fit.map(([opcode, data]) => {
            const written = encodeFrame(opcode, data, mask)
            const header = written.length - data.length - 4
            assert.deepEqual(written.subarray(header, header + 4), mask)
            const clear = written.subarray(header + 4).map((byte, i) => byte ^ (mask[i % 4] as number))
            const server = concat(written.subarray(0, header), clear)
            server[1] = (server[1] as number) & 0x7f
            return server
          })
          assert.deepEqual(
            read(concat(...unmasked), cuts),
            fit.map(([kind, data]) => ({ kind, data })),
          )
        },
      ),
      { numRuns: 200 },
    )
  })

  test('a message in parts, with control frames between them, cut anywhere', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.array(fc.nat(), { maxLength: 5 }),
        fc.array(fc.nat()),
        (text, parts, cuts) => {
          const bytes = utf8(text)
          const ends = [...parts.map((part) => part % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
          let start = 0
          const frames = ends.flatMap((end, i) => {
            const piece = frame((i === 0 ? 1 : 0) | (i === ends.length - 1 ? 0x80 : 0), bytes.subarray(start, end))
            start = end
            return i === ends.length - 1 ? [piece] : [piece, frame(0x89, utf8(`${i}`))]
          })
          const received = read(concat(...frames), cuts)
          assert.deepEqual(received.at(-1), { kind: 'text', text })
          assert.equal(received.length, ends.length)
        },
      ),
    )
  })

  test('close codes and reasons', () => {
    const close = (...payload: number[]) => frame(0x88, Uint8Array.from(payload))
    assert.deepEqual(read(close()), [{ kind: 'close', code: 1005, reason: '' }])
    assert.deepEqual(read(close(0x03, 0xe8, 0x68, 0x69)), [{ kind: 'close', code: 1000, reason: 'hi' }])
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535])
      refused(1002, close(code >> 8, code & 255))
    refused(1002, close(3))
    refused(1007, close(0x03, 0xe8, 0xff))
  })

  test('what a server must not send', () => {
    refused(1002, frame(0xc1, utf8('compressed')))
    refused(1002, frame(0x83, utf8('opcode of nobody')))
    refused(1002, frame(0x8b, utf8('the same for control')))
    refused(1002, frame(0x80, utf8('continues nothing')))
    refused(1002, concat(frame(0x01, utf8('a')), frame(0x81, utf8('inside another'))))
    refused(1002, frame(0x09, utf8('a ping in parts')))
    refused(1002, frame(0x89, new Uint8Array(126)))
    refused(1002, encodeFrame('text', utf8('masked'), new Uint8Array(4)))
    refused(1002, frame(0x82, new Uint8Array(125), { lengthBytes: 2 }))
    refused(1002, frame(0x82, new Uint8Array(65_535), { lengthBytes: 8 }))
    refused(1002, fromHex('827fffffffffffffffff', 'frame'))
    refused(1007, frame(0x81, Uint8Array.of(0xc3, 0x28)))
    refused(1007, frame(0x81, Uint8Array.of(0xed, 0xa0, 0x80)))
  })

  test('a message too long is refused at its length, whole or in parts, before it is there', () => {
    assert.equal(read(frame(0x82, new Uint8Array(100)), [], 100).length, 1)
    refused(1009, fromHex('8265', 'header'), 100)
    refused(1009, fromHex('827f7fffffffffffffff', 'header'), 100)
    refused(1009, concat(frame(0x02, new Uint8Array(60)), fromHex('0029', 'header')), 100)
  })

  test('any bytes are read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat(), { maxLength: 8 }), (bytes, cuts) => {
        let whole: unknown
        let cut: unknown
        try {
          whole = read(bytes)
        } catch (error) {
          assert.ok(error instanceof FrameRefusal)
          whole = error.code
        }
        try {
          cut = read(bytes, cuts)
        } catch (error) {
          assert.ok(error instanceof FrameRefusal)
          cut = error.code
        }
        assert.deepEqual(cut, whole)
      }),
      { numRuns: 500 },
    )
  })
})
