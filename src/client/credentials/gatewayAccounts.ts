/**
 * What each gateway was paid, and what was got for it, by our own count. A gateway says how much is left of what we paid, and can say what
 * it likes: "0", "used up", "that ticket was spent before". Without a count of ours it could ask for one ticket after the other until the
 * book is empty. So a gateway may be ahead of us by a few tickets, which is the one in use and some lost in crashes, and gets the next when
 * we sent it as much as they are worth; each hour one is forgiven. Kept on disk, because a client that is started every minute would else
 * forgive all of it every minute.
 *
 *     each gateway: identity 32 | bytes it is ahead, u64 | since when, unix seconds, u64
 *
 * @module
 */
import { concat, toHex } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import { TICKET_BANDWIDTH_BYTES } from '../../protocol/credentials/constants.ts'
import type { TicketFiles } from './ticketFiles.ts'
import { ENTRY_TICKET } from './ticketStore.ts'

const TICKET_BYTES = TICKET_BANDWIDTH_BYTES[ENTRY_TICKET] as number
/** Tickets a gateway may be ahead before it gets another. */
const MAX_AHEAD = 2
const FORGIVEN_PER_SECOND: number = TICKET_BYTES / 3600
/** Those that are ahead least go first: a client meets a handful in a month. */
const MAX_GATEWAYS = 32
/** What was sent is on the disk by then. A client that is killed, or closed, again and again would else blame honest gateways for it. */
const WRITTEN_EVERY: number = TICKET_BYTES / 10
const IDENTITY_BYTES = 32
const ROW_BYTES = IDENTITY_BYTES + 16

interface Account {
  readonly gateway: Uint8Array
  ahead: number
  since: number
}

export class GatewayAccounts {
  readonly #clock: Clock
  readonly #files: TicketFiles
  readonly #accounts = new Map<string, Account>()
  #unwritten = 0
  // One after the other: an older state must not come last.
  #writing: Promise<void> = Promise.resolve()

  private constructor(clock: Clock, files: TicketFiles) {
    this.#clock = clock
    this.#files = files
  }

  static async open(clock: Clock, files: TicketFiles): Promise<GatewayAccounts> {
    const accounts = new GatewayAccounts(clock, files)
    for (const one of (await files.read(KIND, ID, decodeAccounts)) ?? [])
      accounts.#accounts.set(toHex(one.gateway), one)
    return accounts
  }

  /** Throws GATEWAY_REFUSED where it has had enough for now. */
  expectHonest(gateway: Uint8Array): void {
    if (this.#account(gateway).ahead <= MAX_AHEAD * TICKET_BYTES) return
    const nextStep = 'Use another gateway: this one counts more than is sent.'
    throw new MixnetError('GATEWAY_REFUSED', { why: 'it takes tickets and gives too little for them' }, { nextStep })
  }

  /** Resolves when it is on the disk. */
  async paid(gateway: Uint8Array): Promise<void> {
    const account = this.#account(gateway)
    account.ahead += TICKET_BYTES
    this.#accounts.set(toHex(gateway), account)
    const rows = [...this.#accounts.values()].toSorted((a, b) => b.ahead - a.ahead)
    for (const { gateway: least } of rows.splice(MAX_GATEWAYS)) this.#accounts.delete(toHex(least))
    await this.#write()
  }

  sent(gateway: Uint8Array, bytes: number): void {
    const account = this.#accounts.get(toHex(gateway))
    if (account === undefined) return
    account.ahead = Math.max(0, account.ahead - bytes)
    this.#unwritten += bytes
    if (this.#unwritten >= WRITTEN_EVERY) void this.flush()
  }

  /** Writes down what was sent. Where it cannot be, the next ticket says so. */
  async flush(): Promise<void> {
    if (this.#unwritten > 0) await this.#write().catch(() => {})
  }

  #write(): Promise<void> {
    this.#unwritten = 0
    const done = this.#writing.then(() => this.#files.write(KIND, ID, encodeAccounts([...this.#accounts.values()])))
    this.#writing = done.catch(() => {})
    return done
  }

  #account(gateway: Uint8Array): Account {
    const now = Math.floor(this.#clock.now() / 1000)
    const account = this.#accounts.get(toHex(gateway)) ?? { gateway: gateway.slice(), ahead: 0, since: now }
    // A clock that is set back forgives nothing, and is what counts from then on.
    const forgiven = Math.max(0, now - account.since) * FORGIVEN_PER_SECOND
    account.ahead = Math.max(0, account.ahead - forgiven)
    account.since = now
    return account
  }
}

const KIND = 'paid'
const ID = '0'

export function encodeAccounts(accounts: readonly Account[]): Uint8Array {
  return concat(
    ...accounts.map(({ gateway, ahead, since }) =>
      new Writer(ROW_BYTES)
        .bytes(gateway)
        .u64(BigInt(Math.ceil(ahead)))
        .u64(BigInt(since))
        .finish(),
    ),
  )
}

export function decodeAccounts(bytes: Uint8Array): Account[] {
  const reader = new Reader(bytes, 'accounts of gateways')
  if (bytes.length > MAX_GATEWAYS * ROW_BYTES) reader.refuse('rows', 'too many')
  const accounts: Account[] = []
  while (reader.remaining > 0) {
    const gateway = reader.bytes(IDENTITY_BYTES, 'gateway').slice()
    accounts.push({ gateway, ahead: Number(reader.u64('ahead')), since: Number(reader.u64('since')) })
  }
  return accounts
}
