/** Folders that belong to one process at a time. @module */
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import type { Files, Lock } from '../../foundation/platform/files.ts'

const CHOOSE_ANOTHER = 'Stop it, or choose another folder with --data.'

/** Throws LOCKED naming the folder. */
export async function lockFolder(files: Files, folder: string, nextStep: string = CHOOSE_ANOTHER): Promise<Lock> {
  try {
    return await files.lock(`${folder}/lock`)
  } catch (error) {
    throw explainLocked(error, folder, nextStep)
  }
}

/** The error itself where it is another. */
export function explainLocked(error: unknown, folder: string, nextStep: string): unknown {
  if (!isMixnetError(error, 'LOCKED')) return error
  return new MixnetError('LOCKED', { folder }, { message: 'another process uses this folder', nextStep, cause: error })
}
