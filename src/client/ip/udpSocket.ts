/** Datagrams through a tunnel: a port of its address, as a program has one of its machine's. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import { formatIp, IPV4_BYTES, parseIp } from '../../foundation/base/ipAddress.ts'
import type { Endpoint } from '../../foundation/platform/net.ts'
import { buildUdp } from '../../protocol/wire/ip/buildPacket.ts'
import { IPV4_HEADER_BYTES, IPV6_HEADER_BYTES, type IpPacket, PROTOCOL } from '../../protocol/wire/ip/ipPacket.ts'
import type { IpTunnel } from './ipTunnel.ts'

export interface Datagram {
  /** A copy. */
  readonly data: Uint8Array
  readonly from: Endpoint
}

const HEADER_BYTES = 8

export class UdpSocket {
  readonly #tunnel: IpTunnel
  readonly #unsubscribe: () => void
  readonly #closed: () => void
  #handler: (datagram: Datagram) => void = () => {}
  /** Of our address. */
  readonly port: number

  constructor(tunnel: IpTunnel, port: number, closed: () => void) {
    this.#tunnel = tunnel
    this.#closed = closed
    this.port = port
    this.#unsubscribe = tunnel.onPacket((packet) => this.#arrived(packet))
  }

  /** At most one handler. What it throws ends the process. */
  onDatagram(handler: (datagram: Datagram) => void): void {
    this.#handler = handler
  }

  /**
   * Sends `data` once: nobody says whether it arrived. `host` is an IP address. False where much waits already (`room` of the tunnel
   * resolves when less does). Throws BAD_ARGUMENT, also where it is longer than `maxBytes`, and why the tunnel is over.
   */
  send(data: Uint8Array, { host, port }: Endpoint): boolean {
    const destination = parseIp(host)
    if (destination === undefined) {
      throw new MixnetError(
        'BAD_ARGUMENT',
        { argument: 'host' },
        { nextStep: 'Give an IP address; `resolve` finds it.' },
      )
    }
    if (!Number.isInteger(port) || port < 1 || port > 0xffff)
      throw new MixnetError('BAD_ARGUMENT', { argument: 'port' })
    const max = this.maxBytes(destination.length)
    if (data.length > max) throw new MixnetError('BAD_ARGUMENT', { argument: 'data', bytes: data.length, max })
    const { ipv4, ipv6 } = this.#tunnel.ips
    const addresses = { source: destination.length === IPV4_BYTES ? ipv4 : ipv6, destination }
    return this.#tunnel.send(buildUdp(addresses, { sourcePort: this.port, destinationPort: port }, data))
  }

  /** Of a datagram that goes through: nothing is fragmented. `addressBytes`: 4 or 16. */
  maxBytes(addressBytes: number = IPV4_BYTES): number {
    const header = addressBytes === IPV4_BYTES ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES
    return this.#tunnel.mtu - header - HEADER_BYTES
  }

  close(): void {
    this.#unsubscribe()
    this.#handler = () => {}
    this.#closed()
  }

  #arrived({ protocol, source, sourcePort, destinationPort, payload }: IpPacket): void {
    if (protocol !== PROTOCOL.udp || destinationPort !== this.port) return
    this.#handler({ data: payload.slice(HEADER_BYTES), from: { host: formatIp(source), port: sourcePort } })
  }
}
