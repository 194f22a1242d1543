/**
 * A Chromium with nothing in it that was there before, and no more attached to it than what asks for results: drivers that listen
 * to a page's network make its process copy every frame of its websocket to them, which would be measured with it. Spoken to
 * through the browser's pipe. @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { CHROMIUM_ARGUMENTS, chromiumPath } from '../../test/browser/chromium.ts'

const ARGUMENTS = [
  ...CHROMIUM_ARGUMENTS,
  '--headless',
  '--remote-debugging-pipe',
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
  '--disable-extensions',
  '--disable-default-apps',
  '--no-default-browser-check',
  '--disable-breakpad',
  // A renderer that waits for a next page would be measured with the one that is open.
  '--disable-features=SpareRendererForSitePerProcess,Translate',
]
const ANSWER_LIMIT_MS = 30_000
const END_LIMIT_MS = 5_000
const LOOK_INTERVAL_MS = 100

export interface ChromiumProcess {
  /** 'browser', 'renderer', 'utility' … */
  readonly type: string
  readonly pid: number
}

export class BareChromium {
  readonly #process: ChildProcess
  readonly #commands: Writable
  readonly #profile: string
  readonly #answers = new Map<number, PromiseWithResolvers<unknown>>()
  #lastId = 0
  #session: string | undefined

  private constructor(process: ChildProcess, profile: string) {
    this.#process = process
    this.#profile = profile
    this.#commands = process.stdio[3] as Writable
    // A browser that is gone is noticed by its end.
    this.#commands.on('error', () => {})
    const messages = process.stdio[4] as Readable
    let rest = ''
    messages.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\0')
      rest = parts.pop() ?? ''
      for (const part of parts) this.#heard(JSON.parse(part))
    })
    process.once('exit', () => {
      for (const { reject } of this.#answers.values()) reject(new Error('the browser ended'))
      this.#answers.clear()
    })
  }

  static async launch(): Promise<BareChromium> {
    const path = await chromiumPath()
    const profile = await mkdtemp(join(tmpdir(), 'starling-chromium-'))
    const process = spawn(path, [...ARGUMENTS, `--user-data-dir=${profile}`], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    })
    await once(process, 'spawn')
    return new BareChromium(process, profile)
  }

  /** The only page. Resolves when its loading has begun. */
  async open(url: string): Promise<void> {
    const { targetId } = await this.send<{ readonly targetId: string }>('Target.createTarget', { url })
    const attached = await this.send<{ readonly sessionId: string }>('Target.attachToTarget', {
      targetId,
      flatten: true,
    })
    this.#session = attached.sessionId
  }

  /** The global `name` of the page as soon as there is one: what it resolves with. */
  async value<T>(name: string, limitMs: number): Promise<T> {
    const deadline = performance.now() + limitMs
    while (!(await this.#has(name))) {
      if (performance.now() > deadline) throw new Error(`the page has no ${name} in time`)
      await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS))
    }
    return await this.evaluate(`globalThis.${name}`, deadline - performance.now())
  }

  /** What a global function of the page resolves with. */
  async call<T>(name: string, args: readonly unknown[], limitMs: number): Promise<T> {
    return await this.evaluate(`globalThis.${name}(...${JSON.stringify(args)})`, limitMs)
  }

  async evaluate<T>(expression: string, limitMs: number): Promise<T> {
    const { result, exceptionDetails } = await this.sendToPage<{
      readonly result: { readonly value: T }
      readonly exceptionDetails?: { readonly exception?: { readonly description?: string }; readonly text: string }
    }>('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }, limitMs)
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  }

  async processes(): Promise<readonly ChromiumProcess[]> {
    const { processInfo } = await this.send<{
      readonly processInfo: readonly { readonly type: string; readonly id: number }[]
    }>('SystemInfo.getProcessInfo')
    return processInfo.map(({ type, id }) => ({ type, pid: id }))
  }

  /** A command of the DevTools protocol for the browser. */
  async send<T>(method: string, params: object = {}, limitMs: number = ANSWER_LIMIT_MS): Promise<T> {
    return await this.#ask({ method, params }, limitMs)
  }

  /** The same for the page. */
  async sendToPage<T>(method: string, params: object = {}, limitMs: number = ANSWER_LIMIT_MS): Promise<T> {
    return await this.#ask({ method, params, sessionId: this.#session }, limitMs)
  }

  async close(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit')
      this.#ask({ method: 'Browser.close' }, END_LIMIT_MS).catch(() => {})
      const timer = setTimeout(() => this.#process.kill('SIGKILL'), END_LIMIT_MS)
      await ended
      clearTimeout(timer)
    }
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }

  async #has(name: string): Promise<boolean> {
    // A context goes when the page takes the place of the empty one: asked again.
    return await this.evaluate<boolean>(`${JSON.stringify(name)} in globalThis`, ANSWER_LIMIT_MS).catch(() => false)
  }

  async #ask<T>(command: object, limitMs: number): Promise<T> {
    const id = ++this.#lastId
    const answer = Promise.withResolvers<unknown>()
    this.#answers.set(id, answer)
    const timer = setTimeout(() => answer.reject(new Error('the browser does not answer in time')), limitMs)
    this.#commands.write(`${JSON.stringify({ id, ...command })}\0`)
    try {
      return (await answer.promise) as T
    } finally {
      clearTimeout(timer)
      this.#answers.delete(id)
    }
  }

  #heard(message: { readonly id?: number; readonly result?: unknown; readonly error?: { readonly message: string } }) {
    const answer = message.id === undefined ? undefined : this.#answers.get(message.id)
    if (message.error) answer?.reject(new Error(message.error.message))
    else answer?.resolve(message.result)
  }
}
