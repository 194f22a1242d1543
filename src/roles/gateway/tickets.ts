/**
 * Judges tickets: what costs nothing first, then what is on disk, then the proof. What follows from a good one is the store's: it
 * is spent and credited in one transaction. A client that gives the same ticket again is told that it is spent, also where it never
 * heard of its success: what it has is in the answer to its next login, and whose ticket it was is not remembered for longer than the
 * issuers take to judge it. Rules: docs/spec/gateway.md, "Tickets". @module
 */
import { equalBytes, toHex } from '../../foundation/base/bytes.ts'
import type { Counter } from '../../foundation/base/observe.ts'
import { millis } from '../../foundation/base/units.ts'
import { TICKET_BANDWIDTH_BYTES, VALIDITY_DAYS } from '../../protocol/credentials/constants.ts'
import type { CheckingEngine } from '../../protocol/credentials/engine.ts'
import type { Strictness } from '../../protocol/credentials/verify.ts'
import {
  PAY_INFO_DUPLICATE_TEXT,
  TICKET_DATE_SIGNATURES_TEXT,
  TICKET_PROOF_TEXT,
  TICKETS_BUSY_TEXT,
  TOO_MANY_BAD_TICKETS_TEXT,
  UNKNOWN_EPOCH_TEXT,
} from '../../protocol/wire/gateway/errorTexts.ts'
import { JULIAN_DAY_OF_UNIX_EPOCH, type Ticket } from '../../protocol/wire/gateway/ticket.ts'
import type { CredentialEpoch } from '../../protocol/wire/issuer/credentialEpoch.ts'
import type { TicketVerdict, TicketVerifier } from './bandwidth.ts'
import { CredentialEpochs, type KnownEpoch, reasonOf } from './credentialEpochs.ts'
import { FailingClients } from './failingClients.ts'
import type { TicketPlace } from './gateway.ts'
import { PayInfoMemory } from './payInfoMemory.ts'
import { ProofQueue, type ProofVerdict } from './proofQueue.ts'
import type { Redeemer } from './redeemer.ts'
import { type ClaimedTicket, dayRefusal, payInfoRefusal, readClaims } from './ticketChecks.ts'
import { TicketClearing } from './ticketClearing.ts'
import type { SpentTicket, TicketOutcome } from './ticketLedger.ts'
import { TicketRedemption } from './ticketRedemption.ts'
import { DAY_MS, unixDayOf } from './unixDay.ts'

export interface TicketOfficeOptions {
  readonly place: TicketPlace
  readonly engine: Pick<CheckingEngine, 'verifyPayments' | 'aggregateKeys'>
  readonly strictness: Strictness
  /** Asks the directory for the epoch again, for a ticket is of one that is not known. Never rejects. Default: does not. */
  readonly askAgain?: () => Promise<void>
  /** Who pays for tickets. Default: nobody. */
  readonly redeemer?: Redeemer | undefined
}

const DAY_SECONDS = DAY_MS / 1000
const OUTCOMES: readonly TicketOutcome[] = ['accepted', 'verified', 'rejected', 'lapsed', 'redeemed']

export class TicketOffice implements TicketVerifier {
  readonly #options: TicketOfficeOptions
  readonly #epochs: CredentialEpochs
  readonly #proofs: ProofQueue
  readonly #payInfos: PayInfoMemory
  readonly #failing: FailingClients
  readonly #clearing: TicketClearing
  readonly #redemption: TicketRedemption
  readonly #unbound: Counter
  /** Being judged, by client. */
  readonly #judging = new Map<string, number>()

  constructor(options: TicketOfficeOptions) {
    const { place, engine, strictness, redeemer } = options
    const { world, store, params, meter, log } = place
    this.#options = options
    this.#epochs = new CredentialEpochs(engine, store)
    this.#proofs = new ProofQueue({
      clock: world.clock,
      engine,
      strictness,
      capacity: params.maxTicketsWaiting,
      batch: params.ticketBatch,
      timeout: params.ticketTimeout,
      log,
    })
    this.#payInfos = new PayInfoMemory(world.clock, params)
    this.#failing = new FailingClients(world.clock, params)
    this.#redemption = new TicketRedemption(place, this.#epochs, redeemer)
    this.#clearing = new TicketClearing(place, this.#epochs, () => this.#redemption.look())
    this.#unbound = meter.counter('gateway_tickets_unbound_total', 'Tickets taken without a bound index')
    meter.gauge('gateway_tickets_compatible', 'Whether tickets without a bound index are taken', () =>
      strictness === 'compatible' ? 1 : 0,
    )
    meter.gauge('gateway_tickets_checking', 'Tickets whose proofs are being checked', () => this.#proofs.length)
    meter.gauge('gateway_ticket_epochs', 'Epochs of issuers whose tickets are taken', () => this.#epochs.size)
    for (const outcome of OUTCOMES) {
      const read = (what: 'tickets' | 'bytes') => () => store.tickets.totals().get(outcome)?.[what] ?? 0
      meter.gauge('gateway_tickets', 'Tickets ever, by what became of them', read('tickets'), { outcome })
      meter.gauge('gateway_ticket_bytes', 'The same in bytes of bandwidth', read('bytes'), { outcome })
    }
    if (strictness === 'compatible') {
      log.warn('tickets.compatible', {
        meaning:
          'tickets without a bound index are taken too: a dishonest client can make more of them than it paid for',
      })
    }
  }

  /** What a directory says. Never rejects. */
  async learn(epoch: CredentialEpoch): Promise<void> {
    try {
      await this.#epochs.learn(epoch)
      this.#clearing.look()
    } catch (error) {
      this.#options.place.log.error('tickets.epoch-refused', { epoch: epoch.epochId, code: reasonOf(error) })
    }
  }

  async verify(ticket: Ticket, client: Uint8Array): Promise<TicketVerdict> {
    const { params } = this.#options.place
    if (this.#failing.isBarred(client)) return { kind: 'refused', text: TOO_MANY_BAD_TICKETS_TEXT, last: true }
    const key = toHex(client)
    const before = this.#judging.get(key) ?? 0
    if (before >= params.maxTicketsOfClient) return BUSY
    this.#judging.set(key, before + 1)
    try {
      return await this.#judge(ticket, client)
    } catch (error) {
      // The disk, for one. The ticket is as good as it was.
      this.#options.place.log.error('tickets.not-judged', { code: reasonOf(error) })
      return BUSY
    } finally {
      const left = (this.#judging.get(key) ?? 1) - 1
      if (left > 0) this.#judging.set(key, left)
      else this.#judging.delete(key)
    }
  }

  settled(ticket: SpentTicket, _client: Uint8Array, spent: boolean): void {
    if (!spent) return this.#payInfos.release(ticket.payInfo)
    this.#clearing.look()
  }

  stop(): void {
    this.#proofs.stop()
    this.#epochs.stop()
    this.#clearing.stop()
    this.#redemption.stop()
  }

  async #judge(ticket: Ticket, client: Uint8Array): Promise<TicketVerdict> {
    const { place, strictness } = this.#options
    const claims = readClaims(ticket.payment, strictness)
    if (typeof claims === 'string') return this.#bad(client, claims)
    const day = dayRefusal(ticket, place.world.clock.now())
    if (day !== undefined) return this.#bad(client, day)
    // No failure of the client's: it may not know that its ticket got here. Nor is there a way to guess serial numbers.
    if (place.store.tickets.isSpent(claims.serialNumber)) return { kind: 'replay' }
    const epoch = await this.#epochOf(ticket)
    if (epoch === undefined) return { kind: 'refused', text: UNKNOWN_EPOCH_TEXT }
    // After the directory was asked: the clock has gone on.
    const now = place.world.clock.now()
    const refusal = payInfoRefusal(ticket.payInfo, {
      identity: place.identity,
      now,
      tolerance: place.params.payInfoTolerance,
    })
    if (refusal !== undefined) return this.#bad(client, refusal)
    const claim = this.#payInfos.claim(ticket.payInfo)
    if (claim === 'full') return BUSY
    if (claim === 'duplicate') return this.#bad(client, PAY_INFO_DUPLICATE_TEXT)
    const verdict = await this.#proven(ticket, claims, epoch, client)
    if (verdict.kind !== 'good') this.#payInfos.release(ticket.payInfo)
    return verdict
  }

  async #proven(ticket: Ticket, claims: ClaimedTicket, epoch: KnownEpoch, client: Uint8Array): Promise<TicketVerdict> {
    const unixDay = ticket.spendDateJulianDay - JULIAN_DAY_OF_UNIX_EPOCH
    const { payment, payInfo } = ticket
    const proof = await this.#proofs.check(epoch.masterKey, { payment, payInfo, day: unixDay * DAY_SECONDS })
    if (proof === undefined || proof.kind === 'unchecked') return BUSY
    if (proof.kind === 'bad') return this.#bad(client, proofText(proof))
    // Then the offsets of ticketChecks.ts are not those of the codec: what is stored must be what was proven.
    if (!equalBytes(proof.serialNumber, claims.serialNumber) || proof.ticketType !== claims.ticketType) {
      return this.#bad(client, TICKET_PROOF_TEXT)
    }
    if (!claims.bindsIndex) this.#unbound.value++
    const { world, params } = this.#options.place
    const bytes = Math.floor((TICKET_BANDWIDTH_BYTES[proof.ticketType] ?? 0) * params.ticketScale)
    const lastDay = unixDayOf(world.clock.now()) + VALIDITY_DAYS - 1
    return {
      kind: 'good',
      ticket: { serialNumber: proof.serialNumber, epochRow: epoch.row, unixDay, payment, payInfo },
      bandwidth: { bytes, expiresOn: millis(lastDay * DAY_MS) },
    }
  }

  /** A client hears of a new epoch when it buys, which may be before this gateway does. */
  async #epochOf({ epochId }: Ticket): Promise<KnownEpoch | undefined> {
    const known = this.#epochs.find(epochId)
    if (known !== undefined || this.#options.askAgain === undefined) return known
    await this.#options.askAgain()
    return this.#epochs.find(epochId)
  }

  #bad(client: Uint8Array, text: string): TicketVerdict {
    return { kind: 'refused', text, last: this.#failing.failed(client) }
  }
}

/** The ticket is as good as it was, and the client may give it again. */
const BUSY: TicketVerdict = { kind: 'refused', text: TICKETS_BUSY_TEXT }

const proofText = ({ fault }: ProofVerdict & { readonly kind: 'bad' }): string =>
  fault === 'date-signature' ? TICKET_DATE_SIGNATURES_TEXT : TICKET_PROOF_TEXT
