/** How the pump (packetPump.ts) is started by socat, and packets to and from it. @module */
import { fileURLToPath } from 'node:url'
import type { Channel } from '../processes.ts'
import { siblingModule } from './nodeThread.ts'
import { framed, LENGTH_BYTES, MAX_PACKET_BYTES, PacketFrames } from './packetFrames.ts'

/**
 * An address of socat, which becomes our own Node with the pump: the device is its standard input and output, and file descriptor 3 whatever socat has
 * there. Paths come by the environment, since in an address a comma or a quote is socat's. Packets die young, and a larger young generation only lets
 * more of them wait for it.
 */
export const PUMP = `EXEC:"/bin/sh -c 'exec \\"$STARLING_NODE\\" --max-semi-space-size=1 \\"$STARLING_PUMP\\"'",nofork`
export const PUMP_ENV: Readonly<Record<'STARLING_NODE' | 'STARLING_PUMP', string>> = {
  STARLING_NODE: process.execPath,
  STARLING_PUMP: fileURLToPath(siblingModule('packetPump', import.meta.url)),
}

/** Packets that the pump has not taken: as much as a device's own queue holds (500), for more would only be later. The kernel holds some 200 kB beyond. */
const MAX_WAITING_BYTES = 768 * 1024

export class PumpStream {
  /** When the pump reads both ways. */
  readonly started: Promise<void>
  readonly #channel: Channel
  readonly #handler: (packet: Uint8Array) => void
  /** Of this turn of the event loop: they leave in one system call. */
  #batch: Uint8Array[] = []
  #batchBytes = 0

  /** `handler` gets whole packets, which are its own. `closed`: the pump is gone. */
  constructor(channel: Channel, handler: (packet: Uint8Array) => void, closed: () => void = () => {}) {
    this.#channel = channel
    this.#handler = handler
    const { promise, resolve } = Promise.withResolvers<void>()
    this.started = promise
    const frames = new PacketFrames()
    const take = (packet: Uint8Array): void => {
      if (packet.length === 0) resolve()
      // A view of some kept packet would keep all that came with it.
      else this.#handler(packet.slice())
    }
    channel.attach({ data: (chunk) => frames.push(chunk, take), close: closed })
  }

  /** False where too much waits already, or it is longer than a packet can be: it is lost. */
  send(packet: Uint8Array): boolean {
    if (packet.length === 0 || packet.length > MAX_PACKET_BYTES) return false
    const bytes = LENGTH_BYTES + packet.length
    if (this.#channel.bufferedBytes + this.#batchBytes + bytes > MAX_WAITING_BYTES) return false
    if (this.#batch.length === 0) setImmediate(() => this.#flush())
    this.#batch.push(packet)
    this.#batchBytes += bytes
    return true
  }

  #flush(): void {
    this.#channel.write([framed(this.#batch)])
    this.#batch = []
    this.#batchBytes = 0
  }
}
