import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../foundation/base/bytes.ts'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { seconds } from '../../foundation/base/units.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import { formatMonitorConfig, readMonitorConfig, startMonitor } from './monitorService.ts'

const hostOf = (simulation: Simulation) => simulation.host('monitor', { ips: ['10.3.0.1'] })
const newSimulation = () => new Simulation({ seed: 'monitor-service', crypto: nullProvider })

test('a configuration is read as it was written, its folder beside it', async () => {
  const simulation = newSimulation()
  const { files } = hostOf(simulation)
  const read = async (text: string | Uint8Array) => {
    await files.write('m/monitor.toml', typeof text === 'string' ? utf8(text) : text)
    return await readMonitorConfig(files, 'm/monitor.toml')
  }
  const config = await simulation.complete(read('name = "watch"\ndirectories = ["http://10.0.0.1:8080/api"]\n'))
  assert.deepEqual(config, {
    name: 'watch',
    listen: { host: '127.0.0.1', port: 8095 },
    data: 'm',
    directories: ['http://10.0.0.1:8080/api'],
    traffic: 'frugal',
    keepEpochs: 48,
    local: false,
  })
  assert.deepEqual(await simulation.complete(read(formatMonitorConfig({ ...config, data: '.' }))), config)
  for (const wrong of [
    'name = "w"',
    'name = "w"\ndirectories = ["x"]',
    'name = "w"\ndirectories = ["http://a"]\nmore = 1',
  ]) {
    await assert.rejects(simulation.complete(read(wrong)), { code: 'CONFIG_INVALID' })
  }
})

test('without a directory it does not start, and leaves nothing locked', async () => {
  const simulation = newSimulation()
  const world = hostOf(simulation)
  const options = {
    ledger: {
      epoch: () => assert.fail('nothing to report'),
      standing: () => assert.fail('nothing to report'),
      commit: () => assert.fail('nothing to report'),
      reveal: () => assert.fail('nothing to report'),
    },
    configScore: () => 100,
    meter: new Meter(),
    log: silentLog,
  }
  const config = {
    name: 'watch',
    listen: { host: '10.3.0.1', port: 8095 },
    data: 'm',
    directories: ['http://10.0.0.9:1/api'],
    traffic: 'frugal' as const,
    keepEpochs: 48,
    local: false,
  }
  for (let i = 0; i < 2; i++) {
    await assert.rejects(simulation.complete(startMonitor(world, config, options), seconds(60)), {
      code: 'TOPOLOGY_UNAVAILABLE',
    })
  }
})
