/**
 * Streams to the outside world through network requesters, over one client: opens them, hands each message to its stream.
 * Format: docs/spec/exit.md. @module
 */
import { equalBytes } from '../foundation/base/bytes.ts'
import { type ErrorCode, isMixnetError, MixnetError, tryDecode } from '../foundation/base/errors.ts'
import { IPV6_BYTES, parseIp } from '../foundation/base/ipAddress.ts'
import { type Millis, millis, minutes, seconds } from '../foundation/base/units.ts'
import type { ClientWorld } from '../foundation/platform/world.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'
import { fragmentBytes } from '../protocol/packet/sizes.ts'
import { classifyConnectionError } from '../protocol/wire/exit/connectionErrors.ts'
import {
  CURRENT_VERSION,
  decodeInterfaceResponse,
  encodeInterfaceRequest,
} from '../protocol/wire/exit/interfaceEnvelope.ts'
import {
  decodeSocks5Response,
  encodeSocks5Request,
  type Socks5RequestBody,
} from '../protocol/wire/exit/socks5Messages.ts'
import type { Destination, Dialer } from './dialer.ts'
import { noExit } from './exitSelection.ts'
import { ExitStream, type ExitStreamParams, type SharedMemory } from './exitStream.ts'
import type { Lane } from './laneQueue.ts'
import type { MixnetClient, Pseudonym, ReceivedMessage } from './mixnetClient.ts'
import { PACKET_SIZE } from './packetFactory.ts'
import { type FragmentCounts, noFragments } from './streamVitals.ts'

const DEFAULT_EXIT_STREAM: ExitStreamParams = {
  openTimeout: seconds(30),
  idleTimeout: minutes(5),
  keepAliveInterval: seconds(60),
  maxAhead: 1000,
  maxHeldBytes: 8 * 1024 * 1024,
  maxPausedBytes: 16 * 1024 * 1024,
}

export interface ExitConnectionsOptions {
  /** Its messages and moves are taken over. */
  readonly client: Pick<
    MixnetClient,
    | 'address'
    | 'send'
    | 'onMessage'
    | 'onMoved'
    | 'closeLane'
    | 'whenLaneBelow'
    | 'supply'
    | 'hold'
    | 'release'
    | 'surbsLeft'
  >
  /** None: there is no exit, every stream fails with EXIT_UNREACHABLE. */
  readonly exit: Recipient | undefined
  /** True: the exit gets reply SURBs and a pseudonym. False: our address, which is faster and tells the exit who we are. */
  readonly anonymous: boolean
  readonly params?: ExitStreamParams
  readonly maxConnections?: number
  /** Received and not yet taken, over all connections. */
  readonly maxMemoryBytes?: number
  /** Whether there is no way into the mixnet at the moment. Default: there always is. */
  readonly isCutOff?: () => boolean
  /** Learns whether the exit answers. */
  readonly observer?: ExitObserver
  /** Gets every message that is not of a connection: those of other clients. */
  readonly onOther?: (message: ReceivedMessage) => void
}

export interface ExitObserver {
  /** Something came from the exit. */
  heard(): void
  /** A stream has waited so long for a word of the exit, and waits on. True: enough said; false: not yet. */
  suspicious(): boolean
  /** A stream ended without a word of the exit. */
  unanswered(waited: Millis): void
}

interface Sending {
  readonly exit: Recipient
  readonly lane: Lane
  readonly as: Pseudonym | undefined
  readonly counts: FragmentCounts
  readonly signal: AbortSignal
}

const MAX_CONNECTIONS = 1_000
const MAX_MEMORY_BYTES = 256 * 1024 * 1024
// Packets per message: one lost packet holds up its message only, and headers stay under one percent.
const PACKETS_PER_MESSAGE = 4
// Fragment headers, message kind, pseudonym and SURB prefix, envelope and stream header, and the byte that ends the message.
const MESSAGE_OVERHEAD_BYTES = PACKETS_PER_MESSAGE * 7 + 1 + 21 + 2 + 19 + 1

export class ExitConnections implements Dialer {
  readonly #world: ClientWorld
  readonly #options: ExitConnectionsOptions
  readonly #streams = new Map<bigint, ExitStream>()
  /** Streams that are over, and whose last message has not left yet. */
  readonly #leaving = new Set<Promise<void>>()
  readonly #memory: SharedMemory
  #exit: Recipient | undefined
  #closed = false
  #probes = 0
  #generation = 0

  constructor(world: ClientWorld, options: ExitConnectionsOptions) {
    this.#world = world
    this.#options = options
    this.#exit = options.exit
    this.#memory = { bytes: 0, limit: options.maxMemoryBytes ?? MAX_MEMORY_BYTES }
    if (options.anonymous && options.exit !== undefined) options.client.supply(options.exit)
    options.client.onMessage((message) => this.#received(message))
    options.client.onMoved(() => this.#moved())
  }

  /** That of new streams. Throws EXIT_UNREACHABLE where there is none. */
  get exit(): Recipient {
    if (this.#exit === undefined) throw noExit()
    return this.#exit
  }

  generation(): number {
    return this.#generation
  }

  get hasExit(): boolean {
    return this.#exit !== undefined
  }

  get count(): number {
    return this.#streams.size
  }

  /** Throws STOPPED after `close`, and EXIT_UNREACHABLE where there is no exit. */
  open(destination: Destination, isolation?: string): ExitStream {
    const { client, anonymous, params = DEFAULT_EXIT_STREAM, maxConnections = MAX_CONNECTIONS } = this.#options
    if (this.#closed) throw new MixnetError('STOPPED')
    if (this.#streams.size >= maxConnections) throw new MixnetError('QUEUE_FULL', { connections: this.#streams.size })
    const { exit } = this
    const connectionId = this.#newId()
    const lane: Lane = `connection:${connectionId}`
    const returnAddress = anonymous ? undefined : client.address
    // The exit knows a connection by the pseudonym that asked for it, so the stream keeps it when the gateway changes.
    const as = anonymous ? client.hold(exit, keyOf(destination, isolation)) : undefined
    const remote = remoteText(destination)
    const counts = noFragments()
    const stream: ExitStream = new ExitStream({
      clock: this.#world.clock,
      connectionId,
      params,
      memory: this.#memory,
      messageBytes: PACKETS_PER_MESSAGE * fragmentBytes(PACKET_SIZE) - MESSAGE_OVERHEAD_BYTES,
      vitals: { fragments: counts, surbsLeft: () => (as === undefined ? undefined : client.surbsLeft(as)) },
      ...(this.#options.isCutOff === undefined ? {} : { isCutOff: this.#options.isCutOff }),
      suspicious: () => exit !== this.#exit || (this.#options.observer?.suspicious() ?? true),
      connect: (signal) =>
        this.#send({ exit, lane, as, counts, signal }, { kind: 'connect', connectionId, remote, returnAddress }),
      send: (data, signal) => this.#send({ exit, lane, as, counts, signal }, { kind: 'send', connectionId, ...data }),
      finished: (abandon, lastQueued) => {
        this.#streams.delete(connectionId)
        if (as !== undefined) client.release(as)
        if (abandon) client.closeLane(lane)
        else this.#leaves(lane, lastQueued)
      },
    })
    this.#streams.set(connectionId, stream)
    this.#watch(stream, exit)
    return stream
  }

  /** New streams go through that one. Those under way end: nobody is there to answer them. */
  leaveFor(exit: Recipient): void {
    const { client, anonymous } = this.#options
    const before = this.#exit
    this.#exit = exit
    if (anonymous) {
      if (before !== undefined) client.supply(before, 0)
      client.supply(exit)
    }
    for (const stream of [...this.#streams.values()])
      stream.fail(new MixnetError('EXIT_UNREACHABLE', { why: 'left for another exit' }))
  }

  /**
   * Asks the exit what every network requester answers, under a pseudonym that has nothing to do with any stream, nor with any probe
   * before: an exit that keeps silent to one site would otherwise learn by the question which pseudonyms are one client's.
   */
  probe(): void {
    const { client } = this.#options
    const { exit } = this
    const data = encodeInterfaceRequest({
      interfaceVersion: CURRENT_VERSION,
      kind: 'providerData',
      data: encodeSocks5Request({ version: CURRENT_VERSION, kind: 'query', query: 'openProxy' }),
    })
    const as = client.hold(exit, `probe ${++this.#probes}`)
    client
      .send({ to: exit, data, as, anonymous: true })
      // Without a client there is nothing to find out.
      .catch(() => {})
      .finally(() => client.release(as))
  }

  /**
   * Ends every stream; no new ones. Resolves when the exit has been sent the end of each: one that hears nothing keeps its connections,
   * and a site its answers, until they have been idle for minutes.
   */
  async close(): Promise<void> {
    this.#closed = true
    for (const stream of this.#streams.values()) stream.destroy(new MixnetError('STOPPED'))
    await Promise.all(this.#leaving)
  }

  #leaves(lane: Lane, lastQueued: Promise<void>): void {
    const gone: Promise<void> = lastQueued
      .then(() => this.#options.client.whenLaneBelow(lane, 0))
      // The client was stopped first: nothing leaves any more.
      .catch(() => {})
      .finally(() => this.#leaving.delete(gone))
    this.#leaving.add(gone)
  }

  async #send({ exit, lane, as, counts, signal }: Sending, body: Socks5RequestBody): Promise<void> {
    const { client, anonymous } = this.#options
    const data = encodeInterfaceRequest({
      interfaceVersion: CURRENT_VERSION,
      kind: 'providerData',
      data: encodeSocks5Request({ version: CURRENT_VERSION, ...body }),
    })
    await client.send({ to: exit, data, lane, anonymous, as, counts, signal })
  }

  #watch(stream: ExitStream, exit: Recipient): void {
    const { observer } = this.#options
    if (observer === undefined) return
    const { clock } = this.#world
    const openedAt = clock.monotonic()
    stream.opened.catch((error: unknown) => {
      if (isMixnetError(error) && UNANSWERED.has(error.code) && exit === this.#exit)
        observer.unanswered(millis(clock.monotonic() - openedAt))
    })
  }

  /** An exit that was given an address answers there, and there is nobody any more. It is told, so that it stops. */
  #moved(): void {
    this.#generation++
    if (this.#options.anonymous) return
    for (const stream of [...this.#streams.values()])
      stream.destroy(new MixnetError('GATEWAY_LOST', { why: 'the address that the exit answers to has changed' }))
  }

  #received(message: ReceivedMessage): void {
    const { repliedBy } = message
    // Also where it has our address: the answer to a probe.
    const exit = this.#exit
    if (exit === undefined) return this.#options.onOther?.(message)
    if (repliedBy !== undefined && equalBytes(repliedBy.identity, exit.identity)) this.#options.observer?.heard()
    if (!this.#isFrom(exit, message)) return this.#options.onOther?.(message)
    const response = tryDecode(() => {
      const envelope = decodeInterfaceResponse(message.data)
      return envelope.kind === 'providerData' ? decodeSocks5Response(envelope.data) : undefined
    })
    if (response === undefined || isMixnetError(response)) return this.#options.onOther?.(message)
    this.#options.observer?.heard()
    if (response.kind === 'query') return
    const stream = this.#streams.get(response.connectionId)
    if (stream === undefined) return
    if (response.kind === 'networkData') stream.receive(response)
    else stream.fail(failureOf(response.message, stream.isOpen))
  }

  /**
   * An exit to which we are anonymous answers through reply SURBs and in no other way: were its answers taken at our address too,
   * it could try addresses until one of them reacts.
   */
  #isFrom(exit: Recipient, { repliedBy }: ReceivedMessage): boolean {
    const { anonymous } = this.#options
    if (!anonymous) return repliedBy === undefined
    return repliedBy !== undefined && equalBytes(repliedBy.identity, exit.identity)
  }

  #newId(): bigint {
    const bytes = this.#world.random.stream('connection-id').bytes(8)
    const id = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)
    return this.#streams.has(id) ? this.#newId() : id
  }
}

/** How a stream ends that somebody gave up waiting for: we, or our caller. */
const UNANSWERED: ReadonlySet<ErrorCode> = new Set(['EXIT_UNREACHABLE', 'ABORTED', 'TIMEOUT'])

/**
 * Streams to different sites have nothing in common for the exit: as in Tor Browser, the site is the key where the caller names none. No
 * name is a site: whoever calls a key `example.org:443` does not join those who named none.
 */
const keyOf = ({ host, port }: Destination, isolation: string | undefined): string =>
  isolation === undefined ? `site ${host.toLowerCase()}:${port}` : `named ${isolation}`

/** As the official SOCKS5 client writes it, so that the exit cannot tell: IPv6 in eight groups, no brackets. */
function remoteText({ host, port }: Destination): string {
  const ip = parseIp(host)
  if (ip?.length !== IPV6_BYTES) return `${host}:${port}`
  const view = new DataView(ip.buffer, ip.byteOffset)
  const groups = Array.from({ length: IPV6_BYTES / 2 }, (_, index) => view.getUint16(2 * index).toString(16))
  return `${groups.join(':')}:${port}`
}

function failureOf(text: string, wasOpen: boolean): MixnetError {
  // An exit that was started anew knows nothing of the connections it had.
  if (wasOpen) return new MixnetError('CONNECTION_CLOSED')
  const kind = classifyConnectionError(text)
  if (kind === 'refused-by-policy') return new MixnetError('EXIT_REFUSED')
  return new MixnetError(kind === 'unknown-host' ? 'HOST_UNKNOWN' : 'DESTINATION_UNREACHABLE')
}
