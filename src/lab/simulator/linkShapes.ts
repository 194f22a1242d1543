/** How the links of a simulated internet behave: each has a latency of its own, jitters around it, and may lose packets. @module */
import { millis } from '../../foundation/base/units.ts'
import type { LinkShape } from '../../foundation/platform/simulated/link.ts'
import { SimulatedRandom } from '../../foundation/platform/simulated/simulatedRandom.ts'

export interface LinkParams {
  /** One way, drawn once for every pair of hosts and direction. */
  readonly latencyMs: readonly [number, number]
  /** Mean of what each transmission takes longer. */
  readonly jitterMs: number
  /** Of packets between two nodes of the mixnet; other links run TCP or WebSockets, which repeat what gets lost. */
  readonly loss: number
}

export const DEFAULT_LINKS: LinkParams = { latencyMs: [5, 30], jitterMs: 2, loss: 0.01 }

/** The same shape for the same seed and hosts, in whatever order links are first used. */
export function linkShapes(
  seed: string,
  { latencyMs: [least, most], jitterMs, loss }: LinkParams,
  isNode: (host: string) => boolean,
): (from: string, to: string) => LinkShape {
  return (from, to) => {
    const random = new SimulatedRandom(seed, 'link-shape', from, to).stream('latency')
    const latency = millis(least + (most - least) * random.uniform())
    const shape = { latency, jitter: millis(jitterMs) }
    return isNode(from) && isNode(to) ? { ...shape, loss } : shape
  }
}
