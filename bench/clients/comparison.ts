/** Figures of two clients that took turns. @module */
import { type Figure, type Goal, spread } from '../figures.ts'
import type { Scheme, Visit } from './visit.ts'

/** Visits of both clients, those of one round at the same place. */
export interface Sides {
  readonly ours: readonly Visit[]
  readonly theirs: readonly Visit[]
}

export interface Pair {
  /** First requests over plain http, and nothing else. */
  readonly short: Sides
  /** First requests over https, and all the rest. */
  readonly long: Sides
}

const NEVER_WORSE: Goal = { of: 'ratio', atLeast: 1 }
const TWICE: Goal = { of: 'ratio', atLeast: 2 }
const MEGA = 1_000_000
const MIB = 1024 * 1024

export function comparison({ short, long }: Pair): Figure[] {
  const row = (name: string, unit: string, of: (visit: Visit) => number, sides = long, goal = NEVER_WORSE): Figure => {
    const [ours, theirs] = [sides.ours.map(of), sides.theirs.map(of)]
    const rounds = Math.min(ours.length, theirs.length)
    return {
      name,
      unit,
      measured: spread(ours),
      reference: { name: 'mix-fetch', value: spread(theirs) },
      ratio: spread(Array.from({ length: rounds }, (_, i) => (theirs[i] as number) / (ours[i] as number))),
      goal,
    }
  }
  const requests = (scheme: Scheme): Figure[] => {
    const of = (visit: Visit) => {
      if (visit.requests === undefined) throw new Error('a visit without requests')
      return visit.requests[scheme]
    }
    const goal = scheme === 'https' ? TWICE : NEVER_WORSE
    return [
      row(`${scheme}, one after another: median`, 'ms', (visit) => at(of(visit).series, 0.5), long, goal),
      row(`${scheme}, one after another: p95`, 'ms', (visit) => at(of(visit).series, 0.95)),
      row(`${scheme}, ten at once: median`, 'ms', (visit) => at(of(visit).eachOfTen, 0.5), long, goal),
      row(`${scheme}, ten at once: p95`, 'ms', (visit) => at(of(visit).eachOfTen, 0.95)),
      row(`${scheme}, ten at once: all there`, 'ms', (visit) => at(of(visit).batches, 0.5)),
      row(`${scheme}, 1 MB`, 'ms', (visit) => of(visit).download),
    ]
  }
  const idle = (visit: Visit) => {
    if (visit.idle === undefined) throw new Error('a visit without idle time')
    return visit.idle
  }
  return [
    row('page load to first response, http', 'ms', ({ first }) => first, short, TWICE),
    row('page load to first response, https', 'ms', ({ first }) => first, long, TWICE),
    row('of it, until connected', 'ms', ({ connected }) => connected),
    ...requests('http'),
    ...requests('https'),
    row('shipped to the page, gzip', 'MB', ({ shipped }) => shipped.gzippedBytes / MEGA),
    row('shipped to the page, as served', 'MB', ({ shipped }) => shipped.bytes / MEGA),
    row('memory of the page, idle', 'MiB', (visit) => idle(visit).memoryBytes / MIB),
    row('memory of the page, at most', 'MiB', (visit) => idle(visit).peakBytes / MIB),
    row('CPU of the page, idle with cover', '% of a core', (visit) => idle(visit).pageCpu),
    row('CPU of the rest of the browser', '% of a core', (visit) => idle(visit).browserCpu),
  ]
}

/** The value that a part of all do not exceed. */
function at(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN
}
