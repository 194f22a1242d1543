/**
 * Calls of an object's async methods by messages, whoever carries them: the caller's side, which pairs answers with calls, and the
 * side that answers. Arguments and results are structured clones: bytes and plain values, copied, so neither side sees what the other
 * does to its own later. @module
 */
import { type ErrorCode, type ErrorDetails, isMixnetError, MixnetError } from '../base/errors.ts'

/** What can be served: nothing but async methods. */
export type Methods<T> = { readonly [K in keyof T]: (...args: never[]) => Promise<unknown> }

/** Each by name: a list that a compiler can hold against the type. */
export type MethodNames<T> = Readonly<Record<keyof T & string, true>>

export interface Thread<T> {
  /**
   * MixnetErrors cross with code, details, text and next step. QUEUE_FULL where too many calls are unanswered, STOPPED after `close`,
   * BAD_ARGUMENT for what cannot be copied, INTERNAL for any other error thrown there and for calls that a thread died with.
   */
  readonly calls: T
  /** Ends the thread, also in the middle of a call. What is unanswered rejects with STOPPED. Never rejects. */
  close(): Promise<void>
}

export interface Call {
  readonly id: number
  readonly method: string
  readonly args: readonly unknown[]
}

export type Answer = { readonly id: number } & ({ readonly value: unknown } | { readonly failure: Failure })

interface Failure {
  readonly code: ErrorCode
  readonly details: ErrorDetails
  readonly message: string
  readonly nextStep: string
}

/** The methods as one function. */
export function callsBy<T extends Methods<T>>(
  methods: MethodNames<T>,
  call: (method: keyof T & string, args: readonly unknown[]) => Promise<unknown>,
): T {
  const names = Object.keys(methods) as (keyof T & string)[]
  return Object.fromEntries(names.map((name) => [name, (...args: unknown[]) => call(name, args)])) as unknown as T
}

interface Unanswered {
  readonly method: string
  resolve(value: unknown): void
  reject(error: MixnetError): void
}

/** The caller's side of one thread. */
export class UnansweredCalls {
  readonly #name: string
  readonly #most: number
  readonly #calls = new Map<number, Unanswered>()
  #last = 0

  /** `name` for errors; one call more than `most` is refused. */
  constructor(name: string, most: number) {
    this.#name = name
    this.#most = most
  }

  get count(): number {
    return this.#calls.size
  }

  /** QUEUE_FULL; BAD_ARGUMENT where `post` throws. */
  make(method: string, args: readonly unknown[], post: (call: Call) => void): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#calls.size >= this.#most) {
        throw new MixnetError('QUEUE_FULL', { thread: this.#name, capacity: this.#most })
      }
      const id = ++this.#last
      try {
        post({ id, method, args: args.map(trimmed) })
      } catch {
        // Without the cause: its text shows what could not be copied.
        throw new MixnetError('BAD_ARGUMENT', { thread: this.#name, method, why: 'an argument cannot be copied' })
      }
      this.#calls.set(id, { method, resolve, reject })
    })
  }

  answered(answer: Answer): void {
    const call = this.#calls.get(answer.id)
    if (call === undefined) return
    this.#calls.delete(answer.id)
    if ('value' in answer) call.resolve(answer.value)
    else call.reject(errorOf(answer.failure))
  }

  abandon(error: (call: { readonly method: string }) => MixnetError): void {
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    for (const call of calls) call.reject(error(call))
  }
}

/** The other side. Never rejects: what a method throws is an answer too. */
export async function answerTo(served: object, { id, method, args }: Call): Promise<Answer> {
  try {
    const called = (served as Record<string, (...args: readonly unknown[]) => Promise<unknown>>)[method]
    if (called === undefined) throw new MixnetError('BAD_ARGUMENT', { argument: 'method', method })
    return { id, value: trimmed(await called.apply(served, [...args])) }
  } catch (error) {
    return { id, failure: failureOf(error) }
  }
}

/** What may be told of an error. The text of one that is not ours could hold an argument, hence a secret: only its class crosses. */
export function failureOf(error: unknown): Failure {
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
 * A view of bytes is cloned with all of its buffer: eight kilobytes of Node's pool, with whatever else lies in it, for each key. So
 * views of less than their buffer become copies of what they show.
 */
function trimmed(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.byteLength === value.buffer.byteLength ? value : new Uint8Array(value)
  if (Array.isArray(value)) return value.map(trimmed)
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, trimmed(item)]))
  }
  return value
}
