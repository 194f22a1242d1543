import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { minutes, seconds } from '../../foundation/base/units.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import { NEWEST_HEADER } from './chainCalls.ts'
import { JsonRpc, type RpcOptions } from './jsonRpc.ts'
import { errorsWithoutWords, refusalError, revertError } from './ledgerErrors.ts'
import { countOf } from './rpcValues.ts'

type Question = { readonly id: number; readonly method: string }
type Server = (asked: Question | readonly Question[]) => unknown

const CHAIN_ID = 7
const number = { method: 'eth_blockNumber', params: [], decode: (value: unknown) => countOf(value, 'block number') }

const one = ({ id, method }: Question) => ({ jsonrpc: '2.0', id, result: method === 'eth_chainId' ? '0x7' : '0x2a' })
const idOf = (asked: Parameters<Server>[0]) => (asked as Question).id
const honest: Server = (asked) => (Array.isArray(asked) ? asked.map(one) : one(asked as Question))
/** Honest about its chain, and then this. */
const afterwards =
  (server: Server): Server =>
  (asked) =>
    !Array.isArray(asked) && (asked as Question).method === 'eth_chainId' ? honest(asked) : server(asked)

async function clientOf(servers: readonly (Server | undefined)[], options: Partial<RpcOptions> = {}) {
  const simulation = new Simulation({ seed: 'rpc', crypto: nullProvider })
  const asked = servers.map(() => 0)
  for (const [i, server] of servers.entries()) {
    const host = simulation.host(`server${i}`, { ips: [`10.0.1.${i + 1}`] })
    if (server === undefined) continue
    const listening = host.net.serveHttp(
      { host: `10.0.1.${i + 1}`, port: 80, maxBodyBytes: 1 << 20, requestTimeout: minutes(1) },
      async (request) => {
        asked[i] = (asked[i] ?? 0) + 1
        const answer = server((await request.json()) as Question)
        return answer instanceof Response ? answer : Response.json(answer)
      },
    )
    await simulation.complete(listening)
  }
  const urls = servers.map((_, i) => `http://user:secret@10.0.1.${i + 1}/key`)
  const world = simulation.host('program', { ips: ['10.0.0.1'] })
  const rpc = new JsonRpc(world, { urls, chainId: CHAIN_ID, timeout: seconds(5), ...options })
  return { rpc, asked, simulation, run: <T>(work: Promise<T>) => simulation.complete(work) }
}

const LIARS: Readonly<Record<string, Server>> = {
  'another question': afterwards((asked) => ({ jsonrpc: '2.0', id: (asked as Question).id + 1, result: '0x1' })),
  'no quantity': afterwards((asked) => ({ jsonrpc: '2.0', id: idOf(asked), result: '42' })),
  'a number above all': afterwards((asked) => ({ jsonrpc: '2.0', id: idOf(asked), result: '0xffffffffffffffff' })),
  nothing: afterwards(() => null),
  'a list': afterwards(() => []),
  'an error that is none': afterwards((asked) => ({ id: idOf(asked), error: 'no' })),
  'no JSON': afterwards(() => new Response('<html>')),
  'no UTF-8': afterwards(() => new Response(Uint8Array.of(255))),
  'another chain': (asked) => ({ jsonrpc: '2.0', id: idOf(asked), result: '0x1' }),
}

test('whatever a server answers, it is an error that names no URL, and the next server is asked', async () => {
  for (const [what, liar] of Object.entries(LIARS)) {
    const { rpc, run } = await clientOf([liar])
    const error: unknown = await run(rpc.ask(number)).then(
      () => assert.fail(what),
      (thrown) => thrown,
    )
    assert.ok(isMixnetError(error, 'LEDGER_MISMATCH'), `${what}: ${error}`)
    assert.doesNotMatch(`${error} ${JSON.stringify(error.details)}`, /secret|10\.0|key/)
    const two = await clientOf([liar, honest])
    assert.equal(await two.run(two.rpc.ask(number)), 42)
    // Set aside: not asked again at once, but when it is the only one.
    await two.run(two.rpc.ask(number))
    assert.ok((two.asked[0] ?? 0) <= 2)
  }
})

test('down, full, slow or without end: the next one, and LEDGER_UNREACHABLE or MESSAGE_TOO_LONG where there is none', async () => {
  const limited = afterwards((asked) => ({ id: idOf(asked), error: { code: -32005, message: 'slow down' } }))
  const long = afterwards(() => new Response('x'.repeat(100_000)))
  for (const [server, code] of [
    [undefined, 'LEDGER_UNREACHABLE'],
    [() => new Response('', { status: 429 }), 'LEDGER_UNREACHABLE'],
    [limited, 'LEDGER_UNREACHABLE'],
    [long, 'MESSAGE_TOO_LONG'],
  ] as const) {
    const { rpc, run } = await clientOf([server], { maxAnswerBytes: 10_000 })
    await assert.rejects(run(rpc.ask(number)), (error) => isMixnetError(error, code))
    const two = await clientOf([server, honest], { maxAnswerBytes: 10_000 })
    assert.equal(await two.run(two.rpc.ask(number)), 42)
  }
})

test('batches in any order; servers that know none; a batch that lacks one', async () => {
  const backwards: Server = (asked) => (Array.isArray(asked) ? [...asked].reverse().map(one) : one(asked as Question))
  const batchless: Server = (asked) =>
    Array.isArray(asked) ? { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'no' } } : one(asked as Question)
  const calls = Array.from({ length: 120 }, () => number)
  for (const server of [honest, backwards, batchless]) {
    const { rpc, run } = await clientOf([server])
    const replies = await run(rpc.askAll(calls))
    assert.ok(replies.length === 120 && replies.every((reply) => reply.ok && reply.value === 42))
  }
  const lacking: Server = (asked) => (Array.isArray(asked) ? asked.slice(1).map(one) : one(asked as Question))
  const twice: Server = (asked) => (Array.isArray(asked) ? asked.map(() => one(asked[0])) : one(asked as Question))
  for (const server of [lacking, twice]) {
    const { rpc, run } = await clientOf([server])
    await assert.rejects(run(rpc.askAll(calls)), (error) => isMixnetError(error, 'LEDGER_MISMATCH'))
  }
})

test('what must not be done twice is asked once; a signal ends it', async () => {
  const failing = afterwards(() => new Response('', { status: 502 }))
  const { rpc, run, asked } = await clientOf([failing, honest])
  await assert.rejects(run(rpc.ask(number, { once: true })), (error) => isMixnetError(error, 'LEDGER_UNREACHABLE'))
  assert.equal(asked[1], 0)
  const stop = AbortSignal.abort()
  await assert.rejects(run(rpc.ask(NEWEST_HEADER, { signal: stop })), (error) => isMixnetError(error, 'ABORTED'))
})

test('every error of the contracts has words, and strangers cannot put theirs into a terminal', () => {
  assert.deepEqual(errorsWithoutWords(), [])
  const refused = refusalError({ code: -32000, message: 'x', data: '0x' })
  assert.equal(refused.code, 'LEDGER_REFUSED')
  for (const data of ['0x', '0x1234', '0x08c379a0', '0x4e487b71', `0x08c379a0${'ff'.repeat(64)}`] as const)
    assert.ok(isMixnetError(revertError(data)))
})
