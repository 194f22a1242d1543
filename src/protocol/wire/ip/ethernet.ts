/**
 * IP packets in Ethernet frames behind a length of 4 bytes, big-endian: how virtual machines hand packets to a program over a stream socket
 * (QEMU's `-netdev stream`). Everything that is not IP, above all ARP, is for machines that look for each other. @module
 */

/** Destination, source, type. */
const ETHERNET_HEADER_BYTES = 14
const LENGTH_BYTES = 4
const ETHER_TYPE = { 4: 0x0800, 6: 0x86dd } as const
/** The longest that a peer can mean: an IP packet of 65,535 bytes. */
const MAX_FRAME_BYTES = ETHERNET_HEADER_BYTES + 0xffff

/** Both of 6 bytes. */
export interface MacAddresses {
  readonly source: Uint8Array
  readonly destination: Uint8Array
}

/** What precedes an IP packet on the socket. */
export function frameHeader(packet: Uint8Array, { source, destination }: MacAddresses): Uint8Array {
  const header = new Uint8Array(LENGTH_BYTES + ETHERNET_HEADER_BYTES)
  const view = new DataView(header.buffer)
  view.setUint32(0, ETHERNET_HEADER_BYTES + packet.length)
  header.set(destination, LENGTH_BYTES)
  header.set(source, LENGTH_BYTES + 6)
  view.setUint16(LENGTH_BYTES + 12, (packet[0] as number) >> 4 === 6 ? ETHER_TYPE[6] : ETHER_TYPE[4])
  return header
}

/** Cuts a stream into frames, and IP packets out of them. */
export class FrameReader {
  #rest: Uint8Array = new Uint8Array(0)

  /** The packets that `chunk` completes, each a copy; false where this is no such stream. */
  push(chunk: Uint8Array): Uint8Array[] | false {
    const bytes = this.#rest.length === 0 ? chunk : joined(this.#rest, chunk)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const packets: Uint8Array[] = []
    let offset = 0
    while (offset + LENGTH_BYTES <= bytes.length) {
      const length = view.getUint32(offset)
      if (length > MAX_FRAME_BYTES) return false
      const start = offset + LENGTH_BYTES
      if (start + length > bytes.length) break
      offset = start + length
      if (length <= ETHERNET_HEADER_BYTES) continue
      const type = view.getUint16(start + 12)
      if (type !== ETHER_TYPE[4] && type !== ETHER_TYPE[6]) continue
      packets.push(unpadded(bytes.slice(start + ETHERNET_HEADER_BYTES, offset)))
    }
    this.#rest = bytes.slice(offset)
    return packets
  }
}

/** Short frames are filled up to 60 bytes: an IP packet says how long it is itself. */
function unpadded(packet: Uint8Array): Uint8Array {
  const isIpv4 = (packet[0] as number) >> 4 === 4
  if (packet.length < 6) return packet
  const stated = isIpv4
    ? ((packet[2] as number) << 8) | (packet[3] as number)
    : 40 + (((packet[4] as number) << 8) | (packet[5] as number))
  return stated < packet.length ? packet.slice(0, stated) : packet
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length)
  all.set(a)
  all.set(b, a.length)
  return all
}
