/** A JSON-RPC server between a program and the chain that does not tell what the chain says. @module */
import { keccak256 } from 'viem/utils'
import { seconds } from '../../src/foundation/base/units.ts'
import type { Hex } from '../../src/network/ledger/chain.ts'
import type { LedgerRun } from './ledgerRun.ts'

/**
 * stale: the chain as it was long ago. zeros: every call gives nothing but zeros. swallows: takes transactions, and keeps them. garbage: no
 * words at all. errors: refuses everything.
 */
export type Lie = 'stale' | 'zeros' | 'swallows' | 'garbage' | 'errors'

export interface LyingServer {
  readonly url: string
  lie: Lie | undefined
  told: number
}

interface Question {
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
}

const HOST = '10.0.2.1'
const BLOCKS_BEHIND = 40

export async function lyingServer(run: LedgerRun): Promise<LyingServer> {
  const world = run.simulation.host('liar', { ips: [HOST] })
  const server: LyingServer = { url: `http://${HOST}:8545/`, lie: undefined, told: 0 }
  const askChain = async (question: Question): Promise<Record<string, unknown>> => {
    const { body } = await world.net.request({
      url: run.url,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(question),
      timeout: seconds(10),
      maxBodyBytes: 8 * 1024 * 1024,
    })
    return JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>
  }
  const answer = async (question: Question): Promise<unknown> => {
    const { lie } = server
    if (lie === undefined) return askChain(question)
    server.told++
    const { id, method, params } = question
    const said = (result: unknown) => ({ jsonrpc: '2.0', id, result })
    switch (lie) {
      case 'errors':
        return { jsonrpc: '2.0', id, error: { code: -32000, message: 'no' } }
      case 'garbage':
        return said({ what: ['is', 'this'] })
      case 'swallows':
        return method === 'eth_sendRawTransaction' ? said(keccak256(params[0] as Hex)) : askChain(question)
      case 'zeros': {
        const reply = await askChain(question)
        return method === 'eth_call' && typeof reply.result === 'string'
          ? said(`0x${'0'.repeat(reply.result.length - 2)}`)
          : reply
      }
      case 'stale': {
        const old = `0x${Math.max(1, run.chain.head.number - BLOCKS_BEHIND).toString(16)}`
        return askChain({
          ...question,
          params: params.map((one) => (one === 'latest' || one === 'pending' ? old : one)),
        })
      }
    }
  }
  const listening = world.net.serveHttp(
    { host: HOST, port: 8545, maxBodyBytes: 1024 * 1024, requestTimeout: seconds(30) },
    async (request) => {
      const asked = (await request.json()) as Question | Question[]
      if (!Array.isArray(asked)) return Response.json(await answer(asked))
      return Response.json(await Promise.all(asked.map(answer)))
    },
  )
  await run.complete(listening)
  return server
}
