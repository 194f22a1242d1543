/**
 * Why a node has the score it has, on one page: what each monitor said and how much it weighs, and what its evidence shows when it is
 * computed anew. Nothing here trusts a monitor: evidence counts where its hash is the one on the ledger, and what follows from it is held
 * against what was reported. Pure; everything that comes from monitors is numbers by the time it is text. @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { type CapacityScore, type EpochScores, type LinkVerdict, scoreEpoch } from './epochScores.ts'
import { decodeEvidence, type Evidence, MAX_EVIDENCE_BYTES } from './evidence.ts'

export interface MonitorOpinion {
  /** As people know it, an address for instance. */
  readonly name: string
  /** unym. */
  readonly stake: bigint
  /** Percent, as on the ledger; undefined where it has no opinion of the node. */
  readonly score: number | undefined
  readonly standing: 'counted' | 'not-revealed' | 'excluded' | 'absent'
  /** 32 bytes of the ledger; undefined where nothing was revealed. */
  readonly evidenceHash: Uint8Array | undefined
  /** What it serves; undefined where it was not to be had. */
  readonly evidence: Uint8Array | undefined
}

export interface ExplanationInput {
  readonly nodeId: number
  readonly epochId: number
  /** Of the ledger, percent, and the epoch it is of: an earlier one where nobody had an opinion. undefined: there is none. */
  readonly median: { readonly percent: number; readonly epochId: number } | undefined
  readonly opinions: readonly MonitorOpinion[]
  readonly sha256: (bytes: Uint8Array) => Uint8Array
}

export type EvidenceState =
  /** Computed anew it gives what was reported. */
  'agrees' | 'disagrees' | 'wrong-hash' | 'unreadable' | 'of-another-epoch' | 'unavailable'

/** Packets of one neighbour that passed the node too. */
export interface NeighbourLoss {
  readonly nodeId: number
  readonly side: 'before' | 'behind'
  readonly packets: number
  readonly lost: number
}

export interface MonitorAccount {
  readonly name: string
  readonly score: number | undefined
  /** Percent of the stake that counted; 0 for one that did not count. */
  readonly weight: number
  readonly standing: MonitorOpinion['standing']
  readonly evidence: EvidenceState
  /** From the evidence; undefined where it cannot be used. */
  readonly recomputed: number | undefined
  readonly routing: number | undefined
  readonly range: readonly [number, number] | undefined
  readonly config: number | undefined
  readonly packets: number
  readonly capacities: readonly CapacityScore[]
  readonly badLinks: readonly LinkVerdict[]
  readonly neighbours: readonly NeighbourLoss[]
}

export interface ScoreExplanation {
  readonly nodeId: number
  readonly epochId: number
  readonly median: ExplanationInput['median']
  readonly monitors: readonly MonitorAccount[]
  /** What to look at next, the most likely first. */
  readonly nextSteps: readonly string[]
}

export function explainScore(input: ExplanationInput): ScoreExplanation {
  const { nodeId, epochId, median, opinions } = input
  const counted = opinions.filter(({ standing, score }) => standing === 'counted' && score !== undefined)
  const total = counted.reduce((sum, { stake }) => sum + stake, 0n)
  const monitors = opinions.map((opinion): MonitorAccount => {
    const weight = counted.includes(opinion) && total > 0n ? Number((opinion.stake * 1000n) / total) / 10 : 0
    return { ...accountOf(opinion, input), weight }
  })
  return { nodeId, epochId, median, monitors, nextSteps: nextStepsOf(input, monitors) }
}

function accountOf(opinion: MonitorOpinion, input: ExplanationInput): Omit<MonitorAccount, 'weight'> {
  const { name, score, standing } = opinion
  const bare = {
    name,
    score,
    standing,
    recomputed: undefined,
    routing: undefined,
    range: undefined,
    config: undefined,
    packets: 0,
    capacities: [],
    badLinks: [],
    neighbours: [],
  }
  const opened = openEvidence(opinion, input)
  if (typeof opened === 'string') return { ...bare, evidence: opened }
  const { evidence, scores } = opened
  const found = scores.nodes.find((node) => node.nodeId === input.nodeId)
  return {
    ...bare,
    evidence: found?.score === score ? 'agrees' : 'disagrees',
    recomputed: found?.score,
    routing: found?.routing,
    range: found?.range,
    config: found?.config,
    packets: found?.packets ?? 0,
    capacities: found?.capacities ?? [],
    badLinks: scores.links.filter(({ from, to }) => from === input.nodeId || to === input.nodeId),
    neighbours: neighboursOf(evidence, input.nodeId),
  }
}

function openEvidence(
  { evidence: bytes, evidenceHash }: MonitorOpinion,
  { epochId, sha256 }: ExplanationInput,
): { readonly evidence: Evidence; readonly scores: EpochScores } | EvidenceState {
  if (bytes === undefined || evidenceHash === undefined) return 'unavailable'
  if (bytes.length > MAX_EVIDENCE_BYTES || !equalBytes(sha256(bytes), evidenceHash)) return 'wrong-hash'
  const evidence = tryDecode(() => decodeEvidence(bytes))
  if (isMixnetError(evidence)) return 'unreadable'
  if (evidence.epochId !== epochId) return 'of-another-epoch'
  return { evidence, scores: scoreEpoch(evidence) }
}

function neighboursOf({ observations }: Evidence, nodeId: number): NeighbourLoss[] {
  const losses = new Map<string, { nodeId: number; side: NeighbourLoss['side']; packets: number; lost: number }>()
  const note = (other: number | undefined, side: NeighbourLoss['side'], delivered: boolean) => {
    if (other === undefined) return
    const key = `${side}-${other}`
    const loss = losses.get(key) ?? { nodeId: other, side, packets: 0, lost: 0 }
    loss.packets++
    if (!delivered) loss.lost++
    losses.set(key, loss)
  }
  for (const { route, delivered } of observations) {
    for (const [i, id] of route.entries()) {
      if (id !== nodeId) continue
      note(route[i - 1], 'before', delivered)
      note(route[i + 1], 'behind', delivered)
    }
  }
  // The share first, by whole numbers: the same order everywhere.
  return [...losses.values()].sort((a, b) => b.lost * a.packets - a.lost * b.packets || a.nodeId - b.nodeId)
}

/** Points between monitors beyond which one of them, or the way to one of them, is special. */
const APART = 15
const GOOD = 95

function nextStepsOf({ median, epochId, opinions }: ExplanationInput, monitors: readonly MonitorAccount[]): string[] {
  const steps: string[] = []
  const usable = monitors.filter(({ evidence }) => evidence === 'agrees' || evidence === 'disagrees')
  if (median === undefined) {
    steps.push('No monitor that counts had an opinion. Is the node bonded, and does the directory list it?')
  } else if (median.epochId !== epochId) {
    steps.push(`Nobody measured it in this epoch: the score is of epoch ${median.epochId}. Was it away, or new?`)
  }
  if (opinions.length > 0 && usable.length === 0)
    steps.push(
      'No monitor serves evidence that can be used: ask their operators; a score nobody can check should not count.',
    )
  for (const { name, evidence } of monitors) {
    if (evidence === 'wrong-hash' || evidence === 'unreadable' || evidence === 'of-another-epoch')
      steps.push(`${name} serves evidence that is not what it committed to.`)
    if (evidence === 'disagrees') steps.push(`${name} reported something else than its evidence gives.`)
  }
  const configs = usable.flatMap(({ config }) => (config === undefined ? [] : [config]))
  if (configs.some((config) => config === 0))
    steps.push(
      'Its config score is 0: are the terms accepted, and does its API answer with a version that can be read?',
    )
  else if (configs.some((config) => config < GOOD)) steps.push('Its version is behind: update it.')
  if (usable.some(({ badLinks }) => badLinks.length > 0))
    steps.push(
      'One link loses more than its ends do elsewhere: check the route, the firewall and the MTU to that neighbour.',
    )
  const routings = usable.flatMap(({ routing }) => (routing === undefined ? [] : [routing]))
  const isApart = routings.length > 1 && Math.max(...routings) - Math.min(...routings) > APART
  if (isApart) steps.push('Monitors see very different losses: the way to one of them, or that one, is the matter.')
  for (const capacity of ['entry', 'exit'] as const) {
    const isBad = usable.some(({ capacities }) => {
      const one = capacities.find((part) => part.capacity === capacity)
      return one !== undefined && one.packets > 0 && one.probability < GOOD / 100
    })
    if (isBad && capacity === 'entry')
      steps.push(
        'As an entry it loses packets or refuses logins: is its websocket port reachable, is it out of connections?',
      )
    if (isBad && capacity === 'exit')
      steps.push(
        'As the last hop it does not hand packets to its clients: look at gateway_dropped_total in its counters.',
      )
  }
  if (!isApart && routings.some((routing) => routing < GOOD) && usable.every(({ badLinks }) => badLinks.length === 0))
    steps.push(
      'It loses packets whoever the neighbour is: look at mix_dropped_total in its counters, its CPU and its uplink.',
    )
  if (steps.length === 0) steps.push('Nothing is wrong as far as monitors can see.')
  return steps
}

const MOST_NEIGHBOURS = 5
const STANDINGS: Readonly<Record<MonitorOpinion['standing'], string>> = {
  counted: 'counts',
  'not-revealed': 'committed, never revealed: does not count',
  excluded: 'excluded: does not count',
  absent: 'said nothing in this epoch',
}
const STATES: Readonly<Record<EvidenceState, string>> = {
  agrees: 'evidence checked, gives the same score',
  disagrees: 'evidence checked, gives ANOTHER score',
  'wrong-hash': 'evidence is NOT what the ledger names',
  unreadable: 'evidence cannot be read',
  'of-another-epoch': 'evidence is of another epoch',
  unavailable: 'no evidence to be had',
}

/** For a screen of 80 columns or more. */
export function formatExplanation(
  { nodeId, epochId, median, monitors, nextSteps }: ScoreExplanation,
  nameOf: (nodeId: number) => string = (id) => `node ${id}`,
): string {
  const lines = [`${nameOf(nodeId)} in epoch ${epochId}: ${medianText(median, epochId)}`, '']
  if (monitors.length === 0) lines.push('There are no monitors.')
  for (const one of monitors) {
    lines.push(`${one.name}  ${percent(one.score)}  weight ${one.weight} %  (${STANDINGS[one.standing]})`)
    lines.push(`  ${STATES[one.evidence]}${one.evidence === 'disagrees' ? `: ${percent(one.recomputed)}` : ''}`)
    if (one.evidence !== 'agrees' && one.evidence !== 'disagrees') continue
    const range = one.range === undefined ? '' : ` (${one.range[0]} to ${one.range[1]} %)`
    lines.push(
      `  ${one.packets} packets through it: hands on ${percent(one.routing)}${range}, config ${percent(one.config)}`,
    )
    for (const { capacity, packets, probability } of one.capacities) {
      if (one.capacities.length > 1)
        lines.push(`  as ${capacity}: ${Math.floor(probability * 100 + 0.5)} % of ${packets} packets`)
    }
    for (const { from, to, packets, percent: over } of one.badLinks)
      lines.push(
        `  bad link ${nameOf(from)} → ${nameOf(to)}: ${over} % of ${packets} packets get over it; each end bears half`,
      )
    for (const { nodeId: other, side, packets, lost } of one.neighbours.slice(0, MOST_NEIGHBOURS))
      lines.push(`  ${side} it ${nameOf(other)}: ${lost} of ${packets} lost on the whole way`)
  }
  lines.push('', 'Next:', ...nextSteps.map((step) => `- ${step}`))
  return `${lines.join('\n')}\n`
}

const percent = (value: number | undefined): string => (value === undefined ? 'no opinion' : `${value} %`)

function medianText(median: ExplanationInput['median'], epochId: number): string {
  if (median === undefined) return 'no score'
  return median.epochId === epochId
    ? `score ${median.percent} %`
    : `score ${median.percent} %, of epoch ${median.epochId}`
}
