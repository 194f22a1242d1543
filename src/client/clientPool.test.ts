import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMixnetError } from '../foundation/base/errors.ts'
import { seconds } from '../foundation/base/units.ts'
import { nullProvider } from '../foundation/crypto/nullProvider.ts'
import { Simulation } from '../foundation/platform/simulated/simulation.ts'
import { ClientPool, type PoolClient } from './clientPool.ts'
import type { MixnetState } from './mixnetEvents.ts'

interface Fake extends PoolClient {
  state: MixnetState
  readonly number: number
  readonly asked: string[]
}

function setUp(seed = 'pool') {
  const simulation = new Simulation({ seed, crypto: nullProvider })
  const made: Fake[] = []
  const connect = async (number: number): Promise<Fake> => {
    const fake: Fake = {
      number,
      state: 'open',
      asked: [],
      fetch: async (input) => {
        fake.asked.push(String(input))
        return new Response()
      },
      open: () => Promise.reject(new Error('not here')),
      send: () => Promise.resolve(),
      close: async () => {
        fake.state = 'closed'
      },
    }
    made.push(fake)
    return fake
  }
  const outside = { clock: simulation.clock, random: simulation.random.stream('pool') }
  return { simulation, made, connect, outside }
}

const SITES = Array.from({ length: 90 }, (_, i) => `http://site-${i}.example/`)

test('a site stays with its client, and the clients share the sites', async () => {
  const { made, connect, outside } = setUp()
  const pool = await ClientPool.connect(3, outside, connect)
  for (const site of [...SITES, ...SITES]) await pool.fetch(site)
  for (const { asked } of made) {
    assert.equal(asked.length, 2 * new Set(asked).size)
    assert.ok(asked.length > 20)
  }
  await pool.close()
  await assert.rejects(pool.fetch('http://site/'), { code: 'STOPPED' })
})

test('who is away is passed over, others keep theirs; it is replaced in the end', async () => {
  const { simulation, made, connect, outside } = setUp()
  const pool = await ClientPool.connect(3, outside, connect)
  const serving = async () => {
    for (const { asked } of made) asked.length = 0
    for (const site of SITES) await pool.fetch(site)
    return new Map(made.flatMap(({ number, asked }) => asked.map((site) => [site, number] as const)))
  }
  const before = await serving()
  const [first] = made as [Fake]
  first.state = 'lost'
  const meanwhile = await serving()
  assert.ok([...meanwhile.values()].every((number) => number !== 0))
  for (const [site, number] of before) if (number !== 0) assert.equal(meanwhile.get(site), number)
  await simulation.runFor(seconds(60))
  assert.equal(made.length, 3)
  await simulation.runFor(seconds(120))
  assert.deepEqual([made.length, first.state], [4, 'closed'])
  assert.deepEqual(await serving(), before)
  await pool.close()
  assert.ok(made.every(({ state }) => state === 'closed'))
})

test('where one cannot connect, none stays; nor is there a pool of none', async () => {
  const { made, connect, outside } = setUp()
  const failing = (number: number) => (number === 1 ? Promise.reject(new Error('no gateway')) : connect(number))
  await assert.rejects(ClientPool.connect(2, outside, failing), /no gateway/)
  assert.deepEqual(
    made.map(({ state }) => state),
    ['closed'],
  )
  for (const size of [0, 1.5, 17, Number.NaN]) {
    const error = await ClientPool.connect(size, outside, connect).catch((error: unknown) => error)
    assert.ok(isMixnetError(error, 'BAD_ARGUMENT'))
  }
})

test('whoever gave up connecting in time is replaced all the same, and a pool that is closed waits for no replacement', async () => {
  const { simulation, made, connect, outside } = setUp()
  const signals: (AbortSignal | undefined)[] = []
  const last = () => signals[2]
  const pool = await ClientPool.connect(2, outside, (number, replaces) => {
    signals.push(replaces)
    if (replaces === undefined) return connect(number)
    return new Promise((_, reject) => replaces.addEventListener('abort', () => reject(replaces.reason)))
  })
  assert.ok(signals.length === 2 && signals.every((signal) => signal === undefined))
  ;(made[0] as Fake).state = 'closed'
  await simulation.runFor(seconds(10))
  assert.equal(last()?.aborted, false)
  await pool.close()
  assert.equal(last()?.aborted, true)
})
