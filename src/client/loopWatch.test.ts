import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { millis } from '../foundation/base/units.ts'
import { nullProvider } from '../foundation/crypto/nullProvider.ts'
import { Simulation } from '../foundation/platform/simulated/simulation.ts'
import { LoopWatch } from './loopWatch.ts'

const TICK = millis(500)

/** How often a client asks that sends `perTick` loops every half second, of which a share returns: for each of the shares, which last a minute. */
async function askedPerMinute(perTick: number, shares: readonly number[]): Promise<number[]> {
  const simulation = new Simulation({ seed: 'loops', crypto: nullProvider })
  let [sent, returned, asked] = [0, 0, 0]
  const watch = new LoopWatch({ clock: simulation.clock, counts: () => ({ sent, returned }), ask: () => asked++ })
  const perMinute: number[] = []
  for (const share of shares) {
    asked = 0
    for (let tick = 0; tick < 120; tick++) {
      sent += perTick
      returned += perTick * share
      await simulation.runFor(TICK)
      watch.review()
    }
    perMinute.push(asked)
  }
  return perMinute
}

describe('loops that do not return', () => {
  it('are nothing to ask about while they are few', async () => {
    assert.deepEqual(await askedPerMinute(2.5, [1, 0.95, 0.8]), [0, 0, 0])
  })

  it('make the client ask, and less and less often while that changes nothing', async () => {
    const asked = await askedPerMinute(2.5, [1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    assert.equal(asked[0], 0)
    assert.ok((asked[1] as number) >= 2)
    assert.ok(asked.slice(4).reduce((sum, count) => sum + count, 0) <= 2)
  })

  it('are news again after all was well', async () => {
    const [first, , again] = await askedPerMinute(2.5, [0.5, 1, 0.5])
    assert.equal(first, again)
  })

  it('are waited for longer where few are sent', async () => {
    const [first, second] = await askedPerMinute(0.5, [0, 0])
    assert.ok((first as number) >= 1 && (second as number) >= 1)
    assert.deepEqual(await askedPerMinute(0.25, [1, 0.9]), [0, 0])
  })

  it('prove nothing where hardly any are sent', async () => {
    assert.deepEqual(await askedPerMinute(0.05, [0, 0, 0]), [0, 0, 0])
  })
})
