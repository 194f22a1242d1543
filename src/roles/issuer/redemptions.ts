/**
 * Votes for what gateways earned. A batch is accepted whole or not at all: every ticket verified here, paid to this gateway, and in no
 * batch before. The gateway signs what it asks: every issuer knows serial numbers, and one could otherwise have another's tickets
 * redeemed in batches that their gateway never makes, after which it could not redeem them itself. @module
 */
import type { Meter } from '../../foundation/base/observe.ts'
import type { Secret } from '../../foundation/base/secret.ts'
import type { World } from '../../foundation/platform/world.ts'
import {
  type PayingContract,
  type RedeemAnswer,
  type RedeemRequest,
  type RedeemVote,
  redeemRequestHolds,
  signVote,
  voteHolds,
} from '../../protocol/wire/issuer/redemption.ts'
import type { AgreedKeys } from './agreedKeys.ts'
import type { IssuerStore, StoredBatch } from './issuerStore.ts'

export interface RedemptionsOptions {
  readonly world: Pick<World, 'crypto'>
  readonly store: IssuerStore
  readonly identitySeed: Secret
  readonly payer: PayingContract
  readonly meter: Meter
}

export class Redemptions {
  readonly #options: RedemptionsOptions

  constructor(options: RedemptionsOptions) {
    this.#options = options
  }

  /**
   * `forged` where digest or signature do not hold. The same batch again gets the same vote; from an issuer that has moved to another
   * ledger since, none: its tickets were paid for there.
   */
  answer(keys: AgreedKeys, request: RedeemRequest): RedeemAnswer | 'forged' {
    const { world, store, payer } = this.#options
    if (!redeemRequestHolds(world.crypto, request)) return this.#counted('forged')
    const { gateway, digest, serialNumbers } = request
    const { index } = keys.own
    const before = store.batch(gateway, digest)
    if (before !== undefined) {
      const { epochId, count, signature } = before
      const isOurs = this.#signed({ payer, epochId, count, index, gateway, digest }, signature)
      return isOurs ? this.#counted('repeated', accepted(payer, index, before)) : this.#counted('refused', REFUSED)
    }
    const vote = { epochId: keys.epochId, count: serialNumbers.length }
    const whole = { payer, ...vote, index, gateway, digest }
    const signature = signVote(world.crypto, this.#options.identitySeed.expose(), whole)
    const batch = { ...vote, signature }
    if (!store.redeem(gateway, digest, serialNumbers, batch)) return this.#counted('refused', REFUSED)
    return this.#counted('accepted', accepted(payer, index, batch))
  }

  #signed(vote: RedeemVote, signature: Uint8Array): boolean {
    const { world, identitySeed } = this.#options
    return voteHolds(world.crypto, world.crypto.ed25519PublicKey(identitySeed.expose()), vote, signature)
  }

  #counted(result: 'forged'): 'forged'
  #counted(result: 'accepted' | 'repeated' | 'refused', answer: RedeemAnswer): RedeemAnswer
  #counted(result: string, answer?: RedeemAnswer): RedeemAnswer | 'forged' {
    this.#options.meter.counter('issuer_batches_total', 'Batches to redeem by what became of them', { result }).value++
    return answer ?? 'forged'
  }
}

const REFUSED: RedeemAnswer = { accepted: false, vote: undefined }

const accepted = (payer: PayingContract, index: number, { epochId, count, signature }: StoredBatch): RedeemAnswer => ({
  accepted: true,
  vote: { payer, epochId, index, count, signature },
})
