/**
 * One node in one process: keys, links, the packet path, and whichever of gateway and exit its roles say. Runs in production and
 * in simulations alike. Parts start from the inside out and stop in reverse. @module
 */
import { toBase58 } from '../../foundation/base/base58.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import type { Endpoint, Listener } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { MixListener } from '../../network/transport/mixIngress.ts'
import type { Gateway } from '../../roles/gateway/gateway.ts'
import { Mixing } from '../../roles/mixing/mixing.ts'
import { DEFAULT_MIX_PARAMS } from '../../roles/mixing/mixParams.ts'
import { ReplayGuard } from '../../roles/mixing/replayGuard.ts'
import { DirectoryContact } from './directoryContact.ts'
import { EpochMemory } from './epochMemory.ts'
import type { ExitService } from './exitService.ts'
import { KeyRotation } from './keyRotation.ts'
import { Announcer, type AnnouncingLedger } from './ledgerAnnouncing.ts'
import type { NodeConfig } from './nodeConfig.ts'
import { loadOrCreateNodeKeys, type NodeKeys } from './nodeKeys.ts'
import { NodeLinks } from './nodeLinks.ts'
import { hasRole, isGateway, type NodeParts } from './nodeParts.ts'
import { listenForClients, serveApi, startExitRole, startGatewayRole } from './nodeServices.ts'
import { announcementOf, type NodeEndpoints } from './selfDescription.ts'

export interface NodeOptions extends Pick<NodeParts, 'onStep' | 'credentials' | 'ticketScale' | 'redeemer' | 'wayOut'> {
  readonly meter: Meter
  readonly log: Log
  /** Where the node announces itself, in a network that has a ledger. */
  readonly ledger?: AnnouncingLedger
  /** Ends a start that still waits for the directory. */
  readonly signal?: AbortSignal
}

export interface RunningNode {
  /** Ed25519. */
  readonly identity: Uint8Array
  readonly endpoints: NodeEndpoints
  /** Resolves when the node knows its network and its services run; rejects with STOPPED. */
  readonly ready: Promise<void>
  /** Ed25519: for its owner's proof that the bond is of this node. */
  sign(text: Uint8Array): Uint8Array
  /** Asks the directory to describe this node now instead of at its next round. */
  announce(): Promise<void>
  /** Resolves when the ledger has what the node says of itself; at once in a network without one. */
  announced(): Promise<void>
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

const LOCAL_DIRECTORY_RETRY = millis(200)
const DIRECTORY_RETRY = seconds(5)
const DEFAULT_REPLAY_MEMORY_MB = 128

/** Throws LOCKED, ADDRESS_IN_USE, KEY_FILE_UNREADABLE, CONFIG_INVALID; BAD_ARGUMENT where it must take tickets and has no engine. Whatever fails, nothing stays behind. */
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
  readonly #parts: NodeParts
  readonly #ledger: AnnouncingLedger | undefined
  readonly #stops: (() => unknown)[] = []
  readonly #starting = new AbortController()
  readonly #ready = Promise.withResolvers<void>()
  #stopping: Promise<void> | undefined
  #isReady = false
  #keys!: NodeKeys
  #contact!: DirectoryContact
  #rotation!: KeyRotation
  #links!: NodeLinks
  #mixing!: Mixing
  #gateway: Gateway | undefined
  #exit: ExitService | undefined
  #mixListener!: MixListener
  #httpListener!: Listener
  #wsListener: Listener | undefined
  #announcer: Announcer | undefined

  constructor(world: World, config: NodeConfig, { signal, ledger, ...options }: NodeOptions) {
    this.#parts = { world, config, ...options }
    this.#ledger = ledger
    this.#ready.promise.catch(() => {})
    if (signal?.aborted) this.#starting.abort()
    signal?.addEventListener('abort', () => this.#starting.abort(), { once: true })
  }

  get identity(): Uint8Array {
    return this.#keys.identity
  }

  get endpoints(): NodeEndpoints {
    const { host } = this.#parts.config
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
    const { world, config } = this.#parts
    const lock = await world.files.lock(`${config.data}/lock`)
    this.#stops.push(() => lock.release())
    this.#keys = await loadOrCreateNodeKeys(world, config.data)
    this.#contact = await DirectoryContact.open(this.#parts, this.#keys)
    this.#stops.push(() => this.#contact.stop())
    await this.#startMixing()
    if (isGateway(this.#parts)) await this.#startGateway()
    // Before the API, which tells its address; it sends nothing until there is a topology.
    if (hasRole(this.#parts, 'exit')) await this.#startExit()
    await this.#startApi()
    if (this.#ledger !== undefined) this.#startAnnouncing(this.#ledger)
    this.#finishInBackground()
  }

  sign(text: Uint8Array): Uint8Array {
    return this.#parts.world.crypto.ed25519Sign(this.#keys.identitySeed.expose(), text)
  }

  announce(): Promise<void> {
    this.#announcer?.announce()
    return this.#contact.announce()
  }

  announced(): Promise<void> {
    return this.#announcer?.said() ?? Promise.resolve()
  }

  async refresh(): Promise<void> {
    await this.#contact.view.refresh()
  }

  status(): NodeStatus {
    const { config, meter } = this.#parts
    return {
      name: config.name,
      identity: toBase58(this.identity),
      roles: config.roles,
      ready: this.#isReady,
      keyRotation: this.#rotation.keys.primary.rotationId,
      pool: this.#mixing.pool,
      counters: meter.snapshot(),
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#starting.abort()
    // Not there yet where the start failed early.
    const contact: DirectoryContact | undefined = this.#contact
    contact?.stop()
    let failure: { readonly error: unknown } | undefined
    for (const stop of this.#stops.splice(0).reverse()) {
      try {
        await stop()
      } catch (error) {
        // The others stop all the same: what stays behind would hold the port and the lock.
        failure ??= { error }
      }
    }
    if (failure !== undefined) throw failure.error
  }

  async #startMixing(): Promise<void> {
    const { world, config, meter, log } = this.#parts
    const { data, local, replayMemoryMB = DEFAULT_REPLAY_MEMORY_MB } = config
    const { files, clock, crypto } = world
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
      world,
      {
        directory: this.#contact.directory,
        memory: new EpochMemory({
          files,
          path: `${data}/heard-epoch.txt`,
          directories: config.directories,
          log: log.child('rotation'),
        }),
        folder: data,
        replay,
        log: log.child('rotation'),
        retry: local ? LOCAL_DIRECTORY_RETRY : DIRECTORY_RETRY,
        onChange: () => void this.announce(),
      },
      this.#starting.signal,
    )
    this.#stops.push(() => this.#rotation.stop())
    const links = new NodeLinks(this.#parts, this.#keys, this.#contact)
    this.#links = links
    this.#stops.push(() => links.egress.close())
    this.#mixing = new Mixing({
      clock,
      crypto,
      keys: this.#rotation.keys,
      replay,
      egress: links.egress,
      allows: (nextHop) => links.allows(nextHop),
      forwards: hasRole(this.#parts, 'mix'),
      ...(isGateway(this.#parts) ? { final: (packet) => this.#gateway?.deliver(packet) } : {}),
      params,
      meter,
      log: log.child('mixing'),
    })
    this.#stops.push(() => this.#mixing.stop())
    this.#mixListener = await links.listen((frame) => this.#mixing.receive(frame))
    this.#stops.push(() => this.#mixListener.close())
  }

  async #startGateway(): Promise<void> {
    const { gateway, issuers } = startGatewayRole(this.#parts, this.#keys, this.#contact, {
      forward: (nextHop, frame) => this.#mixing.forward(nextHop, frame),
      congested: () => this.#links.congested,
    })
    this.#gateway = gateway
    this.#stops.push(() => gateway.stop())
    if (issuers !== undefined) {
      this.#stops.push(() => issuers.stop())
      issuers.start()
    }
    this.#wsListener = await listenForClients(this.#parts, gateway)
  }

  async #startExit(): Promise<void> {
    const service = await startExitRole(this.#parts, this.#gateway as Gateway, this.#contact)
    this.#exit = service
    this.#stops.push(() => service.stop())
  }

  async #startApi(): Promise<void> {
    this.#httpListener = await serveApi(this.#parts, {
      keys: this.#keys,
      sphinx: this.#rotation.keys,
      endpoints: () => this.endpoints,
      exit: () => this.#exit,
      status: () => this.status(),
    })
    this.#stops.push(() => this.#httpListener.close())
  }

  #startAnnouncing(ledger: AnnouncingLedger): void {
    const { world, config, log } = this.#parts
    const { identity, identitySeed, noisePublic } = this.#keys
    const announcer = new Announcer({
      ...ledger,
      world,
      identity,
      identitySeed: identitySeed.expose(),
      said: () =>
        announcementOf({
          config,
          noisePublic,
          sphinx: this.#rotation.keys,
          endpoints: this.endpoints,
          routesPackets: this.#exit?.packetRouter !== undefined,
        }),
      log: log.child('ledger'),
    })
    this.#announcer = announcer
    this.#stops.push(() => announcer.stop())
    announcer.announce()
  }

  /** The rest of the network may take its time; packets are answered as soon as the view is there. */
  #finishInBackground(): void {
    const { config, log } = this.#parts
    const finish = async () => {
      await this.announce()
      await this.#contact.start()
      this.#contact.stayListed()
      this.#isReady = true
      log.info('node.ready', { roles: config.roles.join(' ') })
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
}
