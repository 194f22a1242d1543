/**
 * Which router a tunnel is opened at. One that went silent, or takes nobody, is left for another, but not often: whoever can make routers look silent
 * to us, an entry gateway for instance, must not be able to try them all until we are at his (docs/adr/0014-leaving-a-silent-exit.md). To fill a
 * router's places is easier still, so that one that says it is full counts as one that says nothing. Unlike with requests, a tunnel that is lost has
 * to be opened somewhere: where no other is left, or none may be, at one that was left before. @module
 */
import { toHex } from '../../foundation/base/bytes.ts'
import { type Millis, millis, minutes, seconds } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import type { Recipient } from '../../protocol/packet/recipient.ts'
import { anotherExit } from '../exitSelection.ts'

/** The gateway in use, and those that might be: identities. */
export interface Entries {
  readonly entry: Uint8Array
  readonly guards: readonly Uint8Array[]
}

interface Left {
  readonly at: Millis
  /** Not asked again before. */
  readonly until: Millis
  /** In a row. */
  readonly refusals: number
}

const MEMORY = minutes(60)
const MAX_CHANGES = 3
/** A place is free when somebody leaves, or is let go after a minute. Twice as long each time. */
const FIRST_REST = seconds(5)
const MAX_REST = minutes(5)

export class RouterChoice {
  readonly #clock: Clock
  readonly #random: RandomStream
  /** By identity; longest ago first. One more than there may be changes. */
  readonly #left = new Map<string, Left>()

  constructor(clock: Clock, random: RandomStream) {
    this.#clock = clock
    this.#random = random
  }

  silent(router: Recipient): void {
    const now = this.#clock.monotonic()
    this.#leave(router, { at: now, until: now, refusals: 0 })
  }

  /** It answers, and takes nobody: it is let rest. Several of our tunnels may hear it of one crowd, which counts once. */
  refused(router: Recipient): void {
    const now = this.#clock.monotonic()
    const { until = now, refusals = 0 } = this.#left.get(toHex(router.identity)) ?? {}
    if (until > now) return
    // Drawn, so that those who were refused together do not come back together.
    const rest = Math.min(MAX_REST, FIRST_REST * 2 ** refusals) * (0.75 + this.#random.uniform() / 2)
    this.#leave(router, { at: now, until: millis(now + rest), refusals: refusals + 1 })
  }

  /** It has taken us: what it refused before is over, and the change that it cost is not. */
  took({ identity }: Recipient): void {
    const left = this.#left.get(toHex(identity))
    if (left !== undefined) this.#left.set(toHex(identity), { ...left, until: left.at, refusals: 0 })
  }

  /** Of `routers`, one that was not left within the hour. undefined: there is none, or enough were left for now. */
  fresh(routers: readonly Recipient[], entries: Entries): Recipient | undefined {
    this.#forget()
    if (this.#left.size > MAX_CHANGES) return undefined
    const others = routers.filter(({ identity }) => !this.#left.has(toHex(identity)))
    return anotherExit(this.#random, others, entries)
  }

  /** Of those that were, and do not rest, the one that was left longest ago: it may be back. */
  again(routers: readonly Recipient[], entries: Entries): Recipient | undefined {
    this.#forget()
    const now = this.#clock.monotonic()
    for (const [key, { until }] of this.#left) {
      if (until > now) continue
      const found = routers.filter(({ identity }) => toHex(identity) === key)
      const router = anotherExit(this.#random, found, entries)
      if (router !== undefined) return router
    }
    return undefined
  }

  /** Whether there are some that refused, and will be asked again in a while. */
  get hasResting(): boolean {
    const now = this.#clock.monotonic()
    return [...this.#left.values()].some(({ until }) => until > now)
  }

  #leave({ identity }: Recipient, left: Left): void {
    const key = toHex(identity)
    this.#left.delete(key)
    this.#left.set(key, left)
  }

  #forget(): void {
    const now = this.#clock.monotonic()
    for (const [key, { at }] of this.#left) if (now - at >= MEMORY) this.#left.delete(key)
  }
}
