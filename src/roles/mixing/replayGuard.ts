/**
 * Replay protection of a node: one filter per key rotation, each with a log of the tags it was given, so that a packet replayed
 * after a restart, even after kill -9, is still dropped. The log is written before any packet it covers can leave: tags collect
 * and are appended together as soon as a packet of one of them leaves. Filter and log go when their key goes, since nothing can
 * be opened with it any more. @module
 */
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import type { AppendFile, Files } from '../../foundation/platform/files.ts'
import { ReplayFilter, TAG_BYTES } from './replayFilter.ts'

const PENDING_TAGS = 512
const PIECE_BYTES = 1024 * 1024
/** Of the memory for all rotations. Two live side by side for one epoch in 24, in which the younger needs little. */
const SHARE_OF_ONE = 7 / 8

interface Rotation {
  readonly filter: ReplayFilter
  readonly log: AppendFile
  readonly pending: Uint8Array
  pendingTags: number
}

export interface ReplayGuardOptions {
  readonly files: Files
  /** Where the tag logs live. */
  readonly folder: string
  readonly falsePositiveRate: number
  /** Shared by all rotations; at most two are alive outside the minutes of a switch. */
  readonly maxBytes: number
  readonly meter: Meter
  readonly log: Log
}

export class ReplayGuard {
  readonly #options: ReplayGuardOptions
  readonly #rotations = new Map<number, Rotation>()
  readonly #opening = new Map<number, Promise<void>>()
  #failed = false
  /** Tags that were new, and how many of the first of them are known to be in the logs. */
  #given = 0
  #logged = 0

  constructor(options: ReplayGuardOptions) {
    this.#options = options
    options.meter.gauge('replay_filter_bytes', 'Memory of the replay filters', () =>
      this.#sum((rotation) => rotation.filter.bytes),
    )
    options.meter.gauge('replay_filter_tags', 'Replay tags remembered', () =>
      this.#sum((rotation) => rotation.filter.count),
    )
  }

  /** Loads or starts the filter of a rotation. Must have happened before `seen` is asked about it. */
  open(rotationId: number): Promise<void> {
    if (this.#rotations.has(rotationId)) return Promise.resolve()
    let opening = this.#opening.get(rotationId)
    if (opening === undefined) {
      // Twice at once would mean two filters, one of which forgets what it was shown.
      opening = this.#open(rotationId).finally(() => this.#opening.delete(rotationId))
      this.#opening.set(rotationId, opening)
    }
    return opening
  }

  async #open(rotationId: number): Promise<void> {
    const path = this.#path(rotationId)
    const filter = new ReplayFilter(this.#options.falsePositiveRate, this.#options.maxBytes * SHARE_OF_ONE)
    const bytes = await this.#replayLog(path, filter)
    const log = await this.#options.files.openAppend(path, { secret: true })
    // A crash can tear the last tag only, which was never acted on. Filled up, the rest are whole tags again.
    if (bytes % TAG_BYTES !== 0) log.append(new Uint8Array(TAG_BYTES - (bytes % TAG_BYTES)))
    this.#rotations.set(rotationId, { filter, log, pending: new Uint8Array(PENDING_TAGS * TAG_BYTES), pendingTags: 0 })
    this.#options.log.debug('replay.opened', { rotationId, tags: filter.count })
  }

  /** In pieces: the log of a busy day has more bytes than one array may. Returns how many it has. */
  async #replayLog(path: string, filter: ReplayFilter): Promise<number> {
    for (let offset = 0; ; offset += PIECE_BYTES) {
      const piece = await this.#options.files.readRange(path, offset, PIECE_BYTES)
      if (piece === undefined) return offset
      for (let i = 0; i + TAG_BYTES <= piece.length; i += TAG_BYTES) filter.seen(piece.subarray(i, i + TAG_BYTES))
      if (piece.length < PIECE_BYTES) return offset + piece.length
    }
  }

  /**
   * True where the packet must be dropped: its tag was seen, or its rotation is not open, or the log cannot be written (then
   * nothing can be promised, so nothing passes).
   */
  seen(rotationId: number, tag: Uint8Array): boolean {
    const rotation = this.#rotations.get(rotationId)
    if (rotation === undefined || this.#failed) return true
    if (rotation.filter.seen(tag)) return true
    if (rotation.pendingTags === PENDING_TAGS) this.#flush(rotation)
    if (this.#failed) return true
    rotation.pending.set(tag.subarray(0, TAG_BYTES), rotation.pendingTags * TAG_BYTES)
    rotation.pendingTags++
    this.#given++
    return false
  }

  /** How many tags were new so far: what `flush` must have written before the packet of the last one may leave. */
  get given(): number {
    return this.#given
  }

  /**
   * Writes the tags whose packets have not left yet, unless the first `upTo` are in the logs anyway. The owner calls it before
   * a packet may leave the process; false where writing was impossible, and then nothing may. A packet that waits for its delay
   * mostly finds its tag written on behalf of one that left sooner, so a busy node writes many tags at once.
   */
  flush(upTo: number = this.#given): boolean {
    if (upTo > this.#logged) {
      for (const rotation of this.#rotations.values()) this.#flush(rotation)
      this.#logged = this.#given
    }
    return !this.#failed
  }

  /** Forgets a rotation whose key is gone, on disk too. */
  async drop(rotationId: number): Promise<void> {
    const rotation = this.#rotations.get(rotationId)
    this.#rotations.delete(rotationId)
    await rotation?.log.close()
    await this.#options.files.remove(this.#path(rotationId))
  }

  async close(): Promise<void> {
    this.flush()
    for (const rotation of this.#rotations.values()) await rotation.log.close()
    this.#rotations.clear()
  }

  #flush(rotation: Rotation): void {
    if (rotation.pendingTags === 0) return
    const tags = rotation.pending.slice(0, rotation.pendingTags * TAG_BYTES)
    rotation.pendingTags = 0
    try {
      rotation.log.append(tags)
    } catch (error) {
      // For good: the log may end inside a tag now, and only opening it anew mends that.
      this.#failed = true
      this.#options.log.error('replay.log-unwritable', { code: isMixnetError(error) ? error.code : 'INTERNAL' })
    }
  }

  #path(rotationId: number): string {
    return `${this.#options.folder}/replay-${rotationId}.tags`
  }

  #sum(of: (rotation: Rotation) => number): number {
    let sum = 0
    for (const rotation of this.#rotations.values()) sum += of(rotation)
    return sum
  }
}
