/**
 * An outgoing connection to a next hop: plain TCP or Noise over TCP, told by one set of events. Frames are written as one
 * batch; what the peer sends is thrown away, for nothing is ever sent back on a mix link. Rules: docs/spec/links.md. @module
 */

import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Millis } from '../../foundation/base/units.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import type { Connection } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { NoiseKeyPair } from './noise.ts'
import { NOISE_KEY_BYTES, type NoisePattern } from './noiseCipher.ts'
import { NoiseSession } from './noiseSession.ts'

export interface OpenMixLinkOptions {
  readonly host: string
  readonly port: number
  readonly localHost?: string | undefined
  readonly connectTimeout: Millis
  readonly handshakeTimeout: Millis
  /** Absent for plain TCP. */
  readonly noise?:
    | { readonly pattern: NoisePattern; readonly own: NoiseKeyPair; readonly remotePublic: Uint8Array }
    | undefined
}

export interface MixLink {
  readonly noise: boolean
  /** Queues the frames as one batch; false when the caller should wait for `drained`. Ownership passes. */
  write(frames: readonly Uint8Array[]): boolean
  readonly bufferedBytes: number
  /** Sends what is queued, then hangs up. */
  end(): void
  destroy(): void
}

export type MixLinkFailure = 'refused' | 'timeout' | 'handshake' | 'unreachable'

/** `opened` or `failed` once; after `opened`, `closed` once, last. None of them after `abort`. */
export interface MixLinkEvents {
  opened(link: MixLink): void
  failed(why: MixLinkFailure): void
  drained(): void
  closed(): void
}

export interface MixLinkAttempt {
  abort(): void
}

export function openMixLink(world: World, options: OpenMixLinkOptions, events: MixLinkEvents): MixLinkAttempt {
  const abort = new AbortController()
  let opening: Opening | undefined
  const { host, port, localHost } = options
  world.net
    .connect({
      host,
      port,
      timeout: options.connectTimeout,
      signal: abort.signal,
      ...(localHost === undefined ? {} : { localHost }),
    })
    .then(
      (connection) => {
        if (abort.signal.aborted) connection.destroy()
        else opening = new Opening(world, connection, options, events)
      },
      (error: unknown) => {
        if (!abort.signal.aborted) events.failed(failureOf(error))
      },
    )
  return {
    abort() {
      abort.abort()
      opening?.abort()
    },
  }
}

/** A connected socket on its way to being a link, and afterwards its handlers. */
class Opening {
  readonly #connection: Connection
  readonly #events: MixLinkEvents
  readonly #session: NoiseSession | undefined
  readonly #timer: Timer | undefined
  #state: 'handshaking' | 'open' | 'done' = 'handshaking'

  constructor(world: World, connection: Connection, options: OpenMixLinkOptions, events: MixLinkEvents) {
    this.#connection = connection
    this.#events = events
    const { noise } = options
    if (noise) {
      const ephemeralSecret = world.random.stream('noise').bytes(NOISE_KEY_BYTES)
      this.#session = new NoiseSession(world.crypto, { ...noise, role: 'initiator', ephemeralSecret })
      this.#timer = world.clock.after(options.handshakeTimeout, () => this.#fail('timeout'))
    }
    connection.attach({
      data: (chunk) => this.#data(chunk),
      drain: () => {
        if (this.#state === 'open') events.drained()
      },
      close: () => this.#closed(),
    })
    const first = this.#session?.begin()
    if (first) connection.write([first])
    else if (this.#session) this.#fail('handshake')
    else this.#opened()
  }

  abort(): void {
    this.#state = 'done'
    this.#timer?.cancel()
    this.#connection.destroy()
  }

  #data(chunk: Uint8Array): void {
    // An open link has nothing to hear. Not reading at all would hide the peer's FIN behind whatever it sends.
    if (this.#state !== 'handshaking' || !this.#session) return
    const refused = this.#session.receive(chunk, {
      reply: (frame) => this.#connection.write([frame]),
      plaintext() {},
    })
    if (refused) this.#fail('handshake')
    else if (this.#session.isOpen) this.#opened()
  }

  #opened(): void {
    this.#state = 'open'
    this.#timer?.cancel()
    const connection = this.#connection
    const session = this.#session
    this.#events.opened({
      noise: session !== undefined,
      write: (frames) => connection.write(session ? session.seal(frames) : frames),
      get bufferedBytes() {
        return connection.bufferedBytes
      },
      end: () => connection.end(),
      destroy: () => connection.destroy(),
    })
  }

  #fail(why: MixLinkFailure): void {
    if (this.#state === 'done') return
    this.abort()
    this.#events.failed(why)
  }

  #closed(): void {
    const was = this.#state
    this.#state = 'done'
    this.#timer?.cancel()
    if (was === 'open') this.#events.closed()
    // The responder's way to say no is to hang up.
    else if (was === 'handshaking') this.#events.failed('handshake')
  }
}

function failureOf(error: unknown): MixLinkFailure {
  if (isMixnetError(error, 'TIMEOUT')) return 'timeout'
  // No route, no such source address and the like share the code, but nobody answered.
  const refused =
    isMixnetError(error, 'CONNECTION_REFUSED') && (error.details.system ?? 'ECONNREFUSED') === 'ECONNREFUSED'
  return refused ? 'refused' : 'unreachable'
}
