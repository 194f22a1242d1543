/**
 * An address in the world, behind an exit: packets out and in, through the IP packet router of one exit, under a pseudonym of its own. The
 * router learns which packets belong together, as any network does of who has one address; two tunnels it cannot connect. Packets may be lost,
 * late, and in another order: what is above must bear that. Format: docs/spec/exit.md. @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { formatIp } from '../../foundation/base/ipAddress.ts'
import type { Counter, Meter } from '../../foundation/base/observe.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import { type Timer, withDeadline } from '../../foundation/platform/clock.ts'
import { below } from '../../foundation/platform/random.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import type { Recipient } from '../../protocol/packet/recipient.ts'
import type { IpPair } from '../../protocol/wire/exit/bincode.ts'
import { decodeBundle } from '../../protocol/wire/exit/ipBundle.ts'
import {
  DEFAULT_MTU,
  decodeIpPacketResponse,
  encodeIpPacketRequest,
  type IpPacketRequest,
  type IpPacketResponse,
} from '../../protocol/wire/exit/ipPacketRouter.ts'
import { decodeStreamFrame, encodeStreamFrame, looksLikeStreamFrame } from '../../protocol/wire/exit/streamFrame.ts'
import { buildEcho } from '../../protocol/wire/ip/echo.ts'
import { type IpPacket, readIpPacket } from '../../protocol/wire/ip/ipPacket.ts'
import { type Timestamp, timestampFromMillis } from '../../protocol/wire/timestamp.ts'
import type { Lane } from '../laneQueue.ts'
import type { MixnetClient, Pseudonym, ReceivedMessage } from '../mixnetClient.ts'
import { needsOrder, PacketOrder } from './packetOrder.ts'
import { PacketWriter } from './packetWriter.ts'
import { isDeaf, TunnelWatch } from './tunnelWatch.ts'

export interface IpTunnelOptions {
  readonly client: Pick<
    MixnetClient,
    'send' | 'hold' | 'release' | 'supply' | 'whenLaneBelow' | 'closeLane' | 'isOpen' | 'loops'
  >
  readonly router: Recipient
  readonly meter: Meter
  /** For the router to answer. Default 60 s. */
  readonly timeout?: Millis | undefined
  readonly signal?: AbortSignal | undefined
  /** Mean time that a packet of ours waits for its turn. Default: none. */
  readonly slot?: Millis | undefined
  /** Hears that the router answers nothing, before it is told that the tunnel is over; not where it may be us who hear nothing. */
  readonly onSilent?: (() => void) | undefined
  /** It is over. At most once; not after `close`. */
  readonly onLost?: ((error: MixnetError) => void) | undefined
  /** Hears that the router's exit policy refuses a destination, as the router writes it: anything at all, and as often as it likes. */
  readonly onRefused?: ((destination: string) => void) | undefined
}

export type PacketHandler = (packet: IpPacket, bytes: Uint8Array) => void

export const CONNECT_TIMEOUT: Millis = seconds(60)
/** Official clients: a router that knows no version 10 says nothing to it. */
const OLDER_AFTER = seconds(5)
/** Who gives up sooner proves nothing. */
const LEAST_WAIT = seconds(5)
/** That a question and the reply SURBs for its answer wait for in a slow main stream. */
export const CONNECT_SLOTS = 10
const FAREWELL = millis(500)
/** Reply SURBs with the question: the answer, and what comes at once. */
const CONNECT_SURBS = 20
/** For a packet that leaves alone there is a slot every 20 ms; what comes within this travels with it. */
const BUNDLE_WAIT = millis(5)
const LANE_PACKETS = 4
const PAUSE_AT_BYTES = 48 * 1024
const MAX_WAITING_BYTES = 128 * 1024
const MAX_SEQUENCE = 0xffffffff
const PATIENCE = seconds(4)
const MAX_HELD_BYTES = 1024 * 1024
const ROUTER_IPV4 = Uint8Array.of(10, 0, 0, 1)

export class IpTunnel {
  readonly #world: ClientWorld
  readonly #options: IpTunnelOptions
  readonly #streamId: bigint
  readonly #lane: Lane
  readonly #as: Pseudonym
  readonly #writer: PacketWriter
  readonly #order: PacketOrder
  readonly #handlers = new Set<PacketHandler>()
  readonly #answered: PromiseWithResolvers<{ readonly ips: IpPair; readonly mtu: number }> = Promise.withResolvers()
  readonly #roomFor = new Set<() => void>()
  readonly #received: Counter
  #version: 9 | 10 = 10
  #requestId = 0n
  #sequence = 0
  #ips: IpPair | undefined
  #mtu = DEFAULT_MTU
  #isFull = false
  #older: Timer | undefined
  #watch: TunnelWatch | undefined
  #failure: MixnetError | undefined
  #isEnded = false

  private constructor(world: ClientWorld, options: IpTunnelOptions) {
    const { client, router, meter } = options
    this.#world = world
    this.#options = options
    const bytes = world.random.stream('ip-stream').bytes(8)
    this.#streamId = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)
    this.#lane = `ip:${this.#streamId}`
    this.#as = client.hold(router, this.#lane)
    this.#received = meter.counter('ip_packets_total', 'IP packets carried', { to: 'client' })
    const sent = meter.counter('ip_packets_total', 'IP packets carried', { to: 'world' })
    const dropped = meter.counter('ip_packets_dropped_total', 'IP packets that waited too long')
    this.#writer = new PacketWriter({
      clock: world.clock,
      client,
      lane: this.#lane,
      lanePackets: LANE_PACKETS,
      bundleWait: BUNDLE_WAIT,
      pauseAtBytes: PAUSE_AT_BYTES,
      maxWaitingBytes: MAX_WAITING_BYTES,
      reserve: () => true,
      send: async (bundle, signal) => {
        await this.#send({ kind: 'data', bundle }, { signal })
        sent.value += decodeBundle(bundle).packets.length
      },
      full: () => {
        this.#isFull = true
      },
      drained: () => {
        this.#isFull = false
        for (const wake of this.#roomFor) wake()
        this.#roomFor.clear()
      },
      dropped: (packets) => {
        dropped.value += packets
      },
      lost: () => this.#lose(new MixnetError('STOPPED')),
    })
    this.#order = new PacketOrder({
      clock: world.clock,
      patience: PATIENCE,
      reserve: (bytes, held) => bytes + held <= MAX_HELD_BYTES,
      deliver: (packet) => this.#hand(packet),
    })
    this.#answered.promise.catch(() => {})
  }

  /**
   * Resolves when there is an address. `register` is told of the tunnel before anything is sent, so that answers find it. Throws
   * EXIT_REFUSED, EXIT_UNREACHABLE, ABORTED, STOPPED.
   */
  static async open(
    world: ClientWorld,
    options: IpTunnelOptions,
    register: (tunnel: IpTunnel) => void,
  ): Promise<IpTunnel> {
    const { timeout = CONNECT_TIMEOUT, signal, client, router, slot = 0 } = options
    signal?.throwIfAborted()
    const tunnel = new IpTunnel(world, options)
    register(tunnel)
    const before = client.loops
    const late = world.clock.after(timeout, () => {
      if (timeout >= LEAST_WAIT && !isDeaf(client, before)) options.onSilent?.()
      tunnel.#lose(new MixnetError('EXIT_UNREACHABLE', { why: 'its IP packet router does not answer' }))
    })
    const abort = () => tunnel.#lose(new MixnetError('ABORTED'))
    signal?.addEventListener('abort', abort, { once: true })
    try {
      client.supply(router)
      tunnel.#older = world.clock.after(millis(OLDER_AFTER + CONNECT_SLOTS * slot), () => {
        tunnel.#version = 9
        tunnel.#connect()
      })
      tunnel.#connect()
      const { ips, mtu } = await tunnel.#answered.promise
      // Ended in the same breath: nobody would ever be told.
      if (tunnel.#failure !== undefined) throw tunnel.#failure
      tunnel.#ips = ips
      tunnel.#mtu = mtu
      tunnel.#watch = tunnel.#newWatch()
      return tunnel
    } catch (error) {
      tunnel.#end()
      throw error
    } finally {
      late.cancel()
      signal?.removeEventListener('abort', abort)
      tunnel.#older?.cancel()
    }
  }

  /** Ours, behind the exit: what others see is the exit's. */
  get ips(): IpPair {
    return this.#ips as IpPair
  }

  get ipv4(): string {
    return formatIp(this.ips.ipv4)
  }

  get ipv6(): string {
    return formatIp(this.ips.ipv6)
  }

  /** Bytes of the longest packet. */
  get mtu(): number {
    return this.#mtu
  }

  get router(): Recipient {
    return this.#options.router
  }

  get isOpen(): boolean {
    return this.#failure === undefined
  }

  /** Hears of every packet that comes, until the function that it returns is called. What it throws ends the process. */
  onPacket(handler: PacketHandler): () => void {
    this.#handlers.add(handler)
    return () => this.#handlers.delete(handler)
  }

  /**
   * Queues a whole IP packet from our address; `bytes` passes on. False where much waits already: it is sent all the same, perhaps instead
   * of an older one. Throws BAD_ARGUMENT for what would not be carried, and why the tunnel is over.
   */
  send(bytes: Uint8Array): boolean {
    if (this.#failure !== undefined) throw this.#failure
    const packet = readIpPacket(bytes)
    const fault = 'fault' in packet ? packet.fault : this.#objection(packet, bytes)
    if (fault !== undefined) throw new MixnetError('BAD_ARGUMENT', { what: 'IP packet', why: fault })
    this.#writer.push(bytes)
    this.#watch?.sent()
    return !this.#isFull
  }

  /** Resolves when less waits. Rejects with why the tunnel is over. */
  async room(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (!this.#isFull) return
    await new Promise<void>((resolve) => this.#roomFor.add(resolve))
    if (this.#failure !== undefined) throw this.#failure
  }

  /** The router forgets us. What waits is dropped. */
  async close(): Promise<void> {
    if (this.#failure !== undefined) return
    this.#failure = new MixnetError('STOPPED')
    this.#answered.reject(this.#failure)
    this.#older?.cancel()
    this.#writer.stop()
    // A courtesy, for which nobody waits long: without it the address stays ours for a minute.
    const { client } = this.#options
    const farewell = this.#send({ kind: 'disconnect', requestId: this.#newRequestId(), timestamp: this.#now() }).then(
      () => client.whenLaneBelow(this.#lane, 0),
    )
    await withDeadline(this.#world.clock, FAREWELL, 'farewell', farewell).catch(() => {})
    this.#end()
  }

  /** True where the message was of this tunnel. */
  take({ repliedBy, data }: ReceivedMessage): boolean {
    if (repliedBy === undefined || !equalBytes(repliedBy.identity, this.router.identity)) return false
    if (!looksLikeStreamFrame(data)) return false
    const response = tryDecode(() => {
      const frame = decodeStreamFrame(data)
      if (frame.streamId !== this.#streamId) return undefined
      return { ...decodeIpPacketResponse(frame.content), sequence: frame.sequence }
    })
    if (response === undefined) return false
    // One of another version answers what was asked before.
    if (isMixnetError(response) || response.version !== this.#version || this.#failure !== undefined) return true
    this.#watch?.heard(false)
    this.#heard(response.response, response.sequence)
    return true
  }

  #heard(response: IpPacketResponse, sequence: number): void {
    switch (response.kind) {
      case 'data':
        return this.#arrived(decodeBundle(response.bundle).packets, sequence)
      case 'connected':
        if (response.requestId !== this.#requestId) return
        // Our question came twice, the second time to a router that knew nothing of us any more: it has started again.
        if (this.#ips !== undefined && !equalBytes(response.ips.ipv4, this.#ips.ipv4)) {
          return this.#lose(new MixnetError('EXIT_UNREACHABLE', { why: 'its IP packet router has started again' }))
        }
        return this.#answered.resolve({ ips: response.ips, mtu: response.mtu ?? DEFAULT_MTU })
      case 'connectRefused': {
        if (response.requestId !== this.#requestId) return
        const why = response.reason.kind === 'other' ? response.reason.text.slice(0, 100) : response.reason.kind
        const message = 'the IP packet router of the exit refuses'
        return this.#lose(new MixnetError('EXIT_REFUSED', { why }, { message }))
      }
      case 'unrequestedDisconnect':
        return this.#lose(
          new MixnetError('EXIT_UNREACHABLE', { why: `it ended this address: ${response.reason.kind}` }),
        )
      case 'info':
        if (response.info.kind === 'exitPolicyRefused') this.#options.onRefused?.(response.info.destination)
        return
      default:
        return
    }
  }

  #arrived(packets: readonly Uint8Array[], sequence: number): void {
    const inTurn: IpPacket[] = []
    for (const bytes of packets) {
      const packet = readIpPacket(bytes)
      if ('fault' in packet) continue
      if (needsOrder(packet)) inTurn.push(packet)
      else this.#hand(packet)
    }
    this.#order.push(sequence, inTurn)
  }

  #hand(packet: IpPacket): void {
    if (this.#ips === undefined) return
    if (!equalBytes(packet.destination, packet.version === 4 ? this.ips.ipv4 : this.ips.ipv6)) return
    this.#received.value++
    if (!equalBytes(packet.source, ROUTER_IPV4)) this.#watch?.heard(true)
    for (const handler of this.#handlers) handler(packet, packet.bytes)
  }

  #objection(packet: IpPacket, bytes: Uint8Array): string | undefined {
    const own = packet.version === 4 ? this.ips.ipv4 : this.ips.ipv6
    if (!equalBytes(packet.source, own)) return 'the source is not our address'
    return bytes.length > this.#mtu ? 'longer than the MTU' : undefined
  }

  #connect(): void {
    this.#requestId = this.#newRequestId()
    const request = { kind: 'connect', requestId: this.#requestId, bufferTimeoutMs: undefined } as const
    this.#send({ ...request, timestamp: this.#now() }, { surbs: CONNECT_SURBS }).catch((error: unknown) => {
      if (isMixnetError(error)) this.#lose(error)
      else throw error
    })
  }

  /** Probes are echoes of the router's own address: a packet as any, which keeps the address ours too. */
  #newWatch(): TunnelWatch {
    const { clock, random: randomness } = this.#world
    const { client, slot = millis(0), onSilent } = this.#options
    const random = randomness.stream('ip-keep-alive')
    return new TunnelWatch({
      clock,
      random,
      client,
      slot,
      probe: () => {
        const echo = { isReply: false, identifier: below(random, 0x10000), sequence: 0, data: new Uint8Array(0) }
        this.#writer.push(buildEcho({ source: this.ips.ipv4, destination: ROUTER_IPV4 }, echo))
      },
      silent: () => {
        onSilent?.()
        this.#lose(new MixnetError('EXIT_UNREACHABLE', { why: 'its IP packet router has fallen silent' }))
      },
    })
  }

  async #send(
    request: IpPacketRequest,
    { surbs, signal }: { readonly surbs?: number; readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const { client, router } = this.#options
    const content = encodeIpPacketRequest(this.#version, request)
    const sequence = this.#sequence
    this.#sequence = sequence === MAX_SEQUENCE ? 0 : sequence + 1
    const data = encodeStreamFrame({ streamId: this.#streamId, type: 'data', sequence, content })
    const more = { ...(surbs === undefined ? {} : { surbs }), ...(signal === undefined ? {} : { signal }) }
    await client.send({ to: router, data, lane: this.#lane, anonymous: true, as: this.#as, ...more })
  }

  #lose(error: MixnetError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#answered.reject(error)
    this.#end()
    if (this.#ips !== undefined) this.#options.onLost?.(error)
  }

  #end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    const { client } = this.#options
    this.#watch?.stop()
    this.#writer.stop()
    this.#order.stop()
    client.release(this.#as)
    for (const wake of this.#roomFor) wake()
    this.#roomFor.clear()
  }

  #newRequestId(): bigint {
    const bytes = this.#world.random.stream('ip-request').bytes(8)
    return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)
  }

  /** No router checks it, and by the milliseconds it would know our clock, in whatever tunnel: the minute will do. */
  #now(): Timestamp {
    const { unixSeconds } = timestampFromMillis(this.#world.clock.now())
    return { unixSeconds: unixSeconds - (unixSeconds % 60), nanoseconds: 0 }
  }
}
