/**
 * SURB-acks: an ack packet ready to be sent by the recipient's gateway, in front of every plaintext but an ack's.
 *
 *      0   19  node address of the ack's first hop, zero-padded
 *     19  386  Sphinx packet of the ack size, back to the sender
 *
 * Format: docs/spec/packet.md, "Acknowledgements". @module
 */
import { concat } from '../../foundation/base/bytes.ts'
import { Reader } from '../../foundation/base/reader.ts'
import type { Nanos } from '../../foundation/base/units.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import { KEY_BYTES, type SphinxVersion } from '../sphinx/constants.ts'
import { wrapPacket } from '../sphinx/packet.ts'
import { finalPaddingBytes, type Hop } from '../sphinx/route.ts'
import type { RouteKeys } from '../sphinx/routeKeys.ts'
import { encodeAck, type FragmentId } from './acks.ts'
import { decodeNodeAddress, encodeNodeAddress, type NodeAddress } from './nodeAddress.ts'
import { sphinxDestination } from './recipient.ts'
import { ACK, ACK_IV_BYTES, SURB_ACK_ADDRESS_BYTES } from './sizes.ts'

const WHAT = 'SURB-ack'

export interface SurbAckParams {
  /** Identity of the client that wants to know: the sender. */
  readonly identity: Uint8Array
  readonly ackKey: Uint8Array
  /** `COVER_FRAGMENT_ID` for cover. */
  readonly fragmentId: FragmentId
  /** Mix nodes, then the sender's own gateway. */
  readonly route: readonly Hop[]
  /** One per hop; the last is not used. */
  readonly delays: readonly Nanos[]
  /** Where they were made ahead: then no secret is drawn. */
  readonly keys?: RouteKeys | undefined
  readonly version: SphinxVersion
}

/** Draws, in order: ack IV, Sphinx secret, padding. */
export function buildSurbAck(
  crypto: CryptoProvider,
  random: RandomStream,
  params: SurbAckParams,
): { bytes: Uint8Array; totalDelay: Nanos } {
  const { identity, ackKey, fragmentId, route, delays, version } = params
  const iv = random.bytes(ACK_IV_BYTES)
  const secret = params.keys ?? random.bytes(KEY_BYTES)
  const padding = random.bytes(finalPaddingBytes(route.length))
  const packet = wrapPacket(crypto, {
    secret,
    route,
    delays,
    destination: sphinxDestination(identity),
    version,
    padding,
    message: encodeAck(crypto, ackKey, fragmentId, iv),
    payloadBytes: ACK.payloadBytes,
  })
  const address = encodeNodeAddress(firstHopOf(route), SURB_ACK_ADDRESS_BYTES)
  return { bytes: concat(address, packet), totalDelay: totalDelay(delays) }
}

/** A gateway's view of a final-hop plaintext: the ack to release, and what its client gets. Views. Throws MALFORMED. */
export function splitSurbAck(message: Uint8Array): {
  ack: { nextHop: NodeAddress; packet: Uint8Array }
  data: Uint8Array
} {
  const reader = new Reader(message, WHAT)
  const { address } = decodeNodeAddress(reader.bytes(SURB_ACK_ADDRESS_BYTES, 'address'))
  const packet = reader.bytes(ACK.totalBytes, 'packet')
  return { ack: { nextHop: address, packet }, data: reader.rest() }
}

/** What a packet waits on its way: the last hop delivers at once. */
export function totalDelay(delays: readonly Nanos[]): Nanos {
  return delays.slice(0, -1).reduce((sum, delay) => sum + delay, 0) as Nanos
}

export function firstHopOf(route: readonly Hop[]): NodeAddress {
  return decodeNodeAddress((route[0] as Hop).address).address
}
