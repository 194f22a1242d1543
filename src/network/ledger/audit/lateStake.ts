/**
 * By how much stakes changed by what was asked for, or withdrawn, once secrets were being revealed: none of it counts in the draw that ends
 * the epoch, or whoever knows the seed would move stake to the nodes that are lucky. As contracts/mixnet/Late.sol: by time, so that what
 * moves while epochs are caught up counts in none of their draws. @module
 */
import { revealFrom } from '../../../protocol/economy/interval.ts'
import type { EpochEvent, MixnetState } from '../../../protocol/economy/mixnetState.ts'

export class LateStake {
  /** Up to that time, Unix seconds. */
  readonly #changes = new Map<number, { readonly by: bigint; readonly at: bigint }>()
  /** Of the queue. */
  readonly #events = new WeakSet<EpochEvent>()

  /** Decimal; below 0 where stake went. */
  of({ interval }: MixnetState, nodeId: number): bigint {
    const change = this.#changes.get(nodeId)
    return change !== undefined && change.at >= revealFrom(interval) ? change.by : 0n
  }

  /** The last one of the queue was asked for just now. */
  asked({ interval, epochEvents }: MixnetState, time: bigint): void {
    const event = epochEvents.at(-1)
    if (event !== undefined && time >= revealFrom(interval)) this.#events.add(event)
  }

  /** Does `work`, which applies that event of the queue. */
  applying(state: MixnetState, event: EpochEvent | undefined, time: bigint, work: () => void): void {
    if (event === undefined || event.kind === 'activeSet' || !this.#events.has(event)) return work()
    this.#note(state, event.nodeId, time, work)
  }

  /** Does `work`, which withdraws of that node. */
  withdrawing(state: MixnetState, nodeId: number, time: bigint, work: () => void): void {
    if (time < revealFrom(state.interval)) return work()
    this.#note(state, nodeId, time, work)
  }

  #note(state: MixnetState, nodeId: number, time: bigint, work: () => void): void {
    const stake = (): bigint => {
      const node = state.rewarding.get(nodeId)
      return node === undefined ? 0n : node.operator + node.delegates
    }
    const before = stake()
    work()
    const by = stake() - before
    if (by !== 0n) this.#changes.set(nodeId, { by: this.of(state, nodeId) + by, at: time })
  }
}
