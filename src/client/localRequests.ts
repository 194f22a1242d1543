/**
 * Does what a local program asks for: sends and answers, in order within each of its lanes, waiting where a lane is full. What waits
 * outlives the program that asked, so that one may send and go, as with the official client. @module
 */
import { toBase58 } from '../foundation/base/base58.ts'
import { isMixnetError } from '../foundation/base/errors.ts'
import type { Meter } from '../foundation/base/observe.ts'
import { localError } from '../protocol/wire/client/localError.ts'
import type { ConnectionId, LocalRequest } from '../protocol/wire/client/localRequests.ts'
import type { LocalResponse } from '../protocol/wire/client/localResponses.ts'
import type { Lane } from './laneQueue.ts'
import type { MixnetClient } from './mixnetClient.ts'
import type { SenderTag } from './replyStock.ts'

/** What of a client the local API needs. */
export type LocalClient = Pick<MixnetClient, 'address' | 'send' | 'reply' | 'laneLength' | 'closeLane'>

export interface LocalRequestLimits {
  /** Requests that wait for room in their lanes, and their bytes; above either, the program is not read. */
  readonly waiting: number
  readonly waitingBytes: number
}

type Content = Extract<LocalRequest, { data: Uint8Array }>
type Answer = (response: LocalResponse) => void

interface LaneWork {
  tail: Promise<void>
  waiting: number
  readonly abort: AbortController
}

// Lanes hold the answers to a few senders at a time; ids that were never closed must not pile up.
const MAX_REMEMBERED_LANES = 1_000
const MAX_REMEMBERED_SENDERS = 16

export class LocalRequests {
  readonly #client: LocalClient
  readonly #limits: LocalRequestLimits
  readonly #meter: Meter
  readonly #lanes = new Map<Lane, LaneWork>()
  /** Whom a lane has answered: what waits there for their SURBs is in no queue of its own. */
  readonly #answered = new Map<Lane, Set<SenderTag>>()
  #waiting = 0
  #bytes = 0

  constructor(client: LocalClient, limits: LocalRequestLimits, meter: Meter) {
    this.#client = client
    this.#limits = limits
    this.#meter = meter
    meter.gauge('local_api_waiting', 'Requests of a local program that wait for room', () => this.#waiting)
    meter.gauge('local_api_waiting_bytes', 'What they hold', () => this.#bytes)
  }

  get isFull(): boolean {
    return this.#waiting >= this.#limits.waiting || this.#bytes >= this.#limits.waitingBytes
  }

  /** `answer` is called at most once, now or later. Takes the request even when full: who reads asks `isFull` before the next. */
  take(request: LocalRequest, answer: Answer): void {
    const { type } = request
    this.#meter.counter('local_api_requests_total', 'Requests of local programs', { type }).value++
    switch (type) {
      case 'selfAddress':
        return answer({ type, address: this.#client.address })
      case 'getLaneQueueLength':
        return answer(this.#lengthOf(request.connectionId))
      case 'closedConnection':
        return this.#close(laneOf(request.connectionId))
      default:
        this.#queue(request, answer)
    }
  }

  #queue(request: Content, answer: Answer): void {
    const { connectionId, data } = request
    const lane = laneOf(connectionId)
    const work = this.#lanes.get(lane) ?? { tail: Promise.resolve(), waiting: 0, abort: new AbortController() }
    this.#lanes.set(lane, work)
    work.waiting++
    this.#waiting++
    this.#bytes += data.length
    work.tail = work.tail
      .then(() => this.#do(request, lane, work.abort.signal))
      .then((refusal) => {
        work.waiting--
        this.#waiting--
        this.#bytes -= data.length
        if (work.waiting === 0 && this.#lanes.get(lane) === work) this.#lanes.delete(lane)
        if (refusal !== undefined) answer(refusal)
        // The official client is as quiet: only who named a connection is told how it stands.
        else if (connectionId !== undefined && !work.abort.signal.aborted) answer(this.#lengthOf(connectionId))
      })
  }

  /** Gives what to refuse it with. */
  async #do(request: Content, lane: Lane, signal: AbortSignal): Promise<LocalResponse | undefined> {
    const { type, data } = request
    // Closed while it waited behind others: room in the lane, which there is now, is not for it.
    if (signal.aborted) return undefined
    const common = { data, lane, signal }
    try {
      if (type === 'reply') {
        const to = toBase58(request.senderTag)
        this.#remember(lane, to)
        await this.#client.reply({ ...common, to })
      } else if (type === 'send') await this.#client.send({ ...common, to: request.recipient, anonymous: false })
      else await this.#client.send({ ...common, to: request.recipient, anonymous: true, surbs: request.replySurbs })
      return undefined
    } catch (error) {
      if (!isMixnetError(error)) throw error
      const { code, message } = error
      // The program closed the connection, or the client is going: either is known already.
      if (code === 'ABORTED' || code === 'STOPPED') return undefined
      this.#meter.counter('local_api_failed_total', 'Requests that could not be done', { code }).value++
      if (code === 'BAD_ARGUMENT') return localError('malformedRequest', message)
      return localError('other', `${code}: ${message}`)
    }
  }

  #lengthOf(connectionId: bigint): LocalResponse {
    const lane = laneOf(connectionId)
    const queued = this.#client.laneLength(lane)
    let length = queued
    for (const tag of this.#answered.get(lane) ?? []) length += this.#client.laneLength(lane, tag) - queued
    return { type: 'laneQueueLength', lane: connectionId, length: BigInt(length) }
  }

  #close(lane: Lane): void {
    this.#lanes.get(lane)?.abort.abort()
    this.#lanes.delete(lane)
    this.#client.closeLane(lane)
    for (const tag of this.#answered.get(lane) ?? []) this.#client.closeLane(lane, tag)
    this.#answered.delete(lane)
  }

  #remember(lane: Lane, tag: SenderTag): void {
    const senders = this.#answered.get(lane) ?? new Set()
    this.#answered.delete(lane)
    this.#answered.set(lane, senders)
    senders.delete(tag)
    senders.add(tag)
    if (senders.size > MAX_REMEMBERED_SENDERS) for (const oldest of senders) return void senders.delete(oldest)
    if (this.#answered.size > MAX_REMEMBERED_LANES)
      for (const oldest of this.#answered.keys()) return void this.#answered.delete(oldest)
  }
}

/** Apart from the lanes of streams: a program's number must not be able to name one of those. */
function laneOf(connectionId: ConnectionId): Lane {
  return connectionId === undefined ? 'general' : `local:${connectionId}`
}
