/**
 * Timers of a page that may be hidden. Browsers let a hidden page's timers fire once a second, after five minutes once a minute: then
 * cover all but ceases and every request waits. Timers of a worker are left alone, and so are messages from it; so while the page is
 * hidden, each timer runs in a tiny worker as well, and whichever fires first counts. A policy that lets no `blob:` be a worker leaves
 * the page's own: late, but none lost. @module
 */
import type { Timer } from '../clock.ts'

/** What the page does for its timers. */
export interface TimerPage {
  isHidden(): boolean
  onHidden(run: () => void): void
  /** undefined where it cannot be. `failed` may come later: a policy says so with an event. */
  startWorker(fired: (id: number) => void, failed: () => void): TimerWorker | undefined
}

export interface TimerWorker {
  /** A delay below 0 cancels. */
  post(message: readonly [id: number, delay: number]): void
}

interface Pending {
  due: number
  readonly run: () => void
  timeout: ReturnType<typeof setTimeout> | undefined
  inWorker: boolean
}

// Longer timers fire at once: the delay is a signed 32-bit number.
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1
const CANCEL = -1

export class WebTimers {
  readonly #page: TimerPage | undefined
  readonly #pending = new Map<number, Pending>()
  #worker: TimerWorker | undefined
  #tried = false
  #last = 0

  /** `page` undefined: nothing here can be hidden. */
  constructor(page: TimerPage | undefined) {
    this.#page = page
    page?.onHidden(() => this.#hidden())
  }

  after(delay: number, run: () => void): Timer {
    const id = ++this.#last
    const pending: Pending = { due: performance.now() + delay, run, timeout: undefined, inWorker: false }
    this.#pending.set(id, pending)
    this.#arm(id, pending)
    return { cancel: () => this.#forget(id, pending) }
  }

  #arm(id: number, pending: Pending): void {
    const left = Math.min(LONGEST_TIMEOUT_MS, Math.max(0, Math.round(pending.due - performance.now())))
    pending.timeout = setTimeout(() => this.#fired(id, pending), left)
    if (this.#page?.isHidden() === true) this.#armInWorker(id, pending, left)
  }

  #armInWorker(id: number, pending: Pending, left: number): void {
    if (this.#worker === undefined) return
    pending.inWorker = true
    this.#worker.post([id, left])
  }

  #fired(id: number, pending: Pending): void {
    // Timers are rounded and may come early by less than that; only a step of a long one has more to wait for.
    const isStep = pending.due - performance.now() > 1
    this.#forget(id, pending)
    if (!isStep) return pending.run()
    this.#pending.set(id, pending)
    this.#arm(id, pending)
  }

  #forget(id: number, pending: Pending): void {
    if (!this.#pending.delete(id)) return
    clearTimeout(pending.timeout)
    if (pending.inWorker) this.#worker?.post([id, CANCEL])
    pending.inWorker = false
  }

  #hidden(): void {
    if (!this.#tried) {
      this.#tried = true
      this.#worker = this.#page?.startWorker(
        (id) => {
          const pending = this.#pending.get(id)
          if (pending !== undefined) this.#fired(id, pending)
        },
        () => {
          this.#worker = undefined
        },
      )
    }
    const now = performance.now()
    for (const [id, pending] of this.#pending)
      this.#armInWorker(id, pending, Math.min(LONGEST_TIMEOUT_MS, Math.max(0, Math.round(pending.due - now))))
  }
}

/** The whole of the worker. */
const WORKER = `const timers = new Map()
onmessage = ({ data: [id, delay] }) => {
  clearTimeout(timers.get(id))
  timers.delete(id)
  if (delay < 0) return
  timers.set(id, setTimeout(() => {
    timers.delete(id)
    postMessage(id)
  }, delay))
}`

/** What is used of a page's globals: types of browsers are not in scope here. */
interface PageGlobals {
  readonly document?: {
    readonly visibilityState: string
    addEventListener(type: 'visibilitychange', listener: () => void): void
  }
  readonly Worker?: new (
    url: string,
  ) => {
    onmessage: ((event: { readonly data: unknown }) => void) | null
    onerror: (() => void) | null
    postMessage(message: unknown): void
    terminate(): void
  }
}

/** The page that this script runs in; undefined in workers, Deno and Bun. */
export function presentPage(globals: PageGlobals = globalThis as unknown as PageGlobals): TimerPage | undefined {
  const { document, Worker } = globals
  if (document === undefined || Worker === undefined) return undefined
  const isHidden = () => document.visibilityState === 'hidden'
  return {
    isHidden,
    onHidden(run) {
      document.addEventListener('visibilitychange', () => {
        if (isHidden()) run()
      })
      if (isHidden()) run()
    },
    startWorker(fired, failed) {
      const url = URL.createObjectURL(new Blob([WORKER], { type: 'text/javascript' }))
      try {
        const worker = new Worker(url)
        worker.onmessage = ({ data }) => fired(data as number)
        worker.onerror = () => {
          URL.revokeObjectURL(url)
          worker.terminate()
          failed()
        }
        return { post: (message) => worker.postMessage(message) }
      } catch {
        // Some browsers refuse at once what their policy does not allow.
        URL.revokeObjectURL(url)
        return undefined
      }
    },
  }
}
