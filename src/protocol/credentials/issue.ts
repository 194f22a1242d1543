/** What an authority does with a withdrawal request: checks it, and signs what it cannot see. @module */
import type { G1 } from '../../foundation/crypto/bls.ts'
import { modOrder } from '../../foundation/crypto/blsScalar.ts'
import { type AuthorityKey, component, type VerificationKey } from './keys.ts'
import { plus, type Scheme } from './scheme.ts'
import type { Signature } from './signature.ts'
import { attributeBase, type BookAttributes, type WithdrawalRequest } from './withdrawal.ts'
import { withdrawalProofHolds } from './withdrawalProof.ts'

export type RequestFault = 'identity' | 'base' | 'proof'

export type Issued =
  | { readonly kind: 'issued'; readonly signature: Signature }
  | { readonly kind: 'refused'; readonly reason: RequestFault }

/** What is wrong with a request, if anything: h or pk zero, h not of these attributes, or a proof that does not hold. */
export function requestFault(
  scheme: Scheme,
  request: WithdrawalRequest,
  publicKey: G1,
  attributes: BookAttributes,
): RequestFault | undefined {
  const { isZero, equal } = scheme.bls.g1
  // A public key that is zero would be what its double spends reveal. No official client has one.
  if (isZero(request.h) || isZero(publicKey)) return 'identity'
  if (!equal(request.h, attributeBase(scheme, request.com, attributes))) return 'base'
  const { h, com, commitments, proof } = request
  return withdrawalProofHolds(scheme, { com, h, commitments, publicKey }, proof) ? undefined : 'proof'
}

/** σ = y_0·com_1 + y_1·com_2 + (x + y_2·E + y_3·T)·h, for a request without fault. */
export function issue(
  scheme: Scheme,
  key: AuthorityKey,
  request: WithdrawalRequest,
  publicKey: G1,
  attributes: BookAttributes,
): Issued {
  const reason = requestFault(scheme, request, publicKey, attributes)
  if (reason !== undefined) return { kind: 'refused', reason }
  const { g1 } = scheme.bls
  const { h, commitments } = request
  const y = (i: number): bigint => component(key.y, i).expose()
  const known = modOrder(key.x.expose() + y(2) * BigInt(attributes.expiration) + y(3) * BigInt(attributes.ticketType))
  // The requester chose the points: only here does a stranger time long-lived keys.
  const s = plus(
    g1,
    g1.multiplySecret(y(0), component(commitments, 0)),
    g1.multiplySecret(y(1), component(commitments, 1)),
    g1.multiplySecret(known, h),
  )
  return { kind: 'issued', signature: { h, s } }
}

/**
 * Whether a blinded signature is what `key` gives for these commitments, for auditors, who cannot unblind:
 *   e(−σ, g2) · e(h, α) · e(com_1, β2_0) · e(com_2, β2_1) · e(E·h, β2_2) · e(T·h, β2_3) = 1,  h not zero.
 */
export function issuedSignatureHolds(
  scheme: Scheme,
  key: VerificationKey,
  { h, s }: Signature,
  commitments: readonly G1[],
  { expiration, ticketType }: BookAttributes,
): boolean {
  const { bls, g2 } = scheme
  const [com1, com2, ...noMore] = commitments
  if (com1 === undefined || com2 === undefined || noMore.length > 0 || bls.g1.isZero(h)) return false
  return bls.pairingsCancel([
    [bls.g1.negate(s), g2],
    [h, key.alpha],
    [com1, component(key.beta2, 0)],
    [com2, component(key.beta2, 1)],
    [bls.g1.multiply(BigInt(expiration), h), component(key.beta2, 2)],
    [bls.g1.multiply(BigInt(ticketType), h), component(key.beta2, 3)],
  ])
}
