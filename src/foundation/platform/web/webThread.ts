/**
 * An object of async methods in a worker of the page, for arithmetic that would hold up what the page shows. The worker's module
 * calls `serveWebThread`; who started it calls the same methods by `Thread.calls`. Whether there can be a worker shows only when one
 * says that it is there: policies, bundlers that left its file behind, and servers that answer anything with a page refuse late. @module
 */
import { MixnetError } from '../../base/errors.ts'
import type { Millis } from '../../base/units.ts'
import type { Clock } from '../clock.ts'
import {
  type Answer,
  answerTo,
  type Call,
  callsBy,
  failureOf,
  type MethodNames,
  type Methods,
  type Thread,
  UnansweredCalls,
} from '../threadCalls.ts'

/** What is used of a Worker: types of browsers are not in scope here. */
export interface WebWorker {
  onmessage: ((event: { readonly data: unknown }) => void) | null
  onerror: ((event: { preventDefault?(): void }) => void) | null
  onmessageerror: (() => void) | null
  postMessage(message: unknown): void
  terminate(): void
}

/** What is used of its own globals in a worker. */
export interface WorkerScope {
  onmessage: ((event: { readonly data: unknown }) => void) | null
  postMessage(message: unknown): void
}

export interface WebThreadOptions<T> {
  /** For errors. */
  readonly name: string
  readonly methods: MethodNames<T>
  /** How many calls may be unanswered; one more is refused. */
  readonly maxCalls: number
  /** May throw. Written out where the worker's file is known by name: bundlers look for `new Worker(new URL('…', import.meta.url))`. */
  readonly start: () => WebWorker
  readonly clock: Pick<Clock, 'after'>
  /** How long the worker may take to be there. */
  readonly startLimit: Millis
}

export interface WebThread<T> extends Thread<T> {
  /** Ends up false; what is called then rejects with INTERNAL. A worker that failed once is not started again. */
  readonly alive: boolean
}

/** The first message, which carries nothing else. */
const READY = 'ready'

/** undefined where there can be no such worker. */
export async function startWebThread<T extends Methods<T>>(
  options: WebThreadOptions<T>,
): Promise<WebThread<T> | undefined> {
  const { methods, start, clock, startLimit } = options
  let worker: WebWorker
  try {
    worker = start()
  } catch {
    // No workers here, or a policy, or a file of another origin.
    return undefined
  }
  const isThere = await new Promise<boolean>((resolve) => {
    const timer = clock.after(startLimit, () => resolve(false))
    const decided = (is: boolean) => {
      timer.cancel()
      resolve(is)
    }
    worker.onmessage = ({ data }) => decided(data === READY)
    worker.onerror = (event) => {
      // Nobody need hear of it: there is another way.
      event.preventDefault?.()
      decided(false)
    }
  })
  if (!isThere) {
    worker.onmessage = null
    worker.terminate()
    return undefined
  }
  const thread = new Running(worker, options)
  return {
    calls: callsBy<T>(methods, (method, args) => thread.call(method, args)),
    close: () => thread.close(),
    get alive() {
      return thread.alive
    },
  }
}

/** In the worker's module, once. */
export function serveWebThread<T extends Methods<T>>(served: T, scope: WorkerScope): void {
  scope.onmessage = async ({ data }) => {
    const call = data as Call
    const answer = await answerTo(served, call)
    try {
      scope.postMessage(answer)
    } catch (error) {
      scope.postMessage({ id: call.id, failure: failureOf(error) } satisfies Answer)
    }
  }
  scope.postMessage(READY)
}

class Running {
  readonly #worker: WebWorker
  readonly #name: string
  readonly #unanswered: UnansweredCalls
  #end: 'died' | 'closed' | undefined

  constructor(worker: WebWorker, { name, maxCalls }: Pick<WebThreadOptions<unknown>, 'name' | 'maxCalls'>) {
    this.#worker = worker
    this.#name = name
    this.#unanswered = new UnansweredCalls(name, maxCalls)
    worker.onmessage = ({ data }) => this.#unanswered.answered(data as Answer)
    // An error that nobody caught; an answer that cannot be read, and nobody knows whose it was. Its text may hold anything.
    const died = () => this.#ended('died')
    worker.onerror = (event) => {
      event.preventDefault?.()
      died()
    }
    worker.onmessageerror = died
  }

  get alive(): boolean {
    return this.#end === undefined
  }

  async call(method: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#end !== undefined) throw this.#refusal(method)
    return await this.#unanswered.make(method, args, (call) => this.#worker.postMessage(call))
  }

  async close(): Promise<void> {
    this.#ended('closed')
  }

  #ended(how: 'died' | 'closed'): void {
    if (this.#end === 'closed') return
    this.#end = how
    this.#worker.onmessage = null
    this.#worker.terminate()
    this.#unanswered.abandon(({ method }) => this.#refusal(method))
  }

  #refusal(method: string): MixnetError {
    return this.#end === 'closed'
      ? new MixnetError('STOPPED', { thread: this.#name })
      : new MixnetError('INTERNAL', { thread: this.#name, method, why: 'the worker died' })
  }
}
