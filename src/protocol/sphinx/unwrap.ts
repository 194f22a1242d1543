/**
 * Takes one encryption off a packet. The path of every packet in a node: synchronous, and a refusal is a value, never an
 * exception. In two steps, because the replay lookup belongs between them: `openHeader` checks the MAC and knows the tag,
 * `unwrap` does the rest. Format: docs/spec/sphinx.md, "At a node". @module
 */
import type { Nanos } from '../../foundation/base/units.ts'
import { lionessDecrypt } from '../../foundation/crypto/lioness.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import {
  ADDRESS_OFFSET,
  ALPHA_BYTES,
  BETA_OFFSET,
  DELAY_OFFSET,
  FINAL_FIELDS_BYTES,
  FINAL_FLAG,
  FLAG_BYTES,
  FORWARD_FIELDS_BYTES,
  FORWARD_FLAG,
  GAMMA_OFFSET,
  HEADER_BYTES,
  IDENTIFIER_OFFSET,
  KEY_BYTES,
  MAC_BYTES,
  MIN_PACKET_BYTES,
  MIN_PAYLOAD_BYTES,
  STREAM_BYTES,
} from './constants.ts'
import { ZERO_IV } from './header.ts'
import { type ExpandedSecret, expandSharedSecret } from './keys.ts'
import { recoverMessage } from './packet.ts'
import { checkLength } from './route.ts'

export type RefusalReason = 'too-short' | 'mac' | 'routing-flag' | 'payload'

export interface Refused {
  readonly kind: 'refused'
  readonly reason: RefusalReason
}

/** A packet whose header this key opens. */
export interface OpenedHeader {
  readonly kind: 'opened'
  /** 32 bytes, the caller's own: equal for equal (alpha, key) only. Look it up before `unwrap`. */
  readonly replayTag: Uint8Array
  /** Reads the packet given to `openHeader`, which must not have changed since, and does not change it. */
  unwrap(): Unwrapped
}

export interface Forward {
  readonly kind: 'forward'
  /** 32 bytes; a view into an array of its own, not into `packet`. */
  readonly nextAddress: Uint8Array
  /** As the sender wrote it: up to 2⁶⁴ ns, exact up to 2⁵³. The node sets its own limit. */
  readonly delay: Nanos
  /** As long as the one that came in. */
  readonly packet: Uint8Array
}

export interface Final {
  readonly kind: 'final'
  /** 32 bytes. */
  readonly destination: Uint8Array
  /** 16 bytes. */
  readonly identifier: Uint8Array
  readonly message: Uint8Array
}

export type Unwrapped = Forward | Final | Refused

const TOO_SHORT: Refused = Object.freeze({ kind: 'refused', reason: 'too-short' })
const BAD_MAC: Refused = Object.freeze({ kind: 'refused', reason: 'mac' })
const BAD_FLAG: Refused = Object.freeze({ kind: 'refused', reason: 'routing-flag' })
const BAD_PAYLOAD: Refused = Object.freeze({ kind: 'refused', reason: 'payload' })

/** One multiplication, one key expansion, one MAC. `secretKey` is the node's 32-byte sphinx secret. Keeps `packet`. */
export function openHeader(crypto: CryptoProvider, secretKey: Uint8Array, packet: Uint8Array): OpenedHeader | Refused {
  checkLength(secretKey, KEY_BYTES, 'secret key')
  if (packet.length < MIN_PACKET_BYTES) return TOO_SHORT
  const sharedSecret = crypto.x25519(secretKey, packet.subarray(0, ALPHA_BYTES))
  // An alpha of low order would give every node the same, publicly known keys. No honest sender makes one.
  if (isZero(sharedSecret)) return BAD_MAC
  const secret = expandSharedSecret(crypto, sharedSecret)
  const mac = crypto.hmacSha256(secret.macKey, packet.subarray(BETA_OFFSET, HEADER_BYTES))
  let difference = 0
  for (let i = 0; i < MAC_BYTES; i++) difference |= (mac[i] as number) ^ (packet[GAMMA_OFFSET + i] as number)
  return difference === 0 ? new Opened(crypto, secret, packet) : BAD_MAC
}

/** Kept between calls, which is safe because nothing here waits, and holds nothing that was not on the wire. */
const betaAndZeros = new Uint8Array(STREAM_BYTES)

class Opened implements OpenedHeader {
  readonly kind = 'opened'
  readonly replayTag: Uint8Array
  readonly #crypto: CryptoProvider
  readonly #secret: ExpandedSecret
  readonly #packet: Uint8Array

  constructor(crypto: CryptoProvider, secret: ExpandedSecret, packet: Uint8Array) {
    this.#crypto = crypto
    this.#secret = secret
    this.#packet = packet
    // A copy: a tag that is remembered must not keep the keys beside it alive.
    this.replayTag = new Uint8Array(secret.replayTag)
  }

  unwrap(): Unwrapped {
    const packet = this.#packet
    const crypto = this.#crypto
    betaAndZeros.set(packet.subarray(BETA_OFFSET, HEADER_BYTES))
    const block = crypto.aes128Ctr(this.#secret.cipherKey, ZERO_IV, betaAndZeros)
    const flag = block[0]
    if (flag !== FORWARD_FLAG && flag !== FINAL_FLAG) return BAD_FLAG
    if (packet.length < HEADER_BYTES + MIN_PAYLOAD_BYTES) return BAD_PAYLOAD
    const payloadKey = this.#secret.payloadKey(readVersion(block))
    return flag === FORWARD_FLAG ? this.#forward(block, payloadKey) : this.#final(block, payloadKey)
  }

  #forward(block: Uint8Array, payloadKey: Uint8Array): Forward {
    // `new`, not `slice`: where a caller passes a Buffer, `slice` would share its memory.
    const next = new Uint8Array(this.#packet)
    next.set(this.#crypto.x25519(this.#secret.blinding, next.subarray(0, ALPHA_BYTES)))
    // The next gamma and beta stand in the block as they do in the packet.
    next.set(block.subarray(FORWARD_FIELDS_BYTES), GAMMA_OFFSET)
    lionessDecrypt(this.#crypto, payloadKey, next.subarray(HEADER_BYTES))
    return {
      kind: 'forward',
      nextAddress: block.subarray(ADDRESS_OFFSET, DELAY_OFFSET),
      delay: readDelay(block),
      packet: next,
    }
  }

  #final(block: Uint8Array, payloadKey: Uint8Array): Final | Refused {
    const payload = new Uint8Array(this.#packet.subarray(HEADER_BYTES))
    lionessDecrypt(this.#crypto, payloadKey, payload)
    const message = recoverMessage(payload)
    if (message === undefined) return BAD_PAYLOAD
    return {
      kind: 'final',
      destination: block.subarray(ADDRESS_OFFSET, IDENTIFIER_OFFSET),
      identifier: block.subarray(IDENTIFIER_OFFSET, FINAL_FIELDS_BYTES),
      message,
    }
  }
}

function isZero(bytes: Uint8Array): boolean {
  let any = 0
  for (let i = 0; i < bytes.length; i++) any |= bytes[i] as number
  return any === 0
}

/** The first of the three bytes is ignored, as in the official crate. */
function readVersion(block: Uint8Array): number {
  return ((block[FLAG_BYTES + 1] as number) << 8) | (block[FLAG_BYTES + 2] as number)
}

/** u64be as a number: exact below 2⁵³ ns, which is a hundred days; what is beyond is refused or cut by the node anyway. */
function readDelay(block: Uint8Array): Nanos {
  let delay = 0
  for (let i = DELAY_OFFSET; i < FORWARD_FIELDS_BYTES; i++) delay = delay * 256 + (block[i] as number)
  return delay as Nanos
}
