/**
 * What gateways ask about tickets. Whose ticket it is, its pay info says and nobody else: a ticket shown by a stranger is noted for the
 * gateway it was paid to, so that nobody can take one away by showing it first. The same gateway asking again about the same payment gets
 * the same answer, since the first may have been lost; official issuers call that a replay. @module
 */
import { fromBase58, toBase58 } from '../../foundation/base/base58.ts'
import { equalBytes, toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { CheckingEngine, IssuingEngine, PaymentVerdict } from '../../protocol/credentials/engine.ts'
import type { Strictness } from '../../protocol/credentials/verify.ts'
import { DAY_SECONDS, midnightOf } from '../../protocol/wire/issuer/calendarDate.ts'
import type { TicketVerdict, VerifyTicketRequest } from '../../protocol/wire/issuer/ticketVerification.ts'
import type { IssuerParams } from './issuerParams.ts'
import type { IssuerStore, StoredTicket } from './issuerStore.ts'

export interface TicketChecksOptions {
  readonly world: Pick<World, 'clock'>
  readonly engine: Pick<IssuingEngine, 'identify'> & Pick<CheckingEngine, 'verifyPayments'>
  readonly store: IssuerStore
  readonly params: Pick<IssuerParams, 'maxBatch'>
  readonly strictness: Strictness
  readonly meter: Meter
  readonly log: Log
  /** Undefined of epochs nobody knows here. */
  readonly masterKey: (epochId: number) => Uint8Array | undefined
}

/** `unknown-epoch`, `full`: nothing that could be held against the ticket. */
export type TicketOutcome = TicketVerdict | { readonly kind: 'unknown-epoch' } | { readonly kind: 'full' }

interface Claim {
  readonly masterKey: Uint8Array
  readonly payment: Uint8Array
  readonly payInfo: Uint8Array
  readonly day: number
}

interface Waiting {
  readonly claim: Claim
  resolve(verdict: PaymentVerdict): void
  reject(error: unknown): void
}

const PROVIDER_OFFSET = 40
const KEY_BYTES = 32
/** Until then tickets of the day before yesterday are taken: a gateway may be behind. */
const LATE_SECONDS = 3600

export class TicketChecks {
  readonly #options: TicketChecksOptions
  #waiting: Waiting[] = []
  #running = false

  constructor(options: TicketChecksOptions) {
    this.#options = options
  }

  async answer(request: VerifyTicketRequest): Promise<TicketOutcome> {
    const outcome = await this.#judge(request)
    const help = 'Tickets that gateways asked about, by verdict'
    this.#options.meter.counter('issuer_tickets_total', help, { verdict: outcome.kind }).value++
    return outcome
  }

  async #judge({ payment, payInfo, day, epochId, gateway }: VerifyTicketRequest): Promise<TicketOutcome> {
    const { store, masterKey: keyOf } = this.#options
    if (payment.kind === 'several') return { kind: 'MultipleTickets' }
    const wrongDate = this.#wrongDate(day)
    if (wrongDate !== undefined) return wrongDate
    const masterKey = keyOf(epochId)
    if (masterKey === undefined) return { kind: 'unknown-epoch' }
    const provider = payInfo.slice(PROVIDER_OFFSET)
    const named = tryDecode(() => fromBase58(gateway, 'gateway', KEY_BYTES))
    // A gateway that says its key may ask about what it was paid; one with an address on a ledger we cannot hold to that.
    if (!isMixnetError(named) && !equalBytes(named, provider)) return { kind: 'InvalidTicket' }
    const ticket = { payment: payment.bytes, payInfo, provider, gateway }

    // What is known already needs no proof: a replay costs the engine nothing.
    const claimed = store.ticket(payment.serialNumber)
    if (claimed !== undefined && equalBytes(claimed.payInfo, payInfo)) return replayed(claimed, ticket)
    if (!store.hasRoomForTickets) return { kind: 'full' }

    // Whoever has seen a serial number can put it into a payment of no proof, with tags that accuse anybody: first the proof.
    const verdict = await this.#verify({ masterKey, payment: payment.bytes, payInfo, day })
    if (verdict.kind === 'bad') return { kind: 'InvalidTicket' }
    const kept = { ...ticket, serialNumber: verdict.serialNumber }
    const [isNew] = store.keepTickets([kept])
    if (isNew === true) return { kind: 'verified' }
    const before = store.ticket(verdict.serialNumber)
    // Forgotten between the two: it was eight days old.
    return before === undefined ? { kind: 'ReplayedTicket' } : this.#compare(before, kept)
  }

  async #compare(before: StoredTicket, now: StoredTicket): Promise<TicketVerdict> {
    if (equalBytes(before.payInfo, now.payInfo)) return replayed(before, now)
    const { engine, store, meter, log } = this.#options
    const compared = await engine.identify(before, now)
    if (compared.kind !== 'double-spend') return { kind: 'ReplayedTicket' }
    store.keepDoubleSpender(compared.publicKey)
    meter.counter('issuer_double_spends_total', 'Tickets that were spent twice').value++
    log.warn('issuer.double-spend')
    return { kind: 'DoubleSpend' }
  }

  #wrongDate(received: number): TicketVerdict | undefined {
    const now = Math.floor(this.#options.world.clock.now() / 1000)
    const today = midnightOf(now)
    const yesterday = today - DAY_SECONDS
    // Official issuers take any day before one in the morning; one more is what that is for.
    const earliest = now - today <= LATE_SECONDS ? yesterday - DAY_SECONDS : yesterday
    if (received <= today && received >= earliest) return undefined
    return { kind: 'InvalidSpentDate', today, yesterday, received }
  }

  /** Together with what else waits while a batch is under way: many at once cost each less. */
  #verify(claim: Claim): Promise<PaymentVerdict> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ claim, resolve, reject })
      if (!this.#running) void this.#run()
    })
  }

  async #run(): Promise<void> {
    const { engine, strictness, params } = this.#options
    this.#running = true
    // Whoever asks in the same turn comes along.
    await Promise.resolve()
    for (;;) {
      const first = this.#waiting[0]
      if (first === undefined) break
      const key = toHex(first.claim.masterKey)
      const batch = this.#waiting.filter(({ claim }) => toHex(claim.masterKey) === key).slice(0, params.maxBatch)
      const taken = new Set(batch)
      this.#waiting = this.#waiting.filter((one) => !taken.has(one))
      try {
        const claims = batch.map(({ claim: { payment, payInfo, day } }) => ({ payment, payInfo, day }))
        const verdicts = await engine.verifyPayments(first.claim.masterKey, claims, strictness)
        batch.forEach(({ resolve }, i) => void resolve(verdicts[i] as PaymentVerdict))
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#running = false
  }
}

/** The same payment again: right for whom it was paid to and for whoever asked before, and for nobody else. */
function replayed(before: StoredTicket, now: Omit<StoredTicket, 'serialNumber'>): TicketVerdict {
  const isSame = equalBytes(before.payment, now.payment) && equalBytes(before.payInfo, now.payInfo)
  const mayAsk = now.gateway === before.gateway || now.gateway === toBase58(before.provider)
  return { kind: isSame && mayAsk ? 'verified' : 'ReplayedTicket' }
}
