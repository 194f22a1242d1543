/**
 * AES in plain JavaScript for who encrypts a few thousand blocks a second: CTR, and GCM-SIV with noble's POLYVAL. noble's own tables
 * take 640 KB, more than a core's fast memory, and each of its blocks is an object; these take 5 KB, and blocks are words. Like noble's,
 * and any AES made of tables, it is not constant time for somebody who shares the processor's cache; see SECURITY.md. @module
 */
import { polyval } from '@noble/ciphers/_polyval.js'

const BLOCK_BYTES = 16
const TAG_BYTES = 16
const NONCE_BYTES = 12

const SBOX = new Uint8Array(256)
/** MixColumns of the S-box's output in each of the four rows; big endian. */
const T0 = new Uint32Array(256)
const T1 = new Uint32Array(256)
const T2 = new Uint32Array(256)
const T3 = new Uint32Array(256)

// FIPS 197 5.1.1: the inverse in GF(2⁸), walked through by powers of the generator 3 and of its inverse, then an affine map.
for (let p = 1, q = 1, first = true; first || p !== 1; first = false) {
  p = (p ^ (p << 1) ^ (p & 0x80 ? 0x11b : 0)) & 0xff
  q ^= q << 1
  q ^= q << 2
  q ^= q << 4
  q &= 0xff
  if (q & 0x80) q ^= 0x09
  const x = q | (q << 8)
  SBOX[p] = (q ^ (x >>> 7) ^ (x >>> 6) ^ (x >>> 5) ^ (x >>> 4) ^ 0x63) & 0xff
}
SBOX[0] = 0x63
for (let i = 0; i < 256; i++) {
  const s = SBOX[i] as number
  const twice = (s << 1) ^ (s & 0x80 ? 0x11b : 0)
  const word = (twice << 24) | (s << 16) | (s << 8) | (twice ^ s)
  T0[i] = word
  T1[i] = (word >>> 8) | (word << 24)
  T2[i] = (word >>> 16) | (word << 16)
  T3[i] = (word >>> 24) | (word << 8)
}

const substitute = (word: number): number =>
  ((SBOX[word >>> 24] as number) << 24) |
  ((SBOX[(word >>> 16) & 255] as number) << 16) |
  ((SBOX[(word >>> 8) & 255] as number) << 8) |
  (SBOX[word & 255] as number)

const word = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 24) |
  ((bytes[at + 1] as number) << 16) |
  ((bytes[at + 2] as number) << 8) |
  (bytes[at + 3] as number)

/** FIPS 197 5.2, for keys of 16 and 32 bytes. */
function expandKey(key: Uint8Array): Uint32Array {
  const keyWords = key.length / 4
  const schedule = new Uint32Array(4 * (keyWords + 7))
  for (let i = 0; i < keyWords; i++) schedule[i] = word(key, 4 * i)
  for (let i = keyWords, constant = 1; i < schedule.length; i++) {
    let mixed = schedule[i - 1] as number
    if (i % keyWords === 0) {
      mixed = substitute((mixed << 8) | (mixed >>> 24)) ^ (constant << 24)
      constant = (constant << 1) ^ (constant & 0x80 ? 0x11b : 0)
    } else if (keyWords === 8 && i % keyWords === 4) mixed = substitute(mixed)
    schedule[i] = (schedule[i - keyWords] as number) ^ mixed
  }
  return schedule
}

/** The last block encrypted. Kept between calls, which is safe because nothing here waits. */
const out = new Uint32Array(4)

function encryptBlock(schedule: Uint32Array, w0: number, w1: number, w2: number, w3: number): void {
  let a = w0 ^ (schedule[0] as number)
  let b = w1 ^ (schedule[1] as number)
  let c = w2 ^ (schedule[2] as number)
  let d = w3 ^ (schedule[3] as number)
  const last = schedule.length - 4
  for (let k = 4; k < last; k += 4) {
    const e =
      (T0[a >>> 24] as number) ^
      (T1[(b >>> 16) & 255] as number) ^
      (T2[(c >>> 8) & 255] as number) ^
      (T3[d & 255] as number) ^
      (schedule[k] as number)
    const f =
      (T0[b >>> 24] as number) ^
      (T1[(c >>> 16) & 255] as number) ^
      (T2[(d >>> 8) & 255] as number) ^
      (T3[a & 255] as number) ^
      (schedule[k + 1] as number)
    const g =
      (T0[c >>> 24] as number) ^
      (T1[(d >>> 16) & 255] as number) ^
      (T2[(a >>> 8) & 255] as number) ^
      (T3[b & 255] as number) ^
      (schedule[k + 2] as number)
    d =
      (T0[d >>> 24] as number) ^
      (T1[(a >>> 16) & 255] as number) ^
      (T2[(b >>> 8) & 255] as number) ^
      (T3[c & 255] as number) ^
      (schedule[k + 3] as number)
    a = e
    b = f
    c = g
  }
  out[0] = lastRound(a, b, c, d) ^ (schedule[last] as number)
  out[1] = lastRound(b, c, d, a) ^ (schedule[last + 1] as number)
  out[2] = lastRound(c, d, a, b) ^ (schedule[last + 2] as number)
  out[3] = lastRound(d, a, b, c) ^ (schedule[last + 3] as number)
}

const lastRound = (a: number, b: number, c: number, d: number): number =>
  ((SBOX[a >>> 24] as number) << 24) |
  ((SBOX[(b >>> 16) & 255] as number) << 16) |
  ((SBOX[(c >>> 8) & 255] as number) << 8) |
  (SBOX[d & 255] as number)

/** `target[at…] = source[at…] ^ out`, as far as `source` goes. */
function xorBlock(target: Uint8Array, source: Uint8Array, at: number): void {
  if (at + BLOCK_BYTES <= source.length) {
    for (let i = 0; i < 4; i++) {
      const key = out[i] as number
      const j = at + 4 * i
      target[j] = (source[j] as number) ^ (key >>> 24)
      target[j + 1] = (source[j + 1] as number) ^ (key >>> 16)
      target[j + 2] = (source[j + 2] as number) ^ (key >>> 8)
      target[j + 3] = (source[j + 3] as number) ^ key
    }
    return
  }
  for (let j = at; j < source.length; j++) {
    const i = j - at
    target[j] = (source[j] as number) ^ ((out[i >> 2] as number) >>> (24 - 8 * (i & 3)))
  }
}

/** AES-CTR, NIST SP 800-38A: the whole block counts, big endian. A new array. */
export function aesCtr(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array {
  const schedule = expandKey(key)
  const result = new Uint8Array(data.length)
  let [a, b, c, d] = [word(iv, 0), word(iv, 4), word(iv, 8), word(iv, 12)]
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    encryptBlock(schedule, a, b, c, d)
    xorBlock(result, data, at)
    d = (d + 1) | 0
    if (d === 0) c = (c + 1) | 0
    if (d === 0 && c === 0) b = (b + 1) | 0
    if (d === 0 && c === 0 && b === 0) a = (a + 1) | 0
  }
  return result
}

/** AES-256-GCM-SIV, RFC 8452, no associated data: ciphertext, then the tag. A new array. */
export function sealGcmSiv(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const { authentication, schedule } = deriveKeys(key, nonce)
  const sealed = new Uint8Array(plaintext.length + TAG_BYTES)
  const tag = tagOf(authentication, schedule, nonce, plaintext)
  sivCtr(schedule, tag, plaintext, sealed)
  sealed.set(tag, plaintext.length)
  return sealed
}

/** undefined where the tag does not hold. */
export function openGcmSiv(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < TAG_BYTES) return undefined
  const { authentication, schedule } = deriveKeys(key, nonce)
  const tag = sealed.subarray(sealed.length - TAG_BYTES)
  const plaintext = new Uint8Array(sealed.length - TAG_BYTES)
  sivCtr(schedule, tag, sealed.subarray(0, plaintext.length), plaintext)
  const expected = tagOf(authentication, schedule, nonce, plaintext)
  let difference = 0
  for (let i = 0; i < TAG_BYTES; i++) difference |= (expected[i] as number) ^ (tag[i] as number)
  return difference === 0 ? plaintext : undefined
}

interface DerivedKeys {
  readonly authentication: Uint8Array
  readonly schedule: Uint32Array
}

/** RFC 8452 4: the first halves of six encrypted blocks. */
function deriveKeys(key: Uint8Array, nonce: Uint8Array): DerivedKeys {
  const schedule = expandKey(key)
  const derived = new Uint8Array(48)
  for (let i = 0; i < 6; i++) {
    encryptBlock(schedule, i << 24, word(nonce, 0), word(nonce, 4), word(nonce, 8))
    storeWord(derived, 8 * i, out[0] as number)
    storeWord(derived, 8 * i + 4, out[1] as number)
  }
  return { authentication: derived.subarray(0, 16), schedule: expandKey(derived.subarray(16)) }
}

function tagOf(
  authentication: Uint8Array,
  schedule: Uint32Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const lengths = new Uint8Array(BLOCK_BYTES)
  new DataView(lengths.buffer).setBigUint64(8, BigInt(8 * plaintext.length), true)
  const tag = polyval
    .create(authentication, plaintext.length + BLOCK_BYTES)
    .update(plaintext)
    .update(lengths)
    .digest()
  for (let i = 0; i < NONCE_BYTES; i++) tag[i] = (tag[i] as number) ^ (nonce[i] as number)
  tag[15] = (tag[15] as number) & 0x7f
  encryptBlock(schedule, word(tag, 0), word(tag, 4), word(tag, 8), word(tag, 12))
  for (let i = 0; i < 4; i++) storeWord(tag, 4 * i, out[i] as number)
  return tag
}

/** The counter is the first word, little endian, and wraps (RFC 8452 4). */
function sivCtr(schedule: Uint32Array, tag: Uint8Array, data: Uint8Array, result: Uint8Array): void {
  let counter = swapped(word(tag, 0))
  const [b, c, d] = [word(tag, 4), word(tag, 8), word(tag, 12) | 0x80]
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    encryptBlock(schedule, swapped(counter), b, c, d)
    xorBlock(result, data, at)
    counter = (counter + 1) | 0
  }
}

const swapped = (value: number): number =>
  (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)

function storeWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}
