/**
 * LIONESS: a block cipher whose block is a whole payload, so that changing one bit anywhere turns all of it into noise. Four
 * Feistel rounds over ChaCha20 and keyed BLAKE2b. Specified in docs/spec/sphinx.md 1.9. @module
 */

import { xorInto } from '../base/bytes.ts'
import { MixnetError } from '../base/errors.ts'
import type { CryptoProvider } from './provider.ts'

export const LIONESS_KEY_BYTES = 192
/** The left half: a block is longer than this. */
const LEFT_BYTES = 32

/** Encrypts `block` in place. */
export function lionessEncrypt(crypto: CryptoProvider, key: Uint8Array, block: Uint8Array): void {
  const { left, right, k1, k2, k3, k4 } = cut(key, block)
  streamRound(crypto, k1, left, right)
  hashRound(crypto, k2, left, right)
  streamRound(crypto, k3, left, right)
  hashRound(crypto, k4, left, right)
}

/** Decrypts `block` in place: the same rounds, backwards. */
export function lionessDecrypt(crypto: CryptoProvider, key: Uint8Array, block: Uint8Array): void {
  const { left, right, k1, k2, k3, k4 } = cut(key, block)
  hashRound(crypto, k4, left, right)
  streamRound(crypto, k3, left, right)
  hashRound(crypto, k2, left, right)
  streamRound(crypto, k1, left, right)
}

// Kept between calls, which is safe because nothing here waits: a fresh small array costs native code 7 % of the whole cipher.
const streamKey = new Uint8Array(LEFT_BYTES)

/** right ^= ChaCha20(left ^ key) */
function streamRound(crypto: CryptoProvider, key: Uint8Array, left: Uint8Array, right: Uint8Array): void {
  streamKey.set(left)
  xorInto(streamKey, key)
  crypto.xorChaCha20(streamKey, right)
}

/** left ^= BLAKE2b(key, right) */
function hashRound(crypto: CryptoProvider, key: Uint8Array, left: Uint8Array, right: Uint8Array): void {
  xorInto(left, crypto.blake2b256Keyed(key, right))
}

interface Parts {
  left: Uint8Array
  right: Uint8Array
  k1: Uint8Array
  k2: Uint8Array
  k3: Uint8Array
  k4: Uint8Array
}

function cut(key: Uint8Array, block: Uint8Array): Parts {
  if (key.length !== LIONESS_KEY_BYTES)
    throw new MixnetError('BAD_ARGUMENT', { what: 'LIONESS key', bytes: key.length })
  if (block.length <= LEFT_BYTES) throw new MixnetError('BAD_ARGUMENT', { what: 'LIONESS block', bytes: block.length })
  return {
    left: block.subarray(0, LEFT_BYTES),
    right: block.subarray(LEFT_BYTES),
    k1: key.subarray(0, 32),
    k2: key.subarray(32, 96),
    k3: key.subarray(96, 128),
    k4: key.subarray(128, 192),
  }
}
