/**
 * What a role or a client asks of this room, in bytes and promises: whoever fills it in may live in a thread of its own, so that
 * proofs never hold up packets. Points and scalars stay behind it; layouts are those of docs/spec/credentials.md, 8.4.
 *
 * Every method rejects with MALFORMED where the bytes are not what they should be, and with BAD_ARGUMENT where they do not fit
 * together. Faults of others that a caller must tell apart are values. @module
 */
import type { RequestFault } from './issue.ts'
import type { PaymentFault, Strictness } from './verify.ts'
import type { BookAttributes } from './withdrawal.ts'

export interface KeyShare {
  /** Of the authority, from 1. */
  readonly index: number
  /** Its verification key, 680 bytes. */
  readonly key: Uint8Array
}

/** What one authority answered to a request for a book: h and σ, 96 bytes. */
export interface IssuedShare extends KeyShare {
  readonly signature: Uint8Array
}

/** One authority's signatures on days or on indices, 96 bytes each, one behind the other. */
export interface ListPart extends KeyShare {
  readonly signatures: Uint8Array
}

/** What a public list is about. */
export type ListTopic =
  /** The seven days of the books that expire then: unix seconds of a midnight. */
  { readonly kind: 'dates'; readonly expiration: number } | { readonly kind: 'coins' }

export type AggregatedList =
  | { readonly kind: 'aggregated'; readonly signatures: Uint8Array }
  /** Empty where every part holds and yet they are too few, or of different keys. */
  | { readonly kind: 'refused'; readonly culprits: readonly number[] }

export type OpenedBook =
  /** The book, unspent, and the authorities whose answers were wrong and not needed. */
  | { readonly kind: 'opened'; readonly book: Uint8Array; readonly culprits: readonly number[] }
  | { readonly kind: 'too-few'; readonly culprits: readonly number[] }

export type IssueResult =
  | { readonly kind: 'issued'; readonly signature: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: RequestFault }

/** A payment as a gateway or an issuer received it. */
export interface PaymentClaim {
  readonly payment: Uint8Array
  /** 72 bytes. */
  readonly payInfo: Uint8Array
  /** d: midnight, unix seconds. */
  readonly day: number
}

export type PaymentVerdict =
  | {
      readonly kind: 'good'
      /** C(S): 48 bytes, the same whenever that ticket is spent. */
      readonly serialNumber: Uint8Array
      /** Code of the type; TICKET_BANDWIDTH_BYTES says what it is worth. */
      readonly ticketType: number
    }
  /** `malformed`: no payment at all. `tickets`: of more than one, which nobody takes. */
  | { readonly kind: 'bad'; readonly fault: PaymentFault | 'malformed' | 'tickets' }

export type ComparedPayments =
  | { readonly kind: 'unrelated' }
  | { readonly kind: 'replay' }
  /** 48 bytes: who spent one ticket twice. */
  | { readonly kind: 'double-spend'; readonly publicKey: Uint8Array }

export interface SpendOrder {
  /** Master key of the book's epoch, 680 bytes. */
  readonly masterKey: Uint8Array
  /** As `openBook` gave it. Secret. */
  readonly book: Uint8Array
  /** Which of its tickets, from 0. Spending one twice gives the user away. */
  readonly ticket: number
  readonly payInfo: Uint8Array
  readonly day: number
  /** Aggregated: seven of the book's expiration date, fifty of the epoch. */
  readonly dateSignatures: Uint8Array
  readonly coinSignatures: Uint8Array
}

/** For users. */
export interface UserEngine {
  /** sk ‖ pk of a seed of 32 bytes, 80 bytes. Secret. */
  userKey(seed: Uint8Array): Promise<Uint8Array>
  /** `request`: 397 bytes. `info`: secret, to be stored before the request is first sent. `publicKey`: 48 bytes. */
  requestBook(
    userKey: Uint8Array,
    attributes: BookAttributes,
  ): Promise<{ readonly request: Uint8Array; readonly info: Uint8Array; readonly publicKey: Uint8Array }>
  /** Checks every answer, and makes a book of the good ones if there are `threshold` of them. */
  openBook(order: {
    readonly userKey: Uint8Array
    readonly info: Uint8Array
    readonly epochId: bigint
    readonly threshold: number
    readonly masterKey: Uint8Array
    readonly answers: readonly IssuedShare[]
  }): Promise<OpenedBook>
  /** One ticket, 1190 bytes. TICKETS_SPENT, OUTSIDE_VALIDITY. */
  spend(order: SpendOrder): Promise<Uint8Array>
}

/** For authorities. `secretKey`: x ‖ q ‖ y, 168 bytes. */
export interface IssuingEngine {
  verificationKey(secretKey: Uint8Array): Promise<Uint8Array>
  issue(order: {
    readonly secretKey: Uint8Array
    readonly request: Uint8Array
    readonly publicKey: Uint8Array
    readonly attributes: BookAttributes
  }): Promise<IssueResult>
  /** Its part of a list. `masterKey` matters to coins only. */
  signList(secretKey: Uint8Array, topic: ListTopic, masterKey: Uint8Array): Promise<Uint8Array>
  /** Whose payments two are that have a serial number in common. Both must have been verified. */
  identify(first: Omit<PaymentClaim, 'day'>, second: Omit<PaymentClaim, 'day'>): Promise<ComparedPayments>
}

/** For everybody. */
export interface CheckingEngine {
  /** The master key of t or more shares; BAD_ARGUMENT where they are inconsistent in themselves. */
  aggregateKeys(shares: readonly KeyShare[]): Promise<Uint8Array>
  aggregateList(topic: ListTopic, masterKey: Uint8Array, parts: readonly ListPart[]): Promise<AggregatedList>
  /** Whether an aggregated list holds under the master key. */
  listHolds(topic: ListTopic, masterKey: Uint8Array, signatures: Uint8Array): Promise<boolean>
  /** In the order of the claims. Many at once cost less each than one. */
  verifyPayments(
    masterKey: Uint8Array,
    claims: readonly PaymentClaim[],
    strictness: Strictness,
  ): Promise<readonly PaymentVerdict[]>
  /** The audit of what an authority answered: its signature, 96 bytes, on com_1 ‖ com_2, 96 bytes. */
  issuedHolds(
    key: Uint8Array,
    signature: Uint8Array,
    commitments: Uint8Array,
    attributes: BookAttributes,
  ): Promise<boolean>
}

export interface CredentialEngine extends UserEngine, IssuingEngine, CheckingEngine {}

/** Its methods by name, for whoever passes calls on: a list that the compiler holds against the type. */
export const CREDENTIAL_METHODS: Readonly<Record<keyof CredentialEngine, true>> = {
  userKey: true,
  requestBook: true,
  openBook: true,
  spend: true,
  verificationKey: true,
  issue: true,
  signList: true,
  identify: true,
  aggregateKeys: true,
  aggregateList: true,
  listHolds: true,
  verifyPayments: true,
  issuedHolds: true,
}
