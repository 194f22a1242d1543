/** Keys of users and of authorities, and their fixed layouts: no length in front of points and scalars. @module */
import { fromBase58, toBase58 } from '../../foundation/base/base58.ts'
import { concat, equalBytes, expectLength } from '../../foundation/base/bytes.ts'
import { MixnetError, malformed } from '../../foundation/base/errors.ts'
import { Reader } from '../../foundation/base/reader.ts'
import type { G1, G2 } from '../../foundation/crypto/bls.ts'
import { SCALAR_BYTES, type Scalar, scalarFromBytes, scalarToBytes } from '../../foundation/crypto/blsScalar.ts'
import { pointOpener } from './codec.ts'
import { ATTRIBUTES, G1_BYTES, G2_BYTES, MAX_ATTRIBUTES } from './constants.ts'
import { hashScalar, plus, type Scheme } from './scheme.ts'
import { SecretScalar } from './secretScalar.ts'

/** Of a user: sk, and pk = sk·g1, which a double spend reveals. */
export interface UserKey {
  readonly secret: SecretScalar
  readonly public: G1
}

/** Of an authority: x and y_0 … y_{q−1}. */
export interface AuthorityKey {
  readonly x: SecretScalar
  readonly y: readonly SecretScalar[]
}

/** α = x·g2, β1_i = y_i·g1, β2_i = y_i·g2: of one authority, or the master key of all of them. */
export interface VerificationKey {
  readonly alpha: G2
  readonly beta1: readonly G1[]
  readonly beta2: readonly G2[]
}

const COUNT_BYTES = 8

/** `secret` in [1, r): zero would make every double spend anonymous. */
export function userKey(scheme: Scheme, secret: Scalar): UserKey {
  if (secret === 0n) throw new MixnetError('BAD_ARGUMENT', { argument: 'secret' })
  return { secret: new SecretScalar(secret), public: scheme.bls.g1.multiplySecret(secret, scheme.g1) }
}

/** The same key for the same seed, for clients that derive it from their own identifier. */
export function userKeyFromSeed(scheme: Scheme, seed: Uint8Array): UserKey {
  return userKey(scheme, hashScalar(scheme, seed))
}

/** sk ‖ pk, 80 bytes. */
export function encodeUserKey(scheme: Scheme, key: UserKey): Uint8Array {
  return concat(scalarToBytes(key.secret.expose()), scheme.bls.g1.encode(key.public))
}

/** Throws MALFORMED, also where the public key is not that of the secret one. */
export function decodeUserKey(scheme: Scheme, bytes: Uint8Array): UserKey {
  expectLength(bytes, SCALAR_BYTES + G1_BYTES, 'user key')
  const secret = scalarFromBytes(bytes.subarray(0, SCALAR_BYTES))
  if (secret === undefined || secret === 0n) throw malformed('user key', 'secret: not in [1, r)')
  const key = userKey(scheme, secret)
  if (!equalBytes(scheme.bls.g1.encode(key.public), bytes.subarray(SCALAR_BYTES))) {
    throw malformed('user key', 'the public key is of another secret one')
  }
  return key
}

export function decodeUserPublicKey(scheme: Scheme, bytes: Uint8Array): G1 {
  return pointOpener(scheme, 'user public key').g1(bytes, 'pk')
}

export function verificationKeyOf(scheme: Scheme, key: AuthorityKey): VerificationKey {
  const { g1, g2 } = scheme.bls
  const y = key.y.map((one) => one.expose())
  return {
    alpha: g2.multiplySecret(key.x.expose(), scheme.g2),
    beta1: y.map((one) => g1.multiplySecret(one, scheme.g1)),
    beta2: y.map((one) => g2.multiplySecret(one, scheme.g2)),
  }
}

/** x ‖ q (u64, little-endian) ‖ y_0 …: 168 bytes for q = 4. */
export function encodeAuthorityKey(key: AuthorityKey): Uint8Array {
  return concat(
    scalarToBytes(key.x.expose()),
    u64LittleEndian(key.y.length),
    ...key.y.map((one) => scalarToBytes(one.expose())),
  )
}

export function decodeAuthorityKey(bytes: Uint8Array): AuthorityKey {
  const reader = new Reader(bytes, 'authority secret key')
  const scalar = (field: string): SecretScalar => {
    const value = scalarFromBytes(reader.bytes(SCALAR_BYTES, field))
    return new SecretScalar(value ?? reader.refuse(field, 'not below the group order'))
  }
  const x = scalar('x')
  const count = readCount(reader, 'q')
  const y = Array.from({ length: count }, (_, i) => scalar(`y[${i}]`))
  reader.expectEnd()
  return { x, y }
}

/** α ‖ q (u64, little-endian) ‖ β1_0 … ‖ β2_0 …: 680 bytes for q = 4. */
export function encodeVerificationKey(scheme: Scheme, key: VerificationKey): Uint8Array {
  const { g1, g2 } = scheme.bls
  return concat(
    g2.encode(key.alpha),
    u64LittleEndian(key.beta1.length),
    ...key.beta1.map((point) => g1.encode(point)),
    ...key.beta2.map((point) => g2.encode(point)),
  )
}

/** Throws MALFORMED. That β1 and β2 belong together is another question: `keyIsConsistent`. */
export function decodeVerificationKey(scheme: Scheme, bytes: Uint8Array): VerificationKey {
  const reader = new Reader(bytes, 'verification key')
  const alpha = reader.bytes(G2_BYTES, 'alpha')
  const count = readCount(reader, 'q')
  const beta1 = Array.from({ length: count }, (_, i) => reader.bytes(G1_BYTES, `beta1[${i}]`))
  const beta2 = Array.from({ length: count }, (_, i) => reader.bytes(G2_BYTES, `beta2[${i}]`))
  reader.expectEnd()
  const open = pointOpener(scheme, 'verification key')
  return {
    alpha: open.g2(alpha, 'alpha'),
    beta1: beta1.map((one) => open.g1(one, 'beta1')),
    beta2: beta2.map((one) => open.g2(one, 'beta2')),
  }
}

/** As it stands on the ledger. */
export const formatVerificationKey = (scheme: Scheme, key: VerificationKey): string =>
  toBase58(encodeVerificationKey(scheme, key))

export const parseVerificationKey = (scheme: Scheme, text: string): VerificationKey =>
  decodeVerificationKey(scheme, fromBase58(text, 'verification key'))

/**
 * Whether e(β1_i, g2) = e(g1, β2_i) for every i, as one product under weights ρ_i, and no part is zero. Clients unblind with β1
 * and verify with β2: an authority whose halves differ gives out signatures that only some can use.
 */
export function keyIsConsistent(scheme: Scheme, key: VerificationKey, weight: () => Scalar): boolean {
  const { bls, g1, g2 } = scheme
  if (key.beta1.length !== key.beta2.length || key.beta1.length < ATTRIBUTES) return false
  if (bls.g2.isZero(key.alpha) || key.beta2.some(bls.g2.isZero)) return false
  const rho = key.beta1.map(weight)
  // e(Σ ρ_i·β1_i, g2) · e(−g1, Σ ρ_i·β2_i) = 1
  return bls.pairingsCancel([
    [bls.g1.sum(key.beta1.map((point, i) => [rho[i] as Scalar, point])), g2],
    [bls.g1.negate(g1), bls.g2.sum(key.beta2.map((point, i) => [rho[i] as Scalar, point]))],
  ])
}

/** A component that must be there: who decoded a key of fewer than four attributes finds out here. */
export function component<P>(points: readonly P[], i: number): P {
  const point = points[i]
  if (point === undefined) throw new MixnetError('BAD_ARGUMENT', { argument: 'key', components: points.length })
  return point
}

/** α + Σ m_i·β2_i: what a signature on attributes m is paired with. */
export function messageKey(scheme: Scheme, key: VerificationKey, ...attributes: readonly Scalar[]): G2 {
  return plus(scheme.bls.g2, key.alpha, scheme.bls.g2.sum(attributes.map((m, i) => [m, component(key.beta2, i)])))
}

/** The word size of 64-bit hosts is normative. */
export function u64LittleEndian(value: number): Uint8Array {
  const bytes = new Uint8Array(COUNT_BYTES)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true)
  return bytes
}

function readCount(reader: Reader, field: string): number {
  const bytes = reader.bytes(COUNT_BYTES, field)
  const count = new DataView(bytes.buffer, bytes.byteOffset, COUNT_BYTES).getBigUint64(0, true)
  if (count < 1n || count > BigInt(MAX_ATTRIBUTES)) reader.refuse(field, `not in 1 to ${MAX_ATTRIBUTES}`)
  return Number(count)
}
