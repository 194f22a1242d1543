/**
 * The last view of the network, on disk: a node that restarts while its directory is away goes on sending to the nodes it knew.
 * Three lines: what it is, the rewarded set, the nodes; the last two as the directory writes them. @module
 */
import { fromUtf8, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, malformed } from '../../foundation/base/errors.ts'
import type { Log } from '../../foundation/base/observe.ts'
import { type Millis, minutes } from '../../foundation/base/units.ts'
import type { World } from '../../foundation/platform/world.ts'
import { buildNodeView, type NodeView, type NodeViewInput } from '../../network/topology/nodeView.ts'
import { decodeRewardedSet, encodeRewardedSet } from '../../protocol/wire/directory/epochs.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'
import { decodeSemiSkimmedListing, encodeSemiSkimmedListing } from '../../protocol/wire/directory/listings.ts'

export interface ViewMemoryOptions {
  readonly world: Pick<World, 'files' | 'clock'>
  readonly path: string
  /** Whose answers these are. */
  readonly directories: readonly string[]
  /** Older than a running node would live on, a view is nothing to start from either. */
  readonly maxAge: Millis
  readonly log: Log
}

const WHAT = 'remembered network'
const MAX_DIRECTORIES = 32_768
/** The same nodes again: its age is renewed no more often than this, since every write waits for the disk. */
const RENEW_EVERY = minutes(10)

export class ViewMemory {
  readonly #options: ViewMemoryOptions
  #contents: string | undefined
  #savedAt = Number.NEGATIVE_INFINITY
  #unwritten: string | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(options: ViewMemoryOptions) {
    this.#options = options
  }

  /** undefined where there is none of these directories, or it is too old. */
  async read(): Promise<NodeView | undefined> {
    const { world, path, maxAge, directories, log } = this.#options
    const contents = await world.files.read(path)
    if (contents === undefined) return undefined
    try {
      const [head = '', rewardedSet = '', listing = '', end] = fromUtf8(contents, WHAT).split('\n')
      if (end === undefined) throw malformed(WHAT, 'cut off')
      const json = parseJson(head, WHAT)
      const age = world.clock.now() - json.field('savedAtUnixMs').integer()
      // Written by a clock that was far ahead, it may be of any age.
      if (Math.abs(age) > maxAge || json.field('directories').string(MAX_DIRECTORIES) !== directories.join(' '))
        return undefined
      return buildNodeView({
        listing: decodeSemiSkimmedListing(listing),
        rewardedSet: decodeRewardedSet(rewardedSet),
        now: world.clock.now(),
      })
    } catch (error) {
      if (!isMixnetError(error)) throw error
      // It saves time and no more: without it packets wait for the directory.
      log.warn('network.unreadable', { problem: error.message })
      return undefined
    }
  }

  /** Written in the background; of several that come meanwhile, the last. */
  remember({ listing, rewardedSet }: NodeViewInput): void {
    const { world, directories } = this.#options
    const nodes = JSON.stringify(encodeSemiSkimmedListing(listing))
    const contents = JSON.stringify(encodeRewardedSet(rewardedSet)) + nodes.slice(nodes.indexOf('"nodes"'))
    const now = world.clock.monotonic()
    if (contents === this.#contents && now - this.#savedAt < RENEW_EVERY) return
    this.#contents = contents
    this.#savedAt = now
    const head = { savedAtUnixMs: Math.floor(world.clock.now()), directories: directories.join(' ') }
    const isIdle = this.#unwritten === undefined
    this.#unwritten = `${JSON.stringify(head)}\n${JSON.stringify(encodeRewardedSet(rewardedSet))}\n${nodes}\n`
    if (isIdle) this.#writing = this.#writing.then(() => this.#write())
  }

  /** Resolves when nothing is written any more. */
  flushed(): Promise<void> {
    return this.#writing
  }

  async #write(): Promise<void> {
    const { world, path, log } = this.#options
    const text = this.#unwritten as string
    this.#unwritten = undefined
    try {
      await world.files.write(path, utf8(text))
    } catch (error) {
      log.warn('network.not-written', { problem: isMixnetError(error) ? error.message : 'disk' })
    }
  }
}
