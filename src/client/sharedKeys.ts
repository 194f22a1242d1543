/**
 * What a client keeps of each gateway it is registered with: the shared key, and when it last logged in. One secret file per
 * gateway, `<identity in base58>.pem`, holding a PEM block of
 *
 *   0   32  shared key
 *   32  8   timestamp of the last login or registration, Unix seconds, u64
 *
 * Losing a file costs nothing but a registration, so an unreadable one is replaced, other than a key of the client's own.
 * @module
 */
import { toBase58 } from '../foundation/base/base58.ts'
import { EMPTY_BYTES } from '../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../foundation/base/errors.ts'
import type { Log } from '../foundation/base/observe.ts'
import { decodePem, encodePem } from '../foundation/base/pem.ts'
import { Reader } from '../foundation/base/reader.ts'
import { Secret } from '../foundation/base/secret.ts'
import type { Millis } from '../foundation/base/units.ts'
import { Writer } from '../foundation/base/writer.ts'
import type { ClientFiles } from '../foundation/platform/files.ts'
import { MAX_TIMESTAMP_SKEW_SECONDS, SHARED_KEY_BYTES } from '../protocol/wire/gateway/protocol.ts'

const PEM_TYPE = 'AES-256-GCM-SIV SHARED KEY'
const FILE_BYTES = SHARED_KEY_BYTES + 8
// Leaves a gateway whose clock is not ours some room.
const MAX_AHEAD_SECONDS = MAX_TIMESTAMP_SKEW_SECONDS / 2

export interface SharedKeysOptions {
  readonly files: ClientFiles
  /** undefined: in memory only. */
  readonly folder: string | undefined
  readonly log: Log
}

/** All gateways of one client. Must be the only one on its folder. */
export class SharedKeys {
  readonly #options: SharedKeysOptions
  readonly #registrations = new Map<string, Registration>()
  readonly #writing = new Set<Promise<void>>()

  constructor(options: SharedKeysOptions) {
    this.#options = options
  }

  /** The one registration object of that gateway, with or without a key. */
  async load(gateway: Uint8Array): Promise<Registration> {
    const name = toBase58(gateway)
    const path = `${this.#options.folder}/${name}.pem`
    const stored = this.#registrations.has(name) ? undefined : await this.#read(path)
    const known = this.#registrations.get(name)
    if (known) return known
    const registration = new Registration(stored, (contents) => this.#write(path, contents))
    this.#registrations.set(name, registration)
    return registration
  }

  /** Resolves when everything is written that was to be written. */
  async flush(): Promise<void> {
    await Promise.all(this.#writing)
  }

  async #read(path: string): Promise<Stored | undefined> {
    const { files, folder, log } = this.#options
    if (folder === undefined) return undefined
    const contents = await files.read(path).catch(() => EMPTY_BYTES)
    if (contents === undefined) return undefined
    const stored = tryDecode(() => decode(contents))
    if (!isMixnetError(stored)) return stored
    log.warn('shared key unreadable, registering anew')
    return undefined
  }

  #write(path: string, contents: Uint8Array): void {
    const { files, folder, log } = this.#options
    if (folder === undefined) return
    // Nobody waits for the disk: what is lost with the process costs one refused login.
    const done = files
      .write(path, contents, { secret: true })
      .catch(() => log.warn('shared key not stored'))
      .finally(() => this.#writing.delete(done))
    this.#writing.add(done)
  }
}

interface Stored {
  readonly key: Secret
  readonly lastLogin: number
}

/** A client's standing with one gateway. */
export class Registration {
  readonly #write: (contents: Uint8Array) => void
  #key: Secret | undefined
  #lastLogin: number

  constructor(stored: Stored | undefined, write: (contents: Uint8Array) => void) {
    this.#write = write
    this.#key = stored?.key
    this.#lastLogin = stored?.lastLogin ?? 0
  }

  get key(): Secret | undefined {
    return this.#key
  }

  registered(key: Secret, now: Millis): void {
    this.#key = key
    const current = Math.floor(now / 1000)
    // A registration is also how a client gets away from a clock that once ran far ahead.
    this.#lastLogin = this.#lastLogin > current + MAX_AHEAD_SECONDS ? current : Math.max(current, this.#lastLogin)
    this.#store()
  }

  /** The gateway has no use for the key any more. The file stays until the next one replaces it. */
  forget(): void {
    this.#key = undefined
  }

  /**
   * The timestamp of a login, above every earlier one, also within one second. undefined where that is so far ahead of `now`
   * that a gateway would refuse it: then only a new registration helps.
   */
  nextLogin(now: Millis): number | undefined {
    const current = Math.floor(now / 1000)
    const next = Math.max(current, this.#lastLogin + 1)
    if (next > current + MAX_AHEAD_SECONDS) return undefined
    this.#lastLogin = next
    this.#store()
    return next
  }

  #store(): void {
    if (this.#key === undefined) return
    const contents = new Writer(FILE_BYTES).bytes(this.#key.expose()).u64(BigInt(this.#lastLogin)).finish()
    this.#write(encodePem(PEM_TYPE, contents))
  }
}

function decode(contents: Uint8Array): Stored {
  const reader = new Reader(decodePem(PEM_TYPE, contents), 'shared key file')
  const key = new Secret(reader.bytes(SHARED_KEY_BYTES, 'key'))
  const lastLogin = Number(reader.u64('last login'))
  reader.expectEnd()
  return { key, lastLogin }
}
