/** That governance can wait longer than it said, and never less. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeFunctionData } from 'viem'
import { contract, Evm, Reverted } from '../support/evm.ts'

const NOTHING = `0x${'00'.repeat(32)}`

test('the delay is never shorter than everybody joined with', async () => {
  const [proposer, anybody] = [Evm.address(1), Evm.address(2)]
  const evm = await Evm.create()
  evm.now = 1_700_000_000n
  const timelock = await evm.deploy('Timelock', [1000n, [proposer], [anybody]])
  const decide = async (delay: bigint, wait: bigint): Promise<void> => {
    const data = encodeFunctionData({ abi: contract('Timelock').abi, functionName: 'updateDelay', args: [delay] })
    const call = [timelock, 0n, data, NOTHING, NOTHING]
    await evm.send(timelock, 'schedule', [...call, wait], proposer)
    evm.now += wait
    await evm.send(timelock, 'execute', call, anybody)
  }
  const delay = () => evm.read(timelock, 'getMinDelay')
  assert.equal(await delay(), 1000n)
  await decide(0n, 1000n)
  assert.equal(await delay(), 1000n)
  await assert.rejects(decide(5000n, 999n), Reverted)
  await decide(5000n, 1000n)
  assert.equal(await delay(), 5000n)
  await decide(1n, 5000n)
  assert.equal(await delay(), 1000n)
})
