/** A client's long-term keys: who it is, what messages to it are encrypted with, and what its acks are. @module */

import { expectLength } from '../foundation/base/bytes.ts'
import { MixnetError } from '../foundation/base/errors.ts'
import { decodePem, encodePem } from '../foundation/base/pem.ts'
import { Secret } from '../foundation/base/secret.ts'
import type { CryptoProvider } from '../foundation/crypto/provider.ts'
import type { ClientFiles } from '../foundation/platform/files.ts'
import type { RandomStream } from '../foundation/platform/random.ts'

export interface ClientKeys {
  /** Ed25519. */
  readonly identitySeed: Secret
  readonly identity: Uint8Array
  /** X25519. */
  readonly encryptionSecret: Secret
  readonly encryptionKey: Uint8Array
  /** AES-128. */
  readonly ackKey: Secret
}

// The identity is written last: where it is missing, there never was a client here, only the beginning of one.
const FILES = [
  { name: 'ack.pem', type: 'AES-128-CTR ACKNOWLEDGEMENTS KEY', bytes: 16 },
  { name: 'encryption.pem', type: 'X25519 PRIVATE KEY', bytes: 32 },
  { name: 'identity.pem', type: 'ED25519 PRIVATE KEY', bytes: 32 },
] as const

export function createClientKeys(crypto: CryptoProvider, random: RandomStream): ClientKeys {
  return fromSecrets(crypto, random.bytes(32), random.bytes(32), random.bytes(16))
}

/**
 * Loads the keys in `folder`; makes and stores what is missing where there is no identity yet. Never replaces a file. Throws
 * KEY_FILE_UNREADABLE.
 */
export async function loadOrCreateClientKeys(
  crypto: CryptoProvider,
  random: RandomStream,
  files: ClientFiles,
  folder: string,
): Promise<ClientKeys> {
  const stored = await Promise.all(FILES.map((file) => files.read(`${folder}/${file.name}`)))
  const isNew = stored.at(-1) === undefined
  const secrets: Uint8Array[] = []
  for (const [index, { name, type, bytes }] of FILES.entries()) {
    const contents = stored[index]
    if (contents !== undefined) {
      secrets.push(readKey(contents, { name, type, bytes }))
    } else if (isNew) {
      const secret = random.bytes(bytes)
      await files.write(`${folder}/${name}`, encodePem(type, secret), { secret: true })
      secrets.push(secret)
    } else {
      throw new MixnetError('KEY_FILE_UNREADABLE', { file: name, why: 'missing' })
    }
  }
  const [ack, encryption, identity] = secrets as [Uint8Array, Uint8Array, Uint8Array]
  return fromSecrets(crypto, identity, encryption, ack)
}

/** The identity first: killed meanwhile, what is left is no client. */
export async function forgetClientKeys(files: ClientFiles, folder: string): Promise<void> {
  for (const { name } of FILES.toReversed()) await files.remove(`${folder}/${name}`)
}

function readKey(
  contents: Uint8Array,
  { name, type, bytes }: { name: string; type: string; bytes: number },
): Uint8Array {
  try {
    return expectLength(decodePem(type, contents), bytes, name)
  } catch (cause) {
    throw new MixnetError('KEY_FILE_UNREADABLE', { file: name }, { cause })
  }
}

function fromSecrets(
  crypto: CryptoProvider,
  identity: Uint8Array,
  encryption: Uint8Array,
  ack: Uint8Array,
): ClientKeys {
  return {
    identitySeed: new Secret(identity),
    identity: crypto.ed25519PublicKey(identity),
    encryptionSecret: new Secret(encryption),
    encryptionKey: crypto.x25519Base(encryption),
    ackKey: new Secret(ack),
  }
}
