/**
 * Reply SURBs: what a client hands out so that it can be answered without being known.
 *
 *      0  16                key that encrypts the reply end to end
 *     16  380 + n·16 / ·192  Sphinx SURB: seeds (v2, version 259) or full keys (v1, version 258)
 *
 * Each is good for one packet. Its creator remembers the key under its digest, which the reply carries in clear.
 * Format: docs/spec/packet.md, "Reply SURBs". @module
 */
import { concat } from '../../foundation/base/bytes.ts'
import { Reader } from '../../foundation/base/reader.ts'
import type { Nanos } from '../../foundation/base/units.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import {
  HEADER_BYTES,
  KEY_BYTES,
  KEY_SEEDS_VERSION,
  PAYLOAD_KEY_BYTES as LIONESS_KEY_BYTES,
  NODE_ADDRESS_BYTES,
  PAYLOAD_KEY_SEED_BYTES,
  type SphinxVersion,
} from '../sphinx/constants.ts'
import { finalPaddingBytes, type Hop } from '../sphinx/route.ts'
import type { RouteKeys } from '../sphinx/routeKeys.ts'
import { createSurb, decodeSurb, encodeSurb, type Surb } from '../sphinx/surb.ts'
import { PAYLOAD_KEY_BYTES } from './endToEnd.ts'
import type { RotationFlag } from './keyRotation.ts'
import { decodeNodeAddress } from './nodeAddress.ts'
import { sphinxDestination } from './recipient.ts'

const WHAT = 'reply SURB'
const FIXED_BYTES: number = PAYLOAD_KEY_BYTES + HEADER_BYTES + NODE_ADDRESS_BYTES
const V1_HOPS = 4

/** v1 messages know this length only. */
export const REPLY_SURB_V1_BYTES: number = FIXED_BYTES + V1_HOPS * LIONESS_KEY_BYTES
/** A reply SURB with key seeds: 460 bytes for the usual four hops. */
export const replySurbBytes = (hops: number): number => FIXED_BYTES + hops * PAYLOAD_KEY_SEED_BYTES

export interface ReplySurb {
  /** 16 bytes. Secret, as are the SURB's keys. */
  readonly encryptionKey: Uint8Array
  readonly surb: Surb
  /** The keys of the nodes it was made for: a packet made with it must say so. */
  readonly rotation: RotationFlag
}

export interface ReplySurbParams {
  /** Identity of the client that will get the reply: the creator. */
  readonly identity: Uint8Array
  /** Mix nodes, then the creator's gateway; or the gateway alone. */
  readonly route: readonly Hop[]
  /** One per hop; the last is not used. */
  readonly delays: readonly Nanos[]
  /** Where they were made ahead: then no secret is drawn. */
  readonly keys?: RouteKeys | undefined
  /** 258 only for tests against old peers; a route of one hop is always 259. */
  readonly version: SphinxVersion
  readonly rotation: RotationFlag
}

/** Draws, in order: Sphinx secret, padding, encryption key. */
export function createReplySurb(crypto: CryptoProvider, random: RandomStream, params: ReplySurbParams): ReplySurb {
  const { identity, route, delays, rotation } = params
  const secret = params.keys ?? random.bytes(KEY_BYTES)
  const padding = random.bytes(finalPaddingBytes(route.length))
  const encryptionKey = random.bytes(PAYLOAD_KEY_BYTES)
  const version = route.length === 1 ? KEY_SEEDS_VERSION : params.version
  const destination = sphinxDestination(identity)
  return {
    encryptionKey,
    surb: createSurb(crypto, { secret, route, delays, destination, version, padding }),
    rotation,
  }
}

export function encodeReplySurb({ encryptionKey, surb }: ReplySurb): Uint8Array {
  return concat(encryptionKey, encodeSurb(surb))
}

/** The rotation is not in the bytes: it stands once before several SURBs. Copies: a stock of SURBs keeps no message alive. */
export function decodeReplySurb(bytes: Uint8Array, rotation: RotationFlag): ReplySurb {
  const reader = new Reader(new Uint8Array(bytes), WHAT)
  const encryptionKey = reader.bytes(PAYLOAD_KEY_BYTES, 'encryption key')
  const surb = decodeSurb(reader.rest())
  // Refused here rather than when used: a SURB that leads nowhere must not count as stock.
  decodeNodeAddress(surb.firstHop)
  return { encryptionKey, surb, rotation }
}

/** 32 bytes: what a reply starts with, and what its creator finds the key by. */
export function replySurbDigest(crypto: CryptoProvider, encryptionKey: Uint8Array): Uint8Array {
  return crypto.blake3(encryptionKey)
}
