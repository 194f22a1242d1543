/**
 * The address of a client: 96 bytes, or `identity.encryption@gateway` in base58.
 *
 *      0  32  client identity, Ed25519
 *     32  32  client encryption key, X25519
 *     64  32  identity of the gateway that holds the client's inbox, Ed25519
 *
 * Format: docs/spec/packet.md, "Addresses". @module
 */
import { fromBase58, toBase58 } from '../../foundation/base/base58.ts'
import { concat } from '../../foundation/base/bytes.ts'
import { malformed } from '../../foundation/base/errors.ts'
import { Reader } from '../../foundation/base/reader.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { Destination } from '../sphinx/route.ts'

const WHAT = 'recipient'
const KEY_BYTES = 32
export const RECIPIENT_BYTES: number = 3 * KEY_BYTES

export interface Recipient {
  readonly identity: Uint8Array
  readonly encryptionKey: Uint8Array
  readonly gateway: Uint8Array
}

export function encodeRecipient({ identity, encryptionKey, gateway }: Recipient): Uint8Array {
  return concat(identity, encryptionKey, gateway)
}

/** Both identities must be points of the curve; any 32 bytes are an encryption key. Copies: the value outlives `bytes`. */
export function decodeRecipient(crypto: CryptoProvider, bytes: Uint8Array): Recipient {
  const reader = new Reader(new Uint8Array(bytes), WHAT)
  const identity = reader.bytes(KEY_BYTES, 'identity')
  const encryptionKey = reader.bytes(KEY_BYTES, 'encryption key')
  const gateway = reader.bytes(KEY_BYTES, 'gateway')
  reader.expectEnd()
  return checked(crypto, { identity, encryptionKey, gateway })
}

export function formatRecipient({ identity, encryptionKey, gateway }: Recipient): string {
  return `${toBase58(identity)}.${toBase58(encryptionKey)}@${toBase58(gateway)}`
}

export function parseRecipient(crypto: CryptoProvider, text: string): Recipient {
  const [client = '', gateway] = exactlyTwo(text, '@')
  const [identity = '', encryptionKey] = exactlyTwo(client, '.')
  return checked(crypto, {
    identity: fromBase58(identity, `${WHAT} identity`, KEY_BYTES),
    encryptionKey: fromBase58(encryptionKey, `${WHAT} encryption key`, KEY_BYTES),
    gateway: fromBase58(gateway, `${WHAT} gateway`, KEY_BYTES),
  })
}

/** What a gateway's last Sphinx hop reads: the client's identity. Nym sends the identifier as zeros and ignores it. */
export function sphinxDestination(identity: Uint8Array): Destination {
  return { address: identity, identifier: NO_IDENTIFIER }
}

const NO_IDENTIFIER: Uint8Array = new Uint8Array(16)

function exactlyTwo(text: string, separator: string): [string, string] {
  const [before, after, more] = text.split(separator, 3)
  if (before === undefined || after === undefined || more !== undefined) {
    throw malformed(WHAT, `needs exactly one '${separator}'`)
  }
  return [before, after]
}

function checked(crypto: CryptoProvider, recipient: Recipient): Recipient {
  if (!crypto.isEd25519Point(recipient.identity)) throw malformed(WHAT, 'identity: not a point of the curve')
  if (!crypto.isEd25519Point(recipient.gateway)) throw malformed(WHAT, 'gateway: not a point of the curve')
  return recipient
}
