/**
 * !!! THIS PROTECTS NOTHING. !!!
 *
 * A stand-in for simulations of whole networks, where it is who sends to whom and when that matters, and real cryptography
 * would be nearly all of the cost. Every cipher is the identity, every key agreement is a multiplication modulo 2³², anyone
 * can sign for anyone. Only simulations and tests may import it: no configuration or environment variable selects it, no command
 * but the simulator's, and nothing that opens a socket may be given it.
 *
 * What it does keep are the laws the protocol relies on, so the shipped code runs on it unchanged: both sides of a key
 * agreement agree, a blinded route opens hop by hop, tags, MACs and signatures of different inputs differ (256 bits, by
 * accident never, on purpose easily), and what was sealed opens with the same key only. `blake2b256Keyed` is zero and
 * `xorChaCha20` does nothing, which makes LIONESS free; so a damaged payload stays damaged instead of turning to noise.
 * Packets have their true sizes, but their headers are plain text and look alike before and after a hop: an attack that
 * compares contents has no meaning here. @module
 */

import { concat, equalBytes } from '../base/bytes.ts'
import type { LinkCryptoProvider } from './provider.ts'

const TAG_BYTES = 16
const EMPTY_SALT = new Uint8Array(32)

// Keeps apart what different functions say of the same input.
const DOMAIN = {
  sha256: 1,
  hmac: 2,
  hkdf: 3,
  blake3: 4,
  hkdfBlake3: 5,
  blake2s: 6,
  hmacBlake2s: 7,
  publicKey: 8,
} as const
const SIGNATURE = 9
const GCM = 10
const GCM_SIV = 11
const CHACHA_POLY = 12

export const nullProvider: LinkCryptoProvider = {
  name: 'null',

  x25519: multiplyLanes,
  x25519Base: (scalar) => multiplyLanes(scalar, GENERATOR),
  multiplyScalars: (a, b) => multiplyLanes(a, multiplyLanes(b, ONE)),

  ed25519PublicKey: (seed) => mix(DOMAIN.publicKey, 32, seed),
  ed25519Sign: (seed, message) => mix(SIGNATURE, 64, mix(DOMAIN.publicKey, 32, seed), message),
  ed25519Verify: (publicKey, message, signature) =>
    publicKey.length === 32 && equalBytes(signature, mix(SIGNATURE, 64, publicKey, message)),
  isEd25519Point: (bytes) => bytes.length === 32,

  sha256: (data) => mix(DOMAIN.sha256, 32, data),
  hmacSha256: (key, data) => mix(DOMAIN.hmac, 32, key, data),
  hkdfSha256: (ikm, salt, info, length) => mix(DOMAIN.hkdf, length, ikm, salt.length > 0 ? salt : EMPTY_SALT, info),
  blake3: (data) => mix(DOMAIN.blake3, 32, data),
  hkdfBlake3: (ikm, salt, length) => mix(DOMAIN.hkdfBlake3, length, ikm, salt.length > 0 ? salt : EMPTY_SALT),
  blake2b256Keyed: () => new Uint8Array(32),
  blake2s256: (data) => mix(DOMAIN.blake2s, 32, data),
  hmacBlake2s: (key, data) => mix(DOMAIN.hmacBlake2s, 32, key, data),

  xorChaCha20() {},
  aes128Ctr: (_key, _iv, data) => copyOf(data),

  sealAesGcm(key, nonce, plaintext, associated, headroom = 0) {
    const sealed = seal(GCM, key, nonce, plaintext, associated)
    return headroom === 0 ? sealed : concat(new Uint8Array(headroom), sealed)
  },
  openAesGcm: (key, nonce, sealed, associated) => open(GCM, key, nonce, sealed, associated),
  sealAesGcmSiv: (key, nonce, plaintext) => seal(GCM_SIV, key, nonce, plaintext, NOTHING),
  openAesGcmSiv: (key, nonce, sealed) => open(GCM_SIV, key, nonce, sealed, NOTHING),
  sealChaChaPoly: (key, nonce, plaintext, associated) => seal(CHACHA_POLY, key, nonce, plaintext, associated),
  openChaChaPoly: (key, nonce, sealed, associated) => open(CHACHA_POLY, key, nonce, sealed, associated),
}

// Key agreement: eight lanes modulo 2³². A scalar counts with its lowest bit set, so that no factor ever shrinks the product.

const LANES = 8
const scalarLanes = new Int32Array(LANES)
const scalarBytes = new Uint8Array(scalarLanes.buffer)
const pointLanes = new Int32Array(LANES)
const pointBytes = new Uint8Array(pointLanes.buffer)

const ONE = new Uint8Array(new Int32Array(LANES).fill(1).buffer)
/** Any odd lanes but ones: a public key must not pass for its secret. */
const GENERATOR = new Uint8Array(Int32Array.from({ length: LANES }, (_, i) => 0x9e3779b1 + 2 * i).buffer)

function multiplyLanes(scalar: Uint8Array, point: Uint8Array): Uint8Array {
  scalarBytes.set(scalar)
  pointBytes.set(point)
  for (let i = 0; i < LANES; i++) {
    pointLanes[i] = Math.imul((scalarLanes[i] as number) | 1, pointLanes[i] as number)
  }
  return new Uint8Array(pointBytes)
}

// The mixer behind every hash, MAC and derivation: eight lanes take a block of eight words at a time; each step can be undone,
// so two inputs that differ in one word never meet again on the way.

const BLOCK_WORDS = LANES
/** Inputs longer than this go through the scratch in pieces. */
const SCRATCH_BYTES = 1024
const scratchWords = new Int32Array(SCRATCH_BYTES / 4)
const scratch = new Uint8Array(scratchWords.buffer)
const lanes = new Int32Array(LANES)
const ZERO_BLOCKS = 4
const NOTHING = new Uint8Array(0)

/** `length` bytes that depend on every byte and on the length of every part; longer outputs begin like shorter ones. */
function mix(domain: number, length: number, first: Uint8Array, second?: Uint8Array, third?: Uint8Array): Uint8Array {
  lanes.fill(domain)
  absorb(first)
  if (second !== undefined) absorb(second)
  if (third !== undefined) absorb(third)
  return squeeze(length)
}

function absorb(data: Uint8Array): void {
  // The length goes first and tells apart inputs that differ in trailing zeros, or in where one part ends and the next begins.
  lanes[0] = (lanes[0] as number) ^ Math.imul(data.length + 1, 0x85ebca6b)
  for (let start = 0; start < data.length; start += SCRATCH_BYTES) {
    const piece = data.length <= SCRATCH_BYTES ? data : data.subarray(start, start + SCRATCH_BYTES)
    const words = Math.ceil(piece.length / (4 * BLOCK_WORDS)) * BLOCK_WORDS
    scratch.set(piece)
    for (let i = piece.length; i < 4 * words; i++) scratch[i] = 0
    absorbWords(words)
  }
}

/** Takes `count` words of the scratch, a multiple of eight. */
function absorbWords(count: number): void {
  let a = lanes[0] as number
  let b = lanes[1] as number
  let c = lanes[2] as number
  let d = lanes[3] as number
  let e = lanes[4] as number
  let f = lanes[5] as number
  let g = lanes[6] as number
  let h = lanes[7] as number
  for (let i = 0; i < count; i += BLOCK_WORDS) {
    a = (step(a, scratchWords[i] as number) + h) | 0
    b = (step(b, scratchWords[i + 1] as number) + a) | 0
    c = (step(c, scratchWords[i + 2] as number) + b) | 0
    d = (step(d, scratchWords[i + 3] as number) + c) | 0
    e = (step(e, scratchWords[i + 4] as number) + d) | 0
    f = (step(f, scratchWords[i + 5] as number) + e) | 0
    g = (step(g, scratchWords[i + 6] as number) + f) | 0
    h = (step(h, scratchWords[i + 7] as number) + g) | 0
  }
  lanes[0] = a
  lanes[1] = b
  lanes[2] = c
  lanes[3] = d
  lanes[4] = e
  lanes[5] = f
  lanes[6] = g
  lanes[7] = h
}

function step(lane: number, word: number): number {
  const mixed = lane ^ word
  return Math.imul((mixed << 13) | (mixed >>> 19), 0x5bd1e995)
}

/** Counter mode over the lanes, after a few empty blocks have spread every bit over all of them. */
function squeeze(length: number): Uint8Array {
  scratchWords.fill(0, 0, ZERO_BLOCKS * BLOCK_WORDS)
  absorbWords(ZERO_BLOCKS * BLOCK_WORDS)
  if (length <= SCRATCH_BYTES) {
    count(0, length)
    return copyOf(scratch.subarray(0, length))
  }
  const output = allocate(length)
  for (let start = 0; start < length; start += SCRATCH_BYTES) {
    const bytes = Math.min(SCRATCH_BYTES, length - start)
    count(start, bytes)
    output.set(scratch.subarray(0, bytes), start)
  }
  return output
}

/** `bytes` bytes of the output from `start` on, into the scratch. */
function count(start: number, bytes: number): void {
  const first = start >>> 2
  const last = first + ((bytes + 3) >>> 2)
  for (let position = first; position < last; position++) {
    scratchWords[position - first] = avalanche((lanes[position & 7] as number) + Math.imul(position, 0x9e3779b1))
  }
}

/** MurmurHash3's finalizer, a bijection. */
function avalanche(word: number): number {
  let x = word
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return x ^ (x >>> 16)
}

// Results are cut from slabs: V8 keeps arrays of up to 64 bytes in its heap, and a longer one of its own would cost more than
// everything that is computed for it. A result that is kept keeps its slab; those of a simulation live for milliseconds.

const IN_HEAP_BYTES = 64
const SLAB_BYTES = 65_536
let slab = new ArrayBuffer(SLAB_BYTES)
let slabUsed = 0

/** Zeros. */
function allocate(length: number): Uint8Array {
  if (length <= IN_HEAP_BYTES || length > SLAB_BYTES / 8) return new Uint8Array(length)
  if (slabUsed + length > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES)
    slabUsed = 0
  }
  const cut = new Uint8Array(slab, slabUsed, length)
  slabUsed += length
  return cut
}

function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = allocate(bytes.length)
  copy.set(bytes)
  return copy
}

// Sealing: the plaintext as it is, then a tag over key, nonce, associated data, length, and the plaintext's first and last
// bytes. Unlike hashes and MACs, this samples: links seal every packet at every hop.

const SAMPLE_BYTES = 128

function tagOf(
  domain: number,
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  associated: Uint8Array,
): Uint8Array {
  lanes.fill(domain)
  absorb(key)
  absorb(nonce)
  absorb(associated)
  if (plaintext.length <= 2 * SAMPLE_BYTES) absorb(plaintext)
  else {
    lanes[1] = (lanes[1] as number) ^ plaintext.length
    absorb(plaintext.subarray(0, SAMPLE_BYTES))
    absorb(plaintext.subarray(plaintext.length - SAMPLE_BYTES))
  }
  return squeeze(TAG_BYTES)
}

function seal(
  domain: number,
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  associated: Uint8Array,
): Uint8Array {
  const sealed = allocate(plaintext.length + TAG_BYTES)
  sealed.set(plaintext)
  sealed.set(tagOf(domain, key, nonce, plaintext, associated), plaintext.length)
  return sealed
}

function open(
  domain: number,
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  associated: Uint8Array,
): Uint8Array | undefined {
  if (sealed.length < TAG_BYTES) return undefined
  const length = sealed.length - TAG_BYTES
  const plaintext = sealed.subarray(0, length)
  const holds = equalBytes(sealed.subarray(length), tagOf(domain, key, nonce, plaintext, associated))
  return holds ? copyOf(plaintext) : undefined
}
