import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { toBase58 } from '../foundation/base/base58.ts'
import { fromUtf8Lossy, utf8 } from '../foundation/base/bytes.ts'
import { Meter } from '../foundation/base/observe.ts'
import { hours, minutes, seconds } from '../foundation/base/units.ts'
import type { Simulation } from '../foundation/platform/simulated/simulation.ts'
import type { World } from '../foundation/platform/world.ts'
import { DEFAULT_ENTRY_PARAMS } from './entryParams.ts'
import { EntrySelector, type EntrySelectorOptions } from './entrySelector.ts'
import {
  clientParts,
  countOf,
  newSimulation,
  ScriptedGateway,
  ScriptedTopology,
  watch,
} from './scriptedGateway.test.ts'

const { failover } = DEFAULT_ENTRY_PARAMS
const { size, maxSize } = failover.guards
const FILE = '/client/gateway'

class Town {
  readonly sim: Simulation = newSimulation()
  readonly gateways: readonly ScriptedGateway[]
  readonly topology: ScriptedTopology
  readonly meter = new Meter()
  readonly beyond: string[] = []
  readonly #down = new Set<ScriptedGateway>()
  readonly #client: World

  private constructor(count: number) {
    this.gateways = Array.from(
      { length: count },
      (_, i) => new ScriptedGateway(this.sim, `gateway${i}`, `10.0.1.${i + 1}`),
    )
    this.topology = new ScriptedTopology(this.gateways)
    this.#client = this.sim.host('client', { ips: ['10.0.2.1'] })
  }

  static async build(count = 9): Promise<Town> {
    const town = new Town(count)
    for (const gateway of town.gateways) await gateway.listen()
    return town
  }

  create(options: Partial<EntrySelectorOptions> = {}, world = this.#client): Promise<EntrySelector> {
    return this.sim.complete(
      EntrySelector.create(world, {
        ...clientParts(this.meter),
        topology: this.topology,
        folder: '/client',
        onBeyondGuards: (gateway) => this.beyond.push(toBase58(gateway)),
        ...options,
      }),
    )
  }

  restart(): Promise<EntrySelector> {
    return this.create({}, this.sim.restart('client'))
  }

  async open(link: EntrySelector): Promise<void> {
    watch(link)
    await this.sim.complete(link.whenOpen(seconds(30)))
  }

  /** In the order of the link's guards. */
  guardsOf(link: EntrySelector): ScriptedGateway[] {
    return link.guards.map((identity) => this.of(identity))
  }

  of(identity: Uint8Array): ScriptedGateway {
    return this.gateways.find(({ name }) => name === toBase58(identity)) as ScriptedGateway
  }

  /** Nothing of the client goes on. */
  async silent(): Promise<void> {
    const connections = () => this.gateways.map((gateway) => gateway.connections).join()
    const before = connections()
    await this.pass(90)
    assert.equal(connections(), before)
  }

  /** Gateways that were ever connected to. */
  get met(): ScriptedGateway[] {
    return this.gateways.filter(({ connections }) => connections > 0)
  }

  async only(up: readonly ScriptedGateway[], of: readonly ScriptedGateway[]): Promise<void> {
    for (const gateway of of) {
      if (up.includes(gateway) && this.#down.delete(gateway)) await gateway.restart()
      else if (!up.includes(gateway) && !this.#down.has(gateway)) {
        this.#down.add(gateway)
        gateway.crash()
      }
    }
  }

  /** Time passes, and the directory answers every five minutes. */
  async pass(minutesToPass: number): Promise<void> {
    for (let minute = 0; minute < minutesToPass; minute++) {
      if (minute % 5 === 0) this.topology.change(this.gateways)
      await this.sim.runFor(minutes(1))
    }
  }

  async file(world = this.#client): Promise<string[]> {
    return fromUtf8Lossy((await this.sim.complete(world.files.read(FILE))) ?? new Uint8Array(0))
      .trim()
      .split('\n')
  }
}

describe('guards', () => {
  it('whatever is taken down, with one left: nobody else is ever contacted', async () => {
    const step = fc.record({
      up: fc.uniqueArray(fc.nat(size - 1), { minLength: 1, maxLength: size }),
      minutes: fc.integer({ min: 2, max: 20 }),
      restart: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 12 }), async (steps) => {
        const town = await Town.build()
        let link = await town.create()
        const guards = town.guardsOf(link)
        assert.equal(guards.length, size)
        await town.open(link)
        for (const { up, minutes: time, restart } of steps) {
          await town.only(
            up.map((at) => guards[at] as ScriptedGateway),
            guards,
          )
          if (restart) {
            await town.sim.complete(link.close())
            link = await town.restart()
            watch(link)
          }
          await town.pass(time)
          assert.ok(link.isOpen, 'service goes on')
        }
        assert.deepEqual(
          town.met.filter((gateway) => !guards.includes(gateway)),
          [],
        )
        assert.deepEqual(town.beyond, [])
        await town.sim.complete(link.close())
      }),
      { numRuns: 15 },
    )
  })

  it('all away: no stranger before the patience is over; then one, said aloud, and the guards again as soon as they can be', async () => {
    const town = await Town.build()
    const link = await town.create()
    await town.open(link)
    await town.pass(1)
    const guards = town.guardsOf(link)
    await town.only([], guards)
    await town.pass(9)
    assert.deepEqual(
      town.met.filter((gateway) => !guards.includes(gateway)),
      [],
    )
    await town.pass(4)
    assert.ok(link.isOpen)
    const stranger = town.of(link.gateway)
    assert.equal(guards.includes(stranger), false)
    assert.deepEqual(town.beyond, [stranger.name])
    assert.equal(countOf(town.meter, 'client_guards_drawn_total'), 1)
    await town.only(guards, guards)
    await town.pass(15)
    assert.equal(town.of(link.gateway), stranger)
    await town.pass(17)
    assert.ok(link.isOpen && guards.includes(town.of(link.gateway)))
    // Remembered: the next time it is tried without a draw.
    await town.only([], guards)
    await town.pass(5)
    assert.equal(town.of(link.gateway), stranger)
    assert.deepEqual(town.beyond, [stranger.name])
    await town.sim.complete(link.close())
    await town.silent()
  })

  it('somebody who takes down everything leads it to so many gateways and no further, restarts or not', async () => {
    const town = await Town.build(12)
    let link = await town.create()
    await town.open(link)
    await town.pass(1)
    for (let round = 0; round < 12; round++) {
      await town.only(
        town.gateways.filter((gateway) => !town.guardsOf(link).includes(gateway)),
        town.gateways,
      )
      await town.pass(30)
      if (round % 3 === 2) {
        await town.sim.complete(link.close())
        link = await town.restart()
        watch(link)
      }
    }
    const guards = town.guardsOf(link)
    assert.equal(guards.length, maxSize)
    assert.deepEqual(
      town.met.filter((gateway) => !guards.includes(gateway)),
      [],
    )
    assert.equal(town.beyond.length, maxSize - size)
    await town.only(town.gateways, town.gateways)
    await town.pass(2)
    assert.ok(link.isOpen)
    await town.sim.complete(link.close())
  })

  it('one drawn in need, and forgotten since, does not come back as a first one because it served last', async () => {
    const town = await Town.build()
    let link = await town.create()
    await town.open(link)
    await town.pass(1)
    const guards = town.guardsOf(link)
    await town.only([], guards)
    await town.pass(13)
    const stranger = town.of(link.gateway)
    assert.equal(guards.includes(stranger), false)
    await town.sim.complete(link.close())
    await town.sim.runFor(hours(31 * 24))
    await town.only([], [...guards, stranger])
    link = await town.restart()
    watch(link)
    await town.pass(6)
    await town.sim.complete(link.close())
    link = await town.restart()
    assert.deepEqual(town.guardsOf(link).slice(0, size), guards)
    await town.sim.complete(link.close())
  })

  it('its own network down for hours is no need: nobody is drawn', async () => {
    const town = await Town.build()
    const link = await town.create()
    await town.open(link)
    const guards = town.guardsOf(link)
    const mend = town.sim.partition(
      ['client'],
      town.gateways.map(({ host }) => host),
    )
    // It goes in pieces: the directory answered once more.
    await town.sim.runFor(minutes(2))
    town.topology.change(town.gateways)
    await town.sim.runFor(hours(3))
    mend()
    await town.sim.runFor(minutes(2))
    assert.ok(link.isOpen && guards.includes(town.of(link.gateway)))
    assert.deepEqual(town.beyond, [])
    await town.sim.complete(link.close())
  })

  it('a new client whose first guards are all bad goes on without patience, but tries each of them before', async () => {
    const town = await Town.build()
    const link = await town.create()
    const guards = town.guardsOf(link)
    // The first of them takes longer to fail than the patience of a new client.
    for (const gateway of guards) gateway.hangsAt = 'protocol'
    await town.open(link)
    assert.deepEqual(
      guards.map(({ connections }) => connections),
      [1, 1, 1],
    )
    assert.equal(town.beyond.length, 1)
    await town.sim.complete(link.close())
  })

  it('are written down, and are the same in the next run', async () => {
    const town = await Town.build()
    const link = await town.create()
    await town.open(link)
    await town.sim.complete(link.close())
    const [home, ...lines] = await town.file()
    assert.equal(home, toBase58(link.gateway))
    assert.deepEqual(
      lines.map((line) => line.split(' ')[1]),
      town.guardsOf(link).map(({ name }) => name),
    )
    const again = await town.restart()
    assert.deepEqual(again.guards, link.guards)
  })

  it('the choice of an earlier version is the first of them', async () => {
    const town = await Town.build()
    const world = town.sim.restart('client')
    const old = town.gateways[5] as ScriptedGateway
    await town.sim.complete(world.files.write(FILE, utf8(`${old.name}\n`)))
    const link = await town.create({}, world)
    assert.equal(town.of(link.gateway), old)
    assert.equal(town.guardsOf(link)[0], old)
    assert.equal(link.guards.length, size)
  })

  it('what can be read of a damaged file is kept', async () => {
    const town = await Town.build()
    const world = town.sim.restart('client')
    const [a, b] = town.gateways.slice(3) as [ScriptedGateway, ScriptedGateway]
    const contents = `-\nguard ${a.name} 12 -\nguard ${a.name} 13 -\nguard x 1 -\n${b.name}\nguard ${b.name} 12 13\0\n`
    await town.sim.complete(world.files.write(FILE, utf8(contents)))
    const link = await town.create({}, world)
    assert.equal(town.guardsOf(link)[0], a)
    assert.equal(link.guards.length, size)
  })

  it('a named gateway is tried alone, and the first guard from then on', async () => {
    const town = await Town.build()
    const first = await town.create()
    await town.open(first)
    await town.sim.complete(first.close())
    const named = town.gateways.find((gateway) => !town.guardsOf(first).includes(gateway)) as ScriptedGateway
    const link = await town.create({ gateway: named.name }, town.sim.restart('client'))
    assert.deepEqual(town.guardsOf(link), [named])
    await town.open(link)
    await town.sim.complete(link.close())
    const next = await town.restart()
    assert.deepEqual(town.guardsOf(next), [named, ...town.guardsOf(first).slice(0, size - 1)])
    assert.equal(town.of(next.gateway), named)
  })

  it('are drawn around the exit, and the exit’s own is passed over', async () => {
    const town = await Town.build(4)
    const exit = town.gateways[2] as ScriptedGateway
    const link = await town.create({ avoid: () => exit.identity })
    assert.equal(town.guardsOf(link).includes(exit), false)
    assert.equal(link.guards.length, 3)
  })
})

describe('a gateway that was left', () => {
  it('is listened to for a while: what came there meanwhile arrives', async () => {
    const town = await Town.build()
    const link = await town.create()
    const { pushed, events } = watch(link)
    await town.pass(1)
    const old = town.of(link.gateway)
    const mend = town.sim.partition(['client'], [old.host])
    await town.pass(3)
    assert.notEqual(town.of(link.gateway), old)
    assert.deepEqual(events, ['opened', 'GATEWAY_LOST', 'opened'])
    old.stored = [new Uint8Array(100).fill(1)]
    mend()
    await town.pass(1)
    assert.equal(pushed.length, 1)
    assert.deepEqual(events, ['opened', 'GATEWAY_LOST', 'opened'])
    old.push(new Uint8Array(100).fill(2))
    await town.sim.runFor(seconds(1))
    assert.equal(pushed.length, 2)
    await town.pass(6)
    old.push(new Uint8Array(100).fill(3))
    await town.sim.runFor(seconds(1))
    assert.equal(pushed.length, 2, 'the connection is over')
    await town.sim.complete(link.close())
    await town.silent()
  })

  it('is taken back into use where it is open again', async () => {
    const town = await Town.build(2)
    const link = await town.create()
    const { events } = watch(link)
    await town.pass(1)
    const old = town.of(link.gateway)
    const mend = town.sim.partition(['client'], [old.host])
    await town.pass(3)
    const other = town.of(link.gateway)
    assert.notEqual(other, old)
    mend()
    await town.pass(2)
    const connections = old.connections
    other.crash()
    await town.pass(3)
    assert.equal(town.of(link.gateway), old)
    assert.equal(link.isOpen, true)
    assert.equal(old.connections, connections)
    assert.deepEqual(events, ['opened', 'GATEWAY_LOST', 'opened', 'GATEWAY_LOST', 'opened'])
    await town.sim.complete(link.close())
    await town.silent()
  })
})
