/** What sessions need from the gateway they belong to. @module */
import type { Log } from '../../foundation/base/observe.ts'
import type { Secret } from '../../foundation/base/secret.ts'
import type { WebSocketConnection } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { NodeAddress } from '../../protocol/packet/nodeAddress.ts'
import type { MixFrame } from '../../protocol/wire/mixFrame.ts'
import type { TicketVerifier } from './bandwidth.ts'
import type { GatewayCounters } from './counters.ts'
import type { GatewayParams } from './gatewayParams.ts'
import type { UnconfirmedBudget } from './receipts.ts'
import type { GatewayStore } from './store.ts'

/** The way into the mixnet: Mixing.forward. Drops what it cannot take, and counts it. */
export type ForwardPacket = (nextHop: NodeAddress, frame: MixFrame) => void

export interface SessionHost {
  readonly world: World
  readonly identitySeed: Secret
  readonly params: GatewayParams
  readonly store: GatewayStore
  readonly counters: GatewayCounters
  readonly tickets: TicketVerifier
  readonly budget: UnconfirmedBudget
  readonly log: Log
  readonly forward: ForwardPacket
  /** Whether the way into the mixnet is full: clients are then read more slowly. */
  readonly congested: () => boolean
  /** Calls `resume` every `resumeEvery` until it returns true. */
  resumeLater(resume: () => boolean): void
}

/** A session as another of the same client sees it. */
export interface ClientSession {
  /** Of its login, in seconds: a newer session must have a later one. */
  readonly timestamp: number
  /** Whether somebody is there. A session that is just being opened is. */
  probe(done: (alive: boolean) => void): void
  /** Ends it without a word: the client is gone, or has a newer session. */
  drop(): void
}

/** Which session a client has, by its identity in hexadecimal; as one session uses it. */
export interface SessionRegistry {
  get(key: string): ClientSession | undefined
  /** This is the client's session now. */
  enter(key: string): void
  /** It is not any more, where it was. */
  leave(key: string): void
}

export interface SessionOptions {
  readonly host: SessionHost
  readonly registry: SessionRegistry
  readonly socket: WebSocketConnection
  /** What new clients may still be registered from where the socket comes from. */
  readonly registrations: { allows(): boolean; take(): void }
  /** It has logged in, or has ended without: called once. */
  readonly onAdmitted: () => void
  /** Called once, last. */
  readonly onClosed: () => void
}
