/**
 * Reading from one socket, or not: while anything holds it, the socket is paused. A few messages of a flood are handled in each
 * turn, so that it is the flooding client that waits and not everybody else. @module
 */
import type { Clock } from '../../foundation/platform/clock.ts'
import type { WebSocketConnection } from '../../foundation/platform/net.ts'

/** `turn`: enough for this turn. `crowd`: the way out, or the client's own reading, is too slow. `answer`: an answer is being made. */
export type Hold = 'turn' | 'crowd' | 'answer'

export class Pacer {
  readonly #clock: Clock
  readonly #socket: WebSocketConnection
  readonly #messagesPerTurn: number
  readonly #holds = new Set<Hold>()
  #inTurn = 0

  constructor(clock: Clock, socket: WebSocketConnection, messagesPerTurn: number) {
    this.#clock = clock
    this.#socket = socket
    this.#messagesPerTurn = messagesPerTurn
  }

  /** A message was taken from the socket. */
  count(): void {
    if (this.#inTurn === 0) {
      this.#clock.soon(() => {
        this.#inTurn = 0
        this.release('turn')
      })
    }
    this.#inTurn++
    if (this.#inTurn >= this.#messagesPerTurn) this.hold('turn')
  }

  /** False where it was held for that already. */
  hold(hold: Hold): boolean {
    if (this.#holds.has(hold)) return false
    if (this.#holds.size === 0) this.#socket.pause()
    this.#holds.add(hold)
    return true
  }

  release(hold: Hold): void {
    if (this.#holds.delete(hold) && this.#holds.size === 0) this.#socket.resume()
  }
}
