/** What may be asked, and what a server sees of it. No tests here. @module */
import { type FetchCase, outcome, type Visit } from './fetchCase.ts'

const echo = async ({ request, response, path, body }: Visit) =>
  response.end(JSON.stringify({ method: request.method, path, headers: request.headers, body: await body() }))

type Echo = {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string
}

const told = async (response: Response): Promise<Echo> => (await response.json()) as Echo

/** Answers with what names it, so that none is taken for another. */
const silent = ({ response }: Visit) => response.end('reached')

export const REQUESTS: readonly FetchCase[] = [
  {
    name: 'methods: those of the standard in any letters',
    serve: echo,
    ask: async ({ fetch, url }) => {
      const methods: string[] = []
      for (const method of ['get', 'Post', 'put', 'delete', 'options', 'PATCH']) {
        methods.push((await told(await fetch(url('/'), { method }))).method)
      }
      return methods
    },
    expected: ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'],
  },
  {
    name: 'methods that are forbidden, or none',
    serve: silent,
    ask: async (client) =>
      Promise.all(
        ['CONNECT', 'TRACE', 'track', 'a b', ''].map((method) =>
          outcome(client, client.fetch(client.url('/'), { method })),
        ),
      ),
    expected: ['BAD_ARGUMENT', 'BAD_ARGUMENT', 'BAD_ARGUMENT', 'BAD_ARGUMENT', 'BAD_ARGUMENT'],
  },
  {
    name: 'URLs: query kept, an empty one too; fragment not sent; spaces and umlauts escaped',
    serve: echo,
    ask: async ({ fetch, url }) => {
      const paths = ['/a?b=c#d', '/a?', '/a b/ä?ö', '/a//b/../c', '/%2f%41']
      return Promise.all(paths.map(async (path) => (await told(await fetch(url(path)))).path))
    },
    expected: ['/a?b=c', '/a?', '/a%20b/%C3%A4?%C3%B6', '/a//c', '/%2f%41'],
  },
  {
    name: 'URLs that are none, are not absolute, hold a password, or name a port of another protocol',
    serve: silent,
    ask: async (client) =>
      Promise.all(
        ['no URL', '/relative', 'http://', 'http://u:p@demo.starling/', 'http://demo.starling:25/'].map((url) =>
          outcome(client, client.fetch(url)),
        ),
      ),
    expected: ['BAD_ARGUMENT', 'BAD_ARGUMENT', 'BAD_ARGUMENT', 'BAD_ARGUMENT', 'BAD_ARGUMENT'],
  },
  {
    name: 'schemes other than http',
    ask: async (client) =>
      Promise.all(
        ['ftp://demo.starling/', 'file:///etc/passwd', 'ws://demo.starling/', 'about:blank', 'javascript:1'].map(
          (url) => outcome(client, client.fetch(url)),
        ),
      ),
    expected: ['BAD_ARGUMENT', 'BAD_ARGUMENT', 'BAD_ARGUMENT', 'BAD_ARGUMENT', 'BAD_ARGUMENT'],
  },
  {
    name: 'data: URLs',
    ask: async (client) =>
      outcome(
        client,
        client.fetch('data:text/plain,here').then((response) => response.text()),
      ),
    expected: 'here',
    differs: {
      who: 'web',
      because: "nothing of it reaches a network, and the page's own fetch does it: ours does not carry the decoder",
      expected: 'BAD_ARGUMENT',
    },
  },
  {
    name: 'headers: as given, doubled ones joined, bytes kept',
    serve: echo,
    ask: async ({ fetch, url }) => {
      const headers: [string, string][] = [
        ['X-A', '1'],
        ['x-a', '2'],
        ['Accept', 'a/b'],
        ['X-Bytes', '\xe4\xff'],
        ['x-empty', ''],
      ]
      const { headers: seen } = await told(await fetch(url('/'), { headers }))
      return [seen['x-a'], seen.accept, seen['x-bytes'], seen['x-empty']]
    },
    expected: ['1, 2', 'a/b', '\xe4\xff', ''],
  },
  {
    name: 'headers that would leave their line, or are none',
    serve: silent,
    ask: async (client) =>
      Promise.all(
        [{ 'a b': 'x' }, { a: 'x\r\ny: z' }, { a: 'x\0' }, { a: '\u20ac' }, { '': 'x' }].map((headers) =>
          outcome(client, client.fetch(client.url('/'), { headers: headers as Record<string, string> })),
        ),
      ),
    expected: ['BAD_ARGUMENT', 'BAD_ARGUMENT', 'BAD_ARGUMENT', 'BAD_ARGUMENT', 'BAD_ARGUMENT'],
  },
  {
    name: 'a Request: its method, headers and body; init wins over each',
    serve: echo,
    ask: async ({ fetch, url }) => {
      const made = () => new Request(url('/r'), { method: 'PUT', headers: { 'x-a': '1' }, body: 'body' })
      const seen = [await told(await fetch(made()))]
      seen.push(await told(await fetch(made(), { method: 'POST', headers: { 'x-b': '2' }, body: 'other' })))
      seen.push(await told(await fetch(made().clone())))
      return seen.map(({ method, path, body, headers }) => [
        method,
        path,
        body,
        headers['x-a'] ?? '',
        headers['x-b'] ?? '',
      ])
    },
    expected: [
      ['PUT', '/r', 'body', '1', ''],
      ['POST', '/r', 'other', '', '2'],
      ['PUT', '/r', 'body', '1', ''],
    ],
  },
  {
    name: 'a Request whose body was read, or is read by somebody',
    serve: silent,
    ask: async (client) => {
      const used = new Request(client.url('/'), { method: 'POST', body: 'x' })
      await used.text()
      const locked = new Request(client.url('/'), { method: 'POST', body: 'x' })
      locked.body?.getReader()
      const init = { method: 'POST', body: new Blob(['x']).stream(), duplex: 'half' } as const
      init.body.getReader()
      return Promise.all([
        outcome(client, client.fetch(used)),
        outcome(client, client.fetch(locked)),
        outcome(client, client.fetch(client.url('/'), init)),
      ])
    },
    expected: ['BAD_ARGUMENT', 'BAD_ARGUMENT', 'BAD_ARGUMENT'],
  },
  {
    name: 'https: a name, a body each way; a certificate for another name',
    serve: echo,
    ask: async (client) => {
      const { body, headers } = await told(await client.fetch(client.secure('/'), { method: 'POST', body: 'secret' }))
      return [body, headers.host, await outcome(client, client.fetch(client.misnamed('/')))]
    },
    expected: ['secret', 'demo.starling', 'TLS_FAILED'],
  },
]
