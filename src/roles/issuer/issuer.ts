/**
 * The issuer role: signs books for deposits, makes the public signatures of the epoch and of each day, checks tickets for gateways, votes
 * for what they earned, and lets everybody audit what it issued. How issuers get their keys is not its business: it is given them, and
 * the engine that knows how to use them. docs/spec/issuer.md. @module
 */
import type { Hono } from 'hono'
import { equalBytes } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { type Log, Meter, silentLog } from '../../foundation/base/observe.ts'
import type { Secret } from '../../foundation/base/secret.ts'
import { millis } from '../../foundation/base/units.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import type { Endpoint, HttpListener } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import { httpLimits, type JsonHandler, measureHttp } from '../../network/api/jsonApi.ts'
import type { CheckingEngine, IssuingEngine } from '../../protocol/credentials/engine.ts'
import type { CredentialEpoch } from '../../protocol/wire/issuer/credentialEpoch.ts'
import type { AgreedKeys } from './agreedKeys.ts'
import { Audits } from './audits.ts'
import type { DepositLedger } from './deposits.ts'
import { Issuance } from './issuance.ts'
import { issuerApi, MAX_ISSUER_REQUEST_BYTES } from './issuerApi.ts'
import { DEFAULT_ISSUER_PARAMS, type IssuerParams } from './issuerParams.ts'
import { IssuerStore } from './issuerStore.ts'
import { EPOCHS_KEPT, PublicSignatures } from './publicSignatures.ts'
import { Redemptions } from './redemptions.ts'
import { TicketChecks } from './ticketChecks.ts'
import { type Refused, WorkLimits } from './workLimits.ts'

export type IssuerEngine = Pick<IssuingEngine, 'issue' | 'signList' | 'identify'> &
  Pick<CheckingEngine, 'aggregateList' | 'verifyPayments'>

export interface IssuerOptions {
  /** Where it remembers. One issuer at a time. */
  readonly folder: string
  /** Ed25519: what it answers for is signed with it. */
  readonly identitySeed: Secret
  /** Of the current epoch; none while they are being agreed on. */
  readonly keys?: AgreedKeys | undefined
  /** Of epochs whose books may still be spent. */
  readonly olderKeys?: readonly AgreedKeys[] | undefined
  readonly engine: IssuerEngine
  readonly deposits: DepositLedger
  readonly faucetUrl?: string | undefined
  /** Where the API listens; none where its `handler` is served by somebody else. */
  readonly listen?: Endpoint | undefined
  /** Takes payments that do not tie the index of their ticket, and so cannot hold anybody to fifty a book. */
  readonly compatible?: boolean | undefined
  readonly params?: Partial<IssuerParams> | undefined
  /** Adds what else is served at the same address. */
  readonly extend?: ((app: Hono) => void) | undefined
  readonly meter?: Meter | undefined
  readonly log?: Log | undefined
}

/** For people and scripts. */
export interface IssuerStatus {
  readonly epochId: number | null
  readonly index: number | null
  readonly threshold: number | null
  readonly issuers: number
  /** Whether today's and tomorrow's public signatures are at hand. */
  readonly prepared: boolean
}

export class Issuer implements AsyncDisposable {
  /** The API without sockets. */
  readonly handler: JsonHandler
  readonly #world: World
  readonly #options: IssuerOptions
  readonly #params: IssuerParams
  readonly #meter: Meter
  readonly #log: Log
  readonly #store: IssuerStore
  readonly #lists: PublicSignatures
  readonly #stop: AbortController = new AbortController()
  readonly #keys = new Map<number, AgreedKeys>()
  #current: AgreedKeys | undefined
  #isPrepared = false
  #listener: HttpListener | undefined
  #timer: Timer | undefined
  #looking: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  private constructor(world: World, options: IssuerOptions) {
    const { folder, identitySeed, engine, deposits, compatible = false, meter = new Meter(), extend } = options
    const log = (options.log ?? silentLog).child('issuer')
    const params = { ...DEFAULT_ISSUER_PARAMS, ...options.params }
    this.#world = world
    this.#options = options
    this.#params = params
    this.#meter = meter
    this.#log = log
    const store = new IssuerStore(world, { folder, params, meter })
    this.#store = store
    const keysOf = (epochId: number): AgreedKeys | undefined => this.#keys.get(epochId)
    const current = (): AgreedKeys | undefined => this.#current
    this.#lists = new PublicSignatures({ world, engine, store, params, meter, log, stop: this.#stop.signal })
    const refused = (queue: string) => (reason: Refused) =>
      meter.counter('issuer_refused_total', 'Requests refused because others wait', { queue, reason })
    const limits = {
      signing: new WorkLimits({
        maxRunning: params.maxSigning,
        maxWaiting: params.maxSigningWaiting,
        refused: refused('signing'),
      }),
      // All run at once: the checks put them together themselves.
      verifying: new WorkLimits({ maxRunning: params.maxVerifying, maxWaiting: 0, refused: refused('verifying') }),
      heavy: new WorkLimits({ maxRunning: 1, maxWaiting: params.maxHeavy, refused: refused('heavy') }),
    }
    for (const [queue, limit] of Object.entries(limits)) {
      meter.gauge('issuer_requests_held', 'Requests that are worked on or wait', () => limit.held, { queue })
    }
    this.handler = issuerApi({
      world,
      identitySeed,
      issuance: new Issuance({ world, engine, deposits, store, params, meter, keys: current }),
      lists: this.#lists,
      checks: new TicketChecks({
        world,
        engine,
        store,
        params,
        strictness: compatible ? 'compatible' : 'strict',
        meter,
        log,
        masterKey: (epochId) => keysOf(epochId)?.masterKey,
      }),
      redemptions: new Redemptions({ world, store, identitySeed, payer: deposits.payer, meter }),
      audits: new Audits(world, store),
      store,
      limits,
      current,
      keysOf,
      epoch: () => this.#epoch(),
      meter,
      log,
      extend,
    })
    meter.gauge('issuer_epoch', 'The epoch of the keys', () => this.#current?.epochId ?? -1)
    meter.gauge('issuer_prepared', '1 where the public signatures are at hand', () => (this.#isPrepared ? 1 : 0))
    meter.gauge('issuer_compatible', '1 where payments need not tie the index of their ticket', () =>
      compatible ? 1 : 0,
    )
    if (compatible) log.warn('issuer.compatible', { meaning: 'nobody is held to fifty tickets a book' })
    for (const keys of options.olderKeys ?? []) this.#keys.set(keys.epochId, keys)
    if (options.keys !== undefined) this.#take(options.keys)
  }

  /** Throws CONFIG_INVALID, also of keys that are not this issuer's, and ADDRESS_IN_USE. Serves when it resolves. */
  static async start(world: World, options: IssuerOptions): Promise<Issuer> {
    const issuer = new Issuer(world, options)
    try {
      if (options.listen !== undefined) issuer.#listener = await issuer.serve(options.listen)
    } catch (error) {
      issuer.#store.close()
      throw error
    }
    issuer.#look()
    return issuer
  }

  /** Serves the API at a place of the caller's choosing, who also closes it. Throws ADDRESS_IN_USE. */
  async serve(endpoint: Endpoint): Promise<HttpListener> {
    const { maxConnections, requestTimeout } = this.#params
    const limits = httpLimits(this.#meter, maxConnections)
    const listener = await this.#world.net.serveHttp(
      { ...endpoint, ...limits, maxBodyBytes: MAX_ISSUER_REQUEST_BYTES, requestTimeout },
      this.handler,
    )
    measureHttp(this.#meter, listener)
    return listener
  }

  /** Where the API listens, if it does. */
  get endpoint(): Endpoint | undefined {
    return this.#listener?.endpoint
  }

  /** Goes on with these keys; with none it signs no books until there are others, and does all the rest. CONFIG_INVALID of another's. */
  adopt(keys: AgreedKeys | undefined): void {
    if (keys === undefined) {
      this.#current = undefined
      return
    }
    this.#take(keys)
    this.#look()
  }

  status(): IssuerStatus {
    const keys = this.#current
    return {
      epochId: keys?.epochId ?? null,
      index: keys?.own.index ?? null,
      threshold: keys?.threshold ?? null,
      issuers: keys?.members.length ?? 0,
      prepared: this.#isPrepared,
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#end()
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #end(): Promise<void> {
    this.#timer?.cancel()
    this.#stop.abort()
    await this.#listener?.close()
    await this.#looking
    this.#store.close()
  }

  #take(keys: AgreedKeys): void {
    const own = keys.members.find(({ index }) => index === keys.own.index)
    const identity = this.#world.crypto.ed25519PublicKey(this.#options.identitySeed.expose())
    // Its votes would be taken for another's.
    if (own === undefined || !equalBytes(own.identity, identity)) {
      throw new MixnetError('CONFIG_INVALID', { what: 'keys of an epoch', why: 'they are not of this issuer' })
    }
    this.#keys.set(keys.epochId, keys)
    this.#current = keys
    this.#isPrepared = false
    const oldest = [...this.#keys.keys()].toSorted((a, b) => a - b)
    for (const epochId of oldest.slice(0, -EPOCHS_KEPT)) this.#keys.delete(epochId)
  }

  #epoch(): CredentialEpoch | undefined {
    const keys = this.#current
    if (keys === undefined) return undefined
    const { deposits, faucetUrl } = this.#options
    return {
      epochId: keys.epochId,
      threshold: keys.threshold,
      issuers: keys.members.map(({ index, key, identity, url }) => ({ index, key, identity, url })),
      priceUnym: deposits.priceUnym,
      ...(faucetUrl === undefined ? {} : { faucetUrl }),
    }
  }

  /** Now and then: prepares what will be asked for, and forgets what is too old. */
  #look(): void {
    this.#timer?.cancel()
    if (this.#stop.signal.aborted) return
    this.#looking ??= this.#prepare()
      .catch((error: unknown) =>
        this.#log.error('issuer.preparing-failed', { code: isMixnetError(error) ? error.code : 'INTERNAL' }),
      )
      .finally(() => {
        this.#looking = undefined
        if (this.#stop.signal.aborted) return
        const { lookInterval, listRetry } = this.#params
        const wait = this.#isPrepared || this.#current === undefined ? lookInterval : millis(listRetry + 1)
        this.#timer = this.#world.clock.after(wait, () => this.#look())
      })
  }

  async #prepare(): Promise<void> {
    const keys = this.#current
    if (keys !== undefined) {
      const isComplete = await this.#lists.prepare(keys)
      if (this.#current === keys) this.#isPrepared = isComplete
    }
    while (!this.#stop.signal.aborted && this.#store.purge()) {
      await new Promise<void>((resolve) => this.#world.clock.soon(resolve))
    }
  }
}
