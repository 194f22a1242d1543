/** The timelines of the last requests, found again by what the request gave its caller: a Response, or an error. @module */
import type { ErrorCode } from '../foundation/base/errors.ts'
import type { Millis } from '../foundation/base/units.ts'
import { type Circumstances, type Explanation, RequestTimeline } from './requestTimeline.ts'

// A timeline is some kilobytes at most.
const MAX_KEPT = 64
const MAX_CAUSES = 8

export class RequestLog {
  readonly #now: () => Millis
  readonly #circumstances: (() => Circumstances) | undefined
  readonly #recent: RequestTimeline[] = []
  /** Older ones are kept by nobody but who still holds what they gave. */
  readonly #given = new WeakMap<object, RequestTimeline>()
  #lastNumber = 0

  constructor(now: () => Millis, circumstances: (() => Circumstances) | undefined) {
    this.#now = now
    this.#circumstances = circumstances
  }

  begin(): RequestTimeline {
    const timeline = new RequestTimeline(this.#now, ++this.#lastNumber, this.#circumstances?.())
    this.#recent.push(timeline)
    if (this.#recent.length > MAX_KEPT) this.#recent.shift()
    return timeline
  }

  /** The request gave `result` to its caller. */
  gave(result: unknown, timeline: RequestTimeline): void {
    if (typeof result === 'object' && result !== null) this.#given.set(result, timeline)
  }

  /** It is over, and its caller was thrown that. */
  failed(error: unknown, timeline: RequestTimeline): void {
    timeline.failed(error)
    timeline.finished()
    this.gave(error, timeline)
  }

  /** Of the request that gave `result`, which may also be among its causes; without one, of the last that began. */
  explain(result?: unknown): Explanation | undefined {
    if (result === undefined) return this.#recent.at(-1)?.explain()
    let given: unknown = result
    for (let depth = 0; typeof given === 'object' && given !== null && depth < MAX_CAUSES; depth++) {
      const timeline = this.#given.get(given)
      if (timeline !== undefined) return timeline.explain()
      given = given instanceof Error ? given.cause : undefined
    }
    return undefined
  }
}

export interface LifetimeObserver {
  /** What the server is asked has been handed over. */
  sent?(): void
  answered?(status: number): void
  /** May be tried again. */
  failed?(error: unknown, code?: ErrorCode): void
  /** It is over, for whatever reason. May come more than once. */
  finished?(): void
}

/** Writes a request's timeline, and tells when the request is over. */
export function observed(log: RequestLog, timeline: RequestTimeline, over: () => void): LifetimeObserver {
  return {
    sent: () => timeline.reached('request-sent'),
    answered: (status) => timeline.answered(status),
    failed: (error, code) => {
      timeline.failed(error, code)
      log.gave(error, timeline)
    },
    finished: () => {
      timeline.finished()
      over()
    },
  }
}
