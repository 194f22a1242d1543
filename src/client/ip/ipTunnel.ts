/**
 * An address in the world, behind an exit: packets out and in, through the IP packet router of one exit, under a pseudonym of its own. The
 * router learns which packets belong together, as any network does of who has one address; two tunnels it cannot connect. Packets may be lost,
 * late, and in another order: what is above must bear that. Format: docs/spec/exit.md. @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { formatIp } from '../../foundation/base/ipAddress.ts'
import type { Counter, Meter } from '../../foundation/base/observe.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import { withDeadline } from '../../foundation/platform/clock.ts'
import { below } from '../../foundation/platform/random.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import type { Recipient } from '../../protocol/packet/recipient.ts'
import type { IpPair } from '../../protocol/wire/exit/bincode.ts'
import { decodeBundle } from '../../protocol/wire/exit/ipBundle.ts'
import type { IpPacketResponse } from '../../protocol/wire/exit/ipPacketRouter.ts'
import { buildEcho } from '../../protocol/wire/ip/echo.ts'
import { copyPacket, type IpPacket, readIpPacket } from '../../protocol/wire/ip/ipPacket.ts'
import type { MixnetClient, ReceivedMessage } from '../mixnetClient.ts'
import { needsOrder, PacketOrder } from './packetOrder.ts'
import { PacketWriter } from './packetWriter.ts'
import { RouterTalk, type TalkClient } from './routerTalk.ts'
import { type TunnelAddress, TunnelOpening, type TunnelOpeningOptions } from './tunnelOpening.ts'
import { TunnelWatch } from './tunnelWatch.ts'

export interface IpTunnelOptions extends Pick<TunnelOpeningOptions, 'timeout' | 'signal' | 'slot' | 'onSilent'> {
  readonly client: TalkClient & Pick<MixnetClient, 'supply' | 'whenLaneBelow' | 'isOpen' | 'loops'>
  readonly router: Recipient
  readonly meter: Meter
  /** It is over. At most once; not after `close`. */
  readonly onLost?: ((error: MixnetError) => void) | undefined
  /** Hears that the router's exit policy refuses a destination, as the router writes it: anything at all, and as often as it likes. */
  readonly onRefused?: ((destination: string) => void) | undefined
}

export type PacketHandler = (packet: IpPacket, bytes: Uint8Array) => void

const FAREWELL = millis(500)
/** For a packet that leaves alone there is a slot every 20 ms; what comes within this travels with it. */
const BUNDLE_WAIT = millis(5)
const LANE_PACKETS = 4
const PAUSE_AT_BYTES = 48 * 1024
const MAX_WAITING_BYTES = 128 * 1024
const PATIENCE = seconds(4)
const MAX_HELD_BYTES = 1024 * 1024
const ROUTER_IPV4 = Uint8Array.of(10, 0, 0, 1)

export class IpTunnel {
  readonly #world: ClientWorld
  readonly #options: IpTunnelOptions
  readonly #talk: RouterTalk
  readonly #opening: TunnelOpening
  readonly #writer: PacketWriter
  readonly #order: PacketOrder
  readonly #handlers = new Set<PacketHandler>()
  readonly #roomFor = new Set<() => void>()
  readonly #overFor = new Set<(error: MixnetError) => void>()
  readonly #received: Counter
  #address: TunnelAddress | undefined
  #isFull = false
  #watch: TunnelWatch | undefined
  #failure: MixnetError | undefined
  #isEnded = false

  private constructor(world: ClientWorld, options: IpTunnelOptions) {
    const { client, router, meter } = options
    this.#world = world
    this.#options = options
    this.#talk = new RouterTalk(world, client, router)
    this.#opening = new TunnelOpening({
      ...options,
      clock: world.clock,
      talk: this.#talk,
      lost: (error) => this.#lose(error),
    })
    this.#received = meter.counter('ip_packets_total', 'IP packets carried', { to: 'client' })
    const sent = meter.counter('ip_packets_total', 'IP packets carried', { to: 'world' })
    const dropped = meter.counter('ip_packets_dropped_total', 'IP packets that waited too long')
    this.#writer = new PacketWriter({
      clock: world.clock,
      client,
      lane: this.#talk.lane,
      lanePackets: LANE_PACKETS,
      bundleWait: BUNDLE_WAIT,
      pauseAtBytes: PAUSE_AT_BYTES,
      maxWaitingBytes: MAX_WAITING_BYTES,
      reserve: () => true,
      send: async (bundle, signal) => {
        await this.#talk.carry(bundle, signal)
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
    if (options.signal?.aborted) throw new MixnetError('ABORTED')
    const tunnel = new IpTunnel(world, options)
    register(tunnel)
    try {
      options.client.supply(options.router)
      const address = await tunnel.#opening.address()
      // Ended in the same breath: nobody would ever be told.
      if (tunnel.#failure !== undefined) throw tunnel.#failure
      tunnel.#address = address
      tunnel.#watch = tunnel.#newWatch()
      return tunnel
    } catch (error) {
      tunnel.#end()
      throw error
    }
  }

  /** Ours, behind the exit: what others see is the exit's. */
  get ips(): IpPair {
    return (this.#address as TunnelAddress).ips
  }

  get ipv4(): string {
    return formatIp(this.ips.ipv4)
  }

  get ipv6(): string {
    return formatIp(this.ips.ipv6)
  }

  /** Bytes of the longest packet. */
  get mtu(): number {
    return (this.#address as TunnelAddress).mtu
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
    this.#fail(new MixnetError('STOPPED'))
    this.#writer.stop()
    // A courtesy, for which nobody waits long: without it the address stays ours for a minute.
    const { client } = this.#options
    const farewell = this.#talk
      .ask('disconnect', this.#talk.newRequestId())
      .then(() => client.whenLaneBelow(this.#talk.lane, 0))
    await withDeadline(this.#world.clock, FAREWELL, 'farewell', farewell).catch(() => {})
    this.#end()
  }

  /** Of an open one: hears why it is over. Undone by what is returned. */
  onOver(handler: (error: MixnetError) => void): () => void {
    this.#overFor.add(handler)
    return () => this.#overFor.delete(handler)
  }

  /** True where the message was of this tunnel. */
  take(message: ReceivedMessage): boolean {
    const heard = this.#talk.read(message)
    if (heard === undefined) return false
    if (heard === 'nothing' || this.#failure !== undefined) return true
    this.#watch?.heard(false)
    this.#heard(heard.response, heard.sequence)
    return true
  }

  #heard(response: IpPacketResponse, sequence: number): void {
    switch (response.kind) {
      case 'data':
        return this.#arrived(decodeBundle(response.bundle).packets, sequence)
      case 'connected':
      case 'connectRefused':
        return this.#opening.heard(response)
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
      // A view would keep the whole message that it came in.
      if (needsOrder(packet)) inTurn.push(copyPacket(packet))
      else this.#hand(packet)
    }
    this.#order.push(sequence, inTurn)
  }

  #hand(packet: IpPacket): void {
    if (this.#address === undefined) return
    if (!equalBytes(packet.destination, packet.version === 4 ? this.ips.ipv4 : this.ips.ipv6)) return
    this.#received.value++
    if (!equalBytes(packet.source, ROUTER_IPV4)) this.#watch?.heard(true)
    for (const handler of this.#handlers) handler(packet, packet.bytes)
  }

  #objection(packet: IpPacket, bytes: Uint8Array): string | undefined {
    const own = packet.version === 4 ? this.ips.ipv4 : this.ips.ipv6
    if (!equalBytes(packet.source, own)) return 'the source is not our address'
    return bytes.length > this.mtu ? 'longer than the MTU' : undefined
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

  #lose(error: MixnetError): void {
    if (this.#failure !== undefined) return
    this.#fail(error)
    this.#talk.drop()
    this.#end()
    if (this.#address !== undefined) this.#options.onLost?.(error)
  }

  #fail(error: MixnetError): void {
    this.#failure = error
    this.#opening.fail(error)
    for (const hear of this.#overFor) hear(error)
    this.#overFor.clear()
  }

  #end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#watch?.stop()
    this.#writer.stop()
    this.#order.stop()
    this.#talk.end()
    for (const wake of this.#roomFor) wake()
    this.#roomFor.clear()
  }
}
