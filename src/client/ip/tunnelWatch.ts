/**
 * Whether the router of a tunnel still answers. Silence to what programs send is a suspicion and no more: whoever names a destination that
 * swallows datagrams could raise it. So the router is asked for an echo of its own address, which no site can keep it from answering, and what
 * convicts it is silence to several. It learns by them that we have heard nothing for a while, and nobody else that they are not packets of
 * programs; when they come is drawn, so that no two tunnels are alike in it.
 *
 * Our own deafness is not taken for its silence, as with requests (`exitHealth.ts`): while our gateway is away, or our loop cover goes out and
 * none comes back, nothing is concluded. @module
 */
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import type { LoopCounts } from '../loopWatch.ts'

export interface TunnelWatchOptions {
  readonly clock: Clock
  readonly random: RandomStream
  readonly client: { readonly isOpen: boolean; readonly loops: LoopCounts }
  /** Mean time that a packet of ours waits for its turn. */
  readonly slot: Millis
  /** Asks the router. */
  readonly probe: () => void
  /** It answers nothing any more. At most once. */
  readonly silent: () => void
}

/** The router lets go who sends nothing for 60 s. */
const KEEP_ALIVE_AFTER = seconds(20)
/** Some round trips. */
const PATIENCE = seconds(3)
/** Where a probe was all that was answered: to a program that sends and is never answered, the router would be asked again and again. */
const LONG_PATIENCE = seconds(10)
const PROBE_EVERY = seconds(2)
/** Of a round trip over links that lose 5 %, one of three is lost, and what is lost is sent again within some seconds: all of them at once never are. */
const PROBES = 4
/** That a probe waits for in a slow main stream, with the reply SURBs for its answer. */
const SLOTS = 3

export class TunnelWatch {
  readonly #options: TunnelWatchOptions
  #alive: Timer | undefined
  #doubt: Timer | undefined
  #patience: Millis = PATIENCE
  #probes = 0
  #before: LoopCounts

  constructor(options: TunnelWatchOptions) {
    this.#options = options
    this.#before = options.client.loops
    this.#keepAlive()
  }

  /** Something went out that may be answered. */
  sent(): void {
    this.#doubt ??= this.#after(this.#inSlots(this.#patience), () => this.#suspect())
  }

  /** Anything at all came from the router. `carried`: of somebody else in the world, and not its own. */
  heard(carried: boolean): void {
    if (carried) this.#patience = PATIENCE
    else if (this.#probes > 0) this.#patience = LONG_PATIENCE
    this.#probes = 0
    this.#doubt?.cancel()
    this.#doubt = undefined
  }

  stop(): void {
    this.#alive?.cancel()
    this.#doubt?.cancel()
  }

  #keepAlive(): void {
    this.#alive = this.#after(KEEP_ALIVE_AFTER, () => {
      this.#options.probe()
      this.sent()
      this.#keepAlive()
    })
  }

  #suspect(): void {
    const { client, probe, silent } = this.#options
    if (this.#probes === PROBES && !isDeaf(client, this.#before)) {
      this.stop()
      return silent()
    }
    if (this.#probes === PROBES || !client.isOpen) this.#probes = 0
    if (this.#probes === 0) this.#before = client.loops
    if (client.isOpen) {
      this.#probes++
      probe()
    }
    this.#doubt = this.#after(this.#inSlots(PROBE_EVERY), () => this.#suspect())
  }

  #inSlots(time: Millis): Millis {
    return millis(time + SLOTS * this.#options.slot)
  }

  #after(mean: Millis, work: () => void): Timer {
    const { clock, random } = this.#options
    return clock.after(millis(mean * (0.75 + random.uniform() / 2)), work)
  }
}

/** Whether it may be us who hear nothing, since `before`. */
export function isDeaf({ isOpen, loops }: TunnelWatchOptions['client'], before: LoopCounts): boolean {
  return !isOpen || (loops.sent > before.sent && loops.returned === before.returned)
}
