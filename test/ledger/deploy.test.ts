import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { Simulation } from '../../src/foundation/platform/simulated/simulation.ts'
import { CONTRACT_ARTEFACTS } from '../../src/network/ledger/contractArtefacts.ts'
import { deployLedger } from '../../src/network/ledger/deploy.ts'
import { readDeployment, writeDeployment } from '../../src/network/ledger/deployment.ts'
import { localNetwork } from '../../src/network/ledger/deploymentParams.ts'
import { openLedger } from '../../src/network/ledger/rpcLedger.ts'
import { keySigner } from '../../src/network/ledger/signers.ts'
import { SimulatedChain } from '../support/simulatedChain.ts'
import { CHAIN_IP, key } from './fixture.ts'

async function newChain() {
  const simulation = new Simulation({ seed: 'deploy', crypto: nodeProvider })
  const chain = await SimulatedChain.create(simulation.host('chain', { ips: [CHAIN_IP] }), { host: CHAIN_IP })
  const world = simulation.host('program', { ips: ['10.0.0.2'] })
  const url = await simulation.complete(chain.serve({ host: CHAIN_IP }))
  const signer = keySigner(key(1))
  await chain.fund(signer.address, 10n ** 21n)
  const params = localNetwork(Math.floor(world.clock.now() / 1000))
  const options = {
    urls: [url],
    chainId: undefined,
    signer,
    params,
    artefacts: CONTRACT_ARTEFACTS,
    path: '/ledger.json',
  }
  return { simulation, chain, world, url, signer, params, options }
}

test('a whole ledger: every contract where it was said to be, the pool funded, governance with the timelock', async () => {
  const { simulation, world, url, signer, params, options } = await newChain()
  const run = <T>(work: Promise<T>) => simulation.complete(work)
  const deployment = await run(deployLedger(world, options))
  assert.deepEqual(await run(readDeployment(world.files, '/ledger.json')), deployment)
  const ledger = openLedger(world, { urls: [url], deployment })
  const { results } = await run(
    ledger.readAll([
      { contract: 'mixnet', fn: 'interval', args: [] },
      { contract: 'mixnet', fn: 'rewardingParams', args: [] },
      { contract: 'mixnet', fn: 'keyRotation', args: [] },
      { contract: 'token', fn: 'balanceOf', args: [deployment.addresses.mixnet] },
      { contract: 'token', fn: 'balanceOf', args: [signer.address] },
      { contract: 'mixnet', fn: 'isEpochOver', args: [] },
      { contract: 'ecash', fn: 'price', args: [] },
    ]),
  )
  const [interval, rewarding, rotation, pool, rest, over, price] = results
  assert.equal(interval.totalElapsedEpochs, params.firstEpochId)
  assert.equal(rewarding.rewardPool, params.rewardPool * 10n ** 18n)
  assert.equal(rotation[0], params.validityEpochs)
  assert.equal(pool, params.rewardPool)
  assert.equal(rest, 10n ** 15n - params.rewardPool)
  assert.equal(over, true)
  assert.equal(price, params.ticketBookPrice)
  const account = ledger.account(signer)
  await assert.rejects(
    run(account.write('ecash', 'updatePrice', [1n])),
    (error) => isMixnetError(error, 'LEDGER_REFUSED') && error.details.reason === 'NotGovernance',
  )
  // Again: it is there, and nothing is sent.
  const coins = await run(account.coins())
  assert.deepEqual(await run(deployLedger(world, options)), deployment)
  assert.equal(await run(account.coins()), coins)
})

test('killed at every step, it goes on where it was', async () => {
  const { simulation, chain, options } = await newChain()
  let world = simulation.restart('program')
  for (let step = 1; step <= 13; step++) {
    const reached = Promise.withResolvers<void>()
    void deployLedger(world, { ...options, onStep: (_, number) => number >= step && reached.resolve() }).then(
      () => reached.resolve(),
      () => {},
    )
    await simulation.complete(reached.promise)
    // Some are killed before anything was sent, some while it waits, some when it is in a block.
    for (let event = 0; event < step * 7; event++) await simulation.step()
    world = simulation.restart('program')
  }
  const deployment = await simulation.complete(deployLedger(world, options))
  const twin = await newChain()
  assert.deepEqual(
    deployment.addresses,
    (await twin.simulation.complete(deployLedger(twin.world, twin.options))).addresses,
  )
  assert.ok(chain.head.number > 0)
})

test('contracts that are not ours, and accounts that others use', async () => {
  const { simulation, world, options, signer } = await newChain()
  const run = <T>(work: Promise<T>) => simulation.complete(work)
  const mismatch = (work: Promise<unknown>, contract?: string) =>
    assert.rejects(
      run(work),
      (error) =>
        isMixnetError(error, 'LEDGER_MISMATCH') && (contract === undefined || error.details.contract === contract),
    )
  const deployment = await run(deployLedger(world, options))
  const { artefacts } = options
  const other = { ...artefacts, ecash: { ...artefacts.ecash, runtime: artefacts.issuers.runtime } }
  await mismatch(deployLedger(world, { ...options, artefacts: other }), 'ecash')
  const second = await run(deployLedger(world, { ...options, path: '/second.json' }))
  const mixed = { ...deployment, addresses: { ...deployment.addresses, mixnet: second.addresses.mixnet } }
  await run(writeDeployment(world.files, '/mixed.json', mixed))
  await mismatch(deployLedger(world, { ...options, path: '/mixed.json' }), 'mixnet')
  // Something else in between takes a nonce.
  const ledger = openLedger(world, { urls: options.urls, deployment })
  const disturbing = ledger.account(signer)
  let disturbed: Promise<unknown> | undefined
  await mismatch(
    deployLedger(world, {
      ...options,
      path: '/third.json',
      onStep: (_, number) => {
        if (number === 4) disturbed = disturbing.write('token', 'transfer', [signer.address, 1n])
      },
    }),
  )
  await run(disturbed as Promise<unknown>)
})
