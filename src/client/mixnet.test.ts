import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMixnetError, MixnetError } from '../foundation/base/errors.ts'
import { seconds } from '../foundation/base/units.ts'
import { nullProvider } from '../foundation/crypto/nullProvider.ts'
import { Simulation } from '../foundation/platform/simulated/simulation.ts'
import { Mixnet } from './mixnet.ts'

test('a gateway or an exit that cannot be one is the mistake of whoever named it, told before anything is asked', async () => {
  const world = new Simulation({ seed: 'arguments', crypto: nullProvider }).host('client', { ips: ['10.0.0.1'] })
  for (const argument of ['gateway', 'exit']) {
    await assert.rejects(
      Mixnet.connect(world, { directories: ['http://192.0.2.1/api'], [argument]: 'tern' }),
      (error) => isMixnetError(error, 'BAD_ARGUMENT') && error.guilty === 'you' && error.details.argument === argument,
    )
  }
})

test('a directory that cannot be reached is told of after seconds; a shorter limit keeps the reason', async () => {
  const simulation = new Simulation({ seed: 'no directory', crypto: nullProvider })
  const outside = simulation.host('client', { ips: ['10.0.0.1'] })
  const request = () => Promise.reject(new MixnetError('CONNECTION_REFUSED'))
  const world = { ...outside, net: { ...outside.net, request } }
  const connecting = async (limits: { connectTimeout?: ReturnType<typeof seconds> }) => {
    const before = outside.clock.monotonic()
    const connecting = Mixnet.connect(world, { directories: ['http://192.0.2.1/api'], ...limits })
    const error = await simulation.complete(connecting.catch((error: unknown) => error))
    assert.ok(isMixnetError(error))
    assert.ok(isMixnetError(error.cause))
    return { code: error.code, cause: error.cause, took: outside.clock.monotonic() - before }
  }
  const refused = await connecting({})
  assert.deepEqual([refused.code, refused.cause.code], ['TOPOLOGY_UNAVAILABLE', 'CONNECTION_REFUSED'])
  assert.ok(refused.took <= seconds(3), `${refused.took} ms`)
  const late = await connecting({ connectTimeout: seconds(1.5) })
  assert.deepEqual([late.code, late.cause.code], ['TIMEOUT', 'TOPOLOGY_UNAVAILABLE'])
})
