/** Who serves in the next epoch, drawn again: from the seed, the stakes, the scores and what nodes announced before the seed was known. @module */
import { fromHex, toHex } from '../../../foundation/base/bytes.ts'
import type { Keccak256 } from '../../../protocol/economy/abiWords.ts'
import { announcementLeaf, NO_LEAF } from '../../../protocol/economy/announcementLeaf.ts'
import { type DrawNode, drawSet, ROLE, type Role } from '../../../protocol/economy/draw.ts'
import type { RewardedNode } from '../../../protocol/economy/epochMachine.ts'
import { type Interval, revealFrom } from '../../../protocol/economy/interval.ts'
import type { MixnetState } from '../../../protocol/economy/mixnetState.ts'
import type { Stake } from '../../../protocol/economy/rewards.ts'
import { topologyRoot } from '../../../protocol/economy/topologyRoot.ts'
import type { LedgerEvent } from '../ledger.ts'
import type { AuditedScores } from './auditedScores.ts'
import { Difference } from './difference.ts'

export interface DrawnSet {
  /** Ascending by id. */
  readonly rewarded: readonly RewardedNode[]
  readonly roles: ReadonlyMap<number, Role>
  readonly candidates: number
}

/** As contracts/Announcements.sol keeps it. */
interface Entry {
  readonly leaf: Uint8Array
  readonly capabilities: number
  readonly earlier: number
  readonly changedIn: number
}

export class AuditedDraw {
  readonly #keccak256: Keccak256
  readonly #entries = new Map<number, Entry>()
  #set: DrawnSet = { rewarded: [], roles: new Map(), candidates: 0 }

  constructor(keccak256: Keccak256) {
    this.#keccak256 = keccak256
  }

  /** In force. */
  get set(): DrawnSet {
    return this.#set
  }

  announce({ args }: LedgerEvent<'announcements', 'Announced'>, interval: Interval, time: bigint): void {
    const { nodeId, sequence, capabilities } = args
    const before = this.#entries.get(nodeId)
    // What is said once secrets are known counts in the next draw but one.
    const period = time < revealFrom(interval) ? interval.totalElapsedEpochs : interval.totalElapsedEpochs + 1
    const moved = (before?.capabilities ?? 0) !== capabilities
    const leaf = announcementLeaf(
      { nodeId, sequence, capabilities },
      bytes(args.data),
      bytes(args.signature),
      this.#keccak256,
    )
    this.#entries.set(nodeId, {
      leaf,
      capabilities,
      earlier: moved && (before?.changedIn ?? 0) !== period ? (before?.capabilities ?? 0) : (before?.earlier ?? 0),
      changedIn: moved ? period : (before?.changedIn ?? 0),
    })
  }

  /** Puts it in force. Throws Difference where the root is another: so is then a role, a key, an announcement or who took part. */
  draw(
    { args }: LedgerEvent<'rewardedSet', 'SetDrawn'>,
    { state, lateStakeOf }: { readonly state: MixnetState; readonly lateStakeOf: (nodeId: number) => bigint },
    scores: AuditedScores,
  ): void {
    const ending = state.interval.totalElapsedEpochs
    if (args.epochId !== ending + 1)
      throw new Difference('draw', ending, `a set for epoch ${ending + 1}`, `one for ${args.epochId}`)
    const { seed } = scores
    if (!scores.isSettled(ending) || `0x${toHex(seed)}` !== args.seed.toLowerCase())
      throw new Difference('draw', ending, `the seed 0x${toHex(seed)}`, args.seed)
    const isFirst = this.#set.rewarded.every(({ standby }) => standby)
    const bondedBefore = isFirst ? undefined : revealFrom(state.interval)
    const ids = [...state.bonds.keys()].sort((a, b) => a - b)
    const nodes = ids.map((nodeId) => ({
      ...this.#nodeOf(nodeId, state, scores, isFirst),
      stake: weighed(state.rewarding.get(nodeId), lateStakeOf(nodeId)),
    }))
    const { roles } = drawSet({
      seed,
      nodes,
      ...(bondedBefore === undefined ? {} : { bondedBefore }),
      saturationPoint: state.params.stakeSaturationPoint,
      wanted: state.params.rewardedSet,
      keccak256: this.#keccak256,
    })
    const part = [...roles].map(([nodeId, role]) => ({
      nodeId,
      identityKey: bytes(state.bonds.get(nodeId)?.identityKey ?? ''),
      leaf: this.#entryOf(nodeId, ending, isFirst)?.leaf ?? NO_LEAF,
      role,
    }))
    const root = `0x${toHex(topologyRoot({ epochId: args.epochId, seed, nodes: part }, this.#keccak256))}`
    if (root !== args.root.toLowerCase()) throw new Difference('draw', ending, `a set with the root ${root}`, args.root)
    const rewarded = [...roles].flatMap(([nodeId, role]) =>
      role === ROLE.none ? [] : [{ nodeId, standby: role === ROLE.standby }],
    )
    this.#set = { rewarded, roles, candidates: nodes.filter((one) => one.eligible && one.capabilities > 0).length }
  }

  #nodeOf(nodeId: number, state: MixnetState, scores: AuditedScores, isFirst: boolean): Omit<DrawNode, 'stake'> {
    const bond = state.bonds.get(nodeId)
    const ending = state.interval.totalElapsedEpochs
    return {
      nodeId,
      performance: scores.scoreOf(ending, nodeId),
      capabilities: (this.#entryOf(nodeId, ending, isFirst)?.capabilities ?? 0) & 15,
      eligible: bond?.isUnbonding === false,
      bondedAt: bond?.bondedAt ?? 0n,
    }
  }

  /** As it stood when the secrets of the epoch that ends began to be revealed; in a network without a set there are none, and it stands as it is. */
  #entryOf(nodeId: number, ending: number, isFirst: boolean): Entry | undefined {
    const entry = this.#entries.get(nodeId)
    if (entry === undefined || isFirst) return entry
    return entry.changedIn > ending ? { ...entry, capabilities: entry.earlier } : entry
  }
}

/** Without what came, and with what went, once secrets were being revealed. */
function weighed(node: Stake | undefined, late: bigint): bigint {
  const stake = (node?.operator ?? 0n) + (node?.delegates ?? 0n)
  return stake > late ? stake - late : 0n
}

const bytes = (hex: string): Uint8Array => fromHex(hex.toLowerCase().slice(2))
