/**
 * What each delegator would have if every reward were dealt out to each of them in turn: the accounts that the contract's four numbers a
 * node stand for. Thirty-six digits, so that only the contract's own rounding shows. @module
 */
import assert from 'node:assert/strict'
import { UNIT_DELEGATION } from '../../src/protocol/economy/accounts.ts'
import { ONE } from '../../src/protocol/economy/decimal.ts'
import type { Happened, MixnetState, Owner } from '../../src/protocol/economy/mixnetState.ts'
import { pendingDelegatorReward } from '../../src/protocol/economy/operations.ts'

const FINE = ONE * ONE

interface NaiveNode {
  readonly worth: Map<Owner, bigint>
  /** How much of all together the official floors may have cut off: raw Decimal. */
  slack: bigint
}

export class NaiveAccounts {
  readonly #nodes = new Map<number, NaiveNode>()
  /** Raw Decimal: the furthest that any delegation was from what it should be worth. */
  widest = 0n

  #of(nodeId: number): NaiveNode {
    const found = this.#nodes.get(nodeId) ?? { worth: new Map(), slack: 0n }
    this.#nodes.set(nodeId, found)
    return found
  }

  /** One event of the mixnet; `state` as it is behind all of that call. */
  happened(name: string, args: Happened['args'], state: MixnetState): void {
    const node = this.#of(Number(args.nodeId ?? 0))
    const owner = args.owner as Owner
    if (name === 'NodeRewarded') deal(node, args)
    // A top-up is in whole unym, as everything that is paid.
    if (name === 'Delegated') {
      const amount = (args.amount as bigint) * FINE
      const before = node.worth.get(owner)
      if (before !== undefined) assert.ok(amount + FINE > before, 'a top-up takes less than a unym')
      node.worth.set(owner, amount)
    }
    if (name === 'Undelegated') {
      close(args.paid as bigint, node.worth.get(owner) ?? 0n, node)
      node.worth.delete(owner)
    }
    if (name === 'DelegatorRewardWithdrawn') {
      const delegation = state.delegations.get(Number(args.nodeId))?.get(owner)
      const principal = (delegation?.amount ?? 0n) * FINE
      close(args.paid as bigint, (node.worth.get(owner) ?? 0n) - principal, node)
      node.worth.set(owner, principal)
    }
  }

  /** Every delegation is worth the same in both, to the contract's rounding; in sum never more than its node's delegates. */
  compare(state: MixnetState): void {
    for (const [nodeId, ofNode] of state.delegations) {
      const node = this.#of(nodeId)
      assert.deepEqual([...ofNode.keys()].sort(), [...node.worth.keys()].sort())
      let sum = 0n
      for (const [owner, { amount }] of ofNode) {
        const worth = amount * ONE + pendingDelegatorReward(state, nodeId, owner)
        const naive = (node.worth.get(owner) ?? 0n) / ONE
        const apart = naive > worth ? naive - worth : worth - naive
        if (apart > this.widest) this.widest = apart
        assert.ok(apart <= node.slack + 1n, `${owner} of ${nodeId}: ${apart} apart, ${node.slack} allowed`)
        sum += worth
      }
      const delegates = state.rewarding.get(nodeId)?.delegates ?? 0n
      assert.ok(sum <= delegates, `${nodeId}: delegators have more than there is`)
      assert.ok(delegates - sum <= node.slack * 2n + BigInt(ofNode.size), `${nodeId}: ${delegates - sum} of dust`)
    }
  }
}

/** In proportion to what each has. */
function deal(node: NaiveNode, args: Happened['args']): void {
  const reward = args.delegatesReward as bigint
  const delegates = args.priorDelegates as bigint
  if (delegates === 0n) return
  const total = [...node.worth.values()].reduce((sum, worth) => sum + worth, 0n)
  for (const [owner, worth] of node.worth) node.worth.set(owner, worth + (worth * reward * ONE) / total)
  // Of a reward `del` the unit gets del · floor(unit / delegates): one in the eighteenth digit there, del·delegates/unit of all of them;
  // then one more for the product. Each delegation's own reward is cut twice.
  const unit = UNIT_DELEGATION + (args.priorUnitReward as bigint)
  // What was cut off before would have earned too, for whoever it was cut off, as did the dust among the delegates.
  node.slack += (3n * node.slack * reward) / delegates
  node.slack += ((reward + ONE) * delegates) / unit / ONE + delegates / unit + 4n
}

function close(paid: bigint, worth: bigint, node: NaiveNode): void {
  const apart = worth - paid * FINE
  const slack = (node.slack + 1n) * ONE
  assert.ok(apart > -slack - 1n && apart < FINE + slack, `paid ${paid}, worth ${worth}`)
}
