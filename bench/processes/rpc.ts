/** Questions and answers between a benchmark and the processes it measures. @module */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Usage {
  /** User and system time since the start of the process. */
  readonly cpuMicros: number
  readonly residentBytes: number
}

interface Question {
  readonly id: number
  readonly method: string
  readonly argument: unknown
}

type Answer = { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: string }

/** In the measured process: answers until the parent goes. Methods may be asynchronous. */
export function answer(methods: Readonly<Record<string, (argument: never) => unknown>>): void {
  const all: Readonly<Record<string, (argument: never) => unknown>> = { usage, ...methods }
  process.on('message', ({ id, method, argument }: Question) => {
    Promise.try(() => all[method]?.(argument as never)).then(
      (result) => process.send?.({ id, result } satisfies Answer),
      (error: unknown) => process.send?.({ id, error: error instanceof Error ? error.message : String(error) }),
    )
  })
  // A benchmark that is interrupted leaves nothing running.
  process.on('disconnect', () => process.exit())
  process.on('SIGINT', () => {})
}

function usage(): Usage {
  const { user, system } = process.cpuUsage()
  return { cpuMicros: user + system, residentBytes: process.memoryUsage.rss() }
}

/** In the benchmark: one measured process. */
export class Measured {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  #lastId = 0

  /** `script` is a file beside this one. */
  constructor(script: string) {
    this.#child = fork(fileURLToPath(new URL(script, import.meta.url)), {
      serialization: 'advanced',
      // As the starling command is started (src/app/cli/bin.ts).
      execArgv: ['--max-semi-space-size=8'],
    })
    this.#child.on('message', (answer: Answer) => {
      const waiting = this.#waiting.get(answer.id)
      this.#waiting.delete(answer.id)
      if ('error' in answer) waiting?.reject(new Error(`${script}: ${answer.error}`))
      else waiting?.resolve(answer.result)
    })
    this.#child.on('exit', (code) => {
      for (const waiting of this.#waiting.values()) waiting.reject(new Error(`${script} ended with ${code}`))
    })
  }

  ask<T>(method: string, argument?: unknown): Promise<T> {
    const id = ++this.#lastId
    const waiting = Promise.withResolvers<unknown>()
    this.#waiting.set(id, waiting)
    this.#child.send({ id, method, argument } satisfies Question)
    return waiting.promise as Promise<T>
  }

  usage(): Promise<Usage> {
    return this.ask('usage')
  }

  /** Lets it end by itself. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exited = new Promise((resolve) => this.#child.once('exit', resolve))
    await this.ask('stop').catch(() => {})
    this.#child.disconnect()
    await exited
  }
}
