/**
 * What a gateway asks of issuers. An answer is a verdict, and everything else is none: who cannot be reached, answers too much or
 * answers nonsense has said nothing about a ticket, and is asked again. Whose verdict it is is as sure as the connection: give
 * issuers https addresses where the way to them is not yours. Votes for redemptions are signed. @module
 */
import { fromUtf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Millis } from '../../foundation/base/units.ts'
import type { Net } from '../../foundation/platform/net.ts'
import type { EpochIssuer } from '../../protocol/wire/issuer/credentialEpoch.ts'
import { decodeRedeemAnswer, type RedeemAnswer } from '../../protocol/wire/issuer/redemption.ts'
import { decodeTicketVerdict, type TicketVerdict } from '../../protocol/wire/issuer/ticketVerification.ts'

const MAX_ANSWER_BYTES = 4096

/** `too-old`: no opinion, and there will be none, for the day is one that this issuer judges no more. */
export type TicketOpinion = 'accepted' | 'replayed' | 'double-spend' | 'invalid' | 'too-old'

const OPINIONS: Readonly<Record<TicketVerdict['kind'], TicketOpinion>> = {
  verified: 'accepted',
  ReplayedTicket: 'replayed',
  DoubleSpend: 'double-spend',
  InvalidTicket: 'invalid',
  MultipleTickets: 'invalid',
  InvalidSpentDate: 'too-old',
}

/** A day that has not begun for an issuer will: it has said nothing yet. Its clock may be a second behind, just after midnight. */
const opinionOf = (verdict: TicketVerdict): TicketOpinion | undefined =>
  verdict.kind === 'InvalidSpentDate' && verdict.received > verdict.today ? undefined : OPINIONS[verdict.kind]

export interface IssuerClientOptions {
  readonly net: Pick<Net, 'request'>
  /** Questions under way; the others wait. */
  readonly atOnce: number
  readonly timeout: Millis
}

export class IssuerClient {
  readonly #options: IssuerClientOptions
  readonly #life = new AbortController()
  #underWay = 0
  #waiting: (() => void)[] = []

  constructor(options: IssuerClientOptions) {
    this.#options = options
  }

  /** `body`: encodeVerifyTicket. undefined where there is no verdict. */
  verify(issuer: EpochIssuer, body: string): Promise<TicketOpinion | undefined> {
    return this.#ask(issuer, 'verify-ecash-ticket', body, (text) => opinionOf(decodeTicketVerdict(text)))
  }

  /** `body`: encodeRedeemRequest. undefined where there is no answer; the vote in one is not verified here. */
  redeem(issuer: EpochIssuer, body: string): Promise<RedeemAnswer | undefined> {
    return this.#ask(issuer, 'batch-redeem-ecash-tickets', body, decodeRedeemAnswer)
  }

  stop(): void {
    this.#life.abort()
    for (const go of this.#waiting.splice(0)) go()
  }

  async #ask<T>(
    issuer: EpochIssuer,
    path: string,
    body: string,
    decode: (text: string) => T | undefined,
  ): Promise<T | undefined> {
    const { net, atOnce, timeout } = this.#options
    // Whoever leaves hands its place on, so that nobody who comes later takes it.
    if (this.#underWay >= atOnce) await new Promise<void>((go) => this.#waiting.push(go))
    else this.#underWay++
    try {
      if (this.#life.signal.aborted) return undefined
      const response = await net.request({
        url: `${issuer.url.replace(/\/+$/, '')}/v1/ecash/${path}`,
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body,
        timeout,
        maxBodyBytes: MAX_ANSWER_BYTES,
        signal: this.#life.signal,
      })
      return response.status === 200 ? decode(fromUtf8(response.body, 'answer of an issuer')) : undefined
    } catch (error) {
      if (isMixnetError(error)) return undefined
      throw error
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#underWay--
      else next()
    }
  }
}
