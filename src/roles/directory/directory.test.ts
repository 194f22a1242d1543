import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { toBase58 } from '../../foundation/base/base58.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { hours, millis, minutes, seconds } from '../../foundation/base/units.ts'
import { DirectoryClient } from '../../network/topology/directoryClient.ts'
import { clientTopologySource, nodeViewSource } from '../../network/topology/topologySources.ts'
import { decodeKeyRotationInfo, decodeRewardedSet } from '../../protocol/wire/directory/epochs.ts'
import { decodeSemiSkimmedListing, decodeSkimmedListing, sameEpoch } from '../../protocol/wire/directory/listings.ts'
import { MemoryBondedNodes } from './bondedNodes.ts'
import { Directory } from './directory.ts'
import { BUILD, NETWORK, startNetwork, type TestNetwork } from './support.test.ts'

const V2 = '/v2/unstable/nym-nodes'
const STATED = [`${V2}/skimmed/mixnodes/active`, `${V2}/skimmed/entry-gateways`, `${V2}/skimmed/exit-gateways`]

const text = async (network: TestNetwork, path: string): Promise<string> =>
  JSON.stringify((await network.get(path)).body)
const skimmed = async (network: TestNetwork, path: string = `${V2}/skimmed`) =>
  decodeSkimmedListing(await text(network, path))

describe('the directory', () => {
  it('becomes ready, and says so', async () => {
    const network = await startNetwork()
    await network.directory.ready
    const status = network.directory.status()
    assert.equal(status.problem, null)
    assert.equal(status.described, 5)
    assert.equal(status.epochId, 24)
    assert.equal(network.meter.snapshot().directory_usable, 1)
    assert.equal(network.meter.snapshot().directory_key_rotation, 1)
    await network.simulation.complete(network.directory.stop())
  })

  it('is not ready while a layer is empty, and becomes so when its node turns up', async () => {
    const network = await startNetwork({
      prepare([first]) {
        if (first) first.isUp = false
      },
    })
    assert.match(network.directory.status().problem ?? '', /layer 3 has no node/)
    const [first] = network.nodes
    assert.ok(first)
    first.isUp = true
    await network.simulation.runFor(minutes(2))
    await network.simulation.complete(network.directory.ready, millis(1))
    assert.equal(network.directory.status().problem, null)
  })

  it('rejects `ready` when it is stopped before', async () => {
    const network = await startNetwork({ kinds: ['mix'] })
    const refused = assert.rejects(network.directory.ready, (error: unknown) => isMixnetError(error, 'STOPPED'))
    await network.simulation.complete(network.directory.stop())
    await refused
    assert.equal(network.simulation.pendingCount, 0)
  })

  it('serves over the network where it is told to listen', async () => {
    const { simulation, world, nodes } = await startNetwork()
    const directory = await simulation.complete(
      Directory.start(world, {
        folder: 'second',
        listen: { host: '127.0.0.1', port: 0 },
        bonded: new MemoryBondedNodes(nodes.map((node) => node.bonded)),
        network: NETWORK,
        build: BUILD,
        describer: { allowLocalAddresses: true },
      }),
    )
    await simulation.complete(directory.ready)
    const url = `http://127.0.0.1:${directory.endpoint?.port}/api/v1/nym-nodes/rewarded-set`
    const response = await simulation.complete(world.net.request({ url, timeout: seconds(5), maxBodyBytes: 65_536 }))
    assert.equal(response.contentType, 'application/json')
    // What our clients and nodes make of it.
    const client = new DirectoryClient(world.net, { baseUrls: [`http://127.0.0.1:${directory.endpoint?.port}/api`] })
    const source = { clock: world.clock, directory: client }
    const { signal } = new AbortController()
    const topology = await simulation.complete(clientTopologySource(source)(signal))
    assert.deepEqual(
      topology.layers.map((layer) => layer.length),
      [1, 1, 1],
    )
    assert.equal(topology.gateways.size, 2)
    const view = await simulation.complete(nodeViewSource(source)(signal))
    assert.equal(view.addresses.size, 5)
    assert.equal(view.noiseKeys.size, 5)
    await simulation.complete(directory.stop())
  })

  it('switches rewarded set and listings together, at the second', async () => {
    const network = await startNetwork({ kinds: ['mix', 'mix', 'mix', 'mix', 'mix', 'mix', 'entry'] })
    const start = network.directory.status().epochEndsAtUnixMs - hours(1)
    for (const [at, epochId] of [
      [hours(1) - 1, 24],
      [hours(1), 25],
      [hours(2) - 1, 25],
      [hours(2), 26],
    ] as const) {
      await network.simulation.run(millis(start + at))
      const listing = await skimmed(network, STATED[0])
      const set = decodeRewardedSet(await text(network, '/v1/nym-nodes/rewarded-set'))
      const info = decodeKeyRotationInfo(await text(network, '/v1/epoch/key-rotation-info'))
      assert.deepEqual(
        [listing.metadata.absoluteEpochId, set.epochId, info.currentAbsoluteEpochId],
        [epochId, epochId, epochId],
      )
      assert.deepEqual([set.layer1.length, set.layer2.length, set.layer3.length], [2, 2, 2])
      for (const node of listing.items) {
        const layer = (
          [set.layer1, set.layer2, set.layer3].findIndex((ids) => ids.includes(node.nodeId)) + 1
        ).toString()
        assert.equal(node.role, `layer${layer}`)
      }
    }
  })

  it('serves the announced key from the instant of the rotation, and the new primary afterwards', async () => {
    const network = await startNetwork({ epochs: { validityEpochs: 3 } })
    const [node] = network.nodes
    assert.ok(node)
    const keyNow = async () => toBase58((await skimmed(network)).items[0]?.sphinxKey ?? new Uint8Array())
    const start = network.directory.status().epochEndsAtUnixMs - hours(1)
    assert.equal(await keyNow(), toBase58(node.sphinxKey(1)))
    // The last epoch of the rotation: nodes announce, the directory asks in its last quarter.
    await network.simulation.run(millis(start + hours(2.5)))
    for (const one of network.nodes) one.announcesNext = true
    await network.simulation.run(millis(start + hours(2.75) - 2))
    const before = node.polls
    await network.simulation.run(millis(start + hours(3) - 1))
    assert.ok(node.polls > before)
    assert.equal(await keyNow(), toBase58(node.sphinxKey(1)))
    await network.simulation.run(millis(start + hours(3)))
    const switched = await skimmed(network)
    assert.equal(switched.metadata.rotationId, 2)
    assert.deepEqual(
      switched.items.map(({ sphinxKey }) => toBase58(sphinxKey)),
      network.nodes.map((one) => toBase58(one.sphinxKey(2))),
    )
    for (const one of network.nodes) Object.assign(one, { rotationId: 2, announcesNext: false })
    await network.simulation.runFor(hours(2))
    assert.equal(await keyNow(), toBase58(node.sphinxKey(2)))
  })

  it('asks a node without a key for the rotation again and again', async () => {
    const network = await startNetwork({ epochs: { validityEpochs: 3 } })
    const [node] = network.nodes
    assert.ok(node)
    const start = network.directory.status().epochEndsAtUnixMs - hours(1)
    await network.simulation.run(millis(start + hours(3) + minutes(1)))
    node.rotationId = 2
    await network.simulation.runFor(minutes(1.5))
    assert.deepEqual((await skimmed(network)).items[0]?.sphinxKey, node.sphinxKey(2))
  })

  it('goes on with epochs and roles after a restart', async () => {
    const network = await startNetwork({ kinds: ['mix', 'mix', 'mix', 'mix', 'mix', 'entry', 'entry'] })
    await network.simulation.runFor(hours(5.25))
    const set = await text(network, '/v1/nym-nodes/rewarded-set')
    const info = await text(network, '/v1/epoch/key-rotation-info')
    await network.restart()
    assert.equal((await network.get('/v1/nym-nodes/rewarded-set')).response.status, 503)
    assert.equal(await text(network, '/v1/epoch/key-rotation-info'), info)
    await network.simulation.complete(network.directory.ready)
    assert.equal(await text(network, '/v1/nym-nodes/rewarded-set'), set)
  })

  it('adds nodes that turn up within an epoch and moves none', async () => {
    const late = [5, 6]
    const network = await startNetwork({
      kinds: ['mix', 'mix', 'mix', 'entry', 'mix', 'mix'],
      prepare(nodes) {
        for (const node of nodes) node.isUp = !late.includes(node.nodeId)
      },
    })
    const before = decodeRewardedSet(await text(network, '/v1/nym-nodes/rewarded-set'))
    for (const node of network.nodes) node.isUp = true
    await network.simulation.runFor(minutes(2))
    const after = decodeRewardedSet(await text(network, '/v1/nym-nodes/rewarded-set'))
    for (const layer of ['layer1', 'layer2', 'layer3'] as const) {
      assert.ok(before[layer].every((id) => after[layer].includes(id)))
    }
    const all = [...after.layer1, ...after.layer2, ...after.layer3]
    assert.deepEqual(all.sort(), [1, 2, 3, 5, 6])
  })

  it('property: listings fetched at one instant belong together, whatever happens', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ wait: fc.integer({ min: 1, max: 25 * 60_000 }), node: fc.nat(4), isUp: fc.boolean() }), {
          minLength: 1,
          maxLength: 12,
        }),
        async (steps) => {
          const network = await startNetwork({ epochs: { epochLength: minutes(20), validityEpochs: 3 } })
          for (const { wait, node, isUp } of steps) {
            const changing = network.nodes[node]
            if (changing) changing.isUp = isUp
            await network.simulation.runFor(millis(wait))
            const stated = []
            for (const path of STATED) stated.push((await skimmed(network, path)).metadata)
            const [first, ...others] = stated
            assert.ok(first && others.every((other) => sameEpoch(first, other)))
            const all = (await skimmed(network)).metadata
            const semi = decodeSemiSkimmedListing(await text(network, `${V2}/semi-skimmed`)).metadata
            const set = decodeRewardedSet(await text(network, '/v1/nym-nodes/rewarded-set'))
            const info = decodeKeyRotationInfo(await text(network, '/v1/epoch/key-rotation-info'))
            for (const one of [all, semi]) {
              assert.deepEqual([one.absoluteEpochId, one.rotationId], [first.absoluteEpochId, first.rotationId])
            }
            assert.equal(set.epochId, first.absoluteEpochId)
            assert.equal(info.currentAbsoluteEpochId, first.absoluteEpochId)
            assert.equal(info.currentKeyRotationId, first.rotationId)
          }
        },
      ),
      { numRuns: 5 },
    )
  })
})
