import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toBase58 } from '../../foundation/base/base58.ts'
import { millis } from '../../foundation/base/units.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import { decodeNodeAddress } from '../../protocol/packet/nodeAddress.ts'
import type { RewardedSet } from '../../protocol/wire/directory/epochs.ts'
import type { ListingMetadata } from '../../protocol/wire/directory/listings.ts'
import type { SkimmedNode } from '../../protocol/wire/directory/skimmedNodes.ts'
import { gatewayUrls, usableGateways } from './gatewaySelection.ts'
import { buildNodeView } from './nodeView.ts'
import { selectRoute, selectRouteNodes } from './routes.ts'
import { buildTopology, type Topology, type TopologyNode } from './topology.ts'

const NOW = millis(1_800_000_000_000)
const METADATA: ListingMetadata = {
  status: { kind: 'unstated' },
  absoluteEpochId: 730,
  rotationId: 30,
  refreshedAt: NOW,
}
const SET: RewardedSet = {
  epochId: 730,
  entryGateways: [7],
  exitGateways: [8],
  layer1: [1, 2],
  layer2: [3, 4],
  layer3: [5, 6],
  standby: [],
}

const identityOf = (nodeId: number): Uint8Array => new Uint8Array(32).fill(nodeId)

function nodeOf(nodeId: number, over: Partial<SkimmedNode> = {}): SkimmedNode {
  const gateway = nodeId >= 7
  return {
    nodeId,
    identity: identityOf(nodeId),
    ipAddresses: [`10.0.0.${nodeId}`],
    mixPort: 1789,
    sphinxKey: new Uint8Array(32).fill(100 + nodeId),
    role: gateway ? 'entryGateway' : 'layer1',
    supportedRoles: { mixnode: !gateway, entry: gateway, exitNr: false, exitIpr: false },
    entry: gateway ? { hostname: undefined, wsPort: 9000, wssPort: undefined } : undefined,
    performance: 0.97,
    ...over,
  }
}

const mix = (nodeId: number, over?: Partial<SkimmedNode>): TopologyNode => ({
  node: nodeOf(nodeId, over),
  gateway: false,
})
const gate = (nodeId: number, over?: Partial<SkimmedNode>): TopologyNode => ({
  node: nodeOf(nodeId, over),
  gateway: true,
})
const NODES: readonly TopologyNode[] = [1, 2, 3, 4, 5, 6].map((id) => mix(id)).concat([7, 8].map((id) => gate(id)))

function build(nodes = NODES, set: Partial<RewardedSet> = {}, metadata: Partial<ListingMetadata> = {}): Topology {
  return buildTopology({ nodes, rewardedSet: { ...SET, ...set }, metadata: { ...METADATA, ...metadata }, now: NOW })
}

const idsOf = (nodes: Iterable<{ nodeId: number }>): number[] => [...nodes].map(({ nodeId }) => nodeId)

/** Gives the numbers of `draws` in turn, over and over. */
function randomOf(...draws: number[]): RandomStream {
  let i = 0
  const uniform = (): number => draws[i++ % draws.length] as number
  return {
    uniform,
    u32: () => Math.floor(uniform() * 2 ** 32),
    fill: (target) => target,
    bytes: (n) => new Uint8Array(n),
  }
}

const unavailable = (why: string) => ({ code: 'TOPOLOGY_UNAVAILABLE', details: { why } })

describe('building', () => {
  test('layers by the rewarded set, gateways by the listing', () => {
    const topology = build()
    assert.deepEqual(topology.layers.map(idsOf), [
      [1, 2],
      [3, 4],
      [5, 6],
    ])
    assert.deepEqual(idsOf(topology.gateways.values()), [7, 8])
    assert.deepEqual([topology.epochId, topology.rotationId, topology.rotationFlag], [730, 30, 2])
    assert.equal(topology.nodesById.get(4)?.layer, 2)
    assert.equal(topology.nodesById.get(7)?.layer, undefined)
    assert.equal(topology.gateways.get(toBase58(identityOf(8)))?.nodeId, 8)
    assert.equal(topology.validUntil, NOW + 3_600_000)
  })

  test('the rotation flag: odd 1, even 2, the first and the unknown 0', () => {
    const flags = [0, 1, 2, 0xffff_ffff].map((rotationId) => build(NODES, {}, { rotationId }).rotationFlag)
    assert.deepEqual(flags, [0, 1, 2, 0])
  })

  test('valid until the end of the epoch where that is stated', () => {
    const interval = {
      id: 1,
      epochsInInterval: 720,
      currentEpochStart: NOW,
      currentEpochId: 10,
      epochLength: millis(60_000),
      totalElapsedEpochs: 730,
    }
    assert.equal(build(NODES, {}, { status: { kind: 'fresh', interval } }).validUntil, NOW + 60_000)
  })

  test('a gateway record wins over the same node among the mix nodes', () => {
    const topology = build([...NODES, gate(2, { mixPort: 1999 })])
    assert.equal(topology.layers[0][1]?.address.port, 1999)
    assert.ok(topology.gateways.has(toBase58(identityOf(2))))
  })

  test('nodes below half performance and nodes without an address are left out', () => {
    const topology = build([
      ...NODES.filter(({ node }) => node.nodeId !== 2 && node.nodeId !== 4 && node.nodeId !== 5),
      mix(2, { performance: 0.499 }),
      mix(4, { ipAddresses: [] }),
      mix(5, { performance: 0.5 }),
    ])
    assert.deepEqual(topology.layers.map(idsOf), [[1], [3], [5, 6]])
  })

  test('nodes of the rewarded set without details, and details without a role, are ignored', () => {
    const topology = build([...NODES, mix(9)], { layer1: [1, 99, 1], standby: [9] })
    assert.deepEqual(idsOf(topology.layers[0]), [1])
    assert.ok(topology.nodesById.has(9))
  })

  const refused: [string, Partial<RewardedSet>, string][] = [
    ['another epoch', { epochId: 729 }, 'the rewarded set is of another epoch'],
    ['a layer of unknown nodes', { layer2: [98, 99] }, 'layer 2 has no known node'],
    ['an empty layer', { layer3: [] }, 'layer 3 has no known node'],
    ['no gateway', { entryGateways: [], exitGateways: [] }, 'the rewarded set has no gateway'],
  ]
  for (const [what, set, why] of refused) {
    test(`refused: ${what}`, () => assert.throws(() => build(NODES, set), unavailable(why)))
  }

  test('hops are the padded address and the sphinx key', () => {
    const { hop, address } = build().nodesById.get(3) ?? assert.fail()
    assert.equal(hop.address.length, 32)
    assert.deepEqual(decodeNodeAddress(hop.address).address, address)
    assert.deepEqual(hop.publicKey, new Uint8Array(32).fill(103))
  })
})

describe("a node's view", () => {
  const noiseKey = (byte: number) => ({ supportedVersion: 1, publicKey: new Uint8Array(32).fill(byte) })

  test('allows every announced address and knows Noise keys by canonical IP', () => {
    const items = [
      ...NODES.map(({ node }) => ({ basic: node, noiseKey: undefined })),
      { basic: nodeOf(9, { ipAddresses: ['::ffff:10.0.0.99', '2001:db8::9'], performance: 0 }), noiseKey: noiseKey(9) },
    ]
    const listing = { metadata: METADATA, pagination: { total: 9, page: 0, size: 9 }, items }
    const view = buildNodeView({ listing, rewardedSet: SET, now: NOW })
    assert.deepEqual(
      ['10.0.0.1', '10.0.0.99', '2001:db8::9', '::ffff:10.0.0.99', '10.0.0.50'].map((ip) => view.addresses.has(ip)),
      [true, true, true, false, false],
    )
    assert.deepEqual([...(view.addresses.get('10.0.0.1') ?? [])], [1789], 'at its mix port, and at no other')
    assert.deepEqual([...view.noiseKeys.keys()], ['10.0.0.99', '2001:db8::9'])
    assert.deepEqual(idsOf(view.topology.gateways.values()), [7, 8])
    assert.equal(view.topology.nodesById.has(9), false, 'performs too badly for routes, but may be sent to')
  })

  test('refuses a rewarded set of another epoch', () => {
    const items = NODES.map(({ node }) => ({ basic: node, noiseKey: undefined }))
    const listing = { metadata: METADATA, pagination: { total: 8, page: 0, size: 8 }, items }
    assert.throws(
      () => buildNodeView({ listing, rewardedSet: { ...SET, epochId: 731 }, now: NOW }),
      unavailable('the rewarded set is of another epoch'),
    )
  })
})

describe('routes', () => {
  const topology = build()

  test("one node of each layer in order, then the recipient's gateway", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 3, maxLength: 3 }), (draws) => {
        const route = selectRouteNodes(topology, randomOf(...draws), identityOf(8))
        assert.deepEqual(
          route.map(({ layer, nodeId }) => layer ?? nodeId),
          [1, 2, 3, 8],
        )
        assert.deepEqual(
          selectRoute(topology, randomOf(...draws), identityOf(8)),
          route.map(({ hop }) => hop),
        )
      }),
    )
  })

  test('uniformly, whatever the performance', () => {
    const draws = [0, 0.49, 0.51, 0.99].map(
      (draw) => selectRouteNodes(topology, randomOf(draw), identityOf(7))[0]?.nodeId,
    )
    assert.deepEqual(draws, [1, 1, 2, 2])
  })

  test('weighted by performance where asked for', () => {
    const uneven = build([
      ...NODES.filter(({ node }) => node.nodeId !== 1),
      mix(1, { performance: 0.5 }),
      mix(2, { performance: 1 }),
    ])
    const chosen = [0, 0.32, 0.34, 0.999].map(
      (draw) => selectRouteNodes(uneven, randomOf(draw), identityOf(7), { weight: 'performance' })[0]?.nodeId,
    )
    assert.deepEqual(chosen, [1, 1, 2, 2])
  })

  test('the gateway may have any role', () => {
    assert.deepEqual(idsOf(selectRouteNodes(topology, randomOf(0), identityOf(2))), [1, 3, 5, 2])
  })

  test('NO_ROUTE to an unknown gateway', () => {
    assert.throws(() => selectRoute(topology, randomOf(0), identityOf(77)), { code: 'NO_ROUTE' })
  })
})

describe('entry gateways', () => {
  const describe7 = (entry: SkimmedNode['entry'], over: Partial<SkimmedNode> = {}) =>
    [...build([...NODES.slice(0, 6), gate(7, { entry, ...over })]).gateways.values()][0] ?? assert.fail()

  test('URL candidates', () => {
    const plain = describe7(
      { hostname: undefined, wsPort: 9000, wssPort: undefined },
      { ipAddresses: ['10.0.0.7', '2001:db8::7'] },
    )
    assert.deepEqual(gatewayUrls(plain), ['ws://10.0.0.7:9000/', 'ws://[2001:db8::7]:9000/'])
    assert.deepEqual(gatewayUrls(plain, { forceTls: true }), [])
    const named = describe7({ hostname: 'gw.example.org', wsPort: 9000, wssPort: 9001 })
    assert.deepEqual(gatewayUrls(named), ['ws://gw.example.org:9000/', 'ws://10.0.0.7:9000/'])
    assert.deepEqual(gatewayUrls(named, { forceTls: true }), ['wss://gw.example.org:9001/'])
    assert.deepEqual(gatewayUrls(describe7(undefined)), [])
  })

  test('only usable ones', () => {
    const unreachable = gate(10, { entry: undefined })
    const gateways = [...build([...NODES, gate(9), unreachable]).gateways.values()]
    assert.deepEqual(idsOf(usableGateways({ gateways })), [7, 8, 9])
    assert.deepEqual(usableGateways({ gateways, forceTls: true }), [])
  })
})
