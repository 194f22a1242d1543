/**
 * By how much stakes changed by what was asked for, or withdrawn, once secrets were being revealed: none of it counts in the draw that ends
 * the epoch, or whoever knows the seed would move stake to the nodes that are lucky. Requests say so themselves; more of a pledge is seen
 * by the NYM that came, and known for what it was when it begins to count. As contracts/mixnet/Late.sol. @module
 */
import { revealFrom } from '../../../protocol/economy/interval.ts'
import type { EpochEvent, MixnetState } from '../../../protocol/economy/mixnetState.ts'

interface Transfer {
  readonly from: string
  readonly amount: bigint
  readonly isLate: boolean
}

export class LateStake {
  readonly #changes = new Map<number, bigint>()
  /** Of the queue. */
  readonly #events = new WeakSet<EpochEvent>()
  /** Since the epoch began. */
  #transfers: Transfer[] = []

  /** Decimal; below 0 where stake went. */
  of(nodeId: number): bigint {
    return this.#changes.get(nodeId) ?? 0n
  }

  transferred({ interval, nodeIdByOwner }: MixnetState, from: string, amount: bigint, time: bigint): void {
    if (nodeIdByOwner.has(from)) this.#transfers.push({ from, amount, isLate: time >= revealFrom(interval) })
  }

  /** The last one of the queue was asked for just now. */
  asked({ interval, epochEvents }: MixnetState, time: bigint): void {
    const event = epochEvents.at(-1)
    if (event !== undefined && time >= revealFrom(interval)) this.#events.add(event)
  }

  /** One that was asked for when its NYM came. */
  askedForPledge({ bonds }: MixnetState, event: EpochEvent & { readonly kind: 'pledgeMore' }): void {
    const owner = bonds.get(event.nodeId)?.owner
    const transfer = this.#transfers.findLast(({ from, amount }) => from === owner && amount === event.amount)
    if (transfer?.isLate) this.#events.add(event)
  }

  /** Does `work`, which applies that event of the queue. */
  applying(state: MixnetState, event: EpochEvent | undefined, work: () => void): void {
    if (event === undefined || event.kind === 'activeSet' || !this.#events.has(event)) return work()
    this.#note(state, event.nodeId, work)
  }

  /** Does `work`, which withdraws of that node at that time. */
  withdrawing(state: MixnetState, nodeId: number, time: bigint, work: () => void): void {
    if (time < revealFrom(state.interval)) return work()
    this.#note(state, nodeId, work)
  }

  epochAdvanced(): void {
    this.#changes.clear()
    this.#transfers = []
  }

  #note({ rewarding }: MixnetState, nodeId: number, work: () => void): void {
    const stake = (): bigint => {
      const node = rewarding.get(nodeId)
      return node === undefined ? 0n : node.operator + node.delegates
    }
    const before = stake()
    work()
    this.#changes.set(nodeId, this.of(nodeId) + stake() - before)
  }
}
