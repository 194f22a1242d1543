/**
 * Keeps the descriptions of all bonded nodes fresh: asks each again after a while, before the key rotation, when it failed, and
 * when it asks for it. A node that answered before stays through a few failed rounds. Rules: docs/spec/directory-server.md,
 * "Describing nodes". @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { BondedNode, BondedNodes } from './bondedNodes.ts'
import type { DescriberParams } from './describerParams.ts'
import type { EpochSource } from './epochs.ts'
import { type Polled, type PollFailure, type PollResult, pollNode } from './nodePoll.ts'
import { hasKeyFor } from './rotationKeys.ts'

export interface DescriberOptions {
  readonly world: Pick<World, 'net' | 'clock' | 'crypto'>
  readonly bonded: BondedNodes
  readonly epochs: EpochSource
  readonly params: DescriberParams
  readonly meter: Meter
  readonly log: Log
  /** Descriptions or bonded nodes may have changed, and the first round is over. */
  readonly onChange: () => void
}

export interface Description extends Polled {
  readonly bonded: BondedNode
}

interface Entry {
  bonded: BondedNode
  description: Description | undefined
  failures: number
  /** Monotonic; undefined before the first attempt. */
  attemptedAt: Millis | undefined
  forcedAt: Millis | undefined
  /** Asked for a refresh too soon after the last one: the next round does it. */
  wanted: boolean
  polling: Promise<boolean> | undefined
}

export class Describer {
  readonly #options: DescriberOptions
  readonly #entries = new Map<number, Entry>()
  readonly #stop: AbortController = new AbortController()
  #bonded: readonly BondedNode[] = []
  #timer: Timer | undefined
  #firstRound: Timer | undefined
  #round: Promise<void> | undefined
  #isReady = false
  #version = 0

  constructor(options: DescriberOptions) {
    this.#options = options
    const { meter } = options
    meter.gauge('directory_nodes_bonded', 'Nodes that belong to the network', () => this.#bonded.length)
    meter.gauge('directory_nodes_described', 'Nodes with a valid description', () => this.descriptions().length)
  }

  /** Begins the first round. */
  start(): void {
    this.#firstRound = this.#options.world.clock.after(this.#options.params.firstRoundLimit, () => this.#show())
    this.#tick()
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#timer?.cancel()
    this.#firstRound?.cancel()
    await this.#round
    await Promise.all([...this.#entries.values()].map((entry) => entry.polling))
  }

  /** Whether every bonded node has been asked once, or has had its time. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** Grows with every change of descriptions or bonded nodes. */
  get version(): number {
    return this.#version
  }

  get bonded(): readonly BondedNode[] {
    return this.#bonded
  }

  /** By node id. */
  descriptions(): readonly Description[] {
    return [...this.#entries.values()]
      .map(({ description }) => description)
      .filter((description) => description !== undefined)
      .sort((a, b) => a.node.nodeId - b.node.nodeId)
  }

  /** The bonded node of that identity, also one bonded a moment ago. */
  async find(identity: Uint8Array): Promise<BondedNode | undefined> {
    const known = (): BondedNode | undefined => this.#bonded.find((node) => equalBytes(node.identity, identity))
    if (known() === undefined) await this.#readBonded()
    return known()
  }

  /** Asks the node now, because it wants that. False where it did not describe itself; 'tooOften' where it was asked just now. */
  async refresh({ nodeId }: BondedNode): Promise<boolean | 'tooOften'> {
    const entry = this.#entries.get(nodeId)
    if (entry === undefined) return false
    const now = this.#options.world.clock.monotonic()
    if (entry.forcedAt !== undefined && now - entry.forcedAt < this.#options.params.forcedInterval) {
      entry.wanted = true
      return 'tooOften'
    }
    entry.forcedAt = now
    const isDescribed = await this.#poll(entry)
    if (this.#isReady) this.#options.onChange()
    return isDescribed
  }

  #tick(): void {
    this.#round = this.#runRound().finally(() => {
      this.#round = undefined
      if (this.#stop.signal.aborted) return
      this.#timer = this.#options.world.clock.after(this.#untilNextTick(), () => this.#tick())
    })
  }

  async #runRound(): Promise<void> {
    await this.#readBonded()
    const due = [...this.#entries.values()].filter((entry) => this.#isDue(entry))
    const waiting = due.values()
    const work = async (): Promise<void> => {
      for (const entry of waiting) {
        if (this.#stop.signal.aborted) return
        await (entry.polling ?? this.#poll(entry))
        // Long rounds show what they have found so far.
        if (this.#isReady) this.#options.onChange()
      }
    }
    await Promise.all(Array.from({ length: Math.min(this.#options.params.parallel, due.length) }, work))
    if (!this.#stop.signal.aborted) this.#show()
  }

  #show(): void {
    this.#firstRound?.cancel()
    this.#isReady = true
    this.#options.onChange()
  }

  async #readBonded(): Promise<void> {
    let bonded: readonly BondedNode[]
    try {
      bonded = await this.#options.bonded.current()
    } catch (error) {
      if (!isMixnetError(error)) throw error
      this.#options.meter.counter('directory_bonded_failures_total', 'Times the bonded nodes could not be told').value++
      this.#options.log.warn('directory.bonded-unknown', { problem: error.message })
      return
    }
    if (bonded === this.#bonded) return
    this.#bonded = bonded
    this.#version++
    const ids = new Set(bonded.map(({ nodeId }) => nodeId))
    for (const nodeId of this.#entries.keys()) if (!ids.has(nodeId)) this.#entries.delete(nodeId)
    for (const node of bonded) this.#enter(node)
  }

  #enter(bonded: BondedNode): void {
    const known = this.#entries.get(bonded.nodeId)
    const isSame =
      known !== undefined &&
      equalBytes(known.bonded.identity, bonded.identity) &&
      known.bonded.host === bonded.host &&
      known.bonded.httpPort === bonded.httpPort
    if (isSame) {
      known.bonded = bonded
      if (known.description !== undefined) known.description = { ...known.description, bonded }
      return
    }
    // Whoever is at another place or has another identity is another node, whatever its number.
    this.#entries.set(bonded.nodeId, {
      bonded,
      description: undefined,
      failures: 0,
      attemptedAt: undefined,
      forcedAt: undefined,
      wanted: false,
      polling: undefined,
    })
  }

  #isDue({ attemptedAt, failures, description, wanted }: Entry): boolean {
    if (attemptedAt === undefined || wanted) return true
    const { world, params, epochs } = this.#options
    const elapsed = world.clock.monotonic() - attemptedAt
    if (failures > 0) return elapsed >= Math.min(params.retryInterval * 2 ** (failures - 1), params.refreshInterval)
    if (elapsed >= params.refreshInterval) return true
    const epoch = epochs.current()
    const sinceLead = world.clock.now() - this.#leadStart()
    if (sinceLead >= 0 && elapsed > sinceLead) return true
    // A node that has no key for this rotation loses every packet: look again soon.
    const keys = description?.node.hostInformation.keys
    const hasKey = keys !== undefined && hasKeyFor(keys, epoch.rotation.currentKeyRotationId)
    return elapsed >= params.retryInterval && !hasKey
  }

  /** When to ask everybody for the next key: nodes announce it one epoch before it is used. */
  #leadStart(): Millis {
    const { nextRotationStart, interval } = this.#options.epochs.current()
    return millis(nextRotationStart - interval.epochLength * this.#options.params.rotationLead)
  }

  #untilNextTick(): Millis {
    const { world, params } = this.#options
    const untilLead = this.#leadStart() - world.clock.now()
    // A moment later, so that `elapsed` is past it whatever the clocks round.
    return millis(untilLead > 0 ? Math.min(params.retryInterval, untilLead + 1) : params.retryInterval)
  }

  /** Whether the node described itself. One after the other: an answer under way may be older than what a node wants known. */
  #poll(entry: Entry): Promise<boolean> {
    const before = entry.polling ?? Promise.resolve(false)
    const polling = before
      .then(() => this.#ask(entry))
      .finally(() => {
        if (entry.polling === polling) entry.polling = undefined
      })
    entry.polling = polling
    return polling
  }

  async #ask(entry: Entry): Promise<boolean> {
    const { world, params } = this.#options
    const { bonded } = entry
    entry.attemptedAt = world.clock.monotonic()
    entry.wanted = false
    const result = await pollNode(world, params, bonded, this.#stop.signal).catch((error: unknown): PollResult => {
      // A mistake of ours in reading what this node says must not end what the others live by.
      this.#options.log.error('directory.poll-failed', { nodeId: bonded.nodeId, error: (error as Error).name })
      return { failure: { part: 'poll', why: 'bug' } }
    })
    // Gone or replaced meanwhile: the answer is about nobody.
    if (this.#stop.signal.aborted || this.#entries.get(bonded.nodeId) !== entry) return false
    if ('failure' in result) {
      this.#fail(entry, result.failure)
      return false
    }
    entry.failures = 0
    entry.description = { ...result.polled, bonded: entry.bonded }
    this.#version++
    return true
  }

  #fail(entry: Entry, { part, why }: PollFailure): void {
    const { params, meter, log } = this.#options
    meter.counter('directory_polls_failed_total', 'Failed attempts to describe a node', { part, why }).value++
    entry.failures++
    log.debug('directory.node-not-described', { nodeId: entry.bonded.nodeId, part, why, failures: entry.failures })
    if (entry.description === undefined || entry.failures < params.failuresToDrop) return
    entry.description = undefined
    this.#version++
    meter.counter('directory_nodes_dropped_total', 'Nodes that stopped answering and were dropped').value++
    log.warn('directory.node-dropped', { nodeId: entry.bonded.nodeId, part, why })
  }
}
