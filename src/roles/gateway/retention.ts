/** What a gateway forgets, and when: old messages, clients that do not come back, and where the table is full some for a newcomer. @module */
import type { Statement } from '../../foundation/platform/database.ts'
import type { GatewayCounters } from './counters.ts'
import type { GatewayParams } from './gatewayParams.ts'
import { type GatewayStatement, type InboxRow, rowOf } from './gatewaySchema.ts'

export interface RetentionOptions {
  readonly params: GatewayParams
  readonly counters: GatewayCounters
  readonly statement: (name: GatewayStatement) => Statement
  readonly now: () => number
  readonly change: (write: () => void, done: (durable: boolean) => void) => void
  readonly flush: () => void
  readonly remove: (identity: Uint8Array, rows: readonly InboxRow[]) => void
  readonly noteTime: () => void
  /** So many clients are gone, durably. */
  readonly onForgotten: (clients: number) => void
}

/** Clients forgotten for one newcomer: the next find room without waiting for the disk again. */
const EVICTED_AT_ONCE = 64

export class Retention {
  readonly #options: RetentionOptions

  constructor(options: RetentionOptions) {
    this.#options = options
  }

  /** Deletes a batch of what is too old. True where there may be more. */
  purge(): boolean {
    const { params, statement, now, remove, noteTime, flush } = this.#options
    const { inboxRetention, clientRetention, unusedRetention, purgeBatch } = params
    const rows = statement('oldest').all(purgeBatch)
    // Ids grow with time: behind the first that is young enough there is nothing to look for.
    const kept = rows.findIndex((row) => Number(row.stored_at_ms) >= now() - inboxRetention)
    const old = kept < 0 ? rows : rows.slice(0, kept)
    for (const row of old) remove(row.identity as Uint8Array, [rowOf(row)])
    const unused = this.#forget('forgetUnused', unusedRetention, purgeBatch)
    const idle = this.#forget('forgetIdle', clientRetention, purgeBatch)
    noteTime()
    flush()
    return [old.length, unused.count, idle.count].includes(purgeBatch)
  }

  /**
   * Forgets some clients for the sake of a new one, or says that there are none to forget. Whoever fills the table has to use what he
   * registers, and go on using it: an honest client in use is never among them, and nobody loses a message.
   */
  makeRoom(): boolean {
    const { params, counters, flush } = this.#options
    // What is staged says who was here just now.
    flush()
    const unused = this.#forget('forgetUnused', params.evictUnusedAfter, EVICTED_AT_ONCE)
    flush()
    counters.evictedUnused.value += unused.count
    if (unused.count > 0) return true
    const idle = this.#forget('forgetIdle', params.evictIdleAfter, EVICTED_AT_ONCE)
    flush()
    counters.evictedIdle.value += idle.count
    return idle.count > 0
  }

  /** How many is known once it is committed. */
  #forget(which: 'forgetUnused' | 'forgetIdle', after: number, most: number): { readonly count: number } {
    const { statement, now, change, onForgotten } = this.#options
    const before = now() - after
    const forgotten = { count: 0 }
    change(
      () => {
        forgotten.count = statement(which).run(before, most).changes
      },
      (durable) => {
        if (durable) onForgotten(forgotten.count)
        else forgotten.count = 0
      },
    )
    return forgotten
  }
}
