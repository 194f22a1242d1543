/**
 * Events in order, each once, of a chain that may take blocks back. A cursor knows the hashes of blocks that were read: where the chain
 * has others in their place, reading goes back to the newest that both know, and says so.
 *
 * A chain can also change in the middle of a question. So the block up to which logs are asked for is looked at before and after: if it
 * is there both times, so were all blocks before it. @module
 */

import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import { headerByNumber, hexOf, NEWEST_HEADER } from './chainCalls.ts'
import type { JsonRpc, RpcCall } from './jsonRpc.ts'
import type { AnyLedgerEvent, EventCursor, EventPage } from './ledger.ts'
import { refusalError } from './ledgerErrors.ts'
import type { LogFilter } from './logs.ts'
import { type Header, listOf, logOf, mismatch, type RawLog } from './rpcValues.ts'

/** Blocks remembered: reorganisations of public chains are a few blocks deep; a deeper one begins from the deployment. */
const REMEMBERED = 64
/** Providers refuse from 1,000 to 10,000 on; what is refused is asked for in halves. */
const FIRST_RANGE = 10_000
const LONGEST_RANGE = 100_000
const DEFAULT_LIMIT = 10_000
/** How often the chain may change under our hands before we leave it to the next call. */
const ATTEMPTS = 5

export interface EventReaderOptions {
  readonly rpc: JsonRpc
  readonly firstBlock: number
  readonly decode: (log: RawLog) => AnyLedgerEvent | undefined
}

interface Question {
  readonly filter: LogFilter
  readonly cursor: EventCursor | undefined
  readonly limit: number | undefined
  readonly signal: AbortSignal | undefined
}

export class EventReader {
  readonly #rpc: JsonRpc
  readonly #firstBlock: number
  readonly #decode: EventReaderOptions['decode']
  #range = FIRST_RANGE

  constructor({ rpc, firstBlock, decode }: EventReaderOptions) {
    this.#rpc = rpc
    this.#firstBlock = firstBlock
    this.#decode = decode
  }

  async page({ filter, cursor, limit = DEFAULT_LIMIT, signal }: Question): Promise<EventPage<AnyLedgerEvent>> {
    let at = checkedCursor(cursor ?? { next: this.#firstBlock, seen: [] })
    let rolledBack: EventPage<AnyLedgerEvent>['rolledBack']
    let events: AnyLedgerEvent[] = []
    for (let attempt = 0; attempt < ATTEMPTS; ) {
      const head = expectHeader(await this.#rpc.ask(NEWEST_HEADER, { signal }))
      const common = await this.#lastCommon(at, head, signal)
      if (common === 'behind') return { events, cursor: at, complete: true, ...(rolledBack && { rolledBack }) }
      const kept = at.seen.slice(0, common)
      if (kept.length < at.seen.length) {
        const toBlock = kept.at(-1)?.number ?? this.#firstBlock - 1
        rolledBack = { toBlock: Math.min(toBlock, rolledBack?.toBlock ?? toBlock) }
        at = { next: toBlock + 1, seen: kept }
        events = events.filter(({ block }) => block <= toBlock)
      }
      if (head.number < at.next) return { events, cursor: at, complete: true, ...(rolledBack && { rolledBack }) }
      const read = await this.#readStretch(filter, at, head, signal)
      if (read === undefined) {
        attempt++
        continue
      }
      events.push(...read.events)
      at = {
        next: read.to.number + 1,
        seen: [...at.seen, { number: read.to.number, hash: read.to.hash }].slice(-REMEMBERED),
      }
      const complete = read.to.number === head.number
      if (complete || events.length >= limit) return { events, cursor: at, complete, ...(rolledBack && { rolledBack }) }
    }
    throw machineError(
      'LEDGER_NOT_NOW',
      { reason: 'reorganised' },
      { message: 'the chain changes faster than it can be read' },
    )
  }

  /** How many of the remembered blocks are still the chain's; `behind`: this server has not come as far as we have. */
  async #lastCommon(at: EventCursor, head: Header, signal: AbortSignal | undefined): Promise<number | 'behind'> {
    const last = at.seen.at(-1)
    if (last === undefined) return 0
    if (last.number === head.number && last.hash === head.hash) return at.seen.length
    // A head that we remember is of the same chain, seen by somebody slower.
    if (at.seen.some(({ number, hash }) => number === head.number && hash === head.hash)) return 'behind'
    const newestFirst = at.seen.filter(({ number }) => number <= head.number).reverse()
    if (newestFirst.length === 0) return 'behind'
    if (last.number <= head.number) {
      const there = await this.#rpc.ask(headerByNumber(last.number), { signal })
      if (there?.hash === last.hash) return at.seen.length
    }
    const replies = await this.#rpc.askAll(
      newestFirst.map(({ number }) => headerByNumber(number)),
      { signal },
    )
    const index = newestFirst.findIndex(({ hash }, i) => {
      const reply = replies[i]
      return reply?.ok === true && reply.value?.hash === hash
    })
    // All that it has is ours: it is only behind. Else what it has not is taken back.
    if (index === 0 && last.number > head.number) return 'behind'
    return index < 0 ? 0 : at.seen.indexOf(newestFirst[index] as EventCursor['seen'][number]) + 1
  }

  /** undefined: the chain changed meanwhile. */
  async #readStretch(
    filter: LogFilter,
    at: EventCursor,
    head: Header,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly events: readonly AnyLedgerEvent[]; readonly to: Header } | undefined> {
    for (;;) {
      const last = Math.min(head.number, at.next + this.#range - 1)
      const to = last === head.number ? head : await this.#rpc.ask(headerByNumber(last), { signal })
      if (to === undefined) return undefined
      const logs = await this.#logs(filter, at.next, last, signal)
      if (logs === 'too many') {
        if (last === at.next) throw machineError('LEDGER_UNREACHABLE', { why: 'no server gives the logs of one block' })
        this.#range = Math.max(1, Math.floor((last - at.next + 1) / 2))
        continue
      }
      const base = at.seen.at(-1)
      const checks = [headerByNumber(last), ...(base === undefined ? [] : [headerByNumber(base.number)])]
      const [toNow, baseNow] = (await this.#rpc.askAll(checks, { signal })).map((reply) =>
        reply.ok ? reply.value : undefined,
      )
      if (toNow?.hash !== to.hash || (base !== undefined && baseNow?.hash !== base.hash)) return undefined
      this.#range = Math.min(LONGEST_RANGE, this.#range * 2)
      return { events: this.#eventsOf(logs, at.next, to), to }
    }
  }

  async #logs(
    filter: LogFilter,
    from: number,
    to: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly RawLog[] | 'too many'> {
    try {
      const reply = await this.#rpc.tryAsk(getLogs(filter, from, to), { signal })
      if (reply.ok) return reply.value
      // Each provider says it in its own words; one block that is refused is another matter.
      if (to > from) return 'too many'
      throw refusalError(reply.refusal)
    } catch (error) {
      if (isMixnetError(error, 'MESSAGE_TOO_LONG')) return 'too many'
      throw error
    }
  }

  #eventsOf(logs: readonly RawLog[], from: number, to: Header): readonly AnyLedgerEvent[] {
    for (const log of logs) {
      if (log.block < from || log.block > to.number) throw mismatch('logs', 'of blocks that were not asked for')
      if (log.block === to.number && log.blockHash !== to.hash)
        throw mismatch('logs', 'of another block of that number')
    }
    return [...logs]
      .sort((a, b) => a.block - b.block || a.logIndex - b.logIndex)
      .flatMap((log) => this.#decode(log) ?? [])
  }
}

const getLogs = ({ address, topics }: LogFilter, from: number, to: number): RpcCall<readonly RawLog[]> => ({
  method: 'eth_getLogs',
  params: [{ address, topics, fromBlock: hexOf(from), toBlock: hexOf(to) }],
  decode: (result) => listOf(result, 'logs', logOf),
})

function expectHeader(header: Header | undefined): Header {
  if (header === undefined) throw mismatch('newest block', 'there is none')
  return header
}

/** It may come from a file. */
function checkedCursor(cursor: EventCursor): EventCursor {
  const whole = (value: number) => Number.isSafeInteger(value) && value >= 0
  const { next, seen } = cursor
  const ascending = seen.every(({ number }, i) => whole(number) && number > (seen[i - 1]?.number ?? -1))
  if (!whole(next) || !ascending || (seen.at(-1)?.number ?? next - 1) !== next - 1) {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'cursor' })
  }
  return cursor
}
