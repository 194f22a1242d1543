/**
 * Several clients behind one `fetch`, `open` and `send`, each somebody else with a gateway of its own drawing. More go through at a time;
 * cover costs so many times as much, and so many connections are there for a watcher to see. Which client serves a site is fixed by its
 * isolation key, so that no exit sees one site asked by two of our pseudonyms where one would do; by whom is drawn anew in each process. A
 * client that has lost its gateway is passed over until it has one again, and replaced where that takes long. @module
 */
import { utf8 } from '../foundation/base/bytes.ts'
import { MixnetError } from '../foundation/base/errors.ts'
import { seconds } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'
import type { RandomStream } from '../foundation/platform/random.ts'
import type { MixnetCore } from './mixnetCore.ts'

/** What `Mixnet` and `WebMixnet` have in common. */
export type PoolClient = Pick<MixnetCore, 'open' | 'send' | 'state' | 'close'> & {
  readonly fetch: (input: string | URL, init?: PoolRequest) => Promise<Response>
}
export interface PoolRequest extends RequestInit {
  readonly isolation?: string
  readonly timeout?: number
}

interface Member {
  readonly number: number
  readonly salt: number
  client: PoolClient
  lostAt: number | undefined
  replacing: Promise<void> | undefined
}

/** `replaces`: it takes the place of another, and whoever connected the pool waits for nothing. Fires when the pool is closed. */
export type PoolConnect = (number: number, replaces: AbortSignal | undefined) => Promise<PoolClient>

const MAX_SIZE = 16
const REVIEW = seconds(5)
/** Its own failover takes a minute to another guard; who is not back then has no network, or no luck. */
const PATIENCE = seconds(120)

export class ClientPool implements AsyncDisposable {
  readonly #clock: Clock
  readonly #connect: PoolConnect
  readonly #stopped = new AbortController()
  #members: readonly Member[] = []
  #timer: Timer | undefined

  private constructor(clock: Clock, connect: PoolConnect) {
    this.#clock = clock
    this.#connect = connect
  }

  /** Resolves when all are connected; where one cannot be, the others are closed and it throws what that one threw. BAD_ARGUMENT. */
  static async connect(
    size: number,
    { clock, random }: { readonly clock: Clock; readonly random: RandomStream },
    connect: PoolConnect,
  ): Promise<ClientPool> {
    if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE)
      throw new MixnetError('BAD_ARGUMENT', { argument: 'size' }, { nextStep: `Give a number from 1 to ${MAX_SIZE}.` })
    const pool = new ClientPool(clock, connect)
    const results = await Promise.allSettled(Array.from({ length: size }, (_, number) => connect(number, undefined)))
    const clients = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) {
      await Promise.all(clients.map((client) => client.close()))
      throw failed.reason
    }
    pool.#members = clients.map((client, number) => {
      const salt = new DataView(random.bytes(4).buffer).getUint32(0)
      return { number, salt, client, lostAt: undefined, replacing: undefined }
    })
    pool.#reviewLater()
    return pool
  }

  /** By the key, or else by the site. */
  async fetch(input: string | URL, init?: PoolRequest): Promise<Response> {
    const key = init?.isolation ?? (URL.canParse(input) ? new URL(input).origin : '')
    return await this.#of(key).fetch(input, init)
  }

  async open(...[destination, options]: Parameters<PoolClient['open']>): ReturnType<PoolClient['open']> {
    return await this.#of(options?.isolation ?? `${destination.host.toLowerCase()}:${destination.port}`).open(
      destination,
      options,
    )
  }

  /** By the recipient. What it answers comes to that client. */
  async send(...[to, data, options]: Parameters<PoolClient['send']>): Promise<void> {
    await this.#of(typeof to === 'string' ? to : String(to.identity)).send(to, data, options)
  }

  /** In no particular order, for events and messages. A client that is replaced is another one afterwards. */
  get clients(): readonly PoolClient[] {
    return this.#members.map(({ client }) => client)
  }

  async close(): Promise<void> {
    this.#stopped.abort()
    this.#timer?.cancel()
    await Promise.all(this.#members.map(({ replacing }) => replacing))
    await Promise.all(this.#members.map(({ client }) => client.close()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Rendezvous hashing: where a client is away, only its keys go elsewhere, and they come back with it. */
  #of(key: string): PoolClient {
    if (this.#stopped.signal.aborted) throw new MixnetError('STOPPED')
    const bytes = utf8(key)
    const ranked = this.#members.toSorted((a, b) => score(b.salt, bytes) - score(a.salt, bytes))
    return (ranked.find(({ client }) => client.state === 'open') ?? (ranked[0] as Member)).client
  }

  #reviewLater(): void {
    this.#timer = this.#clock.after(REVIEW, () => {
      const now = this.#clock.monotonic()
      for (const member of this.#members) this.#review(member, now)
      this.#reviewLater()
    })
  }

  #review(member: Member, now: number): void {
    if (member.client.state === 'open') {
      member.lostAt = undefined
      return
    }
    member.lostAt ??= now
    if (member.replacing !== undefined || (member.client.state !== 'closed' && now - member.lostAt < PATIENCE)) return
    member.replacing = this.#replace(member).finally(() => {
      member.replacing = undefined
    })
  }

  /** The old one first: the two may share a folder. Where there is no other to be had, the next review tries again. */
  async #replace(member: Member): Promise<void> {
    try {
      await member.client.close()
      if (this.#stopped.signal.aborted) return
      const client = await this.#connect(member.number, this.#stopped.signal)
      member.client = client
      member.lostAt = undefined
    } catch {
      // It stays closed, and is passed over.
    }
  }
}

/** FNV-1a under a salt, its bits mixed. It deals sites out evenly; nobody can gain by choosing names, not knowing the salt. */
function score(salt: number, key: Uint8Array): number {
  let hash = 0x811c9dc5 ^ salt
  for (const byte of key) hash = Math.imul(hash ^ byte, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
