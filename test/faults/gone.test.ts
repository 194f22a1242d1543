/** What is gone for long or for good: a gateway, a whole layer, the directory. @module */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import { minutes, seconds } from '../../src/foundation/base/units.ts'
import { FaultyNetwork, failureOf, MIXES, WITHOUT_COVER, withEachSeed } from './support.test.ts'

describe('gone', () => {
  withEachSeed('the entry gateway, for good: the client moves to another by itself', [1, 2], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client', undefined, { traffic: WITHOUT_COVER })
    const first = network.gatewayOf(client)
    await network.complete(network.download(client, 50_000), minutes(1))
    network.kill(first)
    await network.runUntil(() => network.gatewayOf(client) !== first && client.events.at(-1) === 'moved', minutes(3))
    await network.complete(network.download(client, 50_000), minutes(1))
  })

  withEachSeed('every mix node of a layer: requests fail in time, and work when they are back', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client', 'tern', { traffic: WITHOUT_COVER })
    await network.complete(network.download(client, 50_000), minutes(1))
    const layer = [MIXES[1], MIXES[4]]
    network.kill(...layer)
    for (let i = 0; i < 4; i++) {
      const error = await network.complete(failureOf(network.download(client, 50_000)), seconds(31))
      assert.ok(isMixnetError(error, 'EXIT_UNREACHABLE'))
    }
    await network.complete(network.revive(...layer), seconds(10))
    await network.simulation.runFor(seconds(5))
    await network.complete(network.download(client, 50_000), minutes(1))
  })

  withEachSeed('the directory, for twenty minutes: whoever is in the network stays in it', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client', 'tern', { traffic: WITHOUT_COVER })
    const { epochId } = client.mixnet.topology() ?? {}
    network.kill('directory')
    for (let i = 0; i < 4; i++) {
      await network.simulation.runFor(minutes(5))
      await network.complete(network.download(client, 50_000), minutes(1))
    }
    await network.complete(network.revive('directory'), seconds(10))
    await network.simulation.runFor(minutes(6))
    assert.equal(client.mixnet.topology()?.epochId, epochId)
    const newcomer = await network.anonymousClient('newcomer', 'plover', { traffic: WITHOUT_COVER })
    for (const one of [client, newcomer]) await network.complete(network.download(one, 50_000), minutes(1))
  })
})
