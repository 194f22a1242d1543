/**
 * The reference: every primitive from the audited noble packages, in plain JavaScript. The other providers replace what they
 * can do faster and are compared with this one. Measured on Node 26 an X25519 multiplication costs 24 times what it does in
 * nodeProvider.ts, so nothing in production selects this. @module
 */

import { ctr, gcm, gcmsiv } from '@noble/ciphers/aes.js'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { blake2s } from '@noble/hashes/blake2.js'
import { hmac } from '@noble/hashes/hmac.js'
import { concat } from '../base/bytes.ts'
import { noblePackets } from './noblePackets.ts'
import type { LinkCryptoProvider } from './provider.ts'

const TAG_BYTES = 16

export const nobleProvider: LinkCryptoProvider = {
  ...noblePackets,
  name: 'noble',

  blake2s256: (data) => blake2s(data),
  hmacBlake2s: (key, data) => hmac(blake2s, key, data),
  aes128Ctr: (key, iv, data) => ctr(key, iv).encrypt(data),

  sealAesGcm(key, nonce, plaintext, associated, headroom = 0) {
    const sealed = gcm(key, nonce, associated).encrypt(plaintext)
    return headroom === 0 ? sealed : concat(new Uint8Array(headroom), sealed)
  },
  openAesGcm: (key, nonce, sealed, associated) => openWith(gcm(key, nonce, associated), sealed),
  sealAesGcmSiv: (key, nonce, plaintext) => gcmsiv(key, nonce).encrypt(plaintext),
  openAesGcmSiv: (key, nonce, sealed) => openWith(gcmsiv(key, nonce), sealed),
  sealChaChaPoly: (key, nonce, plaintext, associated) => chacha20poly1305(key, nonce, associated).encrypt(plaintext),
  openChaChaPoly: (key, nonce, sealed, associated) => openWith(chacha20poly1305(key, nonce, associated), sealed),
}

interface Opener {
  decrypt(sealed: Uint8Array): Uint8Array
}

/** Keys and nonces were checked when the cipher was made, so what is thrown here is a tag that does not hold. */
function openWith(cipher: Opener, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < TAG_BYTES) return undefined
  try {
    return cipher.decrypt(sealed)
  } catch {
    return undefined
  }
}
