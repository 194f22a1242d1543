import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedMemory } from './sharedMemory.ts'

test('one half is for who comes first, of the other each has a part both ways, and all of it can be given back', () => {
  const memory = new SharedMemory({ maxTotalBytes: 1000, maxClients: 5 })
  assert.ok(memory.reserve(500, 0))
  assert.equal(memory.reserve(1, 500), false)
  for (let client = 0; client < 5; client++) {
    for (const _ of ['to it', 'from it']) {
      assert.ok(memory.reserve(49, 0))
      assert.equal(memory.reserve(2, 49), false)
      assert.ok(memory.reserve(1, 49))
    }
  }
  assert.equal(memory.taken, 1000)
  assert.ok(memory.reserve(-100, 500))
  assert.equal(memory.taken, 900)
  assert.ok(memory.reserve(-400, 400))
  for (let client = 0; client < 10; client++) assert.ok(memory.reserve(-50, 50))
  assert.equal(memory.taken, 0)
})
