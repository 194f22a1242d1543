/** Reading a TOML configuration file and checking it against a schema; errors name the file, the line or the key. @module */
import { dirname, isAbsolute, join } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import type { z } from 'zod'
import { fromUtf8Lossy } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Files } from '../../foundation/platform/files.ts'

/** Throws CONFIG_INVALID. */
export async function readConfigFile<T>(files: Files, path: string, schema: z.ZodType<T, unknown>): Promise<T> {
  const contents = await files.read(path)
  if (contents === undefined) {
    const nextStep = 'Check the path, and the folder that the command is run in.'
    throw new MixnetError('CONFIG_INVALID', { file: path, problem: 'there is no such file' }, { nextStep })
  }
  let values: unknown
  try {
    values = parse(fromUtf8Lossy(contents))
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    throw new MixnetError('CONFIG_INVALID', { file: path, line: error.line, problem: 'not TOML' }, { cause: error })
  }
  return checkConfig(values, path, schema)
}

/** Paths in a file are relative to its folder: where a command is run from must not matter, nor where the folder moves. */
export function besideFile(file: string, path: string): string {
  return isAbsolute(path) ? path : join(dirname(file), path)
}

/** Throws CONFIG_INVALID naming the key. */
export function checkConfig<T>(values: unknown, file: string, schema: z.ZodType<T, unknown>): T {
  const checked = schema.safeParse(values)
  if (checked.success) return checked.data
  const [issue] = checked.error.issues
  const key = issue === undefined || issue.path.length === 0 ? '(top level)' : issue.path.join('.')
  throw new MixnetError('CONFIG_INVALID', { file, key, problem: issue?.message ?? 'unknown' })
}
