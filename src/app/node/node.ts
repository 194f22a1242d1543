/**
 * One node in one process: keys, links, the packet path, and whichever of gateway and exit its roles say. Runs in production and
 * in simulations alike. Parts start from the inside out and stop in reverse. @module
 */
import { toBase58 } from '../../foundation/base/base58.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { canonicalIpText } from '../../foundation/base/ipAddress.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import type { Endpoint, Listener } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import { DirectoryClient } from '../../network/topology/directoryClient.ts'
import type { NodeView } from '../../network/topology/nodeView.ts'
import { identityKey } from '../../network/topology/topology.ts'
import { NODE_REFRESH, Refreshing, type RefreshParams } from '../../network/topology/topologyProvider.ts'
import { nodeViewSource } from '../../network/topology/topologySources.ts'
import { MixEgress } from '../../network/transport/mixEgress.ts'
import { listenMix, type MixListener } from '../../network/transport/mixIngress.ts'
import {
  DEFAULT_EGRESS_PARAMS,
  DEFAULT_INGRESS_PARAMS,
  LOOPBACK_EGRESS_PARAMS,
  LOOPBACK_INGRESS_PARAMS,
} from '../../network/transport/mixLinkParams.ts'
import type { NoiseKeyPair } from '../../network/transport/noise.ts'
import { encodeRefreshDescribed, signRefreshDescribed } from '../../protocol/wire/directory/refreshDescribed.ts'
import { Gateway } from '../../roles/gateway/gateway.ts'
import { Mixing } from '../../roles/mixing/mixing.ts'
import { DEFAULT_MIX_PARAMS } from '../../roles/mixing/mixParams.ts'
import { ReplayGuard } from '../../roles/mixing/replayGuard.ts'
import { BUILD_INFORMATION } from './buildInformation.ts'
import { type ExitService, startExitService } from './exitService.ts'
import { KeyRotation } from './keyRotation.ts'
import { nodeApi } from './nodeApi.ts'
import type { NodeConfig } from './nodeConfig.ts'
import { loadOrCreateNodeKeys, type NodeKeys } from './nodeKeys.ts'
import { describeNode, type NodeEndpoints } from './selfDescription.ts'
import { forOperator, isLoopback } from './statusServer.ts'
import { StayListed } from './stayListed.ts'
import { listenStepped } from './steppedPort.ts'

export interface NodeOptions {
  readonly meter: Meter
  readonly log: Log
  /** A local network only: the port was taken and another one is used. */
  readonly onStep?: (wanted: number, used: number) => void
  /** Ends a start that still waits for the directory. */
  readonly signal?: AbortSignal
}

export interface RunningNode {
  /** Ed25519. */
  readonly identity: Uint8Array
  readonly endpoints: NodeEndpoints
  /** Resolves when the node knows its network and its services run; rejects with STOPPED. */
  readonly ready: Promise<void>
  /** Asks the directory to describe this node now instead of at its next round. */
  announce(): Promise<void>
  /** Asks the directory for the network now instead of at the next round. */
  refresh(): Promise<void>
  status(): NodeStatus
  stop(): Promise<void>
}

/** For people and scripts. */
export interface NodeStatus {
  readonly name: string
  readonly identity: string
  readonly roles: readonly string[]
  readonly ready: boolean
  readonly keyRotation: number
  readonly pool: number
  readonly counters: Readonly<Record<string, number>>
}

// It asks more often, and lives without the directory for as long all the same.
const LOCAL_REFRESH: RefreshParams = {
  ...NODE_REFRESH,
  interval: seconds(60),
  maxFailures: 100,
  startRetry: millis(100),
}
const ANNOUNCE_TIMEOUT = seconds(10)
const API_LIMITS = { maxConnections: 256, maxBodyBytes: 4096, requestTimeout: seconds(10) }
const LOCAL_DIRECTORY_RETRY = millis(200)
const DIRECTORY_RETRY = seconds(5)
const DEFAULT_REPLAY_MEMORY_MB = 128
// Half of what one next hop's queue holds: clients are read more slowly before packets have to be dropped.
const CONGESTED_FRAMES = 1000
// Between two questions caused by packets for unknown nodes: whoever sends such packets must not make us a burden to the directory.
const ASK_AGAIN = seconds(60)
const LOCAL_ASK_AGAIN = seconds(1)
const NOT_LISTED = seconds(5)

/** Throws LOCKED, ADDRESS_IN_USE, KEY_FILE_UNREADABLE, CONFIG_INVALID. Whatever fails, nothing stays behind. */
export async function startNode(world: World, config: NodeConfig, options: NodeOptions): Promise<RunningNode> {
  const node = new Node(world, config, options)
  try {
    await node.start()
    return node
  } catch (error) {
    await node.stop()
    throw error
  }
}

class Node implements RunningNode {
  readonly #world: World
  readonly #config: NodeConfig
  readonly #options: NodeOptions
  readonly #directory: DirectoryClient
  readonly #view: Refreshing<NodeView>
  readonly #stops: (() => unknown)[] = []
  readonly #starting = new AbortController()
  readonly #ready = Promise.withResolvers<void>()
  #stopping: Promise<void> | undefined
  #isReady = false
  #askedAgain = Number.NEGATIVE_INFINITY
  #keys!: NodeKeys
  #rotation!: KeyRotation
  #egress!: MixEgress
  #mixing!: Mixing
  #gateway: Gateway | undefined
  #exit: ExitService | undefined
  #mixListener!: MixListener
  #httpListener!: Listener
  #wsListener: Listener | undefined

  constructor(world: World, config: NodeConfig, options: NodeOptions) {
    this.#world = world
    this.#config = config
    this.#options = options
    this.#directory = new DirectoryClient(world.net, { baseUrls: config.directories })
    this.#view = new Refreshing<NodeView>({
      clock: world.clock,
      fetch: nodeViewSource({ clock: world.clock, directory: this.#directory }),
      params: config.local ? LOCAL_REFRESH : NODE_REFRESH,
      log: options.log,
    })
    this.#ready.promise.catch(() => {})
    options.signal?.addEventListener('abort', () => this.#starting.abort(), { once: true })
  }

  get identity(): Uint8Array {
    return this.#keys.identity
  }

  get endpoints(): NodeEndpoints {
    const { host } = this.#config
    const at = (listener: Listener): Endpoint => ({ host, port: listener.endpoint.port })
    return {
      mix: at(this.#mixListener),
      http: at(this.#httpListener),
      ws: this.#wsListener === undefined ? undefined : at(this.#wsListener),
    }
  }

  get ready(): Promise<void> {
    return this.#ready.promise
  }

  async start(): Promise<void> {
    const { data } = this.#config
    const { files } = this.#world
    const lock = await files.lock(`${data}/lock`)
    this.#stops.push(() => lock.release())
    this.#keys = await loadOrCreateNodeKeys(this.#world, data)
    await this.#startMixing()
    if (this.#isGateway) await this.#startGateway()
    // Before the API, which tells its address; it sends nothing until there is a topology.
    if (this.#is('exit')) await this.#startExit()
    await this.#startApi()
    this.#finishInBackground()
  }

  async announce(): Promise<void> {
    const { net, clock, crypto } = this.#world
    const unixSeconds = Math.floor(clock.now() / 1000)
    const request = signRefreshDescribed(crypto, this.#keys.identitySeed.expose(), unixSeconds)
    await Promise.all(
      this.#config.directories.map(async (base) => {
        try {
          await net.request({
            url: `${base.replace(/\/+$/, '')}/v1/nym-nodes/refresh-described`,
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(encodeRefreshDescribed(request)),
            timeout: ANNOUNCE_TIMEOUT,
            maxBodyBytes: 4096,
          })
        } catch (error) {
          // Not needed: the directory finds out by itself, only later.
          this.#options.log.info('announce.failed', { code: isMixnetError(error) ? error.code : 'INTERNAL' })
        }
      }),
    )
  }

  async refresh(): Promise<void> {
    await this.#view.refresh()
  }

  status(): NodeStatus {
    return {
      name: this.#config.name,
      identity: toBase58(this.identity),
      roles: this.#config.roles,
      ready: this.#isReady,
      keyRotation: this.#rotation.keys.primary.rotationId,
      pool: this.#mixing.pool,
      counters: this.#options.meter.snapshot(),
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#starting.abort()
    this.#view.stop()
    for (const stop of this.#stops.splice(0).reverse()) await stop()
  }

  async #startMixing(): Promise<void> {
    const { data, local, replayMemoryMB = DEFAULT_REPLAY_MEMORY_MB } = this.#config
    const { meter, log } = this.#options
    const { files, clock, crypto } = this.#world
    const params = DEFAULT_MIX_PARAMS
    const replay = new ReplayGuard({
      files,
      folder: data,
      falsePositiveRate: params.replayFalsePositiveRate,
      maxBytes: replayMemoryMB * 1024 * 1024,
      meter,
      log: log.child('replay'),
    })
    this.#stops.push(() => replay.close())
    this.#rotation = await KeyRotation.start(
      this.#world,
      {
        directory: this.#directory,
        folder: data,
        replay,
        log: log.child('rotation'),
        retry: local ? LOCAL_DIRECTORY_RETRY : DIRECTORY_RETRY,
        onChange: () => void this.announce(),
      },
      this.#starting.signal,
    )
    this.#stops.push(() => this.#rotation.stop())
    this.#egress = this.#openEgress()
    this.#stops.push(() => this.#egress.close())
    this.#mixing = new Mixing({
      clock,
      crypto,
      keys: this.#rotation.keys,
      replay,
      egress: this.#egress,
      allows: ({ ip, port }) => this.#knows(ip, port),
      forwards: this.#is('mix'),
      ...(this.#isGateway ? { final: (packet) => this.#gateway?.deliver(packet) } : {}),
      params,
      meter,
      log: log.child('mixing'),
    })
    this.#stops.push(() => this.#mixing.stop())
    this.#mixListener = await this.#listen(this.#config.ports.mix, (port) => this.#listenMix(port))
    this.#stops.push(() => this.#mixListener.close())
  }

  /** Whether a node has that IP, and takes packets at that port. A stranger may have joined since we asked: asked again, but not for every packet or connection. */
  #knows(ip: string, mixPort?: number): boolean {
    const view = this.#view.current()
    // Nearly always canonical as it is: per packet, parsing it would cost more than looking it up.
    const ports = view?.addresses.get(ip) ?? view?.addresses.get(canonicalIpText(ip))
    if (ports !== undefined && (mixPort === undefined || ports.has(mixPort))) return true
    const now = this.#world.clock.monotonic()
    if (view !== undefined && now - this.#askedAgain > (this.#config.local ? LOCAL_ASK_AGAIN : ASK_AGAIN)) {
      this.#askedAgain = now
      // Counted and logged by the view itself.
      this.#view.refresh().catch(() => {})
    }
    return false
  }

  #openEgress(): MixEgress {
    const { host, local, noise } = this.#config
    const { meter, log } = this.#options
    const keyOf = (ip: string) => this.#view.current()?.noiseKeys.get(ip)
    return new MixEgress(this.#world, {
      ...(noise ? { noise: { own: this.#noiseKeys(), keyOf } } : {}),
      // Peers recognise a node by the address it comes from.
      localHost: this.#config.listenHost ?? host,
      params: local ? LOOPBACK_EGRESS_PARAMS : DEFAULT_EGRESS_PARAMS,
      meter,
      log: log.child('egress'),
    })
  }

  #listenMix(port: number): Promise<MixListener> {
    const { host, listenHost, local, noise } = this.#config
    const { meter, log } = this.#options
    return listenMix(this.#world, {
      endpoint: { host: listenHost ?? host, port },
      ...(noise ? { noise: { own: this.#noiseKeys() } } : {}),
      requireNoise: (ip) => this.#view.current()?.noiseKeys.has(ip) === true,
      // A node that joined since we asked shakes hands, and we, who do not know its key, would refuse it as a stranger.
      isNode: (ip) => this.#knows(ip),
      params: local ? LOOPBACK_INGRESS_PARAMS : DEFAULT_INGRESS_PARAMS,
      onFrame: (frame) => this.#mixing.receive(frame),
      meter,
      log: log.child('ingress'),
    })
  }

  async #startGateway(): Promise<void> {
    const { host, listenHost, data, ports } = this.#config
    const { meter, log } = this.#options
    const gateway = new Gateway({
      world: this.#world,
      identitySeed: this.#keys.identitySeed,
      forward: (nextHop, frame) => this.#mixing.forward(nextHop, frame),
      congested: () => this.#egress.queuedFrames > CONGESTED_FRAMES,
      folder: `${data}/gateway`,
      meter,
      log: log.child('gateway'),
    })
    this.#gateway = gateway
    this.#stops.push(() => gateway.stop())
    this.#wsListener = await this.#listen(ports.ws, (port) => gateway.listen({ host: listenHost ?? host, port }))
  }

  async #startExit(): Promise<void> {
    const { data, exit, local } = this.#config
    const { meter, log } = this.#options
    const service = await startExitService(this.#world, {
      config: exit,
      local,
      folder: `${data}/exit`,
      gateway: this.#gateway as Gateway,
      view: this.#view,
      build: BUILD_INFORMATION,
      meter,
      log: log.child('exit'),
    })
    this.#exit = service
    this.#stops.push(() => service.stop())
  }

  async #startApi(): Promise<void> {
    const { host, listenHost, ports } = this.#config
    const { meter, log } = this.#options
    const self = describeNode(this.#world.crypto, {
      config: this.#config,
      keys: this.#keys,
      sphinx: this.#rotation.keys,
      endpoints: () => this.endpoints,
      exitAddress: () => this.#exit?.address,
      meter,
    })
    const handler = nodeApi({
      world: this.#world,
      self,
      meter,
      log: log.child('api'),
      metrics: 'open',
    })
    const api = forOperator(handler, {
      mayRead: (peer) => this.#config.local || isLoopback(peer.host) || peer.host === (listenHost ?? host),
      status: () => this.status(),
    })
    this.#httpListener = await this.#listen(ports.http, (port) =>
      this.#world.net.serveHttp({ host: listenHost ?? host, port, ...API_LIMITS }, api),
    )
    this.#stops.push(() => this.#httpListener.close())
  }

  /** The rest of the network may take its time; packets are answered as soon as the view is there. */
  #finishInBackground(): void {
    const { log } = this.#options
    const finish = async () => {
      await this.announce()
      await this.#view.start()
      this.#stayListed()
      this.#isReady = true
      log.info('node.ready', { roles: this.#config.roles.join(' ') })
    }
    finish().then(
      () => this.#ready.resolve(),
      (error: unknown) => {
        if (!this.#starting.signal.aborted)
          log.error('node.failed', { code: isMixnetError(error) ? error.code : 'INTERNAL' })
        this.#ready.reject(error)
      },
    )
  }

  #stayListed(): void {
    const listing = new StayListed({
      clock: this.#world.clock,
      isListed: () => {
        const view = this.#view.current()
        return view === undefined || view.topology.nodesByIdentity.has(identityKey(this.identity))
      },
      ask: async () => {
        await this.announce()
        await this.#view.refresh().catch(() => {})
      },
      first: this.#config.local ? LOCAL_ASK_AGAIN : NOT_LISTED,
    })
    this.#stops.push(() => listing.stop())
    this.#view.onChange(() => listing.check())
    listing.check()
  }

  #listen<T extends Listener>(wanted: number, listen: (port: number) => Promise<T>): Promise<T> {
    const { onStep } = this.#options
    return listenStepped({ wanted, step: this.#config.local, ...(onStep === undefined ? {} : { onStep }) }, listen)
  }

  #noiseKeys(): NoiseKeyPair {
    return { secret: this.#keys.noiseSecret, public: this.#keys.noisePublic }
  }

  get #isGateway(): boolean {
    return this.#is('entry') || this.#is('exit')
  }

  #is(role: NodeConfig['roles'][number]): boolean {
    return this.#config.roles.includes(role)
  }
}
