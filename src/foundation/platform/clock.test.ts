import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { isMixnetError } from '../base/errors.ts'
import { millis } from '../base/units.ts'
import { nullProvider } from '../crypto/nullProvider.ts'
import { sleep, withDeadline } from './clock.ts'
import { platforms } from './stages.ts'

for (const platform of platforms(nullProvider)) {
  describe(`clock: ${platform.name}`, { timeout: 5000 }, () => {
    it('fires timers once, in order, not before they are due', () =>
      platform.play(async ({ here: { clock } }) => {
        const started = clock.monotonic()
        const fired: string[] = []
        await new Promise<void>((resolve) => {
          clock.after(millis(20), resolve)
          clock.after(millis(10), () => fired.push('ten'))
          clock.after(millis(1), () => fired.push('one'))
          clock.after(millis(0), () => fired.push('zero'))
          clock.after(millis(-5), () => fired.push('past'))
        })
        assert.equal(fired.length, 4)
        for (const [first, second] of [
          ['zero', 'past'],
          ['one', 'ten'],
        ] as const) {
          assert.ok(fired.indexOf(first) < fired.indexOf(second))
        }
        // Node's timers count from the start of the turn and in whole milliseconds.
        assert.ok(clock.monotonic() - started >= 18)
      }))

    it('does not fire cancelled timers, nor distant ones early', () =>
      platform.play(async ({ here: { clock } }) => {
        const early = () => assert.fail('fired')
        clock.after(millis(2), early).cancel()
        clock.after(millis(0), early).cancel()
        const distant = clock.after(millis(2 ** 31 + 10), early)
        await sleep(clock, millis(5))
        distant.cancel()
        distant.cancel()
      }))

    it('runs soon after the present turn and its promises, in order', () =>
      platform.play(async ({ here: { clock } }) => {
        const order: string[] = []
        await new Promise<void>((resolve) => {
          clock.soon(() => order.push('soon'))
          clock.soon(resolve)
          Promise.resolve()
            .then(() => {})
            .then(() => order.push('promise'))
          order.push('turn')
        })
        assert.deepEqual(order, ['turn', 'promise', 'soon'])
      }))

    it('aborts sleep and names what missed its deadline', () =>
      platform.play(async ({ here: { clock } }) => {
        const stop = new AbortController()
        const sleeping = sleep(clock, millis(60_000), stop.signal)
        stop.abort()
        await assert.rejects(sleeping, (error) => isMixnetError(error, 'ABORTED'))
        await assert.rejects(
          withDeadline(clock, millis(1), 'nothing', new Promise(() => {})),
          (error) => isMixnetError(error, 'TIMEOUT') && error.details.what === 'nothing',
        )
        assert.equal(await withDeadline(clock, millis(1000), 'work', Promise.resolve(7)), 7)
      }))
  })
}

it('node: a pending timer does not keep the process alive', { timeout: 10_000 }, () => {
  const module = new URL('./node/nodeClock.ts', import.meta.url).href
  const program = `import { nodeClock } from ${JSON.stringify(module)}; nodeClock.after(60_000, () => {})`
  execFileSync(process.execPath, ['--input-type=module', '--eval', program], { timeout: 9000 })
})
