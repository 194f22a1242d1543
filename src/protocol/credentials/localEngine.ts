/** The engine on the spot. In a thread, or where time does not matter; where it does, with pauses between what it can be paused in. @module */
import { concat, toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, malformed, tryDecode } from '../../foundation/base/errors.ts'
import { coinList, signCoins } from './coinSignatures.ts'
import { G1_BYTES } from './constants.ts'
import { dateList, signDates } from './dateSignatures.ts'
import { drawFrom, type RandomBytes, weightsFrom } from './draw.ts'
import type {
  AggregatedList,
  ComparedPayments,
  CredentialEngine,
  IssueResult,
  KeyShare,
  ListPart,
  ListTopic,
  OpenedBook,
  PaymentClaim,
  PaymentVerdict,
  SpendOrder,
} from './engine.ts'
import { identify } from './identify.ts'
import { issue, issuedSignatureHolds } from './issue.ts'
import {
  decodeAuthorityKey,
  decodeUserKey,
  decodeUserPublicKey,
  decodeVerificationKey,
  encodeUserKey,
  encodeVerificationKey,
  keyIsConsistent,
  userKeyFromSeed,
  type VerificationKey,
  verificationKeyOf,
} from './keys.ts'
import { decodePayment, encodePayment, encodeSerialNumbers } from './payment.ts'
import { type PreparedKey, prepareKey } from './preparedKey.ts'
import { aggregateLists, type ListShare, listHolds, type SignedList } from './publicSignatures.ts'
import { Recent } from './recent.ts'
import type { Scheme } from './scheme.ts'
import { decodeSignature, encodeSignature, type Signature } from './signature.ts'
import { spend } from './spend.ts'
import { aggregateVerificationKeys } from './threshold.ts'
import { decodeTicketbook, encodeTicketbook } from './ticketbook.ts'
import { type ClaimedPayment, paymentFaults, type Strictness } from './verify.ts'
import { aggregateWallet, unblind } from './wallet.ts'
import {
  type BookAttributes,
  decodeRequestInfo,
  decodeWithdrawalRequest,
  encodeRequestInfo,
  encodeWithdrawalRequest,
  requestWithdrawal,
} from './withdrawal.ts'

const SIGNATURE_BYTES = 2 * G1_BYTES
/** Epochs whose tickets are still about: a new one every two weeks, tickets live for one. */
const KEYS_KEPT = 4
/** A week of expiration dates and an epoch's coins, for each of those. */
const LISTS_KEPT = 32

export class LocalEngine implements CredentialEngine {
  readonly #scheme: Scheme
  readonly #random: RandomBytes
  readonly #pause: (() => Promise<void>) | undefined
  readonly #keys: Recent<PreparedKey> = new Recent(KEYS_KEPT)
  readonly #lists: Recent<Promise<readonly Signature[]>> = new Recent(LISTS_KEPT)

  /** `pause`, where the thread has other work to do, is awaited again and again in what is long about lists. */
  constructor(scheme: Scheme, random: RandomBytes, pause?: () => Promise<void>) {
    this.#scheme = scheme
    this.#random = random
    this.#pause = pause
  }

  async userKey(seed: Uint8Array): Promise<Uint8Array> {
    return encodeUserKey(this.#scheme, userKeyFromSeed(this.#scheme, seed))
  }

  async requestBook(
    userKey: Uint8Array,
    attributes: BookAttributes,
  ): Promise<{ readonly request: Uint8Array; readonly info: Uint8Array; readonly publicKey: Uint8Array }> {
    const scheme = this.#scheme
    const user = decodeUserKey(scheme, userKey)
    const { request, info } = requestWithdrawal(scheme, user, attributes, drawFrom(this.#random))
    return {
      request: encodeWithdrawalRequest(scheme, request),
      info: encodeRequestInfo(scheme, info),
      publicKey: scheme.bls.g1.encode(user.public),
    }
  }

  async openBook(order: Parameters<CredentialEngine['openBook']>[0]): Promise<OpenedBook> {
    const scheme = this.#scheme
    const user = decodeUserKey(scheme, order.userKey)
    const info = decodeRequestInfo(scheme, order.info)
    const garbled: number[] = []
    const answers = order.answers.flatMap(({ index, key, signature }) => {
      const decoded = tryDecode(() => decodeSignature(scheme, signature))
      if (!isMixnetError(decoded)) return [{ index, key: this.#verificationKey(key), signature: decoded }]
      garbled.push(index)
      return []
    })
    const { shares, culprits: liars } = unblind(scheme, info, user.secret, answers, weightsFrom(this.#random))
    const culprits = [...garbled, ...liars]
    if (shares.length < order.threshold || shares.length === 0) return { kind: 'too-few', culprits }
    const wallet = aggregateWallet(scheme, this.#verificationKey(order.masterKey), user.secret, shares)
    // Every share holds under its own key: then the keys are not those of this master key.
    if (wallet === undefined) throw new MixnetError('BAD_ARGUMENT', { argument: 'masterKey' })
    return {
      kind: 'opened',
      book: encodeTicketbook(scheme, { wallet, user, spent: 0, epochId: order.epochId }),
      culprits,
    }
  }

  async spend(order: SpendOrder): Promise<Uint8Array> {
    const scheme = this.#scheme
    const { user, wallet } = decodeTicketbook(scheme, order.book)
    const dateSignatures = await this.#signatures(order.dateSignatures)
    const coinSignatures = await this.#signatures(order.coinSignatures)
    const payment = spend(
      scheme,
      this.#prepared(order.masterKey),
      {
        user,
        wallet,
        firstTicket: order.ticket,
        tickets: 1,
        payInfo: order.payInfo,
        day: order.day,
        dateSignatures,
        coinSignatures,
      },
      drawFrom(this.#random),
    )
    return encodePayment(scheme, payment)
  }

  async verificationKey(secretKey: Uint8Array): Promise<Uint8Array> {
    return encodeVerificationKey(this.#scheme, verificationKeyOf(this.#scheme, decodeAuthorityKey(secretKey)))
  }

  async issue(order: Parameters<CredentialEngine['issue']>[0]): Promise<IssueResult> {
    const scheme = this.#scheme
    const issued = issue(
      scheme,
      decodeAuthorityKey(order.secretKey),
      decodeWithdrawalRequest(scheme, order.request),
      decodeUserPublicKey(scheme, order.publicKey),
      order.attributes,
    )
    if (issued.kind === 'refused') return issued
    return { kind: 'issued', signature: encodeSignature(scheme, issued.signature) }
  }

  async signList(secretKey: Uint8Array, topic: ListTopic, masterKey: Uint8Array): Promise<Uint8Array> {
    const key = decodeAuthorityKey(secretKey)
    return this.#joined(
      topic.kind === 'dates'
        ? signDates(this.#scheme, key, topic.expiration)
        : signCoins(this.#scheme, key, this.#verificationKey(masterKey)),
    )
  }

  async identify(first: Omit<PaymentClaim, 'day'>, second: Omit<PaymentClaim, 'day'>): Promise<ComparedPayments> {
    const scheme = this.#scheme
    const seen = ({ payment, payInfo }: Omit<PaymentClaim, 'day'>) => ({
      payment: decodePayment(scheme, payment, 1),
      payInfo,
    })
    const compared = identify(scheme, seen(first), seen(second))
    if (compared.kind !== 'double-spend') return compared
    return { kind: 'double-spend', publicKey: scheme.bls.g1.encode(compared.publicKey) }
  }

  async aggregateKeys(shares: readonly KeyShare[]): Promise<Uint8Array> {
    const scheme = this.#scheme
    const master = aggregateVerificationKeys(
      scheme,
      shares.map(({ index, key }) => ({ index, value: this.#verificationKey(key) })),
    )
    // One whose halves do not belong together would blind users with one key and verify them with another.
    if (!keyIsConsistent(scheme, master, weightsFrom(this.#random))) {
      throw new MixnetError('BAD_ARGUMENT', {
        argument: 'shares',
        why: 'the halves of the keys do not belong together',
      })
    }
    return encodeVerificationKey(scheme, master)
  }

  async aggregateList(topic: ListTopic, masterKey: Uint8Array, parts: readonly ListPart[]): Promise<AggregatedList> {
    const master = this.#verificationKey(masterKey)
    const garbled: number[] = []
    const shares: ListShare[] = []
    for (const { index, key, signatures } of parts) {
      const decoded = await this.#tryList(signatures)
      if (isMixnetError(decoded)) garbled.push(index)
      else shares.push({ index, key: this.#verificationKey(key), signatures: decoded })
    }
    if (garbled.length > 0) return { kind: 'refused', culprits: garbled }
    const weight = weightsFrom(this.#random)
    const list = await this.#list(topic, master)
    const result = aggregateLists(this.#scheme, list, master, shares, weight)
    return result.kind === 'refused' ? result : { kind: 'aggregated', signatures: this.#joined(result.signatures) }
  }

  async listHolds(topic: ListTopic, masterKey: Uint8Array, signatures: Uint8Array): Promise<boolean> {
    const master = this.#verificationKey(masterKey)
    const decoded = await this.#tryList(signatures)
    if (isMixnetError(decoded)) return false
    const list = await this.#list(topic, master)
    return listHolds(this.#scheme, list, master, decoded, weightsFrom(this.#random))
  }

  async verifyPayments(
    masterKey: Uint8Array,
    claims: readonly PaymentClaim[],
    strictness: Strictness,
  ): Promise<readonly PaymentVerdict[]> {
    const scheme = this.#scheme
    const verdicts = new Array<PaymentVerdict>(claims.length)
    const decoded: { readonly at: number; readonly claimed: ClaimedPayment }[] = []
    for (const [at, { payment: bytes, payInfo, day }] of claims.entries()) {
      const payment = tryDecode(() => decodePayment(scheme, bytes, 1))
      if (isMixnetError(payment)) verdicts[at] = { kind: 'bad', fault: 'malformed' }
      else if (payment.tickets !== 1) verdicts[at] = { kind: 'bad', fault: 'tickets' }
      else decoded.push({ at, claimed: { payment, payInfo, day } })
    }
    const faults = paymentFaults(
      scheme,
      this.#prepared(masterKey),
      decoded.map(({ claimed }) => claimed),
      weightsFrom(this.#random),
      strictness,
    )
    for (const [i, { at, claimed }] of decoded.entries()) {
      const fault = faults[i]
      verdicts[at] =
        fault === undefined
          ? {
              kind: 'good',
              serialNumber: encodeSerialNumbers(scheme, claimed.payment),
              ticketType: claimed.payment.ticketType,
            }
          : { kind: 'bad', fault }
    }
    return verdicts
  }

  async issuedHolds(
    key: Uint8Array,
    signature: Uint8Array,
    commitments: Uint8Array,
    attributes: BookAttributes,
  ): Promise<boolean> {
    const scheme = this.#scheme
    if (commitments.length !== 2 * G1_BYTES) throw malformed('commitments', 'length')
    return issuedSignatureHolds(
      scheme,
      this.#verificationKey(key),
      decodeSignature(scheme, signature),
      [commitments.subarray(0, G1_BYTES), commitments.subarray(G1_BYTES)].map((one) =>
        decodeUserPublicKey(scheme, one),
      ),
      attributes,
    )
  }

  async #list(topic: ListTopic, master: VerificationKey): Promise<SignedList> {
    const list = topic.kind === 'dates' ? dateList(this.#scheme, topic.expiration) : coinList(this.#scheme, master)
    await this.#pause?.()
    return list
  }

  #verificationKey(bytes: Uint8Array): VerificationKey {
    return decodeVerificationKey(this.#scheme, bytes)
  }

  #prepared(masterKey: Uint8Array): PreparedKey {
    return this.#keys.get(toHex(masterKey), () => prepareKey(this.#scheme, this.#verificationKey(masterKey)))
  }

  /** Decoding fifty signatures takes as long as spending with one. */
  #signatures(list: Uint8Array): Promise<readonly Signature[]> {
    return this.#lists.get(toHex(list), () => this.#decodeList(list))
  }

  async #decodeList(list: Uint8Array): Promise<readonly Signature[]> {
    if (list.length % SIGNATURE_BYTES !== 0) throw malformed('signatures', 'length')
    const signatures: Signature[] = []
    for (let at = 0; at < list.length; at += SIGNATURE_BYTES) {
      signatures.push(decodeSignature(this.#scheme, list.subarray(at, at + SIGNATURE_BYTES)))
      await this.#pause?.()
    }
    return signatures
  }

  /** As `tryDecode`. */
  async #tryList(list: Uint8Array): Promise<readonly Signature[] | MixnetError> {
    try {
      return await this.#decodeList(list)
    } catch (error) {
      if (isMixnetError(error)) return error
      throw error
    }
  }

  #joined(signatures: readonly Signature[]): Uint8Array {
    return concat(...signatures.map((one) => encodeSignature(this.#scheme, one)))
  }
}
