import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OwnLoops } from './ownLoops.ts'

const variant = (number: number) => Uint8Array.of(number >> 8, number)
const key = (number: number) => Uint8Array.of(number)

test('a loop is there once, with its key where that was made ahead', () => {
  const loops = new OwnLoops()
  loops.sent(variant(1), key(1))
  loops.sent(variant(2), undefined)
  assert.deepEqual(loops.take(variant(2)), { key: undefined })
  assert.equal(loops.take(variant(2)), undefined)
  assert.equal(loops.take(variant(3)), undefined)
  assert.deepEqual(loops.take(variant(1)), { key: key(1) })
})

test('loops that never come back take no room for ever: the oldest are forgotten', () => {
  const loops = new OwnLoops()
  for (let i = 0; i < 6_000; i++) loops.sent(variant(i), key(i))
  const kept = Array.from({ length: 6_000 }, (_, i) => i).filter((i) => loops.take(variant(i)) !== undefined)
  assert.equal(kept.length, 4096)
  assert.equal(kept[0], 6_000 - 4096)
})
