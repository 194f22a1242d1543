/**
 * What a node has to do with its directories: it asks them to describe it, asks them for the network, and knows from the answers
 * whom it may send to and who speaks Noise. @module
 */
import { isMixnetError } from '../../foundation/base/errors.ts'
import { canonicalIpText } from '../../foundation/base/ipAddress.ts'
import { type Millis, millis, minutes, seconds } from '../../foundation/base/units.ts'
import { DirectoryClient } from '../../network/topology/directoryClient.ts'
import type { NodeView } from '../../network/topology/nodeView.ts'
import { identityKey, refreshEvery } from '../../network/topology/topology.ts'
import { NODE_REFRESH, Refreshing, type RefreshParams } from '../../network/topology/topologyProvider.ts'
import { nodeViewSource } from '../../network/topology/topologySources.ts'
import { encodeRefreshDescribed, signRefreshDescribed } from '../../protocol/wire/directory/refreshDescribed.ts'
import type { NodeConfig } from './nodeConfig.ts'
import type { NodeKeys } from './nodeKeys.ts'
import type { NodeParts } from './nodeParts.ts'
import { StayListed } from './stayListed.ts'
import { ViewMemory } from './viewMemory.ts'

// It asks more often, and lives without the directory for as long all the same.
export const LOCAL_REFRESH: RefreshParams = {
  ...NODE_REFRESH,
  interval: seconds(60),
  maxFailures: 100,
  startRetry: millis(100),
}
const ANNOUNCE_TIMEOUT = seconds(10)
// Between two questions caused by packets for unknown nodes: whoever sends such packets must not make us a burden to the directory.
const ASK_AGAIN = seconds(60)
const LOCAL_ASK_AGAIN = seconds(1)
const NOT_LISTED = seconds(5)
// Clients go on by the network as it was for the five minutes between their questions, and packets take a while.
const DEPARTED_FOR = minutes(10)
const MAX_DEPARTED = 65_536

interface Departed {
  readonly ports: ReadonlySet<number>
  readonly noiseKey: Uint8Array | undefined
  /** Monotonic. */
  readonly until: number
}

export class DirectoryContact {
  readonly #parts: NodeParts
  readonly #keys: NodeKeys
  readonly directory: DirectoryClient
  readonly view: Refreshing<NodeView>
  #listing: StayListed | undefined
  #askedAgain = Number.NEGATIVE_INFINITY
  #before: NodeView | undefined
  /** Nodes that have left the network, by IP: routes through them are still in use. */
  readonly #departed = new Map<string, Departed>()
  readonly #stopping = new AbortController()

  readonly #memory: ViewMemory

  private constructor(parts: NodeParts, keys: NodeKeys, memory: ViewMemory, remembered: NodeView | undefined) {
    const { world, config, log } = parts
    this.#parts = parts
    this.#keys = keys
    this.#memory = memory
    this.directory = new DirectoryClient(world.net, { baseUrls: config.directories })
    this.view = new Refreshing<NodeView>({
      clock: world.clock,
      fetch: nodeViewSource({
        clock: world.clock,
        directory: this.directory,
        onView: (input) => memory.remember(input),
      }),
      params: refreshParams(config),
      intervalOf: ({ topology }) => refreshEvery(topology),
      remembered,
      log,
    })
    this.#before = remembered
    this.view.onChange((view) => this.#noteDepartures(view))
  }

  /** Knows the network as it was when the node last ran, unless that is long ago. */
  static async open(parts: NodeParts, keys: NodeKeys): Promise<DirectoryContact> {
    const { world, config, log } = parts
    const { interval, maxFailures } = refreshParams(config)
    const memory = new ViewMemory({
      world,
      path: `${config.data}/heard-network.txt`,
      directories: config.directories,
      maxAge: millis(interval * maxFailures),
      log,
    })
    return new DirectoryContact(parts, keys, memory, await memory.read())
  }

  /** Resolves when the node knows its network; asks on until then. Throws STOPPED. */
  async start(): Promise<void> {
    for (;;) {
      try {
        await this.view.start()
        return
      } catch (error) {
        if (this.#stopping.signal.aborted || !isMixnetError(error)) throw error
        // A directory may be away for longer than anybody would wait at a prompt; a node has nothing better to do.
        this.#parts.log.warn('network.waiting', { code: error.code })
      }
    }
  }

  /** Asks every directory to describe this node now instead of at its next round. Never rejects. */
  async announce(): Promise<void> {
    const { world, config, log } = this.#parts
    const { net, clock, crypto } = world
    const unixSeconds = Math.floor(clock.now() / 1000)
    const request = signRefreshDescribed(crypto, this.#keys.identitySeed.expose(), unixSeconds)
    await Promise.all(
      config.directories.map(async (base) => {
        try {
          await net.request({
            url: `${base.replace(/\/+$/, '')}/v1/nym-nodes/refresh-described`,
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(encodeRefreshDescribed(request)),
            timeout: ANNOUNCE_TIMEOUT,
            maxBodyBytes: 4096,
            signal: this.#stopping.signal,
          })
        } catch (error) {
          if (this.#stopping.signal.aborted) return
          // Not needed: the directory finds out by itself, only later.
          log.info('announce.failed', { code: isMixnetError(error) ? error.code : 'INTERNAL' })
        }
      }),
    )
  }

  /** Whether a node has that IP, and takes packets at that port. A stranger may have joined since we asked: asked again, but not for every packet or connection. */
  knows(ip: string, mixPort?: number): boolean {
    const view = this.view.current()
    // Nearly always canonical as it is: per packet, parsing it would cost more than looking it up.
    const ports = view?.addresses.get(ip) ?? view?.addresses.get(canonicalIpText(ip))
    if (ports !== undefined && (mixPort === undefined || ports.has(mixPort))) return true
    const now = this.#parts.world.clock.monotonic()
    const departed = this.#departedAt(ip)
    if (departed !== undefined && (mixPort === undefined || departed.ports.has(mixPort))) return true
    if (view !== undefined && now - this.#askedAgain > this.#askAgain) {
      this.#askedAgain = now
      // Counted and logged by the view itself.
      this.view.refresh().catch(() => {})
    }
    return false
  }

  /** The Noise key of the node at that canonical IP, where there is one that has a key. */
  noiseKey(ip: string): Uint8Array | undefined {
    return this.view.current()?.noiseKeys.get(ip) ?? this.#departedAt(ip)?.noiseKey
  }

  /** From now on notices where the network has lost this node, and says that it is there. */
  stayListed(): void {
    const { world, config } = this.#parts
    const listing = new StayListed({
      clock: world.clock,
      isListed: () => {
        const view = this.view.current()
        return view === undefined || view.topology.nodesByIdentity.has(identityKey(this.#keys.identity))
      },
      ask: async () => {
        await this.announce()
        await this.view.refresh().catch(() => {})
      },
      first: config.local ? LOCAL_ASK_AGAIN : NOT_LISTED,
    })
    this.#listing = listing
    this.view.onChange(() => listing.check())
    listing.check()
  }

  /** What was learnt stays: packets that are still under way find their next hop. Resolves when nothing is written any more. */
  stop(): Promise<void> {
    this.#stopping.abort()
    this.#listing?.stop()
    this.view.stop()
    return this.#memory.flushed()
  }

  #departedAt(ip: string): Departed | undefined {
    // Packets ask: nearly always there is none at all.
    if (this.#departed.size === 0) return undefined
    const departed = this.#departed.get(ip) ?? this.#departed.get(canonicalIpText(ip))
    return departed !== undefined && departed.until > this.#parts.world.clock.monotonic() ? departed : undefined
  }

  #noteDepartures(view: NodeView | undefined): void {
    const before = this.#before
    this.#before = view
    const now = this.#parts.world.clock.monotonic()
    for (const [ip, { until }] of this.#departed) if (until <= now) this.#departed.delete(ip)
    // Where the view itself is given up nobody is known any more.
    if (before === undefined || view === undefined) return
    for (const [ip, ports] of before.addresses) {
      if (view.addresses.has(ip) || this.#departed.size >= MAX_DEPARTED) continue
      this.#departed.set(ip, { ports, noiseKey: before.noiseKeys.get(ip), until: now + DEPARTED_FOR })
    }
    // Whoever is back, perhaps as another, is what the directory says.
    for (const ip of view.addresses.keys()) this.#departed.delete(ip)
  }

  get #askAgain(): Millis {
    return this.#parts.config.local ? LOCAL_ASK_AGAIN : ASK_AGAIN
  }
}

const refreshParams = ({ local }: NodeConfig): RefreshParams => (local ? LOCAL_REFRESH : NODE_REFRESH)
