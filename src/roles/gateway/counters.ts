/** What a gateway counts. Every drop and every refusal has a reason. @module */
import type { Counter, Meter } from '../../foundation/base/observe.ts'
import type { AuthenticationRefusal } from '../../protocol/wire/gateway/authentication.ts'
import type { BinaryRefusalReason } from '../../protocol/wire/gateway/binary.ts'
import type { HandshakeFailure } from '../../protocol/wire/gateway/handshakeFailure.ts'

/** Packets for clients that were not delivered, and whose senders therefore get no ack. */
export type DeliveryDrop =
  | 'malformed'
  | 'length'
  | 'unknown-client'
  | 'client-inbox-full'
  | 'inbox-full'
  | 'storage'
  | 'local-queue-full'
  | 'ack-offline'
  | 'ack-slow'

/** Connections that were refused or closed by us. */
export type ConnectionRefusal =
  | 'stopping'
  | 'connections'
  | 'unauthenticated'
  | 'unauthenticated-of-address'
  | 'unread-before-login'
  | 'connections-of-address'
  | 'message-timeout'
  | 'admission-timeout'
  | 'binary-before-login'
  | 'text-before-login'
  | 'too-long'
  | 'legacy-authentication'
  | 'duplicate-session'
  | 'stale-session'
  | 'clients'
  | 'registrations-of-address'
  | 'storage'
  | 'slow'
  | 'stalled'
  | 'bad-tickets'
  | `login-${AuthenticationRefusal['reason']}`
  | `registration-${HandshakeFailure['reason']}`

/** Requests of open sessions answered with an error. */
export type RequestRefusal =
  | `frame-${BinaryRefusalReason}`
  | 'text-malformed'
  | 'text-illegal'
  | 'encrypted-request'
  | 'ticket'
  | 'claim'
  | 'upgrade-mode'
  | 'bandwidth'

export class GatewayCounters {
  readonly forwarded: Counter
  readonly pushed: Counter
  readonly pushedAcks: Counter
  readonly confirmed: Counter
  readonly stored: Counter
  readonly storageFailures: Counter
  readonly evictedUnused: Counter
  readonly evictedIdle: Counter
  readonly #meter: Meter
  readonly #byReason = new Map<string, Counter>()

  constructor(meter: Meter) {
    this.#meter = meter
    this.forwarded = meter.counter('gateway_forwarded_total', 'Packets of clients handed to the mixnet')
    this.pushed = meter.counter('gateway_pushed_total', 'Messages pushed to clients')
    this.pushedAcks = meter.counter('gateway_pushed_acks_total', 'Acks pushed to clients')
    this.confirmed = meter.counter('gateway_confirmed_total', 'Pushed messages that clients confirmed')
    this.stored = meter.counter('gateway_stored_total', 'Messages stored for later')
    const evicted = (reason: string) =>
      meter.counter('gateway_clients_evicted_total', 'Clients forgotten to make room for new ones', { reason })
    this.evictedUnused = evicted('unused')
    this.evictedIdle = evicted('idle')
    this.storageFailures = meter.counter('gateway_storage_failures_total', 'Commits that failed')
  }

  drop(reason: DeliveryDrop): void {
    this.#count('gateway_dropped_total', 'Packets for clients dropped, without an ack', reason)
  }

  close(reason: ConnectionRefusal): void {
    this.#count('gateway_connections_refused_total', 'Connections of clients closed by us', reason)
  }

  refuse(reason: RequestRefusal): void {
    this.#count('gateway_requests_refused_total', 'Requests of clients answered with an error', reason)
  }

  #count(name: string, help: string, reason: string): void {
    const key = `${name} ${reason}`
    let counter = this.#byReason.get(key)
    if (counter === undefined) {
      counter = this.#meter.counter(name, help, { reason })
      this.#byReason.set(key, counter)
    }
    counter.value++
  }
}
