import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RotationFlag } from '../protocol/packet/keyRotation.ts'
import { encodeNodeAddress } from '../protocol/packet/nodeAddress.ts'
import type { ReplySurb } from '../protocol/packet/replySurb.ts'
import { type Present, SurbShelf } from './surbShelf.ts'

const surb = (name: number, rotation: RotationFlag): ReplySurb => ({
  encryptionKey: new Uint8Array(16).fill(name),
  rotation,
  surb: {
    header: new Uint8Array(348),
    firstHop: encodeNodeAddress({ ip: '10.0.0.1', port: 1789 }, 32),
    version: 259,
    keyMaterial: Array.from({ length: 4 }, () => new Uint8Array(16)),
  },
})
const surbs = (names: readonly number[], rotation: RotationFlag): ReplySurb[] =>
  names.map((name) => surb(name, rotation))
const at = (epochId: number, rotationFlag: RotationFlag): Present => ({ epochId, rotationFlag })

function takeAll(shelf: SurbShelf, present: Present | undefined): number[] {
  const names: number[] = []
  for (let next = shelf.take(present); next !== undefined; next = shelf.take(present))
    names.push(next.encryptionKey[0] as number)
  return names
}

test('first come, first used; what is given back is next; the oldest make room', () => {
  const shelf = new SurbShelf()
  assert.equal(shelf.add(surbs([1, 2, 3], 1), at(1, 1), 4), 0)
  const first = shelf.take(at(1, 1)) as ReplySurb
  shelf.giveBack(first, at(1, 1))
  assert.equal(shelf.add(surbs([4, 5, 6], 1), at(1, 1), 4), 2)
  assert.deepEqual(takeAll(shelf, at(1, 1)), [3, 4, 5, 6])
})

test('after a rotation the old are used last, and dropped after one epoch', () => {
  for (const epoch of [24, 25]) {
    const shelf = new SurbShelf()
    shelf.add(surbs([1, 2], 1), at(23, 1), 10)
    shelf.sort(at(24, 2))
    assert.equal(shelf.fresh, 0)
    shelf.add(surbs([3], 2), at(24, 2), 10)
    assert.deepEqual(takeAll(shelf, at(epoch, 2)), epoch === 24 ? [3, 1, 2] : [3])
  }
})

test('a SURB of a rotation we do not know of yet is kept, and fresh when we do', () => {
  const shelf = new SurbShelf()
  shelf.add(surbs([1], 1), at(23, 1), 10)
  shelf.add(surbs([2], 2), at(23, 1), 10)
  assert.equal(shelf.fresh, 1)
  shelf.sort(at(24, 2))
  assert.equal(shelf.fresh, 1)
  assert.deepEqual(takeAll(shelf, at(25, 2)), [2])
})

test('SURBs that do not say their rotation are of the one they came in', () => {
  const shelf = new SurbShelf()
  shelf.add(surbs([1], 0), at(23, 1), 10)
  assert.equal(shelf.fresh, 1)
  shelf.sort(at(24, 2))
  shelf.add(surbs([2], 0), at(24, 2), 10)
  assert.deepEqual(takeAll(shelf, at(24, 2)), [2, 1])
})

test('without a topology, and in the first rotation, all are fresh', () => {
  const shelf = new SurbShelf()
  shelf.add(surbs([1, 2], 1), undefined, 10)
  shelf.add(surbs([3], 2), at(1, 0), 10)
  assert.equal(shelf.fresh, 3)
  assert.deepEqual(takeAll(shelf, at(1, 0)), [1, 2, 3])
})
