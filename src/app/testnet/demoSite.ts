/**
 * A web site that says what it saw of its visitor: the far end of the first anonymous request. It also serves bodies of any size
 * and counts what is uploaded, and answers like an Ethereum node, so that people can try the network without leaving their
 * machine. @module
 */
import { Hono } from 'hono'
import { toHex } from '../../foundation/base/bytes.ts'
import { seconds } from '../../foundation/base/units.ts'
import type { Endpoint, Listener } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import { listenStepped } from '../node/steppedPort.ts'

/** The name under which the network's exit knows the site. */
export const DEMO_HOST = 'demo.starling'

export interface Visit {
  /** The address the request came from. */
  readonly address: string
  readonly path: string
}

export interface DemoSite {
  readonly endpoint: Endpoint
  lastVisit(): Visit | undefined
  close(): Promise<void>
}

const MAX_DOWNLOAD_BYTES = 100_000_000
const MAX_UPLOAD_BYTES = 32 * 1024 * 1024
const PIECE_BYTES = 65_536
const MAX_CONNECTIONS = 4096

export async function serveDemoSite(world: World, onStep?: (wanted: number, used: number) => void): Promise<DemoSite> {
  let last: Visit | undefined
  const app = demoApp(world)
  const step = { wanted: 8088, step: true, ...(onStep === undefined ? {} : { onStep }) }
  const listener: Listener = await listenStepped(step, (port) =>
    world.net.serveHttp(
      {
        host: '127.0.0.1',
        port,
        maxConnections: MAX_CONNECTIONS,
        maxBodyBytes: MAX_UPLOAD_BYTES,
        requestTimeout: seconds(600),
      },
      (request, peer) => {
        last = { address: peer.host, path: new URL(request.url).pathname }
        return app.fetch(request, { peer })
      },
    ),
  )
  return { endpoint: listener.endpoint, lastVisit: () => last, close: () => listener.close() }
}

function demoApp({ crypto }: World): Hono<{ Bindings: { peer: Endpoint } }> {
  const app = new Hono<{ Bindings: { peer: Endpoint } }>()
  app.get('/', (context) =>
    context.text(
      `Hello. This is a web site behind a mixnet.\nYour request came from ${context.env.peer.host}: the exit, not you.\n` +
        `It said it was: ${context.req.header('user-agent') ?? 'nothing about itself'}\n`,
    ),
  )
  // The same bytes for everybody, so that a download can be checked: byte i is i modulo 251.
  app.get('/bytes/:count{[0-9]+}', (context) => {
    const count = Number(context.req.param('count'))
    if (count > MAX_DOWNLOAD_BYTES) return context.text('too much\n', 413)
    return context.body(pattern(count), 200, {
      'content-type': 'application/octet-stream',
      'content-length': `${count}`,
    })
  })
  app.post('/upload', async (context) => {
    const body = new Uint8Array(await context.req.arrayBuffer())
    return context.json({ bytes: body.length, sha256: toHex(crypto.sha256(body)) })
  })
  app.post('/rpc', async (context) => context.json(answerRpc(await context.req.json().catch(() => undefined))))
  return app
}

const ACCOUNT = /^0x[0-9a-f]{40}$/i

/** Enough JSON-RPC for a wallet to show a balance. The balance is made of the address, so that everybody has one. */
function answerRpc(question: unknown): object {
  const { id = null, method, params } = (question ?? {}) as { id?: unknown; method?: unknown; params?: unknown }
  const [account] = Array.isArray(params) ? params : []
  const result = (value: string) => ({ jsonrpc: '2.0', id, result: value })
  if (method === 'eth_chainId') return result('0x7a69')
  if (method === 'eth_blockNumber') return result('0x10')
  if (method === 'eth_getBalance' && typeof account === 'string' && ACCOUNT.test(account)) {
    const ether = BigInt(account.slice(0, 6))
    return result(`0x${(ether * 10n ** 18n).toString(16)}`)
  }
  return { jsonrpc: '2.0', id, error: { code: -32601, message: 'the demo site knows no such question' } }
}

function pattern(count: number): ReadableStream<Uint8Array> {
  let sent = 0
  return new ReadableStream({
    pull(controller) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, count - sent))
      for (let i = 0; i < piece.length; i++) piece[i] = (sent + i) % 251
      sent += piece.length
      if (piece.length > 0) controller.enqueue(piece)
      if (sent >= count) controller.close()
    },
  })
}
