/**
 * The Sphinx keys of a node and their rotation (docs/spec/packet.md, key rotation): a primary for the current rotation, and at
 * most one secondary, which is the pre-announced next key or, for one epoch after a switch, the previous one. @module
 */
import { MixnetError } from '../../foundation/base/errors.ts'
import { decodePem, encodePem } from '../../foundation/base/pem.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { Writer } from '../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { Files } from '../../foundation/platform/files.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import type { RotationFlag } from '../../protocol/packet/keyRotation.ts'
import { rotationFlag } from '../../protocol/packet/keyRotation.ts'

const PEM_TYPE = 'X25519 SPHINX PRIVATE KEY'

export interface SphinxKey {
  readonly rotationId: number
  readonly secret: Secret
  readonly publicKey: Uint8Array
}

/** Which keys a node should hold at an instant. */
export interface WantedKeys {
  readonly current: number
  /** The next rotation's key is announced during the last epoch before the switch. */
  readonly announceNext: boolean
  /** The previous key still opens packets during the first epoch after the switch. */
  readonly keepPrevious: boolean
}

/** Whether the time of a rotation's key has certainly passed, or never was. */
export type IsOver = (rotationId: number) => boolean

export interface SphinxKeysOptions {
  readonly files: Files
  readonly folder: string
  readonly crypto: CryptoProvider
  readonly random: RandomStream
}

export class SphinxKeys {
  readonly #options: SphinxKeysOptions
  readonly #keys = new Map<number, SphinxKey>()
  #primary: SphinxKey
  #candidates: readonly SphinxKey[] = []
  #candidatesByFlag = new Map<RotationFlag, readonly SphinxKey[]>()

  private constructor(options: SphinxKeysOptions, keys: readonly SphinxKey[], primary: SphinxKey) {
    this.#options = options
    for (const key of keys) this.#keys.set(key.rotationId, key)
    this.#primary = primary
    this.#arrange()
  }

  /** Loads the keys in `folder`, making what is wanted and missing, and deleting what is not wanted and over. */
  static async load(options: SphinxKeysOptions, wanted: WantedKeys, isOver?: IsOver): Promise<SphinxKeys> {
    const keys: SphinxKey[] = []
    for (const name of await options.files.list(options.folder)) {
      if (!/^sphinx-\d+\.pem$/.test(name)) continue
      const contents = await options.files.read(`${options.folder}/${name}`)
      if (contents !== undefined) keys.push(decodeKeyFile(options.crypto, contents))
    }
    let primary = keys.find((key) => key.rotationId === wanted.current)
    if (primary === undefined) {
      primary = await createKey(options, wanted.current)
      keys.push(primary)
    }
    const ring = new SphinxKeys(options, keys, primary)
    await ring.apply(wanted, isOver)
    return ring
  }

  get primary(): SphinxKey {
    return this.#primary
  }

  /** The key announced for the next rotation, if it is time. */
  get preAnnounced(): SphinxKey | undefined {
    return this.#keys.get(this.#primary.rotationId + 1)
  }

  get rotationIds(): readonly number[] {
    return [...this.#keys.keys()]
  }

  /** The keys to try for a packet carrying `flag`, best first; with flag 0 (unknown), the primary and then the other. */
  candidates(flag: RotationFlag): readonly SphinxKey[] {
    return flag === 0 ? this.#candidates : (this.#candidatesByFlag.get(flag) ?? [])
  }

  /**
   * Makes, switches and deletes keys until they are what is wanted. True where anything changed. A key that is not wanted goes only
   * where it `isOver` too: what is wanted follows from clocks, which may be wrong, and a deleted key cannot be made again.
   */
  async apply(wanted: WantedKeys, isOver: IsOver = () => true): Promise<boolean> {
    const keep = new Set([wanted.current])
    if (wanted.announceNext) keep.add(wanted.current + 1)
    else if (wanted.keepPrevious) keep.add(wanted.current - 1)
    let changed = this.#primary.rotationId !== wanted.current
    for (const id of keep) {
      // The previous key cannot be made afterwards: nobody ever learnt of it.
      if (this.#keys.has(id) || id === wanted.current - 1) continue
      this.#keys.set(id, await createKey(this.#options, id))
      changed = true
    }
    this.#primary = this.#keys.get(wanted.current) as SphinxKey
    const old = [...this.#keys.keys()].filter((id) => !keep.has(id) && isOver(id))
    for (const id of old) this.#keys.delete(id)
    // Before the files go: packets come while we wait for the disk.
    this.#arrange()
    for (const id of old) await this.#options.files.remove(keyPath(this.#options.folder, id))
    return changed || old.length > 0
  }

  #arrange(): void {
    const others = [...this.#keys.values()].filter((key) => key !== this.#primary)
    this.#candidates = [this.#primary, ...others]
    this.#candidatesByFlag = new Map()
    for (const flag of [1, 2] as const) {
      this.#candidatesByFlag.set(
        flag,
        this.#candidates.filter((key) => rotationFlag(key.rotationId) === flag || rotationFlag(key.rotationId) === 0),
      )
    }
  }
}

async function createKey(options: SphinxKeysOptions, rotationId: number): Promise<SphinxKey> {
  const secret = options.random.bytes(32)
  await options.files.write(keyPath(options.folder, rotationId), encodeKeyFile(rotationId, secret), { secret: true })
  return { rotationId, secret: new Secret(secret), publicKey: options.crypto.x25519Base(secret) }
}

const keyPath = (folder: string, rotationId: number): string => `${folder}/sphinx-${rotationId}.pem`

/** PEM around `u32be rotation id || 32-byte key`, as nym-node writes it. */
export function encodeKeyFile(rotationId: number, secret: Uint8Array): Uint8Array {
  return encodePem(PEM_TYPE, new Writer(36).u32(rotationId).bytes(secret).finish())
}

/** Throws KEY_FILE_UNREADABLE: a damaged key file is never silently replaced. */
export function decodeKeyFile(crypto: CryptoProvider, contents: Uint8Array): SphinxKey {
  try {
    const reader = new Reader(decodePem(PEM_TYPE, contents), 'sphinx key file')
    const rotationId = reader.u32('rotation id')
    const secret = reader.bytes(32, 'key').slice()
    reader.expectEnd()
    return { rotationId, secret: new Secret(secret), publicKey: crypto.x25519Base(secret) }
  } catch (cause) {
    throw new MixnetError('KEY_FILE_UNREADABLE', { file: 'sphinx key' }, { cause })
  }
}
