/**
 * Where packets leave a node: one lazily opened connection per next hop and one bounded queue in front of each, so that
 * crypto workers never split the crowd over several connections. Rules: docs/spec/links.md, "Sending". @module
 */
import { canonicalIp, formatIp, parseIp } from '../../foundation/base/ipAddress.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { NodeAddress } from '../../protocol/packet/nodeAddress.ts'
import type { MixFrame } from '../../protocol/wire/mixFrame.ts'
import { EgressCounters } from './egressCounters.ts'
import type { OpenMixLinkOptions } from './mixLink.ts'
import { DEFAULT_EGRESS_PARAMS, type MixEgressParams } from './mixLinkParams.ts'
import { NextHop, type QueueBudget } from './nextHop.ts'
import type { NoiseKeyPair } from './noise.ts'
import type { NoisePattern } from './noiseCipher.ts'

export interface MixEgressOptions {
  /** Absent: this node announces no Noise key, and talks plain TCP with everybody. */
  readonly noise?: {
    readonly own: NoiseKeyPair
    /** Default 1. */
    readonly pattern?: NoisePattern
    /** The key announced for a canonical IP; undefined means plain TCP. */
    keyOf(ip: string): Uint8Array | undefined
  }
  /** Source address of connections, for nodes that are recognised by theirs. */
  readonly localHost?: string
  readonly params?: MixEgressParams
  readonly meter: Meter
  readonly log: Log
}

export class MixEgress {
  readonly #world: World
  readonly #options: MixEgressOptions
  readonly #params: MixEgressParams
  readonly #counters: EgressCounters
  readonly #budget: QueueBudget = { bytes: 0, frames: 0 }
  /** By IP, then port: looking up costs no string per packet. */
  readonly #hops = new Map<string, Map<number, NextHop>>()
  #hopCount = 0
  #sweeper: Timer | undefined
  #closing: Promise<void> | undefined

  constructor(world: World, options: MixEgressOptions) {
    this.#world = world
    this.#options = options
    this.#params = options.params ?? DEFAULT_EGRESS_PARAMS
    this.#counters = new EgressCounters(options.meter)
    options.meter.gauge('mix_egress_queued_frames', 'Frames waiting for next hops', () => this.#budget.frames)
    options.meter.gauge('mix_egress_queued_bytes', 'Bytes waiting for next hops', () => this.#budget.bytes)
    options.meter.gauge('mix_egress_connections', 'Open connections to next hops', () => this.connections)
  }

  get connections(): number {
    let open = 0
    for (const hop of this.#all()) if (hop.isOpen) open++
    return open
  }

  get queuedFrames(): number {
    return this.#budget.frames
  }

  /** Queues the frame, whose packet is the egress's from now on. False: dropped, and counted by reason. */
  send(nextHop: NodeAddress, frame: MixFrame): boolean {
    const hop = this.#hops.get(nextHop.ip)?.get(nextHop.port) ?? this.#remember(nextHop)
    return hop ? hop.send(frame) : this.#counters.drop(this.#closing ? 'closed' : 'hops')
  }

  /** Lets the peers take what is queued, for a moment, then closes. What could not leave is counted as dropped. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#sweeper?.cancel()
    const hops = [...this.#all()]
    this.#hops.clear()
    // A peer that does not read could hold up the end for ever.
    const limit = this.#world.clock.after(this.#params.drainLimit, () => {
      for (const hop of hops) hop.destroy()
    })
    await Promise.all(hops.map((hop) => hop.end()))
    limit.cancel()
  }

  #remember({ ip, port }: NodeAddress): NextHop | undefined {
    if (this.#closing || this.#hopCount >= this.#params.maxNextHops) return undefined
    const bytes = parseIp(ip)
    const canonical = bytes === undefined ? ip : formatIp(canonicalIp(bytes))
    // An IPv4-mapped spelling leads to the same machine: it must not get a second connection.
    const known = canonical === ip ? undefined : this.#hops.get(canonical)?.get(port)
    const hop =
      known ??
      new NextHop({
        world: this.#world,
        params: this.#params,
        counters: this.#counters,
        budget: this.#budget,
        link: () => this.#linkOptions(canonical, port),
      })
    if (!known) this.#enter(canonical, port, hop)
    if (canonical !== ip) this.#enter(ip, port, hop)
    this.#sweepLater()
    return hop
  }

  #enter(ip: string, port: number, hop: NextHop): void {
    const ports = this.#hops.get(ip)
    if (ports) ports.set(port, hop)
    else this.#hops.set(ip, new Map([[port, hop]]))
    this.#hopCount++
  }

  #linkOptions(host: string, port: number): OpenMixLinkOptions {
    const { noise, localHost } = this.#options
    const { connectTimeout, handshakeTimeout } = this.#params
    const remotePublic = noise?.keyOf(host)
    return {
      host,
      port,
      localHost,
      connectTimeout,
      handshakeTimeout,
      noise: noise && remotePublic && { pattern: noise.pattern ?? 1, own: noise.own, remotePublic },
    }
  }

  #sweepLater(): void {
    this.#sweeper ??= this.#world.clock.after(this.#params.sweepEvery, () => {
      this.#sweeper = undefined
      const now = this.#world.clock.monotonic()
      for (const [ip, ports] of this.#hops) {
        for (const [port, hop] of ports) {
          if (!hop.sweep(now)) continue
          ports.delete(port)
          this.#hopCount--
        }
        if (ports.size === 0) this.#hops.delete(ip)
      }
      if (this.#hopCount > 0) this.#sweepLater()
    })
  }

  #all(): Set<NextHop> {
    const hops = new Set<NextHop>()
    for (const ports of this.#hops.values()) for (const hop of ports.values()) hops.add(hop)
    return hops
  }
}
