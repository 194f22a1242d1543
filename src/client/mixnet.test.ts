import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMixnetError } from '../foundation/base/errors.ts'
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
