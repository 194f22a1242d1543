/** Issuers in a simulation, keys dealt by a dealer, a client that buys and spends, and gateways that ask. @module */
import assert from 'node:assert/strict'
import { toBase58 } from '../../foundation/base/base58.ts'
import { Meter } from '../../foundation/base/observe.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { type Millis, minutes } from '../../foundation/base/units.ts'
import type { Bls } from '../../foundation/crypto/bls.ts'
import { ORDER, wideScalar } from '../../foundation/crypto/blsScalar.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { nullBls } from '../../foundation/crypto/nullBls.ts'
import type { Database } from '../../foundation/platform/database.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { IssuedShare } from '../../protocol/credentials/engine.ts'
import { encodeAuthorityKey } from '../../protocol/credentials/keys.ts'
import { LocalEngine } from '../../protocol/credentials/localEngine.ts'
import { encodePayInfo } from '../../protocol/credentials/payInfo.ts'
import { createScheme } from '../../protocol/credentials/scheme.ts'
import { dealtKey } from '../../protocol/credentials/threshold.ts'
import type { JsonValue } from '../../protocol/wire/directory/json.ts'
import {
  type BlindSignRequest,
  decodeBlindedSignature,
  encodeBlindSign,
  signForDeposit,
} from '../../protocol/wire/issuer/blindSign.ts'
import { DAY_SECONDS, midnightOf } from '../../protocol/wire/issuer/calendarDate.ts'
import { decodeCoinList, decodeDateList, LIST_PATHS } from '../../protocol/wire/issuer/publicLists.ts'
import { NO_CONTRACT, type PayingContract } from '../../protocol/wire/issuer/redemption.ts'
import {
  decodeTicketVerdict,
  encodeVerifyTicket,
  type TicketVerdict,
} from '../../protocol/wire/issuer/ticketVerification.ts'
import type { AgreedKeys } from './agreedKeys.ts'
import type { Deposit, DepositLedger } from './deposits.ts'
import { Issuer, type IssuerOptions } from './issuer.ts'

export { crypto }

const COMPONENTS = 5
const PORT = 9000

export class MemoryDeposits implements DepositLedger {
  readonly priceUnym: number = 75_000_000
  payer: PayingContract = NO_CONTRACT
  readonly #keys = new Map<number, Uint8Array>()
  /** Throws it. */
  failure: Error | undefined
  asked = 0

  add(id: number, identityKey: Uint8Array): void {
    this.#keys.set(id, identityKey)
  }

  async deposit(id: number): Promise<Deposit | undefined> {
    this.asked++
    if (this.failure !== undefined) throw this.failure
    const identityKey = this.#keys.get(id)
    return identityKey && { identityKey }
  }
}

export interface TestIssuersOptions {
  readonly bls?: Bls
  readonly count?: number
  readonly threshold?: number
  readonly seed?: string
  readonly epochId?: number
  readonly options?: Partial<IssuerOptions>
  /** Stands between an issuer and its database. */
  readonly database?: (database: Database, index: number) => Database
  readonly startAt?: Millis
}

export interface Answer {
  readonly status: number
  readonly text: string
}

export interface PaymentChange {
  readonly day?: number
  readonly expiration?: number
  /** Another one makes another pay info. */
  readonly salt?: number
}

export type TestTicket = Parameters<typeof encodeVerifyTicket>[0]

/** In the world of its process. */
export type IssuerChange = (world: World) => Partial<IssuerOptions>

export interface Bought {
  readonly order: BlindSignRequest
  readonly userKey: Uint8Array
  readonly info: Uint8Array
}

export class TestIssuers {
  readonly sim: Simulation
  readonly engine: LocalEngine
  readonly deposits: MemoryDeposits = new MemoryDeposits()
  readonly meters: Meter[] = []
  readonly worlds: World[] = []
  readonly issuers: Issuer[] = []
  readonly #options: TestIssuersOptions
  keys: AgreedKeys[] = []
  #nextDeposit = 100

  private constructor(options: TestIssuersOptions) {
    this.#options = options
    const { seed = 'issuers', bls = nullBls, startAt } = options
    this.sim = new Simulation({ seed, crypto, ...(startAt === undefined ? {} : { startAt }) })
    this.engine = new LocalEngine(createScheme(bls), this.sim.random.stream('engine'))
  }

  static async start(options: TestIssuersOptions = {}): Promise<TestIssuers> {
    const test = new TestIssuers(options)
    const { count = 5, epochId = 3 } = options
    test.keys = await test.deal(epochId)
    for (let index = 1; index <= count; index++) {
      test.worlds.push(test.sim.host(`issuer${index}`, { ips: [`10.0.0.${index}`] }))
      test.meters.push(new Meter())
    }
    for (let index = 1; index <= count; index++) await test.launch(index)
    await test.sim.runFor(minutes(1))
    return test
  }

  identitySeed(index: number): Uint8Array {
    return crypto.sha256(Uint8Array.of(1, index))
  }

  /** Keys of an epoch as a trusted dealer makes them. */
  async deal(epochId: number): Promise<AgreedKeys[]> {
    const { count = 5, threshold = 3 } = this.#options
    const random = this.sim.random.stream(`dealer ${epochId}`)
    const rows = Array.from({ length: COMPONENTS }, () =>
      Array.from({ length: threshold }, () => wideScalar(random.bytes(64)) % ORDER),
    )
    const secrets = Array.from({ length: count }, (_, i) => encodeAuthorityKey(dealtKey(rows, i + 1)))
    const members = await Promise.all(
      secrets.map(async (secret, i) => ({
        index: i + 1,
        identity: crypto.ed25519PublicKey(this.identitySeed(i + 1)),
        url: `http://10.0.0.${i + 1}:${PORT}`,
        key: await this.engine.verificationKey(secret),
      })),
    )
    const masterKey = await this.engine.aggregateKeys(members.slice(0, threshold))
    return secrets.map((secretKey, i) => ({
      epochId,
      threshold,
      masterKey,
      members,
      own: { index: i + 1, secretKey: new Secret(secretKey) },
    }))
  }

  async launch(index: number, options: IssuerChange = () => ({})): Promise<Issuer> {
    const { database = (one) => one } = this.#options
    const world = this.worlds[index - 1] as World
    const databases = { open: (path: string) => database(world.databases.open(path), index) }
    const issuer = await this.sim.complete(
      Issuer.start(
        { ...world, databases },
        {
          folder: 'issuer',
          identitySeed: new Secret(this.identitySeed(index)),
          keys: this.keys[index - 1],
          engine: this.engine,
          deposits: this.deposits,
          listen: { host: `10.0.0.${index}`, port: PORT },
          meter: this.meters[index - 1] as Meter,
          ...this.#options.options,
          ...options(world),
        },
      ),
    )
    this.issuers[index - 1] = issuer
    return issuer
  }

  /** Its process dies, and another begins on what was on its disk. */
  async restart(index: number, options?: IssuerChange): Promise<Issuer> {
    this.worlds[index - 1] = this.sim.restart(`issuer${index}`)
    const issuer = await this.launch(index, options)
    await this.sim.runFor(minutes(1))
    return issuer
  }

  async stop(): Promise<void> {
    await this.sim.complete(Promise.all(this.issuers.map((issuer) => issuer.stop())))
  }

  get today(): number {
    return midnightOf(Math.floor(this.sim.clock.now() / 1000))
  }

  count(index: number, name: string): number {
    return this.meters[index - 1]?.snapshot()[name] ?? 0
  }

  /** Without sockets. `host`: who asks. */
  async ask(index: number, path: string, body?: JsonValue | string, host = '10.9.9.9'): Promise<Answer> {
    return this.sim.complete(this.asking(index, path, body, host))
  }

  async asking(index: number, path: string, body?: JsonValue | string, host = '10.9.9.9'): Promise<Answer> {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const request = new Request(
      `http://issuer/v1/ecash${path}`,
      body === undefined ? {} : { method: 'POST', body: text },
    )
    const response = await (this.issuers[index - 1] as Issuer).handler(request, { host, port: 1 })
    return { status: response.status, text: await response.text() }
  }

  /** A request for a book, with a deposit of its own unless one is given. */
  async request(
    change: Partial<Pick<BlindSignRequest, 'depositId' | 'expiration' | 'ticketType'>> & { seed?: number } = {},
  ): Promise<Bought> {
    const {
      depositId = this.#nextDeposit++,
      expiration = this.today + 6 * DAY_SECONDS,
      ticketType = 0,
      seed = 1,
    } = change
    const depositSeed = this.depositSeed(depositId)
    this.deposits.add(depositId, crypto.ed25519PublicKey(depositSeed))
    const userKey = await this.engine.userKey(new Uint8Array(32).fill(seed))
    const { request, info, publicKey } = await this.engine.requestBook(userKey, { expiration, ticketType })
    const order = signForDeposit(crypto, depositSeed, { request, depositId, publicKey, expiration, ticketType })
    return { order, userKey, info }
  }

  depositSeed(depositId: number): Uint8Array {
    return crypto.sha256(Uint8Array.of(2, depositId >> 8, depositId & 0xff))
  }

  blindSign(index: number, order: BlindSignRequest): Promise<Answer> {
    return this.ask(index, '/blind-sign', encodeBlindSign(order))
  }

  /** The signature of an issuer that gives one. */
  async signed(index: number, order: BlindSignRequest): Promise<Uint8Array> {
    const { status, text } = await this.blindSign(index, order)
    assert.equal(status, 200, text)
    return decodeBlindedSignature(text)
  }

  async book({ order, userKey, info }: Bought, indices: readonly number[] = [1, 2, 3]): Promise<Uint8Array> {
    const keys = this.keys[0] as AgreedKeys
    const answers: IssuedShare[] = []
    for (const index of indices) {
      const { key } = keys.members[index - 1] as AgreedKeys['members'][number]
      answers.push({ index, key, signature: await this.signed(index, order) })
    }
    const { masterKey, threshold, epochId } = keys
    const opened = await this.engine.openBook({
      userKey,
      info,
      epochId: BigInt(epochId),
      threshold,
      masterKey,
      answers,
    })
    assert.ok(opened.kind === 'opened')
    assert.deepEqual(opened.culprits, [])
    return opened.book
  }

  async lists(
    index: number,
    expiration: number,
  ): Promise<{ readonly dateSignatures: Uint8Array; readonly coinSignatures: Uint8Array }> {
    const date = new Date(expiration * 1000).toISOString().slice(0, 10)
    const dates = await this.ask(index, `${LIST_PATHS.dates.aggregated}?expiration_date=${date}`)
    const coins = await this.ask(index, LIST_PATHS.coins.aggregated)
    assert.deepEqual([dates.status, coins.status], [200, 200], dates.text)
    return {
      dateSignatures: decodeDateList(dates.text).signatures,
      coinSignatures: decodeCoinList(coins.text).signatures,
    }
  }

  /** A payment to a gateway. */
  async pay(
    book: Uint8Array,
    ticket: number,
    gatewaySeed: Uint8Array,
    { day = this.today, expiration = this.today + 6 * DAY_SECONDS, salt = 0 }: PaymentChange = {},
  ): Promise<TestTicket> {
    const lists = await this.lists(1, expiration)
    const payInfo = encodePayInfo({
      random: crypto.sha256(Uint8Array.of(ticket, salt)),
      unixSeconds: BigInt(day),
      provider: crypto.ed25519PublicKey(gatewaySeed),
    })
    const { masterKey, epochId } = this.keys[0] as AgreedKeys
    const payment = await this.engine.spend({ masterKey, book, ticket, payInfo, day, ...lists })
    return { payment, payInfo, day, epochId, gateway: toBase58(crypto.ed25519PublicKey(gatewaySeed)) }
  }

  async verify(index: number, ticket: TestTicket): Promise<TicketVerdict> {
    const { status, text } = await this.ask(index, '/verify-ecash-ticket', encodeVerifyTicket(ticket))
    assert.equal(status, 200, text)
    return decodeTicketVerdict(text)
  }
}

export const gatewaySeed = (number: number): Uint8Array => crypto.sha256(Uint8Array.of(3, number))
export const serialOf = (payment: Uint8Array): Uint8Array => payment.slice(589, 637)

/** A database that calls `burn` before and after everything: where it throws, the process is dead, and what was not committed never was. */
export function explosive(database: Database, burn: () => void): Database {
  return {
    exec: (sql) => database.exec(sql),
    prepare(sql) {
      const statement = database.prepare(sql)
      return {
        run(...values) {
          burn()
          return statement.run(...values)
        },
        get(...values) {
          burn()
          return statement.get(...values)
        },
        all: (...values) => statement.all(...values),
      }
    },
    transaction(run) {
      burn()
      const result = database.transaction(run)
      // Committed, and nobody was told.
      burn()
      return result
    },
    close: () => database.close(),
  }
}
