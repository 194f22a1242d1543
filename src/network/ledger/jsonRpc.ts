/**
 * JSON-RPC over HTTP to the servers of one chain, of which any may be down, slow, of another chain, or lying. Every answer is bounded,
 * checked by its decoder, and of the chain we mean; a server that fails at that is passed over for the next.
 *
 * Errors never hold URLs: those of providers have passwords in them. @module
 */

import { toBase64 } from '../../foundation/base/base58.ts'
import { fromUtf8, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { Net } from '../../foundation/platform/net.ts'
import type { Hex } from './chain.ts'
import { bytesOf, countOf, mismatch, objectOf } from './rpcValues.ts'

export interface RpcWorld {
  readonly clock: Clock
  readonly net: Pick<Net, 'request'>
}

export interface RpcOptions {
  /** In order of preference. http or https; user and password as `https://user:password@host/`. */
  readonly urls: readonly string[]
  /** undefined: whatever the first one says. */
  readonly chainId: number | undefined
  /** Of one request to one server. Default: 10 s, what the slowest public providers take for many logs. */
  readonly timeout?: Millis
  /** Of one answer. Default: 8 MiB, 10,000 logs with their data. */
  readonly maxAnswerBytes?: number
}

export interface RpcCall<T> {
  readonly method: string
  readonly params: readonly unknown[]
  /** Throws LEDGER_MISMATCH for what cannot be. */
  decode(result: unknown): T
}

/** The server's own refusal: the method failed, not the asking. */
export interface RpcRefusal {
  readonly code: number
  /** Of a stranger: shortened, printable. */
  readonly message: string
  /** What a contract reverted with. */
  readonly data: Hex | undefined
}

export type RpcReply<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: RpcRefusal }
type Replies<Calls extends readonly RpcCall<unknown>[]> = {
  [K in keyof Calls]: Calls[K] extends RpcCall<infer T> ? RpcReply<T> : never
}

export interface AskOptions {
  readonly signal?: AbortSignal | undefined
  /** What must not be done twice is asked of one server, once. */
  readonly once?: boolean
}

const DEFAULT_TIMEOUT = seconds(10)
const DEFAULT_MAX_ANSWER_BYTES = 8 * 1024 * 1024
/** A server that failed is asked last for so long: long enough not to wait for its timeout with each question. */
const SET_ASIDE = seconds(30)
/** Most providers take 100 or more in one request. */
const MAX_BATCH = 50
const MAX_MESSAGE = 200
/** Of the servers, not of the chain: too many requests, in the words of several programs. */
const LIMITED = new Set([-32005, -32029, 429])

interface Server {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Says the right chain id, since it last failed. */
  checked: boolean
  batches: boolean
  asideUntil: Millis
}

export class JsonRpc {
  readonly #world: RpcWorld
  readonly #servers: readonly Server[]
  readonly #timeout: Millis
  readonly #maxAnswerBytes: number
  #chainId: number | undefined
  #nextId = 1

  /** Throws BAD_ARGUMENT for what is no URL of a server. Asks nothing yet. */
  constructor(world: RpcWorld, { urls, chainId, timeout, maxAnswerBytes }: RpcOptions) {
    if (urls.length === 0) throw new MixnetError('BAD_ARGUMENT', { argument: 'urls', why: 'none' })
    this.#world = world
    this.#servers = urls.map(serverOf)
    this.#timeout = timeout ?? DEFAULT_TIMEOUT
    this.#maxAnswerBytes = maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES
    this.#chainId = chainId
  }

  /** As given, or as the first server that answers says. */
  async chainId(options: AskOptions = {}): Promise<number> {
    if (this.#chainId === undefined) await this.#somewhere(options, async () => undefined)
    return this.#chainId as number
  }

  /** Throws LEDGER_UNREACHABLE, LEDGER_MISMATCH, MESSAGE_TOO_LONG or ABORTED; a refusal is a reply. */
  async tryAsk<T>(call: RpcCall<T>, options: AskOptions = {}): Promise<RpcReply<T>> {
    const [reply] = await this.askAll([call], options)
    return reply
  }

  /** As `tryAsk`; a refusal is thrown as LEDGER_MISMATCH: for questions that every server answers. */
  async ask<T>(call: RpcCall<T>, options: AskOptions = {}): Promise<T> {
    return expectReply(await this.tryAsk(call, options), call.method)
  }

  /** All of them of one server. */
  async askAll<const Calls extends readonly RpcCall<unknown>[]>(
    calls: Calls,
    options: AskOptions = {},
  ): Promise<Replies<Calls>> {
    const replies = await this.#somewhere(options, async (server) => {
      const all: RpcReply<unknown>[] = []
      for (let from = 0; from < calls.length; from += MAX_BATCH) {
        all.push(...(await this.#exchange(server, calls.slice(from, from + MAX_BATCH), options.signal)))
      }
      return all
    })
    return replies as unknown as Replies<Calls>
  }

  /** Of the first server that can do it; throws what the most telling failure was. */
  async #somewhere<T>({ signal, once }: AskOptions, work: (server: Server) => Promise<T>): Promise<T> {
    const now = this.#world.clock.monotonic()
    const inOrder = [
      ...this.#servers.filter(({ asideUntil }) => asideUntil <= now),
      ...this.#servers.filter(({ asideUntil }) => asideUntil > now),
    ]
    let telling: MixnetError | undefined
    for (const server of inOrder) {
      try {
        await this.#checkChain(server, signal)
      } catch (error) {
        telling = this.#failed(server, error, telling)
        continue
      }
      try {
        return await work(server)
      } catch (error) {
        telling = this.#failed(server, error, telling)
        // It may have been done.
        if (once) break
      }
    }
    throw telling ?? machineError('LEDGER_UNREACHABLE')
  }

  /** Sets the server aside; the error to end with, if no other server answers. */
  #failed(server: Server, error: unknown, before: MixnetError | undefined): MixnetError {
    if (!isMixnetError(error) || error.code === 'ABORTED' || error.code === 'BAD_ARGUMENT') throw error
    server.checked = false
    server.asideUntil = millis(this.#world.clock.monotonic() + SET_ASIDE)
    if (error.code === 'LEDGER_MISMATCH' || error.code === 'MESSAGE_TOO_LONG') return error
    return before ?? machineError('LEDGER_UNREACHABLE', { why: error.code }, { cause: error })
  }

  async #checkChain(server: Server, signal: AbortSignal | undefined): Promise<void> {
    if (server.checked) return
    const asked = { method: 'eth_chainId', params: [], decode: (result: unknown) => countOf(result, 'chain id') }
    const [reply] = await this.#exchange(server, [asked], signal)
    const chainId = expectReply(reply as RpcReply<number>, 'eth_chainId')
    this.#chainId ??= chainId
    if (chainId !== this.#chainId) {
      throw machineError('LEDGER_MISMATCH', { what: 'chain id', expected: this.#chainId, is: chainId })
    }
    server.checked = true
    server.asideUntil = millis(0)
  }

  async #exchange(
    server: Server,
    calls: readonly RpcCall<unknown>[],
    signal: AbortSignal | undefined,
  ): Promise<readonly RpcReply<unknown>[]> {
    if (calls.length === 1 || !server.batches) {
      return Promise.all(
        calls.map(async (call) => {
          const request = this.#request(call)
          return replyOf(await this.#post(server, request, signal), request.id, call)
        }),
      )
    }
    const requests = calls.map((call) => this.#request(call))
    const answer = await this.#post(server, requests, signal)
    if (!Array.isArray(answer)) {
      // JSON-RPC 1 answers a batch with one error. From now on one by one.
      server.batches = false
      return this.#exchange(server, calls, signal)
    }
    if (answer.length !== calls.length) throw mismatch('batch', `${answer.length} answers to ${calls.length} calls`)
    const byId = new Map(answer.map((one) => [objectOf(one, 'answer').id, one]))
    return calls.map((call, i) => {
      const { id } = requests[i] as { id: number }
      return replyOf(byId.get(id), id, call)
    })
  }

  #request({ method, params }: RpcCall<unknown>): { readonly id: number } & Readonly<Record<string, unknown>> {
    return { jsonrpc: '2.0', id: this.#nextId++, method, params }
  }

  async #post(server: Server, content: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    const { status, body } = await this.#world.net.request({
      url: server.url,
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...server.headers },
      body: JSON.stringify(content),
      timeout: this.#timeout,
      maxBodyBytes: this.#maxAnswerBytes,
      ...(signal === undefined ? {} : { signal }),
    })
    if (status !== 200) throw machineError('LEDGER_UNREACHABLE', { status })
    try {
      return JSON.parse(fromUtf8(body, 'answer'))
    } catch {
      throw mismatch('answer', 'not JSON')
    }
  }
}

/** Throws LEDGER_MISMATCH for a refusal. */
export function expectReply<T>(reply: RpcReply<T>, method: string): T {
  if (reply.ok) return reply.value
  const { code, message } = reply.refusal
  throw machineError('LEDGER_MISMATCH', { what: method, why: message, code })
}

function replyOf(answer: unknown, id: number, call: RpcCall<unknown>): RpcReply<unknown> {
  const said = objectOf(answer, `answer to ${call.method}`)
  if (said.id !== id) throw mismatch(call.method, 'the answer to another question')
  if (said.error === undefined || said.error === null) return { ok: true, value: call.decode(said.result) }
  const { code, message, data } = objectOf(said.error, 'error')
  if (typeof code !== 'number') throw mismatch(call.method, 'an error without a code')
  if (LIMITED.has(code)) throw machineError('LEDGER_UNREACHABLE', { why: 'too many requests' })
  return { ok: false, refusal: { code, message: printable(message), data: revertData(data) } }
}

/** Hex itself, or in an object or behind words, as some servers have it. */
function revertData(data: unknown): Hex | undefined {
  const found = typeof data === 'object' && data !== null ? (data as { data?: unknown }).data : data
  if (typeof found !== 'string') return undefined
  try {
    return bytesOf(found.replace(/^Reverted /, ''), 'revert data')
  } catch {
    return undefined
  }
}

function printable(text: unknown): string {
  return typeof text === 'string' ? text.slice(0, MAX_MESSAGE).replace(/[^\x20-\x7e]+/g, ' ') : ''
}

function serverOf(text: string): Server {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'urls', why: 'not an http or https URL' })
  }
  const url = new URL(text)
  const credentials = [url.username, url.password].map(decoded)
  url.username = ''
  url.password = ''
  const headers = credentials.some((part) => part !== '')
    ? { authorization: `Basic ${toBase64(utf8(credentials.join(':')))}` }
    : {}
  return { url: url.href, headers, checked: false, batches: true, asideUntil: millis(0) }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
