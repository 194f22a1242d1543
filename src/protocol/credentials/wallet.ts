/** From blinded signatures of authorities to a wallet: unblind, verify, aggregate. Format: docs/spec/credentials.md. @module */
import { concat } from '../../foundation/base/bytes.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'
import type { G1, G2 } from '../../foundation/crypto/bls.ts'
import { SCALAR_BYTES, type Scalar, scalarFromBytes, scalarToBytes } from '../../foundation/crypto/blsScalar.ts'
import { pointOpener } from './codec.ts'
import { G1_BYTES, MAX_U8, MAX_U32, TICKETS_PER_BOOK } from './constants.ts'
import { component, messageKey, u64LittleEndian, type VerificationKey } from './keys.ts'
import { plus, type Scheme } from './scheme.ts'
import { SecretScalar } from './secretScalar.ts'
import { isDegenerate, type Signature, signatureHolds } from './signature.ts'
import { interpolate } from './threshold.ts'
import type { BookAttributes, RequestInfo } from './withdrawal.ts'

/** A signature on (sk, v, E, T) under one authority's key. Who has it and sk can spend, once there are t. */
export interface PartialWallet extends BookAttributes {
  readonly signature: Signature
  readonly v: SecretScalar
  /** Of the authority. */
  readonly index: number
}

/** The signature under the master key: what tickets are made of. */
export interface Wallet extends BookAttributes {
  readonly signature: Signature
  readonly v: SecretScalar
}

/** What one authority answered. */
export interface BlindedShare {
  readonly index: number
  readonly key: VerificationKey
  readonly signature: Signature
}

export interface UnblindedShares {
  readonly shares: readonly PartialWallet[]
  /** Indices of the authorities whose signatures do not hold under their own keys, or are on another h. */
  readonly culprits: readonly number[]
}

/**
 * s_i = σ − o_1·β1_0 − o_2·β1_1, and whether e(h, α + sk·β2_0 + v·β2_1 + E·β2_2 + T·β2_3) = e(s_i, g2) for every authority i. All
 * have the same h, so under weights ρ_i, the first being 1, it is one question of two pairings, e(h, Σ ρ_i·X_i)·e(−Σ ρ_i·s_i, g2) = 1;
 * only where its answer is no are they asked one by one, to name the guilty.
 */
export function unblind(
  scheme: Scheme,
  info: RequestInfo,
  sk: SecretScalar,
  answers: readonly BlindedShare[],
  weight: () => Scalar,
): UnblindedShares {
  const { bls, g2 } = scheme
  const culprits: number[] = []
  const candidates: { share: PartialWallet; messageKey: G2 }[] = []
  for (const { index, key, signature } of answers) {
    if (!bls.g1.equal(signature.h, info.h) || bls.g1.isZero(signature.h)) {
      culprits.push(index)
      continue
    }
    const s = unblinded(scheme, info, key, signature.s)
    const { v, expiration, ticketType } = info
    const share = { signature: { h: info.h, s }, v, expiration, ticketType, index }
    candidates.push({ share, messageKey: walletKey(scheme, key, sk, share) })
  }
  const rho = candidates.map((_, i) => (i === 0 ? 1n : weight()))
  const allHold =
    candidates.every(({ share }) => !isDegenerate(scheme, share.signature)) &&
    bls.pairingsCancel([
      [info.h, bls.g2.sum(candidates.map((one, i) => [rho[i] as Scalar, one.messageKey]))],
      [bls.g1.negate(bls.g1.sum(candidates.map(({ share }, i) => [rho[i] as Scalar, share.signature.s]))), g2],
    ])
  if (allHold) return { shares: candidates.map(({ share }) => share), culprits }
  const shares: PartialWallet[] = []
  for (const { share, messageKey: x } of candidates) {
    if (signatureHolds(scheme, share.signature, x)) shares.push(share)
    else culprits.push(share.index)
  }
  return { shares, culprits }
}

function unblinded(scheme: Scheme, info: RequestInfo, key: VerificationKey, sigma: G1): G1 {
  const { g1 } = scheme.bls
  const openings = info.openings.map((o, j): readonly [Scalar, G1] => [o.expose(), component(key.beta1, j)])
  return plus(g1, sigma, g1.negate(g1.sum(openings)))
}

/** X = α + sk·β2_0 + v·β2_1 + E·β2_2 + T·β2_3 */
function walletKey(
  scheme: Scheme,
  key: VerificationKey,
  sk: SecretScalar,
  { v, expiration, ticketType }: BookAttributes & { readonly v: SecretScalar },
): G2 {
  return messageKey(scheme, key, sk.expose(), v.expose(), BigInt(expiration), BigInt(ticketType))
}

/**
 * s = Σ λ_i·s_i, verified under the master key. undefined where it does not hold: fewer shares than the threshold, shares of different
 * requests, or a degenerate one. BAD_ARGUMENT of no shares and of two of one authority.
 */
export function aggregateWallet(
  scheme: Scheme,
  master: VerificationKey,
  sk: SecretScalar,
  shares: readonly PartialWallet[],
): Wallet | undefined {
  const { g1 } = scheme.bls
  const s = interpolate(
    g1,
    shares.map(({ index, signature }) => ({ index, value: signature.s })),
  )
  const { signature, v, expiration, ticketType } = shares[0] as PartialWallet
  if (shares.some((share) => isDegenerate(scheme, share.signature))) return undefined
  const wallet: Wallet = { signature: { h: signature.h, s }, v, expiration, ticketType }
  return walletHolds(scheme, master, sk, wallet) ? wallet : undefined
}

export function walletHolds(scheme: Scheme, master: VerificationKey, sk: SecretScalar, wallet: Wallet): boolean {
  return signatureHolds(scheme, wallet.signature, walletKey(scheme, master, sk, wallet))
}

/** C(h) ‖ C(s) ‖ v ‖ E ‖ T ‖ index (u64, little-endian): 200 bytes, E and T as scalars. Secret. */
export function encodePartialWallet({ bls }: Scheme, wallet: PartialWallet): Uint8Array {
  return concat(
    bls.g1.encode(wallet.signature.h),
    bls.g1.encode(wallet.signature.s),
    scalarToBytes(wallet.v.expose()),
    scalarToBytes(BigInt(wallet.expiration)),
    scalarToBytes(BigInt(wallet.ticketType)),
    u64LittleEndian(wallet.index),
  )
}

export function decodePartialWallet(scheme: Scheme, bytes: Uint8Array): PartialWallet {
  const reader = new Reader(bytes, 'partial wallet')
  const h = reader.bytes(G1_BYTES, 'h')
  const s = reader.bytes(G1_BYTES, 's')
  const v = readSecret(reader, 'v')
  const small = (max: number, field: string): number => {
    const scalar = scalarFromBytes(reader.bytes(SCALAR_BYTES, field))
    return scalar !== undefined && scalar <= BigInt(max) ? Number(scalar) : reader.refuse(field, `above ${max}`)
  }
  const expiration = small(MAX_U32, 'expiration')
  const ticketType = small(MAX_U8, 'ticket type')
  const at = reader.bytes(8, 'index')
  const index = new DataView(at.buffer, at.byteOffset, 8).getBigUint64(0, true)
  if (index < 1n || index > BigInt(Number.MAX_SAFE_INTEGER)) reader.refuse('index', 'out of range')
  reader.expectEnd()
  const open = pointOpener(scheme, 'partial wallet')
  return { signature: { h: open.g1(h, 'h'), s: open.g1(s, 's') }, v, expiration, ticketType, index: Number(index) }
}

/** C(h) ‖ C(s) ‖ v ‖ E (u32) ‖ T (u8): 133 bytes. Secret. */
export function encodeWallet({ bls }: Scheme, wallet: Wallet): Uint8Array {
  return writeWallet(bls.g1.encode, wallet).finish()
}

export function decodeWallet(scheme: Scheme, bytes: Uint8Array): Wallet {
  const reader = new Reader(bytes, 'wallet')
  const wallet = readWallet(reader)
  reader.expectEnd()
  return wallet(scheme)
}

/** A wallet with how many of its tickets are spent: 141 bytes. Secret. */
export function encodeWalletInUse({ bls }: Scheme, wallet: Wallet, spent: number): Uint8Array {
  return writeWallet(bls.g1.encode, wallet).u64(BigInt(spent)).finish()
}

export function decodeWalletInUse(scheme: Scheme, bytes: Uint8Array): { wallet: Wallet; spent: number } {
  const reader = new Reader(bytes, 'wallet')
  const wallet = readWallet(reader)
  const spent = reader.u64('spent')
  if (spent > BigInt(TICKETS_PER_BOOK)) reader.refuse('spent', `above ${TICKETS_PER_BOOK}`)
  reader.expectEnd()
  return { wallet: wallet(scheme), spent: Number(spent) }
}

function writeWallet(encode: (point: G1) => Uint8Array, wallet: Wallet): Writer {
  return new Writer()
    .bytes(encode(wallet.signature.h))
    .bytes(encode(wallet.signature.s))
    .bytes(scalarToBytes(wallet.v.expose()))
    .u32(wallet.expiration)
    .u8(wallet.ticketType)
}

/** Reads; points are opened by what it returns, when the rest was seen to be there. */
function readWallet(reader: Reader): (scheme: Scheme) => Wallet {
  const h = reader.bytes(G1_BYTES, 'h')
  const s = reader.bytes(G1_BYTES, 's')
  const v = readSecret(reader, 'v')
  const expiration = reader.u32('expiration')
  const ticketType = reader.u8('ticket type')
  return (scheme) => {
    const open = pointOpener(scheme, 'wallet')
    return { signature: { h: open.g1(h, 'h'), s: open.g1(s, 's') }, v, expiration, ticketType }
  }
}

function readSecret(reader: Reader, field: string): SecretScalar {
  const scalar = scalarFromBytes(reader.bytes(SCALAR_BYTES, field))
  return new SecretScalar(scalar ?? reader.refuse(field, 'not below the group order'))
}
