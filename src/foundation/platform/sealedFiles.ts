/**
 * Files under a passphrase: contents sealed, names left as they are. Whoever copies the folder, or the browser's profile, has to
 * guess the passphrase at half a second of PBKDF2 a try; whoever reads the memory of the running program does not.
 *
 *     <folder>/vault    0  16  salt
 *                      16  28  nonce and tag of an empty text under the key: tells a wrong passphrase from a broken file
 *     any other file    0  12  nonce
 *                      12      AES-256-GCM, ciphertext and tag, the path as associated data: files cannot be swapped
 *
 * @module
 */
import { concat, utf8 } from '../base/bytes.ts'
import { MixnetError } from '../base/errors.ts'
import type { ClientFiles } from './files.ts'
import type { RandomStream } from './random.ts'

const VAULT = 'vault'
const SALT_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16
const VAULT_BYTES = SALT_BYTES + NONCE_BYTES + TAG_BYTES
/** OWASP's figure for PBKDF2 with SHA-256, 2023. */
const ITERATIONS = 600_000

type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>
type Plain = Uint8Array<ArrayBuffer>

/**
 * The files below `folder`. The first passphrase that is given is the one; files that lie there unsealed are refused, not read.
 * Throws KEY_FILE_UNREADABLE for another passphrase, BAD_ARGUMENT for an empty one.
 */
export async function openSealedFiles(
  files: ClientFiles,
  {
    folder,
    passphrase,
    random,
  }: { readonly folder: string; readonly passphrase: string; readonly random: RandomStream },
): Promise<ClientFiles> {
  if (passphrase === '') throw new MixnetError('BAD_ARGUMENT', { argument: 'passphrase', why: 'empty' })
  const path = `${folder}/${VAULT}`
  const vault = await files.read(path)
  if (vault !== undefined && vault.length !== VAULT_BYTES) throw unreadable(path, 'not what it was written as')
  const salt = vault?.slice(0, SALT_BYTES) ?? random.bytes(SALT_BYTES)
  const key = await deriveKey(passphrase, salt)
  const sealed = new SealedFiles(files, key, random)
  if (vault === undefined)
    await files.write(path, concat(salt, await sealed.seal(path, new Uint8Array(0))), { secret: true })
  else await sealed.open(path, vault.subarray(SALT_BYTES), 'another passphrase')
  return sealed
}

/** Whether what lies there has a passphrase. */
export async function isSealed(files: ClientFiles, folder: string): Promise<boolean> {
  return (await files.read(`${folder}/${VAULT}`)) !== undefined
}

class SealedFiles implements ClientFiles {
  readonly #files: ClientFiles
  readonly #key: Key
  readonly #random: RandomStream

  constructor(files: ClientFiles, key: Key, random: RandomStream) {
    this.#files = files
    this.#key = key
    this.#random = random
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    const contents = await this.#files.read(path)
    return contents && (await this.open(path, contents, 'not sealed under this passphrase'))
  }

  async write(path: string, contents: Uint8Array): Promise<void> {
    await this.#files.write(path, await this.seal(path, contents), { secret: true })
  }

  async list(folder: string): Promise<readonly string[]> {
    return (await this.#files.list(folder)).filter((name) => name !== VAULT)
  }

  remove(path: string): Promise<void> {
    return this.#files.remove(path)
  }

  lock(path: string): ReturnType<ClientFiles['lock']> {
    return this.#files.lock(path)
  }

  async seal(path: string, contents: Uint8Array): Promise<Uint8Array> {
    // Random nonces: a client writes some thousand files in its life, and a collision is likely after 2⁴⁸.
    const iv = this.#random.bytes(NONCE_BYTES) as Plain
    const ciphertext = await crypto.subtle.encrypt(parametersOf(path, iv), this.#key, contents.slice())
    return concat(iv, new Uint8Array(ciphertext))
  }

  async open(path: string, sealed: Uint8Array, why: string): Promise<Uint8Array> {
    try {
      const iv = sealed.slice(0, NONCE_BYTES)
      return new Uint8Array(await crypto.subtle.decrypt(parametersOf(path, iv), this.#key, sealed.slice(NONCE_BYTES)))
    } catch (cause) {
      throw unreadable(path, why, cause)
    }
  }
}

const parametersOf = (path: string, iv: Plain) => ({ name: 'AES-GCM', iv, additionalData: utf8(path).slice() })

async function deriveKey(passphrase: string, salt: Uint8Array): Promise<Key> {
  const { subtle } = crypto
  // One spelling for what looks alike, whatever the keyboard.
  const secret = await subtle.importKey('raw', utf8(passphrase.normalize('NFKC')).slice(), 'PBKDF2', false, [
    'deriveKey',
  ])
  const parameters = { name: 'PBKDF2', hash: 'SHA-256', salt: salt.slice(), iterations: ITERATIONS }
  return await subtle.deriveKey(parameters, secret, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
}

function unreadable(file: string, why: string, cause?: unknown): MixnetError {
  const nextStep = 'Give the passphrase that was given first, or another folder to begin anew.'
  return new MixnetError('KEY_FILE_UNREADABLE', { file, why }, { nextStep, cause })
}
