/**
 * Which router a tunnel is opened at: the one in use, until that is left. It went silent, takes nobody, is listed no more, or is at our entry now: each is
 * a change, and of those there are few. Whoever can end our tunnels, an entry gateway for instance, must not be able to try all routers until we are
 * at his (docs/adr/0014-leaving-a-silent-exit.md). To fill a router's places is easier still, so that one that says it is full counts as one that says
 * nothing; and that a tunnel ended is no reason to leave its router, for a router whose clients are cut off lets them go. Unlike with requests, a tunnel
 * that is lost has to be opened somewhere: where no other is left, or none may be, at one that was left before. @module
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
  #inUse: Recipient | undefined

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
  took(router: Recipient): void {
    const { identity } = router
    this.#inUse ??= router
    const left = this.#left.get(toHex(identity))
    if (left !== undefined) this.#left.set(toHex(identity), { ...left, until: left.at, refusals: 0 })
  }

  /** Of `routers`, the one in use, or else one that was not left within the hour. undefined: there is none, or enough were left for now. */
  next(routers: readonly Recipient[], entries: Entries): Recipient | undefined {
    this.#forget()
    if (this.#inUse !== undefined) {
      const found = this.#find(toHex(this.#inUse.identity), routers, entries)
      if (found !== undefined) return found
      this.silent(this.#inUse)
    }
    if (this.#left.size > MAX_CHANGES) return undefined
    const others = routers.filter(({ identity }) => !this.#left.has(toHex(identity)))
    // From now on, whatever becomes of it: cut off from this one, we are not to be led to others.
    this.#inUse = anotherExit(this.#random, others, entries)
    return this.#inUse
  }

  /** Of those that were, and do not rest, the one that was left longest ago: it may be back. */
  again(routers: readonly Recipient[], entries: Entries): Recipient | undefined {
    this.#forget()
    const now = this.#clock.monotonic()
    for (const [key, { until }] of this.#left) {
      if (until > now) continue
      const router = this.#find(key, routers, entries)
      if (router !== undefined) return router
    }
    return undefined
  }

  /** Whether there are some that refused, and will be asked again in a while. */
  get hasResting(): boolean {
    const now = this.#clock.monotonic()
    return [...this.#left.values()].some(({ until }) => until > now)
  }

  /** Not where it is at our entry now. */
  #find(key: string, routers: readonly Recipient[], entries: Entries): Recipient | undefined {
    const found = routers.filter(({ identity }) => toHex(identity) === key)
    return anotherExit(this.#random, found, entries)
  }

  #leave({ identity }: Recipient, left: Left): void {
    const key = toHex(identity)
    if (this.#inUse !== undefined && toHex(this.#inUse.identity) === key) this.#inUse = undefined
    this.#left.delete(key)
    this.#left.set(key, left)
  }

  #forget(): void {
    const now = this.#clock.monotonic()
    for (const [key, { at }] of this.#left) if (now - at >= MEMORY) this.#left.delete(key)
  }
}
