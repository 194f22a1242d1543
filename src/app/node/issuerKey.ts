/** Who an issuer is: the Ed25519 key that its plan names, and that signs its votes. Its share of the threshold key is elsewhere. @module */
import type { Secret } from '../../foundation/base/secret.ts'
import type { World } from '../../foundation/platform/world.ts'
import { loadOrCreateKey } from './nodeKeys.ts'

export interface IssuerKey {
  /** Ed25519 seed. */
  readonly seed: Secret
  readonly identity: Uint8Array
}

/** Throws KEY_FILE_UNREADABLE, never replaces a file. */
export async function loadOrCreateIssuerKey({ crypto, files, random }: World, folder: string): Promise<IssuerKey> {
  const draw = () => random.stream('issuer-key').bytes(32)
  const seed = await loadOrCreateKey(files, `${folder}/identity.pem`, 'ED25519 PRIVATE KEY', draw)
  return { seed, identity: crypto.ed25519PublicKey(seed.expose()) }
}
