/**
 * A whole network that is paid for, of the shipped roles, in the simulator: five issuers of which three sign, a faucet, a directory, mix
 * nodes, gateways, an exit with a site behind it. Every process has a host of its own and can be killed and started again on what it
 * left. Null cryptography and null curves: the protocols are the whole ones. A ticket is worth some dozens of packets. @module
 */
import assert from 'node:assert/strict'
import { type NodePlan, planNetwork } from '../../src/app/testnet/layout.ts'
import { startTestnet, type Testnet } from '../../src/app/testnet/testnet.ts'
import { toBase58 } from '../../src/foundation/base/base58.ts'
import { fromUtf8Lossy } from '../../src/foundation/base/bytes.ts'
import { MixnetError } from '../../src/foundation/base/errors.ts'
import { silentLog } from '../../src/foundation/base/observe.ts'
import { type Millis, millis, minutes } from '../../src/foundation/base/units.ts'
import { nullBls } from '../../src/foundation/crypto/nullBls.ts'
import { nullProvider } from '../../src/foundation/crypto/nullProvider.ts'
import type { Database } from '../../src/foundation/platform/database.ts'
import type { RandomStream } from '../../src/foundation/platform/random.ts'
import { Simulation } from '../../src/foundation/platform/simulated/simulation.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { linkShapes } from '../../src/lab/simulator/linkShapes.ts'
import { serveSite } from '../../src/lab/simulator/sites.ts'
import { DirectoryClient } from '../../src/network/topology/directoryClient.ts'
import type { Topology } from '../../src/network/topology/topology.ts'
import { Refreshing, type TopologyProvider } from '../../src/network/topology/topologyProvider.ts'
import { clientTopologySource } from '../../src/network/topology/topologySources.ts'
import { LocalDkgEngine } from '../../src/protocol/credentials/dkgEngine.ts'
import { LocalEngine } from '../../src/protocol/credentials/localEngine.ts'
import { createScheme } from '../../src/protocol/credentials/scheme.ts'
import { REGULAR } from '../../src/protocol/packet/sizes.ts'
import { MixFrameDecoder } from '../../src/protocol/wire/mixFrame.ts'
import type { TicketOutcome } from '../../src/roles/gateway/ticketLedger.ts'

export const ISSUERS = 5
export const THRESHOLD = 3
export const GATEWAYS = ['tern', 'plover', 'heron'] as const
export const EXIT = 'heron'
export const DIRECTORY = 'directory'
export const FAUCET = 'faucet'
export const SITE = 'site.example'
export const issuerName = (position: number): string => `issuer-${position + 1}`

/** What a ticket is worth here: forty packets. */
export const TICKET_SCALE = 0.0005
export const TICKET_BYTES: number = 200_000_000 * TICKET_SCALE
export const PACKET_BYTES: number = REGULAR.totalBytes

const DIRECTORY_IP = '10.0.0.1'
const FAUCET_IP = '10.0.0.2'
const issuerIp = (position: number): string => `10.0.1.${position + 1}`
/** Without /v1. */
export const issuerUrl = (position: number): string => `http://${issuerIp(position)}:8090`
/** What packets of light clients begin with, and a number behind it. No point of a curve looks like it. */
const MARK = 'of client '
const MARK_BYTES = 20

/** What a process answers instead, over HTTP. */
export type Lie = (
  request: { readonly path: string; readonly body: string },
  honest: () => Promise<Response>,
  net: World['net'],
) => Response | Promise<Response>

export interface PayingNetworkOptions {
  readonly seed: string
  readonly startAt?: Millis
  /** By the name of the host. */
  readonly lies?: ReadonlyMap<string, Lie>
  /** Starts others on the same hosts, and a faucet, and says where; instead of those of a local network. */
  readonly issuers?: (network: PayingNetwork) => Promise<readonly string[]>
}

export class PayingNetwork {
  readonly simulation: Simulation
  readonly engine: LocalEngine
  readonly random: RandomStream
  /** Packets of light clients that came out of their gateways, by the clients' numbers. */
  readonly entered: Map<number, number> = new Map()
  readonly #plans: readonly NodePlan[]
  readonly #worlds = new Map<string, World>()
  /** Of processes that run: since when. */
  readonly #up = new Map<string, Millis>()
  #testnet: Testnet | undefined
  #topology: Refreshing<Topology> | undefined
  crashes = 0

  private constructor({ seed, startAt }: PayingNetworkOptions) {
    this.#plans = planNetwork({ mixNodes: 3, entries: 2, exits: 1 }, true).map((plan) => ({
      ...plan,
      host: `10.1.0.${plan.nodeId}`,
    }))
    const shape = linkShapes(seed, { latencyMs: [2, 25], jitterMs: 1, loss: 0 }, () => false)
    this.simulation = new Simulation({
      seed,
      crypto: nullProvider,
      shape,
      ...(startAt === undefined ? {} : { startAt }),
    })
    this.random = this.simulation.random.stream('paying')
    this.engine = new LocalEngine(createScheme(nullBls), this.random)
  }

  static async start(options: PayingNetworkOptions): Promise<PayingNetwork> {
    const network = new PayingNetwork(options)
    await network.complete(network.#start(options))
    return network
  }

  get testnet(): Testnet {
    assert.ok(this.#testnet)
    return this.#testnet
  }

  /** What light clients know of the network; one for all, as they would ask for the same. */
  get topology(): TopologyProvider {
    assert.ok(this.#topology)
    return this.#topology
  }

  get now(): Millis {
    return this.simulation.clock.monotonic()
  }

  /** A host of somebody who comes later. */
  host(name: string, ip: string): World {
    return this.#host(name, ip)
  }

  /** As it is now. */
  worldOf(name: string): World {
    const world = this.#worlds.get(name)
    assert.ok(world, `no host ${name}`)
    return world
  }

  /** Since when that process serves; undefined where it does not. */
  upSince(name: string): Millis | undefined {
    return this.#up.get(name)
  }

  gatewayNamed(identity: Uint8Array): string {
    const name = toBase58(identity)
    return this.testnet.nodes.find(({ running }) => toBase58(running.identity) === name)?.plan.name ?? 'nobody'
  }

  identityOf(name: string): Uint8Array {
    const node = this.testnet.nodes.find(({ plan }) => plan.name === name)
    assert.ok(node, `no node ${name}`)
    return node.running.identity
  }

  /** kill -9. */
  kill(name: string): void {
    if (!this.#up.delete(name)) return
    this.crashes++
    this.simulation.crash(name)
  }

  async revive(name: string): Promise<void> {
    const world = this.simulation.restart(name)
    this.#worlds.set(name, world)
    const position = Number(/^issuer-(\d)$/.exec(name)?.[1] ?? 0) - 1
    if (position >= 0) await this.testnet.issuers?.restart(position, world)
    else if (name === FAUCET) await this.testnet.issuers?.restartFaucet(world)
    else if (name === DIRECTORY) await this.testnet.restartDirectory(world)
    else await this.testnet.restartNode(name, world)
    // It may have been killed again meanwhile, and then this is never reached.
    this.#up.set(name, this.now)
  }

  /** A new process of somebody the network did not start. */
  restarted(name: string): World {
    const world = this.simulation.restart(name)
    this.#worlds.set(name, world)
    this.#up.set(name, this.now)
    return world
  }

  /** The same for a client, which says how it starts. */
  async reviveClient(name: string, start: (world: World) => Promise<void>): Promise<void> {
    await start(this.restarted(name))
  }

  /** Kills a process and starts it again after `away`, while the simulation runs on. */
  interrupt(name: string, away: Millis): void {
    if (!this.#up.has(name)) return
    this.kill(name)
    this.simulation.clock.after(away, () => void this.revive(name))
  }

  /** Tickets ever, by what became of them. */
  tickets(outcome: TicketOutcome, gateways: readonly string[] = GATEWAYS): number {
    const count = (name: string): number =>
      Number(
        this.gatewayDatabase(name).prepare('SELECT tickets FROM ticket_totals WHERE outcome = ?').get(outcome)
          ?.tickets ?? 0,
      )
    return gateways.reduce((sum, name) => sum + count(name), 0)
  }

  /** The database of a process, to look into. */
  database(host: string, path: string): Database {
    return this.worldOf(host).databases.open(path)
  }

  gatewayDatabase(name: string): Database {
    return this.database(name, `testnet/nodes/${name}/gateway/gateway.sqlite`)
  }

  issuerDatabase(position: number): Database {
    return this.database(issuerName(position), `testnet/issuers/${position + 1}/issuer.sqlite`)
  }

  faucetDatabase(): Database {
    return this.database(FAUCET, 'testnet/faucet/faucet.sqlite')
  }

  complete<T>(work: Promise<T>, limit: Millis = minutes(5)): Promise<T> {
    return this.simulation.complete(work, limit)
  }

  runFor(duration: Millis): Promise<void> {
    return this.simulation.runFor(duration)
  }

  async runUntil(what: string, condition: () => boolean, limit: Millis = minutes(5)): Promise<void> {
    const end = this.now + limit
    while (!condition()) {
      if (this.now >= end) throw new MixnetError('TIMEOUT', { what, limitMs: limit })
      await this.runFor(millis(100))
    }
  }

  between(least: number, most: number): Millis {
    return millis(least + (most - least) * this.random.uniform())
  }

  async #start({ lies, issuers }: PayingNetworkOptions): Promise<void> {
    const { simulation } = this
    await serveSite(simulation.host(SITE, { ips: ['198.51.100.1'] }))
    const directory = this.#host(DIRECTORY, DIRECTORY_IP)
    this.#host(FAUCET, FAUCET_IP)
    const issuing = Array.from({ length: ISSUERS }, (_, i) => issuerIp(i))
    for (const [i, ip] of issuing.entries()) this.#host(issuerName(i), ip)
    for (const { name, host } of this.#plans) this.#host(name, host)
    const byIp = new Map([[FAUCET_IP, FAUCET], ...issuing.map((ip, i) => [ip, issuerName(i)] as const)])
    const credentials = this.engine
    const payment = { tickets: { required: true, compatible: false }, credentials, ticketScale: TICKET_SCALE }
    const others = await issuers?.(this)
    this.#testnet = await startTestnet({
      plans: this.#plans,
      folder: 'testnet',
      directory: { host: DIRECTORY_IP, port: 8080 },
      noise: false,
      world: directory,
      worldOf: ({ name }) => this.#tapped(this.worldOf(name)),
      logOf: () => silentLog,
      ...(others === undefined
        ? {
            paid: {
              engine: credentials,
              dkgEngine: new LocalDkgEngine(createScheme(nullBls), this.random),
              plan: { hosts: issuing, threshold: THRESHOLD, faucetHost: FAUCET_IP },
              worldOf: (ip: string) => {
                const name = byIp.get(ip) as string
                const lie = lies?.get(name)
                return lie === undefined ? this.worldOf(name) : lying(this.worldOf(name), lie)
              },
              ticketScale: TICKET_SCALE,
            },
          }
        : { issuers: others, paymentOf: () => payment }),
    })
    const observer = simulation.host('observer', { ips: ['10.0.0.9'] })
    const client = new DirectoryClient(observer.net, { baseUrls: [this.#testnet.directoryUrl] })
    this.#topology = new Refreshing<Topology>({
      clock: observer.clock,
      fetch: clientTopologySource({ clock: observer.clock, directory: client }),
    })
    await this.#topology.start()
    // Then gateways know the issuers.
    await Promise.all(this.#testnet.nodes.map(({ running }) => running.refresh()))
  }

  #host(name: string, ip: string): World {
    const world = this.simulation.host(name, { ips: [ip] })
    this.#worlds.set(name, world)
    this.#up.set(name, this.now)
    return world
  }

  /** Mix nodes note whose packets come in. They are never killed, or they would lose some. */
  #tapped(world: World): World {
    const listen: World['net']['listen'] = (options, accept) =>
      world.net.listen(options, (connection) => {
        const decoder = new MixFrameDecoder()
        const attach: typeof connection.attach = (handlers) =>
          connection.attach({
            ...handlers,
            data: (chunk) => {
              decoder.push(chunk)
              for (let frame = decoder.next(); frame !== undefined && !('refused' in frame); frame = decoder.next()) {
                const number = numberIn(frame.packet)
                if (number !== undefined) this.entered.set(number, (this.entered.get(number) ?? 0) + 1)
              }
              handlers.data(chunk)
            },
          })
        accept(
          new Proxy(connection, {
            get(target, name) {
              if (name === 'attach') return attach
              const value = Reflect.get(target, name, target)
              return typeof value === 'function' ? value.bind(target) : value
            },
          }),
        )
      })
    return { ...world, net: { ...world.net, listen } }
  }
}

function lying(world: World, lie: Lie): World {
  const serveHttp: World['net']['serveHttp'] = (options, handler) =>
    world.net.serveHttp(options, async (request, peer) => {
      const { pathname: path } = new URL(request.url)
      const body = await request.clone().text()
      return lie({ path, body }, async () => handler(request, peer), world.net)
    })
  return { ...world, net: { ...world.net, serveHttp } }
}

/** A packet that no mix node can open. */
export function markedPacket(number: number): Uint8Array {
  const packet = new Uint8Array(PACKET_BYTES)
  packet.set(new TextEncoder().encode(`${MARK}${number}`.padEnd(MARK_BYTES)))
  return packet
}

function numberIn(packet: Uint8Array): number | undefined {
  const text = fromUtf8Lossy(packet.subarray(0, MARK_BYTES))
  return text.startsWith(MARK) ? Number(text.slice(MARK.length)) : undefined
}
