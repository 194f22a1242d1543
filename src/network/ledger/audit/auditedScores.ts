/**
 * Scores and seeds from what monitors revealed: medians, quorums, exclusions and secrets as docs/spec/ledger.md, "Scores" and "The seed",
 * has them, from the events of the performance contract alone. @module
 */
import { fromHex, toHex } from '../../../foundation/base/bytes.ts'
import type { Keccak256 } from '../../../protocol/economy/abiWords.ts'
import type { Percent } from '../../../protocol/economy/decimal.ts'
import { epochSeed, firstSeed } from '../../../protocol/economy/epochSeed.ts'
import { type Report, weightedMedians } from '../../../protocol/economy/medians.ts'
import { commitmentHash, reportHash, unpackReport } from '../../../protocol/economy/reports.ts'
import type { Address, Hex } from '../chain.ts'
import type { LedgerEvent } from '../ledger.ts'
import { Difference } from './difference.ts'

export type PerformanceEvent = {
  [E in 'Joined' | 'Left' | 'StakeWithdrawn' | 'Committed' | 'Revealed' | 'Excluded' | 'Settled']: LedgerEvent<
    'performance',
    E
  >
}['Joined' | 'Left' | 'StakeWithdrawn' | 'Committed' | 'Revealed' | 'Excluded' | 'Settled']

type Revelation = LedgerEvent<'performance', 'Revealed'>['args']

export interface ParticipationRules {
  /** Epochs. */
  readonly exclusion: number
  /** Points of a hundred. */
  readonly tolerance: number
}

export interface SettledEpoch {
  readonly epochId: number
  readonly reports: number
  readonly secrets: number
  /** Nodes with a median of this epoch. */
  readonly scored: number
  readonly excluded: number
}

interface Participant {
  readonly stake: bigint
  readonly measures: boolean
  left: boolean
  excludedUntil: number
  committedIn: number
}

interface Revealed {
  readonly secret: Uint8Array
  readonly report: Report
}

// As contracts/Performance.sol.
const FALLBACK_EPOCHS = 24
const ACTIVE_EPOCHS = 24
const JUDGING_REPORTS = 3
const NOT_REVEALED = 1
const FAR_FROM_MEDIANS = 2
const PERCENT: Percent = 10n ** 16n
const KEPT_EPOCHS = FALLBACK_EPOCHS + 2

export class AuditedScores {
  readonly #keccak256: Keccak256
  rules: ParticipationRules
  readonly #participants = new Map<string, Participant>()
  /** In order of commitment. */
  #committed: string[] = []
  /** Of the same, to what; of those that are known. */
  readonly #commitments = new Map<string, Hex>()
  #committedEpoch = -1
  readonly #revealed = new Map<string, Revealed>()
  #excluding: { readonly who: string; readonly until: number; readonly reason: number }[] = []
  readonly #medians = new Map<number, Report>()
  #seed: Uint8Array
  #settledEpoch = -1

  constructor(
    place: { readonly chainId: number; readonly contract: Address },
    rules: ParticipationRules,
    keccak256: Keccak256,
  ) {
    this.#keccak256 = keccak256
    this.rules = rules
    this.#seed = firstSeed(place.chainId, bytes(place.contract), keccak256)
  }

  isSettled(epochId: number): boolean {
    return this.#settledEpoch === epochId
  }

  /** Of the epoch that was settled last. */
  get seed(): Uint8Array {
    return this.#seed
  }

  /** Percent as a Decimal: of the epoch, else the newest of at most 24 before it, else 0. */
  scoreOf(epochId: number, nodeId: number): Percent {
    for (let back = 0; back <= FALLBACK_EPOCHS; back++) {
      const score = this.#medians.get(epochId - back)?.get(nodeId)
      if (score !== undefined) return BigInt(score) * PERCENT
    }
    return 0n
  }

  /** What was settled, with `Settled`. `commitment`: to what, with `Committed`, where it is known. Throws Difference. */
  take(event: PerformanceEvent, commitment?: Hex): SettledEpoch | undefined {
    switch (event.event) {
      case 'Joined': {
        const { who, stake, measures } = event.args
        this.#participants.set(low(who), { stake, measures, left: false, excludedUntil: 0, committedIn: 0 })
        return undefined
      }
      case 'Left': {
        const participant = this.#participants.get(low(event.args.who))
        if (participant !== undefined) participant.left = true
        return undefined
      }
      case 'StakeWithdrawn':
        this.#participants.delete(low(event.args.who))
        return undefined
      case 'Committed':
        this.#commit(event.args.epochId, low(event.args.who), commitment)
        return undefined
      case 'Revealed':
        this.#reveal(event.args)
        return undefined
      case 'Excluded':
        this.#excluding.push({ who: low(event.args.who), until: event.args.untilEpoch, reason: event.args.reason })
        return undefined
      case 'Settled':
        return this.#settle(event.args.epochId, event.args.seed)
    }
  }

  #commit(epochId: number, who: string, commitment: Hex | undefined): void {
    if (this.#committedEpoch !== epochId) this.#forgetRound(epochId)
    const participant = this.#participants.get(who)
    if (participant === undefined || participant.left || participant.excludedUntil > epochId)
      throw new Difference('scores', epochId, 'who takes part commits', `a commitment of ${who}`)
    participant.committedIn = epochId
    this.#committed.push(who)
    if (commitment !== undefined) this.#commitments.set(who, commitment)
  }

  #reveal({ epochId, who, secret, evidenceHash, words, scores }: Revelation): void {
    const from = low(who)
    if (!this.#committed.includes(from) || this.#committedEpoch !== epochId)
      throw new Difference('scores', epochId, 'only who committed reveals', `a report of ${who}`)
    const parts = { epochId, participant: bytes(who), secret: bytes(secret), evidenceHash: bytes(evidenceHash) }
    const hash = this.#keccak256
    const opened = commitmentHash({ ...parts, reportHash: reportHash({ words, scores }, hash) }, hash)
    const commitment = this.#commitments.get(from)
    if (commitment !== undefined && low(commitment) !== `0x${toHex(opened)}`)
      throw new Difference(
        'scores',
        epochId,
        `the report of ${who} behind ${commitment}`,
        `one behind 0x${toHex(opened)}`,
      )
    this.#revealed.set(from, { secret: parts.secret, report: unpackReport({ words, scores }) })
  }

  #forgetRound(epochId: number): void {
    this.#committedEpoch = epochId
    this.#committed = []
    this.#commitments.clear()
    this.#revealed.clear()
  }

  #settle(epochId: number, seed: Hex): SettledEpoch {
    if (this.#committedEpoch !== epochId) this.#forgetRound(epochId)
    const reporters = this.#committed.filter((who) => this.#revealed.has(who) && this.#participants.get(who)?.measures)
    const reports = reporters.map((who) => ({
      stake: (this.#participants.get(who) as Participant).stake,
      scores: (this.#revealed.get(who) as Revealed).report,
    }))
    const { scores, distances } = weightedMedians(reports, this.#quorum(epochId))
    const secrets = this.#committed.flatMap((who) => {
      const secret = this.#revealed.get(who)?.secret
      return secret === undefined ? [] : [{ participant: bytes(who), secret }]
    })
    const expected = epochSeed({ previous: this.#seed, epochId, secrets }, this.#keccak256)
    if (`0x${toHex(expected)}` !== low(seed)) throw new Difference('seed', epochId, `0x${toHex(expected)}`, seed)

    const far = reporters.filter((_, i) => {
      const { sum, count } = distances[i] as { sum: number; count: number }
      return sum > count * this.rules.tolerance
    })
    const isJudged = distances.filter(({ count }) => count > 0).length >= JUDGING_REPORTS
    this.#checkExclusions(epochId, [
      ...(isJudged ? far.map((who) => ({ who, reason: FAR_FROM_MEDIANS })) : []),
      ...this.#silent().map((who) => ({ who, reason: NOT_REVEALED })),
    ])
    const settled = {
      epochId,
      reports: reports.length,
      secrets: secrets.length,
      scored: scores.size,
      excluded: this.#excluding.length,
    }
    this.#excluding = []
    this.#medians.set(epochId, scores)
    this.#medians.delete(epochId - KEPT_EPOCHS)
    this.#seed = expected
    this.#settledEpoch = epochId
    return settled
  }

  /** Of those who measure and are expected to: docs/spec/ledger.md, "Scores". */
  #quorum(epochId: number): bigint {
    let quorum = 0n
    for (const [who, { stake, measures, left, excludedUntil, committedIn }] of this.#participants) {
      if (!measures) continue
      const isActive = committedIn !== 0 && committedIn + ACTIVE_EPOCHS >= epochId
      if (left ? this.#committed.includes(who) : excludedUntil <= epochId && isActive) quorum += stake
    }
    return quorum
  }

  /** Who committed and did not reveal, ascending, where those who did hold more than half. */
  #silent(): readonly string[] {
    let all = 0n
    let revealed = 0n
    for (const who of this.#committed) {
      const stake = this.#participants.get(who)?.stake ?? 0n
      all += stake
      if (this.#revealed.has(who)) revealed += stake
    }
    return 2n * revealed > all ? this.#committed.filter((who) => !this.#revealed.has(who)).sort() : []
  }

  #checkExclusions(epochId: number, expected: readonly { readonly who: string; readonly reason: number }[]): void {
    const until = epochId + 1 + this.rules.exclusion
    const text = (list: readonly { readonly who: string; readonly until: number; readonly reason: number }[]) =>
      list.length === 0
        ? 'nobody'
        : list.map((one) => `${one.who} until ${one.until} (reason ${one.reason})`).join(', ')
    const wanted = text(expected.map((one) => ({ ...one, until })))
    const found = text(this.#excluding)
    if (wanted !== found) throw new Difference('exclusions', epochId, wanted, found)
    for (const { who } of expected) {
      const participant = this.#participants.get(who)
      if (participant !== undefined) participant.excludedUntil = until
    }
  }
}

const low = (text: string): string => text.toLowerCase()
const bytes = (hex: string): Uint8Array => fromHex(low(hex).slice(2))
