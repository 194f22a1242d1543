/** Errors of the system's files, as people should see them. @module */
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EEXIST: 'a file is in the way of a folder',
  EISDIR: 'it is a folder',
  ENOENT: 'it cannot be made there',
  EMFILE: 'too many open files; raise the limit with ulimit -n',
}

/** The error itself where it is none of these. */
export function explainFileError(error: unknown): unknown {
  if (isMixnetError(error) || !(error instanceof Error) || !('code' in error)) return error
  const { code, path } = error as { code?: unknown; path?: unknown }
  // SQLite, which also holds the locks, does not tell why.
  if (code === 'ERR_SQLITE_ERROR' && /unable to open|readonly/.test(error.message)) {
    return new MixnetError('FILE_UNUSABLE', { why: 'a database cannot be opened for writing' }, { cause: error })
  }
  const why = REASONS[String(code)]
  if (why === undefined) return error
  return new MixnetError('FILE_UNUSABLE', { ...(typeof path === 'string' ? { path } : {}), why }, { cause: error })
}
