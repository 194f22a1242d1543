/** What dies during a download of 5 MB, and what becomes of the download. @module */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import { minutes, seconds } from '../../src/foundation/base/units.ts'
import { CLIENT_REFRESH } from '../../src/network/topology/topologyProvider.ts'
import { EXIT, FaultyNetwork, FIVE_MEGABYTES, withEachSeed } from './support.test.ts'

const FREQUENT = { ...CLIENT_REFRESH, interval: seconds(15) }

describe('a download of 5 MB', () => {
  withEachSeed('completes although a mix node is killed', [1, 2], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client', 'tern')
    const download = network.download(client, FIVE_MEGABYTES)
    network.simulation.clock.after(network.between('kill', seconds(1), seconds(10)), () => network.kill('rook'))
    console.log(await network.complete(download, minutes(8)))
    assert.ok(network.counter(EXIT, 'client_retransmitted_total') > 0)
  })

  withEachSeed('completes although its entry gateway is killed and started again', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client', 'tern')
    const download = network.download(client, FIVE_MEGABYTES)
    network.simulation.clock.after(seconds(5), () => network.interrupt('tern', seconds(3)))
    console.log(await network.complete(download, minutes(8)))
    assert.deepEqual(client.events, ['opened', 'lost', 'opened'])
  })

  withEachSeed('completes although client and gateway cannot reach each other for 20 s', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client', 'tern')
    const download = network.download(client, FIVE_MEGABYTES)
    await network.simulation.runFor(seconds(5))
    network.simulation.clock.after(seconds(20), network.simulation.partition(['client'], ['tern']))
    console.log(await network.complete(download, minutes(8)), client.events)
  })

  withEachSeed('completes while the directory is gone and comes back', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client', 'tern')
    const download = network.download(client, FIVE_MEGABYTES)
    await network.simulation.runFor(seconds(5))
    network.interrupt('directory', seconds(10))
    console.log(await network.complete(download, minutes(8)), client.events)
  })

  withEachSeed('completes while the keys rotate', [1], async (seed) => {
    // The second rotation begins two minutes after the network: nodes ask for it every minute, and know it by then.
    const epochs = { epochLength: minutes(2), validityEpochs: 3, firstEpochId: 5 }
    const network = await FaultyNetwork.start(seed, { epochs })
    const { simulation } = network
    await simulation.runFor(seconds(105))
    const client = await network.anonymousClient('client', 'tern', { refresh: FREQUENT })
    const rotationBefore = client.mixnet.topology()?.rotationId
    await network.complete(network.download(client, 1000), seconds(30))
    console.log(
      await network.complete(network.download(client, FIVE_MEGABYTES), minutes(8)),
      client.events,
      client.counter('client_retransmitted_total'),
      network.counter(EXIT, 'client_retransmitted_total'),
      rotationBefore,
      client.mixnet.topology()?.rotationId,
    )
    await simulation.runFor(minutes(4))
    await network.complete(network.download(client, 100_000), minutes(1))
  })

  withEachSeed('fails in time where the exit is killed, and the next one works', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const client = await network.anonymousClient('client', 'tern')
    const download = network.download(client, FIVE_MEGABYTES).then(
      () => {},
      (e) => e,
    )
    await network.simulation.runFor(seconds(5))
    network.interrupt(EXIT, seconds(5))
    const t = network.simulation.clock.monotonic()
    const error = await network.complete(download, minutes(8))
    console.log(error, network.simulation.clock.monotonic() - t)
    assert.ok(isMixnetError(error))
    console.log(await network.complete(network.download(client, 100_000), minutes(1)))
  })
})
