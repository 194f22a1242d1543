/** IP packets made here: datagrams of our own, and what an exit answers itself. @module */
import { MixnetError } from '../../../foundation/base/errors.ts'
import { IPV4_BYTES, IPV6_BYTES } from '../../../foundation/base/ipAddress.ts'
import { addWords, foldedChecksum } from './checksum.ts'
import { IPV4_HEADER_BYTES, IPV6_HEADER_BYTES, PROTOCOL, transportSum } from './ipPacket.ts'

export interface Addressed {
  /** 4 or 16 bytes, both alike. */
  readonly source: Uint8Array
  readonly destination: Uint8Array
}

/** As most systems choose it. */
const HOP_LIMIT = 64
const MAX_PACKET_BYTES = 0xffff
const DONT_FRAGMENT = 0x40

/** A whole packet around `payload`, whose checksum is right already. Throws BAD_ARGUMENT. */
export function buildIpPacket({ source, destination }: Addressed, protocol: number, payload: Uint8Array): Uint8Array {
  const isIpv4 = source.length === IPV4_BYTES
  const header = isIpv4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES
  const length = header + payload.length
  if (source.length !== destination.length || (!isIpv4 && source.length !== IPV6_BYTES) || length > MAX_PACKET_BYTES) {
    throw new MixnetError('BAD_ARGUMENT', { what: 'IP packet', bytes: length })
  }
  const packet = new Uint8Array(length)
  const view = new DataView(packet.buffer)
  if (isIpv4) {
    packet[0] = 0x45
    view.setUint16(2, length)
    // No identification: what is never fragmented needs none (RFC 6864), and a counter would tell how much we send.
    packet[6] = DONT_FRAGMENT
    packet[8] = HOP_LIMIT
    packet[9] = protocol
    packet.set(source, 12)
    packet.set(destination, 16)
    view.setUint16(10, foldedChecksum(addWords(0, packet, 0, header)))
  } else {
    packet[0] = 0x60
    view.setUint16(4, payload.length)
    packet[6] = protocol
    packet[7] = HOP_LIMIT
    packet.set(source, 8)
    packet.set(destination, 24)
  }
  packet.set(payload, header)
  return packet
}

export interface Ports {
  readonly sourcePort: number
  readonly destinationPort: number
}

/** Throws BAD_ARGUMENT where it is too long for one packet. */
export function buildUdp(addresses: Addressed, { sourcePort, destinationPort }: Ports, data: Uint8Array): Uint8Array {
  const datagram = new Uint8Array(8 + data.length)
  const view = new DataView(datagram.buffer)
  view.setUint16(0, sourcePort)
  view.setUint16(2, destinationPort)
  view.setUint16(4, datagram.length)
  datagram.set(data, 8)
  const sum = foldedChecksum(transportSum({ ...addresses, protocol: PROTOCOL.udp }, datagram))
  // 0 would mean "not computed" (RFC 768); all ones is the same number.
  view.setUint16(6, sum === 0 ? 0xffff : sum)
  return buildIpPacket(addresses, PROTOCOL.udp, datagram)
}
