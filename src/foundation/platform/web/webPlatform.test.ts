/** The parts of the web platform that this runtime has too; IndexedDB and locks are tested in a browser (test/browser). @module */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type ErrorCode, isMixnetError } from '../../base/errors.ts'
import { millis, seconds } from '../../base/units.ts'
import { nullProvider } from '../../crypto/nullProvider.ts'
import type { HttpHandler, WebSocketConnection } from '../net.ts'
import { nodeNet } from '../node/nodeNet.ts'
import { nextAccepted, receiveMessages } from '../stages.ts'
import { mustUseTls } from './webPage.ts'
import { webWorld } from './webWorld.ts'

const { clock, random, net } = webWorld(nullProvider)
const host = '127.0.0.1'
const timeout = seconds(5)
const refusedWith = (code: ErrorCode) => (error: unknown) => isMixnetError(error, code)

async function serve(t: TestContext, handler: HttpHandler): Promise<string> {
  const limits = { maxBodyBytes: 1000, requestTimeout: seconds(5) }
  const listener = await nodeNet.serveHttp({ host, port: 0, ...limits }, handler)
  t.after(() => listener.close())
  return `http://${host}:${listener.endpoint.port}/`
}

describe('web platform: clock', () => {
  it('fires timers once, in order, and not when cancelled', async () => {
    const fired: string[] = []
    const done = Promise.withResolvers<void>()
    clock.after(millis(1), () => fired.push('cancelled')).cancel()
    clock.after(millis(200), done.resolve)
    clock.after(millis(100), () => fired.push('second'))
    clock.after(millis(-5), () => fired.push('first'))
    await done.promise
    assert.deepEqual(fired, ['first', 'second'])
  })

  it('runs what is soon after this turn, in order', async () => {
    const order: number[] = []
    const { promise, resolve } = Promise.withResolvers<void>()
    clock.soon(() => order.push(2))
    clock.soon(() => {
      order.push(3)
      resolve()
    })
    queueMicrotask(() => order.push(1))
    await promise
    assert.deepEqual(order, [1, 2, 3])
  })
})

describe('web platform: randomness', () => {
  it('fills any length, also beyond what one call may ask for', () => {
    const bytes = random.stream('x').bytes(200_000)
    for (const at of [0, 65_536, 131_072, 196_608]) {
      const piece = bytes.subarray(at, at + 3_000)
      assert.ok(piece.some((byte) => byte !== 0))
    }
    assert.equal(random.stream('x').bytes(0).length, 0)
  })

  it('is uniform in [0, 1) as far as a mean can tell', () => {
    const stream = random.stream('x')
    const draws = Array.from({ length: 10_000 }, () => stream.uniform())
    assert.ok(draws.every((draw) => draw >= 0 && draw < 1))
    // Nine standard deviations of the mean of 10,000 draws.
    assert.ok(Math.abs(draws.reduce((sum, draw) => sum + draw, 0) / draws.length - 0.5) < 0.026)
  })
})

describe('web platform: HTTP', { timeout: 20_000 }, () => {
  it('brings status, type and body, and sends what it is given', async (t) => {
    const url = await serve(t, async (request) => {
      const seen = [request.method, request.headers.get('x-test'), request.headers.get('referer'), await request.text()]
      return new Response(JSON.stringify(seen), { status: 418, headers: { 'content-type': 'text/x' } })
    })
    const answer = await net.request({
      url,
      method: 'POST',
      headers: { 'x-test': 'yes' },
      body: 'hello',
      timeout,
      maxBodyBytes: 1000,
    })
    assert.equal(answer.status, 418)
    assert.equal(answer.contentType, 'text/x')
    assert.equal(new TextDecoder().decode(answer.body), '["POST","yes",null,"hello"]')
    assert.equal((await net.request({ url, timeout, maxBodyBytes: 1000 })).status, 418)
  })

  it('does not follow redirects', async (t) => {
    let asked = 0
    const url = await serve(t, () => {
      asked++
      return new Response(null, { status: 302, headers: { location: '/elsewhere' } })
    })
    const { status } = await net.request({ url, timeout, maxBodyBytes: 10 })
    assert.ok(status < 200 || status >= 300)
    assert.equal(asked, 1)
  })

  it('ends what is too long, too late, unwanted, or not there', async (t) => {
    const url = await serve(t, ({ url }) =>
      url.endsWith('/silent') ? new Promise<Response>(() => {}) : new Response('x'.repeat(5000)),
    )
    const ask = (more: object) => net.request({ url, timeout, maxBodyBytes: 100, ...more })
    await assert.rejects(ask({}), refusedWith('MESSAGE_TOO_LONG'))
    assert.equal((await ask({ maxBodyBytes: 5000 })).body.length, 5000)
    await assert.rejects(ask({ url: `${url}silent`, timeout: millis(50) }), refusedWith('TIMEOUT'))
    const abort = new AbortController()
    const silent = assert.rejects(ask({ url: `${url}silent`, signal: abort.signal }), refusedWith('ABORTED'))
    abort.abort()
    await silent
    await assert.rejects(ask({ signal: AbortSignal.abort() }), refusedWith('ABORTED'))
    await assert.rejects(ask({ url: 'ftp://x/' }), refusedWith('BAD_ARGUMENT'))
    await assert.rejects(ask({ url: 'http://127.0.0.1:1/' }), refusedWith('CONNECTION_REFUSED'))
  })
})

describe('web platform: WebSocket', { timeout: 20_000 }, () => {
  async function open(t: TestContext) {
    const { accept, accepted } = nextAccepted<WebSocketConnection>()
    const limits = { maxMessageBytes: 2000, handshakeTimeout: seconds(2) }
    const listener = await nodeNet.listenWebSocket({ host, port: 0, ...limits }, accept)
    t.after(() => listener.close())
    const url = `ws://${host}:${listener.endpoint.port}/`
    const client = await net.connectWebSocket({ url, timeout, maxMessageBytes: 1000 })
    return { client, server: await accepted, listener, url }
  }

  it('carries text and bytes both ways in order, kept until attach and while paused', async (t) => {
    const { client, server, listener } = await open(t)
    const sent = ['grüße', Uint8Array.of(1, 2, 3), '', new Uint8Array(1000), new Uint8Array(0)]
    const atServer = receiveMessages(server)
    for (const message of sent) {
      client.send(message)
      server.send(message)
    }
    assert.deepEqual(await atServer.until((messages) => messages.length === sent.length), sent)
    client.pause()
    const atClient = receiveMessages(client)
    server.send('last')
    assert.deepEqual(atClient.items, [])
    client.resume()
    assert.deepEqual(await atClient.until((messages) => messages.length > sent.length), [...sent, 'last'])
    assert.equal(client.remote.port, listener.endpoint.port)
    await listener.close()
    assert.ok(isMixnetError(await atClient.closed, 'CONNECTION_CLOSED'))
    assert.equal(atClient.closes(), 1)
  })

  it('closes in peace, is destroyed at once, and refuses what is too long', async (t) => {
    const peace = await open(t)
    const [here, there] = [receiveMessages(peace.client), receiveMessages(peace.server)]
    peace.client.close()
    assert.deepEqual(await Promise.all([here.closed, there.closed]), [undefined, undefined])
    peace.client.send('too late')

    const destroyed = await open(t)
    const told = receiveMessages(destroyed.client)
    const gone = receiveMessages(destroyed.server)
    destroyed.client.destroy()
    assert.equal(await told.closed, undefined)
    await gone.closed

    const flooded = await open(t)
    const flood = receiveMessages(flooded.client)
    flooded.server.send(new Uint8Array(1001))
    assert.ok(isMixnetError(await flood.closed, 'MALFORMED'))
    assert.deepEqual(flood.items, [])
  })

  it('says when nobody is there, it takes too long, or nobody waits any more', async () => {
    const connect = (more: object) =>
      net.connectWebSocket({ url: 'ws://127.0.0.1:1/', timeout, maxMessageBytes: 10, ...more })
    await assert.rejects(connect({}), refusedWith('CONNECTION_REFUSED'))
    await assert.rejects(connect({ url: 'no url' }), refusedWith('BAD_ARGUMENT'))
    await assert.rejects(connect({ signal: AbortSignal.abort() }), refusedWith('ABORTED'))
    // Takes connections and says nothing.
    const listener = await nodeNet.listen({ host, port: 0 }, (connection) =>
      connection.attach({ data() {}, close() {} }),
    )
    const url = `ws://${host}:${listener.endpoint.port}/`
    await assert.rejects(connect({ url, timeout: millis(50) }), refusedWith('TIMEOUT'))
    await listener.close()
  })
})

describe('web platform: where a script came from', () => {
  it('wants TLS in pages that came by https, and in all that belongs to them', () => {
    const at = (href: string, origin = new URL(href).origin) => mustUseTls({ origin, location: { href } })
    assert.ok(at('https://wallet.example/page.html'))
    assert.ok(at('blob:https://wallet.example/0b3c'))
    assert.ok(at('about:srcdoc', 'https://wallet.example'))
    assert.ok(at('https://wallet.example/sandboxed.html', 'null'))
    assert.ok(at('data:text/javascript,0', 'https://wallet.example'))
  })

  it('leaves everybody else alone', () => {
    const at = (href: string, origin = new URL(href).origin) => mustUseTls({ origin, location: { href } })
    assert.ok(!at('http://localhost:3000/https://'))
    assert.ok(!at('chrome-extension://abcdefgh/background.js', 'chrome-extension://abcdefgh'))
    assert.ok(!at('file:///home/https:/page.html', 'null'))
    assert.ok(!mustUseTls({}))
    assert.ok(!mustUseTls())
  })
})
