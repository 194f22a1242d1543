/**
 * TCP segments (RFC 9293), with the options that an end of ours uses: the maximum segment size, the window's scale (RFC 7323), and selective
 * acknowledgment (RFC 2018, RFC 2883). @module
 */
import { EMPTY_BYTES } from '../../../foundation/base/bytes.ts'
import { type Addressed, buildIpPacket, type Ports } from './buildPacket.ts'
import { foldedChecksum } from './checksum.ts'
import { type IpPacket, PROTOCOL, transportSum } from './ipPacket.ts'

export const FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const

/** Sequence numbers: the first, and the one after the last. */
export type SequenceRange = readonly [from: number, to: number]

export interface TcpSegment {
  readonly sequence: number
  readonly acknowledgment: number
  readonly flags: number
  /** As it stands there: where both sides scale, `2 ** windowShift` as much, but in a SYN. */
  readonly window: number
  /** What the sender of a SYN takes in one segment. */
  readonly mss?: number | undefined
  /** How the sender of a SYN scales its windows, 14 at most. */
  readonly windowShift?: number | undefined
  /** The sender of a SYN reads `sack`. */
  readonly takesSack?: boolean | undefined
  /** What it has beyond what it acknowledges; in front, where it is below or within another: what came twice. */
  readonly sack?: readonly SequenceRange[] | undefined
  /** A view. */
  readonly data: Uint8Array
}

const HEADER_BYTES = 20
const OPTION = { end: 0, none: 1, mss: 2, windowShift: 3, takesSack: 4, sack: 5 } as const
const LENGTH = { mss: 4, windowShift: 3, takesSack: 2 } as const
const RANGE_BYTES = 8
const MOST_SHIFT = 14

/** Of a packet that holds TCP, as `readIpPacket` checked it. */
export function readTcpSegment({ payload }: Pick<IpPacket, 'payload'>): TcpSegment {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  const headerBytes = ((payload[12] as number) >> 4) * 4
  return {
    sequence: view.getUint32(4),
    acknowledgment: view.getUint32(8),
    flags: (payload[13] as number) & 0x3f,
    window: view.getUint16(14),
    ...readOptions(view, headerBytes),
    data: payload.subarray(headerBytes),
  }
}

type TcpOptions = Pick<TcpSegment, 'mss' | 'windowShift' | 'takesSack' | 'sack'>

function readOptions(view: DataView, end: number): TcpOptions {
  const options: { -readonly [name in keyof TcpOptions]: TcpOptions[name] } = {}
  for (let at = HEADER_BYTES; at < end; ) {
    const kind = view.getUint8(at)
    if (kind === OPTION.end) break
    if (kind === OPTION.none) {
      at++
      continue
    }
    const length = at + 1 < end ? view.getUint8(at + 1) : 0
    // A length that leads nowhere ends the reading, as in any stack.
    if (length < 2 || at + length > end) break
    if (kind === OPTION.mss && length === LENGTH.mss) options.mss = view.getUint16(at + 2)
    else if (kind === OPTION.windowShift && length === LENGTH.windowShift) {
      options.windowShift = Math.min(MOST_SHIFT, view.getUint8(at + 2))
    } else if (kind === OPTION.takesSack && length === LENGTH.takesSack) options.takesSack = true
    else if (kind === OPTION.sack && length % RANGE_BYTES === 2) options.sack = readRanges(view, at + 2, at + length)
    at += length
  }
  return options
}

function readRanges(view: DataView, start: number, end: number): readonly SequenceRange[] {
  const ranges: SequenceRange[] = []
  for (let at = start; at < end; at += RANGE_BYTES) ranges.push([view.getUint32(at), view.getUint32(at + 4)])
  return ranges
}

/** At most three ranges: there is room for no more beside what others put into the header. */
export function buildTcp(
  addresses: Addressed,
  { sourcePort, destinationPort }: Ports,
  {
    sequence,
    acknowledgment,
    flags,
    window,
    data = EMPTY_BYTES,
    ...options
  }: Omit<TcpSegment, 'data'> & { readonly data?: Uint8Array },
): Uint8Array {
  const optionBytes = writeOptions(options)
  const headerBytes = HEADER_BYTES + optionBytes.length
  const segment = new Uint8Array(headerBytes + data.length)
  const view = new DataView(segment.buffer)
  view.setUint16(0, sourcePort)
  view.setUint16(2, destinationPort)
  view.setUint32(4, sequence)
  view.setUint32(8, acknowledgment)
  segment[12] = (headerBytes / 4) << 4
  segment[13] = flags
  view.setUint16(14, window)
  segment.set(optionBytes, HEADER_BYTES)
  segment.set(data, headerBytes)
  view.setUint16(16, foldedChecksum(transportSum({ ...addresses, protocol: PROTOCOL.tcp }, segment)))
  return buildIpPacket(addresses, PROTOCOL.tcp, segment)
}

function writeOptions({ mss, windowShift, takesSack = false, sack = [] }: TcpOptions): readonly number[] {
  const bytes: number[] = []
  if (mss !== undefined) bytes.push(OPTION.mss, LENGTH.mss, mss >> 8, mss & 0xff)
  if (windowShift !== undefined) bytes.push(OPTION.windowShift, LENGTH.windowShift, windowShift)
  if (takesSack) bytes.push(OPTION.takesSack, LENGTH.takesSack)
  if (sack.length > 0) bytes.push(OPTION.sack, 2 + RANGE_BYTES * sack.length, ...sack.flat().flatMap(bigEndian))
  while (bytes.length % 4 !== 0) bytes.push(OPTION.none)
  return bytes
}

const bigEndian = (number: number): number[] => [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff)

/** What says that there is no such connection, or none may be: of a packet that holds TCP and is no reset (RFC 9293 3.10.7.1). */
export function buildReset(packet: IpPacket): Uint8Array {
  const { sequence, acknowledgment, flags, data } = readTcpSegment(packet)
  const length = data.length + ((flags & FLAG.syn) === 0 ? 0 : 1) + ((flags & FLAG.fin) === 0 ? 0 : 1)
  return buildTcp(
    { source: packet.destination, destination: packet.source },
    { sourcePort: packet.destinationPort, destinationPort: packet.sourcePort },
    (flags & FLAG.ack) === 0
      ? { sequence: 0, acknowledgment: advanced(sequence, length), flags: FLAG.rst | FLAG.ack, window: 0 }
      : { sequence: acknowledgment, acknowledgment: 0, flags: FLAG.rst, window: 0 },
  )
}

/** Whether `a` comes before `b`: numbers begin anew at 2^32. */
export const isBefore = (a: number, b: number): boolean => ((a - b) | 0) < 0

export const advanced = (sequence: number, by: number): number => (sequence + by) >>> 0
