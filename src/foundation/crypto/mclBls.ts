/**
 * BLS12-381 from `mcl-wasm`: WebAssembly, ten times as fast as noble. Every function is compared with nobleBls.ts in its test.
 *
 * Four settings are global to the package's one instance, so whoever else uses it in this process shares them: curve, ZCash
 * encodings, RFC 9380 maps, subgroup checks when decoding. The module imports nothing but its memory, so it cannot draw
 * randomness; `setByCSPRNG`, which asks WebCrypto, is not called. `mod` is not in the package's documentation: it is how products
 * of pairings share their squarings and hashes get a tag, and why the version is pinned. @module
 */
import mcl from 'mcl-wasm'
import { utf8 } from '../base/bytes.ts'
import { MixnetError } from '../base/errors.ts'
import type { Bls, G1, G2, Group, Multiples, Term } from './bls.ts'
import { flagsFit, hashToScalar, sha256 } from './blsHashes.ts'
import { SCALAR_BYTES, type Scalar, scalarToBytes } from './blsScalar.ts'

/** Compiles the WebAssembly at the first call; what it resolves to is synchronous. */
export function loadMclBls(): Promise<Bls> {
  loading ??= load()
  return loading
}

let loading: Promise<Bls> | undefined

/** The package's stack is 1 MiB; this many points of G2 and their scalars take a hundredth of it. */
const PAIRS_AT_ONCE = 32
/** From 32 on it does sums another way, which is slower up to some hundred. */
const TERMS_AT_ONCE = 16
const G1_GENERATOR = '97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb'
const G2_GENERATOR =
  '93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e' +
  '024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8'

/** The raw calls of which the package's classes are made: numbers are addresses in its memory. */
interface Module {
  stackSave(): number
  stackRestore(to: number): void
  stackAlloc(bytes: number): number
  sallocBytes(bytes: Uint8Array): number
  sallocArray(items: readonly Uint32Array[]): number
  sallocCopy(item: Uint32Array): number
  copyFromHeap32(target: Uint32Array, from: number): void
  copyToHeap32(source: Uint32Array, to: number): void
  _mclBnG1_hashAndMapToWithDst(point: number, message: number, length: number, tag: number, tagLength: number): number
  _mclBn_millerLoopVec(product: number, p: number, q: number, count: number): void
  _mclBnG1_mulCT: Operation
  _mclBnG2_mulCT: Operation
  _mclBnG1_add: Operation
  _mclBnG2_add: Operation
  _mclBnG1_sub: Operation
  _mclBnG2_sub: Operation
}

type Operation = (result: number, left: number, right: number) => void
type Operations = Readonly<Record<'mulCT' | 'add' | 'sub', Operation>>

type McPoint = mcl.G1 | mcl.G2
/** The words of a value, which the package's own code copies in and out of its memory. */
const words = (value: McPoint | mcl.Fr | mcl.GT): Uint32Array => (value as unknown as { a_: Uint32Array }).a_

const outG1 = (point: mcl.G1): G1 => point as unknown as G1
const inG1 = (point: G1): mcl.G1 => point as unknown as mcl.G1
const outG2 = (point: mcl.G2): G2 => point as unknown as G2
const inG2 = (point: G2): mcl.G2 => point as unknown as mcl.G2

async function load(): Promise<Bls> {
  await mcl.init(mcl.BLS12_381)
  mcl.setETHserialization(true)
  mcl.setMapToMode(mcl.IRTF)
  mcl.verifyOrderG1(true)
  mcl.verifyOrderG2(true)
  const raw = (mcl as unknown as { mod: Module }).mod
  return {
    name: 'mcl',
    g1: group<G1, mcl.G1>(
      raw,
      { mulCT: raw._mclBnG1_mulCT, add: raw._mclBnG1_add, sub: raw._mclBnG1_sub },
      () => new mcl.G1(),
      48,
      G1_GENERATOR,
      outG1,
      inG1,
    ),
    g2: group<G2, mcl.G2>(
      raw,
      { mulCT: raw._mclBnG2_mulCT, add: raw._mclBnG2_add, sub: raw._mclBnG2_sub },
      () => new mcl.G2(),
      96,
      G2_GENERATOR,
      outG2,
      inG2,
    ),
    hashToScalar,
    sha256,

    hashToG1(message, tag) {
      const point = new mcl.G1()
      const tagBytes = utf8(tag)
      const stack = raw.stackSave()
      try {
        const at = raw.sallocCopy(words(point))
        const [from, tagFrom] = [raw.sallocBytes(message), raw.sallocBytes(tagBytes)]
        const failed = raw._mclBnG1_hashAndMapToWithDst(at, from, message.length, tagFrom, tagBytes.length)
        if (failed !== 0) throw new MixnetError('BAD_ARGUMENT', { argument: 'tag' })
        raw.copyFromHeap32(words(point), at)
      } finally {
        raw.stackRestore(stack)
      }
      return outG1(point)
    },

    pairingsCancel(pairs) {
      const finite = pairs.filter(([p, q]) => !inG1(p).isZero() && !inG2(q).isZero())
      let product: mcl.GT | undefined
      for (let i = 0; i < finite.length; i += PAIRS_AT_ONCE) {
        const loops = millerLoops(raw, finite.slice(i, i + PAIRS_AT_ONCE))
        product = product === undefined ? loops : mcl.mul(product, loops)
      }
      return product === undefined || mcl.finalExp(product).isOne()
    },
  }
}

/** Π of Miller loops, before the final exponentiation: half the time of doing them one by one. */
function millerLoops(raw: Module, pairs: readonly (readonly [G1, G2])[]): mcl.GT {
  const product = new mcl.GT()
  const stack = raw.stackSave()
  try {
    const at = raw.sallocCopy(words(product))
    const p = raw.sallocArray(pairs.map(([point]) => words(inG1(point))))
    const q = raw.sallocArray(pairs.map(([, point]) => words(inG2(point))))
    raw._mclBn_millerLoopVec(at, p, q, pairs.length)
    raw.copyFromHeap32(words(product), at)
  } finally {
    raw.stackRestore(stack)
  }
  return product
}

function toFr(scalar: Scalar): mcl.Fr {
  const value = new mcl.Fr()
  value.setLittleEndian(scalarToBytes(scalar))
  return value
}

/** What the package offers for both groups, with its overloads seen as one. */
interface Arithmetic<M> {
  add(a: M, b: M): M
  neg(point: M): M
  mul(point: M, scalar: mcl.Fr): M
  mulVec(points: M[], scalars: mcl.Fr[]): M
  dbl(point: M): M
  normalizeVec(points: M[]): void
}

function group<P, M extends McPoint & { isEqual(other: M): boolean }>(
  raw: Module,
  operations: Operations,
  create: () => M,
  bytes: number,
  generator: string,
  out: (point: M) => P,
  into: (point: P) => M,
): Group<P> {
  const math = mcl as unknown as Arithmetic<M>
  const base = create()
  base.deserialize(mcl.fromHexStr(generator))
  const zero = create()

  const multiply = (scalar: Scalar, point: P): P => out(math.mul(into(point), toFr(scalar)))
  const sumOf = (terms: readonly Term<P>[]): M =>
    math.mulVec(
      terms.map(([, point]) => into(point)),
      terms.map(([scalar]) => toFr(scalar)),
    )

  return {
    bytes,
    generator: out(base),
    zero: out(zero),
    add: (a, b) => out(math.add(into(a), into(b))),
    negate: (point) => out(math.neg(into(point))),
    multiply,
    multiplySecret(scalar, point) {
      const product = create()
      const stack = raw.stackSave()
      try {
        const at = raw.sallocCopy(words(product))
        operations.mulCT(at, raw.sallocCopy(words(into(point))), raw.sallocCopy(words(toFr(scalar))))
        raw.copyFromHeap32(words(product), at)
      } finally {
        raw.stackRestore(stack)
      }
      return out(product)
    },
    sum(terms) {
      let total = zero
      if (terms.length === 1) return multiply(...(terms[0] as Term<P>))
      for (let i = 0; i < terms.length; i += TERMS_AT_ONCE) {
        total = math.add(total, sumOf(terms.slice(i, i + TERMS_AT_ONCE)))
      }
      return out(total)
    },
    table(point) {
      let uses = 0
      let made: Multiples<P> | undefined
      return (scalar) => {
        if (made === undefined && uses++ >= TABLE_FROM) made = windows(raw, operations, math, create, into(point), out)
        return made === undefined ? multiply(scalar, point) : made(scalar)
      }
    },
    isZero: (point) => into(point).isZero(),
    equal: (a, b) => into(a).isEqual(into(b)),
    encode: (point) => into(point).serialize(),
    decode(encoded) {
      if (encoded.length !== bytes || !flagsFit(encoded)) return undefined
      const point = create()
      try {
        point.deserialize(encoded)
      } catch {
        return undefined
      }
      return out(point)
    },
  }
}

/** A table costs as much as it saves in so many uses more or less; so nobody pays more than twice what was needed. */
const TABLE_FROM = 64
/** One byte of the scalar each. */
const WINDOWS = SCALAR_BYTES
const WINDOW = 1 << 8

/**
 * rows[i] = j·2^(8i)·P for j = 1 … 128, affine: digits from −127 to 128, so a product is 32 additions or subtractions instead of
 * 255 doublings and more. 4,096 additions to make (10 ms in G1, 30 in G2), and 0.6 MB or 1.2.
 */
function windows<P, M extends McPoint>(
  raw: Module,
  { add, sub }: Operations,
  math: Arithmetic<M>,
  create: () => M,
  point: M,
  out: (point: M) => P,
): Multiples<P> {
  const rows: Uint32Array[] = []
  let start = point
  for (let i = 0; i < WINDOWS; i++) {
    // Affine points are added in two thirds of the time.
    math.normalizeVec([start])
    const row = [start]
    for (let j = 2; j <= WINDOW / 2; j++) row.push(math.add(row[j - 2] as M, start))
    start = math.dbl(row[WINDOW / 2 - 1] as M)
    math.normalizeVec(row)
    rows.push(joinWords(row.map(words)))
  }
  const size = words(point).length
  return (scalar) => {
    const total = create()
    const stack = raw.stackSave()
    try {
      // In the module's memory throughout: copying the sum out and back at every addition takes longer.
      const at = raw.sallocCopy(words(total))
      const next = raw.sallocCopy(words(total))
      let carry = 0
      // The order has 255 bits: the last digit takes its carry.
      for (const [i, byte] of scalarToBytes(scalar).entries()) {
        const digit = byte + carry
        carry = digit > WINDOW / 2 ? 1 : 0
        const multiple = carry === 1 ? WINDOW - digit : digit
        if (multiple === 0) continue
        const row = rows[i] as Uint32Array
        raw.copyToHeap32(row.subarray((multiple - 1) * size, multiple * size), next)
        if (carry === 1) sub(at, at, next)
        else add(at, at, next)
      }
      raw.copyFromHeap32(words(total), at)
    } finally {
      raw.stackRestore(stack)
    }
    return out(total)
  }
}

function joinWords(parts: readonly Uint32Array[]): Uint32Array {
  const size = parts[0]?.length ?? 0
  const joined = new Uint32Array(parts.length * size)
  for (const [i, part] of parts.entries()) joined.set(part, i * size)
  return joined
}
