/**
 * Where members say what all must hear: an append-only list that everybody reads in one order, with a time on each entry that the
 * board puts there. The board is trusted for that order, that time and to keep what it has taken, as a ledger is; not for who
 * wrote something or whether it makes sense. @module
 */
import type { Millis } from '../../../foundation/base/units.ts'

export interface BoardEntry {
  /** The board's time of appending, as of a block: never before that of the entry in front of it. */
  readonly time: Millis
  readonly message: Uint8Array
}

/** Longer messages are not taken. The longest of a hundred members is some 100 KiB. */
export const MAX_BOARD_MESSAGE_BYTES: number = 128 * 1024

export interface BulletinBoard {
  /** Resolves once it stands there for good. Rejects with MESSAGE_TOO_LONG, QUEUE_FULL of a board that is full, or what its medium says. */
  append(message: Uint8Array): Promise<void>
  /** Entries from that position on, the first being 0; some at a time, none where there are no more yet. */
  read(position: number): Promise<readonly BoardEntry[]>
  /**
   * Whether every entry with an earlier time than `instant` stands there already. Once it was true for one reader it is so for
   * all, for ever: a phase that ends at that instant has ended, and what everybody counts in it is the same.
   */
  complete(instant: Millis): Promise<boolean>
}
