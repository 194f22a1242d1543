/**
 * What one client may still send, in memory while somebody uses it. A session takes from it at every packet and is written down
 * within a second; a ticket adds to it in the transaction that makes it spent. Both write the whole balance, as it is when they are
 * written and not when they were asked for, so that neither can undo the other. What a transaction adds is in memory only once it is
 * committed: a client never sends on bytes that a crash could take back. @module
 */
import type { Millis } from '../../foundation/base/units.ts'
import { Balance, type Bandwidth } from './bandwidth.ts'

export class Account {
  readonly balance: Balance
  /** Of transactions that are being committed, in their order. Below zero: a penalty. */
  readonly #arriving: Bandwidth[] = []
  /** Sessions and changes that use it. */
  holders = 0

  constructor(stored: Bandwidth) {
    this.balance = new Balance(stored)
  }

  /** What is to be on disk when the transaction that asks is committed. */
  stored(now: Millis): Bandwidth {
    const balance = new Balance(this.balance.stored)
    for (const { bytes, expiresOn } of this.#arriving) balance.credit(bytes, expiresOn, now)
    return balance.stored
  }

  /** Inside a transaction. `arrived` follows, whatever becomes of it. */
  arrives(change: Bandwidth): void {
    this.#arriving.push(change)
  }

  arrived(change: Bandwidth, durable: boolean, now: Millis): void {
    const at = this.#arriving.indexOf(change)
    if (at < 0) return
    this.#arriving.splice(at, 1)
    if (durable) this.balance.credit(change.bytes, change.expiresOn, now)
  }
}
