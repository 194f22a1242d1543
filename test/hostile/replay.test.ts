/**
 * Packets that were on the wire once, on the wire again: somebody who recorded a node's links for a minute plays everything back at
 * once; after the node was restarted, after it was killed, after its key was rotated. Nothing of it may go anywhere. @module
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { millis, seconds } from '../../src/foundation/base/units.ts'
import { CLIENT_REFRESH } from '../../src/network/topology/topologyProvider.ts'
import { dial, HostileNetwork, read } from './simulatedNetwork.ts'
import { framesIn, Tap } from './tap.ts'

const dropped = (reason: string): string => `mix_dropped_total{reason="${reason}"}`
const EPOCH = seconds(60)

describe('replays', { timeout: 120_000 }, () => {
  it('a recorded minute is dropped whole: at once, after a restart, after kill -9, after a rotation', async () => {
    const taps = new Map<string, Tap>()
    const network = await HostileNetwork.start({
      noise: false,
      epochs: { epochLength: EPOCH, validityEpochs: 3 },
      worldOf: (name, world) => {
        const tap = new Tap()
        taps.set(name, tap)
        return tap.listenIn(world)
      },
    })
    const started = network.simulation.clock.monotonic()
    const honest = await network.client({ refresh: { ...CLIENT_REFRESH, interval: seconds(15) } })
    await network.assertServes(honest, 20_000)
    await network.runFor(seconds(50))
    for (const tap of taps.values()) tap.stop()
    const { simulation, testnet } = network
    // All of them: what a gateway delivers, and what an exit does, must not happen twice either.
    const names = testnet.nodes.map(({ plan }) => plan.name)
    const attacker = network.attacker()

    /** Plays everything back to every node; how many frames that was, and how they were counted. */
    const replay = async (reasons: readonly string[]): Promise<void> => {
      for (const name of names) {
        const node = testnet.nodes.find(({ plan }) => plan.name === name)
        assert.ok(node)
        const { links } = taps.get(name) as Tap
        const frames = framesIn(links)
        assert.ok(frames > 20, `${name}: only ${frames} frames recorded`)
        const count = () => reasons.reduce((sum, reason) => sum + read(node, dropped(reason)), 0)
        const before = { dropped: count(), connected: read(node, 'exit_connected_total') }
        for (const link of links) {
          const peer = await network.complete(dial(attacker, node.running.endpoints.mix))
          peer.connection.write(link.map((chunk) => chunk.slice()))
          await network.runFor(millis(500))
          peer.connection.destroy()
        }
        const grown = count() - before.dropped
        // Packets of whoever has not heard of the new keys are refused as well, in the minutes after they have come.
        const isAll = reasons.includes('replay') ? grown === frames : grown >= frames
        assert.ok(
          isAll,
          `${name} dropped ${grown} of ${frames} for ${reasons}: ${JSON.stringify(node.meter.snapshot())}`,
        )
        assert.equal(read(node, 'exit_connected_total'), before.connected, 'an old connect request was acted upon')
      }
    }
    await replay(['replay'])
    await network.assertServes(honest)

    for (const name of names) {
      const node = testnet.nodes.find(({ plan }) => plan.name === name)
      await network.complete(node?.running.stop() ?? Promise.resolve())
      await network.complete(testnet.restartNode(name, simulation.restart(name)))
    }
    await replay(['replay'])

    for (const name of names) {
      simulation.crash(name)
      await network.complete(testnet.restartNode(name, simulation.restart(name)))
    }
    await replay(['replay'])
    await network.assertServes(honest)

    // The first epoch of the next rotation: the old key still opens packets, and the old filter still knows them.
    const rotation = () => testnet.nodes.map(({ running }) => running.status().keyRotation)
    await network.until('the keys have rotated', () => rotation().every((id) => id === 2), seconds(240))
    const rotated = simulation.clock.monotonic()
    assert.ok(rotated - started > 2 * EPOCH)
    await replay(['replay'])
    await network.assertServes(honest)

    // After it nobody can open them any more, whatever the flag of the frame says.
    await network.runFor(millis(rotated + EPOCH + 5000 - simulation.clock.monotonic()))
    await replay(['expired-key', 'mac'])
    await network.until('the keys have rotated again', () => rotation().every((id) => id === 3), seconds(240))
    await replay(['expired-key', 'mac'])
    await network.assertServes(honest)
    for (const node of testnet.nodes) assert.equal(read(node, 'mix_pool') < 50, true)
  })
})
