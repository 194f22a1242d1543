/**
 * Connections to servers, kept a while for the next request: opening one costs two round trips through the mixnet, and the TLS
 * handshake one or two more. @module
 */
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'
import { Line } from '../line.ts'
import type { RequestTimeline } from '../requestTimeline.ts'
import type { ByteStream } from './byteStream.ts'
import { Http1Connection } from './http1Connection.ts'
import type { Opening, Origin } from './origin.ts'
import type { RequestLimits } from './requestLimits.ts'

/** What a connection is for. One that was opened under a key serves that key only: it carries the sender tag it was opened with. */
export interface Purpose {
  readonly origin: Origin
  /** None: every origin is apart. */
  readonly isolation: string | undefined
}

export interface Http1PoolOptions {
  readonly clock: Clock
  /** What happens to the stream is told to `line`. */
  readonly open: (purpose: Purpose, line: Line) => Opening
  /** As of a `Dialer`. */
  readonly generation?: () => number
  /** Under each isolation key. */
  readonly perOrigin: number
}

interface Asking {
  readonly limits: RequestLimits
  readonly timeline: RequestTimeline
}

interface Waiter {
  readonly ready: PromiseWithResolvers<Http1Connection | 'open'>
}

interface Place {
  readonly idle: { readonly connection: Http1Connection; readonly timer: Timer; readonly generation: number }[]
  readonly waiting: Set<Waiter>
  /** Opening, busy and idle. */
  connections: number
}

// Shorter than most servers': a request on a connection that the server is just closing is lost.
const IDLE_LIMIT = seconds(10)
// What a server's hint is shortened by: a request is about so long on its way.
const IDLE_MARGIN_SECONDS = 2
/** Over all origins: half of what an exit gives one sender. */
const MAX_CONNECTIONS = 128
/** Requests that wait for a connection, over all origins. */
const MAX_WAITING = 1000

export class Http1Pool {
  readonly #options: Http1PoolOptions
  // In the order in which they get their turn: whoever was served goes to the end.
  readonly #places = new Map<string, Place>()
  readonly #connections = new Map<Http1Connection, Line>()
  readonly #opening = new Set<(error: MixnetError) => void>()
  #total = 0
  #waiting = 0
  #serving = false
  #closed: MixnetError | undefined

  constructor(options: Http1PoolOptions) {
    this.#options = options
  }

  /** A connection with nothing on it. Throws what opening failed with, why `limits` stopped it, and QUEUE_FULL. */
  async acquire(purpose: Purpose, asking: Asking): Promise<Http1Connection> {
    const { limits, timeline } = asking
    if (this.#closed !== undefined) throw this.#closed
    if (this.#waiting >= MAX_WAITING) throw new MixnetError('QUEUE_FULL', { requests: this.#waiting })
    const key = keyOf(purpose)
    const place = this.#places.get(key) ?? { idle: [], waiting: new Set(), connections: 0 }
    this.#places.set(key, place)
    const waiter: Waiter = { ready: Promise.withResolvers() }
    place.waiting.add(waiter)
    this.#waiting++
    const forget = limits.onStop((reason) => {
      if (!place.waiting.delete(waiter)) return
      this.#waiting--
      this.#forgetEmpty(key, place)
      waiter.ready.reject(reason)
    })
    this.#serve()
    const turn = await waiter.ready.promise.finally(forget)
    if (turn === 'open') return await this.#open(key, place, purpose, asking)
    this.#connections.get(turn)?.serve(timeline)
    return turn
  }

  /** Ends every connection and every wait. */
  close(error: MixnetError): void {
    this.#closed = error
    for (const abandon of [...this.#opening]) abandon(error)
    for (const connection of [...this.#connections.keys()]) connection.abort(error)
    for (const { waiting } of this.#places.values()) for (const { ready } of waiting) ready.reject(error)
    this.#places.clear()
    this.#waiting = 0
  }

  /** One waiter of each origin in turn, so that many requests to one do not keep the others waiting. */
  #serve(): void {
    // Giving up a connection calls here again.
    if (this.#serving) return
    this.#serving = true
    for (let served = true; served; ) {
      served = false
      for (const [key, place] of [...this.#places]) {
        const [waiter] = place.waiting
        if (waiter === undefined) continue
        const turn = this.#turn(place)
        if (turn === undefined) continue
        place.waiting.delete(waiter)
        this.#waiting--
        this.#places.delete(key)
        this.#places.set(key, place)
        waiter.ready.resolve(turn)
        served = true
      }
    }
    this.#serving = false
  }

  #turn(place: Place): Http1Connection | 'open' | undefined {
    // The one used last: the others may age and go.
    const generation = this.#options.generation?.() ?? 0
    let kept = place.idle.pop()
    for (; kept !== undefined && kept.generation !== generation; kept = place.idle.pop()) {
      kept.timer.cancel()
      kept.connection.abort(new MixnetError('ABORTED'))
    }
    if (kept !== undefined) {
      kept.timer.cancel()
      return kept.connection
    }
    if (place.connections >= this.#options.perOrigin) return undefined
    if (this.#total >= MAX_CONNECTIONS && !this.#evict()) return undefined
    place.connections++
    this.#total++
    return 'open'
  }

  /** Gives up an idle connection of another origin: one that is wanted now is worth more than one that may be. */
  #evict(): boolean {
    for (const { idle } of this.#places.values()) {
      const [oldest] = idle
      if (oldest === undefined) continue
      oldest.connection.abort(new MixnetError('ABORTED'))
      return true
    }
    return false
  }

  async #open(key: string, place: Place, purpose: Purpose, { limits, timeline }: Asking): Promise<Http1Connection> {
    const line = new Line()
    line.serve(timeline)
    let abandon: ((error: MixnetError) => void) | undefined
    let forget: (() => unknown) | undefined
    let stream: ByteStream
    try {
      limits.check()
      if (this.#closed !== undefined) throw this.#closed
      const opening = this.#options.open(purpose, line)
      abandon = opening.abandon
      this.#opening.add(abandon)
      forget = limits.onStop((reason) => opening.abandon(isMixnetError(reason) ? reason : new MixnetError('ABORTED')))
      stream = await limits.until(opening.ready)
    } catch (error) {
      this.#freed(key, place)
      throw error
    } finally {
      forget?.()
      if (abandon !== undefined) this.#opening.delete(abandon)
    }
    return this.#connected(key, place, stream, line)
  }

  #connected(key: string, place: Place, stream: ByteStream, line: Line): Http1Connection {
    const generation = this.#options.generation?.() ?? 0
    const connection: Http1Connection = new Http1Connection(stream, {
      idle: (keepSeconds) => this.#idle(place, { connection, generation }, keepSeconds),
      over: () => {
        this.#connections.delete(connection)
        const at = place.idle.findIndex((kept) => kept.connection === connection)
        if (at !== -1) place.idle.splice(at, 1)[0]?.timer.cancel()
        this.#freed(key, place)
      },
    })
    this.#connections.set(connection, line)
    connection.start()
    return connection
  }

  #idle(
    place: Place,
    { connection, generation }: { readonly connection: Http1Connection; readonly generation: number },
    keepSeconds: number | undefined,
  ): void {
    const hinted = keepSeconds === undefined ? IDLE_LIMIT : seconds(keepSeconds - IDLE_MARGIN_SECONDS)
    const limit: Millis = millis(Math.min(IDLE_LIMIT, hinted))
    const expire = () => connection.abort(new MixnetError('ABORTED'))
    if (this.#closed !== undefined || limit <= 0) return expire()
    place.idle.push({ connection, generation, timer: this.#options.clock.after(limit, expire) })
    this.#serve()
  }

  #freed(key: string, place: Place): void {
    place.connections--
    this.#total--
    this.#forgetEmpty(key, place)
    this.#serve()
  }

  #forgetEmpty(key: string, place: Place): void {
    if (place.connections === 0 && place.waiting.size === 0 && this.#places.get(key) === place) this.#places.delete(key)
  }
}

/** No name is an origin: whoever calls a key like a site does not join those who named none. */
const keyOf = ({ origin: { secure, host, port }, isolation }: Purpose): string =>
  `${secure ? 'https' : 'http'}://${host}:${port} ${isolation === undefined ? '' : `named ${isolation}`}`
