/**
 * The roles given out in the running epoch, on disk: a directory that restarts must not deal the layers anew while clients
 * build routes by the old ones. @module
 */
import { fromUtf8, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Log } from '../../foundation/base/observe.ts'
import type { Files } from '../../foundation/platform/files.ts'
import { MAX_NODES } from '../../protocol/wire/directory/epochs.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'
import type { EpochRole } from '../../protocol/wire/directory/skimmedNodes.ts'

const ROLES = ['layer1', 'layer2', 'layer3', 'entryGateway', 'exitGateway', 'standby', 'inactive'] as const
const WHAT = 'epoch roles file'

export class RoleMemory {
  readonly #files: Files
  readonly #path: string
  readonly #log: Log
  #epochId: number | undefined
  #roles: ReadonlyMap<number, EpochRole> = new Map()
  #writing: Promise<void> = Promise.resolve()
  #unwritten: Uint8Array | undefined

  private constructor(files: Files, path: string, log: Log) {
    this.#files = files
    this.#path = path
    this.#log = log
  }

  static async open(files: Files, path: string, log: Log): Promise<RoleMemory> {
    const memory = new RoleMemory(files, path, log)
    const contents = await files.read(path)
    if (contents !== undefined) memory.#load(contents)
    return memory
  }

  /** Nothing where the epoch is another one. */
  rolesIn(epochId: number): ReadonlyMap<number, EpochRole> {
    return epochId === this.#epochId ? this.#roles : new Map()
  }

  /** Written in the background: losing the last change costs nobody a packet. */
  remember(epochId: number, roles: ReadonlyMap<number, EpochRole>): void {
    const before = this.rolesIn(epochId)
    if (
      epochId === this.#epochId &&
      roles.size === before.size &&
      [...roles].every(([id, role]) => before.get(id) === role)
    ) {
      return
    }
    this.#epochId = epochId
    this.#roles = roles
    const idle = this.#unwritten === undefined
    this.#unwritten = utf8(`${JSON.stringify({ epochId, roles: Object.fromEntries(roles) })}\n`)
    if (idle) this.#writing = this.#writing.then(() => this.#write())
  }

  /** Resolves when everything is on disk. */
  flushed(): Promise<void> {
    return this.#writing
  }

  async #write(): Promise<void> {
    const contents = this.#unwritten
    this.#unwritten = undefined
    if (contents === undefined) return
    try {
      await this.#files.write(this.#path, contents)
    } catch (error) {
      this.#log.warn('directory.roles-not-written', { problem: isMixnetError(error) ? error.message : 'disk' })
    }
  }

  #load(contents: Uint8Array): void {
    try {
      const json = parseJson(fromUtf8(contents, WHAT), WHAT)
      const entries = json.field('roles').entries(MAX_NODES, (role) => role.oneOf(ROLES))
      this.#epochId = json.field('epochId').u32()
      this.#roles = new Map(entries.map(([nodeId, role]) => [Number(nodeId), role]))
    } catch (error) {
      if (!isMixnetError(error)) throw error
      // The file saves trouble and no more: without it the epoch's layers are dealt again.
      this.#log.warn('directory.roles-unreadable', { problem: error.message })
    }
  }
}
