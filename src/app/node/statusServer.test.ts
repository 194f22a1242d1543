import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Meter } from '../../foundation/base/observe.ts'
import { forOperator, isLoopback, statusHandler } from './statusServer.ts'

const meter = new Meter()
meter.counter('packets_total', 'Packets', { kind: 'real' }).value = 3
meter.gauge('queued', 'Waiting', () => 7)
const handler = statusHandler({ meter, status: () => ({ name: 'client' }) })
const get = async (url: string, method = 'GET') => handler(new Request(url, { method }), { host: '127.0.0.1', port: 1 })

test('status and counters, as JSON and for Prometheus', async () => {
  const status = await get('http://127.0.0.1:1/status')
  assert.deepEqual(await status.json(), { name: 'client', counters: { 'packets_total{kind="real"}': 3, queued: 7 } })
  const text = await (await get('http://localhost:1/metrics')).text()
  assert.match(text, /^starling_packets_total\{kind="real"\} 3$/m)
  assert.match(text, /^# TYPE starling_queued gauge$/m)
})

test('a name that a web page made point here is refused, as are other paths and methods', async () => {
  for (const [url, method, status] of [
    ['http://rebound.example/status', 'GET', 403],
    ['http://127.0.0.1/', 'GET', 404],
    ['http://[::1]/status', 'POST', 405],
  ] as const) {
    assert.equal((await get(url, method)).status, status)
  }
})

test('a node shows status and counters to its own machine only, and everything else to everybody', async () => {
  const api = () => new Response('api')
  const guarded = forOperator(api, { mayRead: (peer) => isLoopback(peer.host), status: () => ({ pool: 3 }) })
  const ask = async (path: string, host: string) => guarded(new Request(`http://127.0.0.1${path}`), { host, port: 1 })
  for (const path of ['/status', '/metrics', '/api/v1/metrics/prometheus']) {
    assert.equal((await ask(path, '203.0.113.9')).status, 403)
    assert.equal((await ask(path, '::ffff:127.0.0.1')).status, 200)
    assert.equal((await ask(path, '::1')).status, 200)
  }
  assert.deepEqual(await (await ask('/status', '127.0.0.1')).json(), { pool: 3 })
  // The API takes these for the same paths: what is shown to nobody else must not be had by another spelling.
  for (const path of [
    '/api/v1/metrics/prometheus/',
    '/api//v1/metrics/prometheus',
    '/api/v1//metrics//prometheus/',
    '/metrics/',
  ]) {
    assert.equal((await ask(path, '203.0.113.9')).status, 403, path)
  }
  const rebound = await guarded(new Request('http://rebound.example/status'), { host: '127.0.0.1', port: 1 })
  assert.equal(rebound.status, 403)
  assert.equal(await (await ask('/api/v1/health', '203.0.113.9')).text(), 'api')
})
