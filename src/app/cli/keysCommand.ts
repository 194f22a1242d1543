/** `starling keys FOLDER`: what others may know of a node or a client. Never prints a private key. @module */

import { loadOrCreateClientKeys } from '../../client/keys.ts'
import { toBase58 } from '../../foundation/base/base58.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { loadOrCreateNodeKeys } from '../node/nodeKeys.ts'
import type { Session } from './session.ts'

export async function showKeys({ world, screen }: Session, folder: string): Promise<number> {
  const names = await world.files.list(folder)
  const show = (label: string, key: Uint8Array) =>
    screen.step(label, toBase58(key), undefined, { event: 'key', which: label, base58: toBase58(key) })
  // The loaders make what is missing; here nothing is made.
  if (names.includes('noise.pem') && names.includes('identity.pem')) {
    const keys = await loadOrCreateNodeKeys(world, folder)
    show('identity', keys.identity)
    show('noise', keys.noisePublic)
  } else if (names.includes('encryption.pem') && names.includes('identity.pem')) {
    const keys = await loadOrCreateClientKeys(world.crypto, world.random.stream('client-keys'), world.files, folder)
    show('identity', keys.identity)
    show('encryption', keys.encryptionKey)
  } else {
    throw new MixnetError(
      'BAD_ARGUMENT',
      { folder },
      {
        message: 'there are no keys of a node or a client',
        nextStep: '"starling node init FOLDER" makes a node, "starling fetch URL --data FOLDER" a client.',
      },
    )
  }
  return 0
}
