/** The directory is away while nodes die and come back: they go on by what they knew, and forget no packet that they have seen. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { dial, HostileNetwork, read } from './simulatedNetwork.ts'
import { framesIn, Tap } from './tap.ts'

const REPLAYS = 'mix_dropped_total{reason="replay"}'

describe('nodes without their directory', { timeout: 120_000 }, () => {
  it('every node is killed and started again: clients are served, recorded packets are not, and the directory may come back', async () => {
    const taps = new Map<string, Tap>()
    const network = await HostileNetwork.start({
      noise: false,
      epochs: { epochLength: minutes(5), validityEpochs: 3 },
      worldOf: (name, world) => {
        const tap = new Tap()
        taps.set(name, tap)
        return tap.listenIn(world)
      },
    })
    const { simulation, testnet } = network
    const honest = await network.client()
    await network.assertServes(honest, 10_000)
    for (const tap of taps.values()) tap.stop()
    // A packet that dies in a node's memory has been nowhere yet, and its tag neither.
    await network.runFor(seconds(5))
    const names = testnet.nodes.map(({ plan }) => plan.name)
    const nodeOf = (name: string) => {
      const node = testnet.nodes.find(({ plan }) => plan.name === name)
      assert.ok(node)
      return node
    }

    simulation.crash('directory')
    for (const name of names) {
      simulation.crash(name)
      await network.complete(testnet.restartNode(name, simulation.restart(name)), minutes(1))
    }
    await network.assertServes(honest, 10_000)

    const attacker = network.attacker()
    for (const name of names) {
      const { links } = taps.get(name) as Tap
      assert.ok(framesIn(links) >= 5, `${name}: only ${framesIn(links)} frames recorded`)
      const before = read(nodeOf(name), REPLAYS)
      for (const link of links) {
        const { connection } = await network.complete(dial(attacker, nodeOf(name).running.endpoints.mix))
        connection.write(link.map((chunk) => chunk.slice()))
        await network.runFor(millis(500))
        connection.destroy()
      }
      assert.equal(read(nodeOf(name), REPLAYS) - before, framesIn(links), name)
    }
    await network.assertServes(honest)

    await network.complete(testnet.restartDirectory(simulation.restart('directory')))
    await network.complete(Promise.all(testnet.nodes.map(({ running }) => running.ready)), minutes(2))
    const rotations = () => testnet.nodes.map(({ running }) => running.status().keyRotation)
    await network.until('the keys have rotated', () => rotations().every((id) => id === 2), minutes(20))
    await network.runFor(seconds(330))
    await network.assertServes(honest, 10_000)
  })
})
