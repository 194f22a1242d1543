/**
 * Makes the packet for one fragment: end-to-end encryption, the SURB-ack in front, then Sphinx.
 *
 *       0  405  SURB-ack back to the sender
 *     405   32  variant: ephemeral public key, or digest of the reply SURB's key
 *     437    P  fragment, encrypted
 *
 * Routes and delays are the caller's choice; what else is random is drawn from one stream in the documented order, so that
 * recorded draws give recorded bytes. Format: docs/spec/packet.md, "Packets". @module
 */
import { concat } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Nanos } from '../../foundation/base/units.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import { KEY_BYTES, type SphinxVersion } from '../sphinx/constants.ts'
import { wrapPacket } from '../sphinx/packet.ts'
import { finalPaddingBytes, type Hop } from '../sphinx/route.ts'
import type { RouteKeys } from '../sphinx/routeKeys.ts'
import { useSurb } from '../sphinx/surb.ts'
import type { FragmentId } from './acks.ts'
import { agreeWith, applyPayloadKey, type PayloadAgreement } from './endToEnd.ts'
import { encodeFragment, type Fragment } from './fragments.ts'
import type { RotationFlag } from './keyRotation.ts'
import { decodeNodeAddress, type NodeAddress } from './nodeAddress.ts'
import { type Recipient, sphinxDestination } from './recipient.ts'
import { type ReplySurb, replySurbDigest } from './replySurb.ts'
import { fragmentBytes, type PacketSize } from './sizes.ts'
import { buildSurbAck, firstHopOf, totalDelay } from './surbAck.ts'

/** Who sends: acks come back to `address`. */
export interface PacketSender {
  readonly address: Recipient
  /** 16 bytes. */
  readonly ackKey: Uint8Array
}

/** What every packet of ours needs, cover or not. */
export interface AckedParams {
  readonly sender: PacketSender
  /** Mix nodes, then the sender's gateway (or that alone). */
  readonly ackRoute: readonly Hop[]
  /** One per hop, whole nanoseconds; the last is not used. So for all delays here. */
  readonly ackDelays: readonly Nanos[]
  /** Where they were made ahead, from `ackRoute`: then no secret is drawn. So for all keys of routes. */
  readonly ackKeys?: RouteKeys | undefined
  readonly size: PacketSize
  /** 259; 258 only against old peers. */
  readonly version: SphinxVersion
}

export interface RoutedParams extends AckedParams {
  /** Mix nodes, then the recipient's gateway (or that alone). */
  readonly route: readonly Hop[]
  readonly delays: readonly Nanos[]
  readonly routeKeys?: RouteKeys | undefined
  /** With the recipient, where it was made ahead: then no ephemeral secret is drawn. */
  readonly agreement?: PayloadAgreement | undefined
  /** Of the topology that the routes are from. */
  readonly rotation: RotationFlag
}

export interface PacketParams extends RoutedParams {
  readonly fragment: Fragment
  readonly recipient: Recipient
}

export interface ReplyParams extends AckedParams {
  readonly fragment: Fragment
  /** Used up: never give the same one twice. */
  readonly surb: ReplySurb
  /** The mean delay of a hop: the SURB's own delays are its creator's secret. */
  readonly averageDelay: Nanos
}

/** A packet for the entry gateway, ready to be framed. */
export interface MixnetPacket {
  readonly packet: Uint8Array
  readonly firstHop: NodeAddress
  readonly rotation: RotationFlag
  /** The delays there and back; for replies partly an estimate. Links and queues come on top. */
  readonly expectedRoundTrip: Nanos
}

export interface PreparedPacket extends MixnetPacket {
  readonly fragmentId: FragmentId
}

/** Hops of a SURB that delay: three mix nodes, whatever its real route. */
const ASSUMED_REPLY_MIXES = 3

/** Draws, in order: ack IV, ack Sphinx secret, ack padding, ephemeral secret, packet Sphinx secret, packet padding. */
export function preparePacket(crypto: CryptoProvider, random: RandomStream, params: PacketParams): PreparedPacket {
  const fragmentId = idOf(params.fragment)
  const content = encodeFragment(params.fragment)
  return { ...wrapContent(crypto, random, { ...params, fragmentId, content }), fragmentId }
}

/** Draws, in order: ack IV, ack Sphinx secret, ack padding. */
export function prepareReply(crypto: CryptoProvider, random: RandomStream, params: ReplyParams): PreparedPacket {
  const { surb, size, averageDelay } = params
  const fragmentId = idOf(params.fragment)
  const content = encodeFragment(params.fragment)
  checkFull(content, size)
  const ack = ackFor(crypto, random, params, fragmentId)
  const ciphertext = applyPayloadKey(crypto, surb.encryptionKey, content)
  const plaintext = concat(ack.bytes, replySurbDigest(crypto, surb.encryptionKey), ciphertext)
  const { packet, firstHop } = useSurb(crypto, surb.surb, plaintext, size.payloadBytes)
  return {
    packet,
    firstHop: decodeNodeAddress(firstHop).address,
    rotation: surb.rotation,
    expectedRoundTrip: (ASSUMED_REPLY_MIXES * averageDelay + ack.totalDelay) as Nanos,
    fragmentId,
  }
}

/**
 * Encrypts `content` for `recipient` and wraps it: the one way by which real packets and cover are made, so that they cannot
 * come to differ. Draws what `preparePacket` says. `variant` is what the recipient will see in front of the ciphertext.
 */
export function wrapContent(
  crypto: CryptoProvider,
  random: RandomStream,
  params: RoutedParams & {
    readonly recipient: Pick<Recipient, 'identity' | 'encryptionKey'>
    readonly fragmentId: FragmentId
    readonly content: Uint8Array
  },
): MixnetPacket & { readonly variant: Uint8Array } {
  const { recipient, route, delays, size, version, content } = params
  checkFull(content, size)
  const ack = ackFor(crypto, random, params, params.fragmentId)
  const { variant, key } = params.agreement ?? agreeWith(crypto, random.bytes(KEY_BYTES), recipient.encryptionKey)
  const secret = params.routeKeys ?? random.bytes(KEY_BYTES)
  const padding = random.bytes(finalPaddingBytes(route.length))
  const packet = wrapPacket(crypto, {
    secret,
    route,
    delays,
    destination: sphinxDestination(recipient.identity),
    version,
    padding,
    message: concat(ack.bytes, variant, applyPayloadKey(crypto, key, content)),
    payloadBytes: size.payloadBytes,
  })
  return {
    packet,
    firstHop: firstHopOf(route),
    rotation: params.rotation,
    expectedRoundTrip: (totalDelay(delays) + ack.totalDelay) as Nanos,
    variant,
  }
}

function ackFor(crypto: CryptoProvider, random: RandomStream, params: AckedParams, fragmentId: FragmentId) {
  const { sender, ackRoute: route, ackDelays: delays, ackKeys: keys, version } = params
  const { ackKey } = sender
  const { identity } = sender.address
  return buildSurbAck(crypto, random, { identity, ackKey, fragmentId, route, delays, keys, version })
}

const idOf = ({ setId, position }: Fragment): FragmentId => ({ setId, position })

/** A shorter plaintext would travel in an equal packet, but its padding would show the last hop how much it holds. */
function checkFull(content: Uint8Array, size: PacketSize): void {
  const expected = fragmentBytes(size)
  if (content.length !== expected) {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'fragment', bytes: content.length, expected })
  }
}
