/** What the tests of the packet router share: destinations, and engines that carry nothing. No tests here. @module */
import type { Connection, ConnectionHandlers, Endpoint } from '../../../foundation/platform/net.ts'
import type { OpenWayOut, WayOutOptions } from './wayOut.ts'

/** What was connected to, as the router's side sees it. */
export class Outside implements Connection {
  readonly local: Endpoint = { host: '9.9.9.9', port: 1 }
  readonly remote: Endpoint
  readonly written: Uint8Array[] = []
  handlers: ConnectionHandlers | undefined
  hasRoom = true
  isPaused = false
  fate: 'open' | 'ended' | 'destroyed' | 'reset' = 'open'
  bufferedBytes = 0
  constructor(remote: Endpoint) {
    this.remote = remote
  }
  attach(handlers: ConnectionHandlers): void {
    this.handlers = handlers
  }
  write(chunks: readonly Uint8Array[]): boolean {
    this.written.push(...chunks)
    return this.hasRoom
  }
  pause(): void {
    this.isPaused = true
  }
  resume(): void {
    this.isPaused = false
  }
  end(): void {
    this.fate = 'ended'
  }
  destroy(): void {
    this.#close('destroyed')
  }
  reset(): void {
    this.#close('reset')
  }
  #close(fate: 'destroyed' | 'reset'): void {
    if (this.fate === 'destroyed' || this.fate === 'reset') return
    this.fate = fate
    this.handlers?.close()
  }
}

/** An engine that takes what it is given. */
export class FakeWay implements OpenWayOut {
  readonly options: WayOutOptions
  readonly sent: Uint8Array[] = []
  busy = false
  isPaused = false
  resumed = 0
  closed = false
  constructor(options: WayOutOptions) {
    this.options = options
  }
  send(packet: Uint8Array): boolean {
    if (!this.busy) this.sent.push(packet)
    return !this.busy
  }
  pause(): void {
    this.isPaused = true
  }
  resume(): void {
    this.isPaused = false
    this.resumed++
  }
  async close(): Promise<void> {
    this.closed = true
  }
}
