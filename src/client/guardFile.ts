/**
 * What a client remembers of its gateways, in one file, `gateway`, of lines:
 *
 *   <gateway that served last, base58, or ->
 *   guard <base58> <day drawn> <day since which the directory leaves it out, or ->
 *
 * Version 0.1 wrote the first line only. A line that cannot be read is passed over, and costs a draw. @module
 */
import { fromBase58 } from '../foundation/base/base58.ts'
import { fromUtf8Lossy, utf8 } from '../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../foundation/base/errors.ts'
import type { Log } from '../foundation/base/observe.ts'
import type { Files } from '../foundation/platform/files.ts'
import type { Guard } from './guardSet.ts'

export interface Remembered {
  readonly home: string | undefined
  readonly guards: readonly Guard[]
}

const NOTHING: Remembered = { home: undefined, guards: [] }
const NONE = '-'
const IDENTITY_BYTES = 32
// A file of ours has seven lines. What is longer is somebody else's.
const MAX_FILE_BYTES = 4096

export class GuardFile {
  readonly #files: Files
  readonly #path: string | undefined
  readonly #log: Log
  readonly #writing = new Set<Promise<void>>()

  /** `folder` undefined: nothing is remembered. */
  constructor(files: Files, folder: string | undefined, log: Log) {
    this.#files = files
    this.#path = folder === undefined ? undefined : `${folder}/gateway`
    this.#log = log
  }

  async read(): Promise<Remembered> {
    const contents = this.#path === undefined ? undefined : await this.#files.read(this.#path)
    if (contents === undefined) return NOTHING
    const [first = '', ...others] = fromUtf8Lossy(contents.subarray(0, MAX_FILE_BYTES)).split('\n')
    const home = isIdentity(first.trim()) ? first.trim() : undefined
    const lines = others.filter((line) => line.trim() !== '')
    const guards = lines.map(readGuard).filter((guard) => guard !== undefined)
    if ((home === undefined && first.trim() !== NONE) || guards.length < lines.length) {
      this.#log.warn('stored choice of gateways unreadable in part, choosing anew')
    }
    return { home, guards: guards.filter(({ name }, at) => guards.findIndex((one) => one.name === name) === at) }
  }

  /** Nobody waits for the disk. Writes to one file follow each other, so the last state is what stays. */
  write({ home, guards }: Remembered): void {
    if (this.#path === undefined) return
    const lines = guards.map(({ name, drawnOn, unlistedSince }) => `guard ${name} ${drawnOn} ${unlistedSince ?? NONE}`)
    const done = this.#files
      .write(this.#path, utf8(`${[home ?? NONE, ...lines].join('\n')}\n`), { secret: true })
      .catch(() => this.#log.warn('choice of gateways not stored'))
      .finally(() => this.#writing.delete(done))
    this.#writing.add(done)
  }

  /** Resolves when everything is written that was to be written. */
  async flush(): Promise<void> {
    await Promise.all(this.#writing)
  }
}

function readGuard(line: string): Guard | undefined {
  const [word, name = '', drawnOn = '', unlistedSince = ''] = line.trim().split(' ')
  if (word !== 'guard' || !isIdentity(name) || !isDay(drawnOn)) return undefined
  if (unlistedSince !== NONE && !isDay(unlistedSince)) return undefined
  return { name, drawnOn: Number(drawnOn), unlistedSince: unlistedSince === NONE ? undefined : Number(unlistedSince) }
}

const isDay = (text: string): boolean => /^\d{1,6}$/.test(text)

const isIdentity = (text: string): boolean =>
  !isMixnetError(tryDecode(() => fromBase58(text, 'gateway identity', IDENTITY_BYTES)))
