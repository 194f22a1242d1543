import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keccak256, toFunctionSelector } from 'viem'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import { minutes, seconds } from '../../src/foundation/base/units.ts'
import type { Hex } from '../../src/network/ledger/chain.ts'
import { sendRaw, transactionCount } from '../../src/network/ledger/chainCalls.ts'
import { JsonRpc } from '../../src/network/ledger/jsonRpc.ts'
import { externalSigner } from '../../src/network/ledger/signers.ts'
import { CHAIN_IP, tinyLedger } from './fixture.ts'

test('reads, reads of one block, writes with receipts and events, previews', async () => {
  const { simulation, open, signer, chain } = await tinyLedger()
  const ledger = open()
  const account = ledger.account(signer)
  const run = <T>(work: Promise<T>) => simulation.complete(work)

  assert.equal(await run(ledger.read('mixnet', 'lastNodeId', [])), 0)
  const preview = await run(account.preview('mixnet', 'delegate', [7, 50n]))
  const receipt = await run(account.write('mixnet', 'delegate', [7, 50n]))
  assert.ok(preview.gas >= receipt.gasUsed)
  assert.ok(receipt.fee > 0n && receipt.fee <= preview.gas * preview.maxFeePerGas)
  const [event] = receipt.events
  assert.ok(event?.contract === 'mixnet' && event.event === 'DelegationRequested')
  assert.deepEqual(event.args, { nodeId: 7, owner: signer.address, amount: 50n })

  const { block, results } = await run(
    ledger.readAll([
      { contract: 'mixnet', fn: 'lastNodeId', args: [] },
      { contract: 'mixnet', fn: 'nodeIdOf', args: [signer.address] },
      { contract: 'token', fn: 'balanceOf', args: [signer.address] },
    ]),
  )
  assert.deepEqual(results, [7, block.time, 10n ** 15n])

  // Of an older block, however much has happened since.
  await run(account.write('mixnet', 'delegate', [8, 50n]))
  assert.equal(await run(ledger.read('mixnet', 'lastNodeId', [], { block })), 7)
  assert.equal(await run(ledger.read('mixnet', 'lastNodeId', [])), 8)
  await chain.reorganise(chain.head.number - block.number + 1)
  await assert.rejects(
    run(ledger.read('mixnet', 'lastNodeId', [], { block })),
    (error) => isMixnetError(error, 'LEDGER_NOT_NOW') && error.details.reason === 'reorganised',
  )
})

test('what a contract refuses is said in words, before anything is sent and after', async () => {
  const { simulation, open, signer, chain } = await tinyLedger()
  const account = open().account(signer)
  const refusal = async (work: Promise<unknown>, reason: string) => {
    const error = await simulation.complete(work).then(
      () => assert.fail('was accepted'),
      (thrown: unknown) => thrown,
    )
    assert.ok(isMixnetError(error), String(error))
    assert.equal(error.details.reason, reason)
    return error
  }
  const before = chain.head.number
  const none = await refusal(account.write('mixnet', 'undelegate', [1]), 'NoDelegation')
  assert.equal(none.code, 'LEDGER_REFUSED')
  const small = await refusal(account.preview('mixnet', 'delegate', [1, 3n]), 'BelowMinimumDelegation')
  assert.equal(small.details.minimum, '10')
  await refusal(account.write('mixnet', 'unbond', []), toFunctionSelector('Unknown(uint8)'))

  assert.equal((await refusal(account.write('mixnet', 'claim', []), 'Error')).details.why, 'no claim')
  assert.equal((await refusal(account.write('mixnet', 'pledgeMore', [1n]), 'Panic')).details.panic, '0x11')
  assert.ok(chain.head.number - before < 3)

  // Two that each would succeed, of which the first makes the second fail.
  await simulation.complete(account.write('mixnet', 'delegate', [5, 50n]))
  chain.stalled = true
  const both = [account.write('mixnet', 'undelegate', [5]), account.write('mixnet', 'undelegate', [5])]
  void Promise.allSettled(both)
  await simulation.runFor(seconds(3))
  chain.stalled = false
  const [first, second] = await simulation.complete(Promise.allSettled(both))
  assert.equal(first?.status, 'fulfilled')
  assert.ok(second?.status === 'rejected' && isMixnetError(second.reason, 'LEDGER_REFUSED'))
  assert.equal(second.reason.details.reason, 'NoDelegation')
})

test('many writes at once, each once, in order', async () => {
  const { simulation, open, signer } = await tinyLedger()
  const ledger = open()
  const account = ledger.account(signer)
  const work = Array.from({ length: 20 }, (_, i) => account.write('mixnet', 'delegate', [i + 1, 10n]))
  const receipts = await simulation.complete(Promise.all(work))
  assert.equal(new Set(receipts.map(({ transactionHash }) => transactionHash)).size, 20)
  assert.equal(await simulation.complete(ledger.read('mixnet', 'lastNodeId', [])), 20)
  const { events } = await simulation.complete(ledger.events({ contract: 'mixnet', event: 'DelegationRequested' }))
  assert.deepEqual(
    events.map(({ args }) => args.nodeId),
    Array.from({ length: 20 }, (_, i) => i + 1),
  )
})

test('a signer elsewhere is handed the transaction, and may refuse it', async () => {
  const { simulation, open, chain, signer } = await tinyLedger()
  const wallet = simulation.host('wallet', { ips: ['10.0.0.9'] })
  let asked = 0
  let refuses = false
  const rpc = new JsonRpc(wallet, { urls: [`http://${CHAIN_IP}:8545/`], chainId: undefined })
  const listening = wallet.net.serveHttp(
    { host: '10.0.0.9', port: 80, maxBodyBytes: 1 << 20, requestTimeout: minutes(1) },
    async (request) => {
      const { id, method, params } = (await request.json()) as {
        id: number
        method: string
        params: readonly unknown[]
      }
      if (method === 'eth_chainId') return Response.json({ id, result: '0x7a69' })
      asked++
      if (refuses) return Response.json({ id, error: { code: 4001, message: 'User rejected the request.' } })
      const { to, data, value, gas } = params[0] as Record<'to' | 'data' | 'value' | 'gas', Hex>
      assert.ok(signer.kind === 'key')
      const nonce = await rpc.ask(transactionCount(signer.address, 'pending'))
      const fees = { maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 1n }
      const raw = await signer.signTransaction({
        chainId: 31_337,
        nonce,
        to,
        data,
        value: BigInt(value),
        gas: BigInt(gas),
        ...fees,
      })
      return Response.json({ id, result: await rpc.ask(sendRaw(raw, keccak256(raw))) })
    },
  )
  await simulation.complete(listening)
  const account = open().account(externalSigner(signer.address, ['http://10.0.0.9/']))
  const receipt = await simulation.complete(account.write('mixnet', 'delegate', [3, 10n], { confirmations: 2 }))
  assert.ok(chain.head.number >= receipt.block + 2)
  refuses = true
  await assert.rejects(
    simulation.complete(account.write('mixnet', 'delegate', [3, 10n])),
    (error) => isMixnetError(error, 'LEDGER_REFUSED') && error.details.reason === 'signer',
  )
  assert.equal(asked, 2)
})

test('what a contract may take is allowed once, and no more than asked', async () => {
  const { simulation, open, signer, deployment } = await tinyLedger()
  const ledger = open()
  const account = ledger.account(signer)
  assert.ok((await simulation.complete(account.allow('mixnet', 500n))) !== undefined)
  assert.equal(await simulation.complete(account.allow('mixnet', 400n)), undefined)
  const allowed = ledger.read('token', 'allowance', [signer.address, deployment.addresses.mixnet])
  assert.equal(await simulation.complete(allowed), 500n)
  assert.equal(await simulation.complete(account.tokens()), 10n ** 15n)
})
