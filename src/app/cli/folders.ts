/** Folders that belong to one process at a time. @module */
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import type { Files, Lock } from '../../foundation/platform/files.ts'

/** Throws LOCKED naming the folder. */
export async function lockFolder(files: Files, folder: string): Promise<Lock> {
  try {
    return await files.lock(`${folder}/lock`)
  } catch (error) {
    if (!isMixnetError(error, 'LOCKED')) throw error
    throw new MixnetError(
      'LOCKED',
      { folder },
      { message: 'another process uses this folder', nextStep: 'Stop it, or choose another folder with --data.' },
    )
  }
}
