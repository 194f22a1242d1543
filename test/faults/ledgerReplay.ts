/**
 * What the rules say came of everything that people did: the model of src/protocol/economy, told the requests in the order of the chain,
 * must say each event that the contracts said, to the last digit. Scores, seeds, sets and roots are computed from what was revealed and
 * announced, by nobody's word but the rules'. @module
 */
import assert from 'node:assert/strict'
import { bytesOfHex, hexOfBytes } from '../../src/app/node/ledgerSources.ts'
import type { Deployment } from '../../src/network/ledger/deployment.ts'
import type { AnyLedgerEvent } from '../../src/network/ledger/ledger.ts'
import { announcementLeaf, NO_LEAF } from '../../src/protocol/economy/announcementLeaf.ts'
import { ONE, whole } from '../../src/protocol/economy/decimal.ts'
import { type DrawNode, drawSet, ROLE, type Role } from '../../src/protocol/economy/draw.ts'
import {
  advanceEpoch,
  beginEpochTransition,
  type RewardedNode,
  reconcileEpochEvents,
  rewardNodes,
  type Served,
} from '../../src/protocol/economy/epochMachine.ts'
import { epochSeed, firstSeed } from '../../src/protocol/economy/epochSeed.ts'
import { weightedMedians } from '../../src/protocol/economy/medians.ts'
import { type Happened, type MixnetState, newMixnet } from '../../src/protocol/economy/mixnetState.ts'
import * as operations from '../../src/protocol/economy/operations.ts'
import { unpackReport } from '../../src/protocol/economy/reports.ts'
import type { CostParams } from '../../src/protocol/economy/rewards.ts'
import { topologyRoot } from '../../src/protocol/economy/topologyRoot.ts'
import { COSTS, keccak } from './ledgerRun.ts'

const FALLBACK_EPOCHS = 24
const ACTIVE_EPOCHS = 24
const JUDGING_REPORTS = 3
const TOLERANCE = 20
const EXCLUSION = 6

interface Participant {
  readonly who: string
  readonly stake: bigint
  committedIn: number
  excludedUntil: number
}

interface Said {
  /** The draw at the end of this epoch is the first that counts it. */
  readonly period: number
  readonly capabilities: number
  readonly leaf: Uint8Array
}

interface Round {
  readonly committed: string[]
  readonly revealed: Map<string, { readonly secret: Uint8Array; readonly scores: ReadonlyMap<number, number> }>
}

export interface Exclusion {
  readonly epochId: number
  readonly who: string
  readonly reason: 'not revealed' | 'far'
}

/** Of an epoch that has begun. */
export interface EpochSet {
  readonly epochId: number
  readonly roles: ReadonlyMap<number, Role>
}

export class LedgerReplay {
  readonly state: MixnetState
  readonly sets: Map<number, EpochSet> = new Map()
  readonly medians: Map<number, ReadonlyMap<number, number>> = new Map()
  readonly exclusions: Exclusion[] = []
  /** Of each epoch, Decimals: what each node's operator and delegators got together. */
  readonly rewards: Map<number, Map<number, bigint>> = new Map()
  readonly counts: Map<string, number> = new Map()
  readonly #timeOf: (block: number) => number
  readonly #costs: CostParams
  readonly #participants = new Map<string, Participant>()
  readonly #rounds = new Map<number, Round>()
  readonly #said = new Map<number, Said[]>()
  readonly #exclusionsTold: Exclusion[] = []
  #seed: Uint8Array
  #settled = -1
  #set: readonly RewardedNode[] = []

  /** `costs`: with which every node was bonded. */
  constructor(
    { params, chainId, addresses }: Deployment,
    timeOf: (block: number) => number,
    costs: CostParams = COSTS,
  ) {
    this.#timeOf = timeOf
    this.#costs = costs
    const { rewardPool, stakingSupply } = params
    const chosen = { ...params, rewardPool: whole(rewardPool), stakingSupply: whole(stakingSupply) }
    const { stakingSupplyScaleFactor, sybilResistance, activeSetWorkFactor, intervalPoolEmission, rewardedSet } = params
    this.state = newMixnet({
      ...params,
      firstEpochStart: BigInt(params.firstEpochStart),
      epochLength: params.epochSeconds,
      params: {
        rewardPool: chosen.rewardPool,
        stakingSupply: chosen.stakingSupply,
        stakingSupplyScaleFactor,
        sybilResistance,
        activeSetWorkFactor,
        intervalPoolEmission,
        rewardedSet,
      },
      operatorsParams: params,
    })
    this.state.balance = rewardPool
    this.#seed = firstSeed(chainId, bytesOfHex(addresses.performance), keccak)
  }

  /** All events of the chain, in its order. */
  replay(events: readonly AnyLedgerEvent[]): void {
    for (let i = 0; i < events.length; ) {
      const { transactionHash } = events[i]!
      const end = events.findIndex((event, j) => j > i && event.transactionHash !== transactionHash)
      const transaction = events.slice(i, end < 0 ? events.length : end)
      this.#transaction(transaction)
      i += transaction.length
    }
    assert.deepEqual(this.#exclusionsTold.sort(byEpochAndWho), this.exclusions.sort(byEpochAndWho))
  }

  #transaction(events: readonly AnyLedgerEvent[]): void {
    const now = BigInt(this.#timeOf(events[0]!.block))
    this.state.log.length = 0
    let rewarded = 0
    let reconciled = 0
    for (const event of events) {
      if (event.contract === 'performance') this.#performance(event)
      if (event.contract === 'announcements') this.#announcement(event, now)
      if (event.contract === 'rewardedSet' && event.event === 'SetDrawn') this.#drawn(event, now)
      if (event.contract !== 'mixnet') continue
      this.counts.set(event.event, (this.counts.get(event.event) ?? 0) + 1)
      if (event.event === 'NodeRewarded' || event.event === 'NodeNotRewarded') rewarded++
      else if (RECONCILED.has(event.event)) reconciled++
      else this.#request(event, now)
    }
    if (rewarded > 0) rewardNodes(this.state, now, this.#served(), rewarded)
    if (reconciled > 0) reconcileEpochEvents(this.state, now, reconciled)
    const said = events.filter(({ contract, event }) => contract === 'mixnet' && event !== 'ParamsChanged')
    const expected = this.state.log.filter(({ name }) => name !== 'ParamsChanged')
    assert.deepEqual(said.map(happened), expected, `in block ${events[0]!.block}`)
    this.#noteRewards(expected)
  }

  #noteRewards(log: readonly Happened[]): void {
    for (const { name, args } of log) {
      if (name !== 'NodeRewarded') continue
      const { epochId, nodeId, operatorReward, delegatesReward } = args as Record<string, unknown> as {
        epochId: number
        nodeId: number
        operatorReward: bigint
        delegatesReward: bigint
      }
      const ofEpoch = this.rewards.get(epochId) ?? new Map<number, bigint>()
      this.rewards.set(epochId, ofEpoch.set(nodeId, operatorReward + delegatesReward))
    }
  }

  #request(event: Extract<AnyLedgerEvent, { contract: 'mixnet' }>, now: bigint): void {
    const { state } = this
    switch (event.event) {
      case 'Bonded': {
        const { owner, identityKey, host, httpPort, pledge } = event.args
        const known = { owner: owner.toLowerCase(), identityKey: identityKey.toLowerCase(), host, httpPort, pledge }
        operations.bond(state, now, { ...known, costs: this.#costs, signed: true })
        return
      }
      case 'UnbondRequested':
        return operations.unbond(state, state.bonds.get(event.args.nodeId)!.owner)
      case 'DelegationRequested':
        return operations.delegate(state, event.args.owner.toLowerCase(), event.args.nodeId, event.args.amount)
      case 'UndelegationRequested':
        return operations.undelegate(state, event.args.owner.toLowerCase(), event.args.nodeId)
      case 'DelegatorRewardWithdrawn':
        operations.withdrawDelegatorReward(state, event.args.owner.toLowerCase(), event.args.nodeId)
        return
      case 'OperatorRewardWithdrawn':
        operations.withdrawOperatorReward(state, event.args.owner.toLowerCase())
        return
      case 'Claimed':
        operations.claim(state, event.args.owner.toLowerCase())
        return
      case 'EpochTransitionBegan':
        return beginEpochTransition(state, now, this.#served())
      case 'EpochAdvanced':
        this.#nothingToReconcile(now)
        return advanceEpoch(state)
      case 'ParamsChanged':
        return
      default:
        assert.fail(`${event.event} does not happen here`)
    }
  }

  /** A call that had nothing to apply left no event. */
  #nothingToReconcile(now: bigint): void {
    if (this.state.epoch.kind === 'reconcilingEvents') reconcileEpochEvents(this.state, now, 1)
  }

  #served(): Served {
    const epochId = this.state.interval.totalElapsedEpochs
    return {
      set: this.#set,
      settled: this.#settled === epochId,
      performanceOf: (nodeId) => this.scoreOf(epochId, nodeId),
    }
  }

  /** Percent: the newest median of that epoch and the 24 before. */
  scoreOf(epochId: number, nodeId: number): bigint {
    for (let back = 0; back <= FALLBACK_EPOCHS; back++) {
      const median = this.medians.get(epochId - back)?.get(nodeId)
      if (median !== undefined) return (BigInt(median) * ONE) / 100n
    }
    return 0n
  }

  // ---- scores and seed

  #performance(event: Extract<AnyLedgerEvent, { contract: 'performance' }>): void {
    switch (event.event) {
      case 'Joined': {
        const { who, stake } = event.args
        this.#participants.set(who.toLowerCase(), {
          who: who.toLowerCase(),
          stake,
          committedIn: 0,
          excludedUntil: 0,
        })
        return
      }
      case 'Committed': {
        const { epochId, who } = event.args
        const participant = this.#participants.get(who.toLowerCase())!
        assert.ok(participant.excludedUntil <= epochId, 'an excluded monitor commits')
        participant.committedIn = epochId
        this.#roundOf(epochId).committed.push(participant.who)
        return
      }
      case 'Revealed': {
        const { epochId, who, secret, words, scores } = event.args
        const round = this.#roundOf(epochId)
        assert.ok(round.committed.includes(who.toLowerCase()))
        round.revealed.set(who.toLowerCase(), { secret: bytesOfHex(secret), scores: unpackReport({ words, scores }) })
        return
      }
      case 'Excluded': {
        const { epochId, who, reason } = event.args
        this.#exclusionsTold.push({ epochId, who: who.toLowerCase(), reason: reason === 1 ? 'not revealed' : 'far' })
        return
      }
      case 'Settled':
        return this.#settle(event.args.epochId, event.args.seed)
    }
  }

  #roundOf(epochId: number): Round {
    const round = this.#rounds.get(epochId) ?? { committed: [], revealed: new Map() }
    this.#rounds.set(epochId, round)
    return round
  }

  #settle(epochId: number, seed: string): void {
    assert.equal(epochId, this.state.interval.totalElapsedEpochs)
    const { committed, revealed } = this.#roundOf(epochId)
    const stakeOf = (who: string): bigint => this.#participants.get(who)!.stake
    const quorum = [...this.#participants.values()]
      .filter(({ excludedUntil }) => excludedUntil <= epochId)
      .filter(({ committedIn }) => committedIn !== 0 && committedIn + ACTIVE_EPOCHS >= epochId)
      .reduce((sum, { stake }) => sum + stake, 0n)
    const reporters = committed.filter((who) => revealed.has(who))
    const reports = reporters.map((who) => ({ stake: stakeOf(who), scores: revealed.get(who)!.scores }))
    const { scores, distances } = weightedMedians(reports, quorum)
    this.medians.set(epochId, scores)
    if (distances.filter(({ count }) => count > 0).length >= JUDGING_REPORTS) {
      for (const [i, { sum, count }] of distances.entries()) {
        if (sum > count * TOLERANCE) this.#exclude({ epochId, who: reporters[i]!, reason: 'far' })
      }
    }
    const total = (all: readonly string[]): bigint => all.reduce((sum, who) => sum + stakeOf(who), 0n)
    if (2n * total(reporters) > total(committed)) {
      for (const who of committed) if (!revealed.has(who)) this.#exclude({ epochId, who, reason: 'not revealed' })
    }
    const secrets = reporters.map((who) => ({
      participant: bytesOfHex(who as `0x${string}`),
      secret: revealed.get(who)!.secret,
    }))
    this.#seed = epochSeed({ previous: this.#seed, epochId, secrets }, keccak)
    assert.equal(hexOfBytes(this.#seed), seed, `seed of ${epochId}`)
    this.#settled = epochId
  }

  #exclude(exclusion: Exclusion): void {
    this.exclusions.push(exclusion)
    this.#participants.get(exclusion.who)!.excludedUntil = exclusion.epochId + 1 + EXCLUSION
  }

  // ---- the set

  #announcement(event: Extract<AnyLedgerEvent, { contract: 'announcements' }>, now: bigint): void {
    if (event.event !== 'Announced') return
    const { nodeId, sequence, capabilities, data, signature } = event.args
    const { totalElapsedEpochs: epochId } = this.state.interval
    const said = this.#said.get(nodeId) ?? []
    const parts = [bytesOfHex(data), bytesOfHex(signature)] as const
    const leaf = announcementLeaf({ nodeId, sequence, capabilities }, ...parts, keccak)
    said.push({ period: now < this.#revealFrom() ? epochId : epochId + 1, capabilities, leaf })
    this.#said.set(nodeId, said)
  }

  #revealFrom(): bigint {
    const { currentEpochStart, epochLength } = this.state.interval
    return currentEpochStart + BigInt(epochLength - Math.floor(epochLength / 4))
  }

  #drawn(event: Extract<AnyLedgerEvent, { contract: 'rewardedSet'; event: 'SetDrawn' }>, now: bigint): void {
    this.#nothingToReconcile(now)
    assert.equal(this.state.epoch.kind, 'roleAssignment')
    const { epochId, root, seed: told } = event.args
    const { state } = this
    const ending = state.interval.totalElapsedEpochs
    assert.equal(epochId, ending + 1)
    assert.equal(told, hexOfBytes(this.#seed))
    const isFirst = this.#set.filter(({ standby }) => !standby).length === 0
    const entries = new Map([...state.bonds.keys()].map((nodeId) => [nodeId, this.#entryOf(nodeId, ending, isFirst)]))
    const nodes = [...state.bonds].map(([nodeId, bond]): DrawNode => {
      const { operator, delegates } = state.rewarding.get(nodeId)!
      return {
        nodeId,
        stake: operator + delegates,
        performance: this.scoreOf(ending, nodeId),
        capabilities: entries.get(nodeId)!.capabilities,
        eligible: !bond.isUnbonding,
        bondedAt: bond.bondedAt,
      }
    })
    const { roles } = drawSet({
      seed: this.#seed,
      nodes,
      ...(isFirst ? {} : { bondedBefore: this.#revealFrom() }),
      saturationPoint: state.params.stakeSaturationPoint,
      wanted: state.params.rewardedSet,
      keccak256: keccak,
    })
    const parts = [...roles].map(([nodeId, role]) => {
      const identityKey = bytesOfHex(state.bonds.get(nodeId)!.identityKey as `0x${string}`)
      return { nodeId, identityKey, leaf: entries.get(nodeId)!.leaf, role }
    })
    const expected = topologyRoot({ epochId, seed: this.#seed, nodes: parts }, keccak)
    assert.equal(hexOfBytes(expected), root, `the set of ${epochId}`)
    this.sets.set(epochId, { epochId, roles })
    this.#set = [...roles]
      .filter(([, role]) => role !== ROLE.none)
      .map(([nodeId, role]) => ({ nodeId, standby: role === ROLE.standby }))
  }

  /** What is said once secrets are known counts at the next draw but one, but for what it is that is said. */
  #entryOf(nodeId: number, ending: number, isFirst: boolean): { leaf: Uint8Array; capabilities: number } {
    const said = this.#said.get(nodeId) ?? []
    const counting = isFirst ? said : said.filter(({ period }) => period <= ending)
    if (counting.length === 0) return { leaf: said.at(-1)?.leaf ?? NO_LEAF, capabilities: 0 }
    return { leaf: said.at(-1)!.leaf, capabilities: counting.at(-1)!.capabilities }
  }
}

const RECONCILED = new Set(['Delegated', 'Undelegated', 'DelegationRefunded', 'PledgeChanged', 'Unbonded'])

const byEpochAndWho = (a: Exclusion, b: Exclusion): number =>
  a.epochId - b.epochId || a.who.localeCompare(b.who) || a.reason.localeCompare(b.reason)

function happened({ event, args }: AnyLedgerEvent): Happened {
  const entries = Object.entries(args as Readonly<Record<string, string | number | bigint>>)
  const lower = entries.map(([key, value]) => [key, typeof value === 'string' ? value.toLowerCase() : value])
  return { name: event, args: Object.fromEntries(lower) }
}
