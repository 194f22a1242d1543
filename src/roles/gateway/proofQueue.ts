/**
 * Payments that wait for their proofs to be checked. One batch is under way; what comes meanwhile makes the next, so that one client
 * alone is served at once and a crowd at the price of many together. The engine works elsewhere: packets go on. @module
 */
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Log } from '../../foundation/base/observe.ts'
import type { Millis } from '../../foundation/base/units.ts'
import { type Clock, withDeadline } from '../../foundation/platform/clock.ts'
import type { CheckingEngine, PaymentClaim, PaymentVerdict } from '../../protocol/credentials/engine.ts'
import type { Strictness } from '../../protocol/credentials/verify.ts'

/** `unchecked`: nothing is known of the payment, for the engine failed or the gateway stops. */
export type ProofVerdict = PaymentVerdict | { readonly kind: 'unchecked' }

export interface ProofQueueOptions {
  readonly clock: Clock
  readonly engine: Pick<CheckingEngine, 'verifyPayments'>
  readonly strictness: Strictness
  readonly capacity: number
  readonly batch: number
  readonly timeout: Millis
  readonly log: Log
}

interface Waiting {
  /** Of its epoch: one batch is of one key. The same array for the same epoch. */
  readonly masterKey: Uint8Array
  readonly claim: PaymentClaim
  readonly done: (verdict: ProofVerdict) => void
}

const UNCHECKED: ProofVerdict = { kind: 'unchecked' }

export class ProofQueue {
  readonly #options: ProofQueueOptions
  #waiting: Waiting[] = []
  #underWay: readonly Waiting[] = []
  #stopped = false

  constructor(options: ProofQueueOptions) {
    this.#options = options
  }

  /** Those under way as well. */
  get length(): number {
    return this.#waiting.length + this.#underWay.length
  }

  /** undefined where too many wait. The newest is refused: the others have been promised an answer. */
  check(masterKey: Uint8Array, claim: PaymentClaim): Promise<ProofVerdict> | undefined {
    if (this.#stopped || this.length >= this.#options.capacity) return undefined
    const { promise, resolve } = Promise.withResolvers<ProofVerdict>()
    this.#waiting.push({ masterKey, claim, done: resolve })
    // What comes in this turn shares the first batch.
    if (this.length === 1) this.#options.clock.soon(() => this.#next())
    return promise
  }

  /** Nobody is left waiting. */
  stop(): void {
    this.#stopped = true
    for (const { done } of [...this.#underWay, ...this.#waiting]) done(UNCHECKED)
    this.#waiting = []
  }

  #next(): void {
    const [first] = this.#waiting
    if (this.#stopped || first === undefined || this.#underWay.length > 0) return
    const batch = this.#waiting.filter(({ masterKey }) => masterKey === first.masterKey).slice(0, this.#options.batch)
    const taken = new Set(batch)
    this.#waiting = this.#waiting.filter((one) => !taken.has(one))
    this.#underWay = batch
    this.#verdicts(first.masterKey, batch).then((verdicts) => {
      this.#underWay = []
      for (const [i, { done }] of batch.entries()) done(verdicts[i] ?? UNCHECKED)
      this.#next()
    })
  }

  async #verdicts(masterKey: Uint8Array, batch: readonly Waiting[]): Promise<readonly ProofVerdict[]> {
    const { clock, engine, strictness, timeout, log } = this.#options
    try {
      const claims = batch.map(({ claim }) => claim)
      return await withDeadline(clock, timeout, 'proofs', engine.verifyPayments(masterKey, claims, strictness))
    } catch (error) {
      log.error('tickets.not-checked', { code: isMixnetError(error) ? error.code : 'INTERNAL', tickets: batch.length })
      return []
    }
  }
}
