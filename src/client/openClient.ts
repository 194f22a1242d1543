/**
 * Starts a client: topology, keys, a gateway, an exit, and streams through it. What an application sees of it is put on top by
 * `Mixnet` on Node and by `WebMixnet` in browsers. @module
 */
import { fromBase58 } from '../foundation/base/base58.ts'
import { isMixnetError, MixnetError, tryDecode } from '../foundation/base/errors.ts'
import { type Log, Meter, silentLog } from '../foundation/base/observe.ts'
import { type Millis, millis, seconds } from '../foundation/base/units.ts'
import type { CryptoProvider } from '../foundation/crypto/provider.ts'
import { type Clock, unlessAborted, withDeadline } from '../foundation/platform/clock.ts'
import type { ClientWorld } from '../foundation/platform/world.ts'
import { DirectoryClient } from '../network/topology/directoryClient.ts'
import { gatewayUrls } from '../network/topology/gatewaySelection.ts'
import { refreshEvery, type Topology } from '../network/topology/topology.ts'
import { Refreshing, type RefreshParams } from '../network/topology/topologyProvider.ts'
import { openSnapshot, type TopologySnapshot } from '../network/topology/topologySnapshot.ts'
import { clientTopologySource } from '../network/topology/topologySources.ts'
import { parseRecipient, type Recipient } from '../protocol/packet/recipient.ts'
import { isolated } from './callbacks.ts'
import { type ClientFolder, type FolderChoice, openFolder } from './clientFolder.ts'
import { noWss } from './entryChoice.ts'
import type { EntryParams } from './entryParams.ts'
import { EntrySelector } from './entrySelector.ts'
import { ExitConnections } from './exitConnections.ts'
import { ExitHealth } from './exitHealth.ts'
import { ExitKeeper } from './exitKeeper.ts'
import { chooseExit, listExits } from './exitSelection.ts'
import { createClientKeys, loadOrCreateClientKeys } from './keys.ts'
import { MessageInbox } from './messageInbox.ts'
import { MixnetClient, type ReceivedMessage } from './mixnetClient.ts'
import { Events, type MixnetEvent } from './mixnetEvents.ts'
import type { PacketEvent } from './packetEvents.ts'
import { planTraffic, type TrafficChoice } from './trafficProfiles.ts'

export interface MixnetOptions extends FolderChoice {
  /** URLs of directories with the same contents, for instance http://127.0.0.1:8080/api. None where there is a `topology`. */
  readonly directories: readonly string[]
  /** A snapshot instead, as `topologySnapshot()` returned it: then no directory is contacted, and keys last until they rotate. */
  readonly topology?: TopologySnapshot | undefined
  /** How a topology comes from the directory, where its word is not enough. Default: as it says. */
  readonly topologySource?: typeof clientTopologySource | undefined
  /** Where identity, keys and the choice of gateway are kept. Absent: nowhere, so every run is somebody new. */
  readonly folder?: string | undefined
  /** Opens `folder`. Default: without tickets. */
  readonly open?: typeof openFolder | undefined
  /** Seals what is kept in `folder`. The first one given is the one. */
  readonly passphrase?: string | undefined
  /** Base58 identity of the only entry gateway to use. Default: one of a few that are drawn once and kept in `folder`. */
  readonly gateway?: string | undefined
  /**
   * Only gateways that take wss, as a page from https needs it. Default false, and in such pages true: the gateway protocol has its own
   * encryption.
   */
  readonly forceTls?: boolean | undefined
  /** Address of the only network requester to use. Default: a random one that the directory lists, and another where it goes silent. */
  readonly exit?: string | undefined
  /** Default true. False: where the directory lists no exit, `connect` succeeds all the same, and it is streams that fail with EXIT_UNREACHABLE. */
  readonly exitRequired?: boolean | undefined
  /** Default true: the exit learns a pseudonym. False is faster, and the exit learns our address. */
  readonly anonymous?: boolean | undefined
  /**
   * A profile ('default', 'frugal', 'fast', 'private'), a budget ({ perDay: '500 MB' }), or parameters. `describeTraffic` says what a
   * choice costs and what it hides.
   */
  readonly traffic?: TrafficChoice | undefined
  readonly entry?: EntryParams | undefined
  readonly refresh?: RefreshParams | undefined
  /** For `connect` to succeed. Default 60 s. */
  readonly connectTimeout?: Millis | undefined
  /** Gives up connecting: ABORTED. */
  readonly signal?: AbortSignal | undefined
  /** Connection states, and what heals by itself. */
  readonly onEvent?: ((event: MixnetEvent) => void) | undefined
  /** Gets the messages of other clients, instead of `messages()`. */
  readonly onMessage?: ((message: ReceivedMessage) => void) | undefined
  /** For showing people what happens; see MixnetClientOptions. */
  readonly onPacket?: ((event: PacketEvent) => void) | undefined
  readonly log?: Log | undefined
  readonly meter?: Meter | undefined
}

export interface OpenClient {
  readonly place: ClientFolder
  readonly client: MixnetClient
  readonly events: Events
  /** Watches the exit, and changes it. */
  readonly watch: { close(): void }
  readonly connections: ExitConnections
  /** The messages of other clients, unless `onMessage` takes them. */
  readonly inbox: MessageInbox
  readonly meter: Meter
  readonly log: Log
  readonly topology: Refreshing<Topology>
  readonly directory: DirectoryClient
  /** The gateway in use, and those that might be. */
  readonly entries: () => { readonly entry: Uint8Array; readonly guards: readonly Uint8Array[] }
  /** Since the directory was heard; none without a topology. */
  readonly topologyAge: () => Millis | undefined
}

const CONNECT_TIMEOUT = seconds(60)
/** A packet leaves every 20 ms on average: some two dozen connections are told of their end. */
const FAREWELL = millis(500)
const IDENTITY_BYTES = 32

/**
 * Resolves when packets can be sent. Throws TOPOLOGY_UNAVAILABLE, GATEWAY_UNREACHABLE, GATEWAY_REFUSED, EXIT_UNREACHABLE,
 * KEY_FILE_UNREADABLE, FILE_UNUSABLE, LOCKED, BAD_ARGUMENT, ABORTED or TIMEOUT.
 */
export async function openClient(outside: ClientWorld, options: MixnetOptions): Promise<OpenClient> {
  const { log = silentLog, meter = new Meter(), folder, anonymous = true, open = openFolder } = options
  const { params: traffic, refresh } = planTraffic(options.traffic)
  const { clock, crypto, random, net } = outside
  const named = namedParts(crypto, options)
  const events = new Events(isolated(options.onEvent))
  const onPacket = isolated(options.onPacket)
  const limit = options.connectTimeout ?? CONNECT_TIMEOUT
  const end = clock.monotonic() + limit
  const left = (): Millis => millis(Math.max(0, end - clock.monotonic()))
  const within = <T>(what: string, work: Promise<T>): Promise<T> =>
    withDeadline(clock, left(), what, unlessAborted(work, options.signal))
  if (options.topology !== undefined && options.directories.length > 0)
    throw new MixnetError(
      'BAD_ARGUMENT',
      { argument: 'topology' },
      { nextStep: 'Give a directory or a topology, not both.' },
    )
  const directory =
    options.topology === undefined
      ? new DirectoryClient(net, { baseUrls: options.directories })
      : openSnapshot(options.topology, clock)
  // What cannot become better by asking again is given up the first time.
  const patience = options.topology === undefined ? {} : { maxFailures: 0 }
  const topology = new Refreshing<Topology>({
    clock,
    fetch: (options.topologySource ?? clientTopologySource)({ clock, directory }),
    params: { ...(options.refresh ?? refresh), ...patience },
    intervalOf: refreshEvery,
    log,
  })
  let heardAt: Millis | undefined
  topology.onChange((value) => {
    heardAt = value === undefined ? undefined : clock.monotonic()
  })
  const topologyAge = () => (heardAt === undefined ? undefined : millis(clock.monotonic() - heardAt))
  let client: MixnetClient | undefined
  let place: ClientFolder | undefined
  const opening = open(outside, options)
  try {
    // A disk may hang, and a passphrase takes half a second.
    place = await within('folder', opening)
    const { files } = place
    const world = { ...outside, files }
    // Three things to wait for that do not need each other.
    const loading =
      folder === undefined
        ? createClientKeys(crypto, random.stream('client-keys'))
        : loadOrCreateClientKeys(crypto, random.stream('client-keys'), files, folder)
    const list = async () => (named.exit === undefined ? await listExits(crypto, directory) : [named.exit])
    const early = list().catch(() => undefined)
    const [keys] = await within('directory', Promise.all([loading, topology.start()]))
    if (options.gateway !== undefined) expectListed(topology.current(), options.gateway, options)
    const { exitRequired = true } = options
    // The directory may have come back after that.
    const exits = await within(
      'exits',
      early.then(async (known) => known ?? (await list())),
    )
    // Where there is no choice of exits, the entry is chosen around the exit; else the exit around the entry.
    let connections: ExitConnections | undefined
    let health: ExitHealth | undefined
    let exit = exits.length === 1 ? exits[0] : undefined
    const link = await EntrySelector.create(world, {
      identitySeed: keys.identitySeed,
      topology,
      gateway: options.gateway,
      forceTls: options.forceTls,
      avoid: () => (connections?.hasExit ? connections.exit : exit)?.gateway,
      folder,
      params: options.entry,
      tickets: await place.tickets?.(keys.identitySeed),
      onConnecting: (gateway) => events.tell({ type: 'connecting', gateway }),
      onBeyondGuards: (gateway) => events.tell({ type: 'beyond-guards', gateway }),
      meter,
      log,
    })
    const entries = () => ({ entry: link.gateway, guards: link.guards })
    if (exits.length > 0 || exitRequired) {
      exit = chooseExit(random.stream('exit-choice'), exits, entries())
    }
    client = MixnetClient.start(world, {
      keys,
      topology,
      link,
      traffic,
      meter,
      log,
      onEvent: (event) => {
        if (event.type === 'lost') health?.forget()
        events.tell(event.type === 'opened' ? { type: 'open', gateway: event.gateway } : event)
      },
      ...(onPacket === undefined ? {} : { onPacket }),
    })
    // While the gateway lets us in, there is time.
    if (exit !== undefined) client.expect(exit, anonymous)
    await unlessAborted(link.whenOpen(left()), options.signal)
    const inbox = new MessageInbox(meter, undefined, clock)
    const started = client
    const through = new ExitConnections(world, {
      client,
      exit,
      anonymous,
      isCutOff: () => !started.isOpen,
      observer: {
        heard: () => health?.heard(),
        suspicious: () => health?.suspicious() ?? false,
        unanswered: (waited) => health?.unanswered(waited),
      },
      onOther: isolated(options.onMessage) ?? ((message) => inbox.push(message)),
    })
    connections = through
    const keeper = new ExitKeeper({
      clock,
      random: random.stream('exit-choice'),
      events,
      known: named.exit === undefined ? exits : [],
      list: () => listExits(crypto, directory),
      topology: () => topology.current(),
      entry: entries,
      present: () => through.exit,
      change: (next) => {
        meter.counter('client_exit_changes_total', 'Exits left because they went silent').value++
        health?.forget()
        through.leaveFor(next)
      },
    })
    health = new ExitHealth({
      clock,
      slot: traffic.mainStreamInterval,
      loops: () => started.loops,
      isOpen: () => started.isOpen,
      probe: () => {
        meter.counter('client_exit_probes_total', 'Questions to an exit that answered nothing').value++
        through.probe()
      },
      silent: () => keeper.silent(),
    })
    const watch = {
      close() {
        keeper.close()
        health?.forget()
      },
    }
    return {
      place,
      client,
      events,
      watch,
      connections: through,
      inbox,
      meter,
      log,
      topology,
      topologyAge,
      directory,
      entries,
    }
  } catch (error) {
    await client?.stop()
    topology.stop()
    // After the deadline it may open yet.
    if (place === undefined) opening.then(({ release }) => release()).catch(() => {})
    await place?.release()
    const { lastFailure: cause } = topology
    if (cause === undefined || !isMixnetError(error, 'TIMEOUT')) throw error
    throw new MixnetError('TIMEOUT', error.details, { cause, nextStep: 'Check the directory address.' })
  }
}

export async function closeClient(
  clock: Clock,
  { place, connections, client, topology, events, watch }: OpenClient,
): Promise<void> {
  watch.close()
  // Only a courtesy: with the gateway away or an upload queued it may take for ever, and whoever closes does not.
  await withDeadline(clock, FAREWELL, 'farewell', connections.close()).catch(() => {})
  await client.stop()
  topology.stop()
  await place.release()
  events.tell({ type: 'closed' })
}

/** The exit that was named. What the caller wrote is the caller's mistake, which decoders, who read what peers send, do not know. */
function namedParts(
  crypto: CryptoProvider,
  { gateway, exit }: MixnetOptions,
): { readonly exit: Recipient | undefined } {
  const read = <T>(argument: string, expected: string, decode: () => T): T => {
    const value = tryDecode(decode)
    if (!isMixnetError(value)) return value
    const nextStep = `Give ${expected}, or none: then one is chosen.`
    throw new MixnetError('BAD_ARGUMENT', { argument }, { nextStep, cause: value })
  }
  if (gateway !== undefined)
    read('gateway', 'the base58 identity of an entry gateway', () => fromBase58(gateway, 'gateway', IDENTITY_BYTES))
  if (exit === undefined) return { exit }
  return { exit: read('exit', 'the address of a network requester', () => parseRecipient(crypto, exit)) }
}

/** Later it may go and come back; but who begins with one that is not there has mistyped it, and would wait until the limit. */
function expectListed(
  topology: Topology | undefined,
  gateway: string,
  { forceTls }: Pick<MixnetOptions, 'forceTls'>,
): void {
  if (topology === undefined) return
  const node = topology.gateways.get(gateway)
  if (node !== undefined && gatewayUrls(node, { forceTls }).length === 0) throw noWss({ gateway })
  if (node !== undefined) return
  const [one] = topology.gateways.keys()
  const nextStep =
    one === undefined ? undefined : `Name one that it lists, for instance ${one}, or none: then one is chosen.`
  throw new MixnetError(
    'GATEWAY_UNREACHABLE',
    { why: 'the directory does not list it', gateway },
    nextStep === undefined ? {} : { nextStep },
  )
}
