/**
 * What a gateway keeps on disk: its clients, what they may still send, and the messages that wait for them. Writes are grouped (groupCommit.ts); what
 * has not been committed yet is known here all the same, so that a login cannot be replayed, nor a bound passed, between a
 * change and its commit. @module
 */
import { toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import type { Database, Statement } from '../../foundation/platform/database.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { GatewayCounters } from './counters.ts'
import type { GatewayParams } from './gatewayParams.ts'
import {
  GATEWAY_STATEMENTS,
  type GatewayStatement,
  type InboxMessage,
  type InboxRow,
  openSchema,
  rowOf,
} from './gatewaySchema.ts'
import { GatewayTime } from './gatewayTime.ts'
import { GroupCommit } from './groupCommit.ts'
import { RecentLogins } from './recentLogins.ts'
import { Retention } from './retention.ts'
import { StoredAccounts } from './storedAccounts.ts'
import { TicketLedger } from './ticketLedger.ts'
import { unixDayOf } from './unixDay.ts'

export interface StoredClient {
  readonly sharedKey: Secret
  /** In seconds; of the last login that was accepted. */
  readonly lastTimestamp: number | undefined
  readonly lastNonces: readonly Uint8Array[] | undefined
}

export type KeepRefusal = 'unknown-client' | 'client-inbox-full' | 'inbox-full'

export interface GatewayStoreOptions {
  readonly folder: string
  readonly params: GatewayParams
  readonly counters: GatewayCounters
  readonly meter: Meter
  readonly log: Log
}

export class GatewayStore {
  readonly #options: GatewayStoreOptions
  readonly #database: Database
  readonly #statements = new Map<GatewayStatement, Statement>()
  readonly #commit: GroupCommit
  readonly #time: GatewayTime
  readonly #retention: Retention
  readonly tickets: TicketLedger
  readonly accounts: StoredAccounts
  readonly #recentLogins = new RecentLogins()
  #nextId: number
  #totalBytes = 0
  #clients = 0

  // Staged and not committed.
  readonly #logins = new Map<string, number>()
  readonly #forgotten = new Set<string>()
  readonly #addedBytes = new Map<string, number>()
  readonly #removed = new Set<number>()

  constructor(world: World, options: GatewayStoreOptions) {
    const { params, meter, log, counters } = options
    this.#options = options
    this.#database = world.databases.open(`${options.folder}/gateway.sqlite`)
    openSchema(this.#database)
    this.tickets = new TicketLedger(this.#database)
    this.#commit = new GroupCommit({
      clock: world.clock,
      database: this.#database,
      interval: params.commitInterval,
      maxBytes: params.maxStagedBytes,
      onFailure: (error) => {
        counters.storageFailures.value++
        log.error('gateway.storage-failed', { code: isMixnetError(error) ? error.code : 'INTERNAL' })
      },
    })
    this.accounts = new StoredAccounts({
      tickets: this.tickets,
      penaltyFactor: params.penaltyFactor,
      statement: (name) => this.#statement(name),
      change: (write, done) => this.#change(write, done),
      now: () => this.now(),
    })
    const last = this.#number('lastTime')
    this.#time = new GatewayTime(world.clock, last > 0 ? millis(last) : undefined)
    this.#retention = new Retention({
      params,
      counters,
      statement: (name) => this.#statement(name),
      now: () => this.#now(),
      change: (write, done) => this.#change(write, done),
      flush: () => this.flush(),
      remove: (identity, rows) => this.remove(identity, rows),
      noteTime: () => this.noteTime(),
      onForgotten: (clients) => {
        this.#clients -= clients
      },
    })
    this.#nextId = this.#number('lastId') + 1
    this.#totalBytes = this.#number('totalBytes')
    this.#clients = this.#number('clients')
    meter.gauge('gateway_inbox_bytes', 'Bytes of messages that wait for their clients', () => this.#totalBytes)
    meter.gauge('gateway_clients', 'Clients registered', () => this.#clients)
    meter.gauge('gateway_staged_bytes', 'Bytes that wait for a commit', () => this.#commit.stagedBytes)
  }

  get inboxBytes(): number {
    return this.#totalBytes
  }

  client(identity: Uint8Array): StoredClient | undefined {
    const key = toHex(identity)
    const row = this.#forgotten.has(key) ? undefined : this.#statement('client').get(identity)
    if (row === undefined) return undefined
    const stored = row.last_login_s
    const lastTimestamp = this.#logins.get(key) ?? (stored === null ? undefined : Number(stored))
    return {
      sharedKey: new Secret(row.shared_key as Uint8Array),
      lastTimestamp,
      lastNonces: lastTimestamp === undefined ? undefined : this.#recentLogins.nonces(key, lastTimestamp),
    }
  }

  /** Makes `sharedKey` the client's key; a client that was known keeps its bandwidth and its inbox. False where there is no room. */
  register(identity: Uint8Array, sharedKey: Secret, done: (durable: boolean) => void): boolean {
    const isNew = this.client(identity) === undefined
    if (isNew && this.#clients >= this.#options.params.maxClients && !this.#retention.makeRoom()) return false
    if (isNew) this.#clients++
    const now = this.#now()
    const key = sharedKey.expose()
    this.#change(
      () => this.#statement('register').run(identity, key, now),
      (durable) => {
        if (!durable && isNew) this.#clients--
        done(durable)
      },
    )
    return true
  }

  login(
    identity: Uint8Array,
    login: { readonly timestamp: number; readonly nonce: Uint8Array },
    done: (durable: boolean) => void,
  ): void {
    const key = toHex(identity)
    const { timestamp } = login
    this.#logins.set(key, timestamp)
    this.#recentLogins.accepted(key, login)
    const now = this.#now()
    this.#change(
      () => this.#statement('login').run(timestamp, now, identity),
      (durable) => {
        if (this.#logins.get(key) === timestamp) this.#logins.delete(key)
        done(durable)
      },
    )
  }

  /** The client is still there: it is not forgotten for not logging in. */
  seen(identity: Uint8Array): void {
    const now = this.#now()
    this.#change(() => this.#statement('seen').run(now, identity))
  }

  /** Any other change of the tickets' tables; `done` follows the commit. */
  changeTickets(write: (tickets: TicketLedger, now: number) => void, done?: (durable: boolean) => void): void {
    this.#change(() => write(this.tickets, this.#now()), done)
  }

  /** The time by which it keeps and forgets, in whole milliseconds. */
  now(): Millis {
    return millis(this.#now())
  }

  /** Writes down how late it is, for the next process. */
  noteTime(): void {
    const now = this.#now()
    this.#change(() => this.#statement('saveTime').run(now))
  }

  /** Deletes shared key, bandwidth and inbox. */
  forget(identity: Uint8Array, done: (durable: boolean) => void): void {
    const key = toHex(identity)
    this.#forgotten.add(key)
    let bytes = 0
    let clients = 0
    this.#change(
      () => {
        bytes = Number(this.#statement('inboxBytes').get(identity)?.inbox_bytes ?? 0)
        this.#statement('forgetInbox').run(identity)
        this.tickets.forgetClient(identity)
        clients = this.#statement('forgetClient').run(identity).changes
      },
      (durable) => {
        this.#forgotten.delete(key)
        if (durable) {
          this.#totalBytes -= bytes
          this.#clients -= clients
        }
        done(durable)
      },
    )
  }

  /**
   * Puts a message into the inbox of a registered client, or says why not. `done` follows the commit, and only a durable
   * message may be acknowledged.
   */
  keep(identity: Uint8Array, payload: Uint8Array, done: (durable: boolean) => void): InboxRow | KeepRefusal {
    const { params } = this.#options
    const key = toHex(identity)
    const row = this.#forgotten.has(key) ? undefined : this.#statement('inboxBytes').get(identity)
    if (row === undefined) return 'unknown-client'
    const [bytes, added] = [payload.length, this.#addedBytes.get(key) ?? 0]
    if (Number(row.inbox_bytes) + added + bytes > params.maxInboxBytesPerClient) return 'client-inbox-full'
    if (this.#totalBytes + bytes > params.maxInboxBytes) return 'inbox-full'
    const id = this.#nextId++
    const now = this.#now()
    this.#addedBytes.set(key, added + bytes)
    this.#totalBytes += bytes
    this.#commit.add({
      bytes,
      write: () => {
        this.#statement('keep').run(id, identity, payload, now)
        this.#statement('addInboxBytes').run(bytes, identity)
      },
      done: (durable) => {
        const left = (this.#addedBytes.get(key) ?? 0) - bytes
        if (left > 0) this.#addedBytes.set(key, left)
        else this.#addedBytes.delete(key)
        if (durable) this.#options.counters.stored.value++
        else this.#totalBytes -= bytes
        done(durable)
      },
    })
    return { id, bytes }
  }

  /** Deletes messages their client has. A crash before the commit only repeats them. */
  remove(identity: Uint8Array, rows: readonly InboxRow[]): void {
    if (rows.length === 0) return
    for (const row of rows) this.#removed.add(row.id)
    // Counted as they go: the client may have been forgotten, and its inbox with it.
    let bytes = 0
    this.#change(
      () => {
        for (const row of rows) if (this.#statement('remove').run(row.id).changes > 0) bytes += row.bytes
        this.#statement('addInboxBytes').run(-bytes, identity)
      },
      (durable) => {
        for (const row of rows) this.#removed.delete(row.id)
        if (durable) this.#totalBytes -= bytes
      },
    )
  }

  /** The oldest committed messages for a client behind `afterId` that `skip` does not name, a batch of them. */
  read(identity: Uint8Array, afterId: number, skip: (id: number) => boolean): readonly InboxMessage[] {
    // Asked after every confirmation, and nearly always of an empty inbox.
    if (this.#totalBytes === 0) return []
    const { inboxBatchMessages, inboxBatchBytes } = this.#options.params
    const messages: InboxMessage[] = []
    let total = 0
    let after = afterId
    for (;;) {
      const rows = this.#statement('waiting').all(identity, after, inboxBatchMessages).map(rowOf)
      for (const { id, bytes } of rows) {
        after = id
        if (this.#removed.has(id) || skip(id)) continue
        if (messages.length > 0 && total + bytes > inboxBatchBytes) return messages
        messages.push({ id, bytes, payload: this.#statement('payload').get(id)?.payload as Uint8Array })
        total += bytes
      }
      if (messages.length > 0 || rows.length < inboxBatchMessages) return messages
    }
  }

  /** Deletes a batch of what is too old. True where there may be more. */
  purge(): boolean {
    const { serialRetention, purgeBatch } = this.#options.params
    const before = this.#now() - serialRetention
    this.changeTickets((tickets) => tickets.forget(unixDayOf(before), before, purgeBatch))
    return this.#retention.purge()
  }

  /** Commits what is staged, now. */
  flush(): void {
    this.#commit.flush()
  }

  close(): void {
    this.noteTime()
    this.#commit.flush()
    // Whoever looks at the counters afterwards sees the last ones.
    this.tickets.totals()
    this.#database.close()
  }

  #change(write: () => void, done?: (durable: boolean) => void): void {
    this.#commit.add({ write, done })
  }

  #number(name: GatewayStatement): number {
    return Number(this.#statement(name).get()?.value ?? 0)
  }

  /** Prepared when first needed: preparing costs more than running. */
  #statement(name: GatewayStatement): Statement {
    let statement = this.#statements.get(name)
    if (statement === undefined) {
      statement = this.#database.prepare(GATEWAY_STATEMENTS[name])
      this.#statements.set(name, statement)
    }
    return statement
  }

  #now(): number {
    return Math.floor(this.#time.now())
  }
}
