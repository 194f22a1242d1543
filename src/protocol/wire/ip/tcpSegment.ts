/** TCP segments (RFC 9293), with the one option that a terminator needs: the maximum segment size. @module */
import { EMPTY_BYTES } from '../../../foundation/base/bytes.ts'
import { type Addressed, buildIpPacket, type Ports } from './buildPacket.ts'
import { foldedChecksum } from './checksum.ts'
import { type IpPacket, PROTOCOL, transportSum } from './ipPacket.ts'

export const FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const

export interface TcpSegment {
  readonly sequence: number
  readonly acknowledgment: number
  readonly flags: number
  readonly window: number
  /** What the sender of a SYN takes in one segment. */
  readonly mss: number | undefined
  /** A view. */
  readonly data: Uint8Array
}

const HEADER_BYTES = 20
const MSS_OPTION_BYTES = 4
const OPTION = { end: 0, none: 1, mss: 2 } as const

/** Of a packet that holds TCP, as `readIpPacket` checked it. */
export function readTcpSegment({ payload }: Pick<IpPacket, 'payload'>): TcpSegment {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  const headerBytes = ((payload[12] as number) >> 4) * 4
  return {
    sequence: view.getUint32(4),
    acknowledgment: view.getUint32(8),
    flags: (payload[13] as number) & 0x3f,
    window: view.getUint16(14),
    mss: readMss(payload.subarray(HEADER_BYTES, headerBytes)),
    data: payload.subarray(headerBytes),
  }
}

function readMss(options: Uint8Array): number | undefined {
  for (let at = 0; at < options.length; ) {
    const kind = options[at]
    if (kind === OPTION.end) return undefined
    if (kind === OPTION.none) {
      at++
      continue
    }
    const length = options[at + 1] ?? 0
    // A length that leads nowhere ends the reading, as in any stack.
    if (length < 2 || at + length > options.length) return undefined
    if (kind === OPTION.mss && length === MSS_OPTION_BYTES) {
      return ((options[at + 2] as number) << 8) | (options[at + 3] as number)
    }
    at += length
  }
  return undefined
}

export function buildTcp(
  addresses: Addressed,
  { sourcePort, destinationPort }: Ports,
  {
    sequence,
    acknowledgment,
    flags,
    window,
    mss,
    data = EMPTY_BYTES,
  }: Omit<TcpSegment, 'mss' | 'data'> & {
    readonly mss?: number | undefined
    readonly data?: Uint8Array
  },
): Uint8Array {
  const headerBytes = HEADER_BYTES + (mss === undefined ? 0 : MSS_OPTION_BYTES)
  const segment = new Uint8Array(headerBytes + data.length)
  const view = new DataView(segment.buffer)
  view.setUint16(0, sourcePort)
  view.setUint16(2, destinationPort)
  view.setUint32(4, sequence)
  view.setUint32(8, acknowledgment)
  segment[12] = (headerBytes / 4) << 4
  segment[13] = flags
  view.setUint16(14, window)
  if (mss !== undefined) {
    segment.set([OPTION.mss, MSS_OPTION_BYTES], HEADER_BYTES)
    view.setUint16(HEADER_BYTES + 2, mss)
  }
  segment.set(data, headerBytes)
  view.setUint16(16, foldedChecksum(transportSum({ ...addresses, protocol: PROTOCOL.tcp }, segment)))
  return buildIpPacket(addresses, PROTOCOL.tcp, segment)
}

/** Whether `a` comes before `b`: numbers begin anew at 2^32. */
export const isBefore = (a: number, b: number): boolean => ((a - b) | 0) < 0

export const advanced = (sequence: number, by: number): number => (sequence + by) >>> 0
