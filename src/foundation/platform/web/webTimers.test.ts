import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type TimerPage, WebTimers } from './webTimers.ts'

/** A page whose worker is the test. */
function makePage({ hidden = false, hasWorker = true } = {}) {
  const state = { hidden, started: 0 }
  const posted: (readonly [number, number])[] = []
  let [onHidden, fire, fail] = [() => {}, (_id: number) => {}, () => {}]
  const page: TimerPage = {
    isHidden: () => state.hidden,
    onHidden(run) {
      onHidden = run
      if (state.hidden) run()
    },
    startWorker(fired, failed) {
      state.started++
      fire = fired
      fail = failed
      return hasWorker ? { post: (message) => posted.push(message) } : undefined
    },
  }
  const hide = () => {
    state.hidden = true
    onHidden()
  }
  return { page, state, posted, hide, fire: (id: number) => fire(id), fail: () => fail() }
}

const LATER = 60_000

test('while it is seen, a page has its own timers and no worker', async () => {
  const { page, state, posted } = makePage()
  const timers = new WebTimers(page)
  await new Promise<void>((resolve) => timers.after(1, resolve))
  assert.deepEqual([state.started, posted.length], [0, 0])
})

test('hidden, what waits and what comes runs in a worker as well, and once', () => {
  const { page, state, posted, hide, fire } = makePage()
  const timers = new WebTimers(page)
  const ran: string[] = []
  const first = timers.after(0.4, () => ran.push('before'))
  const cancelled = timers.after(LATER, () => ran.push('cancelled'))
  hide()
  hide()
  assert.equal(state.started, 1)
  assert.deepEqual(
    posted.map(([id]) => id),
    [1, 2, 1, 2],
  )
  timers.after(0.4, () => ran.push('after'))
  assert.equal(posted.length, 5)
  cancelled.cancel()
  assert.deepEqual(posted.at(-1), [2, -1])
  fire(1)
  fire(1)
  fire(2)
  fire(3)
  fire(99)
  first.cancel()
  assert.deepEqual(ran, ['before', 'after'])
})

test('a worker that fires early does not make a long timer short', () => {
  const { page, hide, fire, posted } = makePage()
  const timers = new WebTimers(page)
  hide()
  let ran = 0
  const timer = timers.after(LATER, () => ran++)
  fire(1)
  assert.equal(ran, 0)
  assert.deepEqual(
    posted.map(([, delay]) => delay > 0),
    [true, false, true],
  )
  timer.cancel()
})

for (const late of [false, true]) {
  test(`without a worker the page's own timers fire, ${late ? 'also where that shows late' : 'where none can be made'}`, async () => {
    const { page, hide, fail } = makePage({ hasWorker: late })
    const timers = new WebTimers(page)
    hide()
    const ran = new Promise<void>((resolve) => timers.after(5, resolve))
    fail()
    await ran
    await new Promise<void>((resolve) => timers.after(1, resolve))
  })
}
