import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import { isMixnetError, MixnetError } from '../../base/errors.ts'
import { seconds } from '../../base/units.ts'
import { HandClock } from '../handClock.ts'
import { takingTurns } from '../takingTurns.ts'
import type { MethodNames, Thread } from '../threadCalls.ts'
import { serveWebThread, startWebThread, type WebWorker, type WorkerScope } from './webThread.ts'

interface Served {
  count(): Promise<number>
  echo(value: unknown): Promise<unknown>
  bufferBytes(bytes: Uint8Array): Promise<number>
  refuse(): Promise<never>
  fail(secret: string): Promise<never>
  uncopyable(): Promise<unknown>
  never(): Promise<never>
}

const METHODS: MethodNames<Served> = {
  count: true,
  echo: true,
  bufferBytes: true,
  refuse: true,
  fail: true,
  uncopyable: true,
  never: true,
}
const LIMIT = seconds(5)

const served = (): Served => {
  let count = 0
  return {
    count: async () => ++count,
    echo: async (value) => value,
    bufferBytes: async (bytes) => bytes.buffer.byteLength,
    async refuse() {
      throw new MixnetError('NO_ROUTE', { layer: 2 }, { message: 'other words', nextStep: 'another step' })
    },
    async fail(secret) {
      throw new TypeError(secret)
    },
    uncopyable: async () => () => 0,
    never: () => new Promise(() => {}),
  }
}

/** A worker that is the test: a channel, whose other end is its scope. */
function makeWorker() {
  const { port1, port2 } = new MessageChannel()
  const worker: WebWorker & { ended: boolean } = {
    ended: false,
    onmessage: null,
    onerror: null,
    onmessageerror: null,
    postMessage: (message) => port1.postMessage(message),
    terminate() {
      worker.ended = true
      port1.close()
    },
  }
  port1.onmessage = (event) => worker.onmessage?.(event)
  const scope: WorkerScope = { onmessage: null, postMessage: (message) => port2.postMessage(message) }
  port2.onmessage = (event) => scope.onmessage?.(event)
  return { worker, scope }
}

async function start(t: TestContext, maxCalls = 8) {
  const { worker, scope } = makeWorker()
  const starting = startWebThread<Served>({
    ...{ name: 'test', methods: METHODS, maxCalls, startLimit: LIMIT },
    ...{ start: () => worker, clock: new HandClock() },
  })
  serveWebThread<Served>(served(), scope)
  const thread = await starting
  assert.ok(thread !== undefined)
  t.after(() => thread.close())
  return { thread, worker, scope }
}

const turns = (maxCalls = 8): Thread<Served> =>
  takingTurns<Served>(served(), { name: 'test', methods: METHODS, maxCalls, clock: new HandClock() })

const thrown = (call: Promise<unknown>): Promise<MixnetError> =>
  call.then(
    () => assert.fail('it should reject'),
    (error: unknown) => {
      assert.ok(isMixnetError(error), String(error))
      return error
    },
  )

for (const [kind, make] of [
  ['a worker', async (t: TestContext, maxCalls?: number) => (await start(t, maxCalls)).thread],
  ['turns', async (_: TestContext, maxCalls?: number) => turns(maxCalls)],
] as const) {
  it(`${kind}: calls methods by name, and copies what goes and comes`, async (t) => {
    const { calls } = await make(t)
    assert.deepEqual(await Promise.all([calls.count(), calls.count()]), [1, 2])
    const value = { list: [new Uint8Array([1, 2]), { n: 3n, none: undefined }], text: 'x' }
    const waiting = calls.echo(value)
    value.text = 'changed meanwhile'
    assert.deepEqual(await waiting, { ...value, text: 'x' })
    assert.equal(await calls.bufferBytes(new Uint8Array(5_000).subarray(10, 42)), 32)
  })

  it(`${kind}: brings back a MixnetError as it was, and of any other its class only`, async (t) => {
    const { calls } = await make(t)
    const { code, guilty, details, message, nextStep } = await thrown(calls.refuse())
    assert.deepEqual([code, guilty, details, nextStep], ['NO_ROUTE', 'network', { layer: 2 }, 'another step'])
    assert.equal(message, 'other words (layer: 2)')
    const error = await thrown(calls.fail('sesame'))
    assert.deepEqual([error.code, error.details], ['INTERNAL', { error: 'TypeError' }])
    assert.doesNotMatch(`${error.message} ${error.stack} ${error.cause}`, /sesame/)
    const unsent = await thrown(calls.echo(() => 'sesame'))
    assert.equal(unsent.code, 'BAD_ARGUMENT')
    assert.doesNotMatch(`${unsent.message} ${unsent.stack} ${unsent.cause}`, /sesame/)
    assert.equal(await calls.count(), 1)
  })

  it(`${kind}: refuses one call more than it may have unanswered`, async (t) => {
    const { calls } = await make(t, 2)
    const waiting = [calls.echo(1), calls.echo(2)]
    assert.equal((await thrown(calls.echo(3))).code, 'QUEUE_FULL')
    assert.deepEqual(await Promise.all(waiting), [1, 2])
    assert.equal(await calls.echo(4), 4)
  })

  it(`${kind}: ends in the middle of a call, and stays so`, async (t) => {
    const thread = await make(t)
    const waiting = [thrown(thread.calls.never()), thrown(thread.calls.count())]
    await thread.close()
    await thread.close()
    assert.deepEqual(
      (await Promise.all(waiting)).map(({ code }) => code),
      ['STOPPED', 'STOPPED'],
    )
    assert.equal((await thrown(thread.calls.count())).code, 'STOPPED')
  })
}

it('a worker: an answer that cannot be copied is an error, not silence', async (t) => {
  const { thread } = await start(t)
  assert.equal((await thrown(thread.calls.uncopyable())).code, 'INTERNAL')
})

it('a worker that dies fails what was asked of it, and is over', async (t) => {
  const { thread, worker } = await start(t)
  assert.equal(thread.alive, true)
  const waiting = thrown(thread.calls.never())
  worker.onerror?.({})
  assert.deepEqual((await waiting).details, { thread: 'test', method: 'never', why: 'the worker died' })
  assert.deepEqual([thread.alive, worker.ended], [false, true])
  assert.equal((await thrown(thread.calls.count())).code, 'INTERNAL')
})

it('hears of no answer twice, and of none to what was never asked', async (t) => {
  const { thread, scope } = await start(t)
  assert.equal(await thread.calls.count(), 1)
  const never = thrown(thread.calls.never())
  for (const id of [1, 77]) scope.postMessage({ id, value: 'forged' })
  assert.equal(await thread.calls.count(), 2)
  await thread.close()
  assert.equal((await never).code, 'STOPPED')
})

it('turns: whatever else waits has its turn before each call, and calls never overlap', async () => {
  const order: string[] = []
  const slow = {
    async work(name: string) {
      order.push(`${name} begins`)
      await new Promise(setImmediate)
      order.push(`${name} ends`)
    },
  }
  const soon = Promise.withResolvers<() => void>()
  const clock = { soon: (run: () => void) => soon.resolve(run) }
  const { calls } = takingTurns<typeof slow>(slow, { name: 'test', methods: { work: true }, maxCalls: 8, clock })
  const both = Promise.all([calls.work('first'), calls.work('second')])
  const firstTurn = await soon.promise
  assert.deepEqual(order, [], 'nothing before the turn')
  const next = Promise.withResolvers<() => void>()
  clock.soon = (run) => next.resolve(run)
  firstTurn()
  const secondTurn = await next.promise
  assert.deepEqual(order, ['first begins', 'first ends'])
  secondTurn()
  await both
  assert.deepEqual(order.slice(2), ['second begins', 'second ends'])
})

for (const [why, fail] of [
  ['cannot be made', undefined],
  ['fails at once', (worker: WebWorker) => worker.onerror?.({})],
  ['is some other script', (worker: WebWorker) => worker.onmessage?.({ data: 'hello' })],
  ['says nothing in time', (_: WebWorker, clock: HandClock) => clock.advance(LIMIT)],
] as const) {
  it(`there is none where the worker ${why}`, async () => {
    const { worker } = makeWorker()
    if (fail === undefined) worker.terminate()
    const clock = new HandClock()
    const starting = startWebThread<Served>({
      ...{ name: 'test', methods: METHODS, maxCalls: 8, startLimit: LIMIT, clock },
      start() {
        if (fail === undefined) throw new Error('SecurityError')
        return worker
      },
    })
    fail?.(worker, clock)
    assert.equal(await starting, undefined)
    assert.deepEqual([clock.pending, worker.ended], [0, true])
  })
}
