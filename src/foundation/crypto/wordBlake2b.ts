/**
 * Keyed BLAKE2b-256 in plain JavaScript, with 64-bit words in two halves that stay integers. LIONESS hashes a payload twice at each
 * hop, so a client that makes its own packets hashes ten times what it sends: noble's, which adds halves as doubles and keeps
 * no block without an object, is a quarter of the work of a page that sends cover. @module
 */

const BLOCK_BYTES = 128
const KEY_BYTES = 64
const HASH_BYTES = 32
const ROUNDS = 12

/** RFC 7693 2.6, low half first. */
const IV = Int32Array.of(
  0xf3bcc908,
  0x6a09e667,
  0x84caa73b,
  0xbb67ae85,
  0xfe94f82b,
  0x3c6ef372,
  0x5f1d36f1,
  0xa54ff53a,
  0xade682d1,
  0x510e527f,
  0x2b3e6c1f,
  0x9b05688c,
  0xfb41bd6b,
  0x1f83d9ab,
  0x137e2179,
  0x5be0cd19,
)

/** RFC 7693 2.7: which message words a round mixes, in which order; the last two rounds are the first two again. */
const ORDERS = [
  '0123456789abcdef',
  'ea489fd61c02b753',
  'b8c052fdae367194',
  '7931dcbe265a40f8',
  '905724afe1bc683d',
  '2c6a0b834d75fe19',
  'c51fed4a0763928b',
  'db7ec13950f4862a',
  '6fe9b308c2d714a5',
  'a2847615fb9e3cd0',
]
const SIGMA = Uint8Array.from(
  Array.from({ length: ROUNDS }, (_, round) => ORDERS[round % 10] as string).join(''),
  (digit) => 2 * Number.parseInt(digit, 16),
)

// Kept between calls, which is safe because nothing here waits; overwritten by the next.
const state = new Int32Array(16)
const v = new Int32Array(32)
const m = new Int32Array(32)

/** `key` has 64 bytes: it is the first block. */
export function blake2b256Keyed(key: Uint8Array, data: Uint8Array): Uint8Array {
  state.set(IV)
  // RFC 7693 2.8: digest length, key length, fanout and depth of one.
  state[0] = (state[0] as number) ^ (0x01010000 | (KEY_BYTES << 8) | HASH_BYTES)
  m.fill(0)
  load(key, 0, KEY_BYTES)
  if (data.length === 0) compress(BLOCK_BYTES, true)
  else {
    compress(BLOCK_BYTES, false)
    let at = 0
    for (; at + BLOCK_BYTES < data.length; at += BLOCK_BYTES) {
      load(data, at, BLOCK_BYTES)
      compress(2 * BLOCK_BYTES + at, false)
    }
    m.fill(0)
    load(data, at, data.length - at)
    compress(BLOCK_BYTES + data.length, true)
  }
  const hash = new Uint8Array(HASH_BYTES)
  for (let i = 0; i < HASH_BYTES; i++) hash[i] = (state[i >> 2] as number) >>> (8 * (i & 3))
  return hash
}

/** Into the message words; those behind are left alone. */
function load(bytes: Uint8Array, at: number, count: number): void {
  const whole = count >> 2
  for (let i = 0, j = at; i < whole; i++, j += 4) {
    m[i] =
      (bytes[j] as number) |
      ((bytes[j + 1] as number) << 8) |
      ((bytes[j + 2] as number) << 16) |
      ((bytes[j + 3] as number) << 24)
  }
  for (let i = 4 * whole; i < count; i++) {
    m[i >> 2] = (m[i >> 2] as number) | ((bytes[at + i] as number) << (8 * (i & 3)))
  }
}

/** `count`: bytes so far, with this block's; below 2³², which is all that a packet can be. */
function compress(count: number, last: boolean): void {
  v.set(state)
  v.set(IV, 16)
  v[24] = (v[24] as number) ^ count
  if (last) {
    v[28] = ~(v[28] as number)
    v[29] = ~(v[29] as number)
  }
  for (let s = 0; s < 16 * ROUNDS; s += 16) {
    mix(0, 8, 16, 24, SIGMA[s] as number, SIGMA[s + 1] as number)
    mix(2, 10, 18, 26, SIGMA[s + 2] as number, SIGMA[s + 3] as number)
    mix(4, 12, 20, 28, SIGMA[s + 4] as number, SIGMA[s + 5] as number)
    mix(6, 14, 22, 30, SIGMA[s + 6] as number, SIGMA[s + 7] as number)
    mix(0, 10, 20, 30, SIGMA[s + 8] as number, SIGMA[s + 9] as number)
    mix(2, 12, 22, 24, SIGMA[s + 10] as number, SIGMA[s + 11] as number)
    mix(4, 14, 16, 26, SIGMA[s + 12] as number, SIGMA[s + 13] as number)
    mix(6, 8, 18, 28, SIGMA[s + 14] as number, SIGMA[s + 15] as number)
  }
  for (let i = 0; i < 16; i++) state[i] = (state[i] as number) ^ (v[i] as number) ^ (v[i + 16] as number)
}

/** The carry of x + y, given their sum. */
const carry = (x: number, y: number, sum: number): number => ((x & y) | ((x | y) & ~sum)) >>> 31

/** RFC 7693 3.1. Indices of low halves; the high one is next to it. */
function mix(a: number, b: number, c: number, d: number, x: number, y: number): void {
  let bl = v[b] as number
  let bh = v[b + 1] as number
  let sum = ((v[a] as number) + bl) | 0
  let ah = ((v[a + 1] as number) + bh + carry(v[a] as number, bl, sum)) | 0
  let al = (sum + (m[x] as number)) | 0
  ah = (ah + (m[x + 1] as number) + carry(sum, m[x] as number, al)) | 0

  let low = (v[d] as number) ^ al
  // Turned by 32: the halves change places.
  let dl = (v[d + 1] as number) ^ ah
  let dh = low

  let cl = ((v[c] as number) + dl) | 0
  let ch = ((v[c + 1] as number) + dh + carry(v[c] as number, dl, cl)) | 0

  bl ^= cl
  bh ^= ch
  low = (bl >>> 24) | (bh << 8)
  bh = (bh >>> 24) | (bl << 8)
  bl = low

  sum = (al + bl) | 0
  ah = (ah + bh + carry(al, bl, sum)) | 0
  al = (sum + (m[y] as number)) | 0
  ah = (ah + (m[y + 1] as number) + carry(sum, m[y] as number, al)) | 0

  dl ^= al
  dh ^= ah
  low = (dl >>> 16) | (dh << 16)
  dh = (dh >>> 16) | (dl << 16)
  dl = low

  sum = (cl + dl) | 0
  ch = (ch + dh + carry(cl, dl, sum)) | 0
  cl = sum

  bl ^= cl
  bh ^= ch
  v[a] = al
  v[a + 1] = ah
  v[b] = (bl << 1) | (bh >>> 31)
  v[b + 1] = (bh << 1) | (bl >>> 31)
  v[c] = cl
  v[c + 1] = ch
  v[d] = dl
  v[d + 1] = dh
}
