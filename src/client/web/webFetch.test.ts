import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { turn } from '../../foundation/platform/handClock.ts'
import { nodeRandom } from '../../foundation/platform/node/nodeRandom.ts'
import { BridgeExit } from '../bridgeExit.test.ts'
import { createFetch } from '../fetch.ts'
import { pattern, until } from '../streamSupport.test.ts'
import { cleanUp, plain, rejectsWith, scripted, secure, through, URL_PLAIN, URL_SECURE } from './webSupport.test.ts'

afterEach(cleanUp)

async function bodyOf(request: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
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

  test('a server cannot tell this client from the one on Node', async () => {
    const route = await plain(async (request, response) => {
      await bodyOf(request)
      response.end(JSON.stringify([request.method, request.url, request.rawHeaders]))
    })
    const { fetch, clock } = through(route)
    const node = createFetch({ clock, random: nodeRandom }, { dialer: new BridgeExit(clock, () => route) })
    try {
      for (const init of [
        {},
        { headers: { Accept: 'text/html', cookie: 'a=b', 'X-A': '1', 'user-agent': 'mine' } },
        {
          headers: [
            ['X-B', '1'],
            ['a', '2'],
          ] as [string, string][],
          method: 'POST',
          body: 'x',
        },
        { headers: new Headers({ 'X-B': '1', a: '2' }) },
        { method: 'POST', body: 'text' },
        { method: 'POST', body: new URLSearchParams({ a: 'b' }) },
        { method: 'POST', body: Uint8Array.of(1, 2, 3) },
        { method: 'POST' },
        { method: 'DELETE' },
        { method: 'HEAD' },
        { method: 'PUT', body: new Blob(['x'], { type: 'a/b' }) },
      ]) {
        const url = 'http://demo.starling/a?b=c#d'
        assert.equal(await (await fetch(url, init)).text(), await (await node.fetch(url, init)).text())
      }
    } finally {
      await node.close()
    }
  })

  test('the runtime classes: Request, FormData, URL, and streams', async () => {
    const route = await plain(async (request, response) => {
      const length = request.headers['content-length'] ?? request.headers['transfer-encoding']
      response.end(`${request.method} ${request.url} ${request.headers['x-a']} ${length} ${await bodyOf(request)}`)
    })
    const { fetch } = through(route)
    const request = new Request('http://demo.starling/r', { method: 'PUT', headers: { 'x-a': '1' }, body: 'body' })
    assert.equal(await (await fetch(request)).text(), 'PUT /r 1 4 body')
    await rejectsWith('BAD_ARGUMENT', fetch(request))
    assert.equal(await (await fetch(new URL('http://demo.starling/u'))).text(), 'GET /u undefined undefined ')
    const overridden = new Request('http://demo.starling/r', { method: 'PUT', body: 'body' })
    assert.equal(await (await fetch(overridden, { method: 'POST', body: 'other' })).text(), 'POST /r undefined 5 other')
    const form = new FormData()
    form.append('field', 'value')
    assert.match(await (await fetch(URL_PLAIN, { method: 'POST', body: form })).text(), /name="field"\r\n\r\nvalue/)
    const stream = new Blob(['streamed']).stream()
    const streamed = await fetch(URL_PLAIN, { method: 'POST', body: stream, duplex: 'half' } as RequestInit)
    assert.equal(await streamed.text(), 'POST / undefined chunked streamed')
    const long = new Request(URL_PLAIN, { method: 'POST', body: pattern(2 << 20) })
    assert.match((await (await fetch(long)).text()).slice(0, 30), /^POST \/ undefined chunked /)
  })

  test('what a response says of itself, and its clone', async () => {
    const route = await plain((_, response) => {
      response.writeHead(201, 'Made', { 'set-cookie': ['a=1', 'b=2'], 'x-a': '\xe4' })
      response.end('body')
    })
    const response = await through(route).fetch('http://demo.starling/a?b#c')
    for (const one of [response.clone(), response.clone().clone(), response]) {
      assert.ok(one instanceof Response)
      assert.deepEqual(
        [one.status, one.statusText, one.ok, one.url, one.redirected, one.type],
        [201, 'Made', true, 'http://demo.starling/a?b', false, 'basic'],
      )
      assert.deepEqual(one.headers.getSetCookie(), ['a=1', 'b=2'])
      assert.equal(one.headers.get('x-a'), '\xe4')
      assert.equal(await one.text(), 'body')
    }
  })

  test('answers without a body, and empty ones', async () => {
    const route = await plain((request, response) => {
      response.statusCode = Number(request.url?.slice(1))
      if (request.method === 'HEAD') response.setHeader('content-length', '5')
      response.end()
    })
    const { fetch, exit } = through(route)
    for (const [status, method, hasBody] of [
      [204, 'GET', false],
      [205, 'GET', false],
      [304, 'GET', false],
      [200, 'HEAD', false],
      [200, 'GET', true],
    ] as const) {
      const response = await fetch(`http://demo.starling/${status}`, { method })
      assert.equal(response.body !== null, hasBody, `${method} ${status}`)
      assert.equal(await response.text(), '')
    }
    assert.equal(exit.destinations.length, 1)
  })

  test('an address instead of a name, and a port', async () => {
    const route = await plain((request, response) => response.end(request.headers.host))
    const { fetch, exit } = through(route)
    assert.equal(await (await fetch('http://[2001:db8::1]:8080/')).text(), '[2001:db8::1]:8080')
    assert.deepEqual(exit.destinations, [{ host: '2001:db8::1', port: 8080 }])
    const certified = through(await secure((_, response) => response.end('x')))
    assert.equal((await certified.fetch('https://127.0.0.1/')).status, 200)
  })

  test('what cannot be asked', async () => {
    const { fetch, exit } = through('silent')
    for (const [input, init] of [
      ['not a URL', {}],
      ['/relative', {}],
      ['ftp://demo.starling/', {}],
      ['data:,x', {}],
      ['http://user:password@demo.starling/', {}],
      ['http://demo.starling:25/', {}],
      [URL_PLAIN, { body: 'x' }],
      [URL_PLAIN, { method: 'TRACE' }],
      [URL_PLAIN, { method: 'A B' }],
      [URL_PLAIN, { headers: { 'a b': 'x' } }],
      [URL_PLAIN, { headers: { a: 'x\r\ny: z' } }],
      [URL_PLAIN, { integrity: 'sha256-x' }],
      [URL_PLAIN, { redirect: 'elsewhere' as 'follow' }],
    ] as const) {
      await rejectsWith('BAD_ARGUMENT', fetch(input, init))
    }
    assert.equal(exit.destinations.length, 0)
  })
})

describe('redirects', () => {
  const serving = () =>
    plain(async (request, response) => {
      const asked = new URL(request.url ?? '', 'http://x')
      const to = asked.searchParams.get('to')
      const body = String(await bodyOf(request))
      const { authorization, cookie, host } = request.headers
      if (to !== null) response.writeHead(Number(asked.pathname.slice(1)), { location: to }).end('elsewhere')
      else
        response.end(
          JSON.stringify([request.method, host, body, authorization, cookie, request.headers['content-type']]),
        )
    })
  const told = async (response: Response): Promise<unknown> =>
    ((await response.json()) as unknown[]).map((one) => one ?? '')

  test('change the method as the standard says', async () => {
    const { fetch } = through(await serving())
    for (const [status, method, becomes] of [
      [301, 'POST', 'GET'],
      [302, 'POST', 'GET'],
      [302, 'PUT', 'PUT'],
      [303, 'PUT', 'GET'],
      [307, 'POST', 'POST'],
      [308, 'POST', 'POST'],
    ] as const) {
      const response = await fetch(`http://demo.starling/${status}?to=/there`, { method, body: 'x' })
      const kept = becomes !== 'GET'
      const type = kept ? 'text/plain;charset=UTF-8' : ''
      assert.deepEqual(await told(response), [becomes, 'demo.starling', kept ? 'x' : '', '', '', type])
      assert.equal(response.url, 'http://demo.starling/there')
      assert.ok(response.redirected)
    }
    const head = await fetch('http://demo.starling/303?to=/there', { method: 'HEAD' })
    assert.equal(head.status, 200)
  })

  test('leave what was meant for one server there', async () => {
    const { fetch } = through(await serving())
    const headers = { authorization: 'Basic x', cookie: 'a=b' }
    assert.deepEqual(await told(await fetch('http://demo.starling/302?to=/there', { headers })), [
      'GET',
      'demo.starling',
      '',
      'Basic x',
      'a=b',
      '',
    ])
    for (const to of ['http://other.starling/', '//demo.starling:81/']) {
      const [, , , authorization, cookie] = (await told(
        await fetch(`http://demo.starling/302?to=${to}`, { headers }),
      )) as string[]
      assert.deepEqual([authorization, cookie], ['', ''])
    }
  })

  test('use the connection again', async () => {
    const { fetch, exit } = through(await serving())
    await (await fetch('http://demo.starling/302?to=/there')).text()
    assert.equal(exit.destinations.length, 1)
  })

  test('error, manual, and without a place to go', async () => {
    const { fetch } = through(await serving())
    await rejectsWith('MALFORMED', fetch('http://demo.starling/302?to=/there', { redirect: 'error' }))
    const manual = await fetch('http://demo.starling/302?to=/there', { redirect: 'manual' })
    assert.deepEqual([manual.status, manual.headers.get('location')], [302, '/there'])
    const nowhere = through(await plain((_, response) => response.writeHead(302).end('x')))
    assert.equal((await nowhere.fetch(URL_PLAIN)).status, 302)
  })

  test('end: twenty are followed, no loop is', async () => {
    let asked = 0
    const { fetch } = through(
      await plain((request, response) => {
        asked++
        if (request.url === '/20') response.end('arrived')
        else response.writeHead(302, { location: `/${Number(request.url?.slice(1)) + 1}` }).end()
      }),
    )
    assert.equal(await (await fetch('http://demo.starling/0')).text(), 'arrived')
    asked = 0
    await rejectsWith('MALFORMED', fetch('http://demo.starling/21'))
    assert.equal(asked, 21)
  })

  test('to what must not be followed', async () => {
    const { fetch } = through(await serving())
    for (const to of [
      'ftp://x/',
      'data:,x',
      'javascript:x',
      'http://user:x@demo.starling/',
      'http://demo.starling:25/',
      'http://[',
    ]) {
      await rejectsWith('MALFORMED', fetch(`http://demo.starling/302?to=${encodeURIComponent(to)}`), {
        what: 'HTTP response',
        why: 'redirect',
      })
    }
    const stream = new Blob(['x']).stream()
    const gone = fetch('http://demo.starling/307?to=/there', {
      method: 'POST',
      body: stream,
      duplex: 'half',
    } as RequestInit)
    await rejectsWith('MALFORMED', gone)
  })
})

test('errors carry no URL, nor do their causes: they get logged', async () => {
  const { fetch } = through(
    await plain((_, response) => response.writeHead(302, { location: 'http://secret:x:/' }).end()),
  )
  for (const [url, code] of [
    ['http://secret:x:/', 'BAD_ARGUMENT'],
    ['http://demo.starling/', 'MALFORMED'],
  ] as const) {
    const error: unknown = await fetch(url).catch((error: unknown) => error)
    assert.ok(isMixnetError(error, code))
    assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), /secret|demo/)
  }
})

describe('compression', () => {
  const text = 'hello '.repeat(50_000)
  const served = (coding: string, body: Uint8Array) =>
    plain((_, response) => response.writeHead(200, { 'content-encoding': coding }).end(body))

  test('is undone', async () => {
    for (const [coding, body] of [
      ['gzip', gzipSync(text)],
      ['x-gzip', gzipSync(text)],
      ['deflate', deflateSync(text)],
      ['deflate', deflateRawSync(text)],
      ['deflate, GZIP', gzipSync(deflateSync(text))],
      ['identity', Buffer.from(text)],
    ] as const) {
      const response = await through(await served(coding, body)).fetch(URL_PLAIN)
      assert.equal(await response.text(), text, coding)
    }
    assert.equal(await (await through(await served('gzip', new Uint8Array(0))).fetch(URL_PLAIN)).text(), '')
  })

  test('is left where nobody asked for it', async () => {
    const body = zstdCompressSync(text)
    const response = await through(await served('zstd', body)).fetch(URL_PLAIN)
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), body)
  })

  test('that is broken, cut off, or one layer too many', async () => {
    const whole = gzipSync(text)
    for (const body of [
      whole.subarray(0, whole.length - 20),
      Buffer.from('not gzip at all'),
      Buffer.concat([whole.subarray(0, 50), whole.subarray(59)]),
    ]) {
      const response = await through(await served('gzip', Buffer.from(body))).fetch(URL_PLAIN)
      await rejectsWith('MALFORMED', response.text())
    }
    await rejectsWith('MALFORMED', through(await served('gzip, gzip, gzip', whole)).fetch(URL_PLAIN))
  })

  test('of an answer that breaks off says that it broke off; given up, it ends the connection', async () => {
    const cut = await scripted(
      'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 500\r\n\r\n\x1f\x8b',
      (socket) => socket.end(),
    )
    await rejectsWith('CONNECTION_CLOSED', (await through(cut).fetch(URL_PLAIN)).text())

    const endless = await plain((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).write(gzipSync(text))
    })
    const { fetch, exit } = through(endless)
    const response = await fetch(URL_PLAIN)
    const reader = response.body?.getReader()
    await reader?.read()
    await reader?.cancel()
    await until('nothing is open', () => exit.streams.size === 0)
  })
})

describe('a large answer', () => {
  test('waits for a slow reader, and loses nothing', async () => {
    const data = pattern(3 << 20)
    for (const [url, route] of [
      [URL_PLAIN, await plain((_, response) => response.end(data))],
      [URL_SECURE, await secure((_, response) => response.end(data))],
    ] as const) {
      const response = await through(route).fetch(url)
      const chunks: Uint8Array[] = []
      for await (const chunk of response.body as ReadableStream<Uint8Array>) {
        chunks.push(chunk)
        for (let i = 0; i < 3; i++) await turn()
      }
      assert.deepEqual(new Uint8Array(Buffer.concat(chunks)), data)
    }
  })
})
