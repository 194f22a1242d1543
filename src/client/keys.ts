/** A client's long-term keys: who it is, what messages to it are encrypted with, and what its acks are. @module */

import { expectLength } from '../foundation/base/bytes.ts'
import { MixnetError } from '../foundation/base/errors.ts'
import { decodePem, encodePem } from '../foundation/base/pem.ts'
import { Secret } from '../foundation/base/secret.ts'
import type { CryptoProvider } from '../foundation/crypto/provider.ts'
import type { Files } from '../foundation/platform/files.ts'
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

const FILES = [
  { name: 'identity.pem', type: 'ED25519 PRIVATE KEY', bytes: 32 },
  { name: 'encryption.pem', type: 'X25519 PRIVATE KEY', bytes: 32 },
  { name: 'ack.pem', type: 'AES-128-CTR ACKNOWLEDGEMENTS KEY', bytes: 16 },
] as const

export function createClientKeys(crypto: CryptoProvider, random: RandomStream): ClientKeys {
  return fromSecrets(crypto, random.bytes(32), random.bytes(32), random.bytes(16))
}

/** Loads the keys in `folder`; makes and stores them where there are none. Throws KEY_FILE_UNREADABLE, never replaces a file. */
export async function loadOrCreateClientKeys(
  crypto: CryptoProvider,
  random: RandomStream,
  files: Files,
  folder: string,
): Promise<ClientKeys> {
  const found = await Promise.all(FILES.map((file) => files.read(`${folder}/${file.name}`)))
  if (found.every((contents) => contents === undefined)) {
    const keys = createClientKeys(crypto, random)
    const secrets = [keys.identitySeed, keys.encryptionSecret, keys.ackKey]
    for (const [index, { name, type }] of FILES.entries()) {
      await files.write(`${folder}/${name}`, encodePem(type, (secrets[index] as Secret).expose()), { secret: true })
    }
    return keys
  }
  const [identity, encryption, ack] = FILES.map(({ name, type, bytes }, index) => {
    const contents = found[index]
    try {
      if (contents === undefined) throw new MixnetError('KEY_FILE_UNREADABLE', { file: name, why: 'missing' })
      return expectLength(decodePem(type, contents), bytes, name)
    } catch (cause) {
      throw new MixnetError('KEY_FILE_UNREADABLE', { file: name }, { cause })
    }
  }) as [Uint8Array, Uint8Array, Uint8Array]
  return fromSecrets(crypto, identity, encryption, ack)
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
