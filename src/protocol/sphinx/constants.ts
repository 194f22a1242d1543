/**
 * The geometry of a Sphinx packet: every size in bytes, derived once. Other code reads these names and writes no size of its
 * own. Format: docs/spec/sphinx.md. @module
 */

/** Hops a header can carry. Nym routes have four; the header's size does not tell how many. */
export const MAX_HOPS = 5

/** X25519: secret keys, public keys, alpha. */
export const KEY_BYTES = 32
export const ALPHA_BYTES: number = KEY_BYTES
/** gamma: HMAC-SHA256 over beta, cut. */
export const MAC_BYTES = 16
/** AES-128 key and counter block. */
export const CIPHER_KEY_BYTES = 16
export const MAC_KEY_BYTES = 16
/** LIONESS raw key. */
export const PAYLOAD_KEY_BYTES = 192
export const PAYLOAD_KEY_SEED_BYTES = 16
export const BLINDING_BYTES = 32
export const REPLAY_TAG_BYTES = 32
export const EXPANDED_SECRET_BYTES: number =
  CIPHER_KEY_BYTES + MAC_KEY_BYTES + PAYLOAD_KEY_BYTES + BLINDING_BYTES + REPLAY_TAG_BYTES

export const FLAG_BYTES = 1
export const VERSION_BYTES = 3
export const NODE_ADDRESS_BYTES = 32
export const DELAY_BYTES = 8
export const DESTINATION_ADDRESS_BYTES = 32
export const IDENTIFIER_BYTES = 16

/** Flag, version, next address, delay. */
export const FORWARD_FIELDS_BYTES: number = FLAG_BYTES + VERSION_BYTES + NODE_ADDRESS_BYTES + DELAY_BYTES
/** Flag, version, destination, identifier. */
export const FINAL_FIELDS_BYTES: number = FLAG_BYTES + VERSION_BYTES + DESTINATION_ADDRESS_BYTES + IDENTIFIER_BYTES
/** Of the next hop or the destination, in either routing block. */
export const ADDRESS_OFFSET: number = FLAG_BYTES + VERSION_BYTES
export const DELAY_OFFSET: number = ADDRESS_OFFSET + NODE_ADDRESS_BYTES
export const IDENTIFIER_OFFSET: number = ADDRESS_OFFSET + DESTINATION_ADDRESS_BYTES
/** What one hop uses up of beta: its fields and the next gamma. */
export const STEP_BYTES: number = FORWARD_FIELDS_BYTES + MAC_BYTES
export const BETA_BYTES: number = STEP_BYTES * MAX_HOPS
/** The key stream over beta and the zeros a node appends to it. */
export const STREAM_BYTES: number = BETA_BYTES + STEP_BYTES

export const GAMMA_OFFSET: number = ALPHA_BYTES
export const BETA_OFFSET: number = GAMMA_OFFSET + MAC_BYTES
export const HEADER_BYTES: number = BETA_OFFSET + BETA_BYTES

/** Zeros before the message: the only end-to-end integrity check. */
export const PAYLOAD_ZEROS_BYTES = 16
/** The zeros and the end marker. */
export const PAYLOAD_OVERHEAD_BYTES: number = PAYLOAD_ZEROS_BYTES + 1
/** LIONESS needs a right side: more than its 32-byte left one. */
export const MIN_PAYLOAD_BYTES = 33
/** A shorter packet is refused unread. */
export const MIN_PACKET_BYTES: number = HEADER_BYTES + PAYLOAD_OVERHEAD_BYTES

/** The last byte of a message's plain block that is not zero. */
export const END_MARKER = 1

export const FORWARD_FLAG = 1
export const FINAL_FLAG = 2

/** Packets carry LIONESS keys cut from the shared secret. Old; taken, and built only where asked for. */
export const EXPLICIT_KEYS_VERSION = 258
/** LIONESS keys derived from 16-byte seeds, so that SURBs are short. What we send. */
export const KEY_SEEDS_VERSION = 259

/** The versions that can be built. */
export type SphinxVersion = 258 | 259
