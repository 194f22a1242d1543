/**
 * The directory role: knows which nodes are bonded, asks them about themselves, keeps the epochs, and tells clients and nodes
 * who is in the network. Rules: docs/spec/directory-server.md. @module
 */
import type { Hono } from 'hono'
import { MixnetError } from '../../foundation/base/errors.ts'
import { type Log, Meter, silentLog } from '../../foundation/base/observe.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import type { Endpoint, Listener } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import { httpLimits, type JsonHandler, measureHttp } from '../../network/api/jsonApi.ts'
import type { ApiHealth } from '../../protocol/wire/directory/apiStatus.ts'
import type { BuildInformation } from '../../protocol/wire/directory/buildInformation.ts'
import type { NetworkDetails } from '../../protocol/wire/directory/networkDetails.ts'
import { directoryApi, MAX_REQUEST_BYTES } from './api.ts'
import type { BondedNodes } from './bondedNodes.ts'
import { Describer } from './describer.ts'
import { DEFAULT_DESCRIBER_PARAMS, type DescriberParams } from './describerParams.ts'
import { DEFAULT_EPOCH_PARAMS, type EpochParams, type EpochSource, Epochs } from './epochs.ts'
import { Issuers } from './issuers.ts'
import type { LedgerNetwork } from './ledgerNetwork.ts'
import { RoleMemory } from './roleMemory.ts'
import { dealtRoles, type Roles } from './roles.ts'
import { BOOTSTRAP_SCORES, type Scores } from './scores.ts'
import { type Snapshot, Snapshots } from './snapshot.ts'

export interface DirectoryOptions {
  /** Where epochs and roles are kept. One directory at a time. */
  readonly folder: string
  /** Where the API listens; none where its `handler` is served by somebody else. */
  readonly listen?: Endpoint | undefined
  /** Of a network without a ledger. */
  readonly bonded?: BondedNodes | undefined
  /** Says which nodes there are, what they are and when, and how good; instead of `bonded`, `epochs` and `scores`. Stopped along with the directory. */
  readonly ledger?: LedgerNetwork | undefined
  readonly network: NetworkDetails
  readonly build: BuildInformation
  readonly epochs?: Partial<EpochParams> | undefined
  readonly describer?: Partial<DescriberParams> | undefined
  /** Default: every node that describes itself is perfect. */
  readonly scores?: Scores | undefined
  /** Issuers of credentials of this network, without /v1; default none. */
  readonly issuers?: readonly string[] | undefined
  /** Default: unknown, because there is no ledger. */
  readonly chainStatus?: (() => ApiHealth['chainStatus']) | undefined
  readonly extend?: ((app: Hono) => void) | undefined
  readonly meter?: Meter | undefined
  readonly log?: Log | undefined
}

/** For people and scripts. */
export interface DirectoryStatus {
  readonly epochId: number
  readonly epochEndsAtUnixMs: number
  readonly keyRotationId: number
  readonly bonded: number
  readonly described: number
  /** Why clients cannot use the network; null where they can. */
  readonly problem: string | null
  readonly nodes: readonly { readonly nodeId: number; readonly role: string; readonly performance: number }[]
}

const MAX_CONNECTIONS = 4096
const REQUEST_TIMEOUT: Millis = seconds(30)
/** What differs where a ledger keeps the network. */
interface Kept {
  readonly bonded: BondedNodes
  readonly epochs: EpochSource
  readonly roles: Roles
  readonly memory: RoleMemory | undefined
}

/** Past the end of an epoch, so that the clock has surely reached the next. */
const AFTER_EPOCH: Millis = millis(1)
/** The clock is ahead and not believed yet. */
const OVERDUE: Millis = seconds(1)

export class Directory implements AsyncDisposable {
  /** The API without sockets. */
  readonly handler: JsonHandler
  /** Resolves when clients can use the network for the first time; rejects with STOPPED. */
  readonly ready: Promise<void>
  readonly #world: World
  readonly #meter: Meter
  readonly #epochs: EpochSource
  readonly #memory: RoleMemory | undefined
  readonly #ledger: LedgerNetwork | undefined
  readonly #describer: Describer
  readonly #snapshots: Snapshots
  readonly #issuers: Issuers
  readonly #readiness: PromiseWithResolvers<void> = Promise.withResolvers()
  #listener: Listener | undefined
  #timer: Timer | undefined
  #stopping: Promise<void> | undefined

  private constructor(world: World, options: DirectoryOptions, { bonded, epochs, roles, memory }: Kept) {
    const { ledger, network, build, extend, meter = new Meter() } = options
    const scores = ledger?.scores ?? options.scores ?? BOOTSTRAP_SCORES
    const log = (options.log ?? silentLog).child('directory')
    this.#world = world
    this.#meter = meter
    this.#epochs = epochs
    this.#memory = memory
    this.#ledger = ledger
    const params = { ...DEFAULT_DESCRIBER_PARAMS, ...options.describer }
    const onChange = (): void => this.#look()
    this.#describer = new Describer({ world, bonded, epochs, params, meter, log, onChange })
    this.#snapshots = new Snapshots({ world, epochs, describer: this.#describer, scores, roles, log })
    this.#issuers = new Issuers({ world, urls: options.issuers ?? [], meter, log })
    this.handler = directoryApi({
      issuers: this.#issuers,
      world,
      epochs,
      snapshots: this.#snapshots,
      describer: this.#describer,
      network,
      build,
      chainStatus: options.chainStatus ?? (() => ledger?.chainStatus() ?? 'unknown'),
      ledger,
      meter,
      log,
      extend,
    })
    this.ready = this.#readiness.promise
    // Whoever does not wait for it must not fall over it.
    this.ready.catch(() => {})
    meter.gauge('directory_epoch', 'The absolute id of the epoch', () => epochs.current().absoluteId)
    meter.gauge(
      'directory_key_rotation',
      'The id of the key rotation',
      () => epochs.current().rotation.currentKeyRotationId,
    )
    const ofSnapshot = (read: (snapshot: Snapshot) => number) => (): number => {
      const snapshot = this.#snapshots.current()
      return snapshot === undefined ? 0 : read(snapshot)
    }
    meter.gauge(
      'directory_usable',
      '1 where clients can use the network',
      ofSnapshot(({ problem }) => (problem ? 0 : 1)),
    )
    meter.gauge(
      'directory_nodes_disputed',
      'Nodes that announce only addresses of others',
      ofSnapshot((s) => s.disputed),
    )
  }

  /** Throws CONFIG_INVALID, also for bonded nodes that cannot be read, and ADDRESS_IN_USE. Serves when it resolves. */
  static async start(world: World, options: DirectoryOptions): Promise<Directory> {
    const { listen, ledger } = options
    const kept: Kept =
      ledger === undefined
        ? await keptHere(world, options)
        : { bonded: ledger.bonded, epochs: ledger.epochs, roles: ledger.roles, memory: undefined }
    const directory = new Directory(world, options, kept)
    if (listen !== undefined) {
      directory.#listener = await directory.serve(listen)
    }
    directory.#describer.start()
    directory.#issuers.start()
    ledger?.start(() => directory.#look())
    directory.#waitForEpoch()
    return directory
  }

  /** Serves the API at a place of the caller's choosing, who also closes it. Throws ADDRESS_IN_USE. */
  async serve(endpoint: Endpoint): Promise<Listener> {
    const listener = await this.#world.net.serveHttp(
      {
        ...endpoint,
        ...httpLimits(this.#meter, MAX_CONNECTIONS),
        maxBodyBytes: MAX_REQUEST_BYTES,
        requestTimeout: REQUEST_TIMEOUT,
      },
      this.handler,
    )
    measureHttp(this.#meter, listener)
    return listener
  }

  /** Where the API listens, if it does. */
  get endpoint(): Endpoint | undefined {
    return this.#listener?.endpoint
  }

  status(): DirectoryStatus {
    const { absoluteId, end, rotation } = this.#epochs.current()
    const snapshot = this.#snapshots.current()
    return {
      epochId: absoluteId,
      epochEndsAtUnixMs: end,
      keyRotationId: rotation.currentKeyRotationId,
      bonded: this.#describer.bonded.length,
      described: snapshot?.nodes.length ?? 0,
      problem: snapshot === undefined ? 'the nodes have not been asked yet' : (snapshot.problem ?? null),
      nodes: (snapshot?.nodes ?? []).map(({ skimmed: { nodeId, role, performance } }) => ({
        nodeId,
        role,
        performance,
      })),
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #stop(): Promise<void> {
    this.#timer?.cancel()
    this.#readiness.reject(new MixnetError('STOPPED', { what: 'directory' }))
    await this.#listener?.close()
    await this.#describer.stop()
    await this.#issuers.stop()
    await this.#ledger?.stop()
    await this.#memory?.flushed()
  }

  /** Makes the snapshot now where nobody asks, so that roles are on disk and the log tells of the epoch. */
  #look(): void {
    const snapshot = this.#snapshots.current()
    if (snapshot !== undefined && snapshot.problem === undefined) this.#readiness.resolve()
  }

  #waitForEpoch(): void {
    const { clock } = this.#world
    const untilEnd = this.#epochs.current().end - clock.now()
    this.#timer = clock.after(untilEnd > 0 ? millis(untilEnd + AFTER_EPOCH) : OVERDUE, () => {
      this.#look()
      this.#waitForEpoch()
    })
  }
}

async function keptHere({ clock, files, crypto }: World, options: DirectoryOptions): Promise<Kept> {
  const { folder, bonded, log = silentLog } = options
  if (bonded === undefined)
    throw new MixnetError('CONFIG_INVALID', { key: 'bonded', problem: 'neither nodes nor a ledger' })
  const params = { ...DEFAULT_EPOCH_PARAMS, ...options.epochs }
  // What is wrong with the configuration should be said now and not in a log.
  await bonded.current()
  const epochs = await Epochs.open({ clock, files, path: `${folder}/epochs.json`, params })
  const memory = await RoleMemory.open(files, `${folder}/roles.json`, log)
  return { bonded, epochs, roles: dealtRoles(memory, crypto), memory }
}
