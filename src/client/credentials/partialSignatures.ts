/**
 * Collects t good answers of n issuers. Asked are t + 1 at first, drawn at random, and another for each that fails, or every few
 * seconds while answers are missing. All at once would be a second faster where some are slow, and would tell every issuer of every purchase,
 * with the address it comes from; t alone would wait for the slowest. When enough are good the rest is hung up on.
 * @module
 */
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import type { Log } from '../../foundation/base/observe.ts'
import { type Millis, seconds } from '../../foundation/base/units.ts'
import { type Clock, sleep } from '../../foundation/platform/clock.ts'
import { below, type RandomStream } from '../../foundation/platform/random.ts'
import type { IssuedShare, OpenedBook } from '../../protocol/credentials/engine.ts'
import type { EpochIssuer } from '../../protocol/wire/issuer/credentialEpoch.ts'

export interface CollectOptions {
  readonly clock: Clock
  readonly random: RandomStream
  readonly log: Log
  readonly issuers: readonly EpochIssuer[]
  readonly threshold: number
  /** h ‖ σ, not checked. */
  readonly ask: (issuer: EpochIssuer, signal: AbortSignal) => Promise<Uint8Array>
  /** Checks all of them. */
  readonly open: (answers: readonly IssuedShare[]) => Promise<OpenedBook>
}

export interface CollectedBook {
  readonly book: Uint8Array
  /** Indices of issuers whose answers were wrong. */
  readonly culprits: readonly number[]
}

/** While answers are missing, one more is asked this often. */
const HEDGE_AFTER: Millis = seconds(3)

type Event =
  | { readonly kind: 'answer'; readonly issuer: EpochIssuer; readonly signature: Uint8Array }
  | { readonly kind: 'failure'; readonly issuer: EpochIssuer; readonly error: MixnetError }

/** Throws ISSUERS_UNAVAILABLE, with ISSUER_REFUSED or the last failure as its cause, when all were asked in vain. */
export async function collectBook(options: CollectOptions): Promise<CollectedBook> {
  const { clock, random, log, threshold } = options
  const unasked = shuffled(random, options.issuers)
  const waiting = new Map<number, Promise<Event>>()
  const answers: IssuedShare[] = []
  const culprits = new Set<number>()
  const hangUp = new AbortController()
  let wanted = threshold + 1
  let asked = 0
  let cause: MixnetError | undefined
  const failed = (index: number, error: MixnetError): void => {
    log.warn('an issuer did not do its part', { index, code: error.code })
    cause = error
    wanted++
  }
  try {
    for (;;) {
      while (asked < wanted && unasked.length > 0) {
        const issuer = unasked.pop() as EpochIssuer
        asked++
        waiting.set(issuer.index, outcome(issuer, options.ask(issuer, hangUp.signal)))
      }
      if (answers.length >= threshold) {
        const opened = await options.open(answers)
        for (const index of opened.culprits) {
          culprits.add(index)
          answers.splice(
            answers.findIndex((one) => one.index === index),
            1,
          )
          failed(index, new MixnetError('ISSUER_REFUSED', { issuer: index, why: 'its signature does not hold' }))
        }
        if (opened.kind === 'opened') return { book: opened.book, culprits: [...culprits] }
        if (opened.culprits.length > 0) continue
        throw new MixnetError('INTERNAL', { what: 'good answers make no book' })
      }
      if (waiting.size === 0) {
        const counts = { good: answers.length, wrong: culprits.size, needed: threshold }
        throw new MixnetError('ISSUERS_UNAVAILABLE', counts, { cause })
      }
      const event = await firstOrSlow(clock, [...waiting.values()])
      if (event === undefined) {
        wanted++
        continue
      }
      const { issuer } = event
      waiting.delete(issuer.index)
      if (event.kind === 'failure') failed(issuer.index, event.error)
      else answers.push({ index: issuer.index, key: issuer.key, signature: event.signature })
    }
  } finally {
    hangUp.abort()
  }
}

async function outcome(issuer: EpochIssuer, answer: Promise<Uint8Array>): Promise<Event> {
  try {
    return { kind: 'answer', issuer, signature: await answer }
  } catch (error) {
    if (!isMixnetError(error)) throw error
    return { kind: 'failure', issuer, error }
  }
}

/** What settles first of them; undefined where all of them take so long that another should be asked. */
export async function firstOrSlow<T>(clock: Clock, waiting: readonly Promise<T>[]): Promise<T | undefined> {
  const enough = new AbortController()
  const slow = sleep(clock, HEDGE_AFTER, enough.signal).then(
    () => undefined,
    () => undefined,
  )
  try {
    return await Promise.race([...waiting, slow])
  } finally {
    enough.abort()
  }
}

export function shuffled<T>(random: RandomStream, items: readonly T[]): T[] {
  const order = [...items]
  for (let i = order.length - 1; i > 0; i--) {
    const j = below(random, i + 1)
    const swapped = order[i] as T
    order[i] = order[j] as T
    order[j] = swapped
  }
  return order
}
