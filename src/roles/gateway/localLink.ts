/**
 * The way into the mixnet of a client that lives in the gateway's own process, as an exit's does: no websocket, no
 * encryption, no metering. It is given its messages at the end of the turn, and their acks are released then. @module
 */

import type { EntryLink, EntryLinkHandlers } from '../../client/entryLink.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { packetSizeByTotal } from '../../protocol/packet/sizes.ts'
import type { MixPacket } from '../../protocol/wire/mixPacket.ts'
import type { Delivery } from './receipts.ts'
import type { SessionHost } from './sessionHost.ts'

export class LocalLink implements EntryLink {
  readonly gateway: Uint8Array
  readonly #host: SessionHost
  readonly #onClosed: () => void
  #handlers: EntryLinkHandlers | undefined
  #queue: Delivery[] = []
  #open = true
  #delivering = false

  constructor(host: SessionHost, gateway: Uint8Array, onClosed: () => void) {
    this.#host = host
    this.gateway = gateway
    this.#onClosed = onClosed
  }

  get isOpen(): boolean {
    return this.#open
  }

  attach(handlers: EntryLinkHandlers): void {
    if (this.#handlers !== undefined) throw new MixnetError('INTERNAL', { what: 'entry link attached twice' })
    this.#handlers = handlers
    this.#host.world.clock.soon(() => {
      if (this.#open) handlers.opened()
    })
    this.#deliverSoon()
  }

  send({ packet, nextHop, rotation }: MixPacket): boolean {
    if (!this.#open || this.#host.congested()) return false
    const size = packetSizeByTotal(packet.length)
    if (size === undefined) throw new MixnetError('BAD_ARGUMENT', { argument: 'packet', bytes: packet.length })
    this.#host.counters.forwarded.value++
    this.#host.forward(nextHop, { size, rotation, packet })
    return true
  }

  /** False where too many wait for the end of the turn, or the link is closed: the message is dropped, and not acknowledged. */
  push(delivery: Delivery): boolean {
    if (!this.#open || this.#queue.length >= this.#host.params.localQueueCapacity) return false
    this.#queue.push(delivery)
    this.#deliverSoon()
    return true
  }

  pushAck(ack: Uint8Array): boolean {
    return this.push({ payload: ack, release() {} })
  }

  close(): Promise<void> {
    this.stop()
    return Promise.resolve()
  }

  /** `error`: the client did not ask for it. */
  stop(error?: MixnetError): void {
    if (!this.#open) return
    this.#open = false
    this.#queue = []
    this.#onClosed()
    if (error !== undefined) this.#handlers?.lost(error)
  }

  #deliverSoon(): void {
    if (this.#delivering || this.#handlers === undefined || this.#queue.length === 0) return
    this.#delivering = true
    this.#host.world.clock.soon(() => this.#deliver())
  }

  #deliver(): void {
    this.#delivering = false
    const queue = this.#queue
    this.#queue = []
    for (const { payload, release } of queue) {
      if (!this.#open) return
      this.#handlers?.pushed(payload)
      release()
    }
  }
}
