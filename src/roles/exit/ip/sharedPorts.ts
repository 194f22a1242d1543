/**
 * Ports of UDP and identifiers of pings, where many clients leave from one address. passt binds those that its client chose, to any peer, and
 * lets others bind them too: a client that chose the same ones got the other's answers, and whoever guessed one could write to a client that
 * had never written to him. So each gets numbers here that nobody else has, drawn at random, for a resolver's safety is that nobody can guess
 * them; and only from where it wrote to comes something back. @module
 */
import { type Millis, seconds } from '../../../foundation/base/units.ts'
import type { Clock } from '../../../foundation/platform/clock.ts'
import { below, type RandomStream } from '../../../foundation/platform/random.ts'
import { buildUdp } from '../../../protocol/wire/ip/buildPacket.ts'
import { buildEcho, readEcho } from '../../../protocol/wire/ip/echo.ts'
import { type IpPacket, PROTOCOL } from '../../../protocol/wire/ip/ipPacket.ts'

/** Below are the services of the machine itself, whose ports nobody shall take before them. */
const FIRST = 10_000
const LAST = 65_535
const TRIES = 256
/** passt closes a socket that nobody uses after 180 s; a number that were somebody else's before that would be two sockets. */
const FORGET_AFTER = seconds(240)
/** Of one client at once: each is a socket there. */
const MAX_NUMBERS = 512
/** Once half of all are lent: 256 clients (ipRouterParams.ts) have as many each of the other half, whatever others took before. */
const SCARCE = (LAST - FIRST + 1) / 2
const SHARE = 108
/** Those that a client wrote to; used last stay. */
const MAX_PEERS = 2048
const UDP_HEADER_BYTES = 8

export class SharedPorts {
  readonly #random: RandomStream
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #taken = new Set<number>()

  constructor({ random, clock }: { readonly random: RandomStream; readonly clock: Pick<Clock, 'monotonic'> }) {
    this.#random = random
    this.#clock = clock
  }

  get taken(): number {
    return this.#taken.size
  }

  forClient(): ClientPorts {
    return new ClientPorts({
      now: () => this.#clock.monotonic(),
      mayHave: () => (this.#taken.size < SCARCE ? MAX_NUMBERS : SHARE),
      draw: () => {
        for (let tried = 0; tried < TRIES; tried++) {
          const number = FIRST + below(this.#random, LAST - FIRST + 1)
          if (this.#taken.has(number)) continue
          this.#taken.add(number)
          return number
        }
        return undefined
      },
      give: (number) => this.#taken.delete(number),
    })
  }
}

interface ClientPortsOptions {
  readonly now: () => Millis
  /** At once, as things stand. */
  readonly mayHave: () => number
  readonly draw: () => number | undefined
  readonly give: (number: number) => void
}

interface Lent {
  /** What the client calls it, and as what. */
  readonly inside: string
  readonly own: number
  usedAt: Millis
}

export class ClientPorts {
  readonly #options: ClientPortsOptions
  /** Used last, goes last. */
  readonly #lent = new Map<number, Lent>()
  readonly #byInside = new Map<string, number>()
  readonly #peers = new Set<string>()
  #isOver = false

  constructor(options: ClientPortsOptions) {
    this.#options = options
  }

  /** A packet of the client as it leaves. undefined: no number is free, it answers what was never asked, or is TCP, which ends before. */
  leaving(packet: IpPacket): Uint8Array | undefined {
    if (packet.protocol === PROTOCOL.tcp) return undefined
    const echo = readEcho(packet)
    if (echo?.isReply === true) return undefined
    const own = echo?.identifier ?? packet.sourcePort
    const number = this.#numberFor(`${echo === undefined ? 'udp' : 'echo'} ${own}`, own)
    if (number === undefined) return undefined
    const peer = peerKey(number, packet.destination, packet.destinationPort)
    this.#peers.delete(peer)
    this.#peers.add(peer)
    const [oldest] = this.#peers
    if (this.#peers.size > MAX_PEERS && oldest !== undefined) this.#peers.delete(oldest)
    if (echo !== undefined) return buildEcho(packet, { ...echo, identifier: number })
    return withPorts(packet, number, packet.destinationPort)
  }

  /** One for the client, as it asked. undefined of what it did not ask for. */
  coming(packet: IpPacket): Uint8Array | undefined {
    if (packet.protocol === PROTOCOL.tcp) return undefined
    const echo = readEcho(packet)
    if (echo?.isReply === false) return undefined
    const number = echo?.identifier ?? packet.destinationPort
    const lent = this.#lent.get(number)
    if (lent === undefined) return undefined
    // The socket lives on by it, whoever sent it.
    this.#use(number, lent)
    if (!this.#peers.has(peerKey(number, packet.source, packet.sourcePort))) return undefined
    if (lent.inside.startsWith('udp') !== (echo === undefined)) return undefined
    if (echo !== undefined) return buildEcho(packet, { ...echo, identifier: lent.own })
    return withPorts(packet, packet.sourcePort, lent.own)
  }

  /** When nothing of the client's sockets is left. */
  end(): void {
    this.#isOver = true
    for (const number of this.#lent.keys()) this.#options.give(number)
    this.#lent.clear()
    this.#byInside.clear()
    this.#peers.clear()
  }

  #numberFor(inside: string, own: number): number | undefined {
    const known = this.#byInside.get(inside)
    if (known !== undefined) {
      this.#use(known, this.#lent.get(known) as Lent)
      return known
    }
    this.#forget()
    if (this.#isOver) return undefined
    const number = this.#lent.size < this.#options.mayHave() ? (this.#options.draw() ?? this.#oldest()) : this.#oldest()
    if (number === undefined) return undefined
    this.#byInside.set(inside, number)
    this.#lent.set(number, { inside, own, usedAt: this.#options.now() })
    return number
  }

  /** One of its own, which it used last of all: the socket is the same client's, so it may be another of his at once. */
  #oldest(): number | undefined {
    const [oldest] = this.#lent
    if (oldest === undefined) return undefined
    const [number, { inside }] = oldest
    this.#lent.delete(number)
    this.#byInside.delete(inside)
    // Whom the other wrote to has nothing to say to this one.
    for (const peer of this.#peers) if (peer.startsWith(`${number} `)) this.#peers.delete(peer)
    return number
  }

  #use(number: number, lent: Lent): void {
    lent.usedAt = this.#options.now()
    this.#lent.delete(number)
    this.#lent.set(number, lent)
  }

  #forget(): void {
    const now = this.#options.now()
    for (const [number, { inside, usedAt }] of this.#lent) {
      if (now - usedAt < FORGET_AFTER) return
      this.#lent.delete(number)
      this.#byInside.delete(inside)
      this.#options.give(number)
    }
  }
}

const peerKey = (number: number, address: Uint8Array, port: number): string => `${number} ${address.join('.')} ${port}`

const withPorts = (packet: IpPacket, sourcePort: number, destinationPort: number): Uint8Array =>
  buildUdp(packet, { sourcePort, destinationPort }, packet.payload.subarray(UDP_HEADER_BYTES))
