/**
 * Verified tickets are handed in together. The gateway commits to their serial numbers, signs, and asks the issuers to vote; with the
 * threshold's votes the tickets are redeemed, or handed on to the ledger, which pays. What was asked once is asked again word for word until
 * then, so that issuers and ledger can count it once. @module
 */
import type { Counter } from '../../foundation/base/observe.ts'
import { millis } from '../../foundation/base/units.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import type { EpochIssuer } from '../../protocol/wire/issuer/credentialEpoch.ts'
import {
  batchDigest,
  encodeRedeemRequest,
  signRedeemRequest,
  voteHolds,
} from '../../protocol/wire/issuer/redemption.ts'
import { type CredentialEpochs, type KnownEpoch, reasonOf } from './credentialEpochs.ts'
import type { TicketPlace } from './gateway.ts'
import { IssuerClient } from './issuerClient.ts'
import type { Redeemer, SignedVote } from './redeemer.ts'
import { isAcceptance } from './ticketClearing.ts'
import type { Redemption, TicketLedger, VerifiedTicket } from './ticketLedger.ts'
import { DAY_MS, unixDayOf } from './unixDay.ts'

export class TicketRedemption {
  readonly #place: TicketPlace
  readonly #epochs: CredentialEpochs
  readonly #issuers: IssuerClient
  readonly #redeemer: Redeemer | undefined
  readonly #earned: Counter
  readonly #life = new AbortController()
  #timer: Timer | undefined
  #working = false
  #again = false
  #stopped = false

  /** `redeemer`: who pays; without one votes are all there is. */
  constructor(place: TicketPlace, epochs: CredentialEpochs, redeemer?: Redeemer) {
    this.#place = place
    this.#epochs = epochs
    this.#redeemer = redeemer
    this.#earned = place.meter.counter('gateway_earned_unym_total', 'What the ledger put down for tickets taken here')
    const { issuersAtOnce: atOnce, issuerTimeout: timeout } = place.params
    this.#issuers = new IssuerClient({ net: place.world.net, atOnce, timeout })
    this.#lookLater()
  }

  /** A ticket was verified: there may be enough of them. */
  look(): void {
    if (this.#isDue()) this.#work()
  }

  stop(): void {
    this.#stopped = true
    this.#life.abort()
    this.#timer?.cancel()
    this.#issuers.stop()
  }

  #lookLater(): void {
    const { world, params } = this.#place
    // Not all gateways of a network that was started at once at the same moment.
    const wait = millis(params.redeemEvery * (1 + world.random.stream('ticket-retry').uniform() / 2))
    this.#timer = world.clock.after(wait, () => {
      this.#work()
      this.#lookLater()
    })
  }

  #isDue(): boolean {
    return !this.#stopped && this.#epochs.all().some((epoch) => this.#ready(epoch).length > 0)
  }

  #work(): void {
    if (this.#stopped) return
    this.#again = this.#working
    if (this.#working) return
    this.#working = true
    this.#handIn()
      .catch((error: unknown) => {
        if (!this.#stopped) this.#place.log.error('tickets.not-redeemed', { code: reasonOf(error) })
      })
      .finally(() => {
        this.#working = false
        if (this.#again) this.look()
      })
  }

  async #handIn(): Promise<void> {
    const { store } = this.#place
    for (const epoch of this.#epochs.all()) {
      while (!this.#stopped) {
        const tickets = this.#ready(epoch)
        if (tickets.length === 0 || !(await this.#open(epoch, tickets))) break
      }
    }
    for (const redemption of this.#stopped ? [] : store.tickets.openRedemptions()) {
      const epoch = this.#epochs.at(redemption.epochRow)
      if (epoch !== undefined) await this.#collect(redemption, epoch)
      if (this.#stopped) return
    }
  }

  /** Enough verified tickets for a redemption, or old enough ones; else none. */
  #ready(epoch: KnownEpoch): readonly VerifiedTicket[] {
    const { store, params } = this.#place
    const verified = store.tickets.verified(epoch.row, params.redeemAtMost)
    const [oldest] = verified
    const isOld = oldest !== undefined && store.now() - oldest.unixDay * DAY_MS > params.redeemAfter
    if (verified.length < params.redeemFrom && !isOld) return []
    const supported = this.#supported(verified, epoch)
    return supported.length >= params.redeemFrom || isOld ? supported : []
  }

  /**
   * An issuer votes for tickets that it has verified itself, and each of these has been verified by some 70 % of them, not by the same: the
   * tickets of one redemption must have enough issuers in common. Those left out go into the next.
   */
  #supported(tickets: readonly VerifiedTicket[], { issuers, threshold }: KnownEpoch): readonly VerifiedTicket[] {
    let common = new Set(issuers.map(({ index }) => index))
    return tickets.filter(({ id }) => {
      const opinions = this.#place.store.tickets.opinions(id)
      const left = new Set([...common].filter((index) => isAcceptance(opinions.get(index) ?? 'too-old')))
      if (left.size < threshold) return false
      common = left
      return true
    })
  }

  /** Resolves to whether it is on disk. */
  #open({ row }: KnownEpoch, tickets: readonly VerifiedTicket[]): Promise<boolean> {
    const { world, store } = this.#place
    const digest = batchDigest(
      world.crypto,
      tickets.map(({ serialNumber }) => serialNumber),
    )
    const today = unixDayOf(store.now())
    const { promise, resolve } = Promise.withResolvers<boolean>()
    store.changeTickets((ledger) => ledger.openRedemption(row, digest, tickets, today), resolve)
    return promise
  }

  async #collect(redemption: Redemption, epoch: KnownEpoch): Promise<void> {
    const { world, store, identitySeed } = this.#place
    const before = store.tickets.redemptionVotes(redemption)
    const serialNumbers = store.tickets.serialNumbers(redemption)
    const request = signRedeemRequest(world.crypto, identitySeed.expose(), { serialNumbers })
    const body = JSON.stringify(encodeRedeemRequest(request))
    const votes = new Map(before)
    await Promise.all(
      epoch.issuers.map(async (issuer) => {
        const vote = before.has(issuer.index) ? undefined : await this.#vote(redemption, epoch, issuer, body)
        if (vote !== undefined) votes.set(issuer.index, vote)
      }),
    )
    if (this.#stopped) return
    const passed = votes.size >= epoch.threshold
    if (!passed || this.#redeemer !== undefined) {
      if (!(await this.#change((ledger) => ledger.addRedemptionVotes(redemption, votes))) || !passed) return
    }
    // Killed in here, it asks again, and hears that it was paid.
    if (this.#stopped || !(await this.#isPaid(redemption, votes))) return
    if (await this.#change((ledger) => void ledger.closeRedemption(redemption))) {
      this.#place.log.info('tickets.redeemed', { tickets: redemption.tickets })
    }
  }

  /** Resolves to whether it is on disk. */
  #change(write: (ledger: TicketLedger) => void): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    this.#place.store.changeTickets(write, resolve)
    return promise
  }

  async #isPaid({ digest, tickets: count }: Redemption, votes: ReadonlyMap<number, SignedVote>): Promise<boolean> {
    if (this.#redeemer === undefined) return true
    const { log } = this.#place
    try {
      const outcome = await this.#redeemer.redeem({ digest, count, votes }, this.#life.signal)
      this.#count(outcome.kind)
      if (outcome.kind === 'later') {
        log.warn('tickets.not-paid', { tickets: count, reason: outcome.reason })
        return false
      }
      if (outcome.unym !== undefined) this.#earned.value += Number(outcome.unym)
      return true
    } catch (error) {
      if (this.#stopped) return false
      this.#count('failed')
      log.warn('tickets.not-paid', { tickets: count, reason: reasonOf(error) })
      return false
    }
  }

  #count(result: string): void {
    const help = 'Batches handed to the ledger by what became of them'
    this.#place.meter.counter('gateway_redemptions_total', help, { result }).value++
  }

  /** That issuer's, if it votes for it, in writing: the votes are what the ledger wants to see. */
  async #vote(
    { digest, tickets }: Redemption,
    epoch: KnownEpoch,
    issuer: EpochIssuer,
    body: string,
  ): Promise<SignedVote | undefined> {
    const { world, identity } = this.#place
    const answer = await this.#issuers.redeem(issuer, body)
    if (answer?.accepted !== true || answer.vote === undefined) return undefined
    const { index } = issuer
    // Meanwhile it may have a key of a later epoch: it votes as what it is, for what it verified before.
    const { epochId, signature } = answer.vote
    // What another contract would pay for is no vote here. Without one nobody pays, and it does not matter which.
    const payer = this.#redeemer?.payer ?? answer.vote.payer
    if (epochId < epoch.epochId) return undefined
    const vote = { payer, epochId, index, gateway: identity, digest, count: tickets }
    return voteHolds(world.crypto, issuer.identity, vote, signature) ? { epochId, signature } : undefined
  }
}
