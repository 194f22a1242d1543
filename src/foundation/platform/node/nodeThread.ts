/**
 * An object of async methods in a thread of its own, for arithmetic that would hold up everything else. The thread runs a module
 * that calls `serveThread`; who started it calls the same methods by `Thread.calls`.
 *
 * The thread starts with the first call. Should it die, what was asked of it fails, and the next call starts another. An unanswered
 * call keeps the process alive; an idle thread does not. @module
 */
import { parentPort, Worker } from 'node:worker_threads'
import { MixnetError } from '../../base/errors.ts'
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

export interface ThreadOptions<T> {
  /** For errors. */
  readonly name: string
  /** See `siblingModule`. */
  readonly module: URL
  readonly methods: MethodNames<T>
  /** How many calls may be unanswered; one more is refused. */
  readonly maxCalls: number
}

/** The module beside the one with that `import.meta.url`: `.ts` where it runs from source, `.js` where it was built. */
export function siblingModule(name: string, base: string): URL {
  const extension = new URL(base).pathname.endsWith('.ts') ? '.ts' : '.js'
  return new URL(`${name}${extension}`, base)
}

export function startThread<T extends Methods<T>>(options: ThreadOptions<T>): Thread<T> {
  const thread = new Running(options)
  return { calls: callsBy(options.methods, (method, args) => thread.call(method, args)), close: () => thread.close() }
}

/** In the module that a thread runs, once. */
export function serveThread<T extends Methods<T>>(served: T): void {
  const port = parentPort
  if (port === null) throw new MixnetError('BAD_ARGUMENT', { argument: 'served', why: 'this is not a thread' })
  port.on('message', async (call: Call) => {
    const answer = await answerTo(served, call)
    try {
      port.postMessage(answer)
    } catch (error) {
      port.postMessage({ id: call.id, failure: failureOf(error) } satisfies Answer)
    }
  })
}

class Running {
  readonly #name: string
  readonly #module: URL
  readonly #unanswered: UnansweredCalls
  #worker: Worker | undefined
  #closed = false

  constructor({ name, module, maxCalls }: Omit<ThreadOptions<unknown>, 'methods'>) {
    this.#name = name
    this.#module = module
    this.#unanswered = new UnansweredCalls(name, maxCalls)
  }

  async call(method: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#closed) throw new MixnetError('STOPPED', { thread: this.#name })
    return this.#unanswered.make(method, args, (call) => {
      this.#worker ??= this.#start()
      this.#worker.postMessage(call)
      this.#worker.ref()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    const worker = this.#worker
    this.#abandon(() => new MixnetError('STOPPED', { thread: this.#name }))
    await worker?.terminate()
  }

  #start(): Worker {
    const name = this.#name
    // Not the flags of the process: `--input-type`, as in `node --input-type=module --eval`, fails every module of a thread.
    const worker = new Worker(this.#module, { name, execArgv: [] })
    worker.unref()
    worker.on('message', (answer: Answer) => {
      if (worker !== this.#worker) return
      this.#unanswered.answered(answer)
      if (this.#unanswered.count === 0) worker.unref()
    })
    // An error that nobody caught, and an exit for whatever reason; one may come without the other. Its text may hold anything.
    const died = (): void => {
      if (worker !== this.#worker) return
      this.#abandon(({ method }) => new MixnetError('INTERNAL', { thread: name, method, why: 'the thread died' }))
    }
    worker.on('error', died)
    worker.on('exit', died)
    return worker
  }

  #abandon(error: (call: { readonly method: string }) => MixnetError): void {
    this.#worker?.unref()
    this.#worker = undefined
    this.#unanswered.abandon(error)
  }
}
