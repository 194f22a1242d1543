/**
 * The folder `tickets` of a client: each file sealed under a key of its own, which comes from the client's identity and the file's
 * name, so that files cannot be swapped for one another.
 *
 *     0   1   version, 1
 *     1   13  nonce
 *     13      AES-256-GCM-SIV under HKDF(identity seed, name), ciphertext and tag
 *
 * It protects tickets where they are found without the identity: in a copy of this folder alone, in a log of what was written, on a disk of
 * which only parts can be read. Whoever has the whole folder of the client has its identity with it, and only a passphrase
 * (sealedFiles.ts), which seals all of it again, keeps him out. It does not notice that a file is an older one: see ticketStore.ts.
 * @module
 */
import { concat, utf8 } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Log } from '../../foundation/base/observe.ts'
import type { Secret } from '../../foundation/base/secret.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { ClientFiles } from '../../foundation/platform/files.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'

export interface TicketFilesOptions {
  readonly files: ClientFiles
  readonly crypto: CryptoProvider
  readonly random: RandomStream
  /** Of the client; tickets are below it. */
  readonly folder: string
  readonly identitySeed: Secret
  readonly log: Log
}

const VERSION = 1
const NONCE_BYTES = 12
const KEY_BYTES = 32
const NAME = /^[a-z]+-[0-9a-f]{1,32}$/

export class TicketFiles {
  readonly #options: TicketFilesOptions
  readonly #changing = new Set<Promise<void>>()
  #closed = false

  constructor(options: TicketFilesOptions) {
    this.#options = options
  }

  /** Those that begin with `kind-`, without it. */
  async list(kind: string): Promise<readonly string[]> {
    const names = await this.#options.files.list(`${this.#options.folder}/tickets`)
    return names
      .filter((name) => NAME.test(name) && name.startsWith(`${kind}-`))
      .map((name) => name.slice(kind.length + 1))
  }

  /**
   * undefined where there is none, and where `decode` or the seal refuses it: one broken file must not keep a client from its other
   * tickets. It is left where it is.
   */
  async read<T>(kind: string, id: string, decode: (contents: Uint8Array) => T): Promise<T | undefined> {
    const { files, log } = this.#options
    const sealed = await files.read(this.#path(kind, id))
    if (sealed === undefined) return undefined
    try {
      return decode(this.#open(`${kind}-${id}`, sealed))
    } catch (error) {
      if (!(error instanceof MixnetError)) throw error
      log.warn('a file of tickets cannot be read', { kind, why: String(error.details.why) })
      return undefined
    }
  }

  /** Atomic, and on the disk when it resolves. */
  async write(kind: string, id: string, contents: Uint8Array): Promise<void> {
    const { crypto, files, random } = this.#options
    const nonce = random.bytes(NONCE_BYTES)
    const sealed = crypto.sealAesGcmSiv(this.#key(`${kind}-${id}`), nonce, contents)
    const contentsOnDisk = concat(Uint8Array.of(VERSION), nonce, sealed)
    await this.#change(() => files.write(this.#path(kind, id), contentsOnDisk, { secret: true }))
  }

  async remove(kind: string, id: string): Promise<void> {
    await this.#change(() => this.#options.files.remove(this.#path(kind, id)))
  }

  /**
   * Resolves when nothing is written any more; what would be is refused with STOPPED. Who lets go of the folder's lock waits for it: a
   * purchase that finished after that would write its book over one of which another process has spent.
   */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#changing)
  }

  async #change(change: () => Promise<void>): Promise<void> {
    if (this.#closed) throw new MixnetError('STOPPED')
    const done = change()
    const settled = done.then(
      () => {},
      () => {},
    )
    this.#changing.add(settled)
    await done.finally(() => this.#changing.delete(settled))
  }

  #open(name: string, sealed: Uint8Array): Uint8Array {
    const why = 'not sealed by this client'
    if (sealed[0] !== VERSION || sealed.length < 1 + NONCE_BYTES) throw new MixnetError('KEY_FILE_UNREADABLE', { why })
    const { crypto } = this.#options
    const body = sealed.subarray(1 + NONCE_BYTES)
    const contents = crypto.openAesGcmSiv(this.#key(name), sealed.subarray(1, 1 + NONCE_BYTES), body)
    if (contents === undefined) throw new MixnetError('KEY_FILE_UNREADABLE', { why })
    return contents
  }

  #key(name: string): Uint8Array {
    const { crypto, identitySeed } = this.#options
    return crypto.hkdfSha256(identitySeed.expose(), utf8(name), utf8('starling tickets 1'), KEY_BYTES)
  }

  #path(kind: string, id: string): string {
    return `${this.#options.folder}/tickets/${kind}-${id}`
  }
}
