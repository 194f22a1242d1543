/**
 * Signs books blindly, one a deposit. A deposit belongs to the first request that was answered, for ever: the request's hash and the
 * answer are committed together before anything leaves. A crash before the commit has told nobody anything; after it, the same answer
 * is given again. In a later epoch the same request is signed with the new key, since it makes the same book with the same serial
 * numbers: otherwise a client that changed epochs half way would have paid for nothing. Steps: docs/spec/issuer.md. @module
 */
import { concat, equalBytes } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Meter } from '../../foundation/base/observe.ts'
import { Writer } from '../../foundation/base/writer.ts'
import { withDeadline } from '../../foundation/platform/clock.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { IssuingEngine } from '../../protocol/credentials/engine.ts'
import { type BlindSignRequest, depositMessage } from '../../protocol/wire/issuer/blindSign.ts'
import { DAY_SECONDS, midnightOf } from '../../protocol/wire/issuer/calendarDate.ts'
import { commitmentsOf } from '../../protocol/wire/issuer/withdrawalRequest.ts'
import type { AgreedKeys } from './agreedKeys.ts'
import type { DepositLedger } from './deposits.ts'
import type { IssuerParams } from './issuerParams.ts'
import type { IssuerStore } from './issuerStore.ts'

export interface IssuanceOptions {
  readonly world: Pick<World, 'clock' | 'crypto'>
  readonly engine: Pick<IssuingEngine, 'issue'>
  readonly deposits: DepositLedger
  readonly store: IssuerStore
  readonly params: IssuerParams
  readonly meter: Meter
  /** Undefined while there are none, or others are being agreed on. */
  readonly keys: () => AgreedKeys | undefined
}

/** Labels of a counter as well. */
export type IssueRefusal =
  | 'no-keys'
  | 'expired'
  | 'too-late'
  | 'double-spender'
  | 'ledger'
  | 'no-deposit'
  | 'signature'
  | 'spent'
  | 'identity'
  | 'base'
  | 'proof'
  | 'malformed'

export type IssueOutcome =
  /** 96 bytes. */
  | { readonly kind: 'issued'; readonly signature: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: IssueRefusal }

/** A book is for today and six days more. */
const MAX_DAYS_AHEAD = 6

export class Issuance {
  readonly #options: IssuanceOptions
  /** By deposit: one at a time, so that its second request finds the answer to the first. */
  readonly #signing = new Map<number, Promise<unknown>>()

  constructor(options: IssuanceOptions) {
    this.#options = options
  }

  /** Throws what the database throws; then nothing was answered. */
  async answer(order: BlindSignRequest): Promise<IssueOutcome> {
    const { meter } = this.#options
    const outcome = await this.#answer(order)
    const result = outcome.kind === 'refused' ? outcome.reason : outcome.kind
    meter.counter('issuer_books_total', 'Requests for books by what became of them', { result }).value++
    return outcome
  }

  async #answer(order: BlindSignRequest): Promise<IssueOutcome> {
    const { world, store, keys: currentKeys } = this.#options
    if (currentKeys() === undefined) return refused('no-keys')
    const today = midnightOf(Math.floor(world.clock.now() / 1000))
    if (order.expiration > today + MAX_DAYS_AHEAD * DAY_SECONDS) return refused('too-late')
    if (order.expiration < today) return refused('expired')
    // Official issuers give a stored answer to anybody who names the deposit. Numbers of deposits are easily guessed, so we ask for the
    // signature here as well: honest clients always send it.
    const known = store.deposit(order.depositId)
    const identity = known?.identity ?? (await this.#payer(order))
    if (typeof identity === 'string') return refused(identity)
    const message = depositMessage(order.request, order.depositId)
    if (!world.crypto.ed25519Verify(identity, message, order.signature)) return refused('signature')

    // From here on only the owner of the deposit: nobody else can make it wait.
    for (;;) {
      const before = this.#signing.get(order.depositId)
      if (before === undefined) break
      await before.catch(() => {})
    }
    const work = this.#sign(order, identity)
    this.#signing.set(order.depositId, work)
    try {
      return await work
    } finally {
      this.#signing.delete(order.depositId)
    }
  }

  /** Whose deposit that is, or why its book is not signed. */
  async #payer(order: BlindSignRequest): Promise<Uint8Array | IssueRefusal> {
    const { world, store, deposits, params } = this.#options
    if (store.isDoubleSpender(order.publicKey)) return 'double-spender'
    try {
      const asked = deposits.deposit(order.depositId)
      const deposit = await withDeadline(world.clock, params.ledgerTimeout, 'deposit', asked)
      return deposit?.identityKey ?? 'no-deposit'
    } catch (error) {
      if (isMixnetError(error)) return 'ledger'
      throw error
    }
  }

  async #sign(order: BlindSignRequest, identity: Uint8Array): Promise<IssueOutcome> {
    const { world, store, engine, keys: currentKeys } = this.#options
    const keys = currentKeys()
    if (keys === undefined) return refused('no-keys')
    const { depositId, request, publicKey, expiration, ticketType } = order
    const attributes = { expiration, ticketType }
    const requestHash = world.crypto.sha256(
      concat(request, publicKey, new Writer(5).u32(expiration).u8(ticketType).finish()),
    )
    const bound = store.deposit(depositId)
    if (bound !== undefined) {
      const issued = store.issued(depositId)
      if (issued === undefined) return refused('spent')
      const isSame = equalBytes(bound.requestHash, requestHash)
      if (issued.epochId === keys.epochId || !isSame) return { kind: 'issued', signature: issued.signature }
    }
    let result: Awaited<ReturnType<typeof engine.issue>>
    try {
      result = await engine.issue({ secretKey: keys.own.secretKey.expose(), request, publicKey, attributes })
    } catch (error) {
      if (isMixnetError(error, 'MALFORMED')) return refused('malformed')
      throw error
    }
    if (result.kind === 'refused') return refused(result.reason)
    const { signature } = result
    const book = {
      depositId,
      epochId: keys.epochId,
      signature,
      commitments: commitmentsOf(request),
      expiration,
      ticketType,
    }
    return store.keepIssued(identity, requestHash, book) ? { kind: 'issued', signature } : refused('spent')
  }
}

const refused = (reason: IssueRefusal): IssueOutcome => ({ kind: 'refused', reason })
