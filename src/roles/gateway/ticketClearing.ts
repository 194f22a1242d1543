/**
 * What issuers say of the tickets taken here. Only they hear of tickets from every gateway, so only they find a ticket spent at two. Each
 * ticket is asked about until most have answered; nothing waits for that, least of all the client. The payment itself says in which
 * second it was made for which gateway, so it is shown at once: waiting would hide nothing from an issuer. Until a ticket is
 * judged the gateway knows whose it was, because that is who pays for a bad one; then it forgets. @module
 */

import { toBase58 } from '../../foundation/base/base58.ts'
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import { UNBOUND_PAYMENT_BYTES } from '../../protocol/credentials/payment.ts'
import type { EpochIssuer } from '../../protocol/wire/issuer/credentialEpoch.ts'
import { encodeVerifyTicket } from '../../protocol/wire/issuer/ticketVerification.ts'
import { type CredentialEpochs, type KnownEpoch, reasonOf } from './credentialEpochs.ts'
import type { TicketPlace } from './gateway.ts'
import { IssuerClient, type TicketOpinion } from './issuerClient.ts'
import type { Settlement, WaitingTicket } from './ticketLedger.ts'
import type { TicketParams } from './ticketParams.ts'
import { DAY_MS, DAY_SECONDS } from './unixDay.ts'

type Opinions = ReadonlyMap<number, TicketOpinion>

export class TicketClearing {
  readonly #place: TicketPlace
  readonly #epochs: CredentialEpochs
  readonly #issuers: IssuerClient
  readonly #onVerified: () => void
  /** Being asked about, or being committed. */
  readonly #underWay = new Set<number>()
  /** Issuers that did not answer, by their URL; until when they are not asked. */
  readonly #paused = new Map<string, number>()
  #scheduled = false
  #timer: Timer | undefined
  #stopped = false

  constructor(place: TicketPlace, epochs: CredentialEpochs, onVerified: () => void) {
    this.#place = place
    this.#epochs = epochs
    this.#onVerified = onVerified
    const { issuersAtOnce: atOnce, issuerTimeout: timeout } = place.params
    this.#issuers = new IssuerClient({ net: place.world.net, atOnce, timeout })
    // What an earlier process left.
    this.look()
  }

  /** There may be tickets to ask about. */
  look(): void {
    if (this.#scheduled || this.#stopped) return
    this.#scheduled = true
    this.#place.world.clock.soon(() => {
      this.#scheduled = false
      this.#begin()
    })
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#issuers.stop()
  }

  #begin(): void {
    if (this.#stopped) return
    const { store, params } = this.#place
    const room = params.ticketsClearedAtOnce - this.#underWay.size
    if (room <= 0) return
    const due = store.tickets
      .due(store.now(), params.ticketsClearedAtOnce)
      .filter(({ id }) => !this.#underWay.has(id))
      .slice(0, room)
    for (const ticket of due) {
      this.#underWay.add(ticket.id)
      this.#ask(ticket).catch((error: unknown) => this.#failed(ticket, error))
    }
    const next = store.tickets.nextDue()
    if (next === undefined || due.length > 0) return
    this.#timer?.cancel()
    // The store's time runs at half of ours at worst; looked at too early, it is looked at again.
    const wait = millis(Math.max(1000, next - store.now()))
    this.#timer = this.#place.world.clock.after(wait, () => this.look())
  }

  async #ask(ticket: WaitingTicket): Promise<void> {
    const { store, identity } = this.#place
    const epoch = this.#epochs.at(ticket.epochRow)
    const before = store.tickets.opinions(ticket.id)
    const { payment, payInfo, unixDay } = ticket
    const asked = {
      payment,
      payInfo,
      day: unixDay * DAY_SECONDS,
      epochId: epoch?.epochId ?? 0,
      gateway: toBase58(identity),
    }
    const body = tryDecode(() => JSON.stringify(encodeVerifyTicket(asked)))
    const silent = epoch?.issuers.filter(({ index, url }) => !before.has(index) && !this.#isPaused(url)) ?? []
    const heard = isMixnetError(body) ? new Map() : await this.#opinions(silent, body)
    if (this.#stopped) return
    const settlement = this.#settlement(ticket, epoch, new Map([...before, ...heard]))
    const done = () => {
      this.#underWay.delete(ticket.id)
      this.look()
    }
    if (settlement !== undefined) return this.#settle(ticket, heard, settlement, done)
    const askAt = store.now() + this.#retryIn()
    store.changeTickets((tickets) => {
      tickets.addOpinions(ticket.id, heard)
      tickets.postpone(ticket.id, askAt)
    }, done)
  }

  /** The disk, for one: not asked again at once, or it would be nothing else any more. */
  #failed({ id }: WaitingTicket, error: unknown): void {
    if (this.#stopped) return
    const { world, log } = this.#place
    log.error('tickets.not-cleared', { code: reasonOf(error) })
    world.clock.after(this.#retryIn(), () => {
      this.#underWay.delete(id)
      this.look()
    })
  }

  async #opinions(issuers: readonly EpochIssuer[], body: string): Promise<Opinions> {
    const opinions = new Map<number, TicketOpinion>()
    await Promise.all(
      issuers.map(async (issuer) => {
        const opinion = await this.#issuers.verify(issuer, body)
        if (opinion !== undefined) opinions.set(issuer.index, opinion)
        else this.#pause(issuer.url)
      }),
    )
    return opinions
  }

  #isPaused(url: string): boolean {
    return (this.#paused.get(url) ?? 0) > this.#place.world.clock.monotonic()
  }

  #pause(url: string): void {
    const now = this.#place.world.clock.monotonic()
    for (const [one, until] of this.#paused) if (until <= now) this.#paused.delete(one)
    this.#paused.set(url, now + this.#place.params.issuerPause)
  }

  #settle(ticket: WaitingTicket, heard: Opinions, settlement: Settlement, done: () => void): void {
    const { store, log } = this.#place
    // Nothing of the ticket, of its client or of when: only that there was one.
    if (settlement !== 'verified') log.warn('tickets.not-verified', { outcome: settlement })
    store.accounts.settleTicket(ticket, heard, settlement, (durable) => {
      done()
      if (durable && settlement === 'verified') this.#onVerified()
    })
  }

  /** undefined while those who are silent could still change it. */
  #settlement(ticket: WaitingTicket, epoch: KnownEpoch | undefined, opinions: Opinions): Settlement | undefined {
    const { params, store } = this.#place
    const judged = epoch === undefined ? undefined : judgement(counted(ticket, opinions), epoch.issuers.length, params)
    if (judged !== undefined) return judged
    const age = store.now() - (ticket.unixDay + 1) * DAY_MS
    const allHaveSpoken = epoch !== undefined && opinions.size >= epoch.issuers.length
    return allHaveSpoken || age > params.clearingGivenUpAfter ? 'lapsed' : undefined
  }

  #retryIn(): Millis {
    const { world, params } = this.#place
    return millis(Math.ceil(params.issuerRetry * (1 + world.random.stream('ticket-retry').uniform() / 2)))
  }
}

/** Without a bound index a payment is invalid to strict issuers. A gateway that is compatible knew that, and its client need not. */
const counted = ({ payment }: WaitingTicket, opinions: Opinions): Opinions =>
  payment.length === UNBOUND_PAYMENT_BYTES ? new Map([...opinions].filter(([, one]) => one !== 'invalid')) : opinions

/**
 * `replayed` is a yes: the issuer has this very payment, which names this gateway, and it was taken here once; so the answer to the
 * first question was lost. `too-old` is neither: the day was checked when the ticket came, and a client must not pay for issuers that
 * were away. Acceptance is looked at first, as where a third are liars both quorums are reached. One issuer alone makes nobody pay: of
 * three it is more than the quorum, and could ruin every client of a gateway.
 */
export function judgement(
  opinions: Opinions,
  issuers: number,
  { acceptedQuorum, rejectedQuorum }: Pick<TicketParams, 'acceptedQuorum' | 'rejectedQuorum'>,
): 'verified' | 'rejected' | undefined {
  const all = [...opinions.values()]
  const accepted = all.filter(isAcceptance).length
  const rejected = all.filter((one) => one === 'double-spend' || one === 'invalid').length
  if (reaches(accepted, issuers, acceptedQuorum)) return 'verified'
  return rejected >= Math.min(2, issuers) && reaches(rejected, issuers, rejectedQuorum) ? 'rejected' : undefined
}

export const isAcceptance = (opinion: TicketOpinion): boolean => opinion === 'accepted' || opinion === 'replayed'

/** 7 of 10 are 0.7, whatever doubles make of it. */
const reaches = (votes: number, of: number, quorum: number): boolean => votes > 0 && votes >= quorum * of - 1e-9
