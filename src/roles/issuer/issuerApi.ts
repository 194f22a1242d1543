/**
 * The HTTP API of an issuer: what it is asked, in which order it looks at that, and how it says no. Paths and answers are those of
 * official issuers; what is ours is marked in docs/spec/issuer.md. Refusals are text. @module
 */
import type { Context, Hono } from 'hono'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import type { Secret } from '../../foundation/base/secret.ts'
import type { Endpoint } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import {
  answer,
  answerText,
  boundedText,
  type ErrorStatus,
  forEveryPage,
  type JsonHandler,
  jsonApi,
  numberParameter,
  refuseInText as refuse,
} from '../../network/api/jsonApi.ts'
import type { ListTopic } from '../../protocol/credentials/engine.ts'
import { encodeApiHealth } from '../../protocol/wire/directory/apiStatus.ts'
import type { JsonObject } from '../../protocol/wire/directory/json.ts'
import { decodeBlindSign, encodeBlindedSignature, MAX_BLIND_SIGN_BYTES } from '../../protocol/wire/issuer/blindSign.ts'
import { DAY_SECONDS, formatDate, midnightOf, parseDate } from '../../protocol/wire/issuer/calendarDate.ts'
import { type CredentialEpoch, credentialEpochToJson } from '../../protocol/wire/issuer/credentialEpoch.ts'
import {
  decodeIssuedSample,
  type IssuedSample,
  MAX_CHALLENGE_BYTES,
} from '../../protocol/wire/issuer/issuedTicketbooks.ts'
import { encodeCoinList, encodeDateList, LIST_PATHS } from '../../protocol/wire/issuer/publicLists.ts'
import { decodeRedeemRequest, encodeRedeemAnswer, MAX_REDEEM_BYTES } from '../../protocol/wire/issuer/redemption.ts'
import { signBody } from '../../protocol/wire/issuer/signedMessage.ts'
import { signerStatusToJson } from '../../protocol/wire/issuer/signerStatus.ts'
import {
  decodeVerifyTicket,
  encodeTicketVerdict,
  MAX_VERIFY_TICKET_BYTES,
} from '../../protocol/wire/issuer/ticketVerification.ts'
import { encodeMasterKey } from '../../protocol/wire/issuer/verificationKey.ts'
import type { AgreedKeys } from './agreedKeys.ts'
import type { Audits } from './audits.ts'
import type { Issuance, IssueRefusal } from './issuance.ts'
import type { DayCount, IssuerStore } from './issuerStore.ts'
import type { PublicSignatures } from './publicSignatures.ts'
import type { Redemptions } from './redemptions.ts'
import type { TicketChecks } from './ticketChecks.ts'
import type { Refused, WorkLimits } from './workLimits.ts'

export interface IssuerApiOptions {
  readonly world: Pick<World, 'clock' | 'crypto'>
  readonly identitySeed: Secret
  readonly issuance: Issuance
  readonly lists: PublicSignatures
  readonly checks: TicketChecks
  readonly redemptions: Redemptions
  readonly audits: Audits
  readonly store: IssuerStore
  readonly limits: { readonly signing: WorkLimits; readonly verifying: WorkLimits; readonly heavy: WorkLimits }
  /** Undefined while others are being agreed on. */
  readonly current: () => AgreedKeys | undefined
  /** Of this epoch or an older one. */
  readonly keysOf: (epochId: number) => AgreedKeys | undefined
  readonly epoch: () => CredentialEpoch | undefined
  readonly meter: Meter
  readonly log: Log
  readonly extend?: ((app: Hono) => void) | undefined
}

/** The longest body of all. */
export const MAX_ISSUER_REQUEST_BYTES: number = MAX_REDEEM_BYTES
const PREFIX = '/v1/ecash'
const MAX_PER_PAGE = 100
const PER_PAGE = 50
/** A list never changes: its day and its epoch are in the question. */
const CACHED = { 'cache-control': 'public, max-age=3600' }
const NO_KEYS = 'this issuer has no keys of the current epoch; try again later'

const REFUSALS: Readonly<Record<IssueRefusal, readonly [ErrorStatus, string]>> = {
  'no-keys': [503, NO_KEYS],
  expired: [400, 'the expiration date is past'],
  'too-late': [400, 'the expiration date is more than six days ahead'],
  'double-spender': [400, 'this key has spent a ticket twice'],
  ledger: [503, 'the deposit cannot be looked up now; try again later'],
  'no-deposit': [400, 'there is no such deposit'],
  signature: [400, 'the signature is not that of the deposit'],
  spent: [400, 'the deposit was used for another book'],
  identity: [400, 'the request has a point at infinity'],
  base: [400, 'the request is not of this expiration date and type'],
  proof: [400, 'the proof of the request does not hold'],
  malformed: [400, 'the request holds what is no point or scalar'],
}

export function issuerApi(options: IssuerApiOptions): JsonHandler {
  const { world, meter, log, extend } = options
  const startedAt = world.clock.monotonic()
  const app = jsonApi({ optionalPrefix: '/api', log, refusal: refuse })
  serveKeys(app, options)
  serveWork(app, options)
  serveAudits(app, options)
  app.get(`${PREFIX}/double-spending-filter-v1`, () => {
    return new Response('permanently restricted', { status: 410, headers: { 'content-type': 'text/plain' } })
  })
  app.get('/v1/api-status/health', () => {
    const uptimeSeconds = Math.floor((world.clock.monotonic() - startedAt) / 1000)
    return answer(encodeApiHealth({ chainStatus: 'unknown', uptimeSeconds }))
  })
  extend?.(app)

  const help = 'Answers of the issuer by HTTP status'
  return async (request, peer) => {
    const response = await forEveryPage(request, () => app.fetch(request, { peer }))
    meter.counter('issuer_answers_total', help, { status: String(response.status) }).value++
    return response
  }
}

/** What does not change within a day. */
function serveKeys(app: Hono, options: IssuerApiOptions): void {
  const { world, lists, keysOf, current, epoch, identitySeed } = options
  app.get(`${PREFIX}/epoch`, () => {
    const known = epoch()
    return known === undefined ? refuse(503, NO_KEYS) : answer(credentialEpochToJson(known))
  })
  app.get(`${PREFIX}/master-verification-key`, (context) => {
    const keys = askedKeys(options, context)
    return keys instanceof Response ? keys : answerText(JSON.stringify(encodeMasterKey(keys.masterKey)))
  })
  app.get(`${PREFIX}/signer-status`, () => {
    const keys = current()
    const body = signerStatusToJson({
      currentTime: world.clock.now(),
      epochId: keys?.epochId ?? 0,
      disabled: false,
      isSigner: keys !== undefined,
      hasSigningKeys: keys !== undefined,
    })
    return answer(signBody(world.crypto, identitySeed.expose(), body))
  })
  const serveList = (path: string, make: 'partial' | 'aggregated', kind: ListTopic['kind']): void => {
    app.get(`${PREFIX}${path}`, async (context) => {
      const keys = askedKeys(options, context)
      if (keys instanceof Response) return keys
      const expiration = kind === 'dates' ? askedDate(options, context) : 0
      if (expiration instanceof Response) return expiration
      const topic: ListTopic = kind === 'dates' ? { kind, expiration } : { kind }
      try {
        const list = { epochId: keys.epochId, expiration, signatures: await lists[make](keys, topic) }
        return answerText(JSON.stringify(kind === 'dates' ? encodeDateList(list) : encodeCoinList(list)), CACHED)
      } catch (error) {
        if (!isMixnetError(error, 'ISSUERS_UNAVAILABLE')) throw error
        return refuse(503, 'too few issuers gave their part; try again later')
      }
    })
  }
  for (const kind of ['dates', 'coins'] as const) {
    serveList(LIST_PATHS[kind].partial, 'partial', kind)
    serveList(LIST_PATHS[kind].aggregated, 'aggregated', kind)
  }

  function askedKeys(_: IssuerApiOptions, { req }: Context): AgreedKeys | Response {
    const asked = numberParameter(req.query('epoch_id'))
    if (asked === 'bad') return refuse(400, 'epoch_id is a number')
    const keys = asked === undefined ? current() : keysOf(asked)
    if (keys !== undefined) return keys
    return asked === undefined ? refuse(503, NO_KEYS) : refuse(404, 'this issuer has no keys of that epoch')
  }
}

function askedDate({ world, lists }: IssuerApiOptions, { req }: Context): number | Response {
  const text = req.query('expiration_date')
  const today = midnightOf(Math.floor(world.clock.now() / 1000))
  // That of a book issued today, like official issuers.
  const expiration = text === undefined ? today + 6 * DAY_SECONDS : parseDate(text)
  if (expiration === undefined) return refuse(400, 'expiration_date is YYYY-MM-DD')
  return lists.serves(expiration) ? expiration : refuse(400, 'expiration_date is today or at most seven days ahead')
}

/** What costs something: bounded by address and in all. */
function serveWork(app: Hono, options: IssuerApiOptions): void {
  const { issuance, checks, redemptions, limits, current } = options
  app.post(`${PREFIX}/blind-sign`, async (context) => {
    const text = await boundedText(context, MAX_BLIND_SIGN_BYTES)
    if (text === undefined) return tooLong()
    const order = decodeBlindSign(text)
    const outcome = await limits.signing.run(hostOf(context), () => issuance.answer(order))
    if (typeof outcome === 'string') return busy(outcome)
    return outcome.kind === 'issued'
      ? answer(encodeBlindedSignature(outcome.signature))
      : refuse(...REFUSALS[outcome.reason])
  })
  app.post(`${PREFIX}/verify-ecash-ticket`, async (context) => {
    const text = await boundedText(context, MAX_VERIFY_TICKET_BYTES)
    if (text === undefined) return tooLong()
    const request = decodeVerifyTicket(text)
    const outcome = await limits.verifying.run(hostOf(context), () => checks.answer(request))
    if (typeof outcome === 'string') return busy(outcome)
    // Verdicts count against the gateway's client: what is our own shortcoming is none.
    if (outcome.kind === 'unknown-epoch') return refuse(400, 'this issuer has no keys of that epoch')
    if (outcome.kind === 'full') return refuse(503, 'this issuer remembers as many tickets as it can')
    return answer(encodeTicketVerdict(outcome))
  })
  app.post(`${PREFIX}/batch-redeem-ecash-tickets`, async (context) => {
    const text = await boundedText(context, MAX_REDEEM_BYTES)
    if (text === undefined) return tooLong()
    const request = decodeRedeemRequest(text)
    const keys = current()
    if (keys === undefined) return refuse(503, NO_KEYS)
    const outcome = await limits.heavy.run(hostOf(context), async () => redemptions.answer(keys, request))
    if (outcome === 'forged') return refuse(400, 'the digest or the signature of the gateway does not hold')
    return typeof outcome === 'string' ? busy(outcome) : answer(encodeRedeemAnswer(outcome))
  })
}

function serveAudits(app: Hono, { world, identitySeed, audits, store, limits }: IssuerApiOptions): void {
  const signed = (body: JsonObject): Response => answer(signBody(world.crypto, identitySeed.expose(), body))
  const heavy = async (context: Context, work: () => Promise<Response>): Promise<Response> => {
    const outcome = await limits.heavy.run(hostOf(context), work)
    return typeof outcome === 'string' ? busy(outcome) : outcome
  }
  const ofDay = (path: string, answerOf: (day: number) => Response | Promise<Response>): void => {
    app.get(`${PREFIX}${path}/:day`, (context) => {
      const day = parseDate(context.req.param('day') ?? '')
      return day === undefined ? refuse(400, 'a day is YYYY-MM-DD') : heavy(context, async () => answerOf(day))
    })
  }
  const total = (counts: readonly DayCount[]): number => counts.reduce((sum, { count }) => sum + count, 0)
  const counted = (counts: readonly DayCount[], name: string): JsonObject[] =>
    counts.map(({ day, count }) => ({ [name]: formatDate(day), count }))
  ofDay('/issued-ticketbooks-for', async (day) => signed(await audits.issuedFor(day)))
  ofDay('/issued-ticketbooks-for-count', (day) => {
    const counts = store.counts('countsFor', day)
    return answer({ expirationDate: formatDate(day), total: total(counts), issued: counted(counts, 'issuanceDate') })
  })
  ofDay('/issued-ticketbooks-on-count', (day) => {
    const counts = store.counts('countsOn', day)
    return answer({ issuanceDate: formatDate(day), total: total(counts), issued: counted(counts, 'expirationDate') })
  })
  app.get(`${PREFIX}/issued-ticketbooks-count`, (context) => {
    const [page = 0, perPage = PER_PAGE] = [
      numberParameter(context.req.query('page')),
      numberParameter(context.req.query('per_page')),
    ]
    if (page === 'bad' || perPage === 'bad') return refuse(400, 'page and per_page are numbers')
    const size = Math.max(1, Math.min(perPage, MAX_PER_PAGE))
    return heavy(context, async () => {
      const issued = store.countsByDays(page, size).map(({ issuance, expiration, count }) => ({
        issuanceDate: formatDate(issuance),
        expirationDate: formatDate(expiration),
        count,
      }))
      return answer({ issued })
    })
  })
  type Sampled = JsonObject | undefined
  const ofSample = (path: string, body: (sample: IssuedSample) => Sampled | Promise<Sampled>): void => {
    app.post(`${PREFIX}${path}`, async (context) => {
      const text = await boundedText(context, MAX_CHALLENGE_BYTES)
      if (text === undefined) return tooLong()
      const sample = decodeIssuedSample(text)
      return heavy(context, async () => {
        const made = await body(sample)
        return made === undefined ? refuse(404, 'there is no book of one of these deposits') : signed(made)
      })
    })
  }
  ofSample('/issued-ticketbooks-challenge-commitment', (sample) => audits.commitment(sample))
  ofSample('/issued-ticketbooks-data', (sample) => audits.data(sample))
}

const hostOf = (context: Context): string | undefined => (context.env as { peer?: Endpoint }).peer?.host

const busy = (refused: Refused): Response =>
  refused === 'busy'
    ? refuse(503, 'this issuer is busy; try again later')
    : refuse(429, 'too many requests of this address wait; try again later')

const tooLong = (): Response => refuse(413, 'the request is too long')
