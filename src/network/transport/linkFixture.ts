/** What the tests of this room share: time by hand, keys, frames, both ends of a link over loopback. Not for shipping. @module */
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { seconds } from '../../foundation/base/units.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { withDeadline } from '../../foundation/platform/clock.ts'
import { HandClock, turn } from '../../foundation/platform/handClock.ts'
import type { Connection, ConnectOptions } from '../../foundation/platform/net.ts'
import { nodeClock } from '../../foundation/platform/node/nodeClock.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { RotationFlag } from '../../protocol/packet/keyRotation.ts'
import type { NodeAddress } from '../../protocol/packet/nodeAddress.ts'
import { type PacketSize, REGULAR } from '../../protocol/packet/sizes.ts'
import type { MixFrame } from '../../protocol/wire/mixFrame.ts'
import { MixEgress, type MixEgressOptions } from './mixEgress.ts'
import { listenMix, type MixIngressOptions, type MixListener } from './mixIngress.ts'
import { DEFAULT_EGRESS_PARAMS } from './mixLinkParams.ts'
import type { NoiseKeyPair } from './noise.ts'

export const HOST: string = '127.0.0.1'

/** Turns of the event loop until it holds; TIMEOUT naming `what` when it does not come to hold. */
export function until(what: string, holds: () => boolean): Promise<void> {
  let waiting = true
  const poll = async (): Promise<void> => {
    while (waiting && !holds()) await turn()
  }
  return withDeadline(nodeClock, seconds(5), what, poll()).finally(() => {
    waiting = false
  })
}

export function pairOf(byte: number): NoiseKeyPair {
  const secret = new Uint8Array(32).fill(byte)
  return { secret: new Secret(secret), public: nodeProvider.x25519Base(secret) }
}

export const frameOf = (mark: number, size: PacketSize = REGULAR, rotation: RotationFlag = 1): MixFrame => ({
  size,
  rotation,
  packet: new Uint8Array(size.totalBytes).fill(mark),
})

interface Received {
  readonly listener: MixListener
  /** First byte of every packet. */
  readonly marks: number[]
  readonly frames: MixFrame[]
  refused(reason: string): number
  readonly meter: Meter
}

interface Sending {
  readonly egress: MixEgress
  sent(): number
  dropped(reason: string): number
  links(outcome: string): number
}

type Connect = (options: ConnectOptions, real: World['net']) => Promise<Connection>

/** A world with time by hand, and what a test opened in it. With `connect`, the test has a hand in outgoing connections. */
export class LinkFixture {
  readonly clock: HandClock = new HandClock()
  readonly world: World
  readonly #cleanups: (() => unknown)[] = []

  constructor(connect?: Connect) {
    const real = nodeWorld(nodeProvider)
    const net = connect ? { ...real.net, connect: (options: ConnectOptions) => connect(options, real.net) } : real.net
    this.world = { ...real, clock: this.clock, net }
  }

  onClose(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup)
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup()
  }

  async listen(options: Partial<MixIngressOptions> = {}): Promise<Received> {
    const meter = new Meter()
    const marks: number[] = []
    const frames: MixFrame[] = []
    const listener = await listenMix(this.world, {
      endpoint: { host: HOST, port: 0 },
      requireNoise: () => options.noise !== undefined,
      onFrame: (frame) => {
        marks.push(frame.packet[0] as number)
        frames.push({ ...frame, packet: frame.packet.slice() })
      },
      meter,
      log: silentLog,
      ...options,
    })
    this.onClose(() => listener.close())
    const refused = (reason: string): number => meter.snapshot()[`mix_ingress_refused_total{reason="${reason}"}`] ?? 0
    return { listener, marks, frames, meter, refused }
  }

  egress(options: Partial<MixEgressOptions> = {}): Sending {
    const meter = new Meter()
    const egress = new MixEgress(this.world, { meter, log: silentLog, ...options })
    this.onClose(() => {
      const closing = egress.close()
      // Time by hand would never reach the drain limit.
      this.clock.advance(DEFAULT_EGRESS_PARAMS.drainLimit)
      return closing
    })
    const count = (name: string): number => meter.snapshot()[name] ?? 0
    return {
      egress,
      sent: () => count('mix_egress_frames_total'),
      dropped: (reason) => count(`mix_egress_dropped_total{reason="${reason}"}`),
      links: (outcome) => count(`mix_egress_links_total{outcome="${outcome}"}`),
    }
  }
}

export const addressOf = ({ endpoint }: Pick<MixListener, 'endpoint'>): NodeAddress => ({
  ip: endpoint.host,
  port: endpoint.port,
})
