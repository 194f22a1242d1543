/**
 * What stands around a mix node that is measured: a sender that never lets it run dry, and a receiver that counts what comes
 * out. Both use the keys of nodes the directory lists, so that links are encrypted as everywhere. @module
 */
import { loadOrCreateNodeKeys } from '../../src/app/node/nodeKeys.ts'
import { Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import type { Endpoint } from '../../src/foundation/platform/net.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import { exponential } from '../../src/foundation/platform/random.ts'
import { MixEgress } from '../../src/network/transport/mixEgress.ts'
import { listenMix } from '../../src/network/transport/mixIngress.ts'
import { LOOPBACK_EGRESS_PARAMS } from '../../src/network/transport/mixLinkParams.ts'
import { rotationFlag } from '../../src/protocol/packet/keyRotation.ts'
import { REGULAR } from '../../src/protocol/packet/sizes.ts'
import { decodeSignedHostInformation } from '../../src/protocol/wire/directory/hostInformation.ts'
import { firstHopPacket } from '../examplePackets.ts'
import { answer } from './rpc.ts'

export interface StartLoad {
  readonly node: { readonly mix: Endpoint; readonly http: Endpoint }
  /** Whose addresses and keys the sender and the receiver use. */
  readonly sender: { readonly host: string; readonly folder: string }
  readonly receiver: { readonly mix: Endpoint; readonly folder: string }
  readonly meanDelayNanos: number
}

export interface Flow {
  readonly seconds: number
  /** Sent and never seen again. */
  readonly lost: number
}

// Enough to keep the node busy, and less than any queue on the way holds.
const WINDOW = 1_024
const PACKETS_PER_TURN = 32
const LOST_AFTER_MS = 3_000

const world = nodeWorld(nodeProvider)
const random = world.random.stream('load')
const prepared: Uint8Array[] = []
let make: (() => Uint8Array) | undefined
let send: ((packet: Uint8Array) => void) | undefined
let received = 0
let onReceived: (() => void) | undefined

answer({
  async start({ node, sender, receiver, meanDelayNanos }: StartLoad): Promise<void> {
    const description = await world.net.request({
      url: `http://${node.http.host}:${node.http.port}/api/v1/host-information`,
      timeout: seconds(10),
      maxBodyBytes: 65_536,
    })
    const { keys } = decodeSignedHostInformation(new TextDecoder().decode(description.body)).data
    const noise = async (folder: string) => {
      const { noiseSecret, noisePublic } = await loadOrCreateNodeKeys(world, folder)
      return { secret: noiseSecret, public: noisePublic }
    }
    const common = { meter: new Meter(), log: silentLog }
    const listener = await listenMix(world, {
      endpoint: receiver.mix,
      noise: { own: await noise(receiver.folder) },
      requireNoise: () => true,
      onFrame: () => {
        received++
        onReceived?.()
      },
      ...common,
    })
    const egress = new MixEgress(world, {
      noise: { own: await noise(sender.folder), keyOf: () => keys.noiseKey?.publicKey },
      localHost: sender.host,
      params: LOOPBACK_EGRESS_PARAMS,
      ...common,
    })
    const nextHop = { ip: receiver.mix.host, port: listener.endpoint.port }
    const { rotationId, publicKey } = keys.sphinxKey
    const rotation = rotationFlag(rotationId)
    make = () =>
      firstHopPacket(nodeProvider, random, { publicKey, nextHop, delayNanos: exponential(random, meanDelayNanos) })
    send = (packet) => {
      egress.send({ ip: node.mix.host, port: node.mix.port }, { size: REGULAR, rotation, packet })
    }
  },
  /** Builds packets ahead, so that building them takes nothing from what is measured. */
  prepare(count: number): void {
    while (prepared.length < count) prepared.push((make as () => Uint8Array)())
  },
  /** Sends `count` packets, those prepared first, and waits until they have come through. */
  flow: (count: number): Promise<Flow> =>
    new Promise((resolve) => {
      const start = performance.now()
      let sent = 0
      let last = start
      let pumping = false
      received = 0
      const finish = (lost: number) => {
        clearInterval(patience)
        onReceived = undefined
        resolve({ seconds: (last - start) / 1000, lost })
      }
      const patience = setInterval(() => {
        if (performance.now() - last > LOST_AFTER_MS) finish(sent - received)
      }, 500)
      const pump = () => {
        pumping = false
        for (let turn = 0; turn < PACKETS_PER_TURN && sent < count && sent - received < WINDOW; turn++) {
          send?.(prepared.pop() ?? (make as () => Uint8Array)())
          sent++
        }
        more()
      }
      const more = () => {
        if (pumping || sent >= count || sent - received >= WINDOW) return
        pumping = true
        setImmediate(pump)
      }
      onReceived = () => {
        last = performance.now()
        if (received === count) finish(0)
        else more()
      }
      more()
    }),
  stop() {},
})
