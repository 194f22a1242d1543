/** What every mixnet client offers to its program, wherever it runs: messages to other clients, and streams through the exit. @module */
import { utf8 } from '../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, tryDecode } from '../foundation/base/errors.ts'
import type { Meter } from '../foundation/base/observe.ts'
import { millis, seconds } from '../foundation/base/units.ts'
import { awaited, unlessAborted, withDeadline } from '../foundation/platform/clock.ts'
import type { ClientWorld } from '../foundation/platform/world.ts'
import type { Topology } from '../network/topology/topology.ts'
import { type TopologySnapshot, takeSnapshot } from '../network/topology/topologySnapshot.ts'
import { formatRecipient, parseRecipient, type Recipient } from '../protocol/packet/recipient.ts'
import { expectDestination } from './destinationHost.ts'
import type { Destination } from './dialer.ts'
import { lookUp, type ResolveOptions } from './dnsLookup.ts'
import type { ExitConnections } from './exitConnections.ts'
import type { ExitStream } from './exitStream.ts'
import type { MessageInbox } from './messageInbox.ts'
import type { MixnetClient, ReceivedMessage } from './mixnetClient.ts'
import type { MixnetState } from './mixnetEvents.ts'
import { closeClient, type OpenClient } from './openClient.ts'
import { expectOptions, expectRequest } from './optionKinds.ts'
import type { SenderTag } from './replyStock.ts'
import { RequestLog } from './requestLog.ts'
import type { Explanation } from './requestTimeline.ts'
import { type MixnetSocket, socketOf } from './webStreams.ts'

export interface SendMessageOptions {
  /** Default true: the recipient gets a pseudonym to answer to. False: nothing to answer to, and no trace of us. */
  readonly repliable?: boolean
  /** Reply SURBs that come with it, where an answer will be longer than usual; at most some hundreds. */
  readonly surbs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface OpenOptions {
  /** Milliseconds for the exit to connect. Default 30,000. */
  readonly timeout?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** The exit cannot tell that connections with different keys are one client's. Default: the destination. */
  readonly isolation?: string | undefined
}

const OPEN_TIMEOUT = seconds(30)

export class MixnetCore implements AsyncDisposable {
  readonly client: MixnetClient
  readonly connections: ExitConnections
  readonly meter: Meter
  readonly #world: ClientWorld
  readonly #inbox: MessageInbox
  protected readonly opened: OpenClient
  protected readonly log: RequestLog

  protected constructor(world: ClientWorld, opened: OpenClient) {
    this.#world = world
    this.opened = opened
    this.client = opened.client
    this.connections = opened.connections
    this.meter = opened.meter
    this.#inbox = opened.inbox
    this.log = new RequestLog(
      () => world.clock.monotonic(),
      () => ({
        topologyAge: opened.topologyAge(),
        gatewayOpen: opened.client.isOpen,
        connections: opened.connections.count,
      }),
    )
  }

  /** Where others send to. */
  get address(): Recipient {
    return this.client.address
  }

  /** The same as people pass it on, and as `send` takes it: IDENTITY.ENCRYPTION-KEY@GATEWAY, each in base58. */
  get addressText(): string {
    return formatRecipient(this.address)
  }

  /**
   * The network requester that connects to the outside world for us. Changes with the event `exit-changed`. Throws EXIT_UNREACHABLE where
   * there is none, which only a client gets to that connected with `exitRequired: false`.
   */
  get exit(): Recipient {
    return this.connections.exit
  }

  /** Of the way to the gateway. What changes it, and more, is told by `onEvent`. */
  get state(): MixnetState {
    return this.opened.events.state
  }

  topology(): Topology | undefined {
    return this.opened.topology.current()
  }

  /**
   * The network as its directory describes it now, for `connect({ topology })`: plain JSON, good until keys rotate. Throws
   * TOPOLOGY_UNAVAILABLE, STOPPED.
   */
  async topologySnapshot(): Promise<TopologySnapshot> {
    if (this.state === 'closed') throw new MixnetError('STOPPED')
    return await takeSnapshot(this.opened.directory, this.#world.clock)
  }

  /**
   * A message to another client, by its address or the text of it. Resolves when it is queued; it is sent again until acknowledged,
   * and no answer says whether anybody read it. Text goes as UTF-8, 60 MB at most. Throws
   * MESSAGE_TOO_LONG, BAD_ARGUMENT also for an address that is none, ABORTED, STOPPED.
   */
  async send(to: Recipient | string, data: Uint8Array | string, options: SendMessageOptions = {}): Promise<void> {
    const { repliable: anonymous = true, surbs, signal } = options
    expectOptions({ signal, repliable: anonymous }, { signal: 'signal', repliable: 'flag' })
    const bytes = bytesOf(data)
    const recipient = typeof to === 'string' ? this.#recipientOf(to) : to
    await awaited(
      this.#world.clock,
      this.client.send({ to: recipient, data: bytes, anonymous, surbs, ...(signal ? { signal } : {}) }),
    )
  }

  /** What is wrong with it is the caller's mistake, which the decoder, who reads what peers send too, does not know. */
  #recipientOf(text: string): Recipient {
    const recipient = tryDecode(() => parseRecipient(this.#world.crypto, text))
    if (!isMixnetError(recipient)) return recipient
    const nextStep = "Give an address as another client's addressText has it: IDENTITY.ENCRYPTION-KEY@GATEWAY."
    throw new MixnetError('BAD_ARGUMENT', { argument: 'to' }, { nextStep, cause: recipient })
  }

  /** An answer to the sender of a message. Throws NO_REPLY_BLOCKS where it never gave any, or too long ago; ABORTED, STOPPED. */
  async reply(to: SenderTag, data: Uint8Array | string, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    expectRequest({ signal })
    await awaited(this.#world.clock, this.client.reply({ to, data: bytesOf(data), ...(signal ? { signal } : {}) }))
  }

  /** The messages of other clients: those that wait, and those to come, until the client is closed or `signal` fires. */
  messages(signal?: AbortSignal): AsyncGenerator<ReceivedMessage, undefined> {
    expectRequest({ signal })
    return this.#inbox.messages(signal)
  }

  /**
   * A TCP connection through the exit. Throws BAD_ARGUMENT, EXIT_REFUSED, HOST_UNKNOWN, DESTINATION_UNREACHABLE, EXIT_UNREACHABLE, QUEUE_FULL,
   * TIMEOUT, ABORTED, STOPPED.
   */
  async open(
    destination: Destination,
    { timeout = OPEN_TIMEOUT, signal, isolation }: OpenOptions = {},
  ): Promise<MixnetSocket> {
    expectRequest({ timeout, signal, isolation })
    const timeline = this.log.begin()
    let stream: ExitStream | undefined
    try {
      // The exit would be told where to.
      if (signal?.aborted) throw new MixnetError('ABORTED')
      expectDestination(destination)
      stream = this.connections.open(destination, isolation)
      timeline.carriedBy(stream.vitals)
      timeline.reached('stream-opened')
      await withDeadline(
        this.#world.clock,
        millis(timeout),
        'connection through the exit',
        unlessAborted(stream.opened, signal),
      )
    } catch (error) {
      stream?.destroy()
      this.log.failed(error, timeline)
      throw error
    }
    timeline.reached('exit-confirmed')
    const socket = socketOf(stream)
    this.log.gave(socket, timeline)
    // As a socket of the machine does.
    void awaited(this.#world.clock, socket.closed)
    socket.closed.then((error) => {
      // Ended by its own program: that is how most connections end.
      if (error === undefined || isMixnetError(error, 'ABORTED')) timeline.finished()
      else this.log.failed(error, timeline)
    })
    return socket
  }

  /**
   * What happened, stage by stage, to the request that gave this Response or this error, or which an error has among its causes; to the
   * connection of `open` or the WebSocket that this is; without anything, to the last that began. Of the last 64, and of older ones whose
   * result is still held. Nothing of it leaves the process, and it names no host and no peer.
   */
  explain(result?: unknown): Explanation | undefined {
    return this.log.explain(result)
  }

  /**
   * Addresses of a host, asked through the exit of a DNS server that you name; nobody is asked otherwise. Throws BAD_ARGUMENT, HOST_UNKNOWN,
   * MALFORMED, TIMEOUT, ABORTED, STOPPED, and as `open`.
   */
  async resolve(name: string, options: ResolveOptions): Promise<readonly string[]> {
    return await lookUp(this.#world, this.connections, name, options)
  }

  async close(): Promise<void> {
    this.#inbox.close()
    await closeClient(this.#world.clock, this.opened)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** What a recipient's inbox has room for, which would drop it all. */
const MAX_MESSAGE_BYTES = 60_000_000

function bytesOf(data: Uint8Array | string): Uint8Array {
  const bytes = typeof data === 'string' ? utf8(data) : data
  if (!(bytes instanceof Uint8Array))
    throw new MixnetError('BAD_ARGUMENT', { argument: 'data' }, { nextStep: 'Give bytes (a Uint8Array) or a string.' })
  const { length } = bytes
  if (length > MAX_MESSAGE_BYTES) throw new MixnetError('MESSAGE_TOO_LONG', { bytes: length, max: MAX_MESSAGE_BYTES })
  return bytes
}
