/**
 * A whole network in the simulator with an honest client in it and room for attackers: the limits of what listens cost no time
 * here. Nodes, directory and client are what is shipped, with real cryptography. @module
 */
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { planNetwork } from '../../src/app/testnet/layout.ts'
import { startTestnet, type Testnet, type TestnetNode, type TestnetOptions } from '../../src/app/testnet/testnet.ts'
import { Mixnet } from '../../src/client/mixnet.ts'
import type { MixnetOptions } from '../../src/client/openClient.ts'
import { SERVICE_TRAFFIC, type TrafficParams } from '../../src/client/trafficParams.ts'
import { fromUtf8Lossy, utf8 } from '../../src/foundation/base/bytes.ts'
import { type Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { type Millis, millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import type { Connection, Endpoint } from '../../src/foundation/platform/net.ts'
import { Simulation } from '../../src/foundation/platform/simulated/simulation.ts'
import type { World } from '../../src/foundation/platform/world.ts'

export const SITE = 'site.example'
export const SITE_PORT = 80
const DIRECTORY_IP = '10.0.0.1'
/** Without cover, which would be most of the work. */
const QUIET_TRAFFIC: TrafficParams = { ...SERVICE_TRAFFIC, loopCoverInterval: undefined }

/** Counters, over all nodes, and by how much each has to grow at least. */
export type Counted = Readonly<Record<string, number>>

/** Caches, compiled code and the like. */
const GROWTH_BYTES = 12 * 1024 * 1024

export interface NetworkChoice {
  readonly exits?: number
  readonly noise?: boolean
  readonly epochs?: TestnetOptions['epochs']
  readonly wayOutOf?: TestnetOptions['wayOutOf']
  /** Puts a hand between a node and its world. */
  readonly worldOf?: (name: string, world: World) => World
}

export class HostileNetwork {
  readonly simulation: Simulation
  readonly #worlds = new Map<string, World>()
  #testnet: Testnet | undefined
  #attackers = 0
  #clients = 0

  private constructor() {
    this.simulation = new Simulation({ seed: 'hostile', crypto: nodeProvider })
  }

  /** Three mix nodes, an entry gateway, and an exit, unless none is wanted. */
  static async start({
    noise = true,
    epochs,
    exits = 1,
    wayOutOf,
    worldOf = (_, world) => world,
  }: NetworkChoice = {}): Promise<HostileNetwork> {
    const network = new HostileNetwork()
    const { simulation } = network
    const plans = planNetwork({ mixNodes: 3, entries: 1, exits }, true).map((plan) => ({
      ...plan,
      host: `10.1.0.${plan.nodeId}`,
    }))
    const worlds = new Map(
      plans.map(({ name, host }) => [name, worldOf(name, simulation.host(name, { ips: [host] }))] as const),
    )
    const directory = simulation.host('directory', { ips: [DIRECTORY_IP] })
    for (const [name, world] of worlds) network.#worlds.set(name, world)
    await simulation.complete(serveEcho(simulation.host(SITE, { ips: ['198.51.100.1'] })))
    network.#testnet = await simulation.complete(
      startTestnet({
        plans,
        folder: 'testnet',
        directory: { host: DIRECTORY_IP, port: 8080 },
        noise,
        ...(epochs === undefined ? {} : { epochs }),
        ...(wayOutOf === undefined ? {} : { wayOutOf }),
        world: directory,
        worldOf: ({ name }) => worlds.get(name) as World,
        logOf: () => silentLog,
      }),
    )
    return network
  }

  get testnet(): Testnet {
    return this.#testnet as Testnet
  }

  get directoryUrl(): string {
    return this.testnet.directoryUrl
  }

  node(role: 'mix' | 'entry' | 'exit'): TestnetNode {
    const found = this.testnet.nodes.find(({ plan: { roles } }) => roles.at(-1) === role)
    assert.ok(found)
    return found
  }

  worldOf(name: string): World {
    return this.#worlds.get(name) as World
  }

  /** A host of somebody who means harm. */
  attacker(): World {
    const number = ++this.#attackers
    return this.simulation.host(`attacker-${number}`, { ips: [`203.0.113.${number}`] })
  }

  async client(
    options: Partial<MixnetOptions> = {},
    hand: (world: World) => World = (world) => world,
  ): Promise<Mixnet> {
    const number = ++this.#clients
    const world = hand(this.simulation.host(`client-${number}`, { ips: [`10.2.0.${number}`] }))
    const connecting = Mixnet.connect(world, {
      directories: [this.directoryUrl],
      folder: 'client',
      traffic: QUIET_TRAFFIC,
      ...options,
    })
    return this.complete(connecting, millis(Math.max(minutes(2), options.connectTimeout ?? 0)))
  }

  complete<T>(work: Promise<T>, limit: Millis = minutes(10)): Promise<T> {
    return this.simulation.complete(work, limit)
  }

  runFor(duration: Millis): Promise<void> {
    return this.simulation.runFor(duration)
  }

  /** Virtual time until it holds; fails naming `what` where it does not come to hold. */
  async until(what: string, holds: () => boolean, limit: Millis = minutes(2)): Promise<void> {
    const end = this.simulation.clock.monotonic() + limit
    while (!holds()) {
      assert.ok(this.simulation.clock.monotonic() < end, `never: ${what}`)
      await this.runFor(millis(20))
    }
  }

  /** Bytes go out through the exit and come back as they were. */
  async assertServes(mixnet: Mixnet, bytes = 3000): Promise<void> {
    const text = `${'honest '.repeat(bytes / 7)}\n`
    assert.equal(await this.complete(echo(mixnet, text), minutes(3)), text)
  }

  /**
   * Runs the attack; then what the nodes hold for others is exactly what it was, memory is about what it was, what had to count
   * it has counted, and the honest client is served.
   */
  async survives(
    honest: Mixnet,
    attack: () => Promise<void>,
    counted: Counted,
    growth: number = GROWTH_BYTES,
  ): Promise<void> {
    // What the last request left under way ends first.
    await this.runFor(seconds(3))
    const [heldBefore, usedBefore] = [this.#held(), usedBytes()]
    const before = Object.keys(counted).map((name) => this.#sum(name))
    await attack()
    await this.until('everything is let go', () => isDeepStrictEqual(this.#held(), heldBefore)).catch(() => {
      assert.deepEqual(this.#held(), heldBefore, 'held for others')
    })
    for (const [i, [name, least]] of Object.entries(counted).entries()) {
      const grown = this.#sum(name) - (before[i] as number)
      assert.ok(grown >= least, `${name} grew by ${grown} instead of at least ${least}: ${this.#alike(name)}`)
    }
    await this.assertServes(honest)
    const grown = usedBytes() - usedBefore
    assert.ok(grown < growth, `memory grew by ${grown} bytes`)
  }

  async stop(): Promise<void> {
    await this.complete(this.testnet.stop())
  }

  #held(): readonly Record<string, number>[] {
    return this.testnet.nodes.map(held)
  }

  #sum(name: string): number {
    return this.testnet.nodes.reduce((sum, node) => sum + read(node, name), 0)
  }

  /** For people: what was counted instead. */
  #alike(name: string): string {
    const [family = ''] = name.split('{')
    const counted = this.testnet.nodes.flatMap(({ meter }) => Object.entries(meter.snapshot()))
    return JSON.stringify(counted.filter(([other, value]) => other.startsWith(family) && value > 0))
  }
}

/** A counter or gauge by its whole name; 0 where it never counted. */
export const read = ({ meter }: { readonly meter: Meter }, name: string): number => meter.snapshot()[name] ?? 0

const HELD =
  /^(?:mix_ingress_(?:connections|handshakes)|mix_egress_queued|gateway_(?:connections|sessions|unconfirmed)|exit_|socks_connections|reassembly_)/

/** The gauges of what is held for others. */
export function held({ meter }: { readonly meter: Meter }): Record<string, number> {
  const gauges = [...meter.all()].filter(({ kind, name }) => kind === 'gauge' && HELD.test(name))
  return Object.fromEntries(gauges.map((gauge) => [gauge.name, gauge.read()]))
}

/** Bytes of memory in use after everything that can go has gone. */
export function usedBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function echo(mixnet: Mixnet, text: string): Promise<string> {
  const stream = mixnet.connections.open({ host: SITE, port: SITE_PORT })
  return new Promise((resolve, reject) => {
    let answer = ''
    stream.attach({
      data: (chunk) => {
        answer += fromUtf8Lossy(chunk)
        if (answer.endsWith('\n')) stream.end()
      },
      end() {},
      close: (error) => (error === undefined || answer.endsWith('\n') ? resolve(answer) : reject(error)),
    })
    stream.write(utf8(text)).catch(reject)
  })
}

/** Answers every byte with itself. */
async function serveEcho(world: World): Promise<void> {
  await world.net.listen({ host: '0.0.0.0', port: SITE_PORT }, (connection) => {
    connection.attach({ data: (chunk) => connection.write([chunk.slice()]), end: () => connection.end(), close() {} })
  })
}

export interface Dialled {
  readonly connection: Connection
  readonly heard: Uint8Array[]
  isClosed: boolean
}

/** A connection that says what an attack says, and knows when it was hung up on. */
export async function dial(world: World, { host, port }: Endpoint): Promise<Dialled> {
  const connection = await world.net.connect({ host, port, timeout: seconds(5) })
  const dialled: Dialled = { connection, heard: [], isClosed: false }
  connection.attach({
    data: (chunk) => dialled.heard.push(chunk.slice()),
    close: () => {
      dialled.isClosed = true
    },
  })
  return dialled
}
