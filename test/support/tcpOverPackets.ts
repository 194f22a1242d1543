/** The model's segments inside IP packets, between an address behind an exit and a site. @module */
import { parseIp } from '../../src/foundation/base/ipAddress.ts'
import type { Clock } from '../../src/foundation/platform/clock.ts'
import { type IpPacket, PROTOCOL } from '../../src/protocol/wire/ip/ipPacket.ts'
import { buildTcp, FLAG, readTcpSegment } from '../../src/protocol/wire/ip/tcpSegment.ts'
import { type Acknowledgment, type Behaviour, ModelReceiver, ModelSender, SEGMENT_BYTES } from './modelTcp.ts'

export const SITE = parseIp('1.2.3.4') as Uint8Array
const PORTS = { client: 40_000, site: 80 }

export interface Transfer {
  readonly sender: ModelSender
  readonly receiver: ModelReceiver
  /** A packet that came to the client, or to the site. */
  atClient(packet: IpPacket): void
  atSite(packet: IpPacket): void
  stop(): void
}

export interface TransferOptions {
  readonly clock: Clock
  readonly direction: 'download' | 'upload'
  readonly client: Uint8Array
  /** What speaks for the site: a kernel, or passt. */
  readonly site: Behaviour
  readonly total: number
  readonly fromClient: (packet: Uint8Array) => void
  readonly fromSite: (packet: Uint8Array) => void
}

export function transfer(options: TransferOptions): Transfer {
  const { clock, direction, client, site, total, fromClient, fromSite } = options
  const isDownload = direction === 'download'
  const up = { addresses: { source: client, destination: SITE }, ports: pair(PORTS.client, PORTS.site), go: fromClient }
  const down = { addresses: { source: SITE, destination: client }, ports: pair(PORTS.site, PORTS.client), go: fromSite }
  const [data, back] = isDownload ? [down, up] : [up, down]
  const put = (
    { addresses, ports, go }: typeof up,
    sequence: number,
    acknowledgment: number,
    bytes: Uint8Array,
  ): void => go(buildTcp(addresses, ports, { sequence, acknowledgment, flags: FLAG.ack, window: 65_535, data: bytes }))
  const sender = new ModelSender({
    clock,
    total,
    send({ number, sentAt }) {
      const bytes = new Uint8Array(SEGMENT_BYTES)
      new DataView(bytes.buffer).setFloat64(0, sentAt)
      put(data, number, 0, bytes)
    },
  })
  const receiver = new ModelReceiver({
    clock,
    behaviour: isDownload ? 'linux' : site,
    send: (ack) => put(back, 0, ack.next, encodeAck(ack)),
  })
  const take = (packet: IpPacket, isData: boolean): void => {
    if (packet.protocol !== PROTOCOL.tcp) return
    const segment = readTcpSegment(packet)
    const view = new DataView(segment.data.buffer, segment.data.byteOffset, segment.data.byteLength)
    if (isData) receiver.take({ number: segment.sequence, sentAt: view.getFloat64(0) })
    else sender.acknowledged(decodeAck(segment.acknowledgment, view))
  }
  return {
    sender,
    receiver,
    atClient: (packet) => take(packet, isDownload),
    atSite: (packet) => take(packet, !isDownload),
    stop() {
      sender.stop()
      receiver.stop()
    },
  }
}

const pair = (sourcePort: number, destinationPort: number) => ({ sourcePort, destinationPort })

const NONE = 0xffff_ffff

function encodeAck({ echoed, blocks, duplicate }: Acknowledgment): Uint8Array {
  const bytes = new Uint8Array(12 + 8 * blocks.length)
  const view = new DataView(bytes.buffer)
  view.setFloat64(0, echoed)
  view.setUint32(8, duplicate ?? NONE)
  blocks.forEach(([start, end], i) => {
    view.setUint32(12 + 8 * i, start)
    view.setUint32(16 + 8 * i, end)
  })
  return bytes
}

function decodeAck(next: number, view: DataView): Acknowledgment {
  const duplicate = view.getUint32(8)
  const blocks: [number, number][] = []
  for (let at = 12; at < view.byteLength; at += 8) blocks.push([view.getUint32(at), view.getUint32(at + 4)])
  return { next, echoed: view.getFloat64(0), blocks, duplicate: duplicate === NONE ? undefined : duplicate }
}
