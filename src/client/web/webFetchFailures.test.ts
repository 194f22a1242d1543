import assert from 'node:assert/strict'
import { createServer as createTcpServer } from 'node:net'
import { afterEach, describe, test } from 'node:test'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { seconds } from '../../foundation/base/units.ts'
import { turn } from '../../foundation/platform/handClock.ts'
import type { Route } from '../bridgeExit.test.ts'
import { until } from '../streamSupport.test.ts'
import {
  cleanUp,
  listening,
  plain,
  rejectsWith,
  scripted,
  secure,
  through,
  URL_PLAIN,
  URL_SECURE,
} from './webSupport.test.ts'

afterEach(cleanUp)

describe('failures', () => {
  test('of the exit keep their codes', async () => {
    for (const [route, code] of [
      ['refused', 'EXIT_REFUSED'],
      ['unknown', 'HOST_UNKNOWN'],
      ['unreachable', 'DESTINATION_UNREACHABLE'],
    ] as const) {
      for (const url of [URL_PLAIN, URL_SECURE]) await rejectsWith(code, through(route).fetch(url))
    }
  })

  test('of the dialer', async () => {
    const dialer = {
      open() {
        throw new MixnetError('QUEUE_FULL')
      },
    }
    for (const url of [URL_PLAIN, URL_SECURE]) await rejectsWith('QUEUE_FULL', through('silent', { dialer }).fetch(url))
  })

  test('of the exit in the middle of a body', async () => {
    for (const [url, serve] of [
      [URL_PLAIN, plain],
      [URL_SECURE, secure],
    ] as const) {
      const { fetch, exit } = through(await serve((_, response) => response.write('begin')))
      const response = await fetch(url)
      for (const stream of exit.streams) stream.fail(new MixnetError('GATEWAY_LOST'))
      await rejectsWith('GATEWAY_LOST', response.text())
    }
  })

  test('of the caller, by the name of the argument', async () => {
    const { fetch } = through('silent')
    for (const [argument, init] of [
      ['body', { body: 'x' }],
      ['method', { method: 'PO ST' }],
      ['method', { method: 5 }],
      ['headers', { headers: { 'a b': 'c' } }],
      ['headers', { headers: { a: 'b\nc' } }],
      ['body', { method: 'POST', body: Symbol('x') }],
      ['redirect', { redirect: 'no' }],
    ] as const)
      await assert.rejects(fetch(URL_PLAIN, init as object), (error) => {
        assert.ok(isMixnetError(error, 'BAD_ARGUMENT'))
        assert.equal(error.details.argument, argument)
        return true
      })
    for (const url of ['example.org', '/path', 'ftp://x/'])
      await assert.rejects(fetch(url), { code: 'BAD_ARGUMENT', nextStep: /begins with http:\/\/ or https:\/\// })
  })

  test('of the server: not HTTP, reset or cut in the middle', async () => {
    await rejectsWith('MALFORMED', through(await scripted('SSH-2.0-nothing\r\n\r\n\r\n')).fetch(URL_PLAIN))
    for (const how of ['end', 'resetAndDestroy'] as const) {
      const cut = await scripted('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf', (socket) =>
        setImmediate(() => socket[how]()),
      )
      await rejectsWith(
        'CONNECTION_CLOSED',
        through(cut)
          .fetch(URL_PLAIN)
          .then((response) => response.text()),
      )
    }
    await rejectsWith('CONNECTION_CLOSED', through(await scripted('', (socket) => socket.end())).fetch(URL_PLAIN))
  })

  test('of the server: headers without end', async () => {
    const endless = await scripted('HTTP/1.1 200 OK\r\n', (socket) => {
      const more = (error?: Error | null) => {
        if (error) return
        socket.write('a: b\r\n'.repeat(100), (failed) => setImmediate(more, failed))
      }
      more()
    })
    const { fetch, exit } = through(endless)
    await rejectsWith('MALFORMED', fetch(URL_PLAIN), { what: 'HTTP response', why: 'headers too long' })
    await until('nothing is open', () => exit.streams.size === 0)
  })

  test('of a body that is sent', async () => {
    const { fetch, exit } = through(await plain((request) => request.resume()))
    const broken = new ReadableStream({
      pull: (controller) => controller.error(new MixnetError('FILE_UNUSABLE')),
    })
    const init = (body: ReadableStream) => ({ method: 'POST', body, duplex: 'half' }) as RequestInit
    await rejectsWith('BAD_ARGUMENT', fetch(URL_PLAIN, init(broken)))
    const texts = new ReadableStream({ start: (controller) => controller.enqueue('no bytes') })
    await rejectsWith('BAD_ARGUMENT', fetch(URL_PLAIN, init(texts)))
    await until('nothing is open', () => exit.streams.size === 0)
  })

  test('of a kept connection, while it is asked again: only what changes nothing is asked twice', async () => {
    const asked: string[] = []
    const route = await listening(
      createTcpServer((socket) => {
        let requests = 0
        socket.on('data', (data) => {
          asked.push(String(data).split(' ')[0] as string)
          if (++requests === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
          else socket.destroy()
        })
      }),
    )
    for (const method of ['GET', 'HEAD', 'DELETE', 'PUT', 'POST']) {
      const { fetch } = through(route)
      await fetch(URL_PLAIN)
      await turn()
      const again = fetch(URL_PLAIN, { method })
      if (method === 'GET' || method === 'HEAD') assert.equal((await again).status, 200)
      else await rejectsWith('CONNECTION_CLOSED', again)
    }
    assert.equal(asked.join(), 'GET,GET,GET,GET,HEAD,HEAD,GET,DELETE,GET,PUT,GET,POST')
  })

  test('an answer before the request is all sent stops the sending', async () => {
    const { fetch, exit } = through(await scripted('HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n'))
    let cancelled = false
    const endless = new ReadableStream({
      pull: async (controller) => {
        await turn()
        controller.enqueue(new Uint8Array(1000))
      },
      cancel: () => {
        cancelled = true
      },
    })
    const response = await fetch(URL_PLAIN, { method: 'POST', body: endless, duplex: 'half' } as RequestInit)
    assert.equal(response.status, 413)
    await until('it is stopped', () => cancelled && exit.streams.size === 0)
  })
})

describe('limits', () => {
  const hanging = (): Promise<Route> =>
    plain((request, response) => {
      if (request.url === '/body') response.write('begin')
    })

  test('the deadline fires while connecting, while TLS shakes hands, and while the server is silent', async () => {
    const mute = await listening(createTcpServer(() => {}))
    for (const [route, url] of [
      ['silent', URL_PLAIN],
      ['silent', URL_SECURE],
      [mute, URL_PLAIN],
      [mute, URL_SECURE],
    ] as const) {
      const { fetch, clock, exit } = through(route, { timeout: seconds(20) })
      const failing = rejectsWith('TIMEOUT', fetch(url), { what: 'request', limitMs: 20_000 })
      await until('it connects', () => exit.destinations.length === 1)
      for (let i = 0; i < 20; i++) await turn()
      clock.advance(seconds(20))
      await failing
      await until('nothing is open', () => exit.streams.size === 0)
      assert.equal(clock.pending, 0)
    }
  })

  test('the deadline fires in the middle of a body, read or not', async () => {
    const { fetch, clock, exit } = through(await hanging())
    const response = await fetch('http://demo.starling/body', { timeout: seconds(5) })
    const reading = rejectsWith('TIMEOUT', response.text())
    const unread = await fetch('http://demo.starling/body')
    clock.advance(seconds(5))
    await reading
    clock.advance(seconds(60))
    await rejectsWith('TIMEOUT', unread.text())
    await until('nothing is open', () => exit.streams.size === 0)
    assert.equal(clock.pending, 0)
  })

  test('the deadline fires while a body is sent to nobody', async () => {
    const { fetch, clock } = through(await listening(createTcpServer((socket) => socket.pause())))
    const failing = rejectsWith('TIMEOUT', fetch(URL_PLAIN, { method: 'POST', body: new Uint8Array(1 << 20) }))
    for (let i = 0; i < 20; i++) await turn()
    clock.advance(seconds(60))
    await failing
  })

  test('the deadline fires while all connections are taken', async () => {
    const { fetch, clock } = through(await hanging(), { maxConnectionsPerOrigin: 1 })
    const first = rejectsWith('TIMEOUT', fetch(URL_PLAIN, { timeout: seconds(50) }))
    const second = rejectsWith('TIMEOUT', fetch(URL_PLAIN, { timeout: seconds(5) }))
    for (let i = 0; i < 20; i++) await turn()
    clock.advance(seconds(5))
    await second
    clock.advance(seconds(45))
    await first
  })

  test("the caller's signal stops it in every phase, with its own reason", async () => {
    const route = await hanging()
    const reason = new TypeError('enough')
    const before = through(route)
    await assert.rejects(before.fetch(URL_PLAIN, { signal: AbortSignal.abort(reason) }), reason)
    assert.equal(before.exit.destinations.length, 0)

    for (const [target, url] of [
      ['silent', URL_PLAIN],
      ['silent', URL_SECURE],
      [route, URL_PLAIN],
      [route, URL_SECURE],
    ] as const) {
      const { fetch, exit, clock } = through(target)
      const controller = new AbortController()
      const failing = assert.rejects(fetch(url, { signal: controller.signal }), reason)
      await until('it has begun', () => exit.destinations.length === 1)
      controller.abort(reason)
      await failing
      await until('nothing is open', () => exit.streams.size === 0)
      assert.equal(clock.pending, 0)
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

  test('a signal of the Request counts too, unless another takes its place', async () => {
    const { fetch, exit } = through(await hanging())
    const controller = new AbortController()
    const failing = assert.rejects(fetch(new Request(URL_PLAIN, { signal: controller.signal })), { name: 'AbortError' })
    await until('it has begun', () => exit.destinations.length === 1)
    controller.abort()
    await failing
    const answering = through(await plain((_, response) => response.end('x')))
    const request = new Request(URL_PLAIN, { signal: controller.signal })
    assert.equal((await answering.fetch(request, { signal: null })).status, 200)
  })
})

describe('connections', () => {
  test('are kept and used again, for ten seconds or as long as the server says', async () => {
    for (const [header, kept] of [
      ['timeout=5', 3],
      ['timeout=60', 10],
      ['max=3', 10],
      ['timeout=2', 0],
    ] as const) {
      const route = await plain((_, response) => {
        response.setHeader('keep-alive', header)
        response.end('x')
      })
      const { fetch, exit, clock } = through(route)
      for (let i = 0; i < 3; i++) assert.equal(await (await fetch(URL_PLAIN)).text(), 'x')
      assert.equal(exit.destinations.length, kept === 0 ? 3 : 1, header)
      if (kept === 0) continue
      clock.advance(seconds(kept - 0.1))
      assert.equal(exit.streams.size, 1, header)
      clock.advance(seconds(0.2))
      await until('it is given up', () => exit.streams.size === 0)
    }
  })

  test('of TLS are kept too', async () => {
    const { fetch, exit } = through(await secure((_, response) => response.end('x')))
    for (let i = 0; i < 3; i++) assert.equal(await (await fetch(URL_SECURE)).text(), 'x')
    assert.equal(exit.destinations.length, 1)
  })

  test('that the server closes just then are replaced, where asking again does no harm', async () => {
    let requests = 0
    const route = await plain((request, response) => {
      if (++requests % 2 === 0) request.socket.destroy()
      else request.resume().on('end', () => response.end(`${requests}`))
    })
    const { fetch } = through(route)
    assert.equal(await (await fetch(URL_PLAIN)).text(), '1')
    assert.equal(await (await fetch(URL_PLAIN)).text(), '3')
    await rejectsWith('CONNECTION_CLOSED', fetch(URL_PLAIN, { method: 'POST', body: 'x' }))
    assert.equal(requests, 4)
  })

  test('at most six an origin, and the others wait in order', async () => {
    const answers: (() => void)[] = []
    const route = await plain((request, response) => answers.push(() => response.end(request.url)))
    const { fetch, exit } = through(route)
    const order: string[] = []
    const all = Array.from({ length: 9 }, async (_, i) => {
      const text = await (await fetch(`http://demo.starling/${i}`)).text()
      order.push(text)
    })
    await until('six ask', () => answers.length === 6)
    for (let i = 0; i < 50; i++) await turn()
    assert.equal(answers.length, 6)
    for (let done = 0; done < 9; done++) {
      await until('the next asks', () => answers.length > done)
      answers[done]?.()
      await until('it is answered', () => order.length === done + 1)
    }
    await Promise.all(all)
    assert.deepEqual(order.slice(6), ['/6', '/7', '/8'])
    assert.equal(exit.destinations.length, 6)
  })

  test('over all origins there is a limit: idle ones give way, and one host with much to ask does not keep out the others', async () => {
    const answers: (() => void)[] = []
    const waiting = await plain((request, response) => answers.push(() => response.end(request.headers.host)))
    const { fetch, exit } = through(waiting, { maxConnectionsPerOrigin: 127 })
    const got: string[] = []
    const ask = async (host: string) => got.push(await (await fetch(`http://${host}/`)).text())
    const first = ask('idle.starling')
    await until('it asks', () => answers.length === 1)
    answers.shift()?.()
    await first
    const busy = Array.from({ length: 130 }, () => ask('busy.starling'))
    const other = [ask('other.starling'), ask('third.starling')]
    await until('all places are taken', () => answers.length === 128)
    assert.equal(exit.streams.size, 128)
    assert.equal(exit.destinations.filter(({ host }) => host === 'other.starling').length, 1)
    for (let done = 0; done < 132; done++) {
      await until('one asks', () => answers.length > 0)
      answers.shift()?.()
    }
    await Promise.all([...busy, ...other])
    assert.equal(got.length, 133)
  })

  test('close ends what runs and what is kept; nothing starts afterwards', async () => {
    const route = await plain((request, response) => {
      if (request.url === '/') response.end('x')
      if (request.url === '/body') response.write('begin')
    })
    const { fetch, client, exit, clock } = through(route, { maxConnectionsPerOrigin: 2 })
    const reading = rejectsWith('STOPPED', (await fetch('http://demo.starling/body')).text())
    const running = [1, 2, 3].map(() => rejectsWith('STOPPED', fetch('http://demo.starling/never')))
    running.push(rejectsWith('STOPPED', fetch('https://demo.starling/')))
    await (await fetch('http://other.starling/')).text()
    await client.close()
    await Promise.all([reading, ...running])
    await until('nothing is open', () => exit.streams.size === 0)
    await rejectsWith('STOPPED', fetch(URL_PLAIN))
    assert.equal(clock.pending, 0)
  })
})
