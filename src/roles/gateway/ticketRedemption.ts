/**
 * Verified tickets are handed in together. The gateway commits to their serial numbers, signs, and asks the issuers to vote; with the
 * threshold's votes the tickets are redeemed. What was asked once is asked again word for word until then, so an issuer can count
 * it once; what it is worth to the operator is the ledger's to say. @module
 */
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
import { isAcceptance } from './ticketClearing.ts'
import type { Redemption, VerifiedTicket } from './ticketLedger.ts'
import { DAY_MS, unixDayOf } from './unixDay.ts'

export class TicketRedemption {
  readonly #place: TicketPlace
  readonly #epochs: CredentialEpochs
  readonly #issuers: IssuerClient
  #timer: Timer | undefined
  #working = false
  #again = false
  #stopped = false

  constructor(place: TicketPlace, epochs: CredentialEpochs) {
    this.#place = place
    this.#epochs = epochs
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
    const { world, store, identitySeed, log } = this.#place
    const before = store.tickets.redemptionVotes(redemption)
    const serialNumbers = store.tickets.serialNumbers(redemption)
    const request = signRedeemRequest(world.crypto, identitySeed.expose(), { serialNumbers })
    const body = JSON.stringify(encodeRedeemRequest(request))
    const votes = new Set(before)
    await Promise.all(
      epoch.issuers.map(async (issuer) => {
        if (!before.has(issuer.index) && (await this.#votes(redemption, epoch, issuer, body))) votes.add(issuer.index)
      }),
    )
    if (this.#stopped) return
    const passed = votes.size >= epoch.threshold
    const { promise, resolve } = Promise.withResolvers<boolean>()
    store.changeTickets((ledger) => {
      if (passed) ledger.closeRedemption(redemption)
      else ledger.addRedemptionVotes(redemption, votes)
    }, resolve)
    if ((await promise) && passed) log.info('tickets.redeemed', { tickets: redemption.tickets })
  }

  /** Whether that issuer votes for it, in writing: the votes are what a ledger will want to see. */
  async #votes(
    { digest, tickets }: Redemption,
    epoch: KnownEpoch,
    issuer: EpochIssuer,
    body: string,
  ): Promise<boolean> {
    const { world, identity } = this.#place
    const answer = await this.#issuers.redeem(issuer, body)
    if (answer?.accepted !== true || answer.vote === undefined) return false
    const { index } = issuer
    // Meanwhile it may have a key of a later epoch: it votes as what it is, for what it verified before.
    const { epochId } = answer.vote
    if (epochId < epoch.epochId) return false
    const vote = { epochId, index, gateway: identity, digest, count: tickets }
    return voteHolds(world.crypto, issuer.identity, vote, answer.vote.signature)
  }
}
