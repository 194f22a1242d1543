/** Hears when rules of nft are taken away, by whomever, and what becomes of rules of routing, routes or interfaces. @module */
import { setTimeout as sleep } from 'node:timers/promises'
import { seconds } from '../../base/units.ts'
import type { ChildProcess } from '../processes.ts'
import { nodeProcesses } from './nodeProcesses.ts'

/** What tells of it is started again where it ends, as it does when too much happened at once. */
const AGAIN_MS = 1000
const STOP_GRACE = seconds(1)

export class RuleWatch {
  readonly #watchers: readonly { readonly program: string; readonly args: readonly string[] }[]
  readonly #isOurs: (line: string) => boolean
  readonly #gone: () => void
  readonly #running = new Set<ChildProcess>()
  #isStarted = false

  /**
   * `what`: beside rules of nft. `isOurs`: of a line that is written when something is gone, or an interface changes. `gone` hears so, and each time that
   * something may have been missed.
   */
  constructor(
    tools: { readonly nft: string; readonly ip: string },
    what: readonly ('link' | 'route' | 'rule')[],
    isOurs: (line: string) => boolean,
    gone: () => void,
  ) {
    this.#watchers = [
      { program: tools.nft, args: ['monitor', 'destroy'] },
      { program: tools.ip, args: ['-N', 'monitor', ...what] },
    ]
    this.#isOurs = isOurs
    this.#gone = gone
  }

  get isStarted(): boolean {
    return this.#isStarted
  }

  /** Once or more. */
  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    for (const watcher of this.#watchers) void this.#keep(watcher)
  }

  async stop(): Promise<void> {
    this.#isStarted = false
    await Promise.all([...this.#running].map((process) => process.stop(STOP_GRACE)))
  }

  async #keep({ program, args }: { readonly program: string; readonly args: readonly string[] }): Promise<void> {
    const onLine = (line: string): void => {
      if (this.#isOurs(line)) this.#gone()
    }
    while (this.#isStarted) {
      const process = await nodeProcesses.start({ program, args, onLine }).catch(() => undefined)
      if (process !== undefined) {
        this.#running.add(process)
        if (!this.#isStarted) void process.stop(STOP_GRACE)
        await process.ended
        this.#running.delete(process)
      }
      if (!this.#isStarted) return
      await sleep(AGAIN_MS, undefined, { ref: false })
      this.#gone()
    }
  }
}
