/** A page in the browser that runs an official client, seen from the test. @module */
import type { BrowserContext, ConsoleMessage, Page } from 'playwright-core'

/** A message that the sdk's page received, binary payloads in base64. */
export interface PageEvent {
  readonly kind: 'text' | 'binary' | 'raw'
  readonly payload: string
  readonly mimeType?: string
  readonly headers?: string
}

/** Generous: the machine may be busy, and WebAssembly of 9 MB is compiled first. */
export const DEADLINE_MS = 60_000

/** Said at every message. */
const CHATTER = /Attempting to anonymously send/

export class OfficialPage {
  readonly #page: Page
  /** Everything the page and its workers said, for failures. */
  readonly said: string[] = []
  readonly received: PageEvent[] = []
  readonly #listeners = new Set<() => void>()

  private constructor(page: Page) {
    this.#page = page
    page.on('console', (message: ConsoleMessage) => this.#hear(`${message.type()}: ${message.text()}`))
    page.on('pageerror', (error) => this.#hear(`uncaught: ${error.message}`))
    page.on('requestfailed', (request) => this.#hear(`failed: ${request.url()} ${request.failure()?.errorText}`))
  }

  static async open(context: BrowserContext, url: string): Promise<OfficialPage> {
    const page = new OfficialPage(await context.newPage())
    await page.#page.exposeFunction('tell', (event: PageEvent) => {
      page.received.push(event)
      page.#changed()
    })
    await page.#page.goto(url, { waitUntil: 'load', timeout: DEADLINE_MS })
    return page
  }

  async reload(): Promise<void> {
    await this.#page.reload({ waitUntil: 'load', timeout: DEADLINE_MS })
  }

  close(): Promise<void> {
    return this.#page.close()
  }

  /** A function of the page's script. Fails with what the page said where it is not done in time. */
  call<T>(name: string, ...args: readonly unknown[]): Promise<T> {
    return this.callWithin<T>(DEADLINE_MS, name, ...args)
  }

  callWithin<T>(deadline: number, name: string, ...args: readonly unknown[]): Promise<T> {
    const work = this.#page.evaluate(
      ([name, args]) => {
        const page = globalThis as unknown as Record<string, (...args: readonly unknown[]) => unknown>
        const work = page[name]
        if (work === undefined) throw new Error('the page has no such function')
        return work(...args)
      },
      [name, args] as const,
    ) as Promise<T>
    return this.#within(name, work, deadline)
  }

  /** Resolves once `count` messages that fit have been received, with all that fit. */
  messages(count: number, fits: (event: PageEvent) => boolean): Promise<readonly PageEvent[]> {
    return this.#until(`${count} messages`, () => {
      const found = this.received.filter(fits)
      return found.length >= count ? found : undefined
    })
  }

  /** Resolves with the line on the console, said already or later. */
  says(pattern: RegExp): Promise<string> {
    return this.#until(`a line like ${pattern}`, () => this.said.find((line) => pattern.test(line)))
  }

  #hear(line: string): void {
    this.said.push(line)
    this.#changed()
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }

  async #until<T>(what: string, find: () => T | undefined): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<T>()
    const look = () => {
      const found = find()
      if (found !== undefined) resolve(found)
    }
    this.#listeners.add(look)
    look()
    try {
      return await this.#within(what, promise)
    } finally {
      this.#listeners.delete(look)
    }
  }

  async #within<T>(what: string, work: Promise<T>, deadline: number = DEADLINE_MS): Promise<T> {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(new Error('not in time')), deadline)
    try {
      return await Promise.race([work, late.promise])
    } catch (error) {
      throw new Error(
        `${what}: ${(error as Error).message}\nThe page said:\n${this.said
          .filter((line) => !CHATTER.test(line))
          .slice(-40)
          .join('\n')}`,
      )
    } finally {
      clearTimeout(timer)
    }
  }
}
