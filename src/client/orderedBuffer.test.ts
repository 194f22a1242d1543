import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concat } from '../foundation/base/bytes.ts'
import { OrderedBuffer } from './orderedBuffer.ts'

const LIMITS = { maxAhead: 1000, maxBytes: 1 << 20 }

test('any order, with duplicates, comes out in order and once', () => {
  const stream = fc
    .uniqueArray(fc.nat(40), { minLength: 41, maxLength: 41 })
    .chain((order) => fc.tuple(fc.constant(order), fc.array(fc.constantFrom(...order))))
  fc.assert(
    fc.property(stream, ([order, duplicates]) => {
      const buffer = new OrderedBuffer(LIMITS)
      const received: Uint8Array[] = []
      let closings = 0
      for (const sequence of [...order.flatMap((value, index) => [value, duplicates[index] ?? value])]) {
        const result = buffer.push(BigInt(sequence), Uint8Array.of(sequence, sequence), sequence === 40)
        if (result.kind !== 'deliver') continue
        received.push(...result.data)
        if (result.closed) closings++
      }
      assert.deepEqual(
        concat(...received),
        concat(...Array.from({ length: 41 }, (_, value) => Uint8Array.of(value, value))),
      )
      assert.equal(closings, 1)
      assert.equal(buffer.heldBytes, 0)
    }),
    { numRuns: 50 },
  )
})

test('nothing is delivered after the end, and empty messages only move the sequence on', () => {
  const buffer = new OrderedBuffer(LIMITS)
  assert.deepEqual(buffer.push(1n, Uint8Array.of(9), true), { kind: 'nothing' })
  assert.deepEqual(buffer.push(0n, new Uint8Array(0), false), {
    kind: 'deliver',
    data: [Uint8Array.of(9)],
    closed: true,
  })
  assert.deepEqual(buffer.push(2n, Uint8Array.of(1), false), { kind: 'nothing' })
})

test('a message too far ahead, or more bytes than may be held, overflows', () => {
  const buffer = new OrderedBuffer({ maxAhead: 2, maxBytes: 4 })
  assert.equal(buffer.push(3n, new Uint8Array(1), false).kind, 'overflow')
  assert.equal(buffer.push(2n, new Uint8Array(3), false).kind, 'nothing')
  assert.equal(buffer.push(1n, new Uint8Array(2), false).kind, 'overflow')
  assert.equal(buffer.push(0n, new Uint8Array(1), false).kind, 'deliver')
})

test('what is held never keeps out the message that everything waits for', () => {
  const buffer = new OrderedBuffer({ maxAhead: 2, maxBytes: 4 })
  assert.equal(buffer.push(1n, new Uint8Array(4), false).kind, 'nothing')
  assert.equal(buffer.push(0n, new Uint8Array(4), false).kind, 'deliver')
})
