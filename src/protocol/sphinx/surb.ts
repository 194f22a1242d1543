/**
 * Single-use reply blocks: a header made by the one who wants the reply, with the keys to encrypt one payload for it.
 *
 * | offset | bytes            | field                                                                     |
 * | ------ | ---------------- | ------------------------------------------------------------------------- |
 * | 0      | 348              | header                                                                    |
 * | 348    | 32               | address of the first hop                                                  |
 * | 380    | n · 16 or n · 192 | payload key seeds (version 259) or payload keys (version 258), hop 0 first |
 *
 * The kinds cannot be confused: five seeds are shorter than one key. Format: docs/spec/sphinx.md, "SURB". @module
 */
import { concat } from '../../foundation/base/bytes.ts'
import { malformed } from '../../foundation/base/errors.ts'
import { Reader } from '../../foundation/base/reader.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import {
  EXPLICIT_KEYS_VERSION,
  HEADER_BYTES,
  KEY_SEEDS_VERSION,
  MAX_HOPS,
  NODE_ADDRESS_BYTES,
  PAYLOAD_KEY_BYTES,
  PAYLOAD_KEY_SEED_BYTES,
  type SphinxVersion,
} from './constants.ts'
import { buildHeader } from './header.ts'
import type { HeaderParams } from './headerParams.ts'
import { expandPayloadKeySeed } from './keys.ts'
import { encapsulateBehind } from './packet.ts'
import type { Hop } from './route.ts'

export interface Surb {
  /** 348 bytes. */
  readonly header: Uint8Array
  /** 32 bytes: where the packet goes first. */
  readonly firstHop: Uint8Array
  /** Told by the kind of key material: it is not readable in the header. */
  readonly version: SphinxVersion
  /** One per hop in route order: seeds of 16 bytes (259) or keys of 192 (258). Secret: whoever has them can read the reply. */
  readonly keyMaterial: readonly Uint8Array[]
}

export interface SurbPacket {
  readonly packet: Uint8Array
  /** 32 bytes. */
  readonly firstHop: Uint8Array
}

/** A reply block that leads along `route` to `destination`, which is usually oneself. Throws like `buildHeader`. */
export function createSurb(crypto: CryptoProvider, params: HeaderParams): Surb {
  const { header, secrets } = buildHeader(crypto, params)
  const { version } = params
  return {
    header,
    firstHop: new Uint8Array((params.route[0] as Hop).address),
    version,
    // Copies: what is kept of the expanded secrets is what the other side may know, not the rest.
    keyMaterial: secrets.map(
      (secret) => new Uint8Array(version === KEY_SEEDS_VERSION ? secret.payloadKeySeed : secret.payloadKey(version)),
    ),
  }
}

export function encodeSurb(surb: Surb): Uint8Array {
  return concat(surb.header, surb.firstHop, ...surb.keyMaterial)
}

/** Throws MALFORMED. Keeps nothing of `bytes`: SURBs outlive the message that brought them. */
export function decodeSurb(bytes: Uint8Array): Surb {
  const keysBytes = bytes.length - HEADER_BYTES - NODE_ADDRESS_BYTES
  const version = keysBytes < PAYLOAD_KEY_BYTES ? KEY_SEEDS_VERSION : EXPLICIT_KEYS_VERSION
  const eachBytes = version === KEY_SEEDS_VERSION ? PAYLOAD_KEY_SEED_BYTES : PAYLOAD_KEY_BYTES
  const hops = keysBytes / eachBytes
  if (!Number.isInteger(hops) || hops < 1 || hops > MAX_HOPS) {
    throw malformed('SURB', `${bytes.length} bytes hold no whole number of key materials for 1 to ${MAX_HOPS} hops`)
  }
  const reader = new Reader(new Uint8Array(bytes), 'SURB')
  const surb: Surb = {
    header: reader.bytes(HEADER_BYTES, 'header'),
    firstHop: reader.bytes(NODE_ADDRESS_BYTES, 'first hop'),
    version,
    keyMaterial: Array.from({ length: hops }, () => reader.bytes(eachBytes, 'key material')),
  }
  reader.expectEnd()
  return surb
}

/** The one packet a SURB is for. Throws BAD_ARGUMENT or MESSAGE_TOO_LONG. */
export function useSurb(crypto: CryptoProvider, surb: Surb, message: Uint8Array, payloadBytes: number): SurbPacket {
  const payloadKeys =
    surb.version === KEY_SEEDS_VERSION
      ? surb.keyMaterial.map((seed) => expandPayloadKeySeed(crypto, seed))
      : surb.keyMaterial
  return {
    packet: encapsulateBehind(crypto, surb.header, message, payloadKeys, payloadBytes),
    firstHop: surb.firstHop,
  }
}
