/** Pings of programs while exits die and come back, through a whole simulated network: how long nothing is answered. @module */
import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import type { LocalNetwork } from '../src/client/ip/localNetwork.ts'
import type { Mixnet } from '../src/client/mixnet.ts'
import { SERVICE_TRAFFIC, type TrafficParams } from '../src/client/trafficParams.ts'
import { toBase58 } from '../src/foundation/base/base58.ts'
import { isMixnetError } from '../src/foundation/base/errors.ts'
import { parseIp } from '../src/foundation/base/ipAddress.ts'
import { millis, minutes, seconds } from '../src/foundation/base/units.ts'
import type { Timer } from '../src/foundation/platform/clock.ts'
import { buildEcho, readEcho } from '../src/protocol/wire/ip/echo.ts'
import { readIpPacket } from '../src/protocol/wire/ip/ipPacket.ts'
import { Mixing } from '../src/roles/mixing/mixing.ts'
import { HostileNetwork } from './hostile/simulatedNetwork.ts'
import { SimulatedInternet } from './support/simulatedInternet.ts'

const ip = (text: string): Uint8Array => parseIp(text) as Uint8Array
const PROGRAM = { ipv4: '10.64.0.2', ipv6: 'fd5a:7e1a::2' }
const ROUTER = { ipv4: '10.64.0.1', ipv6: 'fd5a:7e1a::1' }
const PING_EVERY = seconds(1)

interface Place {
  readonly network: HostileNetwork
  /** What is behind each exit. */
  readonly internets: Map<string, SimulatedInternet>
  /** Exits that were asked for an address, and let somebody in. */
  readonly asked: string[]
}

/** A program that pings a site once a second. */
class Pinging {
  readonly #place: Place
  readonly #local: LocalNetwork
  readonly told: string[] = []
  answers = 0
  #timer: Timer | undefined

  constructor(place: Place, mixnet: Mixnet) {
    this.#place = place
    let handler: (packet: Uint8Array) => void = () => {}
    const device = {
      mtu: 1500,
      programs: PROGRAM,
      router: ROUTER,
      onPacket: (own: typeof handler) => {
        handler = own
      },
      send: (bytes: Uint8Array) => {
        const packet = readIpPacket(bytes)
        if (!('fault' in packet) && readEcho(packet)?.isReply) this.answers++
      },
    }
    this.#local = mixnet.networkFor(device, {
      addressLost: () => this.told.push('lost'),
      noAddress: ({ code }) => this.told.push(code),
    })
    let sequence = 0
    const ping = (): void => {
      const echo = { isReply: false, identifier: 1, sequence: ++sequence & 0xffff, data: new Uint8Array(8) }
      handler(buildEcho({ source: ip(PROGRAM.ipv4), destination: ip('1.2.3.4') }, echo))
      this.#timer = place.network.simulation.clock.after(PING_EVERY, ping)
    }
    ping()
  }

  /** Seconds until the next answer. */
  async answered(): Promise<number> {
    const { network } = this.#place
    const { clock } = network.simulation
    const [before, began] = [this.answers, clock.monotonic()]
    await network.until('a ping is answered', () => this.answers > before, minutes(5))
    return (clock.monotonic() - began) / 1000
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    await this.#place.network.complete(this.#local.close())
  }
}

async function start(exits: number): Promise<Place> {
  const internets = new Map<string, SimulatedInternet>()
  const asked: string[] = []
  const network = await HostileNetwork.start({
    exits,
    wayOutOf: ({ name }, world) => {
      const internet = new SimulatedInternet(world.clock)
      internets.set(name, internet)
      const way = internet.wayOut()
      return {
        ...way,
        open: (options, signal) => {
          asked.push(name)
          return way.open(options, signal)
        },
      }
    },
  })
  return { network, internets, asked }
}

describe('pings, where exits go silent', { timeout: 240_000 }, () => {
  const open: { stop(): Promise<void> }[] = []
  afterEach(async () => {
    for (const one of open.splice(0)) await one.stop()
  })
  const connect = async ({ network }: Place, traffic?: TrafficParams): Promise<Mixnet> => {
    // Exits take clients too, and a router at our own entry is never taken.
    const gateway = toBase58(network.node('entry').running.identity)
    const mixnet = await network.client({ gateway, ...(traffic === undefined ? {} : { traffic }) })
    open.push({ stop: () => network.complete(mixnet.close()) })
    return mixnet
  }
  const pinging = async (place: Place, mixnet?: Mixnet): Promise<Pinging> => {
    const pings = new Pinging(place, mixnet ?? (await connect(place)))
    open.unshift(pings)
    return pings
  }
  const exitInUse = ({ internets }: Place): string => {
    const [name] = [...internets].find(([, { open: ways }]) => ways.size > 0) ?? []
    assert.ok(name !== undefined)
    return name
  }

  it('they go on through another exit within twenty seconds, and not back to the dead one', async (t) => {
    const place = await start(2)
    const { network, internets } = place
    const pings = await pinging(place)
    await pings.answered()
    const dead = exitInUse(place)
    network.simulation.crash(dead)
    internets.delete(dead)
    await network.runFor(seconds(1))
    const took = await pings.answered()
    t.diagnostic(`${took} s`)
    assert.ok(took < 20, `${took} s`)
    assert.notEqual(exitInUse(place), dead)
    assert.deepEqual(pings.told, ['lost'])
    await network.runFor(seconds(40))
    assert.deepEqual(pings.told, ['lost'])
  })

  it('who comes anew while one of two exits is dead waits for it once, and not again', async (t) => {
    const place = await start(2)
    const { network } = place
    const mixnets: Mixnet[] = []
    for (let i = 0; i < 20; i++) mixnets.push(await connect(place))
    network.simulation.crash('heron')
    const all = await Promise.all(mixnets.map((mixnet) => pinging(place, mixnet)))
    const took: number[] = []
    for (let waited = 0; took.length < all.length && waited < 60; waited++) {
      await network.runFor(seconds(1))
      while (all.filter(({ answers }) => answers > 0).length > took.length) took.push(waited)
    }
    t.diagnostic(took.join(' '))
    assert.ok(took.length === all.length && took.every((one) => one < 13))
    assert.ok(took.some((one) => one > 9))
  })

  for (const [how, after, end] of [
    // At once: the question that it answered is sent again, for its ack was lost with it.
    ['killed at once', millis(0), (network: HostileNetwork, name: string) => network.simulation.crash(name)],
    ['killed', seconds(5), (network: HostileNetwork, name: string) => network.simulation.crash(name)],
    [
      'stopped',
      seconds(5),
      async (network: HostileNetwork, name: string) => {
        const node = network.testnet.nodes.find(({ plan }) => plan.name === name)
        await network.complete(node?.running.stop() ?? Promise.resolve())
        network.simulation.crash(name)
      },
    ],
  ] as const) {
    it(`they go on within twenty seconds after the only exit, which was ${how}, is back`, async (t) => {
      const place = await start(1)
      const { network } = place
      const pings = await pinging(place)
      await pings.answered()
      await network.runFor(after)
      const name = exitInUse(place)
      await end(network, name)
      await network.runFor(seconds(8))
      await network.complete(network.testnet.restartNode(name, network.simulation.restart(name)))
      const took = await pings.answered()
      t.diagnostic(`${took} s`)
      assert.ok(took < 20, `${took} s`)
    })
  }

  it('where there is none, it is told within a minute, and tried again', async () => {
    const place = await start(1)
    const { network } = place
    const pings = await pinging(place)
    await pings.answered()
    network.simulation.crash(exitInUse(place))
    await network.until('both are told', () => pings.told.includes('EXIT_UNREACHABLE'), minutes(1))
    assert.deepEqual(pings.told, ['lost', 'EXIT_UNREACHABLE'])
  })

  it('whoever gives up while the directory says nothing is told at once', async () => {
    const place = await start(1)
    const mixnet = await connect(place)
    const { network } = place
    network.simulation.partition(['directory'], ['client-1'])
    const giving = new AbortController()
    let told: unknown
    mixnet.ip({ signal: giving.signal }).catch((error: unknown) => {
      told = error
    })
    await network.runFor(seconds(1))
    assert.equal(told, undefined)
    giving.abort()
    await network.runFor(millis(10))
    assert.ok(isMixnetError(told, 'ABORTED'), String(told))
  })

  it('an entry gateway that lets nothing of ours through, again and again, does not lead us from exit to exit', async (t) => {
    const place = await start(5)
    const { network, asked } = place
    const forward = Mixing.prototype.forward
    const before = new Set<Mixing>()
    const fresh = new Set<Mixing>()
    let isCut = false
    t.mock.method(Mixing.prototype, 'forward', function (this: Mixing, ...packet: Parameters<typeof forward>) {
      if (!before.has(this)) fresh.add(this)
      if (!isCut || !fresh.has(this)) return forward.apply(this, packet)
    })
    await network.runFor(seconds(1))
    for (const one of fresh) before.add(one)
    fresh.clear()
    const mixnet = await connect(place, { ...SERVICE_TRAFFIC, loopCoverInterval: seconds(1) })
    const pings = await pinging(place, mixnet)
    await pings.answered()
    for (let i = 0; i < 6; i++) {
      isCut = true
      await network.runFor(seconds(75))
      isCut = false
      await pings.answered()
      await network.runFor(seconds(15))
    }
    t.diagnostic(asked.join(' '))
    assert.ok(pings.told.filter((what) => what === 'lost').length >= 6, pings.told.join(' '))
    const changes = asked.filter((name, i) => i > 0 && name !== asked[i - 1]).length
    assert.ok(changes <= 3, asked.join(' '))
    // What was asked in vain is not asked again later: it would take places.
    assert.ok(asked.length <= 1 + 2 * 6, asked.join(' '))
  })

  it('an exit that stops is left for another within twenty seconds of its goodbye', async (t) => {
    const place = await start(2)
    const { network } = place
    const pings = await pinging(place)
    await pings.answered()
    const stopping = exitInUse(place)
    const node = network.testnet.nodes.find(({ plan }) => plan.name === stopping)
    await network.complete(node?.running.stop() ?? Promise.resolve())
    network.simulation.crash(stopping)
    place.internets.delete(stopping)
    const took = await pings.answered()
    t.diagnostic(`${took} s`)
    assert.ok(took < 20, `${took} s`)
    assert.notEqual(exitInUse(place), stopping)
  })

  it('a site that answers nothing is no reason to leave the exit', async () => {
    const place = await start(2)
    const { network, internets } = place
    const pings = await pinging(place)
    await pings.answered()
    for (const internet of internets.values()) internet.lost = () => true
    await network.runFor(minutes(1))
    assert.deepEqual(pings.told, [])
  })
})
