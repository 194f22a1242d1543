/** What an egress counts. @module */
import type { Counter, Meter } from '../../foundation/base/observe.ts'
import type { MixLinkFailure } from './mixLink.ts'

/**
 * overflow: the next hop's queue is full. memory: all queues together are. unreachable: the next hop is away and will be for
 * a while. hops: too many next hops at once. closed: the node is stopping.
 */
export type EgressDrop = 'overflow' | 'memory' | 'unreachable' | 'hops' | 'closed'

export type LinkOutcome = MixLinkFailure | 'opened' | 'lost' | 'stalled' | 'idle'

const DROPS: readonly EgressDrop[] = ['overflow', 'memory', 'unreachable', 'hops', 'closed']
const OUTCOMES: readonly LinkOutcome[] = [
  'opened',
  'refused',
  'timeout',
  'handshake',
  'unreachable',
  'lost',
  'stalled',
  'idle',
]

export class EgressCounters {
  readonly #frames: Counter
  readonly #bytes: Counter
  readonly #dropped: ReadonlyMap<EgressDrop, Counter>
  readonly #links: ReadonlyMap<LinkOutcome, Counter>

  constructor(meter: Meter) {
    this.#frames = meter.counter('mix_egress_frames_total', 'Frames handed to connections')
    this.#bytes = meter.counter('mix_egress_bytes_total', 'Frame bytes handed to connections')
    this.#dropped = new Map(
      DROPS.map((reason) => [
        reason,
        meter.counter('mix_egress_dropped_total', 'Frames dropped before sending', { reason }),
      ]),
    )
    this.#links = new Map(
      OUTCOMES.map((outcome) => [
        outcome,
        meter.counter('mix_egress_links_total', 'Outgoing connections opened, failed and closed', { outcome }),
      ]),
    )
  }

  sent(frames: number, bytes: number): void {
    this.#frames.value += frames
    this.#bytes.value += bytes
  }

  /** Always false: the answer of a `send` that drops. */
  drop(reason: EgressDrop): false {
    const counter = this.#dropped.get(reason)
    if (counter) counter.value++
    return false
  }

  link(outcome: LinkOutcome): void {
    const counter = this.#links.get(outcome)
    if (counter) counter.value++
  }
}
