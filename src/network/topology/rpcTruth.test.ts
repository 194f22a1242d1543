import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { encodeAbiParameters, parseAbi, toFunctionSelector } from 'viem'
import { abiWords } from '../../protocol/economy/abiWords.ts'
import { rpcTruth } from './rpcTruth.ts'

const ABI = parseAbi(['function interval()', 'function keyRotation()', 'function epochId()', 'function rootOf(uint32)'])
const [INTERVAL, ROTATION, EPOCH_ID, ROOT_OF] = ABI.map((item) => toFunctionSelector(item))
const root = new Uint8Array(32).fill(5)
const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`
const { signal } = new AbortController()

interface Answers {
  readonly chainId?: string
  readonly setEpoch?: number
  readonly interval?: string
  readonly error?: boolean
}

function ledger({ chainId = '0x7a69', setEpoch = 30, interval, error = false }: Answers = {}) {
  const blocks = new Set<unknown>()
  const answer = (method: string, [call, block]: [{ to: string; data: string }, unknown]): string => {
    if (method === 'eth_chainId') return chainId
    if (method === 'eth_blockNumber') return '0x10'
    blocks.add(block)
    const data = call.data
    if (data === INTERVAL) return interval ?? hex(abiWords(0, 720, 30, 30, 3600, 1_790_000_000))
    if (data === ROTATION) return hex(abiWords(3, 0))
    if (data === EPOCH_ID) return hex(abiWords(setEpoch))
    if (data === `${ROOT_OF}${encodeAbiParameters([{ type: 'uint32' }], [30]).slice(2)}`) return hex(root)
    throw new Error(data)
  }
  const net = {
    request: ({ body }: { readonly body?: unknown }) => {
      const { method, params } = JSON.parse(String(body))
      const reply = error ? { error: { code: 3, message: 'execution reverted' } } : { result: answer(method, params) }
      const text = JSON.stringify({ jsonrpc: '2.0', id: 1, ...reply })
      return Promise.resolve({ status: 200, contentType: 'application/json', body: new TextEncoder().encode(text) })
    },
  }
  const addresses = { mixnet: `0x${'11'.repeat(20)}`, rewardedSet: `0x${'22'.repeat(20)}` }
  return { blocks, truth: rpcTruth({ net, url: 'http://rpc', chainId: 31_337, addresses, keccak256: keccak_256 }) }
}

describe('the truth of an RPC', () => {
  it('is the root, the end of the epoch and its key rotation, of one block', async () => {
    const { truth, blocks } = ledger()
    assert.deepEqual(await truth(signal), {
      epochId: 30,
      root,
      epochEnd: (1_790_000_000 + 3600) * 1000,
      rotationId: 10,
    })
    assert.deepEqual([...blocks], ['0x10'])
  })

  it('is none of another chain, between epochs, or of no contract', async () => {
    const unavailable = { code: 'TOPOLOGY_UNAVAILABLE' }
    await assert.rejects(ledger({ chainId: '0x1' }).truth(signal), unavailable)
    await assert.rejects(ledger({ setEpoch: 29 }).truth(signal), unavailable)
    await assert.rejects(ledger({ error: true }).truth(signal), unavailable)
    for (const interval of ['0x', '0xzz', hex(abiWords(1, 2)), hex(abiWords(0, 720, 30, 1n << 40n, 3600, 5))]) {
      await assert.rejects(ledger({ interval }).truth(signal), { code: 'MALFORMED' }, interval)
    }
  })
})
