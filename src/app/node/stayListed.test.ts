import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { minutes, seconds } from '../../foundation/base/units.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import { StayListed } from './stayListed.ts'

describe('a node that its directory does not list', () => {
  it('asks until it is listed, and again when it is dropped', async () => {
    const simulation = new Simulation({ seed: 'listed', crypto: nullProvider })
    let listed = false
    let asked = 0
    const listing = new StayListed({
      clock: simulation.clock,
      isListed: () => listed,
      ask: async () => {
        listed = ++asked % 3 === 0
      },
      first: seconds(1),
    })
    listing.check()
    await simulation.runFor(minutes(10))
    assert.equal(asked, 3)
    listed = false
    listing.check()
    await simulation.runFor(minutes(10))
    assert.equal(asked, 6)
    listing.stop()
  })

  it('asks once a minute at most, and no more once it has stopped', async () => {
    const simulation = new Simulation({ seed: 'never listed', crypto: nullProvider })
    let asked = 0
    const listing = new StayListed({
      clock: simulation.clock,
      isListed: () => false,
      ask: async () => {
        asked++
      },
      first: seconds(1),
    })
    listing.check()
    listing.check()
    await simulation.runFor(minutes(60))
    assert.ok(asked > 55 && asked < 70, String(asked))
    listing.stop()
    const before = asked
    await simulation.runFor(minutes(5))
    assert.equal(asked, before)
  })
})
