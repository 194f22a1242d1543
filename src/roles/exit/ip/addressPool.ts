/**
 * The addresses that clients have behind this router: 10.0.0.0/16 and fc00::/112, the same number in both, as officially. Drawn at random,
 * for the next free one would tell a client how many came before it. What is given back rests a while: an answer on its way to the one who
 * had it must find nobody. @module
 */
import { equalBytes } from '../../../foundation/base/bytes.ts'
import type { Millis } from '../../../foundation/base/units.ts'
import { below, type RandomStream } from '../../../foundation/platform/random.ts'
import type { IpPair } from '../../../protocol/wire/exit/bincode.ts'

export interface AddressPoolOptions {
  readonly random: RandomStream
  readonly restFor: Millis
}

/** 10.0.0.0 is the network, 10.0.0.1 the router; the last is the broadcast address. */
const FIRST = 2
const LAST = 65_534
/** Official routers give up after as many; half of the pool is taken then, or bad luck of 2^-100. */
const TRIES = 101
const IPV4_PREFIX = [10, 0]
const IPV6_PREFIX = [0xfc, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]

/** What answers pings, and what clients take for their gateway. */
export const ROUTER_IPS: IpPair = pairOf(1)

export class AddressPool {
  readonly #options: AddressPoolOptions
  readonly #taken = new Set<number>()
  /** When it was given back; oldest first. */
  readonly #resting = new Map<number, Millis>()

  constructor(options: AddressPoolOptions) {
    this.#options = options
  }

  get taken(): number {
    return this.#taken.size
  }

  /** undefined where none was found. */
  draw(now: Millis): IpPair | undefined {
    this.#wake(now)
    for (let tried = 0; tried < TRIES; tried++) {
      const number = FIRST + below(this.#options.random, LAST - FIRST + 1)
      if (this.#taken.has(number) || this.#resting.has(number)) continue
      this.#taken.add(number)
      return pairOf(number)
    }
    return undefined
  }

  /** Takes these, for who asks for them by name. */
  take(ips: IpPair, now: Millis): 'taken' | 'in-use' | 'not-ours' {
    this.#wake(now)
    const number = numberOf(ips)
    if (number === undefined) return 'not-ours'
    if (this.#taken.has(number) || this.#resting.has(number)) return 'in-use'
    this.#taken.add(number)
    return 'taken'
  }

  give(ips: IpPair, now: Millis): void {
    const number = numberOf(ips)
    if (number === undefined || !this.#taken.delete(number)) return
    this.#resting.set(number, now)
  }

  #wake(now: Millis): void {
    for (const [number, since] of this.#resting) {
      if (now - since < this.#options.restFor) break
      this.#resting.delete(number)
    }
  }
}

function pairOf(number: number): IpPair {
  const last = [number >> 8, number & 0xff]
  return { ipv4: Uint8Array.of(...IPV4_PREFIX, ...last), ipv6: Uint8Array.of(...IPV6_PREFIX, ...last) }
}

/** undefined of what is not a pair of this pool. */
function numberOf(ips: IpPair): number | undefined {
  const number = ((ips.ipv4[2] as number) << 8) | (ips.ipv4[3] as number)
  if (number < FIRST || number > LAST) return undefined
  const ours = pairOf(number)
  return equalBytes(ours.ipv4, ips.ipv4) && equalBytes(ours.ipv6, ips.ipv6) ? number : undefined
}
