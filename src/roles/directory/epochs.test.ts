import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { hours, type Millis, millis, minutes } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { Files } from '../../foundation/platform/files.ts'
import { DEFAULT_EPOCH_PARAMS, type EpochParams, Epochs } from './epochs.ts'

const START = millis(1_795_334_400_000)
const PATH = 'epochs.json'
const invalid = (error: unknown): boolean => isMixnetError(error, 'CONFIG_INVALID')

function place() {
  const contents = new Map<string, Uint8Array>()
  const time = { now: millis(START + 250), passed: millis(0) }
  const clock = { now: () => time.now, monotonic: () => time.passed } as Clock
  const files = {
    read: (path: string) => Promise.resolve(contents.get(path)),
    write(path: string, bytes: Uint8Array) {
      contents.set(path, bytes)
      return Promise.resolve()
    },
  } as Files
  const open = (params: Partial<EpochParams> = {}): Promise<Epochs> =>
    Epochs.open({ clock, files, path: PATH, params: { ...DEFAULT_EPOCH_PARAMS, ...params } })
  return {
    contents,
    open,
    at: (now: number) => {
      time.passed = millis(time.passed + Math.max(0, now - time.now))
      time.now = millis(now)
    },
    /** Sets the wall clock. */
    jump: (by: Millis) => {
      time.now = millis(time.now + by)
    },
    pass: (by: Millis) => {
      time.passed = millis(time.passed + by)
      time.now = millis(time.now + by)
    },
  }
}

describe('epochs', () => {
  it('begin at a whole second with key rotation 1, which packets can name', async () => {
    const epoch = (await place().open()).current()
    assert.equal(epoch.start, START)
    assert.equal(epoch.absoluteId, 24)
    assert.equal(epoch.end, START + hours(1))
    assert.equal(epoch.rotation.currentKeyRotationId, 1)
    assert.equal(epoch.nextRotationStart, START + hours(24))
    assert.deepEqual(epoch.interval, {
      id: 0,
      epochsInInterval: 720,
      currentEpochStart: START,
      currentEpochId: 24,
      epochLength: hours(1),
      totalElapsedEpochs: 24,
    })
  })

  it('go on by the clock, through intervals and rotations', async () => {
    const { open, at } = place()
    const epochs = await open({ firstEpochId: 0, epochsInInterval: 10, validityEpochs: 3 })
    const seen = [0, 1, 2, 3, 9, 10, 25].map((hour) => {
      at(START + hours(hour))
      const { interval, rotation, absoluteId } = epochs.current()
      return [absoluteId, interval.id, interval.currentEpochId, rotation.currentKeyRotationId]
    })
    assert.deepEqual(seen, [
      [0, 0, 0, 0],
      [1, 0, 1, 0],
      [2, 0, 2, 0],
      [3, 0, 3, 1],
      [9, 0, 9, 3],
      [10, 1, 0, 3],
      [25, 2, 5, 8],
    ])
  })

  it('are the same object within an epoch', async () => {
    const { open, at } = place()
    const epochs = await open()
    const first = epochs.current()
    at(START + hours(1) - 1)
    assert.equal(epochs.current(), first)
    at(START + hours(1))
    assert.notEqual(epochs.current(), first)
  })

  it('do not go back with the clock', async () => {
    const { open, at } = place()
    const epochs = await open()
    at(START + hours(3))
    assert.equal(epochs.current().absoluteId, 27)
    at(START - hours(3))
    assert.equal(epochs.current().absoluteId, 27)
    assert.equal((await open()).current().absoluteId, 24)
  })

  it('do not follow a clock that is far ahead for a moment, nor stand still meanwhile for longer than that', async () => {
    const { open, jump, pass } = place()
    const epochs = await open()
    jump(hours(1000))
    assert.equal(epochs.current().absoluteId, 24)
    pass(minutes(4))
    assert.equal(epochs.current().absoluteId, 24)
    jump(hours(-1000))
    pass(minutes(60))
    assert.equal(epochs.current().absoluteId, 25)
    jump(hours(1000))
    assert.equal(epochs.current().absoluteId, 25)
    jump(hours(-999))
    assert.equal(epochs.current().absoluteId, 26)
  })

  it('follow one that stays ahead: the machine slept', async () => {
    const { open, jump, pass } = place()
    const epochs = await open()
    jump(hours(10))
    assert.equal(epochs.current().absoluteId, 24)
    pass(minutes(5))
    assert.equal(epochs.current().absoluteId, 34)
  })

  it('go on after a restart, however long it took', async () => {
    const { open, at } = place()
    await open()
    at(START + hours(100.5))
    const { absoluteId, start } = (await open()).current()
    assert.deepEqual([absoluteId, start], [124, START + hours(100)])
  })

  it('keep their number when their length changes', async () => {
    const { open, at } = place()
    await open()
    at(START + hours(2.25))
    const shorter = (await open({ epochLength: minutes(10) })).current()
    assert.deepEqual([shorter.absoluteId, shorter.start], [27, START + hours(2) + minutes(10)])
    at(START + hours(2.5))
    const longer = (await open({ epochLength: hours(2) })).current()
    assert.deepEqual([longer.absoluteId, longer.start], [29, START + hours(2.5)])
  })

  it('property: ids never fall, whatever the lengths and restarts', async () => {
    const step = fc.record({ wait: fc.nat(10_000_000), lengthMs: fc.integer({ min: 1000, max: 4_000_000 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const { open, at } = place()
        let now = START as number
        let last = 0
        for (const { wait, lengthMs } of steps) {
          const epochs = await open({ epochLength: millis(lengthMs) })
          for (const moment of [now, now + wait]) {
            at(moment)
            const { absoluteId, start, end } = epochs.current()
            assert.ok(absoluteId >= last)
            assert.ok(start <= moment && moment < end)
            last = absoluteId
          }
          now += wait
        }
      }),
      { numRuns: 50 },
    )
  })

  it('refuse what cannot be', async () => {
    const { open, contents } = place()
    for (const params of [
      { epochLength: millis(0) },
      { epochLength: millis(0.5) },
      { validityEpochs: 2 },
      { epochsInInterval: 0 },
      { firstEpochId: -1 },
    ]) {
      await assert.rejects(open(params), invalid)
    }
    assert.equal(contents.size, 0)
    await open()
    await assert.rejects(open({ validityEpochs: 12 }), invalid)
    contents.set(PATH, utf8('{}'))
    await assert.rejects(open(), invalid)
  })
})
