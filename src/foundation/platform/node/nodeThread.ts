/**
 * An object of async methods in a thread of its own, for arithmetic that would hold up everything else. The thread runs a module
 * that calls `serveThread`; who started it calls the same methods by `Thread.calls`. Arguments and results are structured clones:
 * bytes and plain values, copied, so neither side sees what the other does to its own later.
 *
 * The thread starts with the first call. Should it die, what was asked of it fails, and the next call starts another. @module
 */
import { parentPort, Worker } from 'node:worker_threads'
import { type ErrorCode, type ErrorDetails, isMixnetError, MixnetError } from '../../base/errors.ts'

/** What can be served: nothing but async methods. */
export type Methods<T> = { readonly [K in keyof T]: (...args: never[]) => Promise<unknown> }

export interface ThreadOptions<T> {
  /** For errors. */
  readonly name: string
  /** See `siblingModule`. */
  readonly module: URL
  /** Each by name: a list that a compiler can hold against the type. */
  readonly methods: Readonly<Record<keyof T & string, true>>
  /** How many calls may be unanswered; one more is refused. */
  readonly maxCalls: number
}

export interface Thread<T> {
  /**
   * MixnetErrors cross with code, details, text and next step. QUEUE_FULL where `maxCalls` are unanswered, STOPPED after `close`,
   * INTERNAL for any other error thrown there and for calls that a thread died with. An unanswered call keeps the process alive;
   * an idle thread does not.
   */
  readonly calls: T
  /** Ends the thread, also in the middle of a call. What is unanswered rejects with STOPPED. */
  close(): Promise<void>
}

interface Call {
  readonly id: number
  readonly method: string
  readonly args: readonly unknown[]
}

type Answer = { readonly id: number } & ({ readonly value: unknown } | { readonly failure: Failure })

interface Failure {
  readonly code: ErrorCode
  readonly details: ErrorDetails
  readonly message: string
  readonly nextStep: string
}

/** The module beside the one with that `import.meta.url`: `.ts` where it runs from source, `.js` where it was built. */
export function siblingModule(name: string, base: string): URL {
  const extension = new URL(base).pathname.endsWith('.ts') ? '.ts' : '.js'
  return new URL(`${name}${extension}`, base)
}

export function startThread<T extends Methods<T>>(options: ThreadOptions<T>): Thread<T> {
  const thread = new Running(options)
  const calls = Object.fromEntries(
    Object.keys(options.methods).map((method) => [method, (...args: unknown[]) => thread.call(method, args)]),
  )
  return { calls: calls as unknown as T, close: () => thread.close() }
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

interface Unanswered {
  readonly method: string
  resolve(value: unknown): void
  reject(error: MixnetError): void
}

class Running {
  readonly #options: Omit<ThreadOptions<unknown>, 'methods'>
  #worker: Worker | undefined
  /** Of the worker there is now. */
  readonly #unanswered = new Map<number, Unanswered>()
  #calls = 0
  #closed = false

  constructor(options: Omit<ThreadOptions<unknown>, 'methods'>) {
    this.#options = options
  }

  async call(method: string, args: readonly unknown[]): Promise<unknown> {
    const { name, maxCalls } = this.#options
    if (this.#closed) throw new MixnetError('STOPPED', { thread: name })
    if (this.#unanswered.size >= maxCalls) throw new MixnetError('QUEUE_FULL', { thread: name, capacity: maxCalls })
    this.#worker ??= this.#start()
    const worker = this.#worker
    const id = this.#calls++
    return new Promise((resolve, reject) => {
      try {
        worker.postMessage({ id, method, args: args.map(trimmed) } satisfies Call)
      } catch {
        // Without the cause: its text shows what could not be copied.
        reject(new MixnetError('BAD_ARGUMENT', { thread: name, method, why: 'an argument cannot be copied' }))
        return
      }
      this.#unanswered.set(id, { method, resolve, reject })
      worker.ref()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    const worker = this.#worker
    this.#abandon(() => new MixnetError('STOPPED', { thread: this.#options.name }))
    await worker?.terminate()
  }

  #start(): Worker {
    const { name, module } = this.#options
    // Not the flags of the process: `--input-type`, as in `node --input-type=module --eval`, fails every module of a thread.
    const worker = new Worker(module, { name, execArgv: [] })
    worker.unref()
    worker.on('message', (answer: Answer) => this.#answered(worker, answer))
    // An error that nobody caught, and an exit for whatever reason; one may come without the other. Its text may hold anything.
    const died = (): void => {
      if (worker !== this.#worker) return
      this.#abandon(({ method }) => new MixnetError('INTERNAL', { thread: name, method, why: 'the thread died' }))
    }
    worker.on('error', died)
    worker.on('exit', died)
    return worker
  }

  #answered(worker: Worker, answer: Answer): void {
    const call = this.#unanswered.get(answer.id)
    if (worker !== this.#worker || call === undefined) return
    this.#unanswered.delete(answer.id)
    if (this.#unanswered.size === 0) worker.unref()
    if ('value' in answer) call.resolve(answer.value)
    else call.reject(errorOf(answer.failure))
  }

  #abandon(error: (call: Unanswered) => MixnetError): void {
    this.#worker?.unref()
    this.#worker = undefined
    const calls = [...this.#unanswered.values()]
    this.#unanswered.clear()
    for (const call of calls) call.reject(error(call))
  }
}

async function answerTo(served: object, { id, method, args }: Call): Promise<Answer> {
  try {
    const called = (served as Record<string, (...args: readonly unknown[]) => Promise<unknown>>)[method]
    if (called === undefined) throw new MixnetError('BAD_ARGUMENT', { argument: 'method', method })
    return { id, value: trimmed(await called.apply(served, [...args])) }
  } catch (error) {
    return { id, failure: failureOf(error) }
  }
}

/** What may be told of an error. The text of one that is not ours could hold an argument, hence a secret: only its class crosses. */
function failureOf(error: unknown): Failure {
  const known = isMixnetError(error)
    ? error
    : new MixnetError('INTERNAL', { error: error instanceof Error ? error.constructor.name : typeof error })
  const { code, details, message, nextStep } = known
  return { code, details, message, nextStep }
}

function errorOf({ code, details, message, nextStep }: Failure): MixnetError {
  const error = new MixnetError(code, details, { nextStep })
  error.message = message
  return error
}

/**
 * A view of bytes is cloned with all of its buffer: eight kilobytes of Node's pool, with whatever else lies in it, for each key.
 * So views of less than their buffer become copies of what they show.
 */
function trimmed(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.byteLength === value.buffer.byteLength ? value : new Uint8Array(value)
  if (Array.isArray(value)) return value.map(trimmed)
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, trimmed(item)]))
  }
  return value
}
