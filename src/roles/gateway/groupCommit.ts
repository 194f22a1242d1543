/**
 * Changes of one turn, committed together: a commit waits for the disk, so hundreds of messages share one. Whoever adds a
 * change learns through `done` whether it is durable, and acknowledges nothing before. @module
 */
import type { Millis } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'
import type { Database } from '../../foundation/platform/database.ts'

export interface Change {
  write(): void
  /** What waiting for the commit keeps in memory. */
  readonly bytes?: number
  /** Called once after the commit; false where it failed and nothing of it happened. */
  readonly done?: ((durable: boolean) => void) | undefined
}

export interface GroupCommitOptions {
  readonly clock: Clock
  readonly database: Database
  /** Between two commits. The first after a pause happens at the end of the turn. */
  readonly interval: Millis
  /** Staged bytes that make it commit at once. */
  readonly maxBytes: number
  readonly onFailure: (error: unknown) => void
}

export class GroupCommit {
  readonly #options: GroupCommitOptions
  #changes: Change[] = []
  #bytes = 0
  #lastCommit = Number.NEGATIVE_INFINITY
  #scheduled = false
  #timer: Timer | undefined

  constructor(options: GroupCommitOptions) {
    this.#options = options
  }

  get stagedBytes(): number {
    return this.#bytes
  }

  add(change: Change): void {
    this.#changes.push(change)
    this.#bytes += change.bytes ?? 0
    if (this.#bytes > this.#options.maxBytes) this.flush()
    else this.#schedule()
  }

  /** Commits what is staged, now. */
  flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#scheduled = false
    const changes = this.#changes
    if (changes.length === 0) return
    this.#changes = []
    this.#bytes = 0
    let durable = true
    try {
      this.#options.database.transaction(() => {
        for (const change of changes) change.write()
      })
    } catch (error) {
      durable = false
      this.#options.onFailure(error)
    }
    this.#lastCommit = this.#options.clock.monotonic()
    for (const change of changes) change.done?.(durable)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    const { clock, interval } = this.#options
    const wait = this.#lastCommit + interval - clock.monotonic()
    if (wait > 0) this.#timer = clock.after(wait as Millis, () => this.flush())
    else clock.soon(() => this.flush())
  }
}
