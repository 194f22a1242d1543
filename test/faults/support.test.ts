/**
 * A small network of the shipped roles in the simulator, for the tests of this folder: two mix nodes in each layer, so that one
 * may die, two entry gateways, one exit, a site behind it. Every process has a host of its own and can be killed and started
 * again. Null cryptography: what is looked at here is who survives what. No tests here. @module
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type NetworkSize, type NodePlan, planNetwork } from '../../src/app/testnet/layout.ts'
import { startTestnet, type Testnet } from '../../src/app/testnet/testnet.ts'
import { Mixnet } from '../../src/client/mixnet.ts'
import type { ReceivedMessage } from '../../src/client/mixnetClient.ts'
import type { MixnetEvent } from '../../src/client/mixnetEvents.ts'
import type { MixnetOptions } from '../../src/client/openClient.ts'
import { DEFAULT_TRAFFIC, type TrafficParams } from '../../src/client/trafficParams.ts'
import { toBase58 } from '../../src/foundation/base/base58.ts'
import { concat, equalBytes } from '../../src/foundation/base/bytes.ts'
import { MixnetError } from '../../src/foundation/base/errors.ts'
import { Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { type Millis, millis, minutes } from '../../src/foundation/base/units.ts'
import { nullProvider } from '../../src/foundation/crypto/nullProvider.ts'
import { Simulation } from '../../src/foundation/platform/simulated/simulation.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { linkShapes } from '../../src/lab/simulator/linkShapes.ts'
import { encodeRequest, pattern, SITE_PORT, serveSite } from '../../src/lab/simulator/sites.ts'
import type { EpochParams } from '../../src/roles/directory/epochs.ts'

export interface NetworkOptions {
  readonly size?: NetworkSize
  /** Of packets between nodes. */
  readonly loss?: number
  readonly epochs?: Partial<EpochParams>
}

interface DownloadOptions {
  readonly isolation?: string
  /** Called whenever something came. */
  readonly progress?: () => void
}

/** Names of `planNetwork`: layers 1 to 3 in the order of the first three, and again. */
export const MIXES = ['knot', 'dunlin', 'rook', 'jackdaw', 'wren', 'swift'] as const
export const ENTRIES = ['tern', 'plover'] as const
export const EXIT = 'heron'
const DIRECTORY = 'directory'
const SITE = 'site.example'
const SIZE: NetworkSize = { mixNodes: MIXES.length, entries: ENTRIES.length, exits: 1 }
// Long waits full of cover take long, and most tests do not look at it.
export const WITHOUT_COVER: TrafficParams = {
  ...DEFAULT_TRAFFIC,
  mainStreamInterval: undefined,
  loopCoverInterval: undefined,
}

export const FIVE_MEGABYTES = 5_000_000

/** A fault that every one of the seeds has to survive; the name of a failing test says with which it does not. */
export function withEachSeed(name: string, seeds: readonly number[], run: (seed: string) => Promise<void>): void {
  for (const seed of seeds) it(`${name} (seed ${seed})`, () => run(`${name} ${seed}`))
}

export class FaultyNetwork {
  readonly simulation: Simulation
  readonly #seed: string
  readonly #options: NetworkOptions
  readonly #worlds = new Map<string, World>()
  #testnet: Testnet | undefined
  #requests = 0

  private constructor(seed: string, options: NetworkOptions) {
    this.#seed = seed
    this.#options = options
    const links = { latencyMs: [2, 15], jitterMs: 1, loss: options.loss ?? 0 } as const
    const nodes = new Set(this.#plans.map(({ name }) => name))
    const shape = linkShapes(seed, links, (host) => nodes.has(host))
    this.simulation = new Simulation({ seed, crypto: nullProvider, shape })
  }

  static async start(seed: string, options: NetworkOptions = {}): Promise<FaultyNetwork> {
    const network = new FaultyNetwork(seed, options)
    await network.simulation.complete(network.#start(), minutes(2))
    return network
  }

  /**
   * A client at one of the gateways, or one that chooses by itself. By default not anonymous: then what it sends is what the test
   * sends, and its counter of acks says how much of that was acknowledged.
   */
  async client(name: string, gateway?: string, options: Partial<MixnetOptions> = {}): Promise<TestClient> {
    const world = this.simulation.host(name, { ips: [`10.2.0.${this.#worlds.size}`] })
    this.#worlds.set(name, world)
    const client = new TestClient(name)
    const connecting = this.connect(world, {
      ...(gateway === undefined ? {} : { gateway: this.identityOf(gateway) }),
      anonymous: false,
      meter: client.meter,
      onMessage: (message) => client.received.push(message),
      onEvent: ({ type }) => client.events.push(type),
      ...options,
    })
    client.mixnet = await this.simulation.complete(connecting, minutes(2))
    return client
  }

  /** Of a client. */
  worldOf(name: string): World {
    const world = this.#worlds.get(name)
    assert.ok(world, `no client ${name}`)
    return world
  }

  connect(world: World, options: Partial<MixnetOptions>): Promise<Mixnet> {
    return Mixnet.connect(world, { directories: [this.testnet.directoryUrl], ...options })
  }

  /** A client that the exit knows by a pseudonym only, as is the default of the shipped one. */
  anonymousClient(name: string, gateway?: string, options: Partial<MixnetOptions> = {}): Promise<TestClient> {
    return this.client(name, gateway, { ...options, anonymous: true })
  }

  get testnet(): Testnet {
    assert.ok(this.#testnet)
    return this.#testnet
  }

  /** Base58. */
  identityOf(name: string): string {
    return toBase58(this.#node(name).running.identity)
  }

  /** The node whose gateway a client uses now. */
  gatewayOf({ mixnet }: TestClient): string {
    const node = this.testnet.nodes.find(({ running }) => equalBytes(running.identity, mixnet.address.gateway))
    return node?.plan.name ?? 'unknown'
  }

  counter(node: string, name: string): number {
    return this.#node(node).meter.snapshot()[name] ?? 0
  }

  kill(...names: readonly string[]): void {
    for (const name of names) this.simulation.crash(name)
  }

  /** Does not wait: a node that waits for the directory listens later. */
  revive(...names: readonly string[]): Promise<unknown> {
    return Promise.all(
      names.map((name) => {
        const world = this.simulation.restart(name)
        return name === DIRECTORY ? this.testnet.restartDirectory(world) : this.testnet.restartNode(name, world)
      }),
    )
  }

  /** Kills a process and starts it again after `away`, while the simulation runs on. */
  interrupt(name: string, away: Millis): void {
    this.kill(name)
    this.simulation.clock.after(away, () => void this.revive(name))
  }

  /** Asks the site for that many bytes. Resolves with how long it took, rejects with what the stream ended with. */
  async download(
    { mixnet }: TestClient,
    bytes: number,
    { isolation, progress }: DownloadOptions = {},
  ): Promise<Millis> {
    const { clock } = this.simulation
    const [id, startedAt] = [this.#requests++, clock.monotonic()]
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const stream = mixnet.connections.open({ host: SITE, port: SITE_PORT }, isolation)
    const chunks: Uint8Array[] = []
    stream.attach({
      data: (chunk) => {
        chunks.push(chunk)
        progress?.()
      },
      end: () => stream.end(),
      close: (error) => (error === undefined ? resolve() : reject(error)),
    })
    stream.write(encodeRequest({ id, bytes })).catch(reject)
    await promise
    const answer = concat(...chunks)
    assert.equal(answer.length, bytes)
    assert.ok(equalBytes(answer, pattern(id, bytes)), 'the answer is damaged')
    return millis(clock.monotonic() - startedAt)
  }

  /** Runs until `work` settles; for `limit` at most. */
  complete<T>(work: Promise<T>, limit: Millis): Promise<T> {
    return this.simulation.complete(work, limit)
  }

  async runUntil(condition: () => boolean, limit: Millis): Promise<void> {
    const end = this.simulation.clock.monotonic() + limit
    while (!condition()) {
      if (this.simulation.clock.monotonic() >= end)
        throw new MixnetError('TIMEOUT', { what: 'condition', limitMs: limit })
      await this.simulation.runFor(millis(100))
    }
  }

  /** A moment drawn between the two, from a stream of the purpose. */
  between(purpose: string, least: Millis, most: Millis): Millis {
    return millis(least + (most - least) * this.simulation.random.stream(purpose).uniform())
  }

  get #plans(): readonly NodePlan[] {
    return planNetwork(this.#options.size ?? SIZE, true).map((plan) => ({ ...plan, host: `10.1.0.${plan.nodeId}` }))
  }

  #node(name: string): Testnet['nodes'][number] {
    const node = this.testnet.nodes.find(({ plan }) => plan.name === name)
    assert.ok(node, `no node ${name}`)
    return node
  }

  async #start(): Promise<void> {
    const { simulation } = this
    await serveSite(simulation.host(SITE, { ips: ['198.51.100.1'] }))
    const { epochs } = this.#options
    this.#testnet = await startTestnet({
      plans: this.#plans,
      folder: 'testnet',
      directory: { host: '10.0.0.1', port: 8080 },
      noise: false,
      ...(epochs === undefined ? {} : { epochs }),
      world: simulation.host(DIRECTORY, { ips: ['10.0.0.1'] }),
      worldOf: ({ name, host }) => simulation.host(name, { ips: [host] }),
      logOf: () => silentLog,
    })
    simulation.note('started', this.#seed)
  }
}

export class TestClient {
  readonly name: string
  readonly meter: Meter = new Meter()
  readonly received: ReceivedMessage[] = []
  readonly events: MixnetEvent['type'][] = []
  #mixnet: Mixnet | undefined

  constructor(name: string) {
    this.name = name
  }

  get mixnet(): Mixnet {
    assert.ok(this.#mixnet)
    return this.#mixnet
  }

  set mixnet(mixnet: Mixnet) {
    this.#mixnet = mixnet
  }

  counter(name: string): number {
    return this.meter.snapshot()[name] ?? 0
  }

  /** Times each numbered message arrived. */
  get arrivals(): ReadonlyMap<number, number> {
    const times = new Map<number, number>()
    for (const { data } of this.received) {
      const number = new DataView(data.buffer, data.byteOffset).getUint32(0)
      times.set(number, (times.get(number) ?? 0) + 1)
    }
    return times
  }
}

/** A message that fits one packet, and whose ack is therefore its own. */
export function numbered(number: number): Uint8Array {
  const data = new Uint8Array(200)
  new DataView(data.buffer).setUint32(0, number)
  return data
}

/** What it rejects with; undefined where it does not. */
export const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )
