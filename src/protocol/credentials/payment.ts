/** A payment of n tickets, and its binary form. Format: docs/spec/credentials.md. @module */
import { concat } from '../../foundation/base/bytes.ts'
import type { G1, G2 } from '../../foundation/crypto/bls.ts'
import type { Scalar } from '../../foundation/crypto/blsScalar.ts'
import { CodecReader, CodecWriter, pointOpener, type Raw } from './codec.ts'
import { TICKETS_PER_BOOK } from './constants.ts'
import type { Scheme } from './scheme.ts'
import type { Signature } from './signature.ts'

/** The responses of the proof, named as in the equations of spendProof.ts. */
export interface SpendProof {
  readonly challenge: Scalar
  readonly r: Scalar
  readonly rE: Scalar
  /** One a ticket ties κ_k to the index in A_k. Official clients before 1.22 leave it empty. */
  readonly rK: readonly Scalar[]
  readonly l: readonly Scalar[]
  readonly oA: readonly Scalar[]
  readonly oC: Scalar
  readonly mu: readonly Scalar[]
  readonly oMu: readonly Scalar[]
  /** z_sk, z_v, z_E */
  readonly attributes: readonly Scalar[]
}

export interface Payment {
  readonly kappa: G2
  readonly kappaE: G2
  /** The wallet's signature, rerandomised; the date's; each coin's. */
  readonly signature: Signature
  readonly dateSignature: Signature
  readonly kappaK: readonly G2[]
  readonly omega: readonly Signature[]
  /** S_k: a coin has one for life. */
  readonly serialNumbers: readonly G1[]
  /** T_k: two of one coin give its owner away. */
  readonly tags: readonly G1[]
  /** A_k */
  readonly commitments: readonly G1[]
  /** n */
  readonly tickets: number
  /** C */
  readonly c: G1
  readonly ticketType: number
  readonly proof: SpendProof
}

/** Of one ticket, with its index bound and without. */
export const PAYMENT_BYTES = 1190
export const UNBOUND_PAYMENT_BYTES = 1157

/** κ, κ_e, σ, σ_e, [κ_k], [ω], [S], [T], [A], n, C, type, proof. */
export function encodePayment(scheme: Scheme, payment: Payment): Uint8Array {
  const { proof } = payment
  const writer = new CodecWriter(scheme, PAYMENT_BYTES)
    .g2(payment.kappa)
    .g2(payment.kappaE)
    .g1(payment.signature.h, payment.signature.s)
    .g1(payment.dateSignature.h, payment.dateSignature.s)
    .g2List(payment.kappaK)
  writer.list(payment.omega, ({ h, s }) => writer.g1(h, s))
  return writer
    .g1List(payment.serialNumbers)
    .g1List(payment.tags)
    .g1List(payment.commitments)
    .u64(payment.tickets)
    .g1(payment.c)
    .u8(payment.ticketType)
    .scalar(proof.challenge, proof.r, proof.rE)
    .scalarList(proof.rK)
    .scalarList(proof.l)
    .scalarList(proof.oA)
    .scalar(proof.oC)
    .scalarList(proof.mu)
    .scalarList(proof.oMu)
    .scalarList(proof.attributes)
    .finish()
}

/**
 * Throws MALFORMED. Lists of wrong lengths decode: judging them is the verifier's. `maxTickets` bounds them, and with them the
 * time a stranger's bytes take, some 5 ms a ticket; gateways take one ticket a payment and pass 1.
 */
export function decodePayment(scheme: Scheme, bytes: Uint8Array, maxTickets: number = TICKETS_PER_BOOK): Payment {
  const what = 'payment'
  // Some room for lists that are too long, so that the verifier says what is wrong with them.
  const most = maxTickets + 3
  const reader = new CodecReader(bytes, what)
  const signature = (field: string): { h: Raw; s: Raw } => ({ h: reader.g1(`${field}.h`), s: reader.g1(`${field}.s`) })
  const points = (field: string): Raw[] => reader.list(most, field, (one) => reader.g1(one))
  const scalars = (field: string): Scalar[] => reader.list(most, field, (one) => reader.scalar(one))

  const kappa = reader.g2('kappa')
  const kappaE = reader.g2('kappaE')
  const wallet = signature('signature')
  const date = signature('dateSignature')
  const kappaK = reader.list(most, 'kappaK', (field) => reader.g2(field))
  const omega = reader.list(most, 'omega', signature)
  const serialNumbers = points('serialNumbers')
  const tags = points('tags')
  const commitments = points('commitments')
  const tickets = reader.upTo(most, 'tickets')
  const c = reader.g1('c')
  const ticketType = reader.u8('ticketType')
  const proof: SpendProof = {
    challenge: reader.scalar('challenge'),
    r: reader.scalar('r'),
    rE: reader.scalar('rE'),
    rK: scalars('rK'),
    l: scalars('l'),
    oA: scalars('oA'),
    oC: reader.scalar('oC'),
    mu: scalars('mu'),
    oMu: scalars('oMu'),
    attributes: scalars('attributes'),
  }
  reader.expectEnd()

  const open = pointOpener(scheme, what)
  const opened = ({ h, s }: { h: Raw; s: Raw }, field: string): Signature => ({
    h: open.g1(h, `${field}.h`),
    s: open.g1(s, `${field}.s`),
  })
  return {
    kappa: open.g2(kappa, 'kappa'),
    kappaE: open.g2(kappaE, 'kappaE'),
    signature: opened(wallet, 'signature'),
    dateSignature: opened(date, 'dateSignature'),
    kappaK: kappaK.map((one) => open.g2(one, 'kappaK')),
    omega: omega.map((one) => opened(one, 'omega')),
    serialNumbers: serialNumbers.map((one) => open.g1(one, 'serialNumbers')),
    tags: tags.map((one) => open.g1(one, 'tags')),
    commitments: commitments.map((one) => open.g1(one, 'commitments')),
    tickets,
    c: open.g1(c, 'c'),
    ticketType,
    proof,
  }
}

/** C(S_0) ‖ C(S_1) …: what is stored and looked up. Base58 where it is text. */
export function encodeSerialNumbers({ bls }: Scheme, payment: Payment): Uint8Array {
  return concat(...payment.serialNumbers.map(bls.g1.encode))
}

/** Whether the proof ties every coin's index to a signed one, so that the book cannot hold more than it was sold for. */
export const bindsIndices = ({ proof, tickets }: Payment): boolean => proof.rK.length === tickets
