/**
 * The connections of one client of the packet router, ended here and made anew from here, whatever engine carries the rest (ADR 17). A TCP far away
 * takes the mixnet's delays for congestion, and keeps less than half of its rate where packets are lost; passt's, meant for a guest on the same
 * machine, sends everything again that is not acknowledged within 2 s and gives up after the third time: a megabyte was seen to be sent nine times
 * over without arriving. @module
 */
import { type Knock, LocalTcp } from '../../../client/ip/localTcp.ts'
import { MIXNET_TIMING } from '../../../client/ip/roundTrip.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { type Millis, millis, minutes, seconds } from '../../../foundation/base/units.ts'
import type { Clock, Timer } from '../../../foundation/platform/clock.ts'
import type { Connection, ConnectionHandlers, Net } from '../../../foundation/platform/net.ts'
import type { RandomStream } from '../../../foundation/platform/random.ts'
import type { IpPacket } from '../../../protocol/wire/ip/ipPacket.ts'
import { DEFAULT_EXIT_PARAMS } from '../exitParams.ts'
import type { SharedConnections } from './sharedConnections.ts'

export interface TcpEndsOptions {
  readonly clock: Clock
  readonly random: RandomStream
  readonly net: Pick<Net, 'connect'>
  readonly mtu: number
  /** Takes packets for the client. */
  readonly send: (packet: Uint8Array) => void
  readonly shared: SharedConnections
}

/** Of one client, as the network requester has it; and those of them that are being made, whether or not the client still wants them. */
const MAX_CONNECTIONS = 256
const MAX_CONNECTING = 64
const CONNECT_TIMEOUT = seconds(30)
/**
 * Without a byte either way. The network requester's streams live on by messages of their clients, who know that they are idle after 5 min;
 * programs do not know of this: as long as most of them wait before they say something only to stay connected.
 */
const IDLE_TIMEOUT = minutes(30)
const { halfClosedTimeout: HALF_CLOSED_TIMEOUT, lingerTimeout: LINGER } = DEFAULT_EXIT_PARAMS

export class TcpEnds {
  readonly #options: TcpEndsOptions
  readonly #tcp: LocalTcp
  readonly #closing = new AbortController()
  readonly #pairs = new Set<Pair>()
  #connecting = 0
  #counted = 0

  constructor(options: TcpEndsOptions) {
    const { clock, random, mtu, send, shared } = options
    this.#options = options
    this.#tcp = new LocalTcp({
      clock,
      random,
      mtu,
      send,
      knock: (knock) => void this.#connect(knock),
      maxConnections: MAX_CONNECTIONS,
      timing: MIXNET_TIMING,
      room: () => shared.room,
      counted: () => this.#count(),
    })
  }

  /** A packet of the client that holds TCP, to where it may go. */
  receive(packet: IpPacket): void {
    if (!this.#closing.signal.aborted) this.#tcp.receive(packet)
  }

  /** No more data for the client than is under way: what waits, waits at those who send it. */
  pause(): void {
    this.#tcp.pause()
  }

  resume(): void {
    this.#tcp.resume()
  }

  /** Nothing of it is left. */
  close(): void {
    this.#closing.abort()
    // First, for else they would hear of an ordinary end.
    for (const pair of [...this.#pairs]) pair.reset()
    this.#tcp.close()
  }

  /** Those that the client has ended may still have something to write, and those that it wants may not be there yet. */
  #count(): void {
    const count = Math.max(this.#tcp.count, this.#connecting + this.#pairs.size)
    this.#options.shared.changed(count - this.#counted)
    this.#counted = count
  }

  async #connect({ destination, accept, refuse }: Knock): Promise<void> {
    const { clock, net, shared } = this.#options
    const { signal } = this.#closing
    if (this.#connecting + this.#pairs.size >= MAX_CONNECTIONS || this.#connecting >= MAX_CONNECTING) return refuse()
    let outside: Connection
    this.#connecting++
    this.#count()
    try {
      if (!shared.mayHave(this.#counted)) return refuse()
      outside = await net.connect({ ...destination, timeout: CONNECT_TIMEOUT, signal })
    } catch (error) {
      if (!isMixnetError(error)) throw error
      // Not there, not allowed, or too late: to a TCP it is the same.
      return refuse()
    } finally {
      this.#connecting--
      this.#count()
    }
    if (signal.aborted) return outside.reset()
    const over = (): void => {
      this.#pairs.delete(pair)
      this.#count()
    }
    const pair = new Pair({ clock, inside: accept(), outside, over })
    this.#pairs.add(pair)
    this.#count()
    pair.start()
  }
}

interface PairOptions {
  readonly clock: Clock
  /** Of the client, and what was made for it. */
  readonly inside: Connection
  readonly outside: Connection
  /** Nothing of `outside` is left. */
  readonly over: () => void
}

class Pair {
  readonly #options: PairOptions
  #usedAt: Millis
  #limit: Millis = IDLE_TIMEOUT
  /** At `#usedAt`. */
  #buffered = 0
  #timer: Timer | undefined
  #isOver = false

  constructor(options: PairOptions) {
    this.#options = options
    this.#usedAt = options.clock.monotonic()
  }

  start(): void {
    const { inside, outside, over } = this.#options
    this.#review()
    inside.attach({
      ...this.#towards(outside, inside),
      close: (error) => {
        if (this.#isOver) return
        if (error !== undefined) return outside.reset()
        // All of it was taken from the client, and acknowledged: the site gets it, if it reads at all.
        outside.end()
        this.#limitTo(LINGER)
      },
    })
    outside.attach({
      ...this.#towards(inside, outside),
      close: (error) => {
        this.#isOver = true
        this.#timer?.cancel()
        over()
        if (error === undefined) inside.destroy()
        else inside.reset()
      },
    })
  }

  /** To the site it is a failure; the client is told by whoever ends its side. */
  reset(): void {
    this.#options.outside.reset()
  }

  /** What becomes of what `from` brings. */
  #towards(to: Connection, from: Connection): Omit<ConnectionHandlers, 'close'> {
    return {
      data: (chunk) => {
        this.#used()
        if (!to.write([chunk.slice()])) from.pause()
      },
      // Of `from`: it has room again for what the other brings.
      drain: () => {
        this.#used()
        to.resume()
      },
      end: () => {
        to.end()
        this.#limitTo(HALF_CLOSED_TIMEOUT)
      },
    }
  }

  #used(): void {
    this.#usedAt = this.#options.clock.monotonic()
    this.#buffered = this.#bufferedBytes
  }

  get #bufferedBytes(): number {
    return this.#options.inside.bufferedBytes + this.#options.outside.bufferedBytes
  }

  #limitTo(limit: Millis): void {
    this.#limit = limit
    this.#used()
    this.#timer?.cancel()
    this.#review()
  }

  #review(): void {
    const { clock, inside, outside } = this.#options
    // Somebody takes what the other said long ago, however slowly.
    if (this.#limit !== LINGER && this.#bufferedBytes !== this.#buffered) this.#used()
    const left = this.#usedAt + this.#limit - clock.monotonic()
    if (left > 0) {
      this.#timer = clock.after(millis(left), () => this.#review())
      return
    }
    outside.reset()
    inside.reset()
  }
}
