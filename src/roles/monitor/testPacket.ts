/**
 * A test packet: a client's packet in everything that leaves the monitor. It is made by the one function that makes all packets of clients,
 * in their one size, with their delays and an ack; what is special is inside two encryptions: its content, and that its ack has a number.
 * A node that could tell would carry the tests and drop the users. @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import { type Millis, millisToNanos, type Nanos, nanos } from '../../foundation/base/units.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import { exponential, type RandomStream } from '../../foundation/platform/random.ts'
import type { NodeDescriptor, Topology } from '../../network/topology/topology.ts'
import { agreeWith, applyPayloadKey } from '../../protocol/packet/endToEnd.ts'
import { type MixnetPacket, wrapContent } from '../../protocol/packet/prepare.ts'
import type { Recipient } from '../../protocol/packet/recipient.ts'
import { fragmentBytes, REGULAR, VARIANT_BYTES } from '../../protocol/packet/sizes.ts'
import { KEY_BYTES, KEY_SEEDS_VERSION } from '../../protocol/sphinx/constants.ts'

export interface TestPacketParams {
  readonly topology: Topology
  /** Mix nodes, then the recipient's gateway. */
  readonly out: readonly NodeDescriptor[]
  /** Mix nodes, then the sender's. */
  readonly home: readonly NodeDescriptor[]
  readonly sender: { readonly address: Recipient; readonly ackKey: Uint8Array }
  readonly recipient: Recipient
  /** In the ack; from 1 below 2³¹. */
  readonly number: number
  /** Means, those of clients. */
  readonly packetDelay: Millis
  readonly ackDelay: Millis
}

export interface TestPacket extends MixnetPacket {
  /** What comes back in front of it. */
  readonly variant: Uint8Array
  readonly key: Uint8Array
}

// What clients use (packetFactory.ts).
const SIZE = REGULAR
const CONTENT: Uint8Array = new Uint8Array(fragmentBytes(SIZE))

export function prepareTestPacket(crypto: CryptoProvider, random: RandomStream, params: TestPacketParams): TestPacket {
  const { topology, out, home, sender, recipient, number, packetDelay, ackDelay } = params
  const delays = (hops: readonly unknown[], mean: Millis): Nanos[] =>
    hops.map(() => nanos(Math.round(exponential(random, millisToNanos(mean)))))
  const agreement = agreeWith(crypto, random.bytes(KEY_BYTES), recipient.encryptionKey)
  const packet = wrapContent(crypto, random, {
    sender,
    recipient,
    fragmentId: { setId: number, position: 1 },
    content: CONTENT,
    route: out.map(({ hop }) => hop),
    delays: delays(out, packetDelay),
    ackRoute: home.map(({ hop }) => hop),
    ackDelays: delays(home, ackDelay),
    agreement,
    size: SIZE,
    version: KEY_SEEDS_VERSION,
    rotation: topology.rotationFlag,
  })
  return { ...packet, key: agreement.key }
}

/** Whether what was handed to us is that packet whole: a gateway could change what no MAC covers. */
export function isIntact(crypto: CryptoProvider, key: Uint8Array, pushed: Uint8Array): boolean {
  return equalBytes(applyPayloadKey(crypto, key, pushed.subarray(VARIANT_BYTES)), CONTENT)
}
