/**
 * A member of the mixnet who writes messages by hand: what the shipped client would never say, in packets that travel like any
 * others. @module
 */
import { EntrySelector } from '../../src/client/entrySelector.ts'
import { createClientKeys } from '../../src/client/keys.ts'
import { PACKET_SIZE, PacketFactory } from '../../src/client/packetFactory.ts'
import { Receiver } from '../../src/client/receiver.ts'
import { Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { millis } from '../../src/foundation/base/units.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { DirectoryClient } from '../../src/network/topology/directoryClient.ts'
import type { Topology } from '../../src/network/topology/topology.ts'
import { Refreshing } from '../../src/network/topology/topologyProvider.ts'
import { clientTopologySource } from '../../src/network/topology/topologySources.ts'
import { splitMessage } from '../../src/protocol/packet/fragments.ts'
import { encodeMessage, type NymMessage, padMessage } from '../../src/protocol/packet/message.ts'
import type { PreparedPacket } from '../../src/protocol/packet/prepare.ts'
import { REASSEMBLER_DEFAULTS } from '../../src/protocol/packet/reassembly.ts'
import type { Recipient } from '../../src/protocol/packet/recipient.ts'
import type { ReplySurb } from '../../src/protocol/packet/replySurb.ts'
import type { HostileNetwork } from './simulatedNetwork.ts'

export class RawPeer {
  readonly address: Recipient
  /** Everything that was sent to it, and the reply SURBs that came along, unused. */
  readonly messages: NymMessage[] = []
  readonly surbs: ReplySurb[] = []
  readonly #network: HostileNetwork
  readonly #factory: PacketFactory
  readonly #link: EntrySelector
  readonly #world: World

  private constructor(
    network: HostileNetwork,
    world: World,
    parts: { address: Recipient; factory: PacketFactory; link: EntrySelector },
  ) {
    this.#network = network
    this.#world = world
    this.#factory = parts.factory
    this.#link = parts.link
    this.address = parts.address
  }

  static async join(network: HostileNetwork): Promise<RawPeer> {
    const world = network.attacker()
    const { clock, crypto, random } = world
    const directory = new DirectoryClient(world.net, { baseUrls: [network.directoryUrl] })
    const topology = new Refreshing<Topology>({ clock, fetch: clientTopologySource({ clock, directory }) })
    await network.complete(topology.start())
    const keys = createClientKeys(crypto, random.stream('keys'))
    const meter = new Meter()
    const { identitySeed } = keys
    const link = await network.complete(
      EntrySelector.create(world, {
        identitySeed,
        topology,
        gateway: undefined,
        folder: undefined,
        params: undefined,
        meter,
        log: silentLog,
      }),
    )
    const address = { identity: keys.identity, encryptionKey: keys.encryptionKey, gateway: link.gateway }
    const factory = new PacketFactory({
      crypto,
      random,
      keys,
      address: () => address,
      topology: () => topology.current(),
      averagePacketDelay: millis(1),
      averageAckDelay: millis(1),
    })
    const peer = new RawPeer(network, world, { address, factory, link })
    const receiver = new Receiver({
      crypto,
      clock,
      keys,
      limits: REASSEMBLER_DEFAULTS,
      meter,
      takeReplyKey: () => undefined,
      acknowledged() {},
      message: (message) => {
        peer.messages.push(message)
        if (message.kind === 'repliable') peer.surbs.push(...message.content.surbs)
      },
    })
    link.attach({ pushed: (plaintext) => receiver.pushed(plaintext), opened() {}, lost() {} })
    await network.until('the attacker is in', () => link.isOpen)
    return peer
  }

  /** To an address, as fast as the link takes it. */
  async send(to: Recipient, message: NymMessage): Promise<void> {
    for (const fragment of this.#split(message)) await this.#transmit(this.#factory.packet(fragment, to))
  }

  /** Through a reply SURB, while there are any; false where there is none. */
  async reply(message: NymMessage): Promise<boolean> {
    for (const fragment of this.#split(message)) {
      const surb = this.surbs.shift()
      if (surb === undefined) return false
      await this.#transmit(this.#factory.reply(fragment, surb))
    }
    return true
  }

  surb(): ReplySurb {
    return this.#factory.replySurb() as ReplySurb
  }

  async close(): Promise<void> {
    await this.#network.complete(this.#link.close())
  }

  #split(message: NymMessage) {
    return splitMessage(
      padMessage(encodeMessage(message), PACKET_SIZE),
      PACKET_SIZE,
      this.#world.random.stream('fragment'),
    )
  }

  async #transmit(prepared: PreparedPacket | undefined): Promise<void> {
    if (prepared === undefined) throw new Error('no route')
    const { packet, firstHop: nextHop, rotation } = prepared
    while (!this.#link.send({ packet, nextHop, rotation })) await this.#network.runFor(millis(10))
  }
}
