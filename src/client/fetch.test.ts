import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { type ErrorCode, isMixnetError, MixnetError } from '../foundation/base/errors.ts'
import { seconds } from '../foundation/base/units.ts'
import { createFetch, type FetchOptions, type MixnetFetch } from './fetch.ts'
import { explainFetchError } from './fetchErrors.ts'
import { BridgeExit, HandClock, HOST, pattern, type Route, until } from './streamSupport.test.ts'

const fixture = (name: string) => readFileSync(new URL(`../../test/fixtures/tls/${name}`, import.meta.url), 'utf8')
const CERTIFICATE = fixture('certificate.pem')
const URL_PLAIN = 'http://demo.starling/'
const URL_SECURE = 'https://demo.starling/'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Setup {
  readonly clock: HandClock
  readonly exit: BridgeExit
  readonly client: MixnetFetch
  readonly fetch: MixnetFetch['fetch']
}

function through(route: Route, options: Partial<FetchOptions> = {}): Setup {
  const clock = new HandClock()
  const exit = new BridgeExit(clock, () => route)
  const client = createFetch({ clock }, { dialer: exit, ca: CERTIFICATE, ...options })
  cleanups.push(() => client.close())
  return { clock, exit, client, fetch: client.fetch }
}

async function listening(server: Server): Promise<Route> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { host: HOST, port: (server.address() as AddressInfo).port }
}

const plain = (listener: RequestListener): Promise<Route> => listening(createServer(listener))
const secure = (listener: RequestListener): Promise<Route> =>
  listening(createSecureServer({ key: fixture('key.pem'), cert: CERTIFICATE }, listener))

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

async function rejectsWith(code: ErrorCode, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.equal(explainFetchError(error).code, code, String((error as Error).cause ?? error))
    return true
  })
}

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

describe('failures', () => {
  test('of the exit keep their codes, in the cause of a TypeError', async () => {
    for (const [route, code] of [
      ['refused', 'EXIT_REFUSED'],
      ['unknown', 'HOST_UNKNOWN'],
      ['unreachable', 'DESTINATION_UNREACHABLE'],
    ] as const) {
      for (const url of [URL_PLAIN, URL_SECURE]) {
        await assert.rejects(through(route).fetch(url), (error) => {
          assert.ok(error instanceof TypeError)
          assert.ok(isMixnetError(error.cause, code), `${code}, not ${error.cause}`)
          return true
        })
      }
    }
  })

  test('of the dialer', async () => {
    const dialer = {
      open() {
        throw new MixnetError('QUEUE_FULL')
      },
    }
    await rejectsWith('QUEUE_FULL', through('silent', { dialer }).fetch(URL_SECURE))
  })

  test('of certificates: not trusted, for another name', async () => {
    const route = await secure((_, response) => response.end('secret'))
    const clock = new HandClock()
    const untrusting = createFetch({ clock }, { dialer: new BridgeExit(clock, () => route) })
    cleanups.push(() => untrusting.close())
    await rejectsWith('DESTINATION_UNREACHABLE', untrusting.fetch(URL_SECURE))
    await rejectsWith('DESTINATION_UNREACHABLE', through(route).fetch('https://other.starling/'))
    await assert.rejects(through(route).fetch('https://other.starling/'), (error) => {
      assert.deepEqual(explainFetchError(error).details, { system: 'ERR_TLS_CERT_ALTNAME_INVALID' })
      return true
    })
  })

  test('of the caller', async () => {
    const { fetch } = through('silent')
    await rejectsWith('BAD_ARGUMENT', fetch('not a URL'))
    await rejectsWith('BAD_ARGUMENT', fetch('ftp://demo.starling/'))
    await rejectsWith('BAD_ARGUMENT', fetch(URL_PLAIN, { body: 'x' }))
  })

  test('of the server: not HTTP, cut in the middle', async () => {
    const server = createServer()
    server.removeAllListeners('connection')
    server.on('connection', (socket) => socket.end('SSH-2.0-nothing\r\n'))
    await rejectsWith('MALFORMED', through(await listening(server)).fetch(URL_PLAIN))

    const cut = await plain((_, response) => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write('half', () => response.destroy())
    })
    const response = await through(cut).fetch(URL_PLAIN)
    await rejectsWith('CONNECTION_CLOSED', response.text())
  })

  test('of the exit in the middle of a body', async () => {
    const route = await plain((_, response) => {
      response.write('begin')
    })
    const { fetch, exit } = through(route)
    const response = await fetch(URL_PLAIN)
    for (const stream of exit.streams) stream.fail(new MixnetError('GATEWAY_LOST'))
    await rejectsWith('GATEWAY_LOST', response.text())
  })
})

describe('limits', () => {
  const hanging = (): Promise<Route> =>
    plain((request, response) => {
      if (request.url === '/body') response.write('begin')
    })

  test('the deadline fires while connecting', async () => {
    const { fetch, clock, exit } = through('silent', { timeout: seconds(20) })
    const failing = rejectsWith('TIMEOUT', fetch(URL_SECURE))
    await until('it connects', () => exit.destinations.length === 1)
    clock.advance(seconds(20))
    await failing
  })

  test('the deadline fires while waiting for the header, and for the body', async () => {
    const { fetch, clock, exit } = through(await hanging())
    const failing = rejectsWith('TIMEOUT', fetch(URL_PLAIN))
    await until('it is connected', () => exit.connections.size === 1)
    clock.advance(seconds(60))
    await failing

    const response = await fetch('http://demo.starling/body', { timeout: seconds(5) })
    const reading = rejectsWith('TIMEOUT', response.text())
    clock.advance(seconds(5))
    await reading
    await until('nothing is open', () => exit.streams.size === 0)
  })

  test('the deadline fires while all connections are taken', async () => {
    const { fetch, clock } = through(await hanging(), { maxConnectionsPerOrigin: 1 })
    const first = rejectsWith('TIMEOUT', fetch(URL_PLAIN, { timeout: seconds(50) }))
    const second = rejectsWith('TIMEOUT', fetch(URL_PLAIN, { timeout: seconds(5) }))
    clock.advance(seconds(5))
    await second
    clock.advance(seconds(45))
    await first
  })

  test("the caller's signal stops it in every phase, with its own reason", async () => {
    const route = await hanging()
    const reason = new Error('enough')
    const before = through(route)
    await assert.rejects(before.fetch(URL_PLAIN, { signal: AbortSignal.abort(reason) }), reason)
    assert.equal(before.exit.destinations.length, 0)

    for (const target of ['silent', route] as const) {
      const { fetch, exit } = through(target)
      const controller = new AbortController()
      const failing = assert.rejects(fetch(URL_PLAIN, { signal: controller.signal }), reason)
      await until('it has begun', () => exit.destinations.length === 1)
      controller.abort(reason)
      await failing
    }

    const { fetch, exit, clock } = through(route)
    const controller = new AbortController()
    const response = await fetch('http://demo.starling/body', { signal: controller.signal })
    const reading = assert.rejects(response.text(), reason)
    controller.abort(reason)
    await reading
    await until('nothing is open', () => exit.streams.size === 0)
    assert.equal(clock.pending, 0)
  })

  test('a signal of the Request counts too; a default abort is ABORTED', async () => {
    const { fetch, exit } = through(await hanging())
    const controller = new AbortController()
    const failing = rejectsWith('ABORTED', fetch(new Request(URL_PLAIN, { signal: controller.signal })))
    await until('it has begun', () => exit.destinations.length === 1)
    controller.abort()
    await failing
  })

  test('a slow reader holds the exit back, and loses nothing', async () => {
    const data = pattern(3 << 20)
    const route = await plain((_, response) => response.end(data))
    const { fetch } = through(route)
    const response = await fetch(URL_PLAIN)
    const chunks: Uint8Array[] = []
    for await (const chunk of response.body as ReadableStream<Uint8Array>) {
      chunks.push(chunk)
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
    }
    assert.deepEqual(new Uint8Array(Buffer.concat(chunks)), data)
  })

  test('nothing is left waiting once the last byte is read', async () => {
    const route = await plain((_, response) => response.end('x'))
    const { fetch, client, clock } = through(route)
    await (await fetch(URL_PLAIN)).text()
    await client.close()
    assert.equal(clock.pending, 0)
  })
})
