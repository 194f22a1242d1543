/**
 * What a directory says of issuers of credentials: the epoch that most of those it was told of agree on, and answers that are the same of
 * every issuer, passed on, since official clients ask their directory for them. Clients check what is passed on; whom the epoch names they
 * have to take from somewhere, and one issuer alone must not be able to name itself. @module
 */
import { fromUtf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import { type Millis, minutes, seconds } from '../../foundation/base/units.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import { pick } from '../../foundation/platform/random.ts'
import type { World } from '../../foundation/platform/world.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'
import {
  type CredentialEpoch,
  credentialEpochToJson,
  readCredentialEpoch,
} from '../../protocol/wire/issuer/credentialEpoch.ts'
import { LIST_PATHS } from '../../protocol/wire/issuer/publicLists.ts'

export interface IssuersOptions {
  readonly world: Pick<World, 'net' | 'clock' | 'random'>
  /** Without /v1. None: there are no credentials in this network. */
  readonly urls: readonly string[]
  readonly meter: Meter
  readonly log: Log
}

/** Below /v1/ecash, the same of every issuer. */
export const PASSED_ON: readonly string[] = [
  '/master-verification-key',
  LIST_PATHS.dates.aggregated,
  LIST_PATHS.coins.aggregated,
]

const REFRESH: Millis = minutes(1)
/** Until they agree for the first time: a network has just been started. */
const RETRY: Millis = seconds(2)
const TIMEOUT: Millis = seconds(5)
/** A hundred issuers with keys of 930 letters. */
const MAX_EPOCH_BYTES: number = 256 * 1024
const MAX_ANSWER_BYTES: number = 64 * 1024
/** A day's lists and keys of some epochs. */
const MAX_KEPT = 64
const KEPT_FOR: Millis = minutes(1)
/** Issuers asked for one answer. */
const ATTEMPTS = 3
/** Questions under way: each is one to an issuer. */
const MAX_ASKING = 64

export class Issuers {
  readonly #options: IssuersOptions
  readonly #stop: AbortController = new AbortController()
  readonly #kept = new Map<string, { readonly text: string; readonly until: number }>()
  readonly #asking = new Map<string, Promise<string | undefined>>()
  #epoch: CredentialEpoch | undefined
  #timer: Timer | undefined
  #round: Promise<void> | undefined

  constructor(options: IssuersOptions) {
    this.#options = options
    options.meter.gauge(
      'directory_credential_epoch',
      'The epoch that the issuers agree on',
      () => this.#epoch?.epochId ?? -1,
    )
  }

  start(): void {
    if (this.#options.urls.length > 0) this.#look()
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#stop.abort()
    await this.#round
  }

  /** The last that enough of them agreed on. */
  get epoch(): CredentialEpoch | undefined {
    return this.#epoch
  }

  /** An issuer's JSON. `path`: one of PASSED_ON with its query. Undefined where none of some gives an answer. */
  ask(path: string): Promise<string | undefined> {
    const now = this.#options.world.clock.monotonic()
    const kept = this.#kept.get(path)
    if (kept !== undefined && now < kept.until) return Promise.resolve(kept.text)
    const asked = this.#asking.get(path)
    if (asked !== undefined) return asked
    if (this.#asking.size >= MAX_ASKING) return Promise.resolve(undefined)
    const asking = this.#askSome(path).finally(() => this.#asking.delete(path))
    this.#asking.set(path, asking)
    return asking
  }

  async #askSome(path: string): Promise<string | undefined> {
    const { world } = this.#options
    const random = world.random.stream('issuers')
    let left = this.#epoch?.issuers.map(({ url }) => url) ?? []
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const url = pick(random, left)
      if (url === undefined) break
      left = left.filter((one) => one !== url)
      const text = await this.#get(`${url}/v1/ecash${path}`, MAX_ANSWER_BYTES)
      // Whether it is true its reader finds out; that it is JSON is what we say it is.
      if (text === undefined || isMixnetError(tryDecode(() => parseJson(text, 'answer of an issuer')))) continue
      if (this.#kept.size >= MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value as string)
      this.#kept.set(path, { text, until: world.clock.monotonic() + KEPT_FOR })
      return text
    }
    return undefined
  }

  #look(): void {
    this.#round = this.#ask().finally(() => {
      if (this.#stop.signal.aborted) return
      this.#timer = this.#options.world.clock.after(this.#epoch === undefined ? RETRY : REFRESH, () => this.#look())
    })
  }

  async #ask(): Promise<void> {
    const { urls, log } = this.#options
    const answers = await Promise.all(urls.map((url) => this.#epochOf(url)))
    const votes = new Map<string, { readonly epoch: CredentialEpoch; count: number }>()
    for (const epoch of answers) {
      if (epoch === undefined) continue
      const name = JSON.stringify(credentialEpochToJson(epoch))
      const vote = votes.get(name)
      if (vote === undefined) votes.set(name, { epoch, count: 1 })
      else vote.count++
    }
    const most = Math.floor(urls.length / 2) + 1
    // As many as could issue by themselves, and more than half of those we know: then there are no two such epochs.
    const agreed = [...votes.values()].find(({ epoch, count }) => count >= Math.max(epoch.threshold, most))?.epoch
    if (agreed === undefined) return
    if (agreed.epochId !== this.#epoch?.epochId) log.info('directory.credential-epoch', { epoch: agreed.epochId })
    this.#epoch = agreed
  }

  async #epochOf(url: string): Promise<CredentialEpoch | undefined> {
    const text = await this.#get(`${url}/v1/ecash/epoch`, MAX_EPOCH_BYTES)
    if (text === undefined) return undefined
    const epoch = tryDecode(() => readCredentialEpoch(parseJson(text, 'credential epoch')))
    return isMixnetError(epoch) ? undefined : epoch
  }

  async #get(url: string, maxBodyBytes: number): Promise<string | undefined> {
    const { net } = this.#options.world
    const { signal } = this.#stop
    try {
      const headers = { accept: 'application/json' }
      const response = await net.request({ url, headers, timeout: TIMEOUT, maxBodyBytes, signal })
      return response.status === 200 ? fromUtf8(response.body, 'answer of an issuer') : undefined
    } catch (error) {
      if (isMixnetError(error)) return undefined
      throw error
    }
  }
}
