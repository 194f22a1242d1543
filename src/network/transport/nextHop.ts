/**
 * Everything an egress keeps for one next hop: a bounded queue, at most one connection, and when to try again. Rules:
 * docs/spec/links.md, "Sending".
 *
 *     idle ──frame──▶ connecting ──opened──▶ open ──lost when proven──▶ idle, or connecting while frames wait
 *      ▲                  └──failed──▶ waiting ◀──lost early, stalled──┘
 *      └────────── backoff over ──────────┘
 *
 * While waiting, frames are held if the next attempt comes soon enough for them to matter, and dropped otherwise. @module
 */
import { type Millis, millis } from '../../foundation/base/units.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import type { World } from '../../foundation/platform/world.ts'
import { encodeMixFrame, type MixFrame } from '../../protocol/wire/mixFrame.ts'
import { Backoff, type LinkFailure } from './backoff.ts'
import type { EgressCounters } from './egressCounters.ts'
import {
  type MixLink,
  type MixLinkAttempt,
  type MixLinkFailure,
  type OpenMixLinkOptions,
  openMixLink,
} from './mixLink.ts'
import type { MixEgressParams } from './mixLinkParams.ts'

/** What waits for all next hops together. */
export interface QueueBudget {
  bytes: number
  frames: number
}

export interface NextHopOptions {
  readonly world: World
  readonly params: MixEgressParams
  readonly counters: EgressCounters
  readonly budget: QueueBudget
  /** Asked again for every attempt: the directory may have learned another Noise key meanwhile. */
  readonly link: () => OpenMixLinkOptions
}

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting'; readonly attempt: MixLinkAttempt }
  | { readonly kind: 'open'; readonly link: MixLink; readonly since: Millis; blockedSince: Millis | undefined }
  | { readonly kind: 'waiting'; readonly hold: boolean; readonly timer: Timer }
  | { readonly kind: 'closed' }

const IDLE: State = { kind: 'idle' }

export class NextHop {
  readonly #options: NextHopOptions
  readonly #backoff: Backoff
  #state: State = IDLE
  /** Encoded frames: a frame that cannot be encoded is refused to the caller's face, not in a later turn. */
  #queue: Uint8Array[] = []
  #flushDue = false
  #lastUsed: Millis
  #downSince: Millis | undefined
  #ending: { readonly link: MixLink; readonly done: () => void } | undefined

  constructor(options: NextHopOptions) {
    this.#options = options
    this.#backoff = new Backoff(options.params.backoff)
    this.#lastUsed = options.world.clock.monotonic()
  }

  get isOpen(): boolean {
    return this.#state.kind === 'open'
  }

  /** False: dropped and counted. */
  send(frame: MixFrame): boolean {
    const { params, counters, budget } = this.#options
    const state = this.#state
    if (state.kind === 'closed') return counters.drop('closed')
    if (state.kind === 'waiting' && !state.hold) return counters.drop('unreachable')
    if (this.#queue.length >= params.queueCapacity) return counters.drop('overflow')
    if (budget.bytes + frame.packet.length > params.maxQueuedBytes) return counters.drop('memory')
    const encoded = encodeMixFrame(frame, params.frameVersion)
    this.#queue.push(encoded)
    budget.bytes += encoded.length
    budget.frames++
    if (state.kind === 'open') {
      if (state.blockedSince === undefined) this.#flushSoon()
    } else if (state.kind === 'idle') this.#connect()
    return true
  }

  /** Gives up a peer that has stopped reading, closes an idle link. True when nothing worth remembering is left. */
  sweep(now: Millis): boolean {
    const { params, counters } = this.#options
    const state = this.#state
    if (state.kind === 'open') {
      if (state.blockedSince !== undefined && now - state.blockedSince > params.stallTimeout) {
        counters.link('stalled')
        this.#abandon(state.link, 'silent')
      } else if (now - this.#lastUsed > params.idleTimeout && state.link.bufferedBytes === 0) {
        counters.link('idle')
        this.#state = IDLE
        state.link.destroy()
      }
    }
    // Not before the longest backoff is over: forgetting earlier would let a dead peer be dialled more often.
    const memory = Math.max(params.idleTimeout, params.backoff.max)
    return this.#state.kind === 'idle' && now - this.#lastUsed > memory
  }

  /** Hands what waits to the connection and hangs up behind it; the rest is dropped and counted. Resolves once all is closed. */
  end(): Promise<void> {
    const state = this.#state
    this.#state = { kind: 'closed' }
    if (state.kind === 'waiting') state.timer.cancel()
    if (state.kind === 'connecting') state.attempt.abort()
    if (state.kind !== 'open') {
      this.#dropQueue('closed')
      return Promise.resolve()
    }
    const { link } = state
    return new Promise((done) => {
      this.#ending = { link, done }
      if (this.#queue.length > 0) link.write(this.#take(this.#queue.length))
      link.end()
    })
  }

  /** Cuts short what `end` waits for. */
  destroy(): void {
    this.#ending?.link.destroy()
  }

  #flushSoon(): void {
    if (this.#flushDue) return
    this.#flushDue = true
    this.#options.world.clock.soon(this.#flush)
  }

  /** At most one write per turn: everything queued in it leaves as one batch. */
  readonly #flush = (): void => {
    this.#flushDue = false
    const state = this.#state
    if (state.kind !== 'open' || state.blockedSince !== undefined || this.#queue.length === 0) return
    const room = state.link.write(this.#take(this.#batchFrames()))
    this.#lastUsed = this.#options.world.clock.monotonic()
    if (!room) state.blockedSince = this.#lastUsed
    else if (this.#queue.length > 0) this.#flushSoon()
  }

  /** How many frames go into the next write. */
  #batchFrames(): number {
    const { maxBatchBytes } = this.#options.params
    let count = 0
    for (let bytes = 0; count < this.#queue.length && bytes < maxBatchBytes; count++) {
      bytes += (this.#queue[count] as Uint8Array).length
    }
    return count
  }

  #take(count: number): Uint8Array[] {
    const batch = count === this.#queue.length ? this.#queue : this.#queue.splice(0, count)
    if (batch === this.#queue) this.#queue = []
    this.#options.counters.sent(batch.length, this.#release(batch))
    return batch
  }

  /** Takes frames off the budget; their bytes. */
  #release(frames: readonly Uint8Array[]): number {
    let bytes = 0
    for (const frame of frames) bytes += frame.length
    this.#options.budget.bytes -= bytes
    this.#options.budget.frames -= frames.length
    return bytes
  }

  #connect(): void {
    const { world, counters, link } = this.#options
    const attempt = openMixLink(world, link(), {
      opened: (opened) => {
        counters.link('opened')
        this.#downSince = undefined
        this.#state = { kind: 'open', link: opened, since: world.clock.monotonic(), blockedSince: undefined }
        this.#flush()
      },
      failed: (why) => {
        counters.link(why)
        this.#wait(failureKind(why))
      },
      drained: () => {
        if (this.#state.kind !== 'open') return
        this.#state.blockedSince = undefined
        this.#flush()
      },
      closed: () => this.#lost(),
    })
    this.#state = { kind: 'connecting', attempt }
  }

  #lost(): void {
    this.#ending?.done()
    const state = this.#state
    if (state.kind !== 'open') return
    const { world, params, counters } = this.#options
    counters.link('lost')
    const lived = world.clock.monotonic() - state.since
    if (lived >= params.provenAfter) {
      this.#backoff.succeeded()
      this.#state = IDLE
      if (this.#queue.length > 0) this.#connect()
      return
    }
    // A responder that does not accept the last handshake message can only hang up: that is a failed handshake.
    this.#wait(state.link.noise && lived < params.handshakeTimeout ? 'silent' : 'refused')
  }

  #abandon(link: MixLink, failure: LinkFailure): void {
    this.#wait(failure)
    link.destroy()
  }

  #wait(failure: LinkFailure): void {
    const { world, params } = this.#options
    const now = world.clock.monotonic()
    const delay = this.#backoff.failed(failure)
    this.#downSince ??= now
    const hold = now + delay - this.#downSince <= params.holdLimit
    if (!hold) this.#dropQueue('unreachable')
    const timer = world.clock.after(millis(delay), () => {
      this.#state = IDLE
      if (this.#queue.length > 0) this.#connect()
    })
    this.#state = { kind: 'waiting', hold, timer }
  }

  #dropQueue(reason: 'unreachable' | 'closed'): void {
    this.#release(this.#queue)
    for (let i = 0; i < this.#queue.length; i++) this.#options.counters.drop(reason)
    this.#queue = []
  }
}

const failureKind = (why: MixLinkFailure): LinkFailure => (why === 'refused' ? 'refused' : 'silent')
