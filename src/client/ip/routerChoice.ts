/**
 * Which router a tunnel is opened at. One that went silent is left for another, but not often: whoever can make routers look silent to us, an
 * entry gateway for instance, must not be able to try them all until we are at his (docs/adr/0014-leaving-a-silent-exit.md). Unlike with
 * requests, a tunnel that is lost has to be opened somewhere: where no other is left, or none may be, at one that was silent before. @module
 */
import { toHex } from '../../foundation/base/bytes.ts'
import { type Millis, minutes } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import type { Recipient } from '../../protocol/packet/recipient.ts'
import { anotherExit } from '../exitSelection.ts'

/** The gateway in use, and those that might be: identities. */
export interface Entries {
  readonly entry: Uint8Array
  readonly guards: readonly Uint8Array[]
}

const MEMORY = minutes(60)
const MAX_CHANGES = 3

export class RouterChoice {
  readonly #clock: Clock
  readonly #random: RandomStream
  /** When each was last silent, by identity; longest ago first. One more than there may be changes. */
  readonly #silent = new Map<string, Millis>()

  constructor(clock: Clock, random: RandomStream) {
    this.#clock = clock
    this.#random = random
  }

  silent({ identity }: Recipient): void {
    const key = toHex(identity)
    this.#forget()
    this.#silent.delete(key)
    this.#silent.set(key, this.#clock.monotonic())
  }

  /** Of `routers`, one that was not silent within the hour. undefined: there is none, or enough were left for now. */
  fresh(routers: readonly Recipient[], entries: Entries): Recipient | undefined {
    this.#forget()
    if (this.#silent.size > MAX_CHANGES) return undefined
    const left = routers.filter(({ identity }) => !this.#silent.has(toHex(identity)))
    return anotherExit(this.#random, left, entries)
  }

  /** Of those that were, the one whose silence is longest ago: it may be back. */
  again(routers: readonly Recipient[], entries: Entries): Recipient | undefined {
    this.#forget()
    for (const key of this.#silent.keys()) {
      const found = routers.filter(({ identity }) => toHex(identity) === key)
      const router = anotherExit(this.#random, found, entries)
      if (router !== undefined) return router
    }
    return undefined
  }

  #forget(): void {
    const now = this.#clock.monotonic()
    for (const [key, at] of this.#silent) if (now - at >= MEMORY) this.#silent.delete(key)
  }
}
