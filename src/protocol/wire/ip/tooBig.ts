/**
 * "Too big" (RFC 792 type 3 code 4 with RFC 1191's MTU; RFC 4443 type 2): what a router says of a packet that does not fit, which is how senders
 * find out what does. @module
 */
import { buildIpPacket } from './buildPacket.ts'
import { foldedChecksum } from './checksum.ts'
import { type IpPacket, PROTOCOL, transportSum } from './ipPacket.ts'

const HEADER_BYTES = 8
/** Of the transport: what every sender knows its connection by. */
const QUOTED_BYTES = 8
const MESSAGES = { 4: { type: 3, code: 4, mtuAt: 6 }, 6: { type: 2, code: 0, mtuAt: 6 } } as const

/** For the sender of `packet`, from `router`: packets of `mtu` bytes fit. */
export function buildTooBig(packet: IpPacket, router: Uint8Array, mtu: number): Uint8Array {
  const { mtuAt, ...kind } = MESSAGES[packet.version]
  return buildComplaint(packet, router, kind, (view) => view.setUint16(mtuAt, mtu))
}

/** What a router says of a packet; the header in it is the packet's own, rebuilt. `tell` fills in what the kind of it has besides. */
export function buildComplaint(
  { version, source, destination, protocol, payload }: IpPacket,
  router: Uint8Array,
  { type, code }: { readonly type: number; readonly code: number },
  tell: (view: DataView) => void = () => {},
): Uint8Array {
  // With the length that it had: stacks check it.
  const quoted = buildIpPacket({ source, destination }, protocol, payload).subarray(
    0,
    (version === 4 ? 20 : 40) + QUOTED_BYTES,
  )
  const message = new Uint8Array(HEADER_BYTES + quoted.length)
  const view = new DataView(message.buffer)
  message[0] = type
  message[1] = code
  tell(view)
  message.set(quoted, HEADER_BYTES)
  const addresses = { source: router, destination: source }
  const icmp = version === 4 ? PROTOCOL.icmp : PROTOCOL.icmp6
  view.setUint16(2, foldedChecksum(transportSum({ ...addresses, protocol: icmp }, message)))
  return buildIpPacket(addresses, icmp, message)
}
