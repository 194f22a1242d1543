/**
 * The lists of signatures that every client needs and anybody may have: this issuer's parts, and what t parts make together, for which it
 * asks the others. All are made before they are asked for: a list of a day is served from the midnight a week before, and clients want it
 * a day later. @module
 */
import { fromUtf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { CheckingEngine, IssuingEngine, ListPart, ListTopic } from '../../protocol/credentials/engine.ts'
import { DAY_SECONDS, formatDate, midnightOf } from '../../protocol/wire/issuer/calendarDate.ts'
import {
  decodeCoinList,
  decodeDateList,
  LIST_PATHS,
  MAX_LIST_CHARACTERS,
} from '../../protocol/wire/issuer/publicLists.ts'
import type { AgreedKeys, AgreedMember } from './agreedKeys.ts'
import type { IssuerParams } from './issuerParams.ts'
import type { IssuerStore } from './issuerStore.ts'

export interface PublicSignaturesOptions {
  readonly world: Pick<World, 'clock' | 'net'>
  readonly engine: Pick<IssuingEngine, 'signList'> & Pick<CheckingEngine, 'aggregateList'>
  readonly store: IssuerStore
  readonly params: IssuerParams
  readonly meter: Meter
  readonly log: Log
  readonly stop: AbortSignal
}

interface KeptList {
  readonly epochId: number
  readonly topic: ListTopic
  /** Made or being made. */
  readonly list: Promise<Uint8Array>
}

/** Epochs last for weeks, and books for seven days. */
export const EPOCHS_KEPT = 8
/** Today and seven days more: tomorrow's books are prepared for. */
const DAYS_AHEAD = 7
const ANSWERED = 200
/** Where coins stand in the table of lists. */
const COINS = 0

export class PublicSignatures {
  readonly #options: PublicSignaturesOptions
  /** A day's lists of a few epochs: what is too old goes with `prepare`. */
  readonly #partial = new Map<string, KeptList>()
  readonly #aggregated = new Map<string, KeptList>()
  readonly #failedAt = new Map<string, number>()

  constructor(options: PublicSignaturesOptions) {
    this.#options = options
    options.meter.gauge('issuer_lists', 'Public lists at hand', () => this.#partial.size + this.#aggregated.size)
  }

  /** Whether the list of that expiration date is to be had today. */
  serves(expiration: number): boolean {
    const today = this.#today()
    return expiration >= today && expiration <= today + DAYS_AHEAD * DAY_SECONDS && expiration % DAY_SECONDS === 0
  }

  /** Seven or fifty times 96 bytes. Only of topics that are served. */
  partial(keys: AgreedKeys, topic: ListTopic): Promise<Uint8Array> {
    const { engine } = this.#options
    return this.#once(this.#partial, keys, topic, () =>
      engine.signList(keys.own.secretKey.expose(), topic, keys.masterKey),
    )
  }

  /** Throws ISSUERS_UNAVAILABLE where too few parts are right, for some seconds without asking for them again. */
  aggregated(keys: AgreedKeys, topic: ListTopic): Promise<Uint8Array> {
    return this.#once(this.#aggregated, keys, topic, () => this.#gather(keys, topic))
  }

  /** Makes what clients will ask for, and forgets what nobody asks for any more. True where everything is at hand. */
  async prepare(keys: AgreedKeys): Promise<boolean> {
    const today = this.#today()
    for (const lists of [this.#partial, this.#aggregated]) {
      for (const [name, { epochId, topic }] of lists) {
        const isPast = topic.kind === 'dates' && topic.expiration < today
        if (isPast || epochId <= keys.epochId - EPOCHS_KEPT) lists.delete(name)
      }
    }
    const days = Array.from({ length: DAYS_AHEAD + 1 }, (_, ahead) => today + ahead * DAY_SECONDS)
    const topics: ListTopic[] = [
      { kind: 'coins' },
      ...days.map((expiration): ListTopic => ({ kind: 'dates', expiration })),
    ]
    let isComplete = true
    // One after the other: books and tickets go through the same engine meanwhile.
    for (const topic of topics) {
      if (this.#options.stop.aborted) return false
      try {
        await this.aggregated(keys, topic)
      } catch (error) {
        if (!isMixnetError(error)) throw error
        isComplete = false
      }
    }
    return isComplete
  }

  #once(
    lists: Map<string, KeptList>,
    keys: AgreedKeys,
    topic: ListTopic,
    make: () => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const name = `${keys.epochId} ${topic.kind === 'dates' ? topic.expiration : topic.kind}`
    const known = lists.get(name)
    if (known !== undefined) return known.list
    const list = make()
    lists.set(name, { epochId: keys.epochId, topic, list })
    list.catch(() => lists.delete(name))
    return list
  }

  async #gather(keys: AgreedKeys, topic: ListTopic): Promise<Uint8Array> {
    const { world, store, params, log } = this.#options
    const place = topic.kind === 'dates' ? topic.expiration : COINS
    const stored = store.list(keys.epochId, place, keys.masterKey)
    if (stored !== undefined) return stored
    const name = `${keys.epochId} ${place}`
    const now = world.clock.monotonic()
    const failedAt = this.#failedAt.get(name)
    if (failedAt !== undefined && now - failedAt < params.listRetry) throw unavailable()
    const list = await this.#collect(keys, topic)
    if (list === undefined) {
      // Topics are few, but this must not be what grows.
      if (this.#failedAt.size > 64) this.#failedAt.clear()
      this.#failedAt.set(name, world.clock.monotonic())
      log.warn('issuer.list-unavailable', { kind: topic.kind, epoch: keys.epochId })
      throw unavailable()
    }
    this.#failedAt.delete(name)
    store.keepList(keys.epochId, place, keys.masterKey, list)
    return list
  }

  /** Asks all at once, goes on with the first t that are right, and lets the rest go. */
  #collect(keys: AgreedKeys, topic: ListTopic): Promise<Uint8Array | undefined> {
    const { engine, meter, log, stop } = this.#options
    const enough = new AbortController()
    const signal = AbortSignal.any([stop, enough.signal])
    const parts = new Map<number, ListPart>()
    let [asked, isAggregating, isDone] = [keys.members.length, false, false]
    return new Promise((resolve, reject) => {
      const finish = (list: Uint8Array | undefined): void => {
        isDone = true
        enough.abort()
        resolve(list)
      }
      const consider = async (): Promise<void> => {
        if (isDone || isAggregating) return
        if (parts.size < keys.threshold) {
          if (asked === 0) finish(undefined)
          return
        }
        isAggregating = true
        const chosen = [...parts.values()].slice(0, keys.threshold)
        const result = await engine.aggregateList(topic, keys.masterKey, chosen)
        isAggregating = false
        if (result.kind === 'aggregated') return finish(result.signatures)
        for (const index of result.culprits) {
          parts.delete(index)
          meter.counter('issuer_wrong_parts_total', 'Parts of lists that did not hold, by issuer', {
            issuer: String(index),
          }).value++
          log.warn('issuer.wrong-part', { kind: topic.kind, epoch: keys.epochId, issuer: index })
        }
        // Nobody to blame, and yet nothing: the keys do not belong together, and asking more will not help.
        if (result.culprits.length === 0) return finish(undefined)
        await consider()
      }
      for (const member of keys.members) {
        void this.#part(keys, topic, member, signal)
          .then((signatures) => {
            if (signatures !== undefined) parts.set(member.index, { index: member.index, key: member.key, signatures })
          })
          .finally(() => asked--)
          .then(consider)
          .catch((error: unknown) => {
            enough.abort()
            reject(error)
          })
      }
    })
  }

  /** Undefined where there is none now. */
  async #part(
    keys: AgreedKeys,
    topic: ListTopic,
    { index, url }: AgreedMember,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    if (index === keys.own.index) return this.partial(keys, topic)
    const { world, params } = this.#options
    const query = `epoch_id=${keys.epochId}${topic.kind === 'dates' ? `&expiration_date=${formatDate(topic.expiration)}` : ''}`
    try {
      const response = await world.net.request({
        url: `${url}/v1/ecash${LIST_PATHS[topic.kind].partial}?${query}`,
        headers: { accept: 'application/json' },
        timeout: params.partTimeout,
        maxBodyBytes: MAX_LIST_CHARACTERS,
        signal,
      })
      if (response.status !== ANSWERED) return undefined
      const text = fromUtf8(response.body, 'list')
      if (topic.kind === 'coins') {
        const list = decodeCoinList(text)
        return list.epochId === keys.epochId ? list.signatures : undefined
      }
      const list = decodeDateList(text)
      return list.epochId === keys.epochId && list.expiration === topic.expiration ? list.signatures : undefined
    } catch (error) {
      if (isMixnetError(error)) return undefined
      throw error
    }
  }

  #today(): number {
    return midnightOf(Math.floor(this.#options.world.clock.now() / 1000))
  }
}

const unavailable = (): MixnetError => new MixnetError('ISSUERS_UNAVAILABLE')
