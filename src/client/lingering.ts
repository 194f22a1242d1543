/**
 * Connections to gateways that the client has left, kept for a while to receive: answers on their way go where they were addressed,
 * and the old gateway, where it lives, has taken and acknowledged them. Who sent them will not send them again, and a stream that
 * lacks one message is broken. The old gateway knows this client; what it learns is that the client is still there. @module
 */
import type { Millis } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'
import type { GatewayConnection } from './gatewayConnection.ts'

interface Kept {
  readonly connection: GatewayConnection
  readonly timer: Timer
}

export class Lingering {
  readonly #clock: Clock
  readonly #limit: Millis
  /** By base58 identity. */
  readonly #kept = new Map<string, Kept>()
  readonly #closing = new Set<Promise<void>>()

  constructor(clock: Clock, limit: Millis) {
    this.#clock = clock
    this.#limit = limit
  }

  /** Until the limit, or until it is taken or dropped. It goes on reconnecting meanwhile. */
  keep(name: string, connection: GatewayConnection): void {
    this.drop(name)
    const timer = this.#clock.after(this.#limit, () => this.drop(name))
    this.#kept.set(name, { connection, timer })
  }

  /** Back into use, where it is open; a new connection is as good as one that waits to try again. */
  take(name: string): GatewayConnection | undefined {
    const kept = this.#kept.get(name)
    if (kept?.connection.isOpen !== true) {
      this.drop(name)
      return undefined
    }
    kept.timer.cancel()
    this.#kept.delete(name)
    return kept.connection
  }

  drop(name: string): void {
    const kept = this.#kept.get(name)
    if (kept === undefined) return
    kept.timer.cancel()
    this.#kept.delete(name)
    this.end(kept.connection)
  }

  /** Closes a connection that nobody needs any more. */
  end(connection: GatewayConnection): void {
    const done = connection.close().finally(() => this.#closing.delete(done))
    this.#closing.add(done)
  }

  async close(): Promise<void> {
    for (const name of [...this.#kept.keys()]) this.drop(name)
    await Promise.all(this.#closing)
  }
}
