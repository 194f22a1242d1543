/**
 * Runs the events of a simulation one after the other. Between two events every promise that can go on without another event
 * does so, however long its chain of awaits: each event runs in an immediate of its own, and Node empties its microtask and
 * nextTick queues between immediates without going round its event loop. So results do not depend on the real loop, and an
 * event costs well under a microsecond more than its callback. What waits for the real world (thread pool, real sockets)
 * does not belong into a simulation. @module
 */
import { MixnetError } from '../../base/errors.ts'
import type { EventQueue } from './eventQueue.ts'

/** Immediates made at a time: between batches Node looks after its own timers and sockets, so a run stays interruptible. */
const BATCH = 256

interface Job {
  /** Whether to go on with an event at `time`; undefined where no event is left. */
  goesOn(time: number | undefined): boolean
  resolve(): void
  reject(error: unknown): void
}

export class EventLoop {
  readonly #events: EventQueue
  #job: Job | undefined
  #immediates = 0
  #count = 0

  constructor(events: EventQueue) {
    this.#events = events
  }

  /** Events run so far. */
  get count(): number {
    return this.#count
  }

  /** Runs events while `goesOn` says so, asked before each. Rejects with what an event throws. */
  run(goesOn: Job['goesOn']): Promise<void> {
    if (this.#job) return Promise.reject(new MixnetError('INTERNAL', { what: 'simulation runs already' }))
    return new Promise((resolve, reject) => {
      this.#job = { goesOn, resolve, reject }
      if (this.#immediates === 0) this.#makeImmediates()
    })
  }

  #makeImmediates(): void {
    this.#immediates = BATCH
    for (let i = 0; i < BATCH; i++) setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#immediates--
    const job = this.#job
    if (job === undefined) return
    try {
      if (job.goesOn(this.#events.nextTime())) {
        this.#count++
        this.#events.next()?.start()
        if (this.#immediates === 0) this.#makeImmediates()
        return
      }
    } catch (error) {
      this.#job = undefined
      return job.reject(error)
    }
    this.#job = undefined
    job.resolve()
  }
}
