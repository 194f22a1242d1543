/**
 * Deposits for nothing, for networks on one machine and others whose bandwidth is to be free: whoever asks gets a number for its key. One number a key, however often it asks,
 * since answers get lost; numbers are durable before anybody hears of them, since issuers remember them for ever. @module
 */
import type { Context } from 'hono'
import { AddressCounts, addressBlock } from '../../foundation/base/addressCounts.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { type Log, Meter, silentLog } from '../../foundation/base/observe.ts'
import { seconds } from '../../foundation/base/units.ts'
import type { Database } from '../../foundation/platform/database.ts'
import type { Endpoint, HttpListener } from '../../foundation/platform/net.ts'
import { below } from '../../foundation/platform/random.ts'
import type { World } from '../../foundation/platform/world.ts'
import {
  answer,
  boundedText,
  forEveryPage,
  httpLimits,
  type JsonHandler,
  jsonApi,
  measureHttp,
  numberParameter,
  refuseInText as refuse,
} from '../../network/api/jsonApi.ts'
import { encodeApiHealth } from '../../protocol/wire/directory/apiStatus.ts'
import { DAY_SECONDS } from '../../protocol/wire/issuer/calendarDate.ts'
import {
  decodeDepositRequest,
  encodeDeposit,
  encodeDepositAnswer,
  FAUCET_DEPOSIT_PATH,
  FAUCET_DEPOSITS_PATH,
  MAX_FAUCET_CHARACTERS,
} from '../../protocol/wire/issuer/faucet.ts'
import { NO_CONTRACT, type PayingContract } from '../../protocol/wire/issuer/redemption.ts'
import type { Deposit, DepositLedger } from './deposits.ts'

export interface FaucetOptions {
  readonly folder: string
  readonly priceUnym: number
  /** A day, in all and for one address. */
  readonly maxPerDay?: number | undefined
  readonly maxPerAddress?: number | undefined
  /**
   * Where there is a ledger: makes the deposit on it, from an account of the faucet's, and gives its number; the same for the same key. One at
   * a time.
   */
  readonly pay?: ((identityKey: Uint8Array) => Promise<number>) | undefined
  readonly meter?: Meter | undefined
  readonly log?: Log | undefined
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS deposits (
    id INTEGER PRIMARY KEY,
    identity BLOB NOT NULL UNIQUE,
    made_at_s INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS deposits_by_age ON deposits (made_at_s);
`
const MAX_ID = 0xffff_ffff
/** A new faucet begins somewhere below: issuers remember the numbers of one that was lost, and sign for none of them again. */
const FIRST_IDS = 2 ** 31
const MAX_PER_DAY = 200_000
/** All clients of a network on one machine are at one address. */
const MAX_PER_ADDRESS = 20_000
const MAX_CONNECTIONS = 1024
/** Addresses counted; beyond, counting begins anew: a faucet is for networks that are nobody's target. */
const MAX_ADDRESSES = 65_536

export class Faucet implements DepositLedger {
  readonly priceUnym: number
  readonly payer: PayingContract = NO_CONTRACT
  readonly handler: JsonHandler
  readonly #world: World
  readonly #options: FaucetOptions
  readonly #meter: Meter
  readonly #database: Database
  #day = 0
  #perAddress = new AddressCounts()
  #addresses = new Set<string>()
  #paying: Promise<unknown> = Promise.resolve()

  constructor(world: World, options: FaucetOptions) {
    const { folder, priceUnym, meter = new Meter(), log = silentLog } = options
    this.priceUnym = priceUnym
    this.#world = world
    this.#options = options
    this.#meter = meter
    this.#database = world.databases.open(`${folder}/faucet.sqlite`)
    this.#database.exec(SCHEMA)
    const app = jsonApi({ log: log.child('faucet'), refusal: refuse })
    app.post(FAUCET_DEPOSIT_PATH, (context) => this.#give(context))
    app.get(`${FAUCET_DEPOSITS_PATH}/:id`, async (context) => {
      const id = numberParameter(context.req.param('id'))
      if (typeof id !== 'number') return refuse(400, 'a deposit id is a number')
      return answer(encodeDeposit(id, (await this.deposit(id))?.identityKey))
    })
    app.get('/v1/api-status/health', () => answer(encodeApiHealth({ chainStatus: 'unknown', uptimeSeconds: 0 })))
    this.handler = (request, peer) => forEveryPage(request, () => app.fetch(request, { peer }))
  }

  /** Serves at a place of the caller's choosing, who also closes it. Throws ADDRESS_IN_USE. */
  async serve(endpoint: Endpoint): Promise<HttpListener> {
    const listener = await this.#world.net.serveHttp(
      {
        ...endpoint,
        ...httpLimits(this.#meter, MAX_CONNECTIONS),
        maxBodyBytes: MAX_FAUCET_CHARACTERS,
        requestTimeout: seconds(10),
      },
      this.handler,
    )
    measureHttp(this.#meter, listener)
    return listener
  }

  /** The faucet is a ledger for issuers in its own process. */
  async deposit(depositId: number): Promise<Deposit | undefined> {
    const row = this.#database.prepare('SELECT identity FROM deposits WHERE id = ?').get(depositId)
    return row && { identityKey: row.identity as Uint8Array }
  }

  close(): void {
    this.#database.close()
  }

  async #give(context: Context): Promise<Response> {
    const text = await boundedText(context, MAX_FAUCET_CHARACTERS)
    if (text === undefined) return refuse(413, 'the request is too long')
    const identity = decodeDepositRequest(text)
    if (!this.#world.crypto.isEd25519Point(identity)) return refuse(400, 'identity_key is no Ed25519 key')
    const known = this.#database.prepare('SELECT id FROM deposits WHERE identity = ?').get(identity)
    if (known !== undefined) return answer(encodeDepositAnswer(Number(known.id)))
    const host = (context.env as { peer?: Endpoint }).peer?.host
    const now = Math.floor(this.#world.clock.now() / 1000)
    if (!this.#mayGive(now, host)) {
      this.#meter.counter('faucet_refused_total', 'Deposits refused because there were enough today').value++
      return refuse(429, 'that is enough for today')
    }
    const id = this.#options.pay === undefined ? this.#next(identity, now) : await this.#paid(identity, now)
    if (id === undefined) return refuse(503, 'there are no deposits left')
    if (host !== undefined) this.#perAddress.add(addressBlock(host))
    this.#meter.counter('faucet_deposits_total', 'Deposits given away').value++
    return answer(encodeDepositAnswer(id))
  }

  #next(identity: Uint8Array, now: number): number | undefined {
    return this.#database.transaction(() => {
      const row = this.#database.prepare('SELECT max(id) + 1 AS id FROM deposits').get()
      const next = Number(row?.id ?? below(this.#world.random.stream('faucet'), FIRST_IDS))
      if (next > MAX_ID) return undefined
      this.#database.prepare('INSERT INTO deposits (id, identity, made_at_s) VALUES (?, ?, ?)').run(next, identity, now)
      return next
    })
  }

  /** undefined where the ledger does not take it now; whoever asks again is given what was paid meanwhile. */
  async #paid(identity: Uint8Array, now: number): Promise<number | undefined> {
    const pay = this.#options.pay as (identityKey: Uint8Array) => Promise<number>
    const paying = this.#paying.then(() => pay(identity))
    this.#paying = paying.catch(() => {})
    try {
      const id = await paying
      // Numbers are the ledger's: one that stands here from an earlier chain is nobody's any more.
      this.#database
        .prepare('INSERT OR REPLACE INTO deposits (id, identity, made_at_s) VALUES (?, ?, ?)')
        .run(id, identity, now)
      return id
    } catch (error) {
      const code = isMixnetError(error) ? error.code : 'INTERNAL'
      ;(this.#options.log ?? silentLog).warn('faucet.not-paid', { code })
      return undefined
    }
  }

  #mayGive(now: number, host: string | undefined): boolean {
    const { maxPerDay = MAX_PER_DAY, maxPerAddress = MAX_PER_ADDRESS } = this.#options
    const day = Math.floor(now / DAY_SECONDS)
    if (day !== this.#day || this.#addresses.size >= MAX_ADDRESSES) {
      this.#day = day
      this.#perAddress = new AddressCounts()
      this.#addresses = new Set()
    }
    const given = this.#database
      .prepare('SELECT count(*) AS n FROM deposits WHERE made_at_s >= ?')
      .get(day * DAY_SECONDS)
    if (Number(given?.n ?? 0) >= maxPerDay) return false
    if (host === undefined) return true
    const block = addressBlock(host)
    this.#addresses.add(block)
    return this.#perAddress.of(block) < maxPerAddress
  }
}
