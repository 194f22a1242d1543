/**
 * The sizes a packet may have, derived once from its plaintext; no other file writes them as numbers.
 * Format: docs/spec/packet.md, "Sizes". @module
 */
import { HEADER_BYTES, PAYLOAD_OVERHEAD_BYTES } from '../sphinx/constants.ts'

export type PacketSizeName = 'regular' | 'ack' | 'extended8' | 'extended16' | 'extended32'

export interface PacketSize {
  readonly name: PacketSizeName
  /** The byte that stands for the size in frames. */
  readonly tag: number
  /** Header and payload: what travels, and what a gateway charges for. */
  readonly totalBytes: number
  /** The encrypted block behind the header. */
  readonly payloadBytes: number
  /** What the sender puts in and the last hop recovers. */
  readonly plaintextBytes: number
}

function packetSize(name: PacketSizeName, tag: number, plaintextBytes: number): PacketSize {
  const payloadBytes = plaintextBytes + PAYLOAD_OVERHEAD_BYTES
  return Object.freeze({ name, tag, totalBytes: HEADER_BYTES + payloadBytes, payloadBytes, plaintextBytes })
}

/** An ack's initial counter block, and the identifier of the fragment it answers for. */
export const ACK_IV_BYTES = 16
export const FRAGMENT_ID_BYTES = 5
/** An ack: exactly what an ack packet carries. */
export const ACK_BYTES: number = ACK_IV_BYTES + FRAGMENT_ID_BYTES

// Tags follow the order in which the sizes were introduced, not their length.
export const REGULAR: PacketSize = packetSize('regular', 1, 2048)
export const ACK: PacketSize = packetSize('ack', 2, ACK_BYTES)
export const EXTENDED_32: PacketSize = packetSize('extended32', 3, 32_768)
export const EXTENDED_8: PacketSize = packetSize('extended8', 4, 8192)
export const EXTENDED_16: PacketSize = packetSize('extended16', 5, 16_384)

const ALL: readonly PacketSize[] = [REGULAR, ACK, EXTENDED_32, EXTENDED_8, EXTENDED_16]
const byTag = new Map(ALL.map((size) => [size.tag, size]))
const byTotal = new Map(ALL.map((size) => [size.totalBytes, size]))

/** undefined for an unknown tag, 6 and 7 (Outfox, withdrawn) among them. */
export const packetSizeByTag = (tag: number): PacketSize | undefined => byTag.get(tag)
/** undefined for any length that is not exactly one of the sizes. */
export const packetSizeByTotal = (bytes: number): PacketSize | undefined => byTotal.get(bytes)

/** The address in front of an ack packet: a node address padded to the IPv6 length. */
export const SURB_ACK_ADDRESS_BYTES = 19
/** The SURB-ack in front of every plaintext but an ack's. */
export const SURB_ACK_BYTES: number = SURB_ACK_ADDRESS_BYTES + ACK.totalBytes
/** What tells the recipient how to decrypt: an ephemeral public key, or the digest of a reply key. */
export const VARIANT_BYTES = 32

/** P of the specification: how long a fragment with its header is in a packet of this size. Not for ack packets. */
export const fragmentBytes = (size: PacketSize): number => size.plaintextBytes - SURB_ACK_BYTES - VARIANT_BYTES
