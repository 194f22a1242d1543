/**
 * The path every packet takes in a node, in this order: open the header, drop replays, remove one encryption, hold for the
 * delay, forward. A mix node is this alone; a gateway also takes what ends here. Synchronous up to the delay: no promise is
 * made per packet. @module
 */

import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import type { Counter, Log, Meter } from '../../foundation/base/observe.ts'
import { millis, type Nanos, nanosToMillis } from '../../foundation/base/units.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { RotationFlag } from '../../protocol/packet/keyRotation.ts'
import { decodeNodeAddress, type NodeAddress } from '../../protocol/packet/nodeAddress.ts'
import type { PacketSize } from '../../protocol/packet/sizes.ts'
import { type OpenedHeader, openHeader } from '../../protocol/sphinx/unwrap.ts'
import type { MixFrame } from '../../protocol/wire/mixFrame.ts'
import { DelayQueue } from './delayQueue.ts'
import type { MixParams } from './mixParams.ts'
import type { ReplayGuard } from './replayGuard.ts'
import type { SphinxKey, SphinxKeys } from './sphinxKeys.ts'

/** What is left of a packet whose route ends here. */
export interface FinalPacket {
  /** The client's Ed25519 identity, 32 bytes. */
  readonly destination: Uint8Array
  readonly message: Uint8Array
  readonly size: PacketSize
  readonly rotation: RotationFlag
}

/** Where forwarded packets go; false means dropped, and counted there. */
export interface Egress {
  send(nextHop: NodeAddress, frame: MixFrame): boolean
}

export interface MixingOptions {
  readonly clock: Clock
  readonly crypto: CryptoProvider
  readonly keys: SphinxKeys
  readonly replay: ReplayGuard
  readonly egress: Egress
  /**
   * Whether packets may be sent there: to the mix ports of the topology's nodes. By address alone (as official nodes judge) anybody could have
   * us dial every port of a node, and fill the table of next hops.
   */
  readonly allows: (nextHop: NodeAddress) => boolean
  /** False for a gateway that is no mix node: packets asking to be forwarded are dropped. */
  readonly forwards: boolean
  /** Absent for a mix node: packets that end here are dropped. */
  readonly final?: (packet: FinalPacket) => void
  readonly params: MixParams
  readonly meter: Meter
  readonly log: Log
}

type DropReason =
  | 'malformed'
  | 'expired-key'
  | 'mac'
  | 'replay'
  | 'replay-log'
  | 'payload'
  | 'not-forwarding'
  | 'not-final'
  | 'next-hop-malformed'
  | 'next-hop-unknown'
  | 'delay-queue-full'
  | 'stopping'

interface Forward {
  readonly nextHop: NodeAddress
  readonly frame: MixFrame
  /** The tags that must be in the log before it leaves. */
  readonly tags: number
}

export class Mixing {
  readonly #options: MixingOptions
  readonly #delays: DelayQueue<Forward>
  readonly #received: Counter
  readonly #forwarded: Counter
  readonly #final: Counter
  readonly #excessiveDelays: Counter
  readonly #dropped = new Map<DropReason, Counter>()
  #stopping: Promise<void> | undefined
  #onEmpty: (() => void) | undefined

  constructor(options: MixingOptions) {
    this.#options = options
    this.#delays = new DelayQueue(
      options.clock,
      { capacity: options.params.delayQueueCapacity, longestDelay: options.params.maxDelay },
      (forward) => this.#leave(forward),
    )
    const { meter } = options
    this.#received = meter.counter('mix_received_total', 'Mix packets received')
    this.#forwarded = meter.counter('mix_forwarded_total', 'Mix packets handed to the next hop')
    this.#final = meter.counter('mix_final_total', 'Mix packets whose route ended here')
    this.#excessiveDelays = meter.counter(
      'mix_excessive_delay_total',
      'Mix packets that asked for more than the longest delay',
    )
    meter.gauge('mix_pool', 'Mix packets held for their delay', () => this.#delays.length)
  }

  /** Packets held for their delay. */
  get pool(): number {
    return this.#delays.length
  }

  /** Takes one packet off the wire. Never throws, whatever the bytes. */
  receive(frame: MixFrame): void {
    this.#received.value++
    if (this.#stopping !== undefined) return this.#drop('stopping')
    const opened = this.#open(frame)
    if (opened === undefined) return
    const unwrapped = opened.unwrap()
    if (unwrapped.kind === 'refused') {
      this.#drop(unwrapped.reason === 'payload' ? 'payload' : 'malformed')
    } else if (unwrapped.kind === 'forward') {
      if (!this.#options.forwards) return this.#drop('not-forwarding')
      const decoded = tryDecode(() => decodeNodeAddress(unwrapped.nextAddress))
      if (isMixnetError(decoded)) return this.#drop('next-hop-malformed')
      this.#hold(
        {
          nextHop: decoded.address,
          frame: { size: frame.size, rotation: frame.rotation, packet: unwrapped.packet },
          tags: this.#options.replay.given,
        },
        unwrapped.delay,
      )
    } else {
      if (this.#options.final === undefined) return this.#drop('not-final')
      if (!this.#options.replay.flush()) return this.#drop('replay-log')
      this.#final.value++
      this.#options.final({
        destination: unwrapped.destination,
        message: unwrapped.message,
        size: frame.size,
        rotation: frame.rotation,
      })
    }
  }

  /** Sends a packet that starts here, without delay: a client's, or the SURB-ack of a delivered one. */
  forward(nextHop: NodeAddress, frame: MixFrame): void {
    this.#send(nextHop, frame)
  }

  /** Takes nothing more; what is held may still leave for `drainLimit`, the rest is dropped. `forward` still works. */
  stop(): Promise<void> {
    this.#stopping ??= new Promise((resolve) => {
      const limit = this.#options.clock.after(this.#options.params.drainLimit, () => this.#onEmpty?.())
      this.#onEmpty = () => {
        limit.cancel()
        for (let left = this.#delays.length; left > 0; left--) this.#drop('stopping')
        this.#delays.clear()
        resolve()
      }
      if (this.#delays.length === 0) this.#onEmpty()
    })
    return this.#stopping
  }

  #open(frame: MixFrame): OpenedHeader | undefined {
    const { keys, crypto, replay } = this.#options
    const candidates = keys.candidates(frame.rotation)
    let refused: DropReason = 'expired-key'
    for (const key of candidates) {
      const opened = openHeader(crypto, key.secret.expose(), frame.packet)
      if (opened.kind === 'opened') return this.#isReplay(key, opened, replay) ? undefined : opened
      refused = opened.reason === 'mac' ? 'mac' : 'malformed'
    }
    this.#drop(refused)
    return undefined
  }

  #isReplay(key: SphinxKey, opened: OpenedHeader, replay: ReplayGuard): boolean {
    if (!replay.seen(key.rotationId, opened.replayTag)) return false
    this.#drop('replay')
    return true
  }

  #hold(forward: Forward, asked: Nanos): void {
    const { params } = this.#options
    let delay = nanosToMillis(asked)
    if (delay > params.maxDelay) {
      this.#excessiveDelays.value++
      delay = params.maxDelay
    }
    if (delay === millis(0)) {
      this.#leave(forward)
    } else if (!this.#delays.hold(forward, delay)) {
      this.#drop('delay-queue-full')
    }
  }

  /** Nothing leaves before its tag is in the log. */
  #leave({ nextHop, frame, tags }: Forward): void {
    if (this.#options.replay.flush(tags)) this.#send(nextHop, frame)
    else this.#drop('replay-log')
    if (this.#delays.length === 0) this.#onEmpty?.()
  }

  #send(nextHop: NodeAddress, frame: MixFrame): void {
    if (!this.#options.allows(nextHop)) {
      this.#drop('next-hop-unknown')
      return
    }
    if (this.#options.egress.send(nextHop, frame)) this.#forwarded.value++
  }

  #drop(reason: DropReason): void {
    let counter = this.#dropped.get(reason)
    if (counter === undefined) {
      counter = this.#options.meter.counter('mix_dropped_total', 'Mix packets dropped', { reason })
      this.#dropped.set(reason, counter)
    }
    counter.value++
  }
}
