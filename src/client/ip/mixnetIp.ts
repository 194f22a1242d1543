/** What a program does with an address behind an exit: datagrams, names, pings, packets of its own. @module */
import { equalBytes } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { IPV4_BYTES, parseIp } from '../../foundation/base/ipAddress.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import { unlessAborted, withDeadline } from '../../foundation/platform/clock.ts'
import { below } from '../../foundation/platform/random.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import { buildEcho, readEcho } from '../../protocol/wire/ip/echo.ts'
import type { Dialer } from '../dialer.ts'
import { lookUp, type ResolveOptions } from '../dnsLookup.ts'
import { decodeDnsAnswer, encodeDnsQuery, isCutShort } from '../dnsMessages.ts'
import type { IpTunnel, PacketHandler } from './ipTunnel.ts'
import { UdpSocket } from './udpSocket.ts'

export interface PingOptions {
  /** Milliseconds. Default 10,000. */
  readonly timeout?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Those that no program has by custom (RFC 6335). */
const [FIRST_PORT, PORTS] = [49_152, 16_384]
const PING_TIMEOUT = seconds(10)
const DNS_PORT = 53
const DNS_TIMEOUT = seconds(30)
/** A datagram may be lost: asked again, 2 s being a slow round trip through the mixnet. */
const DNS_AGAIN = seconds(2)

export class MixnetIp implements AsyncDisposable {
  readonly #world: ClientWorld
  readonly #tunnel: IpTunnel
  readonly #dialer: Dialer
  readonly #ports = new Set<number>()

  constructor(world: ClientWorld, tunnel: IpTunnel, dialer: Dialer) {
    this.#world = world
    this.#tunnel = tunnel
    this.#dialer = dialer
  }

  /** Ours behind the exit. */
  get ipv4(): string {
    return this.#tunnel.ipv4
  }

  get ipv6(): string {
    return this.#tunnel.ipv6
  }

  /** Bytes of the longest packet. */
  get mtu(): number {
    return this.#tunnel.mtu
  }

  get isOpen(): boolean {
    return this.#tunnel.isOpen
  }

  /** A UDP socket. Default port: a random one. Throws BAD_ARGUMENT where the port is taken or none. */
  udp({ port = this.#freePort() }: { readonly port?: number | undefined } = {}): UdpSocket {
    if (!Number.isInteger(port) || port < 1 || port > 0xffff || this.#ports.has(port)) {
      throw new MixnetError('BAD_ARGUMENT', { argument: 'port', port }, { nextStep: 'Give a free port, or none.' })
    }
    this.#ports.add(port)
    return new UdpSocket(this.#tunnel, port, () => this.#ports.delete(port))
  }

  /** Milliseconds until the answer. `host` is an IP address. Throws BAD_ARGUMENT, TIMEOUT, ABORTED, and why the tunnel is over. */
  async ping(host: string, { timeout = PING_TIMEOUT, signal }: PingOptions = {}): Promise<number> {
    const destination = parseIp(host)
    if (destination === undefined) throw new MixnetError('BAD_ARGUMENT', { argument: 'host' })
    const { clock, random } = this.#world
    const { ipv4, ipv6 } = this.#tunnel.ips
    const source = destination.length === IPV4_BYTES ? ipv4 : ipv6
    const identifier = below(random.stream('ip-ping'), 0x10000)
    const answered = Promise.withResolvers<void>()
    const unsubscribe = this.#tunnel.onPacket((packet) => {
      const echo = equalBytes(packet.source, destination) ? readEcho(packet) : undefined
      if (echo?.isReply === true && echo.identifier === identifier) answered.resolve()
    })
    const began = clock.monotonic()
    let forget = (): void => {}
    try {
      this.#tunnel.send(
        buildEcho({ source, destination }, { isReply: false, identifier, sequence: 1, data: new Uint8Array(0) }),
      )
      forget = this.#tunnel.onOver(answered.reject)
      await withDeadline(clock, millis(timeout), 'ping', unlessAborted(answered.promise, signal))
      return clock.monotonic() - began
    } finally {
      forget()
      unsubscribe()
    }
  }

  /**
   * Addresses of a name, asked of `server` by datagram; over TCP, through the network requester, where the answer does not fit into one.
   * Throws as `Mixnet.resolve`.
   */
  async resolve(name: string, options: ResolveOptions): Promise<readonly string[]> {
    const { server, port = DNS_PORT, type = 'A', timeout = DNS_TIMEOUT, signal } = options
    if (parseIp(server) === undefined) {
      throw new MixnetError('BAD_ARGUMENT', { argument: 'server' }, { nextStep: 'Give its IP address.' })
    }
    const { clock, random } = this.#world
    const question = { id: below(random.stream('dns'), 0x1_0000), name, type } as const
    // Without the length that TCP puts in front.
    const query = encodeDnsQuery(question).subarray(2)
    const socket = this.udp()
    const answered = Promise.withResolvers<readonly string[] | undefined>()
    socket.onDatagram(({ data, from }) => {
      if (from.host !== server || from.port !== port) return
      try {
        answered.resolve(isCutShort(data) ? undefined : decodeDnsAnswer(data, question))
      } catch (error) {
        // What makes no sense may be anybody's: a forged answer must not keep the right one away.
        if (!isMixnetError(error, 'MALFORMED')) answered.reject(error)
      }
    })
    const ask = (): void => {
      try {
        socket.send(query, { host: server, port })
      } catch (error) {
        answered.reject(error)
      }
    }
    ask()
    let again = clock.after(DNS_AGAIN, function repeat() {
      ask()
      again = clock.after(DNS_AGAIN, repeat)
    })
    const forget = this.#tunnel.isOpen ? this.#tunnel.onOver(answered.reject) : () => {}
    let addresses: readonly string[] | undefined
    try {
      addresses = await withDeadline(clock, millis(timeout), 'DNS', unlessAborted(answered.promise, signal))
    } finally {
      forget()
      again.cancel()
      socket.close()
    }
    return addresses ?? (await lookUp(this.#world, this.#dialer, name, options))
  }

  /** A whole IP packet of our address. As `IpTunnel.send`. */
  send(packet: Uint8Array): boolean {
    return this.#tunnel.send(packet)
  }

  /** Resolves when less waits, after `send` returned false. */
  room(): Promise<void> {
    return this.#tunnel.room()
  }

  /** Every packet that comes, those of sockets too. */
  onPacket(handler: PacketHandler): () => void {
    return this.#tunnel.onPacket(handler)
  }

  close(): Promise<void> {
    return this.#tunnel.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #freePort(): number {
    const stream = this.#world.random.stream('ip-port')
    for (let tries = 0; tries < PORTS; tries++) {
      const port = FIRST_PORT + below(stream, PORTS)
      if (!this.#ports.has(port)) return port
    }
    throw new MixnetError('QUEUE_FULL', { sockets: this.#ports.size })
  }
}
