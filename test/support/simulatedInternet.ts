/** The world behind an exit, for simulations: it answers pings, echoes datagrams, knows one name, and counts who is out there. @module */
import { equalBytes, utf8 } from '../../src/foundation/base/bytes.ts'
import { MixnetError } from '../../src/foundation/base/errors.ts'
import { parseIp } from '../../src/foundation/base/ipAddress.ts'
import { type Millis, millis } from '../../src/foundation/base/units.ts'
import type { Clock } from '../../src/foundation/platform/clock.ts'
import { buildUdp } from '../../src/protocol/wire/ip/buildPacket.ts'
import { buildEcho, readEcho } from '../../src/protocol/wire/ip/echo.ts'
import { type IpPacket, PROTOCOL, readIpPacket } from '../../src/protocol/wire/ip/ipPacket.ts'
import type { WayOut, WayOutOptions } from '../../src/roles/exit/ip/wayOut.ts'

export const NAME_SERVER = '9.9.9.9'
export const KNOWN_NAME = 'known.example'
export const KNOWN_ADDRESS = '198.51.100.1'
const ROUND_TRIP = millis(30)

export class SimulatedInternet {
  readonly #clock: Clock
  /** Ways out now. */
  readonly open: Map<string, WayOutOptions> = new Map()
  /** From where each packet came. */
  readonly sources: string[] = []
  opened = 0
  lost: (packet: IpPacket) => boolean = () => false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  wayOut(): WayOut {
    return {
      mtu: 1500,
      open: async (options) => {
        const key = options.ips.ipv4.join('.')
        if (this.open.has(key)) throw new MixnetError('INTERNAL', { what: 'an address given twice' })
        this.open.set(key, options)
        this.opened++
        return {
          send: (bytes) => {
            this.#answer(options, bytes)
            return true
          },
          pause() {},
          resume() {},
          close: async () => {
            this.open.delete(key)
          },
        }
      },
      async close() {},
    }
  }

  #answer({ received }: WayOutOptions, bytes: Uint8Array): void {
    const packet = readIpPacket(bytes)
    if ('fault' in packet || this.lost(packet)) return
    this.sources.push(packet.source.join('.'))
    const answer = answerTo(packet)
    if (answer !== undefined) this.#clock.after(ROUND_TRIP as Millis, () => received(answer))
  }
}

function answerTo(packet: IpPacket): Uint8Array | undefined {
  const back = { source: packet.destination.slice(), destination: packet.source.slice() }
  const echo = readEcho(packet)
  if (echo !== undefined) return buildEcho(back, { ...echo, isReply: true })
  if (packet.protocol !== PROTOCOL.udp) return undefined
  const ports = { sourcePort: packet.destinationPort, destinationPort: packet.sourcePort }
  const data = packet.payload.slice(8)
  if (packet.destinationPort !== 53) return buildUdp(back, ports, data)
  const isServer = equalBytes(packet.destination, parseIp(NAME_SERVER) as Uint8Array)
  return isServer ? buildUdp(back, ports, dnsAnswer(data)) : undefined
}

/** One A record for the known name, and NXDOMAIN for others. */
function dnsAnswer(query: Uint8Array): Uint8Array {
  const isKnown = utf8(KNOWN_NAME.split('.')[0] as string).every((byte, i) => query[13 + i] === byte)
  const head = query.slice()
  head.set([0x81, isKnown ? 0x80 : 0x83], 2)
  if (!isKnown) return head
  head.set([0, 1], 6)
  return Uint8Array.from([...head, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...(parseIp(KNOWN_ADDRESS) as Uint8Array)])
}
