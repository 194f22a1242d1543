import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MixnetError } from '../../foundation/base/errors.ts'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { minutes, seconds } from '../../foundation/base/units.ts'
import type { World } from '../../foundation/platform/world.ts'
import { DirectoryClient } from '../../network/topology/directoryClient.ts'
import { clientTopologySource, nodeViewSource } from '../../network/topology/topologySources.ts'
import { decodeAccountAddress, encodeAccountAddress } from '../../protocol/wire/directory/accountAddress.ts'
import { decodeApiHealth } from '../../protocol/wire/directory/apiStatus.ts'
import { decodeCurrentEpoch, decodeKeyRotationInfo, decodeRewardedSet } from '../../protocol/wire/directory/epochs.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'
import {
  decodeRewardingParams,
  decodeSaturation,
  decodeSupply,
  readNodeDetails,
} from '../../protocol/wire/directory/ledgerAnswers.ts'
import { decodeSkimmedListing, readPage } from '../../protocol/wire/directory/listings.ts'
import type { EpochRole } from '../../protocol/wire/directory/skimmedNodes.ts'
import { decodeTopologyBundle, type TopologyBundle } from '../../protocol/wire/directory/topologyBundle.ts'
import { contractsOf } from './ledgerApi.ts'
import { LedgerNetwork, type LedgerNetworkParams } from './ledgerNetwork.ts'
import type { LedgerNode, LedgerSnapshot, LedgerSource } from './ledgerSnapshot.ts'
import { type FakeNode, type Kind, startNetwork, type TestNetwork } from './support.test.ts'

const ONE = 10n ** 18n
const LENGTH = 60
const ROLES: readonly EpochRole[] = ['layer1', 'layer2', 'layer3', 'entryGateway', 'exitGateway']
/** A spare one that can do everything. */
const KINDS: readonly Kind[] = ['mix', 'mix', 'mix', 'entry', 'exit', 'all']

/** A ledger whose blocks a test writes: one snapshot a block, the last is the newest. */
class FakeSource implements LedgerSource {
  readonly blocks: LedgerSnapshot[] = []
  isAway = false
  asked = 0
  bundle: TopologyBundle | undefined
  topologiesRead = 0

  topology(epochId: number): Promise<TopologyBundle | undefined> {
    this.topologiesRead++
    return Promise.resolve(this.bundle?.epochId === epochId ? this.bundle : undefined)
  }

  snapshot(confirmations: number): Promise<LedgerSnapshot> {
    this.asked++
    if (this.isAway) return Promise.reject(new MixnetError('TIMEOUT', { what: 'ledger' }))
    return Promise.resolve(this.blocks[Math.max(0, this.blocks.length - 1 - confirmations)] as LedgerSnapshot)
  }

  get last(): LedgerSnapshot {
    return this.blocks.at(-1) as LedgerSnapshot
  }

  /** The next block. */
  add(change: Partial<LedgerSnapshot> = {}, count = 1): void {
    for (let i = 0; i < count; i++) {
      const { number, time } = this.last.block
      this.blocks.push({ ...this.last, ...change, block: { number: number + 1, time: time + 2 } })
    }
  }

  /** The next epoch, in which each node is what `roles` says. */
  advance(roles: readonly EpochRole[] = ROLES, scores: readonly number[] = []): void {
    const { epochId, epochStart, interval, nodes } = this.last
    this.add({
      epochId: epochId + 1,
      epochStart: epochStart + LENGTH,
      interval: { ...interval, currentEpochId: interval.currentEpochId + 1 },
      nodes: nodes.map((node, i) => ({ ...node, role: roles[i] ?? 'inactive', score: scores[i] ?? node.score })),
    })
  }
}

const ledgerNode = ({ nodeId, identity, ip }: FakeNode, i: number): LedgerNode => ({
  nodeId,
  identity,
  owner: new Uint8Array(20).fill(nodeId),
  host: ip,
  httpPort: undefined,
  isUnbonding: false,
  bondedInEpoch: 3,
  bondedAt: 1_700_000_000,
  originalPledge: 100_000_000n,
  operator: 100_000_000n * ONE + 5n,
  delegates: BigInt(i) * 250_000_000_000n * ONE,
  totalUnitReward: 7n * ONE,
  profitMargin: ONE / 5n,
  intervalOperatingCost: 40_000_000n,
  lastRewardedEpoch: 2,
  uniqueDelegations: i,
  role: ROLES[i] ?? 'inactive',
  score: 0,
})

interface LedgerTest extends TestNetwork {
  readonly source: FakeSource
  readonly text: (path: string) => Promise<string>
}

async function start(params: Partial<LedgerNetworkParams> = {}, kinds: readonly Kind[] = KINDS): Promise<LedgerTest> {
  const source = new FakeSource()
  const network = await startNetwork({
    kinds,
    ledger(nodes: readonly FakeNode[], world: World, meter: Meter) {
      const now = Math.floor(world.clock.now() / 1000)
      source.blocks.push({
        block: { number: 100, time: now },
        epochId: 5,
        epochStart: now,
        epochLength: LENGTH,
        interval: { id: 0, epochsInInterval: 720, currentEpochId: 5 },
        keyRotation: { validityEpochs: 3, initialEpochId: 0 },
        params: {
          rewardPool: 166613455567357391753168447944888n,
          stakingSupply: 61194672938727325886595653401629n,
          stakingSupplyScaleFactor: 73428920000000000n,
          epochRewardBudget: 4628151543537705326476901331n,
          stakeSaturationPoint: 254977803911363857860815222506n,
          sybilResistance: 300000000000000000n,
          activeSetWorkFactor: 10n * ONE,
          intervalPoolEmission: 20000000000000000n,
          rewardedSet: { entryGateways: 80, exitGateways: 100, mixnodes: 60, standby: 0 },
        },
        nodes: nodes.map(ledgerNode),
      })
      return LedgerNetwork.open({ world, source, params: { confirmations: 0, ...params }, meter, log: silentLog })
    },
  })
  const text = async (path: string): Promise<string> => JSON.stringify((await network.get(path)).body)
  return Object.assign(network, { source, text })
}

const SKIMMED = '/v2/unstable/nym-nodes/skimmed'
const rolesIn = async ({ text }: LedgerTest): Promise<readonly EpochRole[]> =>
  decodeSkimmedListing(await text(SKIMMED)).items.map(({ role }) => role)

async function end(network: LedgerTest): Promise<void> {
  await network.simulation.complete(network.directory.stop())
  assert.equal(network.simulation.pendingCount, 0)
}

describe('a directory on a ledger', () => {
  it('says what the ledger says: epoch, rotation, set and roles', async () => {
    const network = await start()
    const { text, source, directory, simulation } = network
    assert.equal(directory.status().problem, null)
    const interval = decodeCurrentEpoch(await text('/v1/epoch/current'))
    assert.deepEqual(
      [interval?.totalElapsedEpochs, interval?.currentEpochId, interval?.epochLength, interval?.currentEpochStart],
      [5, 5, seconds(LENGTH), source.last.epochStart * 1000],
    )
    const rotation = decodeKeyRotationInfo(await text('/v1/epoch/key-rotation-info'))
    assert.deepEqual([rotation.currentKeyRotationId, rotation.currentRotationEndingEpoch], [1, 5])
    assert.deepEqual(decodeRewardedSet(await text('/v1/nym-nodes/rewarded-set')), {
      epochId: 5,
      entryGateways: [4],
      exitGateways: [5],
      layer1: [1],
      layer2: [2],
      layer3: [3],
      standby: [],
    })
    assert.deepEqual(await rolesIn(network), [...ROLES, 'inactive'])

    source.advance(['layer2', 'layer3', 'layer1', 'standby', 'exitGateway', 'entryGateway'])
    await simulation.runFor(seconds(10))
    const set = decodeRewardedSet(await text('/v1/nym-nodes/rewarded-set'))
    assert.deepEqual([set.epochId, set.layer1, set.entryGateways, set.standby], [6, [3], [6], [4]])
    const { metadata } = decodeSkimmedListing(await text(SKIMMED))
    assert.deepEqual([metadata.absoluteEpochId, metadata.rotationId], [6, 2])
    await end(network)
  })

  it('does not end an epoch by the clock: it goes on while the chain stands still', async () => {
    const network = await start()
    const { text, source, simulation, meter } = network
    source.isAway = true
    await simulation.runFor(minutes(30))
    const rotation = decodeKeyRotationInfo(await text('/v1/epoch/key-rotation-info'))
    assert.deepEqual([rotation.currentAbsoluteEpochId, rotation.currentKeyRotationId], [5, 1])
    assert.deepEqual(await rolesIn(network), [...ROLES, 'inactive'])
    assert.equal(network.directory.status().problem, null)
    assert.match(JSON.stringify(decodeApiHealth(await text('/v1/api-status/health')).chainStatus), /"stalled":"30m"/)
    assert.ok(source.asked < 60, 'asks less often')
    source.isAway = false
    source.advance()
    source.add({ block: { number: 0, time: 0 } })
    source.blocks.push({
      ...source.last,
      block: { number: 200, time: Math.floor(network.world.clock.now() / 1000) + 60 },
    })
    await simulation.runFor(minutes(2))
    assert.equal(decodeKeyRotationInfo(await text('/v1/epoch/key-rotation-info')).currentAbsoluteEpochId, 6)
    assert.equal(decodeApiHealth(await text('/v1/api-status/health')).chainStatus, 'synced')
    assert.equal(meter.snapshot().directory_ledger_failures, 0)
    await end(network)
  })

  it('never sees a reorganisation that its confirmations cover', async () => {
    const network = await start({ confirmations: 5 })
    const { text, source, simulation } = network
    const epoch = async () => decodeRewardedSet(await text('/v1/nym-nodes/rewarded-set')).epochId
    source.add({}, 6)
    source.advance()
    source.add({}, 4)
    await simulation.runFor(seconds(10))
    assert.equal(await epoch(), 5)
    source.blocks.length -= 5
    source.add({}, 5)
    await simulation.runFor(seconds(10))
    assert.equal(await epoch(), 5)
    source.advance(['layer3', 'layer2', 'layer1', 'entryGateway', 'exitGateway'])
    source.add({}, 5)
    await simulation.runFor(seconds(10))
    assert.equal(await epoch(), 6)
    assert.deepEqual(decodeRewardedSet(await text('/v1/nym-nodes/rewarded-set')).layer1, [3])
    await end(network)
  })

  it('waits a deeper one out: the epoch that clients know does not go back', async () => {
    const network = await start()
    const { text, source, simulation, meter } = network
    source.add({}, 3)
    source.advance()
    await simulation.runFor(seconds(10))
    source.blocks.length -= 2
    await simulation.runFor(seconds(10))
    const ids = async () => [
      decodeRewardedSet(await text('/v1/nym-nodes/rewarded-set')).epochId,
      decodeSkimmedListing(await text(SKIMMED)).metadata.absoluteEpochId,
      decodeCurrentEpoch(await text('/v1/epoch/current'))?.totalElapsedEpochs,
    ]
    assert.deepEqual(await ids(), [6, 6, 6])
    assert.equal(meter.snapshot().directory_ledger_behind, 1)
    // The same epoch, but the other branch drew another set: rewards follow that one, and so do we.
    source.advance(['layer2', 'layer1', 'layer3', 'entryGateway', 'exitGateway'])
    await simulation.runFor(seconds(10))
    assert.deepEqual(await ids(), [6, 6, 6])
    assert.deepEqual(decodeRewardedSet(await text('/v1/nym-nodes/rewarded-set')).layer1, [2])
    assert.equal(meter.snapshot().directory_ledger_behind, 0)
    await end(network)
  })

  it('keeps every node of the old set reachable for packets that are under way when the set changes', async () => {
    const network = await start()
    const { source, simulation, world, directory } = network
    const listener = await simulation.complete(directory.serve({ host: '127.0.0.1', port: 0 }))
    const base = `http://127.0.0.1:${listener.endpoint.port}/api`
    const client = new DirectoryClient(world.net, { baseUrls: [base] })
    const { signal } = new AbortController()
    const view = nodeViewSource({ clock: world.clock, directory: client })
    const topology = clientTopologySource({ clock: world.clock, directory: client })
    const before = await simulation.complete(topology(signal))
    source.advance(['standby', 'layer3', 'layer2', 'inactive', 'entryGateway', 'layer1'])
    await simulation.runFor(seconds(10))
    const after = await simulation.complete(view(signal))
    assert.equal(after.topology.epochId, before.epochId + 1)
    for (const { address, identity, sphinxKey } of before.nodesById.values()) {
      assert.ok(after.addresses.get(address.ip)?.has(address.port), 'may be sent to')
      const now = [...after.topology.nodesById.values()].find((node) => Buffer.compare(node.identity, identity) === 0)
      assert.deepEqual(now?.sphinxKey, sphinxKey)
    }
    await simulation.complete(listener.close())
    await end(network)
  })

  it('says what the draw lacks', async () => {
    const network = await start()
    const { source, simulation, directory } = network
    const problem = async (roles: readonly EpochRole[]) => {
      source.advance(roles)
      await simulation.runFor(seconds(10))
      return directory.status().problem ?? ''
    }
    assert.match(await problem([]), /drawn no set yet: is an epoch driver running/)
    assert.match(await problem(['layer1', 'layer2', 'standby', 'entryGateway']), /no node for layer 3/)
    assert.match(await problem(['layer1', 'layer2', 'layer3']), /drew no gateway/)
    assert.equal(await problem(ROLES), '')
    const [first] = network.nodes
    assert.ok(first)
    first.isUp = false
    await simulation.runFor(minutes(90))
    assert.match(directory.status().problem ?? '', /layer 1 has no node that describes itself/)
    await end(network)
  })

  it('lists all as perfect until somebody measures, then as measured, and new nodes as unknown', async () => {
    const network = await start()
    const { text, source, simulation } = network
    const performances = async () =>
      decodeSkimmedListing(await text(SKIMMED)).items.map(({ performance }) => performance)
    assert.deepEqual(await performances(), [1, 1, 1, 1, 1, 1])
    source.add({ nodes: source.last.nodes.map((node, i) => (i === 5 ? { ...node, bondedInEpoch: 5 } : node)) })
    source.advance(ROLES, [0.98, 0.75, 1, 0, 0.4, 0])
    await simulation.runFor(seconds(10))
    assert.deepEqual(await performances(), [0.98, 0.75, 1, 0, 0.4, 0.5])
    source.advance(ROLES)
    await simulation.runFor(seconds(10))
    assert.equal((await performances())[5], 0)
    const { body } = await network.get('/v1/nym-nodes/annotation/2')
    const { annotation } = body as { annotation: Record<string, unknown> }
    assert.equal(annotation.last_24h_performance, '0.75')
    assert.deepEqual((annotation.detailed_performance as { routing_score: unknown }).routing_score, { score: 0.75 })
    await end(network)
  })

  it('counts a node that did not accept the terms as worth nothing', async () => {
    const network = await start()
    const [first] = network.nodes
    assert.ok(first)
    first.override.set('auxiliary-details', () => new Response('none', { status: 404 }))
    assert.equal(await network.refresh(first), 200)
    const [listed] = decodeSkimmedListing(await network.text(SKIMMED)).items
    assert.equal(listed?.performance, 0)
    await end(network)
  })

  it('answers what only a ledger knows, in the official shapes', async () => {
    const network = await start()
    const { text, source, get } = network
    assert.deepEqual(decodeRewardingParams(await text('/v1/epoch/reward_params')), source.last.params)
    const { body } = await get('/v1/epoch/reward_params')
    // As the chain of 2026 states it.
    assert.equal(
      (body as { interval: Record<string, string> }).interval.epoch_reward_budget,
      '4628151543.537705326476901331',
    )
    const supply = decodeSupply(await text('/v1/circulating-supply'))
    assert.deepEqual(supply, {
      total: 10n ** 15n,
      mixminingReserve: 166613455567357n,
      vesting: 0n,
      circulating: 833386544432643n,
    })
    assert.equal(await text('/v1/circulating-supply/total-supply-value'), '1000000000')
    assert.equal(await text('/v1/circulating-supply/circulating-supply-value'), '833386544.432643')
    const bonded = readPage(parseJson(await text('/v1/nym-nodes/bonded'), 'bonded'), readNodeDetails)
    assert.deepEqual(
      bonded.items,
      source.last.nodes.map(({ role, score, bondedInEpoch, ...details }) => details),
    )
    const full = decodeSaturation(await text('/v1/nym-nodes/stake-saturation/3'))
    assert.equal(full.saturation, ONE)
    assert.equal(
      full.uncapped,
      ((100_000_000n * ONE + 5n + 500_000_000_000n * ONE) * ONE) / 254977803911363857860815222506n,
    )
    assert.ok(decodeSaturation(await text('/v1/nym-nodes/stake-saturation/2')).saturation < ONE)
    assert.equal((await get('/v1/nym-nodes/stake-saturation/77')).response.status, 404)
    assert.equal((await get('/v1/nym-nodes/stake-saturation/x')).response.status, 400)
    await end(network)
  })

  it('hands out the topology to check, of this epoch and the last', async () => {
    const network = await start()
    const { get, source, simulation } = network
    const status = async (epoch: string) => (await get(`/v1/starling/topology/${epoch}`)).response.status
    assert.deepEqual([await status('5'), await status('5'), await status('6'), await status('x')], [404, 404, 404, 400])
    assert.equal(source.topologiesRead, 1)
    const [node] = source.last.nodes
    assert.ok(node)
    const { nodeId, identity } = node
    source.bundle = {
      epochId: 5,
      seed: new Uint8Array(32).fill(3),
      nodes: [{ nodeId, identity, role: 1, announcement: undefined }],
    }
    await simulation.runFor(seconds(6))
    assert.deepEqual(decodeTopologyBundle(await network.text('/v1/starling/topology/5')), source.bundle)
    await status('5')
    assert.equal(source.topologiesRead, 2)
    source.advance()
    await simulation.runFor(seconds(10))
    assert.equal(await status('5'), 200)
    source.advance()
    await simulation.runFor(seconds(10))
    assert.equal(await status('5'), 404)
    await end(network)
  })

  it('is not there without a first word of the ledger', async () => {
    const source = new FakeSource()
    source.isAway = true
    const { simulation, directory } = await startNetwork({ kinds: ['mix'] })
    const world = simulation.host('other', { ips: ['127.0.0.9'] })
    const opening = LedgerNetwork.open({ world, source, meter: new Meter(), log: silentLog })
    await assert.rejects(opening, { code: 'TIMEOUT' })
    await simulation.complete(directory.stop())
  })
})

describe('account addresses', () => {
  it('are bech32 over the twenty bytes', () => {
    const account = Uint8Array.from({ length: 20 }, (_, i) => i * 12)
    const text = encodeAccountAddress(account)
    assert.match(text, /^n1[02-9ac-hj-np-z]{38}$/)
    assert.deepEqual(decodeAccountAddress(text), account)
    assert.deepEqual(decodeAccountAddress(`0x${Buffer.from(account).toString('hex')}`), account)
    // The mixnet contract of the official network, but for its 32 bytes; and one letter wrong.
    const wrong = `${text.slice(0, -1)}${text.endsWith('q') ? 'p' : 'q'}`
    for (const bad of [wrong, text.toUpperCase().slice(1), `x${text.slice(1)}`, '', '0x12', `${text}q`]) {
      assert.throws(() => decodeAccountAddress(bad), { code: 'MALFORMED' }, bad)
    }
    const contracts = contractsOf({
      mixnet: account,
      performance: account,
      announcements: account,
      ecash: account,
      issuers: account,
    })
    assert.equal(contracts.mixnet, text)
    assert.equal(contracts.vesting, undefined)
  })
})
