/**
 * Machines that are too busy to do anything for a second at a time, while ten short answers and a megabyte are asked for at once. How long
 * that takes is theirs to say; that it goes on all the time is ours. @module
 */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { type Millis, millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { ENTRIES, EXIT, FaultyNetwork, MIXES, withEachSeed } from './support.test.ts'

interface Busy {
  readonly hosts: readonly string[]
  /** At a stretch, drawn uniformly. */
  readonly upTo: Millis
}

const LEAST_BUSY = millis(50)
const MOST_IDLE = millis(200)
const MEGABYTE = 1_000_000

/** Asks for all at once, and returns the longest time in which nothing at all came. */
async function longestPause(network: FaultyNetwork, busy: Busy | undefined, sites: number): Promise<Millis> {
  const { simulation } = network
  const client = await network.anonymousClient('client', 'tern')
  let over = false
  const keepBusy = (host: string, upTo: Millis): void => {
    if (over) return
    const stretch = network.between('busy', LEAST_BUSY, upTo)
    simulation.stall(host, stretch)
    const idle = network.between('idle', millis(5), MOST_IDLE)
    simulation.clock.after(millis(stretch + idle), () => keepBusy(host, upTo))
  }
  if (busy !== undefined) for (const host of busy.hosts) keepBusy(host, busy.upTo)
  await simulation.runFor(seconds(2))
  let lastAt = simulation.clock.monotonic()
  let longest = 0
  const progress = (): void => {
    longest = Math.max(longest, simulation.clock.monotonic() - lastAt)
    lastAt = simulation.clock.monotonic()
  }
  const sizes = [...Array.from({ length: 10 }, () => 3_000), MEGABYTE]
  const downloads = sizes.map((bytes, i) => network.download(client, bytes, { isolation: `${i % sites}`, progress }))
  await network.complete(Promise.all(downloads), minutes(3))
  over = true
  return millis(longest)
}

const EVERYBODY = ['client', EXIT, ...MIXES, ...ENTRIES]
const BOTH_ENDS = ['client', EXIT]

describe('ten answers and a megabyte at once go on', () => {
  // Under as many pseudonyms, each of which wants a stock of reply SURBs.
  withEachSeed('from eleven sites', [1, 2], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    assert.ok((await longestPause(network, undefined, 11)) < 2_000)
  })

  for (const sites of [1, 11]) {
    withEachSeed(`where both ends are busy for up to 2 s at a time, ${sites} sites`, [1, 2], async (seed) => {
      const network = await FaultyNetwork.start(seed)
      assert.ok((await longestPause(network, { hosts: BOTH_ENDS, upTo: seconds(2) }, sites)) < 12_000)
    })
  }

  withEachSeed('where everybody is busy for up to 1 s at a time', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    assert.ok((await longestPause(network, { hosts: EVERYBODY, upTo: seconds(1) }, 1)) < 10_000)
  })
})
