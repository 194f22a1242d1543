/**
 * Stake that was asked for once secrets were being revealed: it does not weigh in the draw that ends the epoch, or whoever knows the seed
 * would put it behind the nodes that are lucky. Delegations say so themselves; more of a pledge is seen by the NYM that came, and known
 * for what it was when it begins to count. @module
 */
import { revealFrom } from '../../../protocol/economy/interval.ts'
import type { MixnetState } from '../../../protocol/economy/mixnetState.ts'
import type { MixnetEvent } from './mixnetEvents.ts'

interface Transfer {
  readonly from: string
  readonly amount: bigint
  readonly isLate: boolean
}

export class LateStake {
  readonly #late = new Map<number, bigint>()
  /** Since the epoch began. */
  #transfers: Transfer[] = []

  /** unym. */
  of(nodeId: number): bigint {
    return this.#late.get(nodeId) ?? 0n
  }

  transferred({ interval, nodeIdByOwner }: MixnetState, from: string, amount: bigint, time: bigint): void {
    if (nodeIdByOwner.has(from)) this.#transfers.push({ from, amount, isLate: time >= revealFrom(interval) })
  }

  /** Before the event is played. */
  take({ interval, bonds }: MixnetState, event: MixnetEvent, time: bigint): void {
    if (event.event === 'DelegationRequested' && time >= revealFrom(interval)) {
      this.#add(event.args.nodeId, event.args.amount)
    }
    if (event.event === 'PledgeChanged') {
      const bond = bonds.get(event.args.nodeId)
      const by = event.args.pledge - (bond?.originalPledge ?? 0n)
      const transfer = this.#transfers.findLast(({ from, amount }) => from === bond?.owner && amount === by)
      if (transfer?.isLate) this.#add(event.args.nodeId, by)
    }
    if (event.event === 'EpochAdvanced') {
      this.#late.clear()
      this.#transfers = []
    }
  }

  #add(nodeId: number, amount: bigint): void {
    this.#late.set(nodeId, this.of(nodeId) + amount)
  }
}
