/**
 * The TCP of a program's kernel, which opens one connection through IP packets and moves data one way: what it sends follows the model of what
 * kernels do, what it takes it acknowledges as they do, at once where something is missing and else every second segment. @module
 */
import { parseIp } from '../../src/foundation/base/ipAddress.ts'
import { millis } from '../../src/foundation/base/units.ts'
import type { Clock, Timer } from '../../src/foundation/platform/clock.ts'
import { type IpPacket, PROTOCOL } from '../../src/protocol/wire/ip/ipPacket.ts'
import {
  advanced,
  buildTcp,
  FLAG,
  readTcpSegment,
  type SequenceRange,
  type TcpSegment,
} from '../../src/protocol/wire/ip/tcpSegment.ts'
import { ModelSender, SEGMENT_BYTES } from './modelTcp.ts'

const PORTS = { sourcePort: 40_000, destinationPort: 80 }
const START = 0xffff_f000
const DELAYED_ACK = millis(40)
const SYN_RETRY = millis(1000)
/** 2 MB, as Linux grows to. */
const SHIFT = 7
const WINDOW = (2 * 1024 * 1024) >> SHIFT
const MAX_RANGES = 3

export interface KernelTcpOptions {
  readonly clock: Clock
  readonly direction: 'download' | 'upload'
  readonly client: Uint8Array
  readonly site: string
  readonly send: (packet: Uint8Array) => void
}

export class KernelTcp {
  readonly #options: KernelTcpOptions
  readonly #sender: ModelSender
  /** Of the site's bytes: the first that is missing, and what is there behind it, sorted. */
  #expected: number | undefined
  #early: SequenceRange[] = []
  #received = 0
  #unsaid = 0
  #timer: Timer | undefined
  #isOver = false
  /** Of the windows that it is told. */
  #shift = 0

  constructor(options: KernelTcpOptions) {
    const { clock } = options
    this.#options = options
    this.#sender = new ModelSender({
      clock,
      total: 1e9,
      send: (number) => this.#emit(FLAG.ack, numberOf(number), new Uint8Array(SEGMENT_BYTES)),
    })
  }

  /** Bytes in order. */
  get received(): number {
    return this.#received
  }

  /** Of what was sent again. */
  get repeated(): number {
    return this.#sender.repeated
  }

  start(): void {
    if (this.#expected !== undefined || this.#isOver) return
    this.#emit(FLAG.syn, START)
    this.#timer = this.#options.clock.after(SYN_RETRY, () => this.start())
  }

  stop(): void {
    this.#isOver = true
    this.#timer?.cancel()
    this.#sender.stop()
  }

  take(packet: IpPacket): void {
    if (this.#isOver || packet.protocol !== PROTOCOL.tcp) return
    const segment = readTcpSegment(packet)
    if ((segment.flags & FLAG.rst) !== 0) throw new Error('reset')
    if ((segment.flags & FLAG.syn) !== 0) return this.#opened(segment)
    if (this.#expected === undefined) return
    if (this.#options.direction === 'upload') this.#acknowledged(segment)
    if (segment.data.length > 0) this.#data(segment)
  }

  #opened({ sequence, windowShift = 0 }: TcpSegment): void {
    this.#shift = windowShift
    const isFirst = this.#expected === undefined
    this.#timer?.cancel()
    this.#expected ??= advanced(sequence, 1)
    this.#emit(FLAG.ack, numberOf(0))
    if (isFirst && this.#options.direction === 'upload') this.#sender.start()
  }

  #acknowledged({ acknowledgment, window, sack = [] }: TcpSegment): void {
    const blocks = sack.map(([from, to]) => [segmentOf(from), segmentOf(to)] as const)
    const next = segmentOf(acknowledgment)
    // RFC 2883: below what is acknowledged, or within the next.
    const [first, second] = blocks
    const isRepeated =
      first !== undefined && (first[0] < next || (second && first[0] >= second[0] && first[1] <= second[1]))
    this.#sender.acknowledged({
      next,
      room: Math.floor((window << this.#shift) / SEGMENT_BYTES),
      blocks: isRepeated ? blocks.slice(1) : blocks,
      duplicate: isRepeated ? first[0] : undefined,
    })
  }

  #data({ sequence, data }: TcpSegment): void {
    const expected = this.#expected as number
    const from = (sequence - expected) | 0
    const to = from + data.length
    if (to <= 0) return this.#say([[sequence, advanced(sequence, data.length)]])
    this.#early.push([Math.max(0, from), to])
    this.#early.sort(([a], [b]) => a - b)
    const merged: [number, number][] = []
    for (const [start, end] of this.#early) {
      const last = merged.at(-1)
      if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end)
      else merged.push([start, end])
    }
    const hadHole = this.#early.length > 1
    const count = merged[0]?.[0] === 0 ? (merged.shift()?.[1] as number) : 0
    this.#expected = advanced(expected, count)
    this.#received += count
    this.#early = merged.map(([start, end]) => [start - count, end - count])
    if (hadHole || count === 0 || ++this.#unsaid >= 2) return this.#say()
    this.#timer ??= this.#options.clock.after(DELAYED_ACK, () => this.#say())
  }

  #say(repeated: readonly SequenceRange[] = []): void {
    const expected = this.#expected as number
    const early = this.#early.map(([from, to]): SequenceRange => [advanced(expected, from), advanced(expected, to)])
    this.#timer?.cancel()
    this.#timer = undefined
    this.#unsaid = 0
    this.#emit(FLAG.ack, numberOf(0), undefined, [...repeated, ...early].slice(0, MAX_RANGES))
  }

  #emit(flags: number, sequence: number, data?: Uint8Array, sack?: readonly SequenceRange[]): void {
    const { client, site, send } = this.#options
    const isSyn = (flags & FLAG.syn) !== 0
    send(
      buildTcp({ source: client, destination: parseIp(site) as Uint8Array }, PORTS, {
        sequence,
        acknowledgment: this.#expected ?? 0,
        flags,
        window: isSyn ? 65_535 : WINDOW,
        ...(isSyn ? { mss: SEGMENT_BYTES, windowShift: SHIFT, takesSack: true } : { sack }),
        ...(data === undefined ? {} : { data }),
      }),
    )
  }
}

const numberOf = (segment: number): number => advanced(START, 1 + segment * SEGMENT_BYTES)
const segmentOf = (number: number): number => Math.floor(((number - numberOf(0)) >>> 0) / SEGMENT_BYTES)
