/** Exits that take nobody, through a whole simulated network: who is led where by that, and what is told. @module */
import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import type { MixnetIp } from '../src/client/ip/mixnetIp.ts'
import type { Mixnet } from '../src/client/mixnet.ts'
import { toBase58 } from '../src/foundation/base/base58.ts'
import { isMixnetError, MixnetError } from '../src/foundation/base/errors.ts'
import { seconds } from '../src/foundation/base/units.ts'
import { DirectoryClient } from '../src/network/topology/directoryClient.ts'
import { decodeDescribedNodes } from '../src/protocol/wire/directory/describedNodes.ts'
import { DEFAULT_IP_ROUTER_PARAMS } from '../src/roles/exit/ip/ipRouterParams.ts'
import type { WayOut } from '../src/roles/exit/ip/wayOut.ts'
import { HostileNetwork } from './hostile/simulatedNetwork.ts'
import { SimulatedInternet } from './support/simulatedInternet.ts'

interface Exit {
  readonly internet: SimulatedInternet
  /** `waiting`: for a way out that never opens. `refusing`: theirs do not open at all. */
  mode: 'serving' | 'waiting' | 'refusing'
  asked: number
}

class Place {
  readonly exits = new Map<string, Exit>()
  readonly network: HostileNetwork
  readonly #open: Mixnet[] = []

  private constructor(network: HostileNetwork, exits: Map<string, Exit>) {
    this.network = network
    this.exits = exits
  }

  static async start(exits: number): Promise<Place> {
    const all = new Map<string, Exit>()
    const network = await HostileNetwork.start({
      exits,
      wayOutOf: ({ name }, world) => {
        const internet = new SimulatedInternet(world.clock)
        const exit: Exit = { internet, mode: 'serving', asked: 0 }
        all.set(name, exit)
        return manned(exit)
      },
    })
    return new Place(network, all)
  }

  async client(): Promise<Mixnet> {
    // Exits take clients too, and a router at our own entry is never taken.
    const mixnet = await this.network.client({ gateway: toBase58(this.network.node('entry').running.identity) })
    this.#open.push(mixnet)
    return mixnet
  }

  /** Milliseconds beside the address or why there is none. */
  async ask(mixnet: Mixnet, router?: string): Promise<{ readonly ip: MixnetIp | MixnetError; readonly took: number }> {
    const { clock } = this.network.simulation
    const began = clock.monotonic()
    const ip = await this.network.complete(
      mixnet.ip({ router }).catch((error: unknown) => {
        if (!isMixnetError(error)) throw error
        return error
      }),
    )
    return { ip, took: clock.monotonic() - began }
  }

  /** As many as may be at once wait for a way out of that exit. */
  async fill(name: string): Promise<void> {
    const router = (await this.addresses()).get(name) as string
    const exit = this.exits.get(name) as Exit
    exit.mode = 'waiting'
    const crowd = await this.client()
    for (let i = 0; i < DEFAULT_IP_ROUTER_PARAMS.maxConnecting; i++) crowd.ip({ router }).catch(() => {})
    await this.network.until(`${name} is full`, () => exit.asked === DEFAULT_IP_ROUTER_PARAMS.maxConnecting)
  }

  /** Of their IP packet routers, by name. */
  async addresses(): Promise<ReadonlyMap<string, string>> {
    const { network } = this
    const directory = new DirectoryClient(network.attacker().net, { baseUrls: [network.directoryUrl] })
    const reading = directory.ask((reader) => reader.get('/v1/nym-nodes/described', decodeDescribedNodes))
    const { items } = await network.complete(reading)
    const names = new Map(
      network.testnet.nodes.map(({ plan: { name }, running: { identity } }) => [toBase58(identity), name] as const),
    )
    return new Map(
      items.flatMap(({ ipPacketRouter }) => {
        const [identity = ''] = ipPacketRouter?.address.split('@')[1]?.split('.') ?? []
        return ipPacketRouter === undefined ? [] : [[names.get(identity) ?? '', ipPacketRouter.address] as const]
      }),
    )
  }

  async stop(): Promise<void> {
    for (const mixnet of this.#open.splice(0)) await this.network.complete(mixnet.close())
    await this.network.stop()
  }
}

function manned(exit: Exit): WayOut {
  const way = exit.internet.wayOut()
  return {
    ...way,
    open: async (options, signal) => {
      exit.asked++
      if (exit.mode === 'refusing') throw new MixnetError('CONNECTION_REFUSED')
      if (exit.mode === 'serving') return way.open(options, signal)
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new MixnetError('ABORTED'))))
    },
  }
}

const refusal = (ip: MixnetIp | MixnetError): MixnetError => {
  assert.ok(isMixnetError(ip, 'EXIT_REFUSED'), String(ip))
  return ip
}

describe('exits that take nobody', { timeout: 240_000 }, () => {
  const open: Place[] = []
  afterEach(async () => {
    for (const place of open.splice(0)) await place.stop()
  })
  const start = async (exits: number): Promise<Place> => {
    const place = await Place.start(exits)
    open.push(place)
    return place
  }

  it('who is told "too many clients" by one that was drawn is at another two round trips later', async () => {
    const place = await start(2)
    const [full, free] = [...place.exits.keys()] as [string, string]
    await place.fill(full)
    for (let i = 0; i < 4; i++) {
      const { ip, took } = await place.ask(await place.client())
      assert.ok(!isMixnetError(ip), String(ip))
      assert.ok(took < 5_000, `${took} ms`)
    }
    assert.equal(place.exits.get(free)?.internet.open.size, 4)
  })

  it('who named it is told, and led nowhere', async () => {
    const place = await start(2)
    const [full, free] = [...place.exits.keys()] as [string, string]
    await place.fill(full)
    const router = (await place.addresses()).get(full)
    const mixnet = await place.client()
    for (let i = 0; i < 2; i++) {
      const error = refusal((await place.ask(mixnet, router)).ip)
      assert.equal(error.details.why, 'too many clients')
      assert.match(error.nextStep, /name another router, or none/)
    }
    assert.equal(place.exits.get(free)?.asked, 0)
  })

  it('where all are full it is told so, they are not asked again at once, and they are after a while', async () => {
    const place = await start(2)
    for (const name of place.exits.keys()) await place.fill(name)
    const mixnet = await place.client()
    const { ip, took } = await place.ask(mixnet)
    assert.equal(refusal(ip).details.why, 'too many clients')
    assert.ok(took < 10_000, `${took} ms`)
    for (let i = 0; i < 100; i++) {
      const { ip: other, took: none } = await place.ask(mixnet)
      assert.match(refusal(other).nextStep, /minute/)
      assert.equal(none, 0, 'nobody is asked, not even the directory')
    }
    for (const exit of place.exits.values()) exit.mode = 'serving'
    // Those that wait do so for ever: of these exits there is only a new one.
    for (const name of place.exits.keys()) place.network.simulation.crash(name)
    for (const name of place.exits.keys()) {
      const { network } = place
      await network.complete(network.testnet.restartNode(name, network.simulation.restart(name)))
    }
    await place.network.runFor(seconds(8))
    assert.ok(!isMixnetError((await place.ask(mixnet)).ip))
  })

  it('who fills exits, or speaks for them, leads a client to three others, however often it tries', async () => {
    const place = await start(5)
    for (const exit of place.exits.values()) exit.mode = 'refusing'
    const mixnet = await place.client()
    for (let i = 0; i < 10; i++) {
      refusal((await place.ask(mixnet)).ip)
      await place.network.runFor(seconds(5))
    }
    const asked = [...place.exits.values()].map((exit) => exit.asked).filter((times) => times > 0)
    assert.equal(asked.length, 4)
    // At once, and then after 5 s, 10 and 20.
    for (const times of asked) assert.ok(times >= 3 && times <= 5, `${times}`)
  })
})
