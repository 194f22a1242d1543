/**
 * A page that pays, in Chromium and under the policy of all our pages: a book that our authorities issued, tickets that our gateway's
 * engine takes. In a worker, without the page standing still; and on the spot where the policy lets nothing be a worker.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it, type TestContext } from 'node:test'
import type { Browser } from 'playwright-core'
import { ORDER, wideScalar } from '../../src/foundation/crypto/blsScalar.ts'
import { loadMclBls } from '../../src/foundation/crypto/mclBls.ts'
import type { CredentialEngine, ListTopic, PaymentClaim } from '../../src/protocol/credentials/engine.ts'
import { encodeAuthorityKey } from '../../src/protocol/credentials/keys.ts'
import { LocalEngine } from '../../src/protocol/credentials/localEngine.ts'
import { createScheme } from '../../src/protocol/credentials/scheme.ts'
import { dealtKey } from '../../src/protocol/credentials/threshold.ts'
import { launchChromium, noChromium } from './chromium.ts'
import { OfficialPage } from './officialPage.ts'
import { type PageFolder, type PageServer, servePages } from './pageServer.ts'

const EXPIRATION = 1_780_531_200
const DAY = EXPIRATION - 2 * 86_400
const ATTRIBUTES = { expiration: EXPIRATION, ticketType: 0 }
const [AUTHORITIES, THRESHOLD] = [5, 3]
/** Of a timer of 4 ms, in some 200 ms of work. */
const SOME_TICKS = 10

const bytes = (length: number) => new Uint8Array(randomBytes(length))

/** What issuers answer, in this process. */
async function makeAuthorities() {
  const engine = new LocalEngine(createScheme(await loadMclBls()), { bytes })
  const rows = Array.from({ length: 5 }, () => Array.from({ length: THRESHOLD }, () => wideScalar(bytes(64)) % ORDER))
  const secrets = Array.from({ length: AUTHORITIES }, (_, i) => encodeAuthorityKey(dealtKey(rows, i + 1)))
  const shares = await Promise.all(
    secrets.map(async (secret, i) => ({ index: i + 1, key: await engine.verificationKey(secret) })),
  )
  const each = <T>(work: (secret: Uint8Array) => Promise<T>) =>
    Promise.all(
      shares.slice(0, THRESHOLD).map(async (share, i) => [share, await work(secrets[i] as Uint8Array)] as const),
    )
  return {
    engine,
    shares,
    async lists(topic: ListTopic, masterKey: Uint8Array) {
      const made = await each((secret) => engine.signList(secret, topic, masterKey))
      return made.map(([share, signatures]) => ({ ...share, signatures }))
    },
    async issue(request: Uint8Array, publicKey: Uint8Array) {
      const made = await each((secretKey) => engine.issue({ secretKey, request, publicKey, attributes: ATTRIBUTES }))
      return made.map(([share, issued]) => {
        assert.equal(issued.kind, 'issued')
        return { ...share, signature: (issued as { readonly signature: Uint8Array }).signature }
      })
    },
  }
}

interface Asked {
  readonly value?: unknown
  readonly code?: string
  readonly ticks: number
  readonly stall: number
  readonly took: number
}

/** The engine of a page, and what the page did meanwhile. */
class PageWallet {
  readonly #page: OfficialPage
  readonly #context: TestContext
  readonly asked = new Map<string, Asked>()

  constructor(page: OfficialPage, context: TestContext) {
    this.#page = page
    this.#context = context
  }

  async ask<M extends keyof CredentialEngine>(
    method: M,
    ...args: Parameters<CredentialEngine[M]>
  ): Promise<Awaited<ReturnType<CredentialEngine[M]>>> {
    const asked = await this.#page.call<Asked>('ask', method, ...args.map((one) => mapped(one, toBase64)))
    const { value, code, ticks, stall, took } = asked
    this.#context.diagnostic(`${method}: ${took.toFixed(0)} ms, ${ticks} ticks, stood still for ${stall.toFixed(0)} ms`)
    this.asked.set(method, asked)
    if (code !== undefined) throw Object.assign(new Error(code), { code })
    return mapped(value, fromBase64) as Awaited<ReturnType<CredentialEngine[M]>>
  }
}

const toBase64 = (value: unknown) =>
  value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : undefined
const fromBase64 = (value: unknown) =>
  typeof value === 'object' && value !== null && 'base64' in value
    ? new Uint8Array(Buffer.from(String(value.base64), 'base64'))
    : undefined

function mapped(value: unknown, leaf: (value: unknown) => unknown): unknown {
  const found = leaf(value)
  if (found !== undefined) return found
  if (Array.isArray(value)) return value.map((item) => mapped(item, leaf))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapped(item, leaf)]))
}

describe('a page that pays', { skip: noChromium, timeout: 300_000 }, () => {
  let browser: Browser
  let server: PageServer
  let authorities: Awaited<ReturnType<typeof makeAuthorities>>

  before(async () => {
    authorities = await makeAuthorities()
    ;[browser, server] = await Promise.all([launchChromium(), servePages()])
  })
  after(() => Promise.all([browser?.close(), server?.close()]))

  for (const [folder, where] of [
    ['credentials', 'a worker'],
    ['credentialsWithoutWorkers', 'the page itself'],
  ] as const satisfies readonly (readonly [PageFolder, string])[]) {
    it(`makes a book in ${where}, and spends of it what a gateway takes`, async (context) => {
      const person = await browser.newContext()
      const page = await OfficialPage.open(person, `${server.origin}/${folder}/`)
      await page.call('load')
      const wallet = new PageWallet(page, context)

      const masterKey = await wallet.ask('aggregateKeys', authorities.shares.slice(0, THRESHOLD))
      const listOf = async (topic: ListTopic): Promise<Uint8Array> => {
        const list = await wallet.ask('aggregateList', topic, masterKey, await authorities.lists(topic, masterKey))
        assert.ok(list.kind === 'aggregated')
        return list.signatures
      }
      const dateSignatures = await listOf({ kind: 'dates', expiration: EXPIRATION })
      const coinSignatures = await listOf({ kind: 'coins' })
      const lists = wallet.asked.get('aggregateList') as Asked
      assert.ok(await wallet.ask('listHolds', { kind: 'coins' }, masterKey, coinSignatures))

      const userKey = await wallet.ask('userKey', bytes(32))
      const { request, info, publicKey } = await wallet.ask('requestBook', userKey, ATTRIBUTES)
      const answers = await authorities.issue(request, publicKey)
      const order = { userKey, info, epochId: 3n, threshold: THRESHOLD, masterKey, answers }
      const opened = await wallet.ask('openBook', order)
      assert.ok(opened.kind === 'opened')

      const claims: PaymentClaim[] = []
      for (const ticket of [0, 1]) {
        const payInfo = bytes(72)
        const { book } = opened
        const payment = await wallet.ask('spend', {
          ...{ masterKey, book, ticket, payInfo, day: DAY },
          ...{ dateSignatures, coinSignatures },
        })
        claims.push({ payment, payInfo, day: DAY })
      }
      const verdicts = await authorities.engine.verifyPayments(masterKey, claims, 'strict')
      assert.deepEqual(
        verdicts.map(({ kind }) => kind),
        ['good', 'good'],
      )
      const again = await wallet.ask('verifyPayments', masterKey, claims, 'strict')
      assert.deepEqual(again, verdicts)

      const spent = { masterKey, book: opened.book, ticket: 50, payInfo: bytes(72), day: DAY }
      await assert.rejects(wallet.ask('spend', { ...spent, dateSignatures, coinSignatures }), { code: 'TICKETS_SPENT' })

      // Nothing of it can be paused, so whether the page went on meanwhile is whether there was a worker.
      const whole = wallet.asked.get('aggregateKeys')?.ticks as number
      assert.equal(whole >= SOME_TICKS, folder === 'credentials', `${whole} ticks`)
      if (folder === 'credentialsWithoutWorkers') {
        assert.ok(lists.ticks > 0)
        await page.says(/worker-src 'none'/)
      }
      await page.call('close')
      await assert.rejects(wallet.ask('userKey', bytes(32)), { code: 'STOPPED' })
      await person.close()
    })
  }
})
