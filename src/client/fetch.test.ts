import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { afterEach, describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { seconds } from '../foundation/base/units.ts'
import {
  bodyOf,
  cleanUp,
  listening,
  plain,
  rejectsWith,
  secure,
  through,
  URL_PLAIN,
  URL_SECURE,
} from './fetchSupport.test.ts'
import { pattern, until } from './streamSupport.test.ts'

afterEach(cleanUp)

describe('requests', () => {
  for (const [scheme, url, serve] of [
    ['http', URL_PLAIN, plain],
    ['https', URL_SECURE, secure],
  ] as const) {
    test(`${scheme}: a body each way, the name left to the exit`, async () => {
      const data = pattern(1 << 20)
      const route = await serve(async (request, response) => {
        response.setHeader('x-method', request.method ?? '')
        response.end(await bodyOf(request))
      })
      const { fetch, exit } = through(route)
      const response = await fetch(url, { method: 'POST', body: data })
      assert.equal(response.status, 200)
      assert.equal(response.headers.get('x-method'), 'POST')
      assert.deepEqual(new Uint8Array(await response.arrayBuffer()), data)
      assert.deepEqual(exit.destinations, [{ host: 'demo.starling', port: scheme === 'http' ? 80 : 443 }])
    })
  }

  test('headers reveal nothing that was not asked for', async () => {
    const route = await plain((request, response) => response.end(JSON.stringify(request.headers)))
    const { fetch } = through(route)
    assert.deepEqual(await (await fetch(URL_PLAIN)).json(), {
      host: 'demo.starling',
      connection: 'keep-alive',
      accept: '*/*',
      'user-agent': 'Mozilla/5.0',
      'accept-encoding': 'gzip, deflate',
    })
    const headers = { 'User-Agent': 'mine', 'Accept-Language': 'de' }
    const asked = (await (await fetch(URL_PLAIN, { headers })).json()) as Record<string, string>
    assert.equal(asked['user-agent'], 'mine')
    assert.equal(asked['accept-language'], 'de')
  })

  test('TLS: the server sees the name, HTTP/1.1 only, and no session of before', async () => {
    const seen: unknown[] = []
    const route = await secure((request, response) => {
      const { servername, alpnProtocol } = request.socket as TLSSocket & { servername: string }
      seen.push([servername, alpnProtocol, (request.socket as TLSSocket).isSessionReused()])
      response.setHeader('connection', 'close')
      response.end()
    })
    const { fetch } = through(route)
    for (let i = 0; i < 2; i++) await (await fetch(URL_SECURE)).text()
    assert.deepEqual(seen, [
      ['demo.starling', 'http/1.1', false],
      ['demo.starling', 'http/1.1', false],
    ])
    assert.equal((await fetch('https://127.0.0.1/')).status, 200, 'an address in the certificate')
  })

  test('the runtime classes: Request, FormData, URL', async () => {
    const route = await plain(async (request, response) => {
      response.end(`${request.method} ${request.url} ${request.headers['x-a']} ${await bodyOf(request)}`)
    })
    const { fetch } = through(route)
    const request = new Request('http://demo.starling/r', { method: 'PUT', headers: { 'x-a': '1' }, body: 'body' })
    assert.equal(await (await fetch(request)).text(), 'PUT /r 1 body')
    assert.equal(await (await fetch(new URL('http://demo.starling/u'))).text(), 'GET /u undefined ')
    const form = new FormData()
    form.append('field', 'value')
    assert.match(await (await fetch(URL_PLAIN, { method: 'POST', body: form })).text(), /name="field"\r\n\r\nvalue/)
  })

  test('redirects are followed', async () => {
    const route = await plain((request, response) => {
      if (request.url === '/') response.writeHead(302, { location: '/there' }).end()
      else response.end('here')
    })
    assert.equal(await (await through(route).fetch(URL_PLAIN)).text(), 'here')
  })
})

describe('connections', () => {
  test('are kept and used again', async () => {
    const route = await secure((_, response) => response.end('x'))
    const { fetch, exit } = through(route)
    for (let i = 0; i < 3; i++) assert.equal(await (await fetch(URL_SECURE)).text(), 'x')
    assert.equal(exit.destinations.length, 1)
  })

  test('that the server closes just then are replaced, where asking again does no harm', async () => {
    let requests = 0
    const route = await plain(async (request, response) => {
      if (++requests % 2 === 0) {
        request.socket.destroy()
        return
      }
      await bodyOf(request)
      response.end(`${requests}`)
    })
    const { fetch } = through(route)
    assert.equal(await (await fetch(URL_PLAIN)).text(), '1')
    assert.equal(await (await fetch(URL_PLAIN)).text(), '3')
    await rejectsWith('CONNECTION_CLOSED', fetch(URL_PLAIN, { method: 'POST', body: 'x' }))
    assert.equal(requests, 4)
  })

  test('close ends what runs and what is kept; nothing starts afterwards', async () => {
    const route = await plain((request, response) => {
      if (request.url === '/') response.end('x')
    })
    const { fetch, client, exit } = through(route)
    const running = rejectsWith('STOPPED', fetch('http://demo.starling/never'))
    await (await fetch(URL_PLAIN)).text()
    await client.close()
    await running
    await until('nothing is open', () => exit.streams.size === 0)
    await rejectsWith('STOPPED', fetch(URL_PLAIN))
  })

  test('close in the turn of the call ends it as it ends every other', async () => {
    const { fetch, client } = through('silent')
    const running = rejectsWith('STOPPED', fetch(URL_PLAIN))
    await client.close()
    await running
  })

  test('a TLS handshake that never ends gives its place back', async () => {
    const server = createServer()
    server.removeAllListeners('connection')
    const { fetch, clock, exit } = through(await listening(server), { timeout: seconds(200) })
    const failing = rejectsWith('TIMEOUT', fetch(URL_SECURE))
    await until('it is connected', () => exit.connections.size === 1)
    await Promise.all([...exit.streams].map((stream) => stream.opened))
    clock.advance(seconds(60))
    await failing
    await until('nothing is open', () => exit.streams.size === 0)
  })
})

describe('isolation', () => {
  test('a kept connection serves its own key and no other', async () => {
    const route = await plain((request, response) => response.end(request.headers['x-n']))
    const { fetch, exit } = through(route)
    const ask = async (isolation?: string, url = URL_PLAIN) =>
      (
        await fetch(url, { headers: { 'x-n': `${isolation}` }, ...(isolation === undefined ? {} : { isolation }) })
      ).text()
    for (const key of ['a', 'b', undefined, 'a', 'b', undefined, 'a']) assert.equal(await ask(key), `${key}`)
    assert.deepEqual(exit.isolations, ['a', 'b', undefined])
    await ask('a', 'http://other.starling/')
    assert.deepEqual(exit.isolations.slice(3), ['a'], 'another site under the same key: another connection')
  })

  test('a redirect stays under the key', async () => {
    const route = await plain((request, response) => {
      if (request.url === '/') response.writeHead(302, { location: 'http://other.starling/there' }).end()
      else response.end('here')
    })
    const { fetch, exit } = through(route)
    assert.equal(await (await fetch(URL_PLAIN, { isolation: 'a' })).text(), 'here')
    assert.deepEqual(exit.isolations, ['a', 'a'])
  })

  test('of too many keys the one used longest ago loses its connections, never one in use', async () => {
    const route = await plain((request, response) => {
      response.write('begin')
      if (request.url === '/') response.end()
      else request.socket.once('data', () => {})
    })
    const { fetch, exit } = through(route, { maxIdleKeys: 2 })
    const slow = await fetch('http://demo.starling/slow', { isolation: 'slow' })
    for (const isolation of ['a', 'b', 'c']) await (await fetch(URL_PLAIN, { isolation })).text()
    await until('those of a and b are closed', () => exit.streams.size === 2)
    assert.ok([...exit.streams].every((stream) => stream.isOpen))
    const reader = (slow.body as ReadableStream<Uint8Array>).getReader()
    assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), 'begin')
    await (await fetch(URL_PLAIN, { isolation: 'c' })).text()
    assert.equal(exit.destinations.length, 4, 'c is kept')
    await (await fetch(URL_PLAIN, { isolation: 'a' })).text()
    assert.equal(exit.destinations.length, 5, 'a is opened anew')
    await reader.cancel()
  })
})
