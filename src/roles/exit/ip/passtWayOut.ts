/**
 * The way out through passt, a program that makes sockets of IP packets: one process for each client, without root, without a device. What
 * the process does is what its client asked for; ending it ends whatever the client had open, and nobody else's. https://passt.top @module
 */
import { isMixnetError, MixnetError } from '../../../foundation/base/errors.ts'
import { formatIp } from '../../../foundation/base/ipAddress.ts'
import { machineError } from '../../../foundation/base/machineError.ts'
import { seconds } from '../../../foundation/base/units.ts'
import type { Clock } from '../../../foundation/platform/clock.ts'
import type { Channel, ChildProcess, Processes } from '../../../foundation/platform/processes.ts'
import type { RandomStream } from '../../../foundation/platform/random.ts'
import { FrameReader, frameHeader, type MacAddresses } from '../../../protocol/wire/ip/ethernet.ts'
import { readIpPacket } from '../../../protocol/wire/ip/ipPacket.ts'
import { ROUTER_IPS } from './addressPool.ts'
import { type ClientPorts, SharedPorts } from './sharedPorts.ts'
import type { OpenWayOut, WayOut, WayOutOptions } from './wayOut.ts'

export interface PasstOptions {
  readonly processes: Processes
  readonly clock: Clock
  /** Draws ports and numbers that others shall not guess. */
  readonly random: RandomStream
  /** Its path. Default: where Debian installs it. */
  readonly program?: string
}

const PROGRAM = '/usr/bin/passt'
const MTU = 1500
/** Characters of its complaint at the start. */
const MAX_SAID = 200
const STOP_GRACE = seconds(2)
/** Packets that it has not taken yet: what a slow process may cost. */
const MAX_BUFFERED_BYTES = 256 * 1024
/** Locally administered, and on no wire. */
const OURS = Uint8Array.of(2, 0, 0, 0, 0, 1)
const THEIRS = Uint8Array.of(2, 0, 0, 0, 0, 2)
const MACS: MacAddresses = { source: OURS, destination: THEIRS }

/** Throws ENGINE_UNAVAILABLE where it is not installed, or does not run. */
export async function openPasst(options: PasstOptions): Promise<WayOut> {
  const { processes, program = PROGRAM } = options
  const asked = await startPasst(processes, program, ['--version'])
  const { code } = await asked.ended
  if (code !== 0) throw machineError('ENGINE_UNAVAILABLE', { engine: 'passt', program, code: code ?? '' })
  return passtWayOut(options)
}

async function startPasst(processes: Processes, program: string, args: readonly string[]): Promise<ChildProcess> {
  try {
    return await processes.start({ program, args, channel: true })
  } catch (cause) {
    if (!isMixnetError(cause, 'FILE_UNUSABLE')) throw cause
    throw machineError('ENGINE_UNAVAILABLE', { engine: 'passt', program }, { cause })
  }
}

function passtWayOut(options: PasstOptions): WayOut {
  const open = new Set<OpenPasst>()
  const ports = new SharedPorts(options)
  return {
    mtu: MTU,
    async open(wayOut, signal) {
      if (signal.aborted) throw new MixnetError('ABORTED')
      const passt = await OpenPasst.start(options, wayOut, ports.forClient())
      open.add(passt)
      void passt.ended.then(() => open.delete(passt))
      return passt
    },
    async close() {
      await Promise.all([...open].map((one) => one.close()))
    },
  }
}

function argsFor({ ips }: Pick<WayOutOptions, 'ips'>): string[] {
  return [
    ['--foreground', '--quiet', '--stderr', '--fd', '3'],
    ['--address', formatIp(ips.ipv4), '--netmask', '16', '--gateway', formatIp(ROUTER_IPS.ipv4)],
    ['--address', formatIp(ips.ipv6), '--gateway', formatIp(ROUTER_IPS.ipv6)],
    ['--mac-addr', [...THEIRS].map((byte) => byte.toString(16).padStart(2, '0')).join(':'), '--mtu', String(MTU)],
    // Nobody configures itself here, nobody comes in, and the gateway's address is not this machine's loopback.
    ['--no-dhcp', '--no-dhcpv6', '--no-ndp', '--no-ra', '--no-map-gw', '--dns', 'none'],
    ['--tcp-ports', 'none', '--udp-ports', 'none'],
  ].flat()
}

class OpenPasst implements OpenWayOut {
  readonly ended: Promise<void>
  readonly #process: ChildProcess
  readonly #channel: Channel
  readonly #ports: ClientPorts
  #isClosed = false
  #hasCarried = false

  private constructor(process: ChildProcess, channel: Channel, { received, lost }: WayOutOptions, ports: ClientPorts) {
    this.#process = process
    this.#channel = channel
    this.#ports = ports
    const frames = new FrameReader()
    channel.attach({
      data: (chunk) => {
        const packets = frames.push(chunk)
        if (packets === false) return channel.destroy()
        for (const bytes of packets) {
          const packet = readIpPacket(bytes)
          // What cannot be read the router counts.
          const coming = 'fault' in packet ? bytes : ports.coming(packet)
          if (coming !== undefined) received(coming)
        }
      },
      // A process that has nothing more to say to us is of no use, whether it knows or not: it ends, and the client hears of it.
      close: () => void process.stop(STOP_GRACE),
    })
    this.ended = process.ended.then(({ code, signal }) => {
      ports.end()
      if (this.#isClosed) return
      this.#isClosed = true
      channel.destroy()
      // Later it may speak of whom the client wrote to, which is for no log.
      const said = this.#hasCarried ? '' : (process.output().trim().split('\n').at(-1) ?? '')
      lost(
        machineError('ENGINE_FAILED', { engine: 'passt', code: code ?? signal ?? '', said: said.slice(0, MAX_SAID) }),
      )
    })
  }

  static async start(
    { processes, program = PROGRAM }: PasstOptions,
    options: WayOutOptions,
    ports: ClientPorts,
  ): Promise<OpenPasst> {
    const process = await startPasst(processes, program, argsFor(options))
    if (process.channel === undefined) throw new MixnetError('INTERNAL', { what: 'no channel' })
    return new OpenPasst(process, process.channel, options, ports)
  }

  send(bytes: Uint8Array): boolean {
    if (this.#isClosed) return false
    if (this.#channel.bufferedBytes + bytes.length > MAX_BUFFERED_BYTES) return false
    const read = readIpPacket(bytes)
    const packet = 'fault' in read ? undefined : this.#ports.leaving(read)
    if (packet === undefined) return false
    this.#hasCarried = true
    this.#channel.write([frameHeader(packet, MACS), packet])
    return true
  }

  pause(): void {
    this.#channel.pause()
  }

  resume(): void {
    this.#channel.resume()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#channel.destroy()
    await this.#process.stop(STOP_GRACE)
  }
}
