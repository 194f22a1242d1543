/**
 * The engine of credentials as pages have it: in a worker of the page's origin where there can be one, else on the spot. Loaded when a
 * page first pays, and then it loads the engine, 42 KB gzipped.
 *
 * The worker is a file and no `blob:`, because a strict policy allows `'self'` sooner than `blob:`, and so that the engine is there
 * once and not once more as text. What bundles pages must see it: webpack and Vite follow `new Worker(new URL(…))`, esbuild does not,
 * and a page of its making pays on the spot unless the file is copied beside its scripts. @module
 */
import { MixnetError } from '../../foundation/base/errors.ts'
import { seconds } from '../../foundation/base/units.ts'
import { callsBy, type Thread } from '../../foundation/platform/threadCalls.ts'
import { webClock } from '../../foundation/platform/web/webClock.ts'
import { startWebThread, type WebThread, type WebWorker } from '../../foundation/platform/web/webThread.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import { PAGE_ENGINE } from './pageEngine.ts'

/** The file is loaded in that time: it is the same that is imported else. */
const START_LIMIT = seconds(30)

declare const Worker: new (url: URL, options: { readonly type: 'module'; readonly name: string }) => WebWorker

/** Where the engine can be: tests have places of their own. */
export interface PageEngineParts {
  readonly worker: () => WebWorker
  readonly onTheSpot: () => Promise<Thread<CredentialEngine>>
}

const PARTS: PageEngineParts = {
  // As bundlers want it, word for word: the name too, which is PAGE_ENGINE's.
  worker: () =>
    new Worker(new URL('./webCredentialModule.ts', import.meta.url), { type: 'module', name: 'starling-credentials' }),
  onTheSpot: async () => (await import('./webCredentialModule.ts')).engineOnTheSpot(),
}

/**
 * Resolves when the engine is there; no call waits for another one's thread. Rejects with CONNECTION_CLOSED where its file cannot be
 * loaded: the next attempt may succeed. Errors of calls: those of `Thread.calls`.
 */
export async function loadPageEngine(
  parts: PageEngineParts = PARTS,
): Promise<CredentialEngine & { close(): Promise<void> }> {
  const worker = await startWebThread<CredentialEngine>({
    ...PAGE_ENGINE,
    start: parts.worker,
    clock: webClock,
    startLimit: START_LIMIT,
  })
  const engine = new PageEngine(parts, worker)
  if (worker === undefined) await engine.onTheSpot()
  const calls = callsBy<CredentialEngine>(PAGE_ENGINE.methods, (method, args) => engine.call(method, args))
  return { ...calls, close: () => engine.close() }
}

type Loose = Readonly<Record<string, (...args: readonly unknown[]) => Promise<unknown>>>

class PageEngine {
  readonly #parts: PageEngineParts
  readonly #worker: WebThread<CredentialEngine> | undefined
  #spot: Promise<Thread<CredentialEngine>> | undefined
  #closed = false

  constructor(parts: PageEngineParts, worker: WebThread<CredentialEngine> | undefined) {
    this.#parts = parts
    this.#worker = worker
  }

  async call(method: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#closed) throw stopped()
    if (this.#worker?.alive === true) {
      try {
        return await (this.#worker.calls as unknown as Loose)[method]?.(...args)
      } catch (error) {
        // Of a worker that died nobody saw the answer, and no method changes anything: the same is done here.
        if (this.#worker.alive || this.#closed) throw error
      }
    }
    const { calls } = await this.onTheSpot()
    return await (calls as unknown as Loose)[method]?.(...args)
  }

  onTheSpot(): Promise<Thread<CredentialEngine>> {
    this.#spot ??= this.#parts.onTheSpot().catch((cause: unknown) => {
      // The page was offline: the next call asks again.
      this.#spot = undefined
      const message = 'a part of the client could not be loaded'
      const nextStep =
        "Try again when the page is online; if it stays like that, see that all files of the package's dist/web are served."
      throw new MixnetError('CONNECTION_CLOSED', { part: PAGE_ENGINE.name }, { cause, message, nextStep })
    })
    return this.#spot
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#worker?.close()
    const spot = await this.#spot?.catch(() => undefined)
    await spot?.close()
  }
}

const stopped = () => new MixnetError('STOPPED', { thread: PAGE_ENGINE.name })
