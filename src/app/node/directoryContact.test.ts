import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { hours, seconds } from '../../foundation/base/units.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
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
