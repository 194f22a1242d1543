/**
 * The mix port: accepts connections within limits, requires Noise of the peers the directory says can do it, and hands out
 * frames. Whatever a peer sends, memory stays bounded by the limits times one frame. Rules: docs/spec/links.md,
 * "Receiving". @module
 */
import { AddressCounts, addressBlock } from '../../foundation/base/addressCounts.ts'
import { canonicalIpText } from '../../foundation/base/ipAddress.ts'
import type { Counter, Log, Meter } from '../../foundation/base/observe.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import type { Connection, Endpoint, Listener } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { MixFrame } from '../../protocol/wire/mixFrame.ts'
import { InboundLink, type InboundRefusal } from './inboundLink.ts'
import { DEFAULT_INGRESS_PARAMS, type MixIngressParams } from './mixLinkParams.ts'
import type { NoiseKeyPair } from './noise.ts'
import type { NoisePattern } from './noiseCipher.ts'

export interface MixIngressOptions {
  readonly endpoint: Endpoint
  /** Absent: this node announces no Noise key, and talks plain TCP with everybody. */
  readonly noise?: { readonly own: NoiseKeyPair /** Default 1. */; readonly pattern?: NoisePattern }
  /** Whether a node with a Noise key announces that canonical IP: then nothing but Noise is taken from it. */
  readonly requireNoise: (ip: string) => boolean
  /** Whether any node announces that canonical IP. Where given, other addresses share a smaller part of the connections. */
  readonly isNode?: (ip: string) => boolean
  readonly params?: MixIngressParams
  /** The frame's packet is a view into the read: valid until the call returns. Must not throw. */
  readonly onFrame: (frame: MixFrame) => void
  readonly meter: Meter
  readonly log: Log
}

export interface MixListener extends Listener {
  readonly connections: number
}

type AcceptRefusal = 'connections' | 'connections-of-address' | 'connections-of-strangers' | 'handshakes'

export async function listenMix(world: World, options: MixIngressOptions): Promise<MixListener> {
  const ingress = new MixIngress(world, options)
  const listener = await world.net.listen(options.endpoint, (connection) => ingress.accept(connection))
  return {
    endpoint: listener.endpoint,
    get connections() {
      return ingress.connections
    },
    async close() {
      ingress.close()
      await listener.close()
    },
  }
}

class MixIngress {
  readonly #world: World
  readonly #options: MixIngressOptions
  readonly #params: MixIngressParams
  readonly #links = new Set<InboundLink>()
  readonly #perAddress = new AddressCounts()
  readonly #accepted: Counter
  readonly #frames: Counter
  readonly #refused = new Map<string, Counter>()
  #strangers = 0
  #handshakes = 0
  #sweeper: Timer | undefined
  #closed = false

  constructor(world: World, options: MixIngressOptions) {
    const { meter } = options
    this.#world = world
    this.#options = options
    this.#params = options.params ?? DEFAULT_INGRESS_PARAMS
    this.#accepted = meter.counter('mix_ingress_accepted_total', 'Connections accepted on the mix port')
    this.#frames = meter.counter('mix_ingress_frames_total', 'Frames received')
    meter.gauge('mix_ingress_connections', 'Open connections on the mix port', () => this.connections)
    meter.gauge('mix_ingress_handshakes', 'Noise handshakes in progress', () => this.#handshakes)
  }

  get connections(): number {
    return this.#links.size
  }

  accept(connection: Connection): void {
    const ip = canonicalIpText(connection.remote.host)
    const address = addressBlock(ip)
    const { noise, requireNoise, isNode, onFrame } = this.#options
    const shakesHands = noise !== undefined && requireNoise(ip)
    const stranger = isNode !== undefined && !isNode(ip)
    const refusal = this.#refusal(address, { shakesHands, stranger })
    if (refusal !== undefined) {
      connection.destroy()
      this.#refuse(refusal, ip)
      return
    }
    this.#accepted.value++
    this.#perAddress.add(address)
    if (stranger) this.#strangers++
    if (shakesHands) this.#handshakes++
    const link = new InboundLink({
      world: this.#world,
      connection,
      noise: shakesHands ? { own: noise.own, pattern: noise.pattern ?? 1 } : undefined,
      params: this.#params,
      onFrame: (frame) => {
        this.#frames.value++
        onFrame(frame)
      },
      onHandshaken: () => {
        this.#handshakes--
      },
      onClosed: (refused) => {
        this.#links.delete(link)
        this.#perAddress.remove(address)
        if (stranger) this.#strangers--
        if (refused) this.#refuse(refused, ip)
      },
    })
    this.#links.add(link)
    this.#sweepLater()
  }

  close(): void {
    this.#closed = true
    this.#sweeper?.cancel()
    for (const link of [...this.#links]) link.destroy()
  }

  #refusal(
    address: string,
    { shakesHands, stranger }: { shakesHands: boolean; stranger: boolean },
  ): AcceptRefusal | undefined {
    const params = this.#params
    if (this.#closed || this.#links.size >= params.maxConnections) return 'connections'
    if (this.#perAddress.of(address) >= params.maxPerAddress) return 'connections-of-address'
    if (stranger && this.#strangers >= params.maxStrangers) return 'connections-of-strangers'
    return shakesHands && this.#handshakes >= params.maxHandshakes ? 'handshakes' : undefined
  }

  #refuse(reason: AcceptRefusal | InboundRefusal, ip: string): void {
    let counter = this.#refused.get(reason)
    if (!counter) {
      counter = this.#options.meter.counter('mix_ingress_refused_total', 'Connections closed by us', { reason })
      this.#refused.set(reason, counter)
    }
    counter.value++
    this.#options.log.debug('mix connection refused', { reason, ip })
  }

  /** One timer for all connections: a timer per incomplete frame would cost every honest packet that straddles two reads. */
  #sweepLater(): void {
    if (this.#closed) return
    this.#sweeper ??= this.#world.clock.after(this.#params.sweepEvery, () => {
      this.#sweeper = undefined
      const now = this.#world.clock.monotonic()
      for (const link of [...this.#links]) link.sweep(now)
      if (this.#links.size > 0) this.#sweepLater()
    })
  }
}
