/**
 * What a network requester answers outside connections: control requests, queries, refusals. Nobody waits for these answers
 * to be taken, so they are bounded in number, by sender and in all, and in time. @module
 */
import { toBase58 } from '../../foundation/base/base58.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Millis } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { Recipient } from '../../protocol/packet/recipient.ts'
import type { BuildInformation } from '../../protocol/wire/directory/buildInformation.ts'
import { connectionErrorText } from '../../protocol/wire/exit/connectionErrors.ts'
import {
  type ControlRequest,
  type ControlResponse,
  CURRENT_VERSION,
} from '../../protocol/wire/exit/interfaceEnvelope.ts'
import type { Socks5Answer, Socks5Query } from '../../protocol/wire/exit/socks5Messages.ts'
import type { RefusalReason } from './destinations.ts'
import type { ExitRules } from './exitRules.ts'
import type { Quotas } from './quotas.ts'
import { type ReplyPath, type RequesterClient, sendAnswer } from './replyPath.ts'

/** Why a connect request was refused. */
export type ConnectRefusal = RefusalReason | 'early-data-lost' | 'sender-limit' | 'overall-limit'

/** A client as far as limits and answers go. */
export interface AnsweredClient {
  readonly path: ReplyPath
  readonly sender: string
}

/** An address wins over a pseudonym, as with official requesters. */
export function clientOf(returnAddress: Recipient | undefined, tag: string | undefined): AnsweredClient | undefined {
  if (returnAddress !== undefined) {
    return { path: { kind: 'address', recipient: returnAddress }, sender: `@${toBase58(returnAddress.identity)}` }
  }
  return tag === undefined ? undefined : { path: { kind: 'tag', tag }, sender: tag }
}

export interface AnswersOptions {
  readonly clock: Clock
  readonly client: RequesterClient
  /** For an answer to be taken by the mixnet client. */
  readonly answerTimeout: Millis
  readonly quotas: Pick<Quotas<'answers'>, 'take' | 'give'>
  /** Ends what is under way. */
  readonly stopping: AbortSignal
  readonly dropped: (reason: 'too-many-answers' | 'unanswerable') => void
}

/** What official requesters say, whoever runs them. */
const DESCRIPTION = 'Description (placeholder)'
/** Of a refused address: a host name and a port, and not the 65,535 bytes a request may hold. */
const SHOWN_CHARACTERS = 262
const UNKNOWN_HOST: ReadonlySet<ConnectRefusal> = new Set(['unknown-host', 'lookup-timeout', 'malformed-host'])

export class Answers {
  readonly #options: AnswersOptions

  constructor(options: AnswersOptions) {
    this.#options = options
  }

  send({ path, sender }: AnsweredClient, lane: string, data: Uint8Array): void {
    const { clock, client, answerTimeout, quotas, stopping, dropped } = this.#options
    if (quotas.take('answers', sender) !== 'granted') return dropped('too-many-answers')
    const late = new AbortController()
    const timer = clock.after(answerTimeout, () => late.abort())
    const signal = AbortSignal.any([late.signal, stopping])
    sendAnswer(client, { path, lane, data, signal })
      .catch((error: unknown) => {
        if (!isMixnetError(error)) throw error
        dropped('unanswerable')
      })
      .finally(() => {
        timer.cancel()
        quotas.give('answers', sender)
      })
  }
}

export function answerControl(control: ControlRequest, build: BuildInformation): ControlResponse {
  switch (control) {
    case 'health':
      return { kind: 'health' }
    case 'binaryInfo':
      return { kind: 'binaryInfo', binaryName: build.binaryName, buildInformation: build }
    case 'supportedRequestVersions':
      return { kind: 'supportedRequestVersions', interface: CURRENT_VERSION, provider: CURRENT_VERSION }
  }
}

export function answerQuery(query: Socks5Query, rules: ExitRules, description: string = DESCRIPTION): Socks5Answer {
  switch (query) {
    case 'openProxy':
      return { kind: 'openProxy', openProxy: rules.openProxy }
    case 'description':
      return { kind: 'description', description }
    case 'exitPolicy':
      return { kind: 'exitPolicy', enabled: true, upstream: rules.source, policy: rules.policy }
  }
}

export function refusalText(reason: ConnectRefusal, remote: string): string {
  if (reason === 'sender-limit' || reason === 'overall-limit') return 'too many connections'
  if (reason === 'early-data-lost') return 'data was lost before the connection was made'
  return connectionErrorText(UNKNOWN_HOST.has(reason) ? 'unknown-host' : 'refused-by-policy', shownRemote(remote))
}

/** A remote address as it may be repeated to its client, and at debug. */
export const shownRemote = (remote: string): string => remote.slice(0, SHOWN_CHARACTERS)
