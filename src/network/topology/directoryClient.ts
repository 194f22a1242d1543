/**
 * The directory's HTTP API as clients and nodes read it: bounded bodies, deadlines, pages, several directories tried in turn.
 * Rules: docs/spec/links.md, "Asking the directory". @module
 */
import { fromUtf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, malformed } from '../../foundation/base/errors.ts'
import { type Millis, seconds } from '../../foundation/base/units.ts'
import type { Net } from '../../foundation/platform/net.ts'
import {
  decodeKeyRotationInfo,
  decodeRewardedSet,
  type KeyRotationInfo,
  MAX_NODES,
  type RewardedSet,
} from '../../protocol/wire/directory/epochs.ts'
import {
  decodeSemiSkimmedListing,
  decodeSkimmedListing,
  type NodesListing,
  sameEpoch,
} from '../../protocol/wire/directory/listings.ts'
import type { SemiSkimmedNode, SkimmedNode } from '../../protocol/wire/directory/skimmedNodes.ts'
import { unavailable } from './topology.ts'

export interface DirectoryClientOptions {
  /** http or https, with or without a path such as `/api`. At least one, else BAD_ARGUMENT; the first that answers is used until it fails. */
  readonly baseUrls: readonly string[]
  /** For one request. Default 10 s. */
  readonly timeout?: Millis
  /** Of one answer. Default 32 MiB, a listing of ten thousand described nodes twice over. */
  readonly maxBodyBytes?: number
}

const DEFAULT_TIMEOUT = seconds(10)
const DEFAULT_MAX_BODY_BYTES = 32 * 1024 * 1024
/** Official directories answer everything on one page. */
const MAX_PAGES = 256

/** One directory. Every method throws MixnetErrors: TIMEOUT, CONNECTION_REFUSED, MALFORMED … */
export class DirectoryReader {
  readonly #net: Pick<Net, 'request'>
  readonly #base: string
  readonly #options: DirectoryClientOptions
  readonly #signal: AbortSignal | undefined

  constructor(net: Pick<Net, 'request'>, base: string, options: DirectoryClientOptions, signal?: AbortSignal) {
    this.#net = net
    this.#base = base.replace(/\/+$/, '')
    this.#options = options
    this.#signal = signal
  }

  rewardedSet(): Promise<RewardedSet> {
    return this.get('/v1/nym-nodes/rewarded-set', decodeRewardedSet)
  }
  keyRotationInfo(): Promise<KeyRotationInfo> {
    return this.get('/v1/epoch/key-rotation-info', decodeKeyRotationInfo)
  }
  activeMixNodes(): Promise<NodesListing<SkimmedNode>> {
    return this.#listing('/v2/unstable/nym-nodes/skimmed/mixnodes/active', decodeSkimmedListing)
  }
  entryGateways(): Promise<NodesListing<SkimmedNode>> {
    return this.#listing('/v2/unstable/nym-nodes/skimmed/entry-gateways', decodeSkimmedListing)
  }
  exitGateways(): Promise<NodesListing<SkimmedNode>> {
    return this.#listing('/v2/unstable/nym-nodes/skimmed/exit-gateways', decodeSkimmedListing)
  }
  semiSkimmed(): Promise<NodesListing<SemiSkimmedNode>> {
    return this.#listing('/v2/unstable/nym-nodes/semi-skimmed', decodeSemiSkimmedListing)
  }

  /** Any other document: `path` begins with a slash and may end in a query. */
  async get<T>(path: string, decode: (text: string) => T): Promise<T> {
    const response = await this.#net.request({
      url: `${this.#base}${path}`,
      headers: { accept: 'application/json' },
      timeout: this.#options.timeout ?? DEFAULT_TIMEOUT,
      maxBodyBytes: this.#options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES,
      ...(this.#signal && { signal: this.#signal }),
    })
    if (response.status !== 200) throw unavailable(`the directory answered with status ${response.status}`)
    return decode(fromUtf8(response.body, 'directory answer'))
  }

  /** All pages, which must agree on the epoch: a listing that changed while it was read is no listing. */
  async #listing<Node>(path: string, decode: (text: string) => NodesListing<Node>): Promise<NodesListing<Node>> {
    const page = (number: number): Promise<NodesListing<Node>> => this.get(`${path}?page=${number}`, decode)
    const first = await page(0)
    const { total } = first.pagination
    if (total > MAX_NODES) throw malformed('node listing', `more than ${MAX_NODES} nodes`)
    const items = [...first.items]
    for (let number = 1; items.length < total; number++) {
      const next = await page(number)
      if (!sameEpoch(next.metadata, first.metadata)) throw unavailable('pages are of different epochs')
      if (next.items.length === 0 || number >= MAX_PAGES) throw malformed('node listing', 'ends before its total')
      items.push(...next.items)
    }
    return { ...first, pagination: { total: items.length, page: 0, size: items.length }, items }
  }
}

/** Several directories with the same contents. */
export class DirectoryClient {
  readonly #net: Pick<Net, 'request'>
  readonly #options: DirectoryClientOptions
  #preferred = 0

  constructor(net: Pick<Net, 'request'>, options: DirectoryClientOptions) {
    checkUrls(options.baseUrls)
    this.#net = net
    this.#options = options
  }

  /**
   * Runs `read` on one directory after the other until it succeeds, from the last good one on. All of `read` asks the same
   * directory: two may stand in different epochs for a moment. Throws TOPOLOGY_UNAVAILABLE with the last reason as its cause.
   */
  async ask<T>(read: (directory: DirectoryReader) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { baseUrls } = this.#options
    let last: unknown
    for (let tried = 0; tried < baseUrls.length; tried++) {
      const index = (this.#preferred + tried) % baseUrls.length
      try {
        const answer = await read(new DirectoryReader(this.#net, baseUrls[index] as string, this.#options, signal))
        this.#preferred = index
        return answer
      } catch (error) {
        if (!isMixnetError(error) || isMixnetError(error, 'ABORTED')) throw error
        last = error
      }
    }
    if (isMixnetError(last, 'TOPOLOGY_UNAVAILABLE')) throw last
    throw unavailable(isMixnetError(last) ? last.message : 'no directory answered', last)
  }
}

/** What is no URL will be none when asked again: whoever mistyped it hears that, and not that the network is away. */
function checkUrls(urls: unknown): void {
  const isUrl = (url: unknown) => typeof url === 'string' && /^https?:\/\/[^/?#\s]\S*$/i.test(url)
  if (Array.isArray(urls) && urls.length > 0 && urls.every(isUrl)) return
  // Not repeated in the error: it may hold a password.
  const nextStep = 'Give the URL of a directory. It begins with http:// or https://, as http://127.0.0.1:8080/api does.'
  throw new MixnetError('BAD_ARGUMENT', { argument: 'directory' }, { nextStep })
}
