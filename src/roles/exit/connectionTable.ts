/**
 * The connections of a network requester, and who gives way where all places or all bytes are taken: bounded by sender and in all, since
 * pseudonyms are free. @module
 */
import type { Millis } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { ExitConnection } from './connection.ts'
import type { ExitResource } from './exitParams.ts'
import type { Quotas, QuotaVerdict } from './quotas.ts'

export interface ConnectionTableOptions {
  readonly clock: Clock
  readonly quotas: Quotas<ExitResource>
  /** Of a client that should say something once a minute: more than that, and its place is anybody's who asks. */
  readonly giveWayAfter: Millis
  /** This one had to, and was not told. */
  readonly gaveWay: (key: string) => void
}

export class ConnectionTable {
  readonly #options: ConnectionTableOptions
  readonly #connections = new Map<string, ExitConnection>()
  #emptied: (() => void) | undefined

  constructor(options: ConnectionTableOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#connections.size
  }

  /** As they are now: each may end while one looks at them. */
  get all(): readonly ExitConnection[] {
    return [...this.#connections.values()]
  }

  get(key: string): ExitConnection | undefined {
    return this.#connections.get(key)
  }

  /** Whether a sender has any, those not yet made included. */
  isConnected(sender: string): boolean {
    return this.#options.quotas.held('connections', sender) > 0
  }

  /** A place for a connection of that sender until `remove`, and one among those being made until `made`. */
  admit(sender: string): QuotaVerdict {
    const { quotas } = this.#options
    const connecting = quotas.take('connects', sender)
    if (connecting !== 'granted') return connecting
    let verdict = quotas.take('connections', sender)
    if (verdict === 'overall' && this.#makeRoom()) verdict = quotas.take('connections', sender)
    if (verdict !== 'granted') quotas.give('connects', sender)
    return verdict
  }

  add(key: string, connection: ExitConnection): void {
    this.#connections.set(key, connection)
  }

  made(sender: string): void {
    this.#options.quotas.give('connects', sender)
  }

  remove(key: string, sender: string): void {
    this.#connections.delete(key)
    this.#options.quotas.give('connections', sender)
    if (this.#connections.size === 0) this.#emptied?.()
  }

  /** Ends all. Resolves when each has told its client goodbye and that has left, or the time for it is over. */
  async end(limit: Millis): Promise<void> {
    const emptied = new Promise<void>((resolve) => (this.#emptied = resolve))
    for (const connection of this.all) connection.fail('stopped')
    const late = this.#options.clock.after(limit, () => {
      for (const connection of this.all) connection.drop('stopped')
    })
    if (this.size > 0) await emptied
    late.cancel()
  }

  /** Room for a client's bytes. Where all is taken, the connection that holds the most loses it, not the one that asks. */
  reserve(asking: ExitConnection, sender: string, bytes: number): boolean {
    const { quotas } = this.#options
    const verdict = quotas.take('bytes', sender, bytes)
    if (verdict !== 'overall') return verdict === 'granted'
    let largest = asking
    for (const other of this.#connections.values()) {
      if (other.reservedBytes > largest.reservedBytes) largest = other
    }
    if (largest === asking) return false
    largest.fail('too-many-bytes')
    return quotas.take('bytes', sender, bytes) === 'granted'
  }

  release(sender: string, bytes: number): void {
    this.#options.quotas.give('bytes', sender, bytes)
  }

  /** The one whose client has been silent the longest, if that is too long: it was killed, or lost its network, and keeps its place for minutes. */
  #makeRoom(): boolean {
    const { clock, giveWayAfter, gaveWay } = this.#options
    const now = clock.monotonic()
    let silent: readonly [string, ExitConnection] | undefined
    let longest: number = giveWayAfter
    for (const entry of this.#connections) {
      const silence = entry[1].missedFor(now)
      if (silence < longest) continue
      silent = entry
      longest = silence
    }
    if (silent === undefined) return false
    const [key, connection] = silent
    connection.drop('gave-way')
    gaveWay(key)
    return true
  }
}
