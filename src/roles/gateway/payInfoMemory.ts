/**
 * Pay infos of the last minute, so that none is used for two tickets: their tags would agree in what gives a double spender away.
 * Kept in memory only. After a restart one may be used again for half a minute, for another ticket of the same client and never for
 * the same one, whose serial number is on disk. @module
 */
import { toHex } from '../../foundation/base/bytes.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { TicketParams } from './ticketParams.ts'

export type PayInfoClaim = 'claimed' | 'duplicate' | 'full'

export class PayInfoMemory {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #params: Pick<TicketParams, 'maxPayInfos' | 'payInfoTolerance'>
  /** Until when; the one claimed longest ago first. */
  readonly #until = new Map<string, number>()

  constructor(clock: Pick<Clock, 'monotonic'>, params: Pick<TicketParams, 'maxPayInfos' | 'payInfoTolerance'>) {
    this.#clock = clock
    this.#params = params
  }

  claim(payInfo: Uint8Array): PayInfoClaim {
    const now = this.#clock.monotonic()
    for (const [key, until] of this.#until) {
      if (until >= now) break
      this.#until.delete(key)
    }
    const key = toHex(payInfo)
    if (this.#until.has(key)) return 'duplicate'
    // Forgetting one before its time would let it be used again.
    if (this.#until.size >= this.#params.maxPayInfos) return 'full'
    // Made as far ahead of the clock as is allowed, it stays good for that long twice.
    this.#until.set(key, now + 2 * this.#params.payInfoTolerance + 1000)
    return 'claimed'
  }

  /** Its ticket was not spent: the client may give it again. */
  release(payInfo: Uint8Array): void {
    this.#until.delete(toHex(payInfo))
  }
}
