/** Test support: mix nodes in one process, with real cryptography, whose links take no time. @module */
import assert from 'node:assert/strict'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { type Millis, millisToNanos, type Nanos } from '../../foundation/base/units.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import type { RotationFlag } from '../../protocol/packet/keyRotation.ts'
import { encodeNodeAddress, formatNodeAddress, type NodeAddress } from '../../protocol/packet/nodeAddress.ts'
import { REGULAR } from '../../protocol/packet/sizes.ts'
import { wrapPacket } from '../../protocol/sphinx/packet.ts'
import { type Destination, finalPaddingBytes, type Hop } from '../../protocol/sphinx/route.ts'
import type { MixFrame } from '../../protocol/wire/mixFrame.ts'
import { type FinalPacket, Mixing } from './mixing.ts'
import { DEFAULT_MIX_PARAMS, type MixParams } from './mixParams.ts'
import { ReplayGuard } from './replayGuard.ts'
import { SphinxKeys, type WantedKeys } from './sphinxKeys.ts'

export const DESTINATION: Destination = { address: new Uint8Array(32).fill(9), identifier: new Uint8Array(16) }
export const MESSAGE: Uint8Array = new Uint8Array(2000).fill(7)
const ROTATION: WantedKeys = { current: 5, announceNext: false, keepPrevious: false }

export interface Arrival {
  readonly at: number
  readonly to: string
  readonly frame: MixFrame
}

interface LineNode {
  readonly mixing: Mixing
  readonly keys: SphinxKeys
  readonly guard: ReplayGuard
  readonly meter: Meter
}

interface NodeOptions {
  readonly wanted?: WantedKeys
  readonly params?: Partial<MixParams>
  readonly forwards?: boolean
  readonly gateway?: boolean
  readonly allows?: (nextHop: NodeAddress) => boolean
}

/** Mix nodes in one process whose links take no time. */
export class Line {
  readonly sim: Simulation = new Simulation({ seed: 'mixing', crypto })
  readonly nodes: Map<string, LineNode> = new Map()
  readonly arrivals: Arrival[] = []
  readonly finals: FinalPacket[] = []

  async add(ip: string, options: NodeOptions = {}): Promise<void> {
    const name = `node ${ip}`
    const world = this.sim.host(name, { ips: [ip] })
    await this.#run(name, ip, world, options)
  }

  /** kill -9, and a new process on the old disk. */
  async restart(ip: string, options: NodeOptions = {}): Promise<void> {
    const name = `node ${ip}`
    await this.#run(name, ip, this.sim.restart(name), options)
  }

  async #run(_name: string, ip: string, world: ReturnType<Simulation['host']>, options: NodeOptions): Promise<void> {
    const { wanted = ROTATION, params, forwards = true, gateway = false, allows = () => true } = options
    const meter = new Meter()
    const { files, clock, random } = world
    const keys = await this.sim.complete(
      SphinxKeys.load({ files, folder: 'keys', crypto, random: random.stream('keys') }, wanted),
    )
    const guard = new ReplayGuard({
      ...{ files, folder: 'keys', falsePositiveRate: 1e-6, maxBytes: 16 << 20, meter, log: silentLog },
    })
    for (const id of keys.rotationIds) await this.sim.complete(guard.open(id))
    const mixing = new Mixing({
      ...{ clock, crypto, keys, replay: guard, forwards, allows, meter, log: silentLog },
      params: { ...DEFAULT_MIX_PARAMS, ...params },
      ...(gateway && { final: (packet: FinalPacket) => void this.finals.push(packet) }),
      egress: {
        send: (nextHop, frame) => {
          const to = formatNodeAddress(nextHop)
          this.arrivals.push({ at: this.sim.clock.monotonic(), to, frame })
          this.nodes.get(nextHop.ip)?.mixing.receive(frame)
          return true
        },
      },
    })
    this.nodes.set(ip, { mixing, keys, guard, meter })
  }

  node(ip: string): LineNode {
    const node = this.nodes.get(ip)
    assert.ok(node)
    return node
  }

  dropped(ip: string, reason: string): number {
    return this.node(ip).meter.snapshot()[`mix_dropped_total{reason="${reason}"}`] ?? 0
  }

  count(ip: string, name: string): number {
    return this.node(ip).meter.snapshot()[name] ?? 0
  }

  hop(ip: string): Hop {
    const address: NodeAddress = { ip, port: 1789 }
    return { address: encodeNodeAddress(address, 32), publicKey: this.node(ip).keys.primary.publicKey }
  }

  frame(route: readonly Hop[], delays: readonly Millis[], rotation: RotationFlag = 1): MixFrame {
    const random = this.sim.random.stream('packets')
    const packet = wrapPacket(crypto, {
      secret: random.bytes(32),
      route,
      delays: [...delays.map(millisToNanos), 0 as Nanos],
      destination: DESTINATION,
      version: 259,
      padding: random.bytes(finalPaddingBytes(route.length)),
      message: MESSAGE,
      payloadBytes: REGULAR.payloadBytes,
    })
    return { size: REGULAR, rotation, packet }
  }
}
