/**
 * MixPacket: what a client hands its gateway, a Sphinx packet and where it goes first. Format: docs/spec/mix-frames.md.
 *
 *   0      1        packet type, 0
 *   1      1        key rotation, in version 2 only
 *   1 / 2  7 / 19   address of the first hop, unpadded
 *   …      …        Sphinx packet, of exactly one of the known sizes
 *
 * Version 1 says nothing about the rotation: the decoder gives 0, unknown. @module
 */
import { malformed } from '../../foundation/base/errors.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'
import { ROTATION_FLAG_BOUNDS, ROTATION_UNKNOWN, type RotationFlag } from '../packet/keyRotation.ts'
import { decodeNodeAddress, encodeNodeAddress, type NodeAddress } from '../packet/nodeAddress.ts'
import { packetSizeByTotal } from '../packet/sizes.ts'
import { PACKET_TYPE_MIX } from '../packet/types.ts'

export interface MixPacket {
  readonly rotation: RotationFlag
  readonly nextHop: NodeAddress
  readonly packet: Uint8Array
}

/** Also the kind of the binary websocket frame around it. */
export type MixPacketVersion = 1 | 2

const WHAT = 'mix packet'

export function encodeMixPacket(mixPacket: MixPacket, version: MixPacketVersion): Uint8Array {
  const address = encodeNodeAddress(mixPacket.nextHop)
  const writer = new Writer(version + address.length + mixPacket.packet.length).u8(PACKET_TYPE_MIX)
  if (version === 2) writer.u8(mixPacket.rotation)
  return writer.bytes(address).bytes(mixPacket.packet).finish()
}

/** The packet is a view into `bytes`. */
export function decodeMixPacket(bytes: Uint8Array, version: MixPacketVersion): MixPacket {
  const reader = new Reader(bytes, WHAT)
  const type = reader.u8('packet type')
  if (type !== PACKET_TYPE_MIX) reader.refuse('packet type', `${type} is unknown`)
  const rotation = version === 2 ? (reader.u8('key rotation', ROTATION_FLAG_BOUNDS) as RotationFlag) : ROTATION_UNKNOWN
  const rest = reader.rest()
  const { address, length } = decodeNodeAddress(rest)
  const packet = rest.subarray(length)
  if (packetSizeByTotal(packet.length) === undefined) throw malformed(WHAT, `packet of ${packet.length} bytes`)
  return { rotation, nextHop: address, packet }
}
