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
import { type Scalar, scalarToBytes } from './blsScalar.ts'

/** Compiles the WebAssembly at the first call; what it resolves to is synchronous. */
export function loadMclBls(): Promise<Bls> {
  loading ??= load()
  return loading
}

let loading: Promise<Bls> | undefined

/** The package's stack is 1 MiB; this many points of G2 and their scalars take a hundredth of it. */
const AT_ONCE = 32
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
}

type Operation = (result: number, left: number, right: number) => void

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
      { mulCT: raw._mclBnG1_mulCT, add: raw._mclBnG1_add },
      () => new mcl.G1(),
      48,
      G1_GENERATOR,
      outG1,
      inG1,
    ),
    g2: group<G2, mcl.G2>(
      raw,
      { mulCT: raw._mclBnG2_mulCT, add: raw._mclBnG2_add },
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
      for (let i = 0; i < finite.length; i += AT_ONCE) {
        const loops = millerLoops(raw, finite.slice(i, i + AT_ONCE))
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
  { mulCT, add }: { readonly mulCT: Operation; readonly add: Operation },
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
        mulCT(at, raw.sallocCopy(words(into(point))), raw.sallocCopy(words(toFr(scalar))))
        raw.copyFromHeap32(words(product), at)
      } finally {
        raw.stackRestore(stack)
      }
      return out(product)
    },
    sum(terms) {
      let total = zero
      for (let i = 0; i < terms.length; i += AT_ONCE) total = math.add(total, sumOf(terms.slice(i, i + AT_ONCE)))
      return out(total)
    },
    table: (point) => windows(raw, add, math, zero, into(point), out),
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

const WINDOW_BITS = 5
const WINDOW = 1 << WINDOW_BITS
const WINDOWS = Math.ceil(255 / WINDOW_BITS)

/** tables[i][j] = j·2^(5i)·P: 51 additions a product instead of 255 doublings and more; 1,581 additions and 0.5 MB at most to make. */
function windows<P, M extends McPoint>(
  raw: Module,
  add: Operation,
  math: Arithmetic<M>,
  zero: M,
  point: M,
  out: (point: M) => P,
): Multiples<P> {
  const tables: M[][] = []
  let start = point
  for (let i = 0; i < WINDOWS; i++) {
    const row = [zero, start]
    for (let j = 2; j < WINDOW; j++) row.push(math.add(row[j - 1] as M, start))
    tables.push(row)
    start = math.add(row[WINDOW - 1] as M, start)
  }
  // Affine points are added in two thirds of the time.
  for (const row of tables) math.normalizeVec(row)
  return (scalar) => {
    const total = math.neg(zero)
    const stack = raw.stackSave()
    try {
      // In the module's memory throughout: copying the sum out and back at every addition takes longer.
      const at = raw.sallocCopy(words(total))
      const next = raw.sallocCopy(words(zero))
      let rest = scalar
      for (let i = 0; rest > 0n; i++) {
        const digit = Number(rest & BigInt(WINDOW - 1))
        rest >>= BigInt(WINDOW_BITS)
        if (digit === 0) continue
        raw.copyToHeap32(words((tables[i] as M[])[digit] as M), next)
        add(at, at, next)
      }
      raw.copyFromHeap32(words(total), at)
    } finally {
      raw.stackRestore(stack)
    }
    return out(total)
  }
}
