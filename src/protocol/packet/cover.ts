/**
 * Cover traffic by where it ends: loops come back to their sender, drops go to somebody else or to nobody. Outside and at every
 * hop both look like real packets; a recipient's client knows them by a marker inside the end-to-end encryption. Official
 * clients discard both (they make loops only). Format: docs/spec/packet.md, "Cover". @module
 */
import { utf8 } from '../../foundation/base/bytes.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import { KEY_BYTES } from '../sphinx/constants.ts'
import { COVER_FRAGMENT_ID } from './acks.ts'
import { type MixnetPacket, type RoutedParams, wrapContent } from './prepare.ts'
import type { Recipient } from './recipient.ts'
import { fragmentBytes, type PacketSize } from './sizes.ts'

/** Its first byte has no top bit, a fragment's has: the two cannot be confused. */
const MARKER: Uint8Array = utf8('The cake is a lie!')
const PADDING_START = 1

export interface PreparedCover extends MixnetPacket {
  /** 32 bytes that come back in front of a loop's ciphertext: how its sender knows one loop from another. */
  readonly variant: Uint8Array
}

/** Draws what `preparePacket` draws. `route` ends at the sender's own gateway. */
export function prepareLoopCover(crypto: CryptoProvider, random: RandomStream, params: RoutedParams): PreparedCover {
  return wrapCover(crypto, random, { ...params, recipient: params.sender.address })
}

export interface DropCoverParams extends RoutedParams {
  /**
   * undefined for nobody: a destination that no client has, for gateways which drop what is for nobody. Official gateways
   * would store such packets: give them recipients.
   */
  readonly recipient: Recipient | undefined
}

/** Draws, for nobody, an identity and an encryption key; then what `preparePacket` draws. `route` ends at the recipient's gateway. */
export function prepareDropCover(crypto: CryptoProvider, random: RandomStream, params: DropCoverParams): PreparedCover {
  // Any 32 bytes are an X25519 public key, and nobody has the secret of these: a recipient without a second multiplication.
  const recipient = params.recipient ?? { identity: random.bytes(KEY_BYTES), encryptionKey: random.bytes(KEY_BYTES) }
  return wrapCover(crypto, random, { ...params, recipient })
}

/** Whether a decrypted plaintext is cover, a loop of ours or somebody's drop. */
export function isCover(plaintext: Uint8Array): boolean {
  return MARKER.every((byte, i) => plaintext[i] === byte)
}

function wrapCover(
  crypto: CryptoProvider,
  random: RandomStream,
  params: RoutedParams & { readonly recipient: Pick<Recipient, 'identity' | 'encryptionKey'> },
): PreparedCover {
  return wrapContent(crypto, random, { ...params, fragmentId: COVER_FRAGMENT_ID, content: coverContent(params.size) })
}

/** The same for all cover of a size, and read only. */
const contents = new Map<PacketSize, Uint8Array>()

function coverContent(size: PacketSize): Uint8Array {
  let content = contents.get(size)
  if (content === undefined) {
    content = new Uint8Array(fragmentBytes(size))
    content.set(MARKER)
    content[MARKER.length] = PADDING_START
    contents.set(size, content)
  }
  return content
}
