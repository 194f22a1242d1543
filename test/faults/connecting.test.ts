/** A client that cannot connect, and one that is closed at a bad moment: what it says, when, and what it leaves behind. @module */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import { millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { ENTRIES, EXIT, FaultyNetwork, failureOf, WITHOUT_COVER, withEachSeed } from './support.test.ts'

describe('connecting', () => {
  withEachSeed('gives up after its limit, however many steps took how long', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const { simulation } = network
    network.kill(...ENTRIES, EXIT)
    // The directory answers late, and no gateway ever.
    const world = simulation.host('late', { ips: ['10.3.0.1'] })
    simulation.clock.after(seconds(8), simulation.partition(['late'], ['directory']))
    const startedAt = simulation.clock.monotonic()
    const failure = await network.complete(
      failureOf(network.connect(world, { connectTimeout: seconds(20) })),
      minutes(2),
    )
    assert.ok(isMixnetError(failure), String(failure))
    const took = simulation.clock.monotonic() - startedAt
    assert.ok(took > seconds(8) && took <= seconds(20.1), `${took}`)
  })

  withEachSeed('a proxy that was asked for while the client closes does not stay', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const { mixnet } = await network.anonymousClient('client', 'tern', { traffic: WITHOUT_COVER })
    const opening = failureOf(mixnet.proxy({ host: '127.0.0.1', port: 1080 }))
    await network.complete(mixnet.close(), seconds(5))
    assert.ok(isMixnetError(await network.complete(opening, seconds(5)), 'STOPPED'))
    const late = failureOf(mixnet.proxy({ host: '127.0.0.1', port: 1080 }))
    assert.ok(isMixnetError(await network.complete(late, seconds(5)), 'STOPPED'))
    await network.simulation.runFor(millis(1000))
  })
})
