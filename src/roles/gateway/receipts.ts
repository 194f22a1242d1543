/**
 * What was pushed to a client and not confirmed yet. A websocket is ordered and every client answers pings by itself, so the
 * answer to a ping confirms all that was pushed before it. Only then, or once a message is stored, may its SURB-ack be
 * released: what was acknowledged is never lost.
 *
 *   pushed ── ping at the end of the turn ──▶ pong ──▶ confirmed: ack released, stored copy deleted
 *      └── no pong in time, or the session closes ──▶ stored: ack released once durable; repeated at the next login
 *
 * While a pong is overdue the session is `silent`: nothing more is pushed, new messages go to the inbox. @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import type { Millis } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import type { InboxRow } from './gatewaySchema.ts'

const PING_BYTES = 8

/** A message for a client, and what to do once it cannot be lost any more. */
export interface Delivery {
  readonly payload: Uint8Array
  /** Sends the SURB-ack. Called at most once. */
  release(): void
}

/** Bytes of all sessions together that are pushed and not confirmed. */
export interface UnconfirmedBudget {
  bytes: number
}

export interface ReceiptsOptions {
  readonly clock: Clock
  readonly random: RandomStream
  readonly budget: UnconfirmedBudget
  readonly pongTimeout: Millis
  readonly stallTimeout: Millis
  readonly ping: (data: Uint8Array) => void
  /** Stages a message for the inbox; undefined where that is refused. `done` follows the commit. */
  readonly keep: (payload: Uint8Array, done: (durable: boolean) => void) => InboxRow | undefined
  /** Stored copies of confirmed messages. */
  readonly remove: (rows: readonly InboxRow[]) => void
  /** Messages were confirmed: there is room again, and the client is awake. */
  readonly onConfirmed: (messages: number) => void
  /** No pong at all for `stallTimeout`. */
  readonly onStalled: () => void
}

interface Pushed {
  /** What counts against the bounds: nothing once it is stored. */
  bytes: number
  /** Until it is stored or confirmed. */
  delivery: Delivery | undefined
  row: InboxRow | undefined
}

interface Ping {
  readonly data: Uint8Array
  /** How many messages had been pushed before it, since the session began. */
  readonly covers: number
}

export class Receipts {
  readonly #options: ReceiptsOptions
  #pushed: Pushed[] = []
  /** Messages confirmed since the session began: the number of the first in `#pushed`. */
  #first = 0
  #pings: Ping[] = []
  #unconfirmedBytes = 0
  #pingSoon = false
  #timer: Timer | undefined
  #waitingSince: number | undefined
  #silent = false
  #closed = false
  readonly #rows = new Set<number>()
  #probes: ((alive: boolean) => void)[] = []

  constructor(options: ReceiptsOptions) {
    this.#options = options
  }

  get silent(): boolean {
    return this.#silent
  }

  get unconfirmedBytes(): number {
    return this.#unconfirmedBytes
  }

  /** Whether this stored message has been pushed in this session and is not confirmed. */
  hasRow(id: number): boolean {
    return this.#rows.has(id)
  }

  /** Notes a message that was just pushed: a live one, or one from the inbox. */
  pushed(message: Delivery | InboxRow): void {
    const stored = 'id' in message
    const bytes = stored ? message.bytes : message.payload.length
    this.#pushed.push({ bytes, delivery: stored ? undefined : message, row: stored ? message : undefined })
    if (stored) this.#rows.add(message.id)
    this.#unconfirmedBytes += bytes
    this.#options.budget.bytes += bytes
    if (this.#pings.length === 0) this.#pingLater()
  }

  pong(data: Uint8Array): void {
    // The newest first: a client may answer only the last of several pings, and that answers the earlier ones too.
    const index = this.#pings.findLastIndex((ping) => equalBytes(ping.data, data))
    if (this.#closed || index < 0) return
    const { covers } = this.#pings[index] as Ping
    this.#pings = this.#pings.slice(index + 1)
    this.#timer?.cancel()
    this.#timer = undefined
    this.#waitingSince = undefined
    this.#silent = false
    const confirmed = this.#pushed.splice(0, covers - this.#first)
    this.#first = covers
    const rows: InboxRow[] = []
    for (const message of confirmed) {
      const { delivery, row } = message
      message.delivery = undefined
      this.#forgetBytes(message)
      if (row !== undefined) {
        this.#rows.delete(row.id)
        rows.push(row)
      }
      delivery?.release()
    }
    this.#options.remove(rows)
    this.#settleProbes(true)
    if (this.#pings.length > 0) this.#expectPong()
    else if (this.#pushed.length > 0) this.#pingLater()
    this.#options.onConfirmed(confirmed.length)
  }

  /** Pings an idle client, unless it is being waited for anyway. */
  nudge(): void {
    if (this.#pings.length === 0) this.#ping()
  }

  /** Asks whether anybody is there: true with the next pong, false without one in time. */
  probe(done: (alive: boolean) => void): void {
    if (this.#closed) return done(false)
    this.#probes.push(done)
    this.#ping()
    this.#options.clock.after(this.#options.pongTimeout, () => {
      const index = this.#probes.indexOf(done)
      if (index < 0) return
      this.#probes.splice(index, 1)
      done(false)
    })
  }

  /** The session is over: stores what is not confirmed. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#timer?.cancel()
    this.#store()
    for (const message of this.#pushed) this.#forgetBytes(message)
    this.#pushed = []
    this.#pings = []
    this.#rows.clear()
    this.#settleProbes(false)
  }

  #pingLater(): void {
    if (this.#pingSoon) return
    this.#pingSoon = true
    this.#options.clock.soon(() => {
      this.#pingSoon = false
      if (!this.#closed && this.#pings.length === 0 && this.#pushed.length > 0) this.#ping()
    })
  }

  #ping(): void {
    const data = this.#options.random.bytes(PING_BYTES)
    this.#pings.push({ data, covers: this.#first + this.#pushed.length })
    this.#waitingSince ??= this.#options.clock.monotonic()
    this.#options.ping(data)
    if (this.#timer === undefined) this.#expectPong()
  }

  #expectPong(): void {
    const { clock, pongTimeout } = this.#options
    this.#waitingSince ??= clock.monotonic()
    this.#timer = clock.after(pongTimeout, () => this.#overdue())
  }

  #overdue(): void {
    this.#timer = undefined
    this.#silent = true
    this.#store()
    const { clock, stallTimeout } = this.#options
    if (clock.monotonic() - (this.#waitingSince ?? 0) >= stallTimeout) return this.#options.onStalled()
    // Again: a client with much to say may skip a ping. A stall lasts a minute, so these are few.
    this.#ping()
  }

  /** One commit for all of them: they are staged in one go. */
  #store(): void {
    for (const message of this.#pushed) {
      const { delivery } = message
      if (delivery === undefined || message.row !== undefined) continue
      message.row = this.#options.keep(delivery.payload, (durable) => this.#kept(message, durable))
      if (message.row === undefined) message.delivery = undefined
      else if (!this.#closed) this.#rows.add(message.row.id)
    }
  }

  #kept(message: Pushed, durable: boolean): void {
    const { delivery, row } = message
    // Confirmed meanwhile: the ack is on its way already.
    if (delivery === undefined || row === undefined) return
    message.delivery = undefined
    this.#forgetBytes(message)
    if (durable) return delivery.release()
    this.#rows.delete(row.id)
    message.row = undefined
  }

  #forgetBytes(message: Pushed): void {
    this.#unconfirmedBytes -= message.bytes
    this.#options.budget.bytes -= message.bytes
    message.bytes = 0
  }

  #settleProbes(alive: boolean): void {
    const probes = this.#probes
    this.#probes = []
    for (const done of probes) done(alive)
  }
}
