/**
 * Where a node listens for packets: IP address and port.
 *
 *     0  1       4 or 6
 *     1  2       port
 *     3  4 / 16  octets
 *
 * 7 or 19 bytes; zero-padded to 19 in a SURB-ack and to 32 in Sphinx headers and SURBs.
 * Format: docs/spec/packet.md, "Addresses". @module
 */
import { malformed } from '../../foundation/base/errors.ts'
import { formatIp, IPV4_BYTES, IPV6_BYTES, parseIp } from '../../foundation/base/ipAddress.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'

const WHAT = 'node address'
const IPV4 = 4
const IPV6 = 6
const MAX_PORT = 65_535

export interface NodeAddress {
  /** Canonical text, IPv6 without brackets. */
  readonly ip: string
  readonly port: number
}

/** With `padTo`, zero-padded to that length: 19 in a SURB-ack, 32 in a Sphinx header. */
export function encodeNodeAddress(address: NodeAddress, padTo?: 19 | 32): Uint8Array {
  const octets = parseIp(address.ip)
  if (octets === undefined) throw malformed(WHAT, 'not an IP address')
  checkPort(address.port)
  const writer = new Writer(padTo ?? 3 + octets.length)
  writer
    .u8(octets.length === IPV4_BYTES ? IPV4 : IPV6)
    .u16(address.port)
    .bytes(octets)
  if (padTo !== undefined) writer.zeros(padTo - 3 - octets.length)
  return writer.finish()
}

/** Reads the address in front and says how long it was; what follows, padding or packet, is the caller's. */
export function decodeNodeAddress(bytes: Uint8Array): { address: NodeAddress; length: number } {
  const reader = new Reader(bytes, WHAT)
  const family = reader.u8('family')
  if (family !== IPV4 && family !== IPV6) reader.refuse('family', 'neither 4 nor 6')
  const port = reader.u16('port')
  const octets = reader.bytes(family === IPV4 ? IPV4_BYTES : IPV6_BYTES, 'octets')
  return { address: { ip: formatIp(octets), port }, length: reader.offset }
}

/** `10.0.0.1:1789` or `[2001:db8::1]:1789`; also the key under which connections to a node are kept. */
export function formatNodeAddress({ ip, port }: NodeAddress): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}

export function parseNodeAddress(text: string): NodeAddress {
  const match = /^(?:\[([^\]]*:[^\]]*)\]|([^:]*)):([0-9]{1,5})$/.exec(text)
  const octets = match && parseIp(match[1] ?? match[2] ?? '')
  if (!match || !octets) throw malformed(WHAT, 'not an IP address and port')
  const port = Number(match[3])
  checkPort(port)
  return { ip: formatIp(octets), port }
}

function checkPort(port: number): void {
  if (!Number.isInteger(port) || port < 0 || port > MAX_PORT) throw malformed(WHAT, 'port out of range')
}
