import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hours, minutes } from '../../foundation/base/units.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { decodeSkimmedListing } from '../../protocol/wire/directory/listings.ts'
import { type FakeNode, startNetwork, type TestNetwork } from './support.test.ts'

const listed = async (network: TestNetwork): Promise<number[]> => {
  const { body } = await network.get('/v2/unstable/nym-nodes/skimmed')
  return decodeSkimmedListing(JSON.stringify(body)).items.map(({ nodeId }) => nodeId)
}

describe('keeping descriptions fresh', () => {
  it('a node stays through failed rounds, but not for ever', async () => {
    const network = await startNetwork()
    const [first] = network.nodes
    assert.ok(first)
    first.isUp = false
    // The refresh after 75 minutes fails, then the retries one and two minutes later.
    await network.simulation.runFor(minutes(77))
    assert.deepEqual(await listed(network), [1, 2, 3, 4, 5])
    await network.simulation.runFor(minutes(2))
    assert.deepEqual(await listed(network), [2, 3, 4, 5])
    assert.equal(network.meter.snapshot().directory_nodes_dropped_total, 1)
    first.isUp = true
    await network.simulation.runFor(minutes(10))
    assert.deepEqual(await listed(network), [1, 2, 3, 4, 5])
  })

  it('asks dead nodes less and less often', async () => {
    const network = await startNetwork({
      prepare: ([, second]) => second?.override.set('host-information', () => new Response('', { status: 500 })),
    })
    const polls = () => network.nodes[1]?.polls ?? 0
    await network.simulation.runFor(hours(1))
    assert.ok(polls() <= 7, String(polls()))
    await network.simulation.runFor(hours(10))
    assert.ok(polls() <= 16, String(polls()))
  })

  it('follows the bonded nodes', async () => {
    const network = await startNetwork()
    network.bonded.set(network.nodes.filter(({ nodeId }) => nodeId !== 3).map((node) => node.bonded))
    await network.simulation.runFor(minutes(2))
    assert.deepEqual(await listed(network), [1, 2, 4, 5])
    // The same place with another identity is another node.
    const identity = crypto.ed25519PublicKey(new Uint8Array(32).fill(99))
    network.bonded.set(network.nodes.map((node) => (node.nodeId === 3 ? { ...node.bonded, identity } : node.bonded)))
    await network.simulation.runFor(minutes(2))
    assert.deepEqual(await listed(network), [1, 2, 4, 5])
  })

  it('a change of wishes needs no new description', async () => {
    const network = await startNetwork()
    network.bonded.set(
      network.nodes.map((node) => ({ ...node.bonded, ...(node.kind === 'mix' && { layer: 1 as const }) })),
    )
    await network.simulation.runFor(minutes(2))
    const { body } = await network.get('/v1/nym-nodes/rewarded-set')
    assert.deepEqual((body as { layer1: number[] }).layer1, [1, 2, 3])
    assert.equal(network.nodes[0]?.polls, 1)
  })
})

describe('refresh-described', () => {
  it('describes a node at once, once a minute', async () => {
    const network = await startNetwork()
    const [first] = network.nodes
    assert.ok(first)
    first.hostname = 'first.example.org'
    assert.equal(await network.refresh(first), 200)
    const { body } = await network.get('/v1/nym-nodes/described')
    const [described] = (body as { data: { description: { host_information: { hostname: string } } }[] }).data
    assert.equal(described?.description.host_information.hostname, 'first.example.org')
    assert.equal(await network.refresh(first), 429)
    await network.simulation.runFor(minutes(1))
    assert.equal(await network.refresh(first), 200)
  })

  it('does later what it refused as too often', async () => {
    const network = await startNetwork()
    const [first] = network.nodes
    assert.ok(first)
    assert.equal(await network.refresh(first), 200)
    first.rotationId = 1
    const { polls } = first
    assert.equal(await network.refresh(first), 429)
    assert.equal(first.polls, polls)
    await network.simulation.runFor(minutes(1))
    assert.equal(first.polls, polls + 1)
  })

  it('refuses as official directories do', async () => {
    const network = await startNetwork()
    const [first] = network.nodes
    assert.ok(first)
    const now = Math.floor(network.world.clock.now() / 1000)
    const stranger = { ...first, identity: crypto.ed25519PublicKey(new Uint8Array(32).fill(9)) } as FakeNode
    assert.equal(await network.refresh(stranger), 404)
    assert.equal(await network.refresh(first, { seed: new Uint8Array(32).fill(9) }), 401)
    assert.equal(await network.refresh(first, { unixSeconds: now + 5 }), 400)
    assert.equal(await network.refresh(first, { unixSeconds: now - 31 }), 400)
    assert.equal(first.polls, 1)
    assert.equal(await network.refresh(first, { unixSeconds: now - 30 }), 200)
    const [, second] = network.nodes
    assert.ok(second)
    second.isUp = false
    assert.equal(await network.refresh(second), 422)
    assert.deepEqual(await listed(network), [1, 2, 3, 4, 5])
    const post = async (body: string) =>
      (await network.get('/v1/nym-nodes/refresh-described', { method: 'POST', body })).response.status
    assert.equal(await post('{}'), 400)
    assert.equal(await post(' '.repeat(5000)), 413)
    assert.equal((await network.get('/v1/nym-nodes/refresh-described')).response.status, 404)
  })

  it('finds a node that was bonded a moment ago', async () => {
    const network = await startNetwork()
    const [first] = network.nodes
    assert.ok(first)
    network.bonded.set(network.nodes.slice(1).map((node) => node.bonded))
    await network.simulation.runFor(minutes(2))
    assert.equal(await network.refresh(first), 404)
    network.bonded.set(network.nodes.map((node) => node.bonded))
    assert.equal(await network.refresh(first), 200)
    assert.deepEqual(await listed(network), [1, 2, 3, 4, 5])
  })
})
