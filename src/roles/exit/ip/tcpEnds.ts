/**
 * The connections of one client of the packet router, ended here and made anew from here. passt could make them, and its TCP is meant for a guest on
 * the same machine: it sends everything again that is not acknowledged within 2 s, or is acknowledged twice, and gives up after the third time.
 * Through the mixnet that is usual: the official clients' acknowledgments wait for seconds in their own queue, for each of their messages takes reply
 * blocks along. A megabyte was seen to be sent nine times over without arriving. @module
 */
import { type Knock, LocalTcp } from '../../../client/ip/localTcp.ts'
import type { TcpTiming } from '../../../client/ip/roundTrip.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { seconds } from '../../../foundation/base/units.ts'
import type { Clock } from '../../../foundation/platform/clock.ts'
import type { Connection, ConnectionHandlers, Net } from '../../../foundation/platform/net.ts'
import type { RandomStream } from '../../../foundation/platform/random.ts'
import type { IpPacket } from '../../../protocol/wire/ip/ipPacket.ts'

export interface TcpEndsOptions {
  readonly clock: Clock
  readonly random: RandomStream
  readonly net: Pick<Net, 'connect'>
  readonly mtu: number
  /** Takes packets for the client. */
  readonly send: (packet: Uint8Array) => void
  /** Whether there is room for one more, in what all clients share. */
  readonly mayConnect: () => boolean
}

/** Of one client, as the network requester has it; and those of them that are being made, whether or not the client still wants them. */
const MAX_CONNECTIONS = 256
const MAX_CONNECTING = 64
const CONNECT_TIMEOUT = seconds(30)
const MIXNET_TIMING: TcpTiming = { first: seconds(4), measured: seconds(2), longest: seconds(60), tries: 6 }

export class TcpEnds {
  readonly #options: TcpEndsOptions
  readonly #tcp: LocalTcp
  readonly #closing = new AbortController()
  readonly #outside = new Set<Connection>()
  #connecting = 0

  constructor(options: TcpEndsOptions) {
    const { clock, random, mtu, send } = options
    this.#options = options
    this.#tcp = new LocalTcp({
      clock,
      random,
      mtu,
      send,
      knock: (knock) => void this.#connect(knock),
      maxConnections: MAX_CONNECTIONS,
      timing: MIXNET_TIMING,
    })
  }

  get count(): number {
    return Math.max(this.#tcp.count, this.#connecting + this.#outside.size)
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
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    // First, for else they would hear of an ordinary end.
    for (const connection of [...this.#outside]) connection.reset()
    this.#tcp.close()
  }

  async #connect({ destination, accept, refuse }: Knock): Promise<void> {
    const { net, mayConnect } = this.#options
    const { signal } = this.#closing
    if (this.#connecting >= MAX_CONNECTING || !mayConnect()) return refuse()
    let outside: Connection
    this.#connecting++
    try {
      outside = await net.connect({ ...destination, timeout: CONNECT_TIMEOUT, signal })
    } catch (error) {
      if (!isMixnetError(error)) throw error
      // Not there, not allowed, or too late: to a TCP it is the same.
      return refuse()
    } finally {
      this.#connecting--
    }
    if (signal.aborted) return outside.reset()
    this.#outside.add(outside)
    const inside = accept()
    inside.attach(towards(outside, inside))
    const handlers = towards(inside, outside)
    outside.attach({
      ...handlers,
      close: (error) => {
        this.#outside.delete(outside)
        handlers.close(error)
      },
    })
  }
}

/** What becomes of what `from` brings. */
function towards(to: Connection, from: Connection): ConnectionHandlers {
  return {
    data: (chunk) => {
      if (!to.write([chunk.slice()])) from.pause()
    },
    // Of `from`: it has room again for what the other brings.
    drain: () => to.resume(),
    end: () => to.end(),
    close: (error) => (error === undefined ? to.destroy() : to.reset()),
  }
}
