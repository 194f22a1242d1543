/**
 * The address of programs' datagrams and pings: asked for when the first of them comes, and again with the next one after it was lost. @module
 */
import { isMixnetError, type MixnetError } from '../../foundation/base/errors.ts'
import { seconds } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import { copyPacket, type IpPacket } from '../../protocol/wire/ip/ipPacket.ts'
import type { IpTunnel } from './ipTunnel.ts'

export interface ProgramAddressOptions {
  readonly clock: Clock
  /** Opens an address for datagrams and pings; asked again after one is lost. */
  readonly tunnel: (onLost: () => void, onRefused: (destination: string) => void) => Promise<IpTunnel>
  /** Hears why datagrams and pings go nowhere, at each attempt. */
  readonly noAddress?: ((error: MixnetError) => void) | undefined
  /** Hears that the address was lost: another is opened for the next packet. */
  readonly addressLost?: (() => void) | undefined
  /** As an exit writes it, which its policy refuses. */
  readonly refused: (destination: string) => void
  /** A packet that waited may leave now. */
  readonly ready: (packet: IpPacket) => void
  /** One will not. */
  readonly dropped: () => void
  /** Of the world. */
  readonly arrived: (packet: IpPacket) => void
}

/** While the address is being asked for; what comes beyond is lost. */
const MAX_EARLY = 64
/** After a failure packets are lost for so long, before it is tried again. */
const RETRY_AFTER = seconds(5)

export class ProgramAddress {
  readonly #options: ProgramAddressOptions
  readonly #early: IpPacket[] = []
  #tunnel: IpTunnel | undefined
  #isOpening = false
  #retryAt = 0
  #closed = false

  constructor(options: ProgramAddressOptions) {
    this.#options = options
  }

  /** undefined: there is none, and what shall leave has to wait. */
  get tunnel(): IpTunnel | undefined {
    return this.#tunnel
  }

  /** Asks for an address, for which `packet` waits. Its memory stays the caller's. */
  wait(packet: IpPacket): void {
    const { clock, dropped } = this.#options
    // Kept while nobody asks, it would leave with whatever comes next, an hour later perhaps.
    const isOpen = this.#isOpening || clock.monotonic() >= this.#retryAt
    if (this.#closed || !isOpen || this.#early.length >= MAX_EARLY) return dropped()
    this.#early.push(copyPacket(packet))
    if (!this.#isOpening) this.#open()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#dropEarly()
    await this.#tunnel?.close()
  }

  #open(): void {
    const { clock, tunnel: open, noAddress, addressLost, refused, ready, arrived } = this.#options
    this.#isOpening = true
    const lost = (): void => {
      this.#tunnel = undefined
      addressLost?.()
    }
    open(lost, refused).then(
      (tunnel) => {
        this.#isOpening = false
        if (this.#closed) return void tunnel.close()
        if (!tunnel.isOpen) return this.#dropEarly()
        this.#tunnel = tunnel
        tunnel.onPacket(arrived)
        for (const packet of this.#early.splice(0)) ready(packet)
      },
      (error: unknown) => {
        if (!isMixnetError(error)) throw error
        this.#isOpening = false
        this.#dropEarly()
        this.#retryAt = clock.monotonic() + RETRY_AFTER
        noAddress?.(error)
      },
    )
  }

  #dropEarly(): void {
    for (const _ of this.#early.splice(0)) this.#options.dropped()
  }
}
