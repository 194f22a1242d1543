/** Keys of accounts in files of their own: of those that hold little, such as what a node pays its fees from. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import { Secret } from '../../foundation/base/secret.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { Signer } from '../../network/ledger/ledger.ts'
import { keySigner, newKey } from '../../network/ledger/signers.ts'

const KEY_BYTES = 32

/** Made where there is none. Throws KEY_FILE_UNREADABLE for a file that is no key. */
export async function loadOrCreateLedgerKey(
  { files, random }: Pick<World, 'files' | 'random'>,
  path: string,
): Promise<Signer> {
  const file = await files.read(path)
  if (file === undefined) {
    const key = newKey(random)
    await files.write(path, key.expose(), { secret: true })
    return keySigner(key)
  }
  if (file.length !== KEY_BYTES) throw new MixnetError('KEY_FILE_UNREADABLE', { what: 'key of an account', path })
  return keySigner(new Secret(file))
}
