/**
 * Packets of TCP in the order in which they were sent, as far as the numbers of their messages tell. The mixnet reorders by design and brings
 * what it lost a second and a half later; a TCP takes both for congestion, and passt's, which keeps nothing that comes too early, comes to a
 * standstill. So what overtook waits here for what it overtook, as in the link layers of radio networks: to the TCPs the way is slow, and neither
 * lossy nor out of order. Datagrams and pings wait for nothing: whoever sends those has an order of his own, or needs none. @module
 */
import type { Millis } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'
import { type IpPacket, PROTOCOL } from '../../protocol/wire/ip/ipPacket.ts'
import { FLAG, isBefore, readTcpSegment } from '../../protocol/wire/ip/tcpSegment.ts'

export interface PacketOrderOptions {
  readonly clock: Clock
  /** For what was overtaken; then it is lost to all that waits. */
  readonly patience: Millis
  /** Whether there is room for so many bytes of memory more where `held` are taken already; negative ones are given back. */
  readonly reserve: (bytes: number, held: number) => boolean
  readonly deliver: (packet: IpPacket) => void
}

interface Held {
  readonly packets: readonly IpPacket[]
  readonly cost: number
  readonly since: Millis
}

/**
 * Whether it waits for what it overtook. Of TCP not what only acknowledges: each says all that those before it said, and while it waits the
 * other side does not know how fast the way is.
 */
export function needsOrder(packet: IpPacket): boolean {
  if (packet.protocol !== PROTOCOL.tcp) return false
  const { flags, data } = readTcpSegment(packet)
  return flags !== FLAG.ack || data.length > 0
}

/** A message that is so far ahead is another's, or begins anew: no sender has as many on their way. */
const MAX_AHEAD = 4096
const NUMBERS = 2 ** 32
/**
 * What a packet takes beside its bytes, its four views and the memory behind them, and what a message takes that waits, whatever is in it: measured on
 * V8, and rounded up. By their bytes alone, 16 MiB of packets that hold one byte each are 277 MiB.
 */
const PACKET_COST = 704
const MESSAGE_COST = 128

export class PacketOrder {
  readonly #options: PacketOrderOptions
  readonly #held = new Map<number, Held>()
  #next: number | undefined
  #cost = 0
  #timer: Timer | undefined

  constructor(options: PacketOrderOptions) {
    this.#options = options
  }

  /** `ordered` of the message with this number, which may hold none: it is delivered when its turn comes, and is then the caller's no more. */
  push(number: number, ordered: readonly IpPacket[]): void {
    this.#next ??= number
    const ahead = (number - this.#next) >>> 0
    // What everything waited for and no longer does is late, and not wrong. One that is far away says where the sender is now.
    if (isBefore(number, this.#next) || this.#held.has(number)) return this.#deliver(ordered)
    if (ahead > MAX_AHEAD) {
      this.#release(Number.POSITIVE_INFINITY)
      this.#next = number
    }
    if (number !== this.#next) {
      const cost = ordered.reduce((sum, { bytes }) => sum + bytes.length + PACKET_COST, MESSAGE_COST)
      // Without room nothing waits any longer: out of order is better than not at all.
      if (!this.#options.reserve(cost, this.#cost)) {
        this.#release(Number.POSITIVE_INFINITY)
        this.#watch()
        return this.#deliver(ordered)
      }
      this.#held.set(number, { packets: ordered, cost, since: this.#options.clock.monotonic() })
      this.#cost += cost
      return this.#watch()
    }
    this.#next = after(number)
    this.#deliver(ordered)
    this.#run()
    this.#watch()
  }

  /** Drops what waits. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#held.clear()
    this.#options.reserve(-this.#cost, this.#cost)
    this.#cost = 0
  }

  #run(): void {
    for (;;) {
      const next = this.#next as number
      const held = this.#take(next)
      if (held === undefined) return
      this.#next = after(next)
      this.#deliver(held.packets)
    }
  }

  #take(number: number): Held | undefined {
    const held = this.#held.get(number)
    if (held === undefined) return undefined
    this.#held.delete(number)
    this.#options.reserve(-held.cost, this.#cost)
    this.#cost -= held.cost
    return held
  }

  /** What has waited since then or longer, all before it, and what they lead to. Sorted once: every number in between may be missing. */
  #release(until: number): void {
    const next = this.#next as number
    const numbers = [...this.#held.keys()].sort((a, b) => ((a - next) >>> 0) - ((b - next) >>> 0))
    const last = numbers.findLastIndex((number) => (this.#held.get(number) as Held).since <= until)
    for (const number of numbers.slice(0, last + 1)) {
      const held = this.#take(number)
      // Whoever is handed one may end it all.
      if (held === undefined) return
      this.#next = after(number)
      this.#deliver(held.packets)
    }
    this.#run()
  }

  #watch(): void {
    // Those that came first are first.
    const [oldest] = this.#held.values()
    if (oldest === undefined) {
      this.#timer?.cancel()
      this.#timer = undefined
      return
    }
    if (this.#timer !== undefined) return
    const { clock, patience } = this.#options
    const { since } = oldest
    const left = Math.max(0, since + patience - clock.monotonic())
    this.#timer = clock.after(left as Millis, () => {
      this.#timer = undefined
      // Reckoned back from the clock it might have a rounding error to wait, for ever.
      this.#release(since)
      this.#watch()
    })
  }

  #deliver(packets: readonly IpPacket[]): void {
    for (const packet of packets) this.#options.deliver(packet)
  }
}

const after = (number: number): number => (number + 1) % NUMBERS
