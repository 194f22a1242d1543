/**
 * Votes for what gateways earned. A batch is accepted whole or not at all: every ticket verified here, paid to this gateway, and in no
 * batch before. The gateway signs what it asks: every issuer knows serial numbers, and one could otherwise have another's tickets
 * redeemed in batches that their gateway never makes, after which it could not redeem them itself. @module
 */
import type { Meter } from '../../foundation/base/observe.ts'
import type { Secret } from '../../foundation/base/secret.ts'
import type { World } from '../../foundation/platform/world.ts'
import {
  type RedeemAnswer,
  type RedeemRequest,
  redeemRequestHolds,
  signVote,
} from '../../protocol/wire/issuer/redemption.ts'
import type { AgreedKeys } from './agreedKeys.ts'
import type { IssuerStore, StoredBatch } from './issuerStore.ts'

export interface RedemptionsOptions {
  readonly world: Pick<World, 'crypto'>
  readonly store: IssuerStore
  readonly identitySeed: Secret
  readonly meter: Meter
}

export class Redemptions {
  readonly #options: RedemptionsOptions

  constructor(options: RedemptionsOptions) {
    this.#options = options
  }

  /** `forged` where digest or signature do not hold. The same batch again gets the same vote. */
  answer(keys: AgreedKeys, request: RedeemRequest): RedeemAnswer | 'forged' {
    const { world, store } = this.#options
    if (!redeemRequestHolds(world.crypto, request)) return this.#counted('forged')
    const { gateway, digest, serialNumbers } = request
    const { index } = keys.own
    const before = store.batch(gateway, digest)
    if (before !== undefined) return this.#counted('repeated', accepted(index, before))
    const vote = { epochId: keys.epochId, count: serialNumbers.length }
    const signature = signVote(world.crypto, this.#options.identitySeed.expose(), { ...vote, index, gateway, digest })
    const batch = { ...vote, signature }
    if (!store.redeem(gateway, digest, serialNumbers, batch)) {
      return this.#counted('refused', { accepted: false, vote: undefined })
    }
    return this.#counted('accepted', accepted(index, batch))
  }

  #counted(result: 'forged'): 'forged'
  #counted(result: 'accepted' | 'repeated' | 'refused', answer: RedeemAnswer): RedeemAnswer
  #counted(result: string, answer?: RedeemAnswer): RedeemAnswer | 'forged' {
    this.#options.meter.counter('issuer_batches_total', 'Batches to redeem by what became of them', { result }).value++
    return answer ?? 'forged'
  }
}

const accepted = (index: number, { epochId, count, signature }: StoredBatch): RedeemAnswer => ({
  accepted: true,
  vote: { epochId, index, count, signature },
})
