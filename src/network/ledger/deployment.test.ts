import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromUtf8Lossy, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { CONTRACT_NAMES } from './abis.ts'
import type { Address } from './chain.ts'
import { type Deployment, decodeDeployment, encodeDeployment } from './deployment.ts'
import { localNetwork, mainnetLike } from './deploymentParams.ts'

const address = (n: number): Address => `0x${String(n).padStart(40, '0')}`
const deployment: Deployment = {
  chainId: 31_337,
  deployedAtBlock: 3,
  addresses: Object.fromEntries(CONTRACT_NAMES.map((name, i) => [name, address(i + 1)])) as Deployment['addresses'],
  multicall: address(99),
  libraries: { RewardsLib: address(98) },
  params: mainnetLike(1_767_225_600),
}

test('a deployment is the same after its file', () => {
  assert.deepEqual(decodeDeployment(encodeDeployment(deployment)), deployment)
  const local = { ...deployment, params: localNetwork(1_767_225_600) }
  assert.deepEqual(decodeDeployment(encodeDeployment(local)), local)
})

test('a file that is none says what is wrong with it', () => {
  const json = JSON.parse(fromUtf8Lossy(encodeDeployment(deployment)))
  const { mixnet: _, ...rest } = json.addresses
  for (const [changed, key] of [
    [{ ...json, addresses: rest }, 'addresses.mixnet'],
    [{ ...json, multicall: '0x12' }, 'multicall'],
    [{ ...json, chainId: -1 }, 'chainId'],
    [{ ...json, params: { ...json.params, rewardPool: '1e9' } }, 'params.rewardPool'],
    [{ ...json, more: 1 }, ''],
  ] as const) {
    assert.throws(
      () => decodeDeployment(utf8(JSON.stringify(changed))),
      (error) => isMixnetError(error, 'CONFIG_INVALID') && error.details.key === key,
    )
  }
  for (const text of ['', '{', 'null', '\u{fffd}'])
    assert.throws(
      () => decodeDeployment(utf8(text)),
      (error) => isMixnetError(error, 'CONFIG_INVALID'),
    )
})
