import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MixnetError } from '../../foundation/base/errors.ts'
import { millis, minutes, seconds } from '../../foundation/base/units.ts'
import { HandClock } from '../../foundation/platform/handClock.ts'
import { CLIENT_REFRESH, Refreshing } from './topologyProvider.ts'

describe('keeping it fresh', () => {
  const refused = new MixnetError('CONNECTION_REFUSED')

  /** A provider whose fetch answers what `next` says. */
  function providing(next: (count: number) => number | MixnetError | Promise<number>, remembered?: number) {
    const clock = new HandClock()
    let count = 0
    const provider = new Refreshing<number>({
      clock,
      remembered,
      fetch: async () => {
        const value = await next(++count)
        if (value instanceof MixnetError) throw value
        return value
      },
    })
    const seen: (number | undefined)[] = []
    provider.onChange((value) => seen.push(value))
    return { clock, provider, seen, asked: () => count }
  }

  test('whoever asks in between cannot make it forget; who has forgotten asks more often', async () => {
    let up = true
    const { clock, provider, asked } = providing((count) => (up ? count : refused))
    await provider.start()
    up = false
    for (let i = 0; i < 50; i++) await assert.rejects(provider.refresh())
    assert.equal(provider.current(), 1)
    await clock.advanceSettling(minutes(54))
    assert.equal(provider.current(), 1)
    await clock.advanceSettling(minutes(2))
    assert.equal(provider.current(), undefined)
    up = true
    const before = asked()
    await clock.advanceSettling(seconds(31))
    assert.equal(provider.current(), before + 1)
    provider.stop()
  })

  test('what an earlier process knew is in force at once, asked about more often, and given up as late as there', async () => {
    let up = false
    const { clock, provider, asked } = providing((count) => (up ? count : refused), 0)
    assert.equal(provider.current(), 0)
    assert.equal(await provider.start(), 0)
    await clock.advanceSettling(minutes(49))
    assert.equal(provider.current(), 0)
    up = true
    await clock.advanceSettling(seconds(31))
    assert.equal(provider.current(), asked())
    const answered = asked()
    await clock.advanceSettling(minutes(5))
    assert.equal(asked(), answered + 1)
    provider.stop()
    const forgetful = providing(() => refused, 0)
    await forgetful.provider.start()
    await forgetful.clock.advanceSettling(minutes(51))
    assert.equal(forgetful.provider.current(), undefined)
    forgetful.provider.stop()
  })

  test('every five minutes, until stopped', async () => {
    const { clock, provider, seen, asked } = providing((count) => count)
    assert.equal(provider.current(), undefined)
    assert.equal(await provider.start(), 1)
    await clock.advanceSettling(minutes(16))
    assert.deepEqual([provider.current(), seen], [4, [1, 2, 3, 4]])
    provider.stop()
    await clock.advanceSettling(minutes(30))
    assert.deepEqual([asked(), clock.pending, provider.current()], [4, 0, 4])
    await assert.rejects(provider.refresh(), { code: 'STOPPED' })
  })

  test('the old value survives ten failures and no more; a success begins the count anew', async () => {
    const { clock, provider, seen } = providing((count) => (count === 1 || count === 12 ? count : refused))
    await provider.start()
    await clock.advanceSettling(minutes(50))
    assert.deepEqual([provider.current(), seen], [1, [1]])
    await clock.advanceSettling(minutes(5))
    assert.deepEqual([provider.current(), seen], [12, [1, 12]])
    await clock.advanceSettling(minutes(50))
    assert.equal(provider.current(), 12)
    await clock.advanceSettling(minutes(5))
    assert.deepEqual([provider.current(), seen], [undefined, [1, 12, undefined]])
    provider.stop()
  })

  test('whoever asks meanwhile gets the same answer', async () => {
    const { provider, asked } = providing((count) => count)
    assert.deepEqual(await Promise.all([provider.refresh(), provider.refresh(), provider.start()]), [1, 1, 1])
    assert.equal(asked(), 1)
    provider.stop()
  })

  test('a fetch that throws at once is a failure like any other', async () => {
    let count = 0
    const provider = new Refreshing<number>({
      clock: new HandClock(),
      fetch: () => {
        if (++count === 1) throw refused
        return Promise.resolve(count)
      },
    })
    await assert.rejects(provider.refresh(), { code: 'CONNECTION_REFUSED' })
    assert.equal(await provider.refresh(), 2)
    provider.stop()
  })

  test('starting tries again until the network is there', async () => {
    const { clock, provider, asked } = providing((count) => (count < 3 ? refused : count))
    const started = provider.start()
    await clock.advanceSettling(seconds(2))
    assert.equal(await started, 3)
    assert.equal(asked(), 3)
    provider.stop()
  })

  test('but not for ever', async () => {
    const { clock, provider, asked } = providing(() => refused)
    const started = assert.rejects(provider.start(), { code: 'CONNECTION_REFUSED' })
    await clock.advanceSettling(seconds(60))
    await started
    assert.equal(asked(), CLIENT_REFRESH.startLimit / CLIENT_REFRESH.startRetry + 1)
    assert.equal(clock.pending, 0)
  })

  test('stopping ends a start that waits', async () => {
    const { clock, provider } = providing(() => refused)
    const started = assert.rejects(provider.start(), { code: 'ABORTED' })
    await clock.advanceSettling(millis(500))
    provider.stop()
    await started
    assert.equal(clock.pending, 0)
  })

  test('a directory that never answers is given up at the deadline', async () => {
    const clock = new HandClock()
    const provider = new Refreshing<number>({
      clock,
      fetch: (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new MixnetError('ABORTED')))
        }),
    })
    const refreshed = assert.rejects(provider.refresh(), {
      code: 'TOPOLOGY_UNAVAILABLE',
      details: { why: 'the directory did not answer in time' },
    })
    await clock.advanceSettling(CLIENT_REFRESH.deadline)
    await refreshed
    provider.stop()
  })
})
