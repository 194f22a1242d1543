/** Makes packets with a fresh route and fresh delays each, from the topology of the moment. @module */

import { isMixnetError, tryDecode } from '../foundation/base/errors.ts'
import { type Millis, type Nanos, nanos } from '../foundation/base/units.ts'
import type { CryptoProvider } from '../foundation/crypto/provider.ts'
import { exponential, type Random, type RandomStream } from '../foundation/platform/random.ts'
import { selectRoute } from '../network/topology/routes.ts'
import { identityKey, type Topology } from '../network/topology/topology.ts'
import { prepareLoopCover } from '../protocol/packet/cover.ts'
import type { Fragment } from '../protocol/packet/fragments.ts'
import {
  type AckedParams,
  type MixnetPacket,
  type PreparedPacket,
  preparePacket,
  prepareReply,
} from '../protocol/packet/prepare.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'
import { createReplySurb, type ReplySurb } from '../protocol/packet/replySurb.ts'
import { type PacketSize, REGULAR } from '../protocol/packet/sizes.ts'
import { KEY_SEEDS_VERSION } from '../protocol/sphinx/constants.ts'
import type { Hop } from '../protocol/sphinx/route.ts'
import type { ClientKeys } from './keys.ts'

/** Every packet but acks: one size for all, or the size would tell. */
export const PACKET_SIZE: PacketSize = REGULAR

export interface PacketFactoryOptions {
  readonly crypto: CryptoProvider
  readonly random: Random
  readonly keys: ClientKeys
  readonly address: () => Recipient
  readonly topology: () => Topology | undefined
  readonly averagePacketDelay: Millis
  readonly averageAckDelay: Millis
}

/** Each method returns undefined where the topology has no route: the caller tries again later. */
export class PacketFactory {
  readonly #options: PacketFactoryOptions
  readonly #routes: RandomStream
  readonly #delays: RandomStream
  readonly #wrapping: RandomStream
  // Asked for at every tick: the key of the gateway in use is made once.
  #gateway: Uint8Array | undefined
  #gatewayKey = ''

  constructor(options: PacketFactoryOptions) {
    this.#options = options
    this.#routes = options.random.stream('route')
    this.#delays = options.random.stream('delay')
    this.#wrapping = options.random.stream('wrapping')
  }

  /** Whether packets can be made at all: there is a topology, and our gateway is in it, where acks go. */
  get isReady(): boolean {
    const { gateway } = this.#options.address()
    if (gateway !== this.#gateway) {
      this.#gateway = gateway
      this.#gatewayKey = identityKey(gateway)
    }
    return this.#options.topology()?.nodesByIdentity.has(this.#gatewayKey) ?? false
  }

  /** `drawn` is told the route and its delays: for the program's own eyes. */
  packet(
    fragment: Fragment,
    recipient: Recipient,
    drawn?: (route: readonly Hop[], delays: readonly Nanos[]) => void,
  ): PreparedPacket | undefined {
    const topology = this.#options.topology()
    const route = this.#route(topology, recipient.gateway)
    const acked = this.#acked(topology)
    if (topology === undefined || route === undefined || acked === undefined) return undefined
    const delays = this.#drawDelays(route, this.#options.averagePacketDelay)
    drawn?.(route, delays)
    return preparePacket(this.#options.crypto, this.#wrapping, {
      ...acked,
      fragment,
      recipient,
      route,
      delays,
      rotation: topology.rotationFlag,
    })
  }

  reply(fragment: Fragment, surb: ReplySurb): PreparedPacket | undefined {
    const acked = this.#acked(this.#options.topology())
    if (acked === undefined) return undefined
    const averageDelay = toNanos(this.#options.averagePacketDelay)
    return prepareReply(this.#options.crypto, this.#wrapping, { ...acked, fragment, surb, averageDelay })
  }

  loopCover(): MixnetPacket | undefined {
    const topology = this.#options.topology()
    const route = this.#route(topology, this.#options.address().gateway)
    const acked = this.#acked(topology)
    if (topology === undefined || route === undefined || acked === undefined) return undefined
    const delays = this.#drawDelays(route, this.#options.averagePacketDelay)
    return prepareLoopCover(this.#options.crypto, this.#wrapping, {
      ...acked,
      route,
      delays,
      rotation: topology.rotationFlag,
    })
  }

  replySurb(): ReplySurb | undefined {
    const topology = this.#options.topology()
    const { identity, gateway } = this.#options.address()
    const route = this.#route(topology, gateway)
    if (topology === undefined || route === undefined) return undefined
    const delays = this.#drawDelays(route, this.#options.averagePacketDelay)
    return createReplySurb(this.#options.crypto, this.#wrapping, {
      identity,
      route,
      delays,
      version: KEY_SEEDS_VERSION,
      rotation: topology.rotationFlag,
    })
  }

  #acked(topology: Topology | undefined): AckedParams | undefined {
    const address = this.#options.address()
    const ackRoute = this.#route(topology, address.gateway)
    if (ackRoute === undefined) return undefined
    const ackDelays = this.#drawDelays(ackRoute, this.#options.averageAckDelay)
    const sender = { address, ackKey: this.#options.keys.ackKey.expose() }
    return { sender, ackRoute, ackDelays, size: PACKET_SIZE, version: KEY_SEEDS_VERSION }
  }

  #route(topology: Topology | undefined, gateway: Uint8Array): readonly Hop[] | undefined {
    if (topology === undefined) return undefined
    const route = tryDecode(() => selectRoute(topology, this.#routes, gateway))
    return isMixnetError(route) ? undefined : route
  }

  #drawDelays(route: readonly Hop[], mean: Millis): Nanos[] {
    return route.map(() => nanos(Math.round(exponential(this.#delays, toNanos(mean)))))
  }
}

const toNanos = (duration: Millis): Nanos => nanos(Math.round(duration * 1e6))
