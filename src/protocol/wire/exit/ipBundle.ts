/**
 * Bundles of IP packets, the payload of packet router data both ways: each packet behind its length, u16 big-endian. An exit
 * fills a bundle up to 1,500 bytes, so that answers cost few reply SURBs; readers take any length. Format: docs/spec/exit.md. @module
 */
import { concat } from '../../../foundation/base/bytes.ts'
import { MixnetError } from '../../../foundation/base/errors.ts'

export const MAX_BUNDLE_BYTES = 1500
const LENGTH_BYTES = 2
const MAX_PACKET_BYTES = 0xffff
/** Behind their lengths 68 of the shortest IPv4 packets fill a bundle. A message of a megabyte full of empty ones would hold up a node for a second. */
export const MAX_BUNDLE_PACKETS = 128

export interface DecodedBundle {
  /** Views into the bundle. */
  readonly packets: readonly Uint8Array[]
  /** An incomplete packet at the end, which official peers ignore without a word, and what follows more packets than a bundle holds. */
  readonly left: Uint8Array
}

/** One packet behind its length. */
export function encodePacket(packet: Uint8Array): Uint8Array {
  if (packet.length > MAX_PACKET_BYTES)
    throw new MixnetError('BAD_ARGUMENT', { what: 'IP packet', bytes: packet.length })
  return concat(Uint8Array.of(packet.length >> 8, packet.length & 0xff), packet)
}

/** Total: anything is a bundle, if only of an incomplete packet. */
export function decodeBundle(bundle: Uint8Array): DecodedBundle {
  const packets: Uint8Array[] = []
  let offset = 0
  while (offset + LENGTH_BYTES <= bundle.length && packets.length < MAX_BUNDLE_PACKETS) {
    const start = offset + LENGTH_BYTES
    const end = start + (((bundle[offset] as number) << 8) | (bundle[offset + 1] as number))
    if (end > bundle.length) break
    packets.push(bundle.subarray(start, end))
    offset = end
  }
  return { packets, left: bundle.subarray(offset) }
}

/** Fills bundles as official exits do. Whoever owns it also flushes it, 20 ms after the last bundle or as the client asked. */
export class BundleFiller {
  readonly #limit: number
  #packets: Uint8Array[] = []
  #bytes = 0

  constructor(limit: number = MAX_BUNDLE_BYTES) {
    this.#limit = limit
  }

  /** Takes a packet; the bundle that has become complete by it, if one has. */
  push(packet: Uint8Array): Uint8Array | undefined {
    const encoded = encodePacket(packet)
    const full = this.#bytes > 0 && this.#bytes + encoded.length > this.#limit ? this.flush() : undefined
    this.#packets.push(encoded)
    this.#bytes += encoded.length
    // A packet too large for any bundle travels alone: at once, or, behind a bundle just emitted, with the next call.
    return full ?? (this.#bytes > this.#limit ? this.flush() : undefined)
  }

  /** What is held back, or undefined. */
  flush(): Uint8Array | undefined {
    if (this.#bytes === 0) return undefined
    const bundle = concat(...this.#packets)
    this.#packets = []
    this.#bytes = 0
    return bundle
  }
}
