/**
 * The network of programs that know nothing of the mixnet: whatever they send to whatever address leaves through it, and nothing else is there.
 * TCP ends here and goes on as a stream, which the exit connects: a stream is acknowledged, ordered and paced for the mixnet, and two TCPs over it
 * would each take the other's delays for loss. Datagrams and pings go as packets through an address of ours, which is only asked for when the first
 * of them comes. @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { formatIp, IPV4_BYTES, parseIp } from '../../foundation/base/ipAddress.ts'
import type { Meter } from '../../foundation/base/observe.ts'
import { minutes, seconds } from '../../foundation/base/units.ts'
import type { Endpoint } from '../../foundation/platform/net.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import type { IpPair } from '../../protocol/wire/exit/bincode.ts'
import { isGlobalAddress } from '../../protocol/wire/exit/globalAddress.ts'
import { type Addressed, buildUdp } from '../../protocol/wire/ip/buildPacket.ts'
import { buildEcho, readEcho } from '../../protocol/wire/ip/echo.ts'
import {
  IPV4_HEADER_BYTES,
  IPV6_HEADER_BYTES,
  type IpPacket,
  PROTOCOL,
  readIpPacket,
} from '../../protocol/wire/ip/ipPacket.ts'
import { buildTooBig } from '../../protocol/wire/ip/tooBig.ts'
import { buildUnreachable } from '../../protocol/wire/ip/unreachable.ts'
import type { Dialer } from '../dialer.ts'
import { Relay, type RelayParams } from '../relay.ts'
import { DnsServer, isStandIn } from './dnsServer.ts'
import { type Knock, LocalTcp } from './localTcp.ts'
import { NameServerWatch } from './nameServerWatch.ts'
import { ProgramAddress, type ProgramAddressOptions } from './programAddress.ts'
import { ProgramFlows } from './programFlows.ts'

export interface LocalNetworkOptions extends Pick<ProgramAddressOptions, 'tunnel' | 'noAddress' | 'addressLost'> {
  readonly dialer: Dialer
  /** Bytes of a packet on the device. */
  readonly mtu: number
  /** Of the programs. */
  readonly programs: IpPair
  /** Whom they take for their router and their name server. */
  readonly router: IpPair
  /** Asked for names, with real answers. Default: names are looked up by the exit that connects. */
  readonly nameServer?: string | undefined
  /** Others that programs ask for names, as canonical text: whatever they ask there is answered as their router would. */
  readonly nameServers?: ReadonlySet<string> | undefined
  /** Whether programs may reach addresses that are no public ones, as in networks for tests. */
  readonly allowsLocalAddresses: boolean
  /** Hears of each fragment, which nobody carries: of datagrams and pings that are longer than a packet. */
  readonly fragment?: (() => void) | undefined
  /** Hears once of each destination that the exit's policy refuses datagrams and pings, of 64 at most: an address, `ip` or `ip:port`. */
  readonly refused?: ((destination: string) => void) | undefined
  /** Hears of each datagram and ping to what stands for a name, which nobody can carry. */
  readonly toName?: (() => void) | undefined
  /** Hears once where `nameServer` was asked and does not answer. */
  readonly silentNameServer?: ((nameServer: string) => void) | undefined
  readonly send: (packet: Uint8Array) => void
  readonly meter: Meter
}

const DNS_PORT = 53
const UDP_HEADER_BYTES = 8
const FRAGMENT_HEADER = 44
const RELAY: RelayParams = {
  maxEarlyBytes: 0,
  halfClosedTimeout: minutes(10),
  lingerTimeout: seconds(10),
}

export class LocalNetwork {
  readonly #world: ClientWorld
  readonly #options: LocalNetworkOptions
  readonly #tcp: LocalTcp
  readonly #names = new DnsServer()
  readonly #nameServer:
    | { readonly text: string; readonly address: Uint8Array; readonly watch: NameServerWatch }
    | undefined
  readonly #flows: ProgramFlows
  readonly #address: ProgramAddress
  #closed = false

  constructor(world: ClientWorld, options: LocalNetworkOptions) {
    this.#world = world
    this.#options = options
    const { mtu, send, nameServer: text } = options
    const address = parseIp(text ?? '')
    if (text !== undefined && address !== undefined) {
      const watch = new NameServerWatch(world.clock, () => options.silentNameServer?.(text))
      this.#nameServer = { text, address, watch }
    }
    this.#flows = new ProgramFlows(world.random.stream('local-pings'))
    this.#address = new ProgramAddress({
      ...options,
      clock: world.clock,
      refused: (destination) => this.#refused(destination),
      ready: (packet) => this.#carry(packet),
      dropped: () => this.#drop('no-address'),
      arrived: (packet) => this.#arrived(packet),
    })
    this.#tcp = new LocalTcp({
      clock: world.clock,
      random: world.random.stream('local-tcp'),
      mtu,
      send,
      knock: (knock) => this.#connect(knock),
    })
  }

  get connections(): number {
    return this.#tcp.count
  }

  /** A packet of a program. The bytes are ours until this returns. */
  receive(bytes: Uint8Array): void {
    const packet = readIpPacket(bytes)
    if (isFragment(bytes)) this.#options.fragment?.()
    if ('fault' in packet || this.#closed) return this.#drop('fault' in packet ? packet.fault : 'closed')
    // What is not from the programs' address is no program's: the device's own multicasts.
    const own = packet.version === 4 ? this.#options.programs.ipv4 : this.#options.programs.ipv6
    if (!equalBytes(packet.source, own)) return this.#drop('source')
    if (packet.protocol === PROTOCOL.tcp) return this.#tcp.receive(packet)
    if (this.#isRouter(packet)) return this.#answer(packet)
    // To the neighbours, of whom there are none: the exit would read what a program looks for at home, and drop it.
    if (isForNeighbours(packet.destination) || this.#isAtHome(packet.destination)) return this.#drop('neighbours')
    this.#carry(packet)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#nameServer?.watch.close()
    this.#tcp.close()
    await this.#address.close()
  }

  // ---- connections

  #connect({ destination, accept, refuse }: Knock): void {
    const { dialer, meter } = this.#options
    // Over TCP whoever got an answer cut short asks again: as by datagram, the one that was chosen.
    const asked = this.#isAskedForNames(destination) ? this.#nameServer?.text : undefined
    const host = asked ?? this.#names.nameOf(destination.host) ?? destination.host
    const address = parseIp(host)
    // Of a name that was forgotten: the exit would only learn that it was one of ours. A printer at home it could not reach, and would read of.
    if (this.#isNoAddress(address) || (address !== undefined && this.#isAtHome(address))) return refuse()
    let stream: ReturnType<Dialer['open']>
    try {
      stream = dialer.open({ host, port: destination.port })
    } catch (error) {
      if (!isMixnetError(error)) throw error
      return refuse()
    }
    stream.opened.then(
      () => {
        const connection = accept()
        const relay: Relay = new Relay({
          clock: this.#world.clock,
          connection,
          stream,
          params: RELAY,
          sentBytes: meter.counter('local_bytes_total', 'Bytes of local programs', { to: 'world' }),
          receivedBytes: meter.counter('local_bytes_total', 'Bytes of local programs', { to: 'program' }),
          failed: () => {},
        })
        connection.attach({
          data: (chunk) => relay.data(chunk),
          drain: () => relay.drain(),
          end: () => relay.end(),
          close: () => relay.closed(),
        })
        relay.start()
      },
      // Not there, or not allowed: to a program it is the same.
      () => refuse(),
    )
  }

  // ---- packets

  #isRouter({ version, destination, protocol, destinationPort: port }: IpPacket): boolean {
    const { router } = this.#options
    if (equalBytes(destination, version === 4 ? router.ipv4 : router.ipv6)) return true
    return (
      protocol === PROTOCOL.udp && port === DNS_PORT && this.#isAskedForNames({ host: formatIp(destination), port })
    )
  }

  #isAskedForNames({ host, port }: Endpoint): boolean {
    const { router, nameServers } = this.#options
    if (port !== DNS_PORT) return false
    return [router.ipv4, router.ipv6].map(formatIp).includes(host) || nameServers?.has(host) === true
  }

  #answer(packet: IpPacket): void {
    const { send } = this.#options
    const back: Addressed = { source: packet.destination, destination: packet.source }
    const echo = readEcho(packet)
    if (echo !== undefined) {
      if (!echo.isReply) send(buildEcho(back, { ...echo, isReply: true }))
      return
    }
    if (packet.destinationPort !== DNS_PORT) return this.#drop('router')
    if (this.#nameServer !== undefined) return this.#carry(packet)
    const data = this.#names.answer(packet.payload.subarray(UDP_HEADER_BYTES))
    if (data === undefined) return this.#drop('name')
    send(buildUdp(back, { sourcePort: DNS_PORT, destinationPort: packet.sourcePort }, data))
  }

  /** Towards the world: with our address there instead of the program's. */
  #carry(packet: IpPacket): void {
    const destination = this.#destinationOf(packet)
    // What stands for a name is no address: only a connection can be made to it.
    if (destination === undefined) return this.#refuseName(packet)
    const { tunnel } = this.#address
    if (tunnel === undefined) return this.#address.wait(packet)
    const source = destination.length === IPV4_BYTES ? tunnel.ips.ipv4 : tunnel.ips.ipv6
    const bytes = this.#flows.leaving(packet, { source, destination })
    // Nobody's question comes to a program, so it has none to answer.
    if (bytes === undefined) return this.#drop('unasked')
    if (bytes.length > tunnel.mtu) return this.#refuseLong(packet, tunnel.mtu + packetBytes(packet) - bytes.length)
    if (this.#isToNameServer(packet.destinationPort, destination)) this.#nameServer?.watch.asked()
    try {
      tunnel.send(bytes)
    } catch (error) {
      if (!isMixnetError(error)) throw error
      this.#drop('no-address')
    }
  }

  /** At once: who speaks QUIC takes TCP then, and who pings reads why. */
  #refuseName(packet: IpPacket): void {
    const { router, send, toName } = this.#options
    this.#drop('stand-in')
    toName?.()
    send(buildUnreachable(packet, packet.version === 4 ? router.ipv4 : router.ipv6))
  }

  /** The program's kernel learns what fits, and sends shorter ones. */
  #refuseLong(packet: IpPacket, mtu: number): void {
    const { router, send } = this.#options
    this.#drop('too-long')
    send(buildTooBig(packet, packet.version === 4 ? router.ipv4 : router.ipv6, mtu))
  }

  #isToNameServer(port: number, address: Uint8Array): boolean {
    return port === DNS_PORT && this.#nameServer !== undefined && equalBytes(address, this.#nameServer.address)
  }

  #destinationOf(packet: IpPacket): Uint8Array | undefined {
    if (this.#isRouter(packet)) return this.#nameServer?.address
    return this.#isNoAddress(packet.destination) ? undefined : packet.destination
  }

  /** Of a network that is not the world: no exit reaches it, and the router there, asked for names, must not be answered for by one that reads them. */
  #isAtHome(address: Uint8Array): boolean {
    return !this.#options.allowsLocalAddresses && !isGlobalAddress(address) && !this.#isNoAddress(address)
  }

  /** Whoever asks a name server gets real addresses, of which none is in that range. */
  #isNoAddress(address: Uint8Array | undefined): boolean {
    return this.#nameServer === undefined && address !== undefined && isStandIn(address)
  }

  /** From the world: to the program, as if from where it sent it. */
  #arrived(packet: IpPacket): void {
    const { programs, send, mtu } = this.#options
    const bytes = this.#flows.coming(packet, packet.version === 4 ? programs.ipv4 : programs.ipv6)
    if (bytes === undefined) return this.#drop('unasked')
    if (this.#isToNameServer(packet.sourcePort, packet.source)) this.#nameServer?.watch.answered()
    if (bytes.length > mtu) return this.#drop('arrived')
    send(bytes)
  }

  #refused(text: string): void {
    const place = this.#flows.refused(text)
    if (place !== undefined) this.#options.refused?.(place)
  }

  #drop(reason: string): void {
    this.#options.meter.counter('local_dropped_total', 'Packets of programs dropped', { reason }).value++
  }
}

const packetBytes = ({ version, payload }: IpPacket): number =>
  (version === 4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES) + payload.length

/** The program's kernel cuts up what is longer than the device's MTU. IPv6 says so in the header that follows the first (RFC 8200, 4.5). */
function isFragment(bytes: Uint8Array): boolean {
  const [first = 0] = bytes
  if (first >> 4 === 6) return bytes[6] === FRAGMENT_HEADER
  return first >> 4 === 4 && ((((bytes[6] ?? 0) & 0x3f) << 8) | (bytes[7] ?? 0)) !== 0
}

/** Multicast and broadcast, and addresses of one link. */
function isForNeighbours([first = 0, second = 0, ...rest]: Uint8Array): boolean {
  if (rest.length + 2 === IPV4_BYTES) return first >= 224 || (first === 169 && second === 254)
  return first === 0xff || (first === 0xfe && (second & 0xc0) === 0x80)
}
