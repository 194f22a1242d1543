import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MixnetError } from '../foundation/base/errors.ts'
import { minutes, seconds } from '../foundation/base/units.ts'
import { HandClock, turn } from '../foundation/platform/handClock.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'
import { ExitKeeper, type ExitKeeperOptions } from './exitKeeper.ts'
import { TestMixnet } from './mixnet.support.test.ts'
import { Events } from './mixnetEvents.ts'

const mixnet = new TestMixnet({ seed: 'exits' })
const topology = mixnet.topology.current()
const [gatewayA, gatewayB, gatewayC] = mixnet.gateways.map(({ identity }) => identity) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
]
const exitAt = (gateway: Uint8Array, seed: number): Recipient => ({
  identity: new Uint8Array(32).fill(seed),
  encryptionKey: new Uint8Array(32),
  gateway,
})

function setUp(known: readonly Recipient[], options: Partial<ExitKeeperOptions> = {}) {
  const clock = new HandClock()
  let present = known[0] ?? exitAt(gatewayB, 99)
  const told: string[] = []
  const keeper = new ExitKeeper({
    clock,
    random: mixnet.simulation.random.stream('choice'),
    events: new Events(({ type }) => told.push(type)),
    known,
    list: () => Promise.reject(new MixnetError('TOPOLOGY_UNAVAILABLE')),
    topology: () => topology,
    entry: () => ({ entry: gatewayA, guards: [gatewayA] }),
    present: () => present,
    change: (exit) => {
      present = exit
    },
    ...options,
  })
  const silent = async (): Promise<Recipient> => {
    keeper.silent()
    for (let i = 0; i < 5; i++) await turn()
    return present
  }
  return { clock, told, keeper, silent }
}

test('never to one at our entry, nor to one that the network does not know, nor back to one that was silent', async () => {
  const [first, next] = [exitAt(gatewayB, 1), exitAt(gatewayC, 2)]
  const { told, silent } = setUp([first, exitAt(gatewayA, 3), exitAt(new Uint8Array(32), 4), next])
  assert.equal(await silent(), next)
  assert.equal(await silent(), next)
  assert.deepEqual(told, ['exit-silent', 'exit-changed', 'exit-silent'])
})

test('three times an hour at most, whoever makes them look silent', async () => {
  const { clock, told, silent } = setUp([1, 2, 3, 4, 5, 6, 7].map((seed) => exitAt(gatewayB, seed)))
  for (let i = 0; i < 6; i++) await silent()
  assert.equal(told.filter((type) => type === 'exit-changed').length, 3)
  clock.advance(minutes(60))
  await silent()
  assert.equal(told.filter((type) => type === 'exit-changed').length, 4)
})

test('where none that was known is left, the directory is asked, and not waited for longer than a while', async () => {
  const next = exitAt(gatewayC, 2)
  const asking = setUp([exitAt(gatewayB, 1)], { list: () => Promise.resolve([next]) })
  assert.equal(await asking.silent(), next)
  const { clock, silent, told } = setUp([exitAt(gatewayB, 1)], { list: () => new Promise(() => {}) })
  await silent()
  clock.advance(seconds(30))
  await turn()
  assert.deepEqual([told, clock.pending], [['exit-silent'], 0])
})

test('one that the caller named is never left, and a closed keeper changes nothing', async () => {
  const named = setUp([])
  await named.silent()
  assert.deepEqual(named.told, ['exit-silent'])
  const { keeper, silent, told } = setUp([exitAt(gatewayB, 1), exitAt(gatewayC, 2)])
  keeper.close()
  await silent()
  assert.deepEqual(told, ['exit-silent'])
})
