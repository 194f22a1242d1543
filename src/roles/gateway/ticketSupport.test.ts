/** Test support: issuers of a simulated network, a book of tickets for clients, and a gateway that takes them. @module */
import assert from 'node:assert/strict'
import { millis, seconds } from '../../foundation/base/units.ts'
import type { Bls } from '../../foundation/crypto/bls.ts'
import { ORDER, wideScalar } from '../../foundation/crypto/blsScalar.ts'
import { nullBls } from '../../foundation/crypto/nullBls.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import type { HttpListener } from '../../foundation/platform/net.ts'
import { drawFrom } from '../../protocol/credentials/draw.ts'
import type { IssuedShare, KeyShare } from '../../protocol/credentials/engine.ts'
import { decodeVerificationKey, encodeAuthorityKey } from '../../protocol/credentials/keys.ts'
import { LocalEngine } from '../../protocol/credentials/localEngine.ts'
import { encodePayInfo } from '../../protocol/credentials/payInfo.ts'
import { encodePayment } from '../../protocol/credentials/payment.ts'
import { prepareKey } from '../../protocol/credentials/preparedKey.ts'
import { createScheme, type Scheme } from '../../protocol/credentials/scheme.ts'
import { decodeSignature } from '../../protocol/credentials/signature.ts'
import { provePayment } from '../../protocol/credentials/spend.ts'
import { dealtKey } from '../../protocol/credentials/threshold.ts'
import { decodeTicketbook } from '../../protocol/credentials/ticketbook.ts'
import type { Strictness } from '../../protocol/credentials/verify.ts'
import { JULIAN_DAY_OF_UNIX_EPOCH, sealTicket, type Ticket } from '../../protocol/wire/gateway/ticket.ts'
import type { CredentialEpoch } from '../../protocol/wire/issuer/credentialEpoch.ts'
import {
  decodeRedeemRequest,
  encodeRedeemAnswer,
  NO_CONTRACT,
  type PayingContract,
  redeemRequestHolds,
  signVote,
} from '../../protocol/wire/issuer/redemption.ts'
import type { GatewayParams } from './gatewayParams.ts'
import type { Redeemer } from './redeemer.ts'
import type { ScriptedClient } from './scriptedClient.test.ts'
import { keyOf, TestGateway, type TestGatewayOptions } from './support.test.ts'
import { TicketOffice } from './tickets.ts'
import { DAY_MS, unixDayOf } from './unixDay.ts'

export const ENTRY = 200_000_000
const ISSUERS = 5
const THRESHOLD = 3
const FIRST_DAY = 20_454

/** The same bytes in every run; different at every call. */
export function counted(seed = 7): { bytes(length: number): Uint8Array } {
  let state = seed
  return {
    bytes: (length) =>
      Uint8Array.from({ length }, () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
        return state >>> 24
      }),
  }
}

export class Mint {
  readonly scheme: Scheme
  readonly engine: LocalEngine
  readonly random: { bytes(length: number): Uint8Array }
  masterKey!: Uint8Array
  shares!: readonly KeyShare[]
  #secrets!: readonly Uint8Array[]
  #dates = new Map<number, Uint8Array>()
  #coins!: Uint8Array

  private constructor(bls: Bls, seed: number) {
    this.random = counted(seed)
    this.scheme = createScheme(bls)
    this.engine = new LocalEngine(this.scheme, this.random)
  }

  /** Other keys with another seed. */
  static async open(bls: Bls = nullBls, seed = 7): Promise<Mint> {
    const mint = new Mint(bls, seed)
    const rows = Array.from({ length: 5 }, () =>
      Array.from({ length: THRESHOLD }, () => wideScalar(mint.random.bytes(64)) % ORDER),
    )
    const indices = Array.from({ length: ISSUERS }, (_, i) => i + 1)
    mint.#secrets = indices.map((index) => encodeAuthorityKey(dealtKey(rows, index)))
    mint.shares = await Promise.all(
      indices.map(async (index) => ({
        index,
        key: await mint.engine.verificationKey(mint.#secrets[index - 1] as Uint8Array),
      })),
    )
    mint.masterKey = await mint.engine.aggregateKeys(mint.shares)
    mint.#coins = await mint.#list({ kind: 'coins' })
    return mint
  }

  epoch(epochId = 4): CredentialEpoch {
    return {
      epochId,
      threshold: THRESHOLD,
      issuers: this.shares.map(({ index, key }) => ({
        index,
        key,
        identity: nullProvider.ed25519PublicKey(issuerSeed(index)),
        url: `http://10.9.0.${index}:80`,
      })),
      priceUnym: 75_000_000,
    }
  }

  async book(ticketType: number = 0, expirationDay: number = FIRST_DAY + 6): Promise<Book> {
    const attributes = { expiration: expirationDay * 86_400, ticketType }
    const userKey = await this.engine.userKey(this.random.bytes(32))
    const { request, info, publicKey } = await this.engine.requestBook(userKey, attributes)
    const answers: IssuedShare[] = []
    for (const [i, share] of this.shares.slice(0, THRESHOLD).entries()) {
      const secretKey = this.#secrets[i] as Uint8Array
      const issued = await this.engine.issue({ secretKey, request, publicKey, attributes })
      assert.ok(issued.kind === 'issued')
      answers.push({ ...share, signature: issued.signature })
    }
    const { masterKey } = this
    const opened = await this.engine.openBook({
      userKey,
      info,
      epochId: 4n,
      threshold: THRESHOLD,
      masterKey,
      answers,
    })
    assert.ok(opened.kind === 'opened')
    let dates = this.#dates.get(expirationDay)
    if (dates === undefined) {
      dates = await this.#list({ kind: 'dates', expiration: attributes.expiration })
      this.#dates.set(expirationDay, dates)
    }
    return new Book(this, opened.book, dates, this.#coins)
  }

  async #list(topic: Parameters<LocalEngine['signList']>[1]): Promise<Uint8Array> {
    const parts = await Promise.all(
      this.shares.slice(0, THRESHOLD).map(async (share, i) => ({
        ...share,
        signatures: await this.engine.signList(this.#secrets[i] as Uint8Array, topic, this.masterKey),
      })),
    )
    const list = await this.engine.aggregateList(topic, this.masterKey, parts)
    assert.ok(list.kind === 'aggregated')
    return list.signatures
  }
}

export interface PayingFor {
  readonly provider: Uint8Array
  /** Milliseconds. */
  readonly now: number
  readonly unixDay?: number
  readonly payInfo?: Uint8Array
  readonly epochId?: bigint
}

export class Book {
  readonly #mint: Mint
  readonly #book: Uint8Array
  readonly #dates: Uint8Array
  readonly #coins: Uint8Array
  #next = 0

  constructor(mint: Mint, book: Uint8Array, dates: Uint8Array, coins: Uint8Array) {
    this.#mint = mint
    this.#book = book
    this.#dates = dates
    this.#coins = coins
  }

  /** As official clients before 1.22 make it. */
  async unbound(paying: PayingFor): Promise<Ticket> {
    const ticket = await this.ticket(paying)
    const scheme = this.#mint.scheme
    const { user, wallet } = decodeTicketbook(scheme, this.#book)
    const list = (bytes: Uint8Array) =>
      Array.from({ length: bytes.length / 96 }, (_, l) => decodeSignature(scheme, bytes.subarray(l * 96, l * 96 + 96)))
    const payment = provePayment(
      scheme,
      prepareKey(scheme, decodeVerificationKey(scheme, this.#mint.masterKey)),
      {
        user,
        wallet,
        firstTicket: this.#next++,
        tickets: 1,
        payInfo: ticket.payInfo,
        day: (ticket.spendDateJulianDay - JULIAN_DAY_OF_UNIX_EPOCH) * 86_400,
        dateSignatures: list(this.#dates),
        coinSignatures: list(this.#coins),
      },
      drawFrom(this.#mint.random),
      false,
    )
    return { ...ticket, payment: encodePayment(scheme, payment) }
  }

  /** Its next ticket, or that of a number. */
  async ticket({ provider, now, ...given }: PayingFor, number: number = this.#next++): Promise<Ticket> {
    const unixDay = given.unixDay ?? unixDayOf(now)
    const payInfo =
      given.payInfo ??
      encodePayInfo({ random: this.#mint.random.bytes(32), unixSeconds: BigInt(Math.floor(now / 1000)), provider })
    const payment = await this.#mint.engine.spend({
      masterKey: this.#mint.masterKey,
      book: this.#book,
      ticket: number,
      payInfo,
      day: unixDay * 86_400,
      dateSignatures: this.#dates,
      coinSignatures: this.#coins,
    })
    return {
      payment,
      payInfo,
      spendDateJulianDay: JULIAN_DAY_OF_UNIX_EPOCH + unixDay,
      epochId: given.epochId ?? 4n,
    }
  }
}

type Answer = 'ok' | 'replayed' | 'double-spend' | 'invalid' | 'too-old' | 'too-early' | 'silent' | 'nonsense'
const ANSWERS: Readonly<Record<Exclude<Answer, 'silent' | 'nonsense'>, unknown>> = {
  ok: { Ok: null },
  replayed: { Err: 'ReplayedTicket' },
  'double-spend': { Err: 'DoubleSpend' },
  invalid: { Err: 'InvalidTicket' },
  'too-old': { Err: { InvalidSpentDate: { today: '2026-01-03', yesterday: '2026-01-02', received: '2026-01-01' } } },
  'too-early': { Err: { InvalidSpentDate: { today: '2026-01-01', yesterday: '2025-12-31', received: '2026-01-02' } } },
}

const issuerSeed = (index: number): Uint8Array => new Uint8Array(32).fill(index)

/** Answers as it is told to. */
export class ScriptedIssuer {
  answer: Answer = 'ok'
  votes = true
  /** Of its key. */
  epochId = 4
  readonly asked: string[] = []
  /** Requests, word for word, and whether their signatures hold. */
  readonly redemptions: { readonly body: string; readonly count: number; readonly holds: boolean }[] = []
  /** Signs as another. */
  forges = false
  payer: PayingContract = NO_CONTRACT
  readonly #index: number
  listener: HttpListener | undefined

  constructor(index: number) {
    this.#index = index
  }

  handle(url: string, body: string): Response {
    if (url.endsWith('/v1/ecash/verify-ecash-ticket')) {
      const json = JSON.parse(body) as { credential: { payment: { ss: string[] } } }
      this.asked.push(json.credential.payment.ss[0] as string)
      if (this.answer === 'silent') return new Response('away', { status: 503 })
      if (this.answer === 'nonsense') return new Response('{"verified":{"Err":7}}')
      return Response.json({ verified: ANSWERS[this.answer] })
    }
    assert.ok(url.endsWith('/v1/ecash/batch-redeem-ecash-tickets'))
    const request = decodeRedeemRequest(body)
    const { digest, gateway } = request
    const count = request.serialNumbers.length
    this.redemptions.push({ body, count, holds: redeemRequestHolds(nullProvider, request) })
    if (!this.votes) return Response.json(encodeRedeemAnswer({ accepted: false, vote: undefined }))
    const vote = { payer: this.payer, epochId: this.epochId, index: this.#index, gateway, digest, count }
    const signature = signVote(nullProvider, issuerSeed(this.#index + (this.forges ? 1 : 0)), vote)
    return Response.json(encodeRedeemAnswer({ accepted: true, vote: { ...vote, signature } }))
  }
}

export interface TicketTestOptions extends Omit<TestGatewayOptions, 'tickets'> {
  readonly strictness?: Strictness
  readonly mint?: Mint
  readonly epoch?: CredentialEpoch | undefined
  readonly redeemer?: Redeemer
}

/** A gateway that takes tickets, and five issuers on hosts of their own. */
export class TicketTest {
  readonly mint: Mint
  readonly issuers: readonly ScriptedIssuer[]
  readonly gate: TestGateway
  office!: TicketOffice
  #nonce = 0

  private constructor(mint: Mint, gate: TestGateway) {
    this.mint = mint
    this.gate = gate
    this.issuers = mint.shares.map(({ index }) => new ScriptedIssuer(index))
  }

  static async start({ strictness = 'strict', redeemer, ...options }: TicketTestOptions = {}): Promise<TicketTest> {
    const mint = options.mint ?? (await Mint.open())
    const offices: TicketOffice[] = []
    const holder: { test?: TicketTest } = {}
    const gate = await TestGateway.start({
      ...options,
      params: { freeBandwidth: false, ...options.params } satisfies Partial<GatewayParams>,
      tickets: (place) => {
        const office = new TicketOffice({ place, engine: mint.engine, strictness, redeemer })
        offices.push(office)
        if (holder.test !== undefined) holder.test.office = office
        return office
      },
    })
    const test = new TicketTest(mint, gate)
    holder.test = test
    test.office = offices.at(-1) as TicketOffice
    for (const [i, issuer] of test.issuers.entries()) {
      const host = `10.9.0.${i + 1}`
      const world = gate.sim.host(`issuer${i + 1}`, { ips: [host] })
      const serving = world.net.serveHttp(
        { host, port: 80, maxBodyBytes: 1_000_000, requestTimeout: seconds(10) },
        async (request) => issuer.handle(request.url, await request.text()),
      )
      issuer.listener = await gate.complete(serving)
    }
    await test.learn(options.epoch ?? mint.epoch())
    return test
  }

  get now(): number {
    return this.gate.sim.clock.now()
  }

  async learn(epoch: CredentialEpoch): Promise<void> {
    await this.gate.complete(this.office.learn(epoch))
  }

  paying(more: Partial<PayingFor> = {}): PayingFor {
    return { provider: this.gate.identity, now: this.now, ...more }
  }

  request(client: ScriptedClient, ticket: Ticket): ReturnType<typeof sealTicket> {
    const nonce = new Uint8Array(12)
    new DataView(nonce.buffer).setUint32(0, this.#nonce++)
    return sealTicket(this.gate.crypto, keyOf(client).expose(), ticket, nonce)
  }

  async give(client: ScriptedClient, ticket: Ticket): Promise<string> {
    return client.ask(this.request(client, ticket))
  }

  tickets(outcome: string): number {
    return this.gate.count(`gateway_tickets{outcome="${outcome}"}`)
  }

  bytes(outcome: string): number {
    return this.gate.count(`gateway_ticket_bytes{outcome="${outcome}"}`)
  }

  runFor(ms: number): Promise<void> {
    return this.gate.sim.runFor(millis(ms))
  }
}

export const balance = (total: number): string => `{"type":"bandwidth","available_total":${total},"upgrade_mode":false}`
export const REPLAY = '{"type":"typedError","error":"ticket_replay"}'
export const refusal = (text: string): string => JSON.stringify({ type: 'error', message: text })
export const day = (days: number): number => days * DAY_MS
