import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isMixnetError } from './errors.ts'
import { Reader } from './reader.ts'
import { Writer } from './writer.ts'

const field = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.nat(0xff) }),
  fc.record({ kind: fc.constant('u16' as const), value: fc.nat(0xffff) }),
  fc.record({ kind: fc.constant('u32' as const), value: fc.nat(0x7fffffff) }),
  fc.record({ kind: fc.constant('i32' as const), value: fc.integer() }),
  fc.record({ kind: fc.constant('u64' as const), value: fc.bigInt(0n, (1n << 64n) - 1n) }),
  fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 40 }) }),
)

test('what a writer of any capacity wrote, a reader reads back to the end', () => {
  fc.assert(
    fc.property(fc.array(field), fc.nat(8), (fields, capacity) => {
      const writer = new Writer(capacity)
      for (const { kind, value } of fields) {
        if (kind === 'bytes') writer.bytes(value)
        else if (kind === 'u64') writer.u64(value)
        else writer[kind](value)
      }
      const reader = new Reader(writer.finish(), 'fields')
      for (const { kind, value } of fields) {
        if (kind === 'bytes') assert.deepEqual(new Uint8Array(reader.bytes(value.length, kind)), value)
        else if (kind === 'i32') assert.equal(reader.i32(kind), value)
        else assert.equal(reader[kind](kind), value)
      }
      reader.expectEnd()
    }),
  )
})

test('reading past the end, out of bounds and before the end is refused, naming structure and field', () => {
  const refusal = (read: (reader: Reader) => void) => (error: unknown) =>
    isMixnetError(error, 'MALFORMED') && read !== undefined
  for (const read of [
    (reader: Reader) => reader.u32('length'),
    (reader: Reader) => reader.bytes(4, 'body'),
    (reader: Reader) => reader.u8('count', { max: 0 }),
    (reader: Reader) => reader.u8('count', { min: 2 }),
    (reader: Reader) => reader.expectEnd(),
  ]) {
    assert.throws(() => read(new Reader(Uint8Array.of(1, 2, 3), 'thing')), refusal(read))
  }
  assert.throws(() => new Reader(new Uint8Array(1), 'thing').u16('length'), /thing.*length/)
})
