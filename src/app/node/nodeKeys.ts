/** A node's long-term keys: who it is, and what its links are encrypted with. Sphinx keys rotate and live in roles/mixing. @module */
import { expectLength } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { decodePem, encodePem } from '../../foundation/base/pem.ts'
import { Secret } from '../../foundation/base/secret.ts'
import type { Files } from '../../foundation/platform/files.ts'
import type { World } from '../../foundation/platform/world.ts'

export interface NodeKeys {
  /** Ed25519 seed. */
  readonly identitySeed: Secret
  readonly identity: Uint8Array
  /** X25519. */
  readonly noiseSecret: Secret
  readonly noisePublic: Uint8Array
}

const KEY_BYTES = 32

/** Loads the keys in `folder`, making those that are missing. Throws KEY_FILE_UNREADABLE, never replaces a file. */
export async function loadOrCreateNodeKeys({ crypto, files, random }: World, folder: string): Promise<NodeKeys> {
  const draw = () => random.stream('node-keys').bytes(KEY_BYTES)
  const identitySeed = await loadOrCreateKey(files, `${folder}/identity.pem`, 'ED25519 PRIVATE KEY', draw)
  const noiseSecret = await loadOrCreateKey(files, `${folder}/noise.pem`, 'X25519 NOISE PRIVATE KEY', draw)
  return {
    identitySeed,
    identity: crypto.ed25519PublicKey(identitySeed.expose()),
    noiseSecret,
    noisePublic: crypto.x25519Base(noiseSecret.expose()),
  }
}

/** Of 32 bytes. Throws KEY_FILE_UNREADABLE, never replaces a file. */
export async function loadOrCreateKey(
  files: Files,
  path: string,
  type: string,
  draw: () => Uint8Array,
): Promise<Secret> {
  const stored = await files.read(path)
  if (stored === undefined) {
    const key = draw()
    await files.write(path, encodePem(type, key), { secret: true })
    return new Secret(key)
  }
  try {
    return new Secret(expectLength(decodePem(type, stored), KEY_BYTES, 'key'))
  } catch (cause) {
    throw new MixnetError('KEY_FILE_UNREADABLE', { file: path }, { cause })
  }
}
