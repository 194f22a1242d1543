/** Where a server sends us, and what goes along. No tests here. @module */
import { type FetchCase, outcome, type Visit } from './fetchCase.ts'

/** `/<status>/…` redirects there, `/elsewhere/<status>/…` to the other origin; everything else says what it was asked. */
const serve = async ({ request, response, path, body, elsewhere }: Visit) => {
  const [, away, status, to] = /^(\/elsewhere)?\/(\d{3})(\/.*)$/.exec(path) ?? []
  const sent = await body()
  if (status !== undefined && to !== undefined) {
    const location = away === undefined ? request.url?.replace(`/${status}`, '') : elsewhere(to)
    return response.writeHead(Number(status), { location }).end('elsewhere')
  }
  const {
    authorization = '',
    cookie = '',
    'proxy-authorization': proxy = '',
    'content-type': type = '',
  } = request.headers
  return response.end(
    JSON.stringify([request.method, sent, type, authorization, cookie, proxy, request.headers['x-a']]),
  )
}

const MOVED = [301, 302, 303, 307, 308] as const

export const REDIRECTS: readonly FetchCase[] = [
  {
    name: 'redirects: method and body, as the standard says',
    serve,
    ask: async ({ fetch, url }) => {
      const seen: unknown[] = []
      for (const method of ['POST', 'PUT', 'GET']) {
        for (const status of MOVED) {
          const init = method === 'GET' ? {} : { method, body: 'x' }
          const response = await fetch(url(`/${status}/there`), init)
          const [asked, body, type] = (await response.json()) as string[]
          seen.push([status, method, asked, body, type !== '', response.redirected, response.url === url('/there')])
        }
      }
      const head = await fetch(url('/303/there'), { method: 'HEAD' })
      return [...seen, head.status]
    },
    expected: [
      ...(['POST', 'PUT'] as const).flatMap((method) =>
        MOVED.map((status) =>
          status === 303 || (method === 'POST' && status < 303)
            ? [status, method, 'GET', '', false, true, true]
            : [status, method, method, 'x', true, true, true],
        ),
      ),
      ...MOVED.map((status) => [status, 'GET', 'GET', '', false, true, true]),
      200,
    ],
  },
  {
    name: 'redirects: what was meant for one origin stays there, the rest goes along',
    serve,
    ask: async ({ fetch, url }) => {
      const headers = { authorization: 'Basic x', cookie: 'a=b', 'proxy-authorization': 'y', 'x-a': '1' }
      const here = (await (await fetch(url('/302/there'), { headers })).json()) as string[]
      const elsewhere = (await (await fetch(url('/elsewhere/302/there'), { headers })).json()) as string[]
      return [here.slice(3), elsewhere.slice(3)]
    },
    expected: [
      ['Basic x', 'a=b', 'y', '1'],
      ['', '', '', '1'],
    ],
  },
  {
    name: 'redirects: a body that can be sent again is, a stream cannot',
    serve,
    ask: async (client) => {
      const send = (body: NonNullable<RequestInit['body']>, path: string) =>
        outcome(
          client,
          client
            .fetch(client.url(path), { method: 'POST', body, duplex: 'half' })
            .then(async (response) => ((await response.json()) as string[])[1]),
        )
      const stream = () => new Blob(['stream']).stream()
      return [
        await send('text', '/307/there'),
        await send(new Blob(['blob']), '/elsewhere/308/there'),
        await send('', '/307/there'),
        await send(stream(), '/307/there'),
        await send(stream(), '/303/there'),
      ]
    },
    expected: ['text', 'blob', '', 'MALFORMED', ''],
  },
  {
    name: 'redirects: manual and error, and a Request that says so',
    serve,
    ask: async (client) => {
      const manual = await client.fetch(client.url('/302/there'), { redirect: 'manual' })
      const asked = new Request(client.url('/302/there'), { redirect: 'error' })
      return [
        [manual.status, manual.redirected, manual.headers.get('location')?.endsWith('/there')],
        await outcome(client, client.fetch(client.url('/302/there'), { redirect: 'error' })),
        await outcome(client, client.fetch(asked)),
        await client.fetch(client.url('/there'), { redirect: 'error' }).then(({ status }) => status),
      ]
    },
    expected: [[302, false, true], 'MALFORMED', 'MALFORMED', 200],
  },
  {
    name: 'redirects: twenty are followed, no loop is',
    serve: ({ request, response, path }) => {
      const left = Number(path.slice(1))
      if (left === 0) return response.end('arrived')
      const location = request.url?.replace(/\d+$/, `${path === '/99' ? 99 : left - 1}`)
      return response.writeHead(302, { location }).end()
    },
    ask: async (client) => {
      const ask = (path: string) =>
        outcome(
          client,
          client.fetch(client.url(path)).then((response) => response.text()),
        )
      return [await ask('/20'), await ask('/21'), await ask('/99')]
    },
    expected: ['arrived', 'MALFORMED', 'MALFORMED'],
  },
  {
    name: 'redirects: to where nobody may be sent',
    serve: ({ response, path }) =>
      response.writeHead(302, { location: decodeURIComponent(path.slice(1)) }).end('elsewhere'),
    ask: async (client) =>
      Promise.all(
        ['ftp://x/', 'data:,x', 'file:///etc/passwd', 'http://', 'http://demo.starling:25/'].map(async (to) => {
          const code = await outcome(client, client.fetch(client.url(`/${encodeURIComponent(to)}`)))
          // Whether the server's mistake or ours: undici does not tell the port of a redirect from that of a request.
          return code === 'MALFORMED' || (to.endsWith(':25/') && code === 'BAD_ARGUMENT')
        }),
      ),
    expected: [true, true, true, true, true],
  },
  {
    name: 'redirects: statuses without a place, and places without the status, are answers',
    serve: ({ response, path }) =>
      path === '/302' ? response.writeHead(302).end('here') : response.writeHead(200, { location: '/x' }).end('here'),
    ask: async ({ fetch, url }) => {
      const answers = [await fetch(url('/302')), await fetch(url('/200'))]
      return Promise.all(answers.map(async (response) => [response.status, response.redirected, await response.text()]))
    },
    expected: [
      [302, false, 'here'],
      [200, false, 'here'],
    ],
  },
  {
    name: 'redirects: with a body that takes its time, of a coding that is none, or of a length that is not kept',
    serve: async ({ request, response, path, raw }) => {
      if (path === '/there') return response.end('there')
      const location = request.url?.replace(/\/\w+$/, '/there')
      if (path === '/slow') {
        response.writeHead(302, { location }).write('<a>')
        return undefined
      }
      if (path === '/coded') return response.writeHead(302, { location, 'content-encoding': 'gzip' }).end('not gzip')
      return raw(`HTTP/1.1 302 Found\r\nlocation: ${location}\r\ncontent-length: 1000\r\n\r\nshort`)
    },
    ask: async ({ fetch, url }) =>
      Promise.all(['/slow', '/coded', '/short'].map(async (path) => (await fetch(url(path))).text())),
    expected: ['there', 'there', 'there'],
  },
  {
    name: 'redirects: the fragment is kept for who asked, the relative place is relative to the last URL',
    serve: ({ response, path }) =>
      path === '/a/b/end'
        ? response.end(path)
        : response.writeHead(302, { location: path === '/start' ? 'a/b/c' : 'end' }).end(),
    ask: async ({ fetch, url }) => {
      const response = await fetch(url('/start#part'))
      return [await response.text(), response.url === url('/a/b/end')]
    },
    expected: ['/a/b/end', true],
  },
]
