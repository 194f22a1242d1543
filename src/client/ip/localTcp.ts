/**
 * TCP connections that programs open into a device of ours, whatever address they take for their destination: each becomes a `Connection`, as
 * if it had been accepted by a listener there. @module
 */
import { formatIp } from '../../foundation/base/ipAddress.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { Connection, Endpoint } from '../../foundation/platform/net.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import type { IpPacket } from '../../protocol/wire/ip/ipPacket.ts'
import { buildReset, buildTcp, FLAG, readTcpSegment, type TcpSegment } from '../../protocol/wire/ip/tcpSegment.ts'
import { LocalTcpConnection, type OutgoingSegment } from './localTcpConnection.ts'
import { DEVICE_TIMING, type TcpTiming } from './roundTrip.ts'

export interface Knock {
  readonly destination: Endpoint
  /** The program is told that it is connected. Once. */
  accept(): Connection
  /** The program is told that nobody listens there. */
  refuse(): void
}

export interface LocalTcpOptions {
  readonly clock: Clock
  readonly random: RandomStream
  /** Of the device. */
  readonly mtu: number
  readonly send: (packet: Uint8Array) => void
  readonly knock: (knock: Knock) => void
  readonly maxConnections?: number
  /** Bytes that may be kept of one connection now, each way. Default: as much as a window without scaling takes. */
  readonly room?: () => number
  /** How many connections there are now. */
  readonly counted?: (count: number) => void
  /** Default: of a device on this machine. */
  readonly timing?: TcpTiming
}

const MAX_CONNECTIONS = 1024
const UNSCALED_ROOM = 64 * 1024
/** What every stack takes, and where a SYN says nothing (RFC 9293 3.7.1). Who says less wants many packets for few bytes. */
const LEAST_MSS = { 4: 536, 6: 1220 } as const
const HEADERS = { 4: 40, 6: 60 } as const

export class LocalTcp {
  readonly #options: LocalTcpOptions
  readonly #connections = new Map<string, LocalTcpConnection>()
  #isHeld = false

  constructor(options: LocalTcpOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#connections.size
  }

  /** A packet of a program that holds TCP. */
  receive(packet: IpPacket): void {
    const segment = readTcpSegment(packet)
    const key = keyOf(packet)
    const known = this.#connections.get(key)
    if (known !== undefined) return known.receive(segment)
    if ((segment.flags & FLAG.rst) !== 0) return
    if ((segment.flags & (FLAG.syn | FLAG.ack)) !== FLAG.syn) return this.#options.send(buildReset(packet))
    const { maxConnections = MAX_CONNECTIONS } = this.#options
    if (this.#connections.size >= maxConnections) return this.#options.send(buildReset(packet))
    this.#open(key, packet, segment)
  }

  /** No more data than is under way, until `resume`. */
  pause(): void {
    this.#isHeld = true
  }

  /** All go on, a segment each in turn, until they are held again: then those go first that have waited longest. */
  resume(): void {
    this.#isHeld = false
    for (const [key, connection] of this.#connections) {
      if (this.#isHeld) return
      if (!connection.takeTurn() || this.#connections.get(key) !== connection) continue
      // Behind the others, where this loop comes by again.
      this.#connections.delete(key)
      this.#connections.set(key, connection)
    }
  }

  /** Ends every connection. */
  close(): void {
    for (const connection of [...this.#connections.values()]) connection.reset()
  }

  #open(key: string, packet: IpPacket, segment: TcpSegment): void {
    const { clock, random, mtu, knock, timing = DEVICE_TIMING, room = () => UNSCALED_ROOM } = this.#options
    const ourMss = mtu - HEADERS[packet.version]
    const { sequence, window, windowShift, takesSack } = segment
    // The packet's memory is not ours.
    const addresses = { source: packet.destination.slice(), destination: packet.source.slice() }
    const ports = { sourcePort: packet.destinationPort, destinationPort: packet.sourcePort }
    const connection = new LocalTcpConnection({
      clock,
      remote: { host: formatIp(packet.source), port: packet.sourcePort },
      local: { host: formatIp(packet.destination), port: packet.destinationPort },
      syn: { sequence, window, windowShift, takesSack },
      ourSequence: random.u32(),
      mss: Math.min(ourMss, Math.max(LEAST_MSS[packet.version], segment.mss ?? 0)),
      ourMss,
      timing,
      room,
      isHeld: () => this.#isHeld,
      send: (outgoing: OutgoingSegment) => this.#options.send(buildTcp(addresses, ports, outgoing)),
      finished: () => {
        this.#connections.delete(key)
        this.#options.counted?.(this.count)
      },
    })
    this.#connections.set(key, connection)
    this.#options.counted?.(this.count)
    knock({
      destination: connection.local,
      accept() {
        connection.accept()
        return connection
      },
      refuse: () => connection.reset(),
    })
  }
}

const keyOf = ({ source, sourcePort, destination, destinationPort }: IpPacket): string =>
  `${source.join('.')}:${sourcePort}>${destination.join('.')}:${destinationPort}`
