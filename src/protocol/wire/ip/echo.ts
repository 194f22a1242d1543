/** ICMP echo requests and replies (RFC 792, RFC 4443): the only ICMP that exits carry. @module */
import { IPV4_BYTES } from '../../../foundation/base/ipAddress.ts'
import { type Addressed, buildIpPacket } from './buildPacket.ts'
import { foldedChecksum } from './checksum.ts'
import { type IpPacket, PROTOCOL, transportSum } from './ipPacket.ts'

export interface Echo {
  readonly isReply: boolean
  readonly identifier: number
  readonly sequence: number
  readonly data: Uint8Array
}

const HEADER_BYTES = 8
const TYPES = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const

export function buildEcho(addresses: Addressed, { isReply, identifier, sequence, data }: Echo): Uint8Array {
  const isIpv4 = addresses.source.length === IPV4_BYTES
  const protocol = isIpv4 ? PROTOCOL.icmp : PROTOCOL.icmp6
  const message = new Uint8Array(HEADER_BYTES + data.length)
  const view = new DataView(message.buffer)
  message[0] = TYPES[isIpv4 ? 4 : 6][isReply ? 'reply' : 'request']
  view.setUint16(4, identifier)
  view.setUint16(6, sequence)
  message.set(data, HEADER_BYTES)
  view.setUint16(2, foldedChecksum(transportSum({ ...addresses, protocol }, message)))
  return buildIpPacket(addresses, protocol, message)
}

/** undefined where the packet holds something else. `data` is a view. */
export function readEcho({ version, protocol, payload }: IpPacket): Echo | undefined {
  if (protocol !== PROTOCOL.icmp && protocol !== PROTOCOL.icmp6) return undefined
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  return {
    isReply: payload[0] === TYPES[version].reply,
    identifier: view.getUint16(4),
    sequence: view.getUint16(6),
    data: payload.subarray(HEADER_BYTES),
  }
}
