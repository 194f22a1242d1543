/** Packets for measuring: whole ones, and cheap ones that only their first hop can read. @module */
import { nanos } from '../src/foundation/base/units.ts'
import type { CryptoProvider } from '../src/foundation/crypto/provider.ts'
import type { RandomStream } from '../src/foundation/platform/random.ts'
import { encodeNodeAddress, type NodeAddress } from '../src/protocol/packet/nodeAddress.ts'
import { REGULAR } from '../src/protocol/packet/sizes.ts'
import {
  ADDRESS_OFFSET,
  BETA_BYTES,
  BETA_OFFSET,
  DELAY_OFFSET,
  FLAG_BYTES,
  FORWARD_FIELDS_BYTES,
  FORWARD_FLAG,
  GAMMA_OFFSET,
  HEADER_BYTES,
  KEY_BYTES,
  KEY_SEEDS_VERSION,
  MAC_BYTES,
  PAYLOAD_OVERHEAD_BYTES,
  type SphinxVersion,
} from '../src/protocol/sphinx/constants.ts'
import { expandSharedSecret } from '../src/protocol/sphinx/keys.ts'
import type { PacketParams } from '../src/protocol/sphinx/packet.ts'
import { finalPaddingBytes } from '../src/protocol/sphinx/route.ts'

export const HOPS = 4

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

/** Parameters of a packet of the usual size, and the secret key of its first hop. What the bytes are makes no difference to the time. */
export function examplePacket(
  crypto: CryptoProvider,
  version: SphinxVersion,
): { params: PacketParams; secretKey: Uint8Array } {
  const secretKeys = Array.from({ length: HOPS }, (_, i) => bytes(KEY_BYTES, i + 1))
  const params: PacketParams = {
    secret: bytes(KEY_BYTES, 0x22),
    route: secretKeys.map((key, i) => ({ address: bytes(32, i), publicKey: crypto.x25519Base(key) })),
    delays: secretKeys.map(() => nanos(15_000_000)),
    destination: { address: bytes(32, 0xd5), identifier: bytes(16, 0) },
    version,
    padding: bytes(finalPaddingBytes(HOPS), 0x77),
    message: bytes(REGULAR.payloadBytes - PAYLOAD_OVERHEAD_BYTES, 0x5a),
    payloadBytes: REGULAR.payloadBytes,
  }
  return { params, secretKey: bytes(KEY_BYTES, 1) }
}

export interface FirstHopParams {
  /** X25519. */
  readonly publicKey: Uint8Array
  readonly nextHop: NodeAddress
  readonly delayNanos: number
}

/**
 * A packet that is right for its first hop and noise behind it: the hop does for it exactly what it does for any other, and it
 * costs its maker 1.4 multiplications instead of 4.4. A million distinct ones, which a replay filter asks for, are affordable.
 */
export function firstHopPacket(crypto: CryptoProvider, random: RandomStream, params: FirstHopParams): Uint8Array {
  const packet = new Uint8Array(REGULAR.totalBytes)
  const secret = random.bytes(KEY_BYTES)
  packet.set(crypto.x25519Base(secret))
  const keys = expandSharedSecret(crypto, crypto.x25519(secret, params.publicKey))
  const block = new Uint8Array(BETA_BYTES)
  block[0] = FORWARD_FLAG
  block[FLAG_BYTES + 1] = KEY_SEEDS_VERSION >>> 8
  block[FLAG_BYTES + 2] = KEY_SEEDS_VERSION & 0xff
  block.set(encodeNodeAddress(params.nextHop, 32), ADDRESS_OFFSET)
  new DataView(block.buffer).setBigUint64(DELAY_OFFSET, BigInt(Math.round(params.delayNanos)))
  // The next alpha is new to every hop; a fixed rest costs nothing and tells no hop anything.
  block.fill(0x77, FORWARD_FIELDS_BYTES)
  const beta = crypto.aes128Ctr(keys.cipherKey, new Uint8Array(16), block)
  packet.set(beta, BETA_OFFSET)
  packet.set(crypto.hmacSha256(keys.macKey, beta).subarray(0, MAC_BYTES), GAMMA_OFFSET)
  packet.fill(0x5a, HEADER_BYTES)
  return packet
}
