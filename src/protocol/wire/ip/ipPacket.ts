/**
 * IP packets as they go through an exit: IPv4 (RFC 791) and IPv6 (RFC 8200) with TCP, UDP or ICMP echo inside, whole. A router that is held
 * to a policy by address and port must read every packet exactly as its destination will, so what can be read in two ways is not read at
 * all: fragments (a later one overlaps the ports that were checked), options (source routes name another destination), extension headers
 * (they hide the transport), lengths that disagree, checksums that are wrong. Clients know their MTU; honest ones send none of that. @module
 */
import { IPV4_BYTES, IPV6_BYTES } from '../../../foundation/base/ipAddress.ts'
import { addWords, foldedChecksum } from './checksum.ts'

export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 } as const

export interface IpPacket {
  readonly version: 4 | 6
  /** 4 or 16 bytes, a view into the packet. */
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly protocol: number
  /** Of TCP and UDP; of an ICMP echo there are none: 0. */
  readonly sourcePort: number
  readonly destinationPort: number
  /** The transport header and what follows it. A view. */
  readonly payload: Uint8Array
  /** All of it. */
  readonly bytes: Uint8Array
}

/** Why a packet is not carried. */
export type IpFault =
  | 'truncated'
  | 'version'
  | 'length'
  | 'options'
  | 'fragment'
  | 'checksum'
  | 'protocol'
  | 'transport'

export type ReadIpPacket = IpPacket | { readonly fault: IpFault }

export const IPV4_HEADER_BYTES = 20
export const IPV6_HEADER_BYTES = 40
const TCP_HEADER_BYTES = 20
const UDP_HEADER_BYTES = 8
const ECHO_HEADER_BYTES = 8
const MORE_FRAGMENTS_AND_OFFSET = 0x3fff
/** Of the two kinds of ICMP: request and reply. */
const ECHOES = { 4: [8, 0], 6: [128, 129] } as const

/** On the path of every packet, so a union and no error. Takes anything. */
export function readIpPacket(bytes: Uint8Array): ReadIpPacket {
  const first = bytes[0]
  if (first === undefined) return { fault: 'truncated' }
  if (first >> 4 === 4) return readIpv4(bytes)
  return first >> 4 === 6 ? readIpv6(bytes) : { fault: 'version' }
}

/** The same in memory of its own, which can be kept when the message goes that brought it. */
export function copyPacket(packet: IpPacket): IpPacket {
  const bytes = packet.bytes.slice()
  const own = ({ byteOffset, length }: Uint8Array): Uint8Array => {
    const start = byteOffset - packet.bytes.byteOffset
    return bytes.subarray(start, start + length)
  }
  const { source, destination, payload } = packet
  return { ...packet, bytes, source: own(source), destination: own(destination), payload: own(payload) }
}

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number)

function readIpv4(bytes: Uint8Array): ReadIpPacket {
  if (bytes.length < IPV4_HEADER_BYTES) return { fault: 'truncated' }
  if (((bytes[0] as number) & 0xf) * 4 !== IPV4_HEADER_BYTES) return { fault: 'options' }
  if (u16(bytes, 2) !== bytes.length) return { fault: 'length' }
  // The don't-fragment bit is anybody's choice, the one above it has to be 0.
  if ((u16(bytes, 6) & (MORE_FRAGMENTS_AND_OFFSET | 0x8000)) !== 0) return { fault: 'fragment' }
  if (foldedChecksum(addWords(0, bytes, 0, IPV4_HEADER_BYTES)) !== 0) return { fault: 'checksum' }
  return readTransport(bytes, {
    version: 4,
    source: bytes.subarray(12, 12 + IPV4_BYTES),
    destination: bytes.subarray(16, 16 + IPV4_BYTES),
    protocol: bytes[9] as number,
    start: IPV4_HEADER_BYTES,
  })
}

function readIpv6(bytes: Uint8Array): ReadIpPacket {
  if (bytes.length < IPV6_HEADER_BYTES) return { fault: 'truncated' }
  // A length of 0 announces a jumbogram (RFC 2675), whose option would be refused all the same.
  if (u16(bytes, 4) !== bytes.length - IPV6_HEADER_BYTES) return { fault: 'length' }
  return readTransport(bytes, {
    version: 6,
    source: bytes.subarray(8, 8 + IPV6_BYTES),
    destination: bytes.subarray(24, 24 + IPV6_BYTES),
    protocol: bytes[6] as number,
    start: IPV6_HEADER_BYTES,
  })
}

interface Header extends Pick<IpPacket, 'version' | 'source' | 'destination' | 'protocol'> {
  readonly start: number
}

function readTransport(bytes: Uint8Array, { start, ...header }: Header): ReadIpPacket {
  const payload = bytes.subarray(start)
  const fault = transportFault(header, payload)
  if (fault !== undefined) return { fault }
  const hasPorts = header.protocol === PROTOCOL.tcp || header.protocol === PROTOCOL.udp
  return {
    ...header,
    payload,
    bytes,
    sourcePort: hasPorts ? u16(payload, 0) : 0,
    destinationPort: hasPorts ? u16(payload, 2) : 0,
  }
}

function transportFault(header: Omit<Header, 'start'>, payload: Uint8Array): IpFault | undefined {
  const { version, protocol } = header
  switch (protocol) {
    case PROTOCOL.tcp: {
      if (payload.length < TCP_HEADER_BYTES) return 'transport'
      const headerBytes = ((payload[12] as number) >> 4) * 4
      if (headerBytes < TCP_HEADER_BYTES || headerBytes > payload.length) return 'transport'
      break
    }
    case PROTOCOL.udp:
      if (payload.length < UDP_HEADER_BYTES || u16(payload, 4) !== payload.length) return 'transport'
      // "Not computed" exists in IPv4 only (RFC 768).
      if (version === 4 && u16(payload, 6) === 0) return undefined
      break
    case PROTOCOL.icmp:
    case PROTOCOL.icmp6: {
      if ((protocol === PROTOCOL.icmp) !== (version === 4)) return 'protocol'
      if (payload.length < ECHO_HEADER_BYTES) return 'transport'
      // What tells others of routes, errors and neighbours comes from us and from nobody behind us.
      if (!ECHOES[version].some((type) => type === payload[0]) || payload[1] !== 0) return 'protocol'
      break
    }
    default:
      return 'protocol'
  }
  return foldedChecksum(transportSum(header, payload)) === 0 ? undefined : 'checksum'
}

/** Over the transport and its pseudo-header (RFC 9293 3.1, RFC 8200 8.1); of ICMPv4 there is none. */
export function transportSum(
  { source, destination, protocol }: Pick<IpPacket, 'source' | 'destination' | 'protocol'>,
  payload: Uint8Array,
): number {
  const pseudo = protocol === PROTOCOL.icmp ? 0 : addWords(addWords(payload.length + protocol, source), destination)
  return addWords(pseudo, payload)
}
