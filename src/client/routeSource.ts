/**
 * Fresh routes, one for each packet. Where the curve is slow or answers later (browsers), routes are drawn and their keys made
 * ahead, so that a packet is still made in one step when its instant has come, cover and real ones alike. @module
 */

import { toHex } from '../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../foundation/base/errors.ts'
import type { AsyncCurve } from '../foundation/crypto/asyncCurve.ts'
import type { CryptoProvider } from '../foundation/crypto/provider.ts'
import type { Random, RandomStream } from '../foundation/platform/random.ts'
import { selectRoute } from '../network/topology/routes.ts'
import { identityKey, type Topology } from '../network/topology/topology.ts'
import { agreeWithLater, type PayloadAgreement } from '../protocol/packet/endToEnd.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'
import { KEY_BYTES } from '../protocol/sphinx/constants.ts'
import type { Hop } from '../protocol/sphinx/route.ts'
import { deriveRouteKeysLater, type RouteKeys } from '../protocol/sphinx/routeKeys.ts'
import { AheadStock, type AheadStockParams } from './aheadStock.ts'

export interface DrawnRoute {
  readonly route: readonly Hop[]
  /** Absent where they were not made ahead: they are made with the packet. */
  readonly keys: RouteKeys | undefined
}

// A packet takes two routes, one to its recipient's gateway and one home for its ack; a message with reply SURBs some twenty
// at once. A route waits in a kilobyte, and 64 of them are made in a fifth of a second.
const ROUTES: AheadStockParams = { first: 8, most: 64, kinds: 8, atOnce: 4 }
const AGREEMENTS: AheadStockParams = { first: 4, most: 32, kinds: 8, atOnce: 2 }

export interface RouteSourceOptions {
  readonly crypto: CryptoProvider
  readonly curve?: AsyncCurve | undefined
  readonly random: Random
  /** Runs it after what waits already. WebCrypto may answer without letting anything else run: a stock is made in turns. */
  readonly soon?: ((run: () => void) => void) | undefined
}

export class RouteSource {
  readonly #crypto: CryptoProvider
  readonly #curve: AsyncCurve | undefined
  readonly #routes: RandomStream
  readonly #secrets: RandomStream
  readonly #soon: (run: () => void) => void
  readonly #ahead = new AheadStock<DrawnRoute>(ROUTES)
  readonly #agreements = new AheadStock<PayloadAgreement>(AGREEMENTS)
  #topology: Topology | undefined

  constructor({ crypto, curve, random, soon = (run) => run() }: RouteSourceOptions) {
    this.#soon = soon
    this.#crypto = crypto
    this.#curve = curve
    this.#routes = random.stream('route')
    this.#secrets = random.stream('route-secret')
  }

  /** Through three mix nodes to `gateway`; undefined where the topology has none. */
  route(topology: Topology, gateway: Uint8Array): DrawnRoute | undefined {
    const curve = this.#curve
    if (curve === undefined) return this.#draw(topology, gateway)
    this.#renew(topology)
    const ready = this.#ahead.take(identityKey(gateway), () => this.#make(curve, topology, gateway))
    return ready ?? this.#draw(topology, gateway)
  }

  /** There will soon be packets to that gateway, of ours or for this recipient: so many routes are made now. */
  expect(
    topology: Topology,
    { gateway, encryptionKey }: Pick<Recipient, 'gateway' | 'encryptionKey'>,
    routes: number,
  ): void {
    const curve = this.#curve
    if (curve === undefined) return
    this.#renew(topology)
    this.#ahead.expect(identityKey(gateway), routes, () => this.#make(curve, topology, gateway))
    this.#agreements.expect(toHex(encryptionKey), AGREEMENTS.first, () => this.#agree(curve, encryptionKey))
  }

  /** With whom `publicKey` belongs to; undefined where none was made ahead: it is made with the packet. */
  agreement(publicKey: Uint8Array): PayloadAgreement | undefined {
    const curve = this.#curve
    if (curve === undefined) return undefined
    return this.#agreements.take(toHex(publicKey), () => this.#agree(curve, publicKey))
  }

  #renew(topology: Topology): void {
    if (this.#topology === topology) return
    // Other keys, other nodes: what was made for the old one leads nowhere, or nowhere for long.
    this.#ahead.clear()
    this.#topology = topology
  }

  #make(curve: AsyncCurve, topology: Topology, gateway: Uint8Array): Promise<DrawnRoute> | undefined {
    const drawn = this.#draw(topology, gateway)
    return drawn && this.#makeKeys(curve, drawn.route)
  }

  #agree(curve: AsyncCurve, publicKey: Uint8Array): Promise<PayloadAgreement> {
    return agreeWithLater(this.#crypto, curve, this.#secrets.bytes(KEY_BYTES), publicKey)
  }

  async #makeKeys(curve: AsyncCurve, route: readonly Hop[]): Promise<DrawnRoute> {
    await new Promise<void>((resolve) => this.#soon(resolve))
    const secret = this.#secrets.bytes(KEY_BYTES)
    return { route, keys: await deriveRouteKeysLater(this.#crypto, curve, secret, route) }
  }

  #draw(topology: Topology, gateway: Uint8Array): DrawnRoute | undefined {
    const route = tryDecode(() => selectRoute(topology, this.#routes, gateway))
    return isMixnetError(route) ? undefined : { route, keys: undefined }
  }
}
