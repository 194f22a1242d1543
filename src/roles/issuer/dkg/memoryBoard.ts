/** A board for the members of one process, and for simulations. @module */
import { MixnetError } from '../../../foundation/base/errors.ts'
import type { Millis } from '../../../foundation/base/units.ts'
import { type Clock, sleep } from '../../../foundation/platform/clock.ts'
import { type BoardEntry, type BulletinBoard, MAX_BOARD_MESSAGE_BYTES } from './bulletinBoard.ts'

const MAX_ENTRIES = 10_000
const ENTRIES_A_READ = 100

export class MemoryBoard implements BulletinBoard {
  readonly #clock: Clock
  readonly #delay: () => Millis | undefined
  readonly #entries: BoardEntry[] = []
  #latest: Millis

  /** `delay`: how long the next message is on its way. */
  constructor(clock: Clock, delay: () => Millis | undefined = () => undefined) {
    this.#clock = clock
    this.#delay = delay
    this.#latest = clock.now()
  }

  async append(message: Uint8Array): Promise<void> {
    if (message.length > MAX_BOARD_MESSAGE_BYTES) throw new MixnetError('MESSAGE_TOO_LONG', { bytes: message.length })
    if (this.#entries.length >= MAX_ENTRIES) throw new MixnetError('QUEUE_FULL', { what: 'board' })
    const delay = this.#delay()
    const copy = message.slice()
    if (delay !== undefined) await sleep(this.#clock, delay)
    this.#entries.push({ time: this.#now(), message: copy })
  }

  async read(position: number): Promise<readonly BoardEntry[]> {
    return this.#entries.slice(position, position + ENTRIES_A_READ)
  }

  async complete(instant: Millis): Promise<boolean> {
    return this.#now() >= instant
  }

  /** Never back, whatever is done to the machine's clock. */
  #now(): Millis {
    const now = this.#clock.now()
    if (now > this.#latest) this.#latest = now
    return this.#latest
  }
}
