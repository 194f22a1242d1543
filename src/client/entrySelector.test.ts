import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toBase58 } from '../foundation/base/base58.ts'
import { isMixnetError } from '../foundation/base/errors.ts'
import { Meter } from '../foundation/base/observe.ts'
import { hours, minutes, seconds } from '../foundation/base/units.ts'
import type { Simulation } from '../foundation/platform/simulated/simulation.ts'
import type { World } from '../foundation/platform/world.ts'
import { errorResponse } from '../protocol/wire/gateway/errorTexts.ts'
import { EntrySelector, type EntrySelectorOptions } from './entrySelector.ts'
import {
  clientParts,
  countOf,
  newSimulation,
  PACKET,
  ScriptedGateway,
  ScriptedTopology,
  watch,
} from './scriptedGateway.test.ts'

interface Setup {
  readonly sim: Simulation
  readonly gateways: readonly ScriptedGateway[]
  readonly topology: ScriptedTopology
  readonly meter: Meter
  create(options?: Partial<EntrySelectorOptions>, world?: World): Promise<EntrySelector>
  /** The gateway of a link, and the others. */
  sorted(link: EntrySelector): [ScriptedGateway, ...ScriptedGateway[]]
}

async function setUp(count = 3): Promise<Setup> {
  const sim = newSimulation()
  const gateways = Array.from({ length: count }, (_, i) => new ScriptedGateway(sim, `gateway${i}`, `10.0.1.${i + 1}`))
  for (const gateway of gateways) await gateway.listen()
  const client = sim.host('client', { ips: ['10.0.2.1'] })
  const topology = new ScriptedTopology(gateways)
  const meter = new Meter()
  return {
    sim,
    gateways,
    topology,
    meter,
    create: (options = {}, world = client) =>
      sim.complete(EntrySelector.create(world, { ...clientParts(meter), topology, folder: '/client', ...options })),
    sorted: (link) => {
      const own = gateways.find(({ identity }) => identity.join() === link.gateway.join()) as ScriptedGateway
      return [own, ...gateways.filter((gateway) => gateway !== own)]
    },
  }
}

describe('entry selector', () => {
  it('opens a random gateway and stays with it across restarts', async () => {
    const { sim, create, sorted, topology, gateways } = await setUp()
    const first = await create()
    watch(first)
    await sim.complete(first.whenOpen(seconds(10)))
    const [own] = sorted(first)
    assert.equal(first.send(PACKET), true)
    await sim.complete(first.close())
    for (let run = 0; run < 3; run++) {
      const again = await create({}, sim.restart('client'))
      watch(again)
      await sim.complete(again.whenOpen(seconds(10)))
      assert.deepEqual(again.gateway, own.identity)
      await sim.complete(again.close())
    }
    assert.equal(topology.listeners, 0)
    assert.equal(own.clients.size, 1)
    assert.equal(
      gateways.reduce((sum, { connections }) => sum + connections, 0),
      4,
    )
  })

  it('does not enter at the gateway to avoid where there is another, not even coming home', async () => {
    const { sim, create, gateways } = await setUp(2)
    const [one, other] = gateways as [ScriptedGateway, ScriptedGateway]
    for (let run = 0; run < 5; run++) {
      const link = await create({ folder: undefined, avoid: () => one.identity })
      assert.deepEqual(link.gateway, other.identity)
    }
    const named = await create({ folder: '/named', gateway: toBase58(one.identity), avoid: () => one.identity })
    watch(named)
    await sim.complete(named.whenOpen(seconds(10)))
    assert.deepEqual(named.gateway, one.identity)
    await sim.complete(named.close())
    const returned = await create({ folder: '/named', avoid: () => one.identity })
    assert.deepEqual(returned.gateway, other.identity)
  })

  it('enters at the gateway to avoid where it is the only one', async () => {
    const { create, gateways } = await setUp(1)
    const identity = gateways[0]?.identity as Uint8Array
    assert.deepEqual((await create({ avoid: () => identity })).gateway, identity)
  })

  it('says so where wss is asked for and no gateway takes it, also to who had a gateway before', async () => {
    const { sim, create } = await setUp()
    const link = await create()
    watch(link)
    await sim.complete(link.whenOpen(seconds(10)))
    await sim.complete(link.close())
    for (const folder of [undefined, '/client']) {
      await assert.rejects(create({ folder, forceTls: true }), (error) => {
        assert.ok(isMixnetError(error, 'GATEWAY_UNREACHABLE'))
        assert.match(`${error.message} ${error.nextStep}`, /wss.*https/)
        return true
      })
    }
  })

  it('chooses among all gateways', async () => {
    const { create } = await setUp()
    const seen = new Set<string>()
    for (let i = 0; i < 40; i++) seen.add((await create({ folder: undefined })).gateway.join())
    assert.equal(seen.size, 3)
  })

  it('waits for a gateway that restarts, and moves on from one that stays away', async () => {
    const { sim, create, sorted, meter } = await setUp()
    const link = await create()
    const { events } = watch(link)
    await sim.runFor(seconds(20))
    const [own] = sorted(link)
    own.crash()
    await sim.runFor(seconds(20))
    await own.restart()
    await sim.runFor(seconds(30))
    assert.deepEqual(events, ['opened', 'GATEWAY_LOST', 'opened'])
    assert.deepEqual(link.gateway, own.identity)
    own.crash()
    await sim.runFor(seconds(100))
    assert.deepEqual(events, ['opened', 'GATEWAY_LOST', 'opened', 'GATEWAY_LOST', 'opened'])
    assert.notDeepEqual(link.gateway, own.identity)
    assert.equal(link.isOpen, true)
    assert.equal(countOf(meter, 'client_gateway_changes_total'), 1)
    const moved = link.gateway
    await sim.complete(link.close())
    const again = await create({}, sim.restart('client'))
    assert.deepEqual(again.gateway, moved)
  })

  it('moves on at once from a gateway that refuses, or that never served', async () => {
    for (const spoil of [
      (gateway: ScriptedGateway) => gateway.crash(),
      (gateway: ScriptedGateway) => {
        gateway.answers.handshake = errorResponse('no')
      },
    ]) {
      const { sim, create, sorted } = await setUp()
      const link = await create()
      const [own, ...others] = sorted(link)
      spoil(own)
      spoil(others[0] as ScriptedGateway)
      const { events } = watch(link)
      await sim.complete(link.whenOpen(seconds(5)))
      assert.deepEqual(link.gateway, others[1]?.identity)
      assert.deepEqual(events, ['opened'])
    }
  })

  it('moves on from a gateway that comes and goes', async () => {
    const { sim, create, sorted } = await setUp(2)
    const link = await create()
    const [own, other] = sorted(link) as [ScriptedGateway, ScriptedGateway]
    own.hangsUp = true
    watch(link)
    await sim.runFor(seconds(120))
    assert.deepEqual(link.gateway, other.identity)
    assert.equal(link.isOpen, true)
  })

  it('goes on without hurry while no gateway serves, and comes back by itself', async () => {
    const { sim, create, gateways } = await setUp()
    const link = await create()
    const { events } = watch(link)
    for (const gateway of gateways) gateway.answers.protocol = errorResponse('no')
    await assert.rejects(sim.complete(link.whenOpen(seconds(30))), { code: 'GATEWAY_REFUSED' })
    await sim.runFor(hours(1))
    const attempts = gateways.reduce((sum, { connections }) => sum + connections, 0)
    assert.ok(attempts > 60 && attempts < 300, String(attempts))
    assert.deepEqual(events, [])
    for (const gateway of gateways) gateway.answers = {}
    await sim.complete(link.whenOpen(seconds(31)))
  })

  it('never leaves a named gateway', async () => {
    const { sim, create, gateways, topology } = await setUp()
    const named = gateways[1] as ScriptedGateway
    named.answers.protocol = errorResponse('no')
    const link = await create({ gateway: named.name })
    const { events } = watch(link)
    await assert.rejects(sim.complete(link.whenOpen(minutes(5))), { code: 'GATEWAY_REFUSED' })
    await sim.runFor(minutes(5))
    topology.change([])
    await sim.runFor(minutes(60))
    topology.change(gateways)
    assert.deepEqual(link.gateway, named.identity)
    assert.deepEqual(events, [])
    named.answers = {}
    await sim.runFor(seconds(31))
    assert.deepEqual(events, ['opened'])
    await assert.rejects(create({ gateway: 'nonsense0' }), { code: 'MALFORMED' })
  })

  it('leaves a gateway that the directory dropped at once for another guard, is still heard there, and stays with the other', async () => {
    const { sim, create, sorted, topology, gateways, meter } = await setUp()
    const link = await create()
    const { events, pushed } = watch(link)
    await sim.runFor(seconds(20))
    const [own, ...others] = sorted(link)
    topology.change(others)
    await sim.runFor(seconds(1))
    assert.deepEqual(events, ['opened', 'GATEWAY_LOST', 'opened'])
    assert.equal(link.isOpen, true)
    const next = link.gateway
    assert.ok(others.some(({ identity }) => identity.join() === next.join()))
    own.push(new Uint8Array(100))
    await sim.runFor(seconds(1))
    assert.equal(pushed.length, 1)
    // A directory that had only lost sight of it: each way back would be another address.
    for (let i = 0; i < 3; i++) {
      topology.change(gateways)
      await sim.runFor(minutes(5))
    }
    assert.deepEqual(link.gateway, next)
    assert.equal(countOf(meter, 'client_gateway_changes_total'), 1)
  })

  it('a directory that drops all of its guards, whose own still serves, leads it to a stranger only in the long run', async () => {
    const { sim, create, topology, gateways } = await setUp(4)
    const link = await create()
    const { events } = watch(link)
    await sim.runFor(seconds(20))
    const isGuard = ({ identity }: ScriptedGateway) => link.guards.some((guard) => guard.join() === identity.join())
    const [stranger, ...more] = gateways.filter((gateway) => !isGuard(gateway)) as [ScriptedGateway]
    assert.deepEqual(more, [])
    for (let i = 0; i < 2; i++) {
      topology.change([stranger])
      await sim.runFor(minutes(5))
      assert.deepEqual(events, ['opened'])
    }
    topology.change([stranger])
    await sim.runFor(seconds(20))
    assert.deepEqual(events, ['opened', 'GATEWAY_LOST', 'opened'])
    assert.deepEqual(link.gateway, stranger.identity)
  })

  it('chooses anew where the stored choice is unreadable', async () => {
    const { sim, create } = await setUp()
    const world = sim.restart('client')
    await sim.complete(world.files.write('/client/gateway', Uint8Array.of(1, 2, 3)))
    const link = await create({}, world)
    watch(link)
    await sim.complete(link.whenOpen(seconds(5)))
  })

  it('closes promptly, also while it is moving, and does nothing afterwards', async () => {
    for (const after of [0, 1, 500, 20_000]) {
      const { sim, create, gateways } = await setUp()
      for (const gateway of gateways.slice(after % 3)) gateway.hangsAt = 'protocol'
      const link = await create()
      const { events } = watch(link)
      await sim.runFor(seconds(after / 1000))
      const before = [...events]
      const waiting = link.isOpen ? undefined : assert.rejects(link.whenOpen(minutes(1)), { code: 'STOPPED' })
      await sim.complete(link.close(), seconds(1))
      await waiting
      await assert.rejects(link.whenOpen(seconds(1)), { code: 'STOPPED' })
      await sim.runFor(minutes(30))
      const connections = () => gateways.map((gateway) => gateway.connections).join()
      const then = connections()
      await sim.runFor(minutes(30))
      assert.deepEqual(events, before)
      assert.equal(connections(), then)
    }
  })
})
