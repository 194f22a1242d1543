import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { afterEach, describe, test } from 'node:test'
import { isMixnetError, MixnetError } from '../foundation/base/errors.ts'
import { seconds } from '../foundation/base/units.ts'
import { HandClock } from '../foundation/platform/handClock.ts'
import { nodeRandom } from '../foundation/platform/node/nodeRandom.ts'
import { BridgeExit, type Route } from './bridgeExit.test.ts'
import { createFetch } from './fetch.ts'
import { explainFetchError } from './fetchErrors.ts'
import {
  cleanUp,
  cleanups,
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
    const untrusting = createFetch({ clock, random: nodeRandom }, { dialer: new BridgeExit(clock, () => route) })
    cleanups.push(() => untrusting.close())
    await rejectsWith('TLS_FAILED', untrusting.fetch(URL_SECURE))
    await rejectsWith('TLS_FAILED', through(route).fetch('https://other.starling/'))
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

  test('of the caller, by the name of the argument, and nothing of what was in it', async () => {
    const { fetch } = through(await plain((request, response) => request.resume().on('end', () => response.end())))
    const stream = () => new ReadableStream({ pull: (controller) => controller.error(new Error('secret of mine')) })
    const cases: readonly (readonly [argument: string, init: object, nextStep?: RegExp])[] = [
      ['body', { body: 'secret' }, /POST/],
      ['method', { method: 'PO secret' }],
      ['method', { method: 'CONNECT' }],
      ['headers', { headers: { 'a secret': 'b' } }],
      ['headers', { headers: { a: 'secret\nb' } }],
      ['headers', { method: 'POST', body: 'abc', headers: { 'transfer-encoding': 'chunked' } }],
      ['headers', { method: 'POST', body: 'abc', headers: { 'content-length': '99' } }],
      ['headers', { headers: { expect: 'secret' } }],
      ['duplex', { method: 'POST', body: stream() }, /duplex: 'half'/],
      ['body', { method: 'POST', body: stream(), duplex: 'half' }, /cause/],
      ['redirect', { redirect: 'secret' }],
      ['cache', { cache: 'secret' }],
      ['cache', { cache: 'only-if-cached' }],
      ['mode', { mode: 'secret' }],
      ['credentials', { credentials: 'secret' }],
    ]
    for (const [argument, init, nextStep = /./] of cases) {
      const error: unknown = await fetch(URL_PLAIN, init).catch(explainFetchError)
      assert.ok(isMixnetError(error, 'BAD_ARGUMENT'), `${argument}: ${error}`)
      assert.equal(error.details.argument, argument, error.message)
      assert.doesNotMatch(error.message, /secret/)
      assert.match(error.nextStep, nextStep)
      assert.ok(error.cause instanceof Error)
    }
    for (const url of ['example.org', '', 'ftp://x/']) {
      const error: unknown = await fetch(url).catch(explainFetchError)
      assert.ok(isMixnetError(error, 'BAD_ARGUMENT'))
      assert.match(error.nextStep, /begins with http:\/\/ or https:\/\//)
    }
    assert.equal(explainFetchError(await fetch(URL_PLAIN, { integrity: 'sha256-x' }).catch((e) => e)).code, 'MALFORMED')
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
