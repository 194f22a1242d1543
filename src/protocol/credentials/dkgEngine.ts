/**
 * What generating a key together asks of this room, in bytes and promises, like `CredentialEngine`: a process may keep it in a
 * thread of its own. Layouts: docs/spec/dkg.md. Every method rejects with MALFORMED or BAD_ARGUMENT where its caller is wrong; what
 * others sent is judged by methods that answer true or false. @module
 */
import { isMixnetError, MixnetError, tryDecode } from '../../foundation/base/errors.ts'
import type { G1 } from '../../foundation/crypto/bls.ts'
import { modOrder, type Scalar } from '../../foundation/crypto/blsScalar.ts'
import {
  combineCommitments,
  decodeFeldman,
  decodePedersen,
  encodeFeldman,
  encodePedersen,
  type FeldmanCommitment,
  feldmanCommitment,
  feldmanIsConsistent,
  feldmanShareHolds,
  hidingGenerator,
  keyAt,
  pedersenCommitment,
  pedersenShareHolds,
} from './dkgCommitments.ts'
import {
  DKG_ROWS,
  decodePolynomials,
  decodeShare,
  drawPolynomials,
  encodePolynomials,
  encodeShare,
  PLAIN_SHARE_BYTES,
  polynomialThrough,
  shareAt,
} from './dkgPolynomials.ts'
import { drawFrom, type RandomBytes, weightsFrom } from './draw.ts'
import {
  decodeAuthorityKey,
  encodeAuthorityKey,
  encodeVerificationKey,
  keyIsConsistent,
  verificationKeyOf,
} from './keys.ts'
import type { Scheme } from './scheme.ts'
import { SecretScalar } from './secretScalar.ts'
import { lagrangeAtZero } from './threshold.ts'

/**
 * `pedersen`: of 240·t bytes, with shares of 320. `feldman`: of 680·t bytes, with shares of 160, which are the first half of a
 * share of the other kind.
 */
export type CommitmentKind = 'pedersen' | 'feldman'

/** What one dealer contributes: a commitment, or the share it gave. */
export interface Contribution {
  readonly dealer: number
  readonly bytes: Uint8Array
}

/** `sum`: a new key, the sum of all parts. `interpolate`: the parts are shares of an old key, and λ_i their weights. */
export type Combination = 'sum' | 'interpolate'

export interface DkgEngine {
  /** Polynomials of degree threshold−1, 320·threshold bytes; through `secretKey` (168 bytes) at 0 where given. Secret. */
  draw(threshold: number, secretKey?: Uint8Array): Promise<Uint8Array>
  commit(kind: CommitmentKind, polynomials: Uint8Array): Promise<Uint8Array>
  /** For these indices, in their order. Secret. */
  shares(kind: CommitmentKind, polynomials: Uint8Array, indices: readonly number[]): Promise<readonly Uint8Array[]>
  /**
   * Whether it is a commitment to polynomials of degree threshold−1 at all, and (Feldman) its halves belong together. `constant`: the
   * verification key, 680 bytes, that it must have at 0.
   */
  commitmentHolds(
    kind: CommitmentKind,
    threshold: number,
    commitment: Uint8Array,
    constant?: Uint8Array,
  ): Promise<boolean>
  /** Whether it is the share at `index` of what `commitment` says, which `commitmentHolds` of. */
  shareHolds(
    kind: CommitmentKind,
    threshold: number,
    commitment: Uint8Array,
    index: number,
    share: Uint8Array,
  ): Promise<boolean>
  /** The Feldman commitment of a dealer that will not give it, of `threshold` shares that hold. */
  reconstruct(
    threshold: number,
    shares: readonly { readonly index: number; readonly share: Uint8Array }[],
  ): Promise<Uint8Array>
  /** The master key and the keys at `indices`, 680 bytes each, of Feldman commitments. */
  combine(
    how: Combination,
    threshold: number,
    commitments: readonly Contribution[],
    indices: readonly number[],
  ): Promise<{ readonly masterKey: Uint8Array; readonly keys: readonly Uint8Array[] }>
  /** The secret key, 168 bytes, that the shares of all dealers make, and its verification key. */
  combineShares(
    how: Combination,
    shares: readonly Contribution[],
  ): Promise<{ readonly secretKey: Uint8Array; readonly key: Uint8Array }>
}

export class LocalDkgEngine implements DkgEngine {
  readonly #scheme: Scheme
  readonly #random: RandomBytes
  readonly #h: G1

  constructor(scheme: Scheme, random: RandomBytes) {
    this.#scheme = scheme
    this.#random = random
    this.#h = hidingGenerator(scheme)
  }

  async draw(threshold: number, secretKey?: Uint8Array): Promise<Uint8Array> {
    const constants = secretKey && decodeAuthorityKey(secretKey)
    return encodePolynomials(drawPolynomials(threshold, drawFrom(this.#random), constants))
  }

  async commit(kind: CommitmentKind, polynomials: Uint8Array): Promise<Uint8Array> {
    const scheme = this.#scheme
    const decoded = decodePolynomials(polynomials)
    return kind === 'pedersen'
      ? encodePedersen(scheme, pedersenCommitment(scheme, this.#h, decoded))
      : encodeFeldman(scheme, feldmanCommitment(scheme, decoded))
  }

  async shares(
    kind: CommitmentKind,
    polynomials: Uint8Array,
    indices: readonly number[],
  ): Promise<readonly Uint8Array[]> {
    const decoded = decodePolynomials(polynomials)
    return indices.map((index) => {
      const { values, hiding } = shareAt(decoded, index)
      return encodeShare({ values, hiding: kind === 'pedersen' ? hiding : [] })
    })
  }

  async commitmentHolds(
    kind: CommitmentKind,
    threshold: number,
    commitment: Uint8Array,
    constant?: Uint8Array,
  ): Promise<boolean> {
    const scheme = this.#scheme
    if (kind === 'pedersen') return !isMixnetError(tryDecode(() => decodePedersen(scheme, commitment, threshold)))
    const decoded = tryDecode(() => decodeFeldman(scheme, commitment, threshold))
    if (isMixnetError(decoded)) return false
    const [first] = decoded
    if (constant !== undefined) {
      const own = first && encodeVerificationKey(scheme, first)
      if (own?.length !== constant.length || own.some((byte, i) => byte !== constant[i])) return false
    }
    return feldmanIsConsistent(scheme, decoded, weightsFrom(this.#random))
  }

  async shareHolds(
    kind: CommitmentKind,
    threshold: number,
    commitment: Uint8Array,
    index: number,
    share: Uint8Array,
  ): Promise<boolean> {
    const scheme = this.#scheme
    const weight = weightsFrom(this.#random)
    const decoded = tryDecode(() => decodeShare(share, kind === 'pedersen'))
    if (isMixnetError(decoded)) return false
    return kind === 'pedersen'
      ? pedersenShareHolds(scheme, this.#h, decodePedersen(scheme, commitment, threshold), index, decoded, weight)
      : feldmanShareHolds(scheme, decodeFeldman(scheme, commitment, threshold), index, decoded, weight)
  }

  async reconstruct(
    threshold: number,
    shares: readonly { readonly index: number; readonly share: Uint8Array }[],
  ): Promise<Uint8Array> {
    if (shares.length !== threshold) throw new MixnetError('BAD_ARGUMENT', { argument: 'shares', count: shares.length })
    const scheme = this.#scheme
    const points = shares.map(({ index, share }) => ({
      index,
      values: decodeShare(share.subarray(0, PLAIN_SHARE_BYTES), false).values,
    }))
    const rows = Array.from({ length: DKG_ROWS }, (_, c) =>
      polynomialThrough(points.map(({ index, values }) => ({ index, value: values[c] ?? 0n }))),
    )
    return encodeFeldman(scheme, feldmanCommitment(scheme, { rows }))
  }

  async combine(
    how: Combination,
    threshold: number,
    commitments: readonly Contribution[],
    indices: readonly number[],
  ): Promise<{ readonly masterKey: Uint8Array; readonly keys: readonly Uint8Array[] }> {
    const scheme = this.#scheme
    const decoded = commitments.map(({ bytes }): FeldmanCommitment => decodeFeldman(scheme, bytes, threshold))
    const combined = combineCommitments(scheme, decoded, weightsOf(how, commitments))
    const master = keyAt(scheme, combined, 0)
    // One product of pairings more than the checks of each part, and nobody signs under halves that do not fit.
    if (!keyIsConsistent(scheme, master, weightsFrom(this.#random))) {
      throw new MixnetError('BAD_ARGUMENT', { argument: 'commitments', why: 'they make no key' })
    }
    const at = (index: number): Uint8Array => encodeVerificationKey(scheme, keyAt(scheme, combined, index))
    return { masterKey: encodeVerificationKey(scheme, master), keys: indices.map(at) }
  }

  async combineShares(
    how: Combination,
    shares: readonly Contribution[],
  ): Promise<{ readonly secretKey: Uint8Array; readonly key: Uint8Array }> {
    const weights = weightsOf(how, shares)
    const values = shares.map(({ bytes }) => decodeShare(bytes.subarray(0, PLAIN_SHARE_BYTES), false).values)
    const sum = (c: number): SecretScalar =>
      new SecretScalar(modOrder(values.reduce((total, one, i) => total + (weights[i] ?? 0n) * (one[c] ?? 0n), 0n)))
    const secret = { x: sum(0), y: Array.from({ length: DKG_ROWS - 1 }, (_, c) => sum(1 + c)) }
    return {
      secretKey: encodeAuthorityKey(secret),
      key: encodeVerificationKey(this.#scheme, verificationKeyOf(this.#scheme, secret)),
    }
  }
}

function weightsOf(how: Combination, contributions: readonly Contribution[]): Scalar[] {
  return how === 'sum' ? contributions.map(() => 1n) : lagrangeAtZero(contributions.map(({ dealer }) => dealer))
}
