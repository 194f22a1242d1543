/** The links of a node to the others: one way out and one port to come in by, with Noise where both sides can. @module */

import { MixEgress } from '../../network/transport/mixEgress.ts'
import { listenMix, type MixListener } from '../../network/transport/mixIngress.ts'
import {
  DEFAULT_EGRESS_PARAMS,
  DEFAULT_INGRESS_PARAMS,
  LOOPBACK_EGRESS_PARAMS,
  LOOPBACK_INGRESS_PARAMS,
} from '../../network/transport/mixLinkParams.ts'
import type { NoiseKeyPair } from '../../network/transport/noise.ts'
import type { NodeAddress } from '../../protocol/packet/nodeAddress.ts'
import type { MixFrame } from '../../protocol/wire/mixFrame.ts'
import type { DirectoryContact } from './directoryContact.ts'
import type { NodeKeys } from './nodeKeys.ts'
import { listenAt, listenHostOf, type NodeParts } from './nodeParts.ts'

// Half of what one next hop's queue holds: clients are read more slowly before packets have to be dropped.
const CONGESTED_FRAMES = 1000

export class NodeLinks {
  readonly #parts: NodeParts
  readonly #contact: DirectoryContact
  readonly #noise: { readonly own: NoiseKeyPair } | undefined
  readonly egress: MixEgress

  constructor(parts: NodeParts, keys: NodeKeys, contact: DirectoryContact) {
    const { world, config, meter, log } = parts
    this.#parts = parts
    this.#contact = contact
    this.#noise = config.noise ? { own: { secret: keys.noiseSecret, public: keys.noisePublic } } : undefined
    this.egress = new MixEgress(world, {
      ...(this.#noise === undefined ? {} : { noise: { ...this.#noise, keyOf: (ip) => contact.noiseKey(ip) } }),
      // Peers recognise a node by the address it comes from.
      localHost: listenHostOf(parts),
      params: config.local ? LOOPBACK_EGRESS_PARAMS : DEFAULT_EGRESS_PARAMS,
      meter,
      log: log.child('egress'),
    })
  }

  /** Whether packets may go there: to the mix ports of the network's nodes. */
  allows({ ip, port }: NodeAddress): boolean {
    return this.#contact.knows(ip, port)
  }

  /** Whether so much waits to leave that clients should be read more slowly. */
  get congested(): boolean {
    return this.egress.queuedFrames > CONGESTED_FRAMES
  }

  listen(onFrame: (frame: MixFrame) => void): Promise<MixListener> {
    const { world, config, meter, log } = this.#parts
    return listenAt(this.#parts, config.ports.mix, (port) =>
      listenMix(world, {
        endpoint: { host: listenHostOf(this.#parts), port },
        ...(this.#noise === undefined ? {} : { noise: this.#noise }),
        requireNoise: (ip) => this.#contact.noiseKey(ip) !== undefined,
        // A node that joined since we asked shakes hands, and we, who do not know its key, would refuse it as a stranger.
        isNode: (ip) => this.#contact.knows(ip),
        params: config.local ? LOOPBACK_INGRESS_PARAMS : DEFAULT_INGRESS_PARAMS,
        onFrame,
        meter,
        log: log.child('ingress'),
      }),
    )
  }
}
