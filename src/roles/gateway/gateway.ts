/**
 * A gateway: the clients' way into the mixnet and back. It takes what ends its route here (Mixing's final packets), gives it
 * to the client it is for, now or at its next login, and only then releases the SURB-ack: what was acknowledged is never
 * lost. Rules: docs/spec/gateway.md. @module
 */
import type { EntryLink } from '../../client/entryLink.ts'
import { AddressCounts, addressBlock } from '../../foundation/base/addressCounts.ts'
import { toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, tryDecode } from '../../foundation/base/errors.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import type { Secret } from '../../foundation/base/secret.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import type { Endpoint, Listener, WebSocketConnection } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import { ACK, ACK_BYTES, SURB_ACK_BYTES } from '../../protocol/packet/sizes.ts'
import { splitSurbAck } from '../../protocol/packet/surbAck.ts'
import type { FinalPacket } from '../mixing/mixing.ts'
import { refuseTickets, type TicketVerifier } from './bandwidth.ts'
import { type ConnectionRefusal, GatewayCounters } from './counters.ts'
import { DEFAULT_GATEWAY_PARAMS, type GatewayParams } from './gatewayParams.ts'
import { HeldAcks } from './heldAcks.ts'
import { LocalLink } from './localLink.ts'
import type { Delivery } from './receipts.ts'
import { RegistrationBudgets } from './registrationBudgets.ts'
import { Session } from './session.ts'
import type { ForwardPacket, SessionHost } from './sessionHost.ts'
import { GatewayStore } from './store.ts'

const MORE_TO_PURGE_AFTER = millis(50)

/** What judging tickets needs of the gateway it is for. */
export interface TicketPlace {
  readonly world: World
  readonly identitySeed: Secret
  /** Of that seed. */
  readonly identity: Uint8Array
  readonly store: GatewayStore
  readonly params: GatewayParams
  readonly meter: Meter
  readonly log: Log
}

export interface GatewayOptions {
  readonly world: World
  /** Ed25519 seed, 32 bytes. */
  readonly identitySeed: Secret
  /** Mixing.forward. */
  readonly forward: ForwardPacket
  /** Whether the way into the mixnet is nearly full: clients are then read more slowly. Default: never. */
  readonly congested?: () => boolean
  /** Where clients and inboxes live. */
  readonly folder: string
  /** Who judges tickets, made for this gateway. Default: none is taken. */
  readonly tickets?: (place: TicketPlace) => TicketVerifier
  readonly params?: GatewayParams
  readonly meter: Meter
  readonly log: Log
}

export class Gateway {
  /** Ed25519 public key. */
  readonly identity: Uint8Array
  readonly #host: SessionHost
  readonly #listeners = new Set<Listener>()
  readonly #connections = new Set<Session>()
  readonly #sessions = new Map<string, Session>()
  readonly #local = new Map<string, LocalLink>()
  readonly #acks: HeldAcks
  readonly #registrations: RegistrationBudgets
  readonly #perAddress = new AddressCounts()
  readonly #unauthenticatedPerAddress = new AddressCounts()
  #unauthenticated = 0
  #waiting: (() => boolean)[] = []
  #resumeTimer: Timer | undefined
  #timers = new Map<'purge' | 'sweep', Timer>()
  #stopping: Promise<void> | undefined

  constructor(options: GatewayOptions) {
    const { world, identitySeed, forward, congested = () => false, folder } = options
    const { params = DEFAULT_GATEWAY_PARAMS, meter, log } = options
    const counters = new GatewayCounters(meter)
    const budget = { bytes: 0 }
    this.identity = world.crypto.ed25519PublicKey(identitySeed.expose())
    const store = new GatewayStore(world, { folder, params, counters, meter, log })
    const { tickets = () => refuseTickets } = options
    this.#acks = new HeldAcks(world.clock)
    this.#registrations = new RegistrationBudgets(world.clock, params, meter)
    this.#host = {
      world,
      identitySeed,
      forward,
      congested,
      tickets: tickets({ world, identitySeed, identity: this.identity, store, params, meter, log }),
      params,
      counters,
      budget,
      log,
      store,
      resumeLater: (resume) => {
        this.#waiting.push(resume)
        this.#resumeLater()
      },
    }
    meter.gauge('gateway_connections', 'Open websockets', () => this.#connections.size)
    meter.gauge('gateway_sessions', 'Clients logged in', () => this.#sessions.size)
    meter.gauge('gateway_unconfirmed_bytes', 'Bytes pushed and not confirmed', () => budget.bytes)
    this.#purge()
    this.#sweepLater()
  }

  /** Takes what Mixing found at its final hop. Never throws, whatever the message. */
  readonly deliver = (final: FinalPacket): void => {
    const { counters, forward } = this.#host
    const { destination, message, size, rotation } = final
    const key = toHex(destination)
    if (size === ACK) return this.#deliverAck(key, message)
    // Senders fill their packets: a shorter one could be told apart on the wire, and might pass for an ack.
    if (message.length !== size.plaintextBytes || message.length <= SURB_ACK_BYTES) return counters.drop('length')
    const split = tryDecode(() => splitSurbAck(message))
    if (isMixnetError(split)) return counters.drop('malformed')
    const { nextHop, packet } = split.ack
    const due = this.#host.world.clock.monotonic() + this.#host.params.ackHold
    const release = () => this.#acks.at(due, () => forward(nextHop, { size: ACK, rotation, packet }))
    this.#deliverMessage(destination, key, { payload: split.data, release })
  }

  /** Accepts clients. A gateway may listen at several places. */
  async listen(endpoint: Endpoint): Promise<Listener> {
    const { world, params } = this.#host
    if (this.#stopping !== undefined) throw new MixnetError('STOPPED')
    const { maxConnections, maxPerAddress, maxMessageBytes, upgradeTimeout: handshakeTimeout } = params
    const listener = await world.net.listenWebSocket(
      {
        ...endpoint,
        maxConnections,
        maxPerAddress,
        maxMessageBytes,
        handshakeTimeout,
        onRefused: (reason) => this.#host.counters.close(reason),
      },
      (socket) => this.#accept(socket),
    )
    this.#listeners.add(listener)
    return listener
  }

  /** The link of a client in this process. One for each identity at a time. */
  localLink(identity: Uint8Array): EntryLink {
    const key = toHex(identity)
    if (this.#stopping !== undefined) throw new MixnetError('STOPPED')
    if (this.#local.has(key)) throw new MixnetError('BAD_ARGUMENT', { argument: 'identity', why: 'has a link already' })
    const link = new LocalLink(this.#host, this.identity, () => this.#local.delete(key))
    this.#local.set(key, link)
    return link
  }

  /** Stores what is not confirmed, says goodbye to the clients, and closes. Mixing must still take the acks this releases. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    for (const timer of this.#timers.values()) timer.cancel()
    this.#resumeTimer?.cancel()
    for (const session of [...this.#connections]) session.end()
    this.#host.tickets.stop()
    for (const link of [...this.#local.values()]) link.stop(new MixnetError('STOPPED'))
    this.#host.store.flush()
    await Promise.all([...this.#listeners].map((listener) => listener.close()))
    this.#host.store.close()
    this.#acks.flush()
  }

  #deliverAck(key: string, ack: Uint8Array): void {
    const { counters } = this.#host
    if (ack.length !== ACK_BYTES) return counters.drop('length')
    const client = this.#local.get(key) ?? this.#sessions.get(key)?.client
    if (client === undefined) return counters.drop('ack-offline')
    if (!client.pushAck(ack)) return counters.drop('ack-slow')
    counters.pushedAcks.value++
  }

  #deliverMessage(identity: Uint8Array, key: string, delivery: Delivery): void {
    const { counters, store } = this.#host
    const local = this.#local.get(key)
    if (local !== undefined) {
      if (local.push(delivery)) counters.pushed.value++
      else counters.drop('local-queue-full')
      return
    }
    if (this.#sessions.get(key)?.client?.push(delivery)) return
    if (this.#stopping !== undefined) return counters.drop('storage')
    const kept = store.keep(identity, delivery.payload, (durable) => {
      if (!durable) return counters.drop('storage')
      delivery.release()
      this.#sessions.get(key)?.client?.drain()
    })
    if (typeof kept === 'string') counters.drop(kept)
  }

  #accept(socket: WebSocketConnection): void {
    const { counters, log } = this.#host
    const address = addressBlock(socket.remote.host)
    const refusal = this.#refusal(address)
    if (refusal !== undefined) {
      counters.close(refusal)
      log.debug('gateway.connection-refused', { reason: refusal, ip: socket.remote.host })
      socket.destroy()
      return
    }
    this.#unauthenticated++
    this.#unauthenticatedPerAddress.add(address)
    this.#perAddress.add(address)
    const session = new Session({
      host: this.#host,
      socket,
      registrations: {
        allows: () => this.#registrations.allows(address),
        take: () => this.#registrations.take(address),
      },
      registry: {
        get: (key) => this.#sessions.get(key),
        enter: (key) => this.#sessions.set(key, session),
        leave: (key) => {
          if (this.#sessions.get(key) === session) this.#sessions.delete(key)
        },
      },
      onAdmitted: () => {
        this.#unauthenticated--
        this.#unauthenticatedPerAddress.remove(address)
      },
      onClosed: () => {
        this.#connections.delete(session)
        this.#perAddress.remove(address)
      },
    })
    this.#connections.add(session)
  }

  #refusal(address: string): ConnectionRefusal | undefined {
    const { params } = this.#host
    if (this.#stopping !== undefined) return 'stopping'
    if (this.#connections.size >= params.maxConnections) return 'connections'
    if (this.#unauthenticated >= params.maxUnauthenticated) return 'unauthenticated'
    const waiting = this.#unauthenticatedPerAddress.of(address)
    if (waiting >= params.maxUnauthenticatedPerAddress) return 'unauthenticated-of-address'
    return this.#perAddress.of(address) >= params.maxPerAddress ? 'connections-of-address' : undefined
  }

  #resumeLater(): void {
    this.#resumeTimer ??= this.#host.world.clock.after(this.#host.params.resumeEvery, () => {
      this.#resumeTimer = undefined
      const waiting = this.#waiting
      this.#waiting = []
      for (const resume of waiting) if (!resume()) this.#waiting.push(resume)
      if (this.#waiting.length > 0) this.#resumeLater()
    })
  }

  #purge(): void {
    const more = this.#host.store.purge()
    this.#every('purge', more ? MORE_TO_PURGE_AFTER : this.#host.params.purgeEvery, () => this.#purge())
  }

  #sweepLater(): void {
    const { world, params } = this.#host
    this.#every('sweep', params.idlePingAfter, () => {
      const now = world.clock.monotonic()
      this.#host.store.noteTime()
      for (const session of this.#sessions.values()) session.client?.sweep(now)
      this.#sweepLater()
    })
  }

  #every(name: 'purge' | 'sweep', delay: Millis, run: () => void): void {
    this.#timers.set(name, this.#host.world.clock.after(delay, run))
  }
}
