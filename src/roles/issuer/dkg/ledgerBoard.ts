/**
 * The board that the contract keeps. What stands there for good is what lies under so many blocks that the chain will not take it back;
 * nothing above is read, so that all members count the same. Format: docs/spec/ledger.md, "Issuers and their board".
 *
 * Members pay for each byte and have a part of the board each, so that none can fill it for the others; strangers are refused by the
 * contract. A member that floods its own part would still have the others read all of it: of each writer only the first messages count,
 * by the order of the chain, which is the same for everybody. @module
 */

import { concat, equalBytes, fromHex, toHex } from '../../../foundation/base/bytes.ts'
import { MixnetError } from '../../../foundation/base/errors.ts'
import { machineError } from '../../../foundation/base/machineError.ts'
import { type Millis, millis, seconds } from '../../../foundation/base/units.ts'
import { type Clock, sleep } from '../../../foundation/platform/clock.ts'
import { blockBefore } from '../../../network/ledger/blockByTime.ts'
import type { Address } from '../../../network/ledger/chain.ts'
import type { EventCursor, Ledger, LedgerAccount, LedgerEvent } from '../../../network/ledger/ledger.ts'
import { type BoardEntry, type BulletinBoard, MAX_BOARD_MESSAGE_BYTES } from './bulletinBoard.ts'

export interface LedgerBoardOptions {
  readonly clock: Clock
  readonly ledger: Ledger
  /** A member's, as the plan names it. */
  readonly account: LedgerAccount
  readonly epochId: bigint
  /** When the board opens: nothing of it is older. Unix seconds. */
  readonly startsAt: number
  /** Blocks on top of what is read. All members must wait for as many as the chain may take back. */
  readonly confirmations: number
  /** Waited for before anybody hears of what was read. Resolves when what the chain has now will stay. Default: blocks on top say so. */
  readonly durable?: (() => Promise<void>) | undefined
  readonly signal?: AbortSignal | undefined
}

/** How often a message is written that the chain then takes back. */
const ATTEMPTS = 5
const LOOK_EVERY: Millis = seconds(1)

type Part = LedgerEvent<'issuers', 'Appended'>

/** As the contract has it. */
const MAX_PART_BYTES = 24 * 1024
/** Who makes keys says eight things, once more after each crash at worst. */
const MESSAGES_OF_A_WRITER = 64
/** Of events that are taken in at a time: parts of 24 KiB. */
const PARTS_A_PAGE = 200

export class LedgerBoard implements BulletinBoard {
  readonly #options: LedgerBoardOptions
  readonly #entries: (BoardEntry & { readonly writer: string })[] = []
  /** Read, and not yet buried, in the order of the chain. */
  #recent: Part[] = []
  readonly #begun = new Map<Address, Uint8Array[]>()
  readonly #written = new Map<Address, number>()
  #cursor: EventCursor | undefined
  /** The newest block of which everything was taken in, and its time. */
  #buried: { readonly number: number; readonly time: number } = { number: -1, time: 0 }
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: LedgerBoardOptions) {
    this.#options = options
  }

  /** Throws LEDGER_UNDECIDED where the chain takes it back again and again. */
  async append(message: Uint8Array): Promise<void> {
    if (message.length > MAX_BOARD_MESSAGE_BYTES) throw new MixnetError('MESSAGE_TOO_LONG', { bytes: message.length })
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const block = await this.#write(message)
      if (await this.#stands(message, block)) return
    }
    throw machineError('LEDGER_UNDECIDED', { contract: 'issuers', fn: 'append' })
  }

  /** Resolves to the block of its last part, once that is buried. */
  async #write(message: Uint8Array): Promise<number> {
    const { ledger, account, epochId, confirmations, signal } = this.#options
    // What an earlier life of ours has begun would be in front of it.
    await account.settled({ signal })
    if ((await ledger.read('issuers', 'begunBy', [epochId, account.address], { signal })) > 0) {
      await account.write('issuers', 'append', [epochId, '0x', false], { signal })
    }
    for (let from = 0; ; from += MAX_PART_BYTES) {
      const part: `0x${string}` = `0x${toHex(message.subarray(from, from + MAX_PART_BYTES))}`
      const last = from + MAX_PART_BYTES >= message.length
      const options = { confirmations: last ? confirmations : 0, signal }
      const { block } = await account.write('issuers', 'append', [epochId, part, last], options)
      if (last) return block
    }
  }

  /** Whole and ours: parts may have been taken back while the last was waited for. */
  async #stands(message: Uint8Array, block: number): Promise<boolean> {
    const { clock, account, signal } = this.#options
    const own = account.address.toLowerCase()
    for (;;) {
      await this.#alone(() => this.#catchUp())
      const isThere = this.#entries.some((entry) => entry.writer === own && equalBytes(entry.message, message))
      if (isThere || this.#buried.number >= block) return isThere
      await sleep(clock, LOOK_EVERY, signal)
    }
  }

  read(position: number): Promise<readonly BoardEntry[]> {
    return this.#alone(async () => {
      if (position >= this.#entries.length) await this.#catchUp()
      const entries = this.#entries.slice(position)
      if (entries.length > 0) await this.#options.durable?.()
      return entries
    })
  }

  complete(instant: Millis): Promise<boolean> {
    return this.#alone(async () => {
      if (timeOf(this.#buried) < instant) await this.#catchUp()
      if (timeOf(this.#buried) < instant) return false
      await this.#options.durable?.()
      return true
    })
  }

  async #catchUp(): Promise<void> {
    const { ledger, epochId, confirmations, startsAt, signal } = this.#options
    this.#cursor ??= { next: await blockBefore(ledger, startsAt, { signal }), seen: [] }
    for (;;) {
      const cursor: EventCursor = this.#cursor
      const filter = { epochId }
      const query = {
        contract: 'issuers',
        event: 'Appended',
        filter,
        cursor,
        limit: PARTS_A_PAGE,
      } as const
      const page = await ledger.events(query, { signal })
      if (page.rolledBack !== undefined) this.#takeBack(page.rolledBack.toBlock)
      this.#recent.push(...page.events)
      this.#cursor = page.cursor
      await this.#bury(page.cursor.next - 1 - confirmations)
      if (page.complete) return
    }
  }

  #takeBack(toBlock: number): void {
    if (toBlock < this.#buried.number) {
      // Some have read what is gone: they would wait for others for ever, or agree on something else.
      throw machineError(
        'LEDGER_NOT_NOW',
        { reason: 'reorganised', toBlock, buried: this.#buried.number },
        {
          message: 'the chain took back what was final',
          nextStep: 'Make keys by another plan, with more confirmations.',
        },
      )
    }
    this.#recent = this.#recent.filter(({ block }) => block <= toBlock)
  }

  /** Takes in what is of that block or before. */
  async #bury(upTo: number): Promise<void> {
    const { ledger, signal } = this.#options
    if (upTo <= this.#buried.number) return
    const buried = this.#recent.filter(({ block }) => block <= upTo)
    const times = new Map<number, number>()
    for (const number of [...new Set([...buried.filter(({ args }) => args.last).map(({ block }) => block), upTo])]) {
      const block = await ledger.blockAt(number, { signal })
      if (block === undefined) return
      times.set(number, block.time)
    }
    for (const part of buried) this.#take(part, times.get(part.block) ?? 0)
    this.#recent = this.#recent.slice(buried.length)
    this.#buried = { number: upTo, time: times.get(upTo) ?? 0 }
  }

  #take({ args: { member, part, last } }: Part, time: number): void {
    const parts = part === '0x' && !last ? [] : [...(this.#begun.get(member) ?? []), fromHex(part.slice(2))]
    if (!last) {
      this.#begun.set(member, parts)
      return
    }
    this.#begun.delete(member)
    const before = this.#written.get(member) ?? 0
    this.#written.set(member, before + 1)
    if (before >= MESSAGES_OF_A_WRITER) return
    this.#entries.push({ time: millis(time * 1000), message: concat(...parts), writer: member.toLowerCase() })
  }

  /** One after the other: what was taken in must not change under somebody's feet. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work, work)
    this.#turn = done.catch(() => {})
    return done
  }
}

const timeOf = ({ time }: { readonly time: number }): number => time * 1000
