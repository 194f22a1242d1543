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
  /** Unix seconds, of the last change of capabilities. */
  readonly changedAt: bigint
}

export class AuditedDraw {
  readonly #keccak256: Keccak256
  readonly #entries = new Map<number, Entry>()
  /** What drivers took so far, each in an attempt of its own: announcements count as they stood then. */
  readonly #attempts = new Map<string, Map<number, Entry>>()
  #driver = ''
  #set: DrawnSet = { rewarded: [], roles: new Map(), candidates: 0 }
  /** Unix seconds: when the first set came that others followed without a gap. */
  #since = 0n

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
    const capable = before?.capabilities ?? 0
    const changedAt = before?.changedAt ?? 0n
    const isMoved = capable !== capabilities
    const leaf = announcementLeaf(
      { nodeId, sequence, capabilities },
      bytes(args.data),
      bytes(args.signature),
      this.#keccak256,
    )
    this.#entries.set(nodeId, {
      leaf,
      capabilities,
      // What is said once secrets are known does not count: the state before the first of it does.
      earlier: isMoved && changedAt < revealFrom(interval) ? capable : (before?.earlier ?? 0),
      changedAt: isMoved ? time : changedAt,
    })
  }

  /** A driver took some nodes into its attempt, which begins at node 1. */
  taken({ args }: LedgerEvent<'rewardedSet', 'Taken'>): void {
    const { from, nextNodeId } = args
    this.#driver = args.driver.toLowerCase()
    const attempt = (from === 1 ? undefined : this.#attempts.get(this.#driver)) ?? new Map<number, Entry>()
    for (let nodeId = from; nodeId < nextNodeId; nodeId++) {
      const entry = this.#entries.get(nodeId)
      if (entry !== undefined) attempt.set(nodeId, entry)
    }
    this.#attempts.set(this.#driver, attempt)
  }

  /** Puts it in force, at `time` in Unix seconds. Throws Difference where the root is another: so is then a role, a key, an announcement or who took part. */
  draw(
    { args }: LedgerEvent<'rewardedSet', 'SetDrawn'>,
    {
      state,
      lateStakeOf,
      time,
    }: { readonly state: MixnetState; readonly lateStakeOf: (nodeId: number) => bigint; readonly time: bigint },
    scores: AuditedScores,
  ): void {
    const ending = state.interval.totalElapsedEpochs
    if (args.epochId !== ending + 1)
      throw new Difference('draw', ending, `a set for epoch ${ending + 1}`, `one for ${args.epochId}`)
    const { seed } = scores
    if (!scores.isSettled(ending) || `0x${toHex(seed)}` !== args.seed.toLowerCase())
      throw new Difference('draw', ending, `the seed 0x${toHex(seed)}`, args.seed)
    const isFirst = this.#set.rewarded.every(({ standby }) => standby)
    const revealsBegan = revealFrom(state.interval)
    const bondedBefore = isFirst || revealsBegan <= this.#since ? undefined : revealsBegan
    if (isFirst) this.#since = time
    const said = this.#attempts.get(this.#driver)
    this.#attempts.clear()
    const entryOf = (nodeId: number): Entry | undefined => standing(said?.get(nodeId), bondedBefore)
    const ids = [...state.bonds.keys()].sort((a, b) => a - b)
    const nodes = ids.map((nodeId) => ({
      ...nodeOf(nodeId, state, scores, entryOf(nodeId)),
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
      leaf: entryOf(nodeId)?.leaf ?? NO_LEAF,
      role,
    }))
    const root = `0x${toHex(topologyRoot({ epochId: args.epochId, seed, nodes: part }, this.#keccak256))}`
    if (root !== args.root.toLowerCase()) throw new Difference('draw', ending, `a set with the root ${root}`, args.root)
    const rewarded = [...roles].flatMap(([nodeId, role]) =>
      role === ROLE.none ? [] : [{ nodeId, standby: role === ROLE.standby }],
    )
    this.#set = { rewarded, roles, candidates: nodes.filter((one) => one.eligible && one.capabilities > 0).length }
  }
}

function nodeOf(
  nodeId: number,
  { bonds, interval }: MixnetState,
  scores: AuditedScores,
  entry: Entry | undefined,
): Omit<DrawNode, 'stake'> {
  const bond = bonds.get(nodeId)
  return {
    nodeId,
    performance: scores.scoreOf(interval.totalElapsedEpochs, nodeId),
    capabilities: (entry?.capabilities ?? 0) & 15,
    eligible: bond?.isUnbonding === false,
    bondedAt: bond?.bondedAt ?? 0n,
  }
}

/** As it stood when secrets began to be revealed; where there was no set then, it stands as it is. */
function standing(entry: Entry | undefined, revealsBegan: bigint | undefined): Entry | undefined {
  if (entry === undefined || revealsBegan === undefined || entry.changedAt < revealsBegan) return entry
  return { ...entry, capabilities: entry.earlier }
}

/** Without what came, and with what went, once secrets were being revealed. */
function weighed(node: Stake | undefined, late: bigint): bigint {
  const stake = (node?.operator ?? 0n) + (node?.delegates ?? 0n)
  return stake > late ? stake - late : 0n
}

const bytes = (hex: string): Uint8Array => fromHex(hex.toLowerCase().slice(2))
