/**
 * The way out through a TUN device: one for all clients, and the kernel forwards and translates. What comes back finds its client by the address
 * it is for. Where the device is lost every client is, and the next one that connects has it made again. @module
 */
import { isMixnetError, MixnetError } from '../../../foundation/base/errors.ts'
import { IPV4_BYTES, IPV6_BYTES } from '../../../foundation/base/ipAddress.ts'
import { machineError } from '../../../foundation/base/machineError.ts'
import type { Log } from '../../../foundation/base/observe.ts'
import type { TunDevice } from '../../../foundation/platform/tunDevice.ts'
import type { IpPair } from '../../../protocol/wire/exit/bincode.ts'
import type { OpenWayOut, WayOut, WayOutOptions } from './wayOut.ts'

/** What the machine around the device has to do. */
export interface TunMachine {
  /** Bytes of a packet on the device. */
  readonly mtu: number
  /** A device that packets for clients are routed to, and whose packets the kernel forwards. Throws ENGINE_UNAVAILABLE, ENGINE_FAILED. */
  openDevice(): Promise<TunDevice>
  /** Ends every connection that the kernel knows of these addresses. Throws ENGINE_FAILED. */
  forget(ips: IpPair): Promise<void>
  /** Takes back what was changed for the device. */
  close(): Promise<void>
}

export interface TunWayOutOptions {
  readonly machine: TunMachine
  readonly log: Log
}

/** Throws ENGINE_UNAVAILABLE, ENGINE_FAILED. */
export async function openTun(options: TunWayOutOptions): Promise<WayOut> {
  const wayOut = new TunWayOut(options)
  await wayOut.device()
  return wayOut
}

class TunWayOut implements WayOut {
  readonly #options: TunWayOutOptions
  readonly #byAddress = new Map<string, WayOutOptions>()
  #device: Promise<TunDevice> | undefined
  #isClosed = false

  constructor(options: TunWayOutOptions) {
    this.#options = options
  }

  get mtu(): number {
    return this.#options.machine.mtu
  }

  /** The one there is, or a new one. */
  device(): Promise<TunDevice> {
    if (this.#isClosed) return Promise.reject(failed('closed'))
    this.#device ??= this.#made().catch((error: unknown) => {
      this.#device = undefined
      throw error
    })
    return this.#device
  }

  async open(options: WayOutOptions, signal: AbortSignal): Promise<OpenWayOut> {
    const { machine } = this.#options
    expectGoing(signal)
    const opening = this.device()
    const device = await opening
    // The kernel remembers connections for days, and would hand this client what is sent to one that had the address before. Now, and not when
    // that one left: what it had sent then could still be on its way to the kernel, and be remembered after all.
    await machine.forget(options.ips)
    expectGoing(signal)
    if (this.#device !== opening) throw failed('ended')
    for (const key of keysOf(options.ips)) this.#byAddress.set(key, options)
    return {
      send: (packet) => device.send(packet),
      // The device is everybody's and cannot wait for one. What a client does not take its own queue loses, the oldest first.
      pause() {},
      resume() {},
      close: async () => {
        for (const key of keysOf(options.ips)) if (this.#byAddress.get(key) === options) this.#byAddress.delete(key)
        // Whoever still writes to it is told that nobody is there, and the kernel's table stays small.
        await machine.forget(options.ips).catch(ignoreMixnetError)
      },
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const device = await this.#device?.catch(() => undefined)
    this.#byAddress.clear()
    await device?.close()
    await this.#options.machine.close()
  }

  async #made(): Promise<TunDevice> {
    const { machine, log } = this.#options
    const device = await machine.openDevice()
    device.onPacket((packet) => {
      const key = destinationKey(packet)
      if (key !== undefined) this.#byAddress.get(key)?.received(packet)
    })
    void device.ended.then(() => {
      if (this.#isClosed) return
      this.#device = undefined
      const lost = new Set(this.#byAddress.values())
      this.#byAddress.clear()
      log.warn('packets.device-lost', { clients: lost.size, next: 'made again for the next client' })
      for (const one of lost) one.lost(failed('ended'))
    })
    return device
  }
}

const failed = (why: string): MixnetError =>
  machineError('ENGINE_FAILED', { engine: 'tun', why }, { message: 'the device for packets is gone' })

/** What a signal throws by itself is no MixnetError. Throws ABORTED. */
function expectGoing(signal: AbortSignal): void {
  if (signal.aborted) throw new MixnetError('ABORTED')
}

function ignoreMixnetError(error: unknown): void {
  if (!isMixnetError(error)) throw error
}

const keyOf = (address: Uint8Array): string => address.join('.')
const keysOf = ({ ipv4, ipv6 }: IpPair): readonly string[] => [keyOf(ipv4), keyOf(ipv6)]

/** Whom a packet is for, whatever else it is: the router reads the whole. undefined of what is no packet. */
function destinationKey(packet: Uint8Array): string | undefined {
  const version = (packet[0] ?? 0) >> 4
  const [start, length] = version === 4 ? [16, IPV4_BYTES] : version === 6 ? [24, IPV6_BYTES] : [0, 0]
  return length === 0 || packet.length < start + length ? undefined : keyOf(packet.subarray(start, start + length))
}
