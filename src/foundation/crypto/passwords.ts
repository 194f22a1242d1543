/**
 * Keys from passwords, slow on purpose. Apart from `CryptoProvider`: only programs with key files need it, and it would hold up
 * everything else, so Node does it in another thread. @module
 */
import { pbkdf2, scrypt } from 'node:crypto'
import { scryptAsync } from '@noble/hashes/scrypt.js'

export interface ScryptCost {
  /** A power of two. */
  readonly n: number
  readonly r: number
  readonly p: number
}

export interface PasswordHashes {
  /** RFC 7914. Takes 128 · n · r bytes of memory. */
  scrypt(password: Uint8Array, salt: Uint8Array, cost: ScryptCost, length: number): Promise<Uint8Array>
  /** RFC 8018, with HMAC-SHA256. */
  pbkdf2(password: Uint8Array, salt: Uint8Array, iterations: number, length: number): Promise<Uint8Array>
}

/** Node's takes a little more than the two tables. */
const MEMORY_MARGIN = 1024 * 1024

export const nodePasswordHashes: PasswordHashes = {
  scrypt(password, salt, { n, r, p }, length) {
    const maxmem = 128 * r * (n + p) + MEMORY_MARGIN
    // RFC 7914 wants n below 2^(16 r), and OpenSSL insists; the key file that Ethereum's standard shows has more.
    if (n >= 2 ** (16 * r)) return scryptAsync(password, salt, { N: n, r, p, dkLen: length, maxmem })
    return new Promise((resolve, reject) => {
      scrypt(password, salt, length, { N: n, r, p, maxmem }, (error, key) =>
        error === null ? resolve(new Uint8Array(key)) : reject(error),
      )
    })
  },
  pbkdf2: (password, salt, iterations, length) =>
    new Promise((resolve, reject) => {
      pbkdf2(password, salt, iterations, length, 'sha256', (error, key) =>
        error === null ? resolve(new Uint8Array(key)) : reject(error),
      )
    }),
}
