/**
 * What happened to one request, stage by stage, for the program that made it. Kept in this process only, and so that a log of it could
 * be shown to others: when, how many, which code; no host, no header, no address. @module
 */
import { type ErrorCode, isMixnetError } from '../foundation/base/errors.ts'
import { type Millis, millis } from '../foundation/base/units.ts'
import { explainFetchError } from './fetchErrors.ts'
import { type FragmentCounts, noFragments, type StreamVitals } from './streamVitals.ts'

/** Stable. */
export type Stage =
  /** A connection through the exit is asked for. */
  | 'stream-opened'
  /** One of before is used again. */
  | 'connection-kept'
  | 'exit-confirmed'
  | 'tls'
  | 'request-sent'
  | 'first-byte'
  /** It ended, and was perhaps tried once more. */
  | 'failed'
  | 'done'

export interface StageReached {
  readonly stage: Stage
  /** Since the request began. */
  readonly after: Millis
  /** A status, or an error's code. */
  readonly what?: string | undefined
}

/** What the client was like when the request began. */
export interface Circumstances {
  /** Since the directory was heard; none where there is no topology. */
  readonly topologyAge: Millis | undefined
  readonly gatewayOpen: boolean
  /** Through the exit, of all requests. */
  readonly connections: number
}

export interface Explanation {
  /** Of this client's requests, from 1. */
  readonly number: number
  /** An error's code where it failed. */
  readonly outcome: 'running' | 'done' | ErrorCode
  /** Until now, where it is running. */
  readonly took: Millis
  readonly began: Circumstances | undefined
  readonly stages: readonly StageReached[]
  /** Of the connection, while it was this request's. */
  readonly fragments: Readonly<FragmentCounts>
  readonly surbsLeft: number | undefined
  /** The same for people. */
  readonly lines: readonly string[]
}

// A request has some ten; one that is redirected twenty times, or tried again, has more.
const MAX_STAGES = 100

export class RequestTimeline {
  readonly #now: () => Millis
  readonly #number: number
  readonly #beganAt: Millis
  readonly #began: Circumstances | undefined
  readonly #stages: StageReached[] = []
  readonly #earlier: FragmentCounts = noFragments()
  #carrier: { readonly vitals: StreamVitals; readonly before: Readonly<FragmentCounts> } | undefined
  #surbsLeft: number | undefined
  #failure: ErrorCode | undefined
  #endedAt: Millis | undefined

  constructor(now: () => Millis, number: number, began: Circumstances | undefined) {
    this.#now = now
    this.#number = number
    this.#began = began
    this.#beganAt = now()
  }

  reached(stage: Stage, what?: string): void {
    if (this.#endedAt !== undefined || this.#stages.length >= MAX_STAGES) return
    const after = millis(this.#now() - this.#beganAt)
    this.#stages.push({ stage, after, ...(what === undefined ? {} : { what }) })
  }

  /** From now on its bytes go through that stream. */
  carriedBy(vitals: StreamVitals | undefined): void {
    if (this.#endedAt !== undefined) return
    this.#putDown()
    // It goes on: what failed before was tried again.
    this.#failure = undefined
    if (vitals !== undefined) this.#carrier = { vitals, before: { ...vitals.fragments } }
  }

  failed(error: unknown, code: ErrorCode = codeOf(error)): void {
    // Told once more by what is further up.
    if (this.#failure === code) return
    if (this.#endedAt === undefined) this.#failure = code
    this.reached('failed', code)
  }

  answered(status: number): void {
    this.reached('first-byte', `${status}`)
  }

  finished(): void {
    if (this.#endedAt !== undefined) return
    if (this.#failure === undefined) this.reached('done')
    this.#putDown()
    this.#endedAt = this.#now()
  }

  explain(): Explanation {
    const outcome = this.#outcome()
    const took = millis((this.#endedAt ?? this.#now()) - this.#beganAt)
    const fragments = sum(this.#earlier, this.#carried())
    const surbsLeft = this.#carrier === undefined ? this.#surbsLeft : this.#carrier.vitals.surbsLeft()
    const told = {
      number: this.#number,
      outcome,
      took,
      began: this.#began,
      stages: [...this.#stages],
      fragments,
      surbsLeft,
    }
    return { ...told, lines: linesOf(told) }
  }

  #outcome(): Explanation['outcome'] {
    if (this.#failure !== undefined) return this.#failure
    return this.#endedAt === undefined ? 'running' : 'done'
  }

  #carried(): FragmentCounts {
    if (this.#carrier === undefined) return noFragments()
    const { vitals, before } = this.#carrier
    const { fragments: now } = vitals
    return {
      sent: now.sent - before.sent,
      acknowledged: now.acknowledged - before.acknowledged,
      again: now.again - before.again,
      givenUp: now.givenUp - before.givenUp,
    }
  }

  /** The stream lives on with other requests, and must not be held by this one. */
  #putDown(): void {
    if (this.#carrier === undefined) return
    Object.assign(this.#earlier, sum(this.#earlier, this.#carried()))
    this.#surbsLeft = this.#carrier.vitals.surbsLeft()
    this.#carrier = undefined
  }
}

const codeOf = (error: unknown): ErrorCode => (isMixnetError(error) ? error : explainFetchError(error)).code

function sum(a: FragmentCounts, b: FragmentCounts): FragmentCounts {
  return {
    sent: a.sent + b.sent,
    acknowledged: a.acknowledged + b.acknowledged,
    again: a.again + b.again,
    givenUp: a.givenUp + b.givenUp,
  }
}

const NAMES: Readonly<Record<Stage, string>> = {
  'stream-opened': 'connection asked for',
  'connection-kept': 'connection of before',
  'exit-confirmed': 'exit connected',
  tls: 'TLS agreed',
  'request-sent': 'request handed over',
  'first-byte': 'answer begins',
  failed: 'failed',
  done: 'done',
}

const ms = (duration: Millis): string => `${Math.round(duration)} ms`

function linesOf({ number, outcome, took, began, stages, fragments, surbsLeft }: Omit<Explanation, 'lines'>): string[] {
  const lines = [`request ${number}   ${outcome}   ${ms(took)}`]
  if (began !== undefined) {
    const { topologyAge, gatewayOpen, connections } = began
    const topology = topologyAge === undefined ? 'no topology' : `topology ${Math.round(topologyAge / 1000)} s old`
    lines.push(`began with ${topology}, gateway ${gatewayOpen ? 'open' : 'away'}, ${connections} connections`)
  }
  for (const { stage, after, what } of stages) {
    lines.push(`${ms(after).padStart(10)}  ${NAMES[stage]}${what === undefined ? '' : `   ${what}`}`)
  }
  const { sent, acknowledged, again, givenUp } = fragments
  lines.push(`fragments ${sent} sent, ${acknowledged} acknowledged, ${again} sent again, ${givenUp} given up`)
  if (surbsLeft !== undefined) lines.push(`reply SURBs ${surbsLeft} left at the exit`)
  return lines
}
