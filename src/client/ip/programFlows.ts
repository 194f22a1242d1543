/**
 * To whom programs wrote datagrams and pings: only from there something comes back, and to the program it is from where it wrote to. An exit that
 * lies could otherwise write to any port of a program, and speak as its router, which answers questions for names. @module
 */
import { formatIp, IPV4_BYTES, parseIp } from '../../foundation/base/ipAddress.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import { type Addressed, buildUdp } from '../../protocol/wire/ip/buildPacket.ts'
import { buildEcho, readEcho } from '../../protocol/wire/ip/echo.ts'
import { type IpPacket, PROTOCOL } from '../../protocol/wire/ip/ipPacket.ts'
import { Pings } from './pings.ts'

const MAX_FLOWS = 8192
const MAX_REFUSED = 64
const UDP_HEADER_BYTES = 8

export class ProgramFlows {
  /** As whom an answer comes, to the program; last used last. */
  readonly #flows = new Map<string, Uint8Array>()
  readonly #pings: Pings
  readonly #refused = new Set<string>()

  constructor(random: RandomStream) {
    this.#pings = new Pings(random)
  }

  /** As it leaves, between other addresses. undefined: it answers what nobody asked. */
  leaving(packet: IpPacket, addresses: Addressed): Uint8Array | undefined {
    const echo = readEcho(packet)
    const { destination } = addresses
    if (echo?.isReply === true) return undefined
    if (echo !== undefined) return buildEcho(addresses, this.#pings.leaving(echo, destination, packet.destination))
    this.#note(packet, destination)
    return readdressed(packet, addresses)
  }

  /** As the program at `destination` expects it. undefined: it asked for nothing like it. */
  coming(packet: IpPacket, destination: Uint8Array): Uint8Array | undefined {
    const echo = readEcho(packet)
    if (echo !== undefined) {
      const found = this.#pings.coming(echo, packet.source)
      return found === undefined ? undefined : buildEcho({ source: found.asked, destination }, found.echo)
    }
    const source = this.#flows.get(flowKey(packet.destinationPort, packet.source, packet.sourcePort))
    if (source === undefined || packet.protocol === PROTOCOL.tcp) return undefined
    return readdressed(packet, { source, destination })
  }

  /**
   * Where an exit's policy lets nothing go, in our words, `ip` or `ip:port`: what the exit writes would be on somebody's terminal. undefined: no program
   * wrote there, or it has been said.
   */
  refused(text: string): string | undefined {
    const [, six, four, port] = /^(?:\[([0-9a-f:.]{2,45})\]|([0-9.]{7,15})):(\d{1,5})$/.exec(text) ?? []
    const address = parseIp(six ?? four ?? '')
    if (address === undefined || this.#refused.size >= MAX_REFUSED) return undefined
    const ending = ` ${address.join('.')} ${Number(port)}`
    const isAsked = Number(port) === 0 && this.#pings.knows(address)
    if (!isAsked && ![...this.#flows.keys()].some((key) => key.endsWith(ending))) return undefined
    const ip = formatIp(address)
    const place = Number(port) === 0 ? ip : address.length === IPV4_BYTES ? `${ip}:${port}` : `[${ip}]:${port}`
    if (this.#refused.has(place)) return undefined
    this.#refused.add(place)
    return place
  }

  #note(packet: IpPacket, destination: Uint8Array): void {
    const key = flowKey(packet.sourcePort, destination, packet.destinationPort)
    this.#flows.delete(key)
    this.#flows.set(key, packet.destination.slice())
    const [oldest] = this.#flows.keys()
    if (this.#flows.size > MAX_FLOWS && oldest !== undefined) this.#flows.delete(oldest)
  }
}

const flowKey = (port: number, peer: Uint8Array, peerPort: number): string => `${port} ${peer.join('.')} ${peerPort}`

/** A datagram between other addresses: built anew, so that nothing else of the program's packet shows. */
function readdressed(packet: IpPacket, addresses: Addressed): Uint8Array {
  const { sourcePort, destinationPort, payload } = packet
  return buildUdp(addresses, { sourcePort, destinationPort }, payload.subarray(UDP_HEADER_BYTES))
}
