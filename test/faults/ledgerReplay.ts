/**
 * What the rules say came of everything that people did. The audit that anybody runs over a ledger (`ledger verify`) says whether the
 * contracts kept to them; here is what it saw, epoch by epoch, for tests to hold against what they did. @module
 */
import { Audit, type AuditedEpoch } from '../../src/network/ledger/audit/audit.ts'
import type { Deployment } from '../../src/network/ledger/deployment.ts'
import type { AnyLedgerEvent } from '../../src/network/ledger/ledger.ts'
import type { Role } from '../../src/protocol/economy/draw.ts'
import type { MixnetState } from '../../src/protocol/economy/mixnetState.ts'
import { keccak } from './ledgerRun.ts'

/** As contracts are deployed. */
const RULES = { exclusion: 6, tolerance: 20 }

export interface Exclusion {
  readonly epochId: number
  readonly who: string
  readonly reason: 'not revealed' | 'far'
}

export class LedgerReplay {
  /** Of epochs that have begun: what was drawn for them. */
  readonly sets: Map<number, ReadonlyMap<number, Role>> = new Map()
  readonly ended: Map<number, AuditedEpoch> = new Map()
  readonly exclusions: Exclusion[] = []
  /** Of each epoch, Decimals: what each node's operator and delegators got together. */
  readonly rewards: Map<number, Map<number, bigint>> = new Map()
  readonly #audit: Audit
  readonly #scores = new Map<number, ReadonlyMap<number, bigint>>()

  private constructor(audit: Audit) {
    this.#audit = audit
  }

  /** All events of the chain, in its order. Throws Difference. */
  static of(
    deployment: Deployment,
    events: readonly AnyLedgerEvent[],
    timeOf: (block: number) => number,
  ): LedgerReplay {
    const replay = new LedgerReplay(new Audit(deployment, RULES, keccak))
    const facts = {
      times: new Map(events.map(({ block }) => [block, timeOf(block)])),
      commitments: new Map(),
    }
    for (const epoch of replay.#audit.take(events, facts)) replay.#noteEpoch(epoch)
    for (const event of events) replay.#note(event)
    return replay
  }

  /** Of everybody's accounts, after all of it. */
  get state(): MixnetState {
    return this.#audit.state
  }

  /** Percent as a Decimal, by which that epoch was paid: the newest median of it and the 24 before. */
  scoreOf(epochId: number, nodeId: number): bigint {
    return this.#scores.get(epochId)?.get(nodeId) ?? 0n
  }

  #noteEpoch(epoch: AuditedEpoch): void {
    const { epochId } = epoch
    this.ended.set(epochId, epoch)
    this.sets.set(epochId + 1, this.#audit.set.roles)
    const ids = [...this.state.rewarding.keys()]
    this.#scores.set(epochId, new Map(ids.map((nodeId) => [nodeId, this.#audit.scoreOf(epochId, nodeId)])))
  }

  /** The audit has found them to be what the rules say. */
  #note(event: AnyLedgerEvent): void {
    if (event.contract === 'performance' && event.event === 'Excluded') {
      const { epochId, who, reason } = event.args
      this.exclusions.push({ epochId, who: who.toLowerCase(), reason: reason === 1 ? 'not revealed' : 'far' })
    }
    if (event.contract !== 'mixnet' || event.event !== 'NodeRewarded') return
    const { epochId, nodeId, operatorReward, delegatesReward } = event.args
    const ofEpoch = this.rewards.get(epochId) ?? new Map<number, bigint>()
    this.rewards.set(epochId, ofEpoch.set(nodeId, operatorReward + delegatesReward))
  }
}
