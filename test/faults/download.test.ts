/** What dies during a download of 5 MB, and what becomes of the download. Undisturbed it takes 20 s, and 3 s without cover. @module */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import { millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { CLIENT_REFRESH } from '../../src/network/topology/topologyProvider.ts'
import { EXIT, FaultyNetwork, FIVE_MEGABYTES, failureOf, WITHOUT_COVER, withEachSeed } from './support.test.ts'

describe('a download of 5 MB', () => {
  withEachSeed('completes although a mix node is killed', [1, 2], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client', 'tern')
    const download = network.download(client, FIVE_MEGABYTES)
    network.simulation.clock.after(network.between('kill', seconds(1), seconds(10)), () => network.kill('rook'))
    // Half of all routes lead nowhere until the directory notices and the client asks it: less than half a minute.
    await network.complete(download, seconds(90))
    assert.ok(network.counter(EXIT, 'client_retransmitted_total') > 0)
  })

  withEachSeed('completes although its entry gateway is killed and started again', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client', 'tern')
    const download = network.download(client, FIVE_MEGABYTES)
    network.simulation.clock.after(seconds(5), () => network.interrupt('tern', seconds(3)))
    await network.complete(download, minutes(1))
    assert.deepEqual(client.events, ['connecting', 'open', 'lost', 'open'])
  })

  withEachSeed('completes although client and gateway cannot reach each other for 20 s', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client', 'tern')
    const download = network.download(client, FIVE_MEGABYTES)
    await network.simulation.runFor(seconds(5))
    network.simulation.clock.after(seconds(20), network.simulation.partition(['client'], ['tern']))
    await network.complete(download, minutes(2))
    assert.equal(client.events.at(-1), 'open')
  })

  withEachSeed('completes although its entry gateway is killed for good: the client moves', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client')
    const first = network.gatewayOf(client)
    const download = network.download(client, FIVE_MEGABYTES)
    network.simulation.clock.after(seconds(5), () => network.kill(first))
    await network.complete(download, minutes(4))
    assert.notEqual(network.gatewayOf(client), first)
  })

  withEachSeed('completes although the client moves away from a gateway that lives', [1, 2], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client', undefined, { traffic: WITHOUT_COVER })
    const first = network.gatewayOf(client)
    const download = network.download(client, FIVE_MEGABYTES)
    await network.simulation.runFor(network.between('cut', millis(500), millis(1500)))
    const mend = network.simulation.partition(['client'], [first])
    await network.runUntil(() => network.gatewayOf(client) !== first && client.events.at(-1) === 'moved', minutes(3))
    // What the exit sent meanwhile is in the inbox of the old gateway, acknowledged: nobody sends it again.
    assert.ok(network.counter(first, 'gateway_inbox_bytes') > 0)
    await network.simulation.runFor(seconds(20))
    mend()
    await network.complete(download, minutes(2))
    assert.notEqual(network.gatewayOf(client), first)
    await network.complete(network.download(client, 100_000), seconds(30))
  })

  withEachSeed('fails in time where the old gateway keeps a part of it for good', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client', undefined, { traffic: WITHOUT_COVER })
    const first = network.gatewayOf(client)
    const download = failureOf(network.download(client, FIVE_MEGABYTES))
    await network.simulation.runFor(network.between('cut', millis(500), millis(1500)))
    network.simulation.partition(['client'], [first])
    const failure = await network.complete(download, minutes(8))
    assert.ok(isMixnetError(failure, 'EXIT_UNREACHABLE'), String(failure))
    await network.complete(network.download(client, 100_000), seconds(30))
  })

  withEachSeed('does not notice that the directory is gone for a while', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client', 'tern')
    const download = network.download(client, FIVE_MEGABYTES)
    await network.simulation.runFor(seconds(5))
    network.interrupt('directory', seconds(10))
    await network.complete(download, seconds(30))
    assert.deepEqual(client.events, ['connecting', 'open'])
  })

  withEachSeed('completes while the keys rotate', [1], async (seed) => {
    // Rotation 2 begins with epoch 6; local nodes ask the directory every minute, and so know its keys by then.
    const epochs = { epochLength: seconds(70), validityEpochs: 3, firstEpochId: 5 }
    const network = await FaultyNetwork.start(seed, { epochs })
    const { simulation } = network
    await simulation.runFor(millis(seconds(68) - simulation.clock.monotonic()))
    const refresh = { ...CLIENT_REFRESH, interval: seconds(7) }
    const client = await network.anonymousClient('client', 'tern', { refresh, traffic: WITHOUT_COVER })
    assert.equal(client.mixnet.topology()?.rotationId, 1)
    await network.complete(network.download(client, FIVE_MEGABYTES), minutes(1))
    assert.ok(simulation.clock.monotonic() > seconds(71), 'it was over before')
    await simulation.runFor(seconds(10))
    assert.equal(client.mixnet.topology()?.rotationId, 2)
    // The nodes forget the old keys one epoch after the rotation.
    await simulation.runFor(seconds(70))
    await network.complete(network.download(client, 100_000), minutes(1))
  })

  withEachSeed('fails where the exit is killed, and the next one works', [1, 2], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client', 'tern', { traffic: WITHOUT_COVER })
    const download = failureOf(network.download(client, FIVE_MEGABYTES))
    await network.simulation.runFor(network.between('kill', millis(500), millis(1500)))
    network.kill(EXIT)
    const meanwhile = await network.complete(failureOf(network.download(client, 1000)), seconds(31))
    assert.ok(isMixnetError(meanwhile, 'EXIT_UNREACHABLE'))
    await network.complete(network.revive(EXIT), seconds(10))
    await network.complete(network.download(client, 100_000), seconds(30))
    // The exit learns of the old connection by its keep-alives, waits for the connect that belongs to them, and says so.
    const failure = await network.complete(download, seconds(150))
    assert.ok(isMixnetError(failure, 'CONNECTION_CLOSED'), String(failure))
  })
})
