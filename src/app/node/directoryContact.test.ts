import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { hours, millis, minutes, seconds } from '../../foundation/base/units.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import { encodeRewardedSet } from '../../protocol/wire/directory/epochs.ts'
import { encodeSemiSkimmedListing, onePage } from '../../protocol/wire/directory/listings.ts'
import type { EpochRole, SemiSkimmedNode } from '../../protocol/wire/directory/skimmedNodes.ts'
import { DirectoryContact } from './directoryContact.ts'
import { checkNodeConfig } from './nodeConfig.ts'
import { loadOrCreateNodeKeys } from './nodeKeys.ts'

async function contact() {
  const sim = new Simulation({ seed: 'contact', crypto: nullProvider })
  const world = sim.host('node', { ips: ['10.0.0.2'] })
  sim.host('directory', { ips: ['10.0.0.1'] })
  sim.partition(['node'], ['directory'])
  const values = { name: 'knot', roles: ['mix'], host: '10.0.0.2', directories: ['http://10.0.0.1/api'], data: 'data' }
  const parts = { world, config: checkNodeConfig(values, 'test'), meter: new Meter(), log: silentLog }
  const keys = await sim.complete(loadOrCreateNodeKeys(world, 'data'))
  return { sim, contact: await sim.complete(DirectoryContact.open(parts, keys)) }
}

test('a node asks on however long its directory is away, and stops at once', async () => {
  const { sim, contact: node } = await contact()
  let outcome: unknown
  const starting = node.start().catch((error: unknown) => {
    outcome = error
  })
  await sim.runFor(hours(5))
  assert.equal(outcome, undefined)
  const announcing = node.announce()
  await sim.runFor(seconds(1))
  await sim.complete(node.stop(), seconds(1))
  await sim.complete(Promise.all([starting, announcing]), seconds(1))
  assert.match(String(outcome), /STOPPED|stopped/)
  await sim.complete(node.announce(), seconds(1))
})

test('a node that has left the network is reached a while longer, for routes through it are still in use', async () => {
  const sim = new Simulation({ seed: 'departed', crypto: nullProvider })
  const world = sim.host('node', { ips: ['10.0.0.2'] })
  const directory = sim.host('directory', { ips: ['10.0.0.1'] })
  const key = new Uint8Array(32).fill(9)
  const node = (nodeId: number, role: EpochRole): SemiSkimmedNode => ({
    basic: {
      nodeId,
      identity: new Uint8Array(32).fill(nodeId),
      ipAddresses: [`10.0.1.${nodeId}`],
      mixPort: 1789,
      sphinxKey: key,
      role,
      supportedRoles: { mixnode: true, entry: true, exitNr: false, exitIpr: false },
      entry: undefined,
      performance: 1,
    },
    noiseKey: { supportedVersion: 1, publicKey: new Uint8Array(32).fill(nodeId) },
  })
  const roles: readonly EpochRole[] = ['layer1', 'layer2', 'layer3', 'entryGateway', 'layer1']
  let nodes = roles.map((role, i) => node(i + 1, role))
  const set = {
    epochId: 5,
    entryGateways: [4],
    exitGateways: [],
    layer1: [1, 5],
    layer2: [2],
    layer3: [3],
    standby: [],
  }
  const metadata = { status: { kind: 'unstated' }, absoluteEpochId: 5, rotationId: 1, refreshedAt: millis(0) } as const
  await sim.complete(
    directory.net.serveHttp({ host: '10.0.0.1', port: 80, maxBodyBytes: 1024, requestTimeout: seconds(5) }, ({ url }) =>
      Response.json(
        url.includes('rewarded-set')
          ? encodeRewardedSet(set)
          : encodeSemiSkimmedListing({ metadata, ...onePage(nodes) }),
      ),
    ),
  )
  const values = { name: 'knot', roles: ['mix'], host: '10.0.0.2', directories: ['http://10.0.0.1/api'], data: 'data' }
  const parts = { world, config: checkNodeConfig(values, 'test'), meter: new Meter(), log: silentLog }
  const keys = await sim.complete(loadOrCreateNodeKeys(world, 'data'))
  const contact = await sim.complete(DirectoryContact.open(parts, keys))
  await sim.complete(contact.start())
  assert.ok(contact.knows('10.0.1.5', 1789))
  nodes = nodes.slice(0, 4)
  await sim.complete(contact.view.refresh())
  assert.equal(contact.view.current()?.addresses.has('10.0.1.5'), false)
  assert.ok(contact.knows('10.0.1.5', 1789))
  assert.ok(contact.knows('::ffff:10.0.1.5'))
  assert.ok(!contact.knows('10.0.1.5', 1790))
  assert.ok(!contact.knows('10.0.1.6', 1789))
  assert.deepEqual(contact.noiseKey('10.0.1.5'), new Uint8Array(32).fill(5))
  await sim.runFor(minutes(11))
  assert.ok(!contact.knows('10.0.1.5', 1789))
  assert.equal(contact.noiseKey('10.0.1.5'), undefined)
  await sim.complete(contact.stop())
})
