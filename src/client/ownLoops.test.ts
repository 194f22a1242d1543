import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OwnLoops } from './ownLoops.ts'

const agreement = (number: number) => ({
  variant: Uint8Array.of(number >> 8, number),
  key: Uint8Array.of(number),
})

test('a key is there for the loop it was made for, once', () => {
  const loops = new OwnLoops()
  loops.sent(agreement(1))
  loops.sent(agreement(2))
  assert.deepEqual(loops.take(agreement(2).variant), agreement(2).key)
  assert.equal(loops.take(agreement(2).variant), undefined)
  assert.equal(loops.take(agreement(3).variant), undefined)
  assert.deepEqual(loops.take(agreement(1).variant), agreement(1).key)
})

test('loops that never come back take no room for ever: the oldest are forgotten', () => {
  const loops = new OwnLoops()
  for (let i = 0; i < 2_000; i++) loops.sent(agreement(i))
  const kept = Array.from({ length: 2_000 }, (_, i) => i).filter((i) => loops.take(agreement(i).variant) !== undefined)
  assert.equal(kept.length, 512)
  assert.equal(kept[0], 2_000 - 512)
})
