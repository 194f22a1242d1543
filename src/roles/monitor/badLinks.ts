/**
 * Links that lose more than both of their ends do elsewhere. The model of lossTomography.ts knows nodes only: a link that fails alone makes
 * two nodes look a little bad. So after a fit each link's packets are held against what the nodes' probabilities promise; the worst that falls
 * short beyond chance becomes a unit of its own, everything is fitted again, and so on. Pure. @module
 */
import { type Fit, fitLosses, type Path, type PathOutcome, productOf } from './lossTomography.ts'

export interface BadLink {
  /** Units, in the direction of the packets. */
  readonly from: number
  readonly to: number
  readonly packets: number
  /** That it lets a packet through. */
  readonly probability: number
}

export interface LinkFit {
  /** Of the nodes, with the bad links' losses taken out. */
  readonly fit: Fit
  readonly outcomes: readonly PathOutcome[]
  readonly links: readonly BadLink[]
}

/** Fewer packets prove nothing about a link. */
const LEAST_PACKETS = 8
/** Standard deviations. Of four thousand healthy links, one in seventy epochs is accused. */
const SUSPICIOUS = 4.5
/** What a link must lose more than expected: less is what jitter and full queues do. */
const LEAST_LOSS = 0.1
/** A link that nearly all of an end's packets took cannot be told from that end. */
const MOST_SHARE = 0.7
/** Of an epoch. Each costs a fit; a network with more is broken otherwise. */
const MOST_LINKS = 12

/** `units` nodes; paths in the order packets take. `isFixed` as in `fitLosses`. */
export function fitWithLinks(units: number, outcomes: readonly PathOutcome[]): LinkFit {
  const found: { readonly from: number; readonly to: number }[] = []
  for (;;) {
    const extended = outcomes.map((outcome) => ({ ...outcome, path: withLinks(outcome.path, found, units) }))
    const fit = fitLosses(units + found.length, extended)
    const worst = found.length < MOST_LINKS ? worstLink(fit, outcomes, extended, found) : undefined
    if (worst !== undefined) {
      found.push(worst)
      continue
    }
    const links = found.map((link, i) => ({
      ...link,
      packets: fit.packets[units + i] as number,
      probability: fit.probabilities[units + i] as number,
    }))
    return { fit, outcomes: extended, links: links.filter(({ probability }) => probability < 1 - LEAST_LOSS / 2) }
  }
}

interface LinkCount {
  readonly from: number
  readonly to: number
  sent: number
  delivered: number
  expected: number
  variance: number
}

function worstLink(
  fit: Fit,
  outcomes: readonly PathOutcome[],
  extended: readonly PathOutcome[],
  found: readonly { readonly from: number; readonly to: number }[],
): LinkCount | undefined {
  const counts = new Map<string, LinkCount>()
  for (const [index, { path, sent, delivered }] of outcomes.entries()) {
    const whole = productOf(fit.probabilities, (extended[index] as PathOutcome).path)
    for (let i = 1; i < path.length; i++) {
      const [from, to] = [path[i - 1] as number, path[i] as number]
      const key = `${from}-${to}`
      const count = counts.get(key) ?? { from, to, sent: 0, delivered: 0, expected: 0, variance: 0 }
      count.sent += sent
      count.delivered += delivered
      count.expected += sent * whole
      count.variance += sent * whole * (1 - whole)
      counts.set(key, count)
    }
  }
  let worst: LinkCount | undefined
  let worstExcess = SUSPICIOUS
  for (const count of counts.values()) {
    const { from, to, sent, delivered, expected, variance } = count
    if (sent < LEAST_PACKETS || expected - delivered < LEAST_LOSS * sent) continue
    const busiest = Math.max(sent / (fit.packets[from] as number), sent / (fit.packets[to] as number))
    if (busiest > MOST_SHARE || found.some((link) => link.from === from && link.to === to)) continue
    // Where nothing was expected to get lost there is no variance to divide by: at least that of one packet.
    const excess = (expected - delivered) / Math.sqrt(Math.max(variance, 1))
    if (excess > worstExcess) {
      worst = count
      worstExcess = excess
    }
  }
  return worst
}

function withLinks(path: Path, links: readonly { readonly from: number; readonly to: number }[], units: number): Path {
  const passed = links.flatMap(({ from, to }, i) => (follows(path, from, to) ? [units + i] : []))
  return passed.length === 0 ? path : [...path, ...passed]
}

function follows(path: Path, from: number, to: number): boolean {
  for (let i = 1; i < path.length; i++) if (path[i - 1] === from && path[i] === to) return true
  return false
}
