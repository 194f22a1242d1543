/** Makes packets with a fresh route and fresh delays each, from the topology of the moment. @module */

import { type Millis, type Nanos, nanos } from '../foundation/base/units.ts'
import type { AsyncCurve } from '../foundation/crypto/asyncCurve.ts'
import type { CryptoProvider } from '../foundation/crypto/provider.ts'
import { exponential, type Random, type RandomStream } from '../foundation/platform/random.ts'
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
import { OwnLoops } from './ownLoops.ts'
import { RouteSource } from './routeSource.ts'

/** Every packet but acks: one size for all, or the size would tell. */
export const PACKET_SIZE: PacketSize = REGULAR

// The first message to a service brings some two dozen SURBs, each a route home, and each packet takes one for its ack; a page that
// must multiply in the middle of all that stands still for a fifth of a second.
const ROUTES_FOR_SURBS = 40
const ROUTES = 8

export interface PacketFactoryOptions {
  readonly crypto: CryptoProvider
  /** For keys ahead of need, where `crypto` is slow at the curve. */
  readonly curve?: AsyncCurve | undefined
  readonly random: Random
  /** See RouteSourceOptions. */
  readonly soon?: ((run: () => void) => void) | undefined
  readonly keys: ClientKeys
  readonly address: () => Recipient
  readonly topology: () => Topology | undefined
  readonly averagePacketDelay: Millis
  readonly averageAckDelay: Millis
}

/** Each method returns undefined where the topology has no route: the caller tries again later. */
export class PacketFactory {
  readonly loops: OwnLoops = new OwnLoops()
  readonly #options: PacketFactoryOptions
  readonly #routes: RouteSource
  readonly #delays: RandomStream
  readonly #wrapping: RandomStream
  // Asked for at every tick: the key of the gateway in use is made once.
  #gateway: Uint8Array | undefined
  #gatewayKey = ''

  constructor(options: PacketFactoryOptions) {
    this.#options = options
    this.#routes = new RouteSource(options)
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

  /** Packets home and to that recipient are to be expected, and reply SURBs where it gets some: what they need is made now. */
  expect(recipient: Recipient, surbs: boolean): void {
    const topology = this.#options.topology()
    if (topology === undefined) return
    this.#routes.expect(topology, this.#options.address(), surbs ? ROUTES_FOR_SURBS : ROUTES)
    this.#routes.expect(topology, recipient, ROUTES)
  }

  /** `drawn` is told the route and its delays: for the program's own eyes. */
  packet(
    fragment: Fragment,
    recipient: Recipient,
    drawn?: (route: readonly Hop[], delays: readonly Nanos[]) => void,
  ): PreparedPacket | undefined {
    const topology = this.#options.topology()
    const acked = topology && this.#acked(topology)
    const way = topology && this.#routes.route(topology, recipient.gateway)
    if (topology === undefined || way === undefined || acked === undefined) return undefined
    const delays = this.#drawDelays(way.route, this.#options.averagePacketDelay)
    drawn?.(way.route, delays)
    return preparePacket(this.#options.crypto, this.#wrapping, {
      ...acked,
      fragment,
      recipient,
      route: way.route,
      routeKeys: way.keys,
      agreement: this.#routes.agreement(recipient.encryptionKey),
      delays,
      rotation: topology.rotationFlag,
    })
  }

  reply(fragment: Fragment, surb: ReplySurb): PreparedPacket | undefined {
    const topology = this.#options.topology()
    const acked = topology && this.#acked(topology)
    if (acked === undefined) return undefined
    const averageDelay = toNanos(this.#options.averagePacketDelay)
    return prepareReply(this.#options.crypto, this.#wrapping, { ...acked, fragment, surb, averageDelay })
  }

  loopCover(): MixnetPacket | undefined {
    const topology = this.#options.topology()
    const { gateway, encryptionKey } = this.#options.address()
    const acked = topology && this.#acked(topology)
    const way = topology && this.#routes.route(topology, gateway)
    if (topology === undefined || way === undefined || acked === undefined) return undefined
    const agreement = this.#routes.agreement(encryptionKey)
    const cover = prepareLoopCover(this.#options.crypto, this.#wrapping, {
      ...acked,
      route: way.route,
      routeKeys: way.keys,
      agreement,
      delays: this.#drawDelays(way.route, this.#options.averagePacketDelay),
      rotation: topology.rotationFlag,
    })
    this.loops.sent(cover.variant, agreement?.key)
    return cover
  }

  replySurb(): ReplySurb | undefined {
    const topology = this.#options.topology()
    const { identity, gateway } = this.#options.address()
    const way = topology && this.#routes.route(topology, gateway)
    if (topology === undefined || way === undefined) return undefined
    return createReplySurb(this.#options.crypto, this.#wrapping, {
      identity,
      route: way.route,
      keys: way.keys,
      delays: this.#drawDelays(way.route, this.#options.averagePacketDelay),
      version: KEY_SEEDS_VERSION,
      rotation: topology.rotationFlag,
    })
  }

  #acked(topology: Topology): AckedParams | undefined {
    const address = this.#options.address()
    const home = this.#routes.route(topology, address.gateway)
    if (home === undefined) return undefined
    const ackDelays = this.#drawDelays(home.route, this.#options.averageAckDelay)
    const sender = { address, ackKey: this.#options.keys.ackKey.expose() }
    return {
      sender,
      ackRoute: home.route,
      ackKeys: home.keys,
      ackDelays,
      size: PACKET_SIZE,
      version: KEY_SEEDS_VERSION,
    }
  }

  #drawDelays(route: readonly Hop[], mean: Millis): Nanos[] {
    return route.map(() => nanos(Math.round(exponential(this.#delays, toNanos(mean)))))
  }
}

const toNanos = (duration: Millis): Nanos => nanos(Math.round(duration * 1e6))
