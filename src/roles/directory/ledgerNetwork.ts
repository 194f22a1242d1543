/**
 * The network as the ledger has it: which nodes are bonded, which epoch it is, what each node is in it, and how well it works. The
 * ledger is asked again and again and what it said last holds meanwhile, also where it stands still: an epoch that nobody ends goes on,
 * and key rotation with it. Rules: docs/spec/directory-server.md, "From the ledger". @module
 */
import { toBase58 } from '../../foundation/base/base58.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import { type Millis, millis, minutes, seconds } from '../../foundation/base/units.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { ApiHealth } from '../../protocol/wire/directory/apiStatus.ts'
import type { DescribedNode } from '../../protocol/wire/directory/describedNodes.ts'
import { keyRotationInfo, type RewardedSet, rewardedSetOf } from '../../protocol/wire/directory/epochs.ts'
import type { EpochRole } from '../../protocol/wire/directory/skimmedNodes.ts'
import { encodeTopologyBundle } from '../../protocol/wire/directory/topologyBundle.ts'
import type { BondedNode, BondedNodes } from './bondedNodes.ts'
import type { Epoch, EpochSource } from './epochs.ts'
import type { LedgerNode, LedgerSnapshot, LedgerSource } from './ledgerSnapshot.ts'
import type { Assignment, Candidate } from './rewardedSet.ts'
import type { Roles } from './roles.ts'
import type { Score, Scores } from './scores.ts'

export interface LedgerNetworkParams {
  /**
   * Blocks on top of the one that is believed. A reorganisation that is not deeper is never seen by clients; a deeper one that takes
   * an epoch back is waited out.
   */
  readonly confirmations: number
  readonly poll: Millis
  /** Between questions that fail: doubled each time, up to this. */
  readonly longestRetry: Millis
  /** A chain without a new block for longer is said to be stalled; official signers count ten minutes. */
  readonly stalledAfter: Millis
}

export const DEFAULT_LEDGER_PARAMS: LedgerNetworkParams = {
  confirmations: 5,
  poll: seconds(5),
  longestRetry: minutes(1),
  stalledAfter: minutes(10),
}

export interface LedgerNetworkOptions {
  readonly world: Pick<World, 'clock'>
  readonly source: LedgerSource
  readonly params?: Partial<LedgerNetworkParams> | undefined
  readonly meter: Meter
  readonly log: Log
}

interface View {
  readonly snapshot: LedgerSnapshot
  readonly epoch: Epoch
  readonly bonded: readonly BondedNode[]
  readonly byId: ReadonlyMap<number, LedgerNode>
  readonly isMeasured: boolean
  readonly set: RewardedSet
}

const UNKNOWN_NODE: Score = { performance: 0, routing: 0, config: 0 }
/** What clients ask for at least: a node that no monitor can have measured yet is neither good nor bad. */
const UNMEASURED = 0.5

export class LedgerNetwork {
  readonly #options: LedgerNetworkOptions
  readonly #params: LedgerNetworkParams
  #view: View
  #heardAt: Millis
  readonly #topologies = new Map<number, { text: Promise<string | undefined>; isThere: boolean; until: number }>()
  #failures = 0
  #isBehind = false
  #timer: Timer | undefined
  #asking: Promise<void> = Promise.resolve()
  #isStopped = false
  #onChange: () => void = () => {}

  private constructor(options: LedgerNetworkOptions, params: LedgerNetworkParams, first: LedgerSnapshot) {
    this.#options = options
    this.#params = params
    this.#view = viewOf(first, undefined)
    this.#heardAt = options.world.clock.monotonic()
    const { meter } = options
    meter.gauge('directory_ledger_block', 'The block that the directory goes by', () => this.snapshot.block.number)
    meter.gauge('directory_ledger_block_age_seconds', 'How old that block is', () => this.#blockAge() / 1000)
    meter.gauge('directory_ledger_failures', 'Questions to the ledger in a row that failed', () => this.#failures)
    meter.gauge('directory_ledger_behind', '1 while the ledger is in an epoch before the one told to clients', () =>
      Number(this.#isBehind),
    )
  }

  /** Asks once, and rejects with what that rejects with: without a first word there is no network to speak of. */
  static async open(options: LedgerNetworkOptions): Promise<LedgerNetwork> {
    const params = { ...DEFAULT_LEDGER_PARAMS, ...options.params }
    return new LedgerNetwork(options, params, await options.source.snapshot(params.confirmations))
  }

  /** Goes on asking. `onChange`: what clients are told may be another now. */
  start(onChange: () => void): void {
    this.#onChange = onChange
    this.#wait(this.#params.poll)
  }

  /** Asks now; whatever comes of it, the next question has its time again. */
  async refresh(): Promise<void> {
    this.#timer?.cancel()
    await this.#asking
    this.#timer?.cancel()
    this.#asking = this.#ask()
    await this.#asking
  }

  stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    return this.#asking
  }

  get snapshot(): LedgerSnapshot {
    return this.#view.snapshot
  }

  node(nodeId: number): LedgerNode | undefined {
    return this.#view.byId.get(nodeId)
  }

  /** All four are of one view, so that what they say fits together. */
  readonly bonded: BondedNodes = { current: () => Promise.resolve(this.#view.bonded) }
  readonly epochs: EpochSource = { current: () => this.#view.epoch }
  readonly roles: Roles = { assign: (_epoch, candidates) => assignmentOf(this.#view, candidates) }
  readonly scores: Scores = { of: (nodeId, described) => scoreOf(this.#view, nodeId, described) }

  /**
   * The JSON of the topology to check, of the epoch that runs or the one before it; undefined for others and where it is not known.
   * Read once: it never changes, and strangers ask.
   */
  topology(epochId: number): Promise<string | undefined> {
    const { epochId: running } = this.snapshot
    if (epochId > running || epochId + 1 < running) return Promise.resolve(undefined)
    const now = this.#options.world.clock.monotonic()
    const known = this.#topologies.get(epochId)
    if (known !== undefined && (known.isThere || now < known.until)) return known.text
    const entry = { text: this.#readTopology(epochId), isThere: false, until: now + this.#params.poll }
    this.#topologies.set(epochId, entry)
    entry.text.then((text) => {
      entry.isThere = text !== undefined
    })
    return entry.text
  }

  /** For `api-status/health`. */
  chainStatus(): ApiHealth['chainStatus'] {
    const age = this.#blockAge()
    if (age < this.#params.stalledAfter) return 'synced'
    return { stalled: `${Math.floor(age / minutes(1))}m` }
  }

  /** Never rejects. What is not there may be in a moment; but not every stranger's question is one to the ledger. */
  async #readTopology(epochId: number): Promise<string | undefined> {
    try {
      const bundle = await this.#options.source.topology?.(epochId)
      return bundle === undefined ? undefined : JSON.stringify(encodeTopologyBundle(bundle))
    } catch (error) {
      this.#options.log.warn('directory.topology-unread', { code: isMixnetError(error) ? error.code : 'INTERNAL' })
      return undefined
    }
  }

  #wait(delay: Millis): void {
    if (this.#isStopped) return
    this.#timer = this.#options.world.clock.after(delay, () => {
      this.#asking = this.#ask()
    })
  }

  async #ask(): Promise<void> {
    const { source, log } = this.#options
    const { confirmations, poll, longestRetry } = this.#params
    try {
      const snapshot = await source.snapshot(confirmations)
      if (this.#isStopped) return
      this.#failures = 0
      this.#heardAt = this.#options.world.clock.monotonic()
      this.#take(snapshot)
    } catch (error) {
      this.#failures++
      const code = isMixnetError(error) ? error.code : 'INTERNAL'
      log.warn('directory.ledger-unread', { code, failures: this.#failures })
    }
    this.#wait(millis(Math.min(poll * 2 ** this.#failures, Math.max(poll, longestRetry))))
  }

  #take(snapshot: LedgerSnapshot): void {
    const { epochId } = this.snapshot
    const isBehind = snapshot.epochId < epochId
    if (isBehind) {
      // Clients and keys do not go back. The nodes of this epoch are bonded before it as well, so its routes work meanwhile.
      if (!this.#isBehind) this.#options.log.warn('directory.ledger-went-back', { from: epochId, to: snapshot.epochId })
      this.#isBehind = true
      return
    }
    this.#isBehind = false
    const before = this.#view
    this.#view = viewOf(snapshot, before)
    // A reorganisation may have drawn the same epoch anew.
    if (this.#view.epoch !== before.epoch) this.#topologies.clear()
    this.#onChange()
  }

  /** Since the newest block that was believed, and since it was heard of where the ledger does not answer. */
  #blockAge(): Millis {
    const { clock } = this.#options.world
    const byBlock = clock.now() - this.snapshot.block.time * 1000
    return millis(Math.max(0, byBlock, clock.monotonic() - this.#heardAt))
  }
}

/** Parts that did not change stay the same objects: by them readers know that nothing is to be done. */
function viewOf(snapshot: LedgerSnapshot, before: View | undefined): View {
  const { nodes } = snapshot
  const bonded = nodes.map(({ nodeId, identity, host, httpPort }): BondedNode => ({ nodeId, identity, host, httpPort }))
  const isSame = before !== undefined && bondedText(before.bonded) === bondedText(bonded)
  const epoch = epochOf(snapshot)
  const keepsEpoch = before !== undefined && epochText(before.epoch, before.snapshot) === epochText(epoch, snapshot)
  return {
    snapshot,
    epoch: keepsEpoch ? before.epoch : epoch,
    bonded: isSame ? before.bonded : bonded,
    byId: new Map(nodes.map((node) => [node.nodeId, node])),
    isMeasured: nodes.some(({ score }) => score > 0),
    set: rewardedSetOf(
      snapshot.epochId,
      snapshot.nodes.map(({ nodeId, role }) => [nodeId, role] as const),
    ),
  }
}

const bondedText = (nodes: readonly BondedNode[]): string =>
  JSON.stringify(nodes.map(({ nodeId, identity, host, httpPort }) => [nodeId, toBase58(identity), host, httpPort]))

/** A reorganisation may give the same epoch another set. */
const epochText = (epoch: Epoch, { nodes }: LedgerSnapshot): string =>
  JSON.stringify([epoch, nodes.map(({ nodeId, role, score }) => [nodeId, role, score])])

function epochOf({ epochId, epochStart, epochLength, interval, keyRotation }: LedgerSnapshot): Epoch {
  const start = seconds(epochStart)
  const duration = seconds(epochLength)
  const rotation = keyRotationInfo(keyRotation, { absoluteId: epochId, start, duration })
  const epochsLeft = rotation.currentRotationEndingEpoch + 1 - epochId
  return {
    absoluteId: epochId,
    start,
    end: millis(start + duration),
    interval: { ...interval, currentEpochStart: start, epochLength: duration, totalElapsedEpochs: epochId },
    rotation,
    nextRotationStart: millis(start + epochsLeft * duration),
  }
}

function assignmentOf({ set, byId }: View, candidates: readonly Candidate[]): Assignment {
  const roles = new Map([...byId.values()].map(({ nodeId, role }): [number, EpochRole] => [nodeId, role]))
  return { set, roles, problem: problemOf(set, new Set(candidates.map(({ nodeId }) => nodeId))) }
}

/** What clients need at least: a node that answers in every layer, and a gateway. Nothing here can make up for a draw that lacks one. */
function problemOf(set: RewardedSet, present: ReadonlySet<number>): string | undefined {
  const drawn = [set.entryGateways, set.exitGateways, set.layer1, set.layer2, set.layer3]
  if (drawn.every((ids) => ids.length === 0)) return 'the ledger has drawn no set yet: is an epoch driver running?'
  for (const [i, ids] of [set.layer1, set.layer2, set.layer3].entries()) {
    if (ids.length === 0) return `the ledger drew no node for layer ${i + 1}: too few that mix are bonded and announced`
    if (!ids.some((id) => present.has(id))) return `layer ${i + 1} has no node that describes itself`
  }
  const gateways = [...set.entryGateways, ...set.exitGateways]
  if (gateways.length === 0) return 'the ledger drew no gateway: none is bonded and announced'
  return gateways.some((id) => present.has(id)) ? undefined : 'no gateway of the epoch describes itself'
}

/**
 * Where nobody has measured anything lately every node counts as perfect, or a new network could never be measured; among nodes that
 * were measured, one that bonded in this epoch or the one before is given the benefit of the doubt.
 */
function scoreOf({ byId, isMeasured, snapshot }: View, nodeId: number, described: DescribedNode | undefined): Score {
  const node = byId.get(nodeId)
  if (node === undefined) return UNKNOWN_NODE
  const isNew = node.bondedInEpoch + 1 >= snapshot.epochId
  const routing = isMeasured ? (node.score === 0 && isNew ? UNMEASURED : node.score) : 1
  const config = configScore(described)
  return { performance: routing * config, routing, config }
}

/** Tokenomics 7.1 as of 2.0.0. The ledger keeps no list of versions, so none is behind. */
function configScore(described: DescribedNode | undefined): number {
  if (described === undefined) return 0
  const { auxiliaryDetails, buildInformation } = described
  const hasVersion = /^\d+\.\d+\.\d+/.test(buildInformation.buildVersion)
  return hasVersion && auxiliaryDetails.acceptedOperatorTermsAndConditions ? 1 : 0
}
