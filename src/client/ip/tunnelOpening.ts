/** How a tunnel gets its address: asks the router for one, in the version that is known to few and then in the one before it. @module */
import { equalBytes } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'
import type { IpPair } from '../../protocol/wire/exit/bincode.ts'
import { DEFAULT_MTU, type IpPacketResponse } from '../../protocol/wire/exit/ipPacketRouter.ts'
import { noFragments } from '../streamVitals.ts'
import type { RouterTalk } from './routerTalk.ts'
import { isDeaf, type TunnelWatchOptions } from './tunnelWatch.ts'

export interface TunnelOpeningOptions {
  readonly clock: Clock
  readonly talk: RouterTalk
  readonly client: TunnelWatchOptions['client']
  /** For the router to answer. Default 60 s. */
  readonly timeout?: Millis | undefined
  readonly signal?: AbortSignal | undefined
  /** Mean time that a packet of ours waits for its turn. Default: none. */
  readonly slot?: Millis | undefined
  /** Hears that the router answers nothing, or nothing any more, before it is told that the tunnel is over; not where it may be us who hear nothing. */
  readonly onSilent?: (() => void) | undefined
  /** There is no address, or none any more. */
  readonly lost: (error: MixnetError) => void
}

export interface TunnelAddress {
  readonly ips: IpPair
  /** Bytes of the longest packet. */
  readonly mtu: number
}

export type Answer = Extract<IpPacketResponse, { readonly kind: 'connected' | 'connectRefused' }>

export const CONNECT_TIMEOUT: Millis = seconds(60)
/** Official clients: a router that knows no version 10 says nothing to it. */
const OLDER_AFTER = seconds(5)
/** For a question that had not arrived by then. */
const ARRIVAL_EVERY = seconds(1)
/** Who gives up sooner proves nothing. */
const LEAST_WAIT = seconds(5)
/** That a question and the reply SURBs for its answer wait for in a slow main stream. */
export const CONNECT_SLOTS = 10
/** Reply SURBs with the question: the answer, and what comes at once. */
const CONNECT_SURBS = 20

export class TunnelOpening {
  readonly #options: TunnelOpeningOptions
  readonly #answered: PromiseWithResolvers<TunnelAddress> = Promise.withResolvers()
  /** Of the questions. */
  readonly #fragments = noFragments()
  #requestId = 0n
  #address: TunnelAddress | undefined

  constructor(options: TunnelOpeningOptions) {
    this.#options = options
    this.#answered.promise.catch(() => {})
  }

  /** Asks, once. Rejects with what `fail` was given. */
  async address(): Promise<TunnelAddress> {
    const { clock, talk, client, timeout = CONNECT_TIMEOUT, signal, slot = 0, onSilent, lost } = this.#options
    const before = client.loops
    const late = clock.after(timeout, () => {
      if (timeout >= LEAST_WAIT && !isDeaf(client, before)) onSilent?.()
      lost(new MixnetError('EXIT_UNREACHABLE', { why: 'its IP packet router does not answer' }))
    })
    let older: Timer
    const askOlder = () => {
      // Where nothing arrives, two questions do not arrive either, and later both might.
      if (this.#fragments.acknowledged === 0) {
        older = clock.after(ARRIVAL_EVERY, askOlder)
        return
      }
      talk.version = 9
      this.#ask()
    }
    older = clock.after(millis(OLDER_AFTER + CONNECT_SLOTS * slot), askOlder)
    const abort = () => lost(new MixnetError('ABORTED'))
    signal?.addEventListener('abort', abort, { once: true })
    try {
      this.#ask()
      return await this.#answered.promise
    } finally {
      late.cancel()
      older.cancel()
      signal?.removeEventListener('abort', abort)
    }
  }

  heard(answer: Answer): void {
    const { lost } = this.#options
    if (answer.requestId !== this.#requestId) return
    if (answer.kind === 'connectRefused') return lost(refused(answer))
    const { ips, mtu = DEFAULT_MTU } = answer
    // Our question came twice, the second time to a router that knew nothing of us any more: it has started again.
    if (this.#address !== undefined && !equalBytes(ips.ipv4, this.#address.ips.ipv4)) {
      return lost(new MixnetError('EXIT_UNREACHABLE', { why: 'its IP packet router has started again' }))
    }
    this.#address = { ips, mtu }
    this.#answered.resolve(this.#address)
  }

  /** The tunnel is over, if it ever was. */
  fail(error: MixnetError): void {
    this.#answered.reject(error)
  }

  #ask(): void {
    const { talk, lost } = this.#options
    this.#requestId = talk.newRequestId()
    talk.ask('connect', this.#requestId, { surbs: CONNECT_SURBS, counts: this.#fragments }).catch((error: unknown) => {
      if (!isMixnetError(error)) throw error
      lost(error)
    })
  }
}

function refused({ reason }: Extract<Answer, { readonly kind: 'connectRefused' }>): MixnetError {
  // The text is the router's, and may be on somebody's terminal.
  const why = reason.kind === 'other' ? reason.text.slice(0, 100).replace(/[^ -~]/g, '?') : reason.kind
  const message = 'the IP packet router of the exit takes nobody now'
  const nextStep = 'Try again in a minute, or name another router, or none: then one is chosen.'
  return new MixnetError('EXIT_REFUSED', { why }, { message, nextStep })
}
