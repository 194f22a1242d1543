/** Packets on a stream, each behind its length: 2 bytes, big-endian, which is as long as a packet can be. Pure: the pump loads it too. @module */

export const LENGTH_BYTES = 2
export const MAX_PACKET_BYTES = 0xffff

/** All of them behind each other, each of at most `MAX_PACKET_BYTES`. */
export function framed(packets: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(packets.reduce((sum, { length }) => sum + LENGTH_BYTES + length, 0))
  let offset = 0
  for (const packet of packets) {
    bytes[offset] = packet.length >> 8
    bytes[offset + 1] = packet.length
    bytes.set(packet, offset + LENGTH_BYTES)
    offset += LENGTH_BYTES + packet.length
  }
  return bytes
}

/** Cuts a stream into packets. Keeps less than one of them: no length that can be said is more than `MAX_PACKET_BYTES`. */
export class PacketFrames {
  #rest: Uint8Array = new Uint8Array(0)

  /** `take` gets each packet that `chunk` completes, empty ones too, as a view that is good until it returns. */
  push(chunk: Uint8Array, take: (packet: Uint8Array) => void): void {
    const bytes = this.#rest.length === 0 ? chunk : joined(this.#rest, chunk)
    let offset = 0
    while (offset + LENGTH_BYTES <= bytes.length) {
      const start = offset + LENGTH_BYTES
      const end = start + (((bytes[offset] as number) << 8) | (bytes[offset + 1] as number))
      if (end > bytes.length) break
      take(bytes.subarray(start, end))
      offset = end
    }
    this.#rest = bytes.slice(offset)
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length)
  all.set(a)
  all.set(b, a.length)
  return all
}
