/** The directory's last answer about epochs, on disk: a node that restarts while its directory is away goes on by it. @module */
import { fromUtf8, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Log } from '../../foundation/base/observe.ts'
import type { Files } from '../../foundation/platform/files.ts'
import {
  decodeKeyRotationInfo,
  encodeKeyRotationInfo,
  type KeyRotationInfo,
} from '../../protocol/wire/directory/epochs.ts'

export interface EpochMemoryOptions {
  readonly files: Files
  readonly path: string
  /** Whose answer it is: epochs of one network mean nothing in another. */
  readonly directories: readonly string[]
  readonly log: Log
}

export class EpochMemory {
  readonly #options: EpochMemoryOptions
  #written: string | undefined

  constructor(options: EpochMemoryOptions) {
    this.#options = options
  }

  /** undefined where there is none of these directories. */
  async read(): Promise<KeyRotationInfo | undefined> {
    const { files, path, log } = this.#options
    const contents = await files.read(path)
    if (contents === undefined) return undefined
    try {
      const [directories, info = ''] = fromUtf8(contents, 'epoch memory').split('\n')
      return directories === this.#directories ? decodeKeyRotationInfo(info) : undefined
    } catch (error) {
      if (!isMixnetError(error)) throw error
      // Without it the node waits for the directory, as it would the first time.
      log.warn('epochs.unreadable', { problem: error.message })
      return undefined
    }
  }

  /** Resolves when it is on disk, or cannot be: then the node needs its directory to start, and no more. */
  async remember(info: KeyRotationInfo): Promise<void> {
    const { files, path, log } = this.#options
    const text = `${this.#directories}\n${JSON.stringify(encodeKeyRotationInfo(info))}\n`
    if (text === this.#written) return
    try {
      await files.write(path, utf8(text))
      this.#written = text
    } catch (error) {
      log.warn('epochs.not-written', { problem: isMixnetError(error) ? error.message : 'disk' })
    }
  }

  get #directories(): string {
    return JSON.stringify(this.#options.directories)
  }
}
