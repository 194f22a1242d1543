/** What an answer is to who asked. No tests here. @module */
import { type FetchCase, isPattern, outcome, pattern } from './fetchCase.ts'

export const RESPONSES: readonly FetchCase[] = [
  {
    name: 'status, its text, headers, URL without the fragment',
    serve: ({ response }) => {
      response.writeHead(201, 'Made it', { 'X-A': ['1', '2'], 'set-cookie': ['a=1', 'b=2'], 'x-bytes': '\xe4' })
      response.end()
    },
    ask: async ({ fetch, url }) => {
      const response = await fetch(url('/a?b#c'))
      const { status, statusText, ok, redirected, type, headers } = response
      return [
        [status, statusText, ok, redirected, type, response.url === url('/a?b'), response instanceof Object],
        [headers.get('x-a'), headers.getSetCookie(), headers.get('x-bytes')],
      ]
    },
    expected: [
      [201, 'Made it', true, false, 'basic', true, true],
      ['1, 2', ['a=1', 'b=2'], '\xe4'],
    ],
  },
  {
    name: 'statuses are answers, whatever they say, and are asked for once',
    serve: ({ response, path, number }) => response.writeHead(Number(path.slice(1))).end(`${number}`),
    ask: async ({ fetch, url }) => {
      const seen: unknown[] = []
      for (const status of [400, 401, 408, 418, 429, 500, 503, 599]) {
        const response = await fetch(url(`/${status}`), { method: 'POST', body: 'x' })
        seen.push([response.status, response.ok, Number(await response.text())])
      }
      return seen
    },
    expected: [400, 401, 408, 418, 429, 500, 503, 599].map((status, i) => [status, false, i + 1]),
  },
  {
    name: '407, though there is no proxy that we know of',
    serve: ({ response }) => response.writeHead(407).end('x'),
    ask: async (client) =>
      outcome(
        client,
        client.fetch(client.url('/')).then(({ status }) => status),
      ),
    expected: 407,
    differs: {
      who: 'node',
      because: 'undici refuses it, as the standard says of who has no window to ask for a password in',
      expected: 'MALFORMED',
    },
  },
  {
    name: 'readers: json, text without its mark, blob with its type, bytes, forms',
    serve: ({ response, path }) => {
      if (path === '/json') return response.end('{"a":[1,"ä"]}')
      if (path === '/text') return response.end('\uFEFFtext')
      if (path === '/blob') return response.writeHead(200, { 'content-type': 'text/x' }).end('blob')
      if (path === '/urlencoded') {
        return response.writeHead(200, { 'content-type': 'application/x-www-form-urlencoded' }).end('a=b+c&d=%C3%A4')
      }
      const form = '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nvalue\r\n--x--\r\n'
      return response.writeHead(200, { 'content-type': 'multipart/form-data; boundary=x' }).end(form)
    },
    ask: async ({ fetch, url }) => {
      const blob = await (await fetch(url('/blob'))).blob()
      const urlencoded = await (await fetch(url('/urlencoded'))).formData()
      return [
        await (await fetch(url('/json'))).json(),
        await (await fetch(url('/text'))).text(),
        [blob.type, await blob.text()],
        [urlencoded.get('a'), urlencoded.get('d')],
        (await (await fetch(url('/multipart'))).formData()).get('a'),
      ]
    },
    expected: [{ a: [1, 'ä'] }, 'text', ['text/x', 'blob'], ['b c', 'ä'], 'value'],
  },
  {
    name: 'a body is read once; what is no JSON and no form says so',
    serve: ({ response }) => response.end('neither'),
    ask: async ({ fetch, url }) => {
      const response = await fetch(url('/'))
      const before = response.bodyUsed
      await response.text()
      const nameOf = (error: unknown) => (error as Error).name
      return [
        before,
        response.bodyUsed,
        await response.text().catch(nameOf),
        await (await fetch(url('/'))).json().catch(nameOf),
        await (await fetch(url('/'))).formData().catch(nameOf),
      ]
    },
    expected: [false, true, 'TypeError', 'SyntaxError', 'TypeError'],
  },
  {
    name: 'clones have everything, and each its own body; not after it was read',
    serve: ({ response }) => response.writeHead(202, { 'x-a': '1' }).end(pattern()),
    ask: async ({ fetch, url }) => {
      const response = await fetch(url('/'))
      const [one, other] = [response.clone(), response.clone().clone()]
      const same: unknown[] = []
      for (const each of [other, response, one]) {
        same.push([each.status, each.url === url('/'), each.headers.get('x-a')])
        same.push(isPattern(new Uint8Array(await each.arrayBuffer())))
      }
      let after = 'cloned'
      try {
        response.clone()
      } catch (error) {
        after = (error as Error).name
      }
      return [...same, after]
    },
    expected: [[202, true, '1'], true, [202, true, '1'], true, [202, true, '1'], true, 'TypeError'],
  },
  {
    name: 'a body is there while it comes: its beginning before the server has made its end',
    serve: async ({ response, path, asked }) => {
      if (path === '/more') return response.end()
      response.write('first ')
      await asked('/more')
      return response.end('second')
    },
    ask: async ({ fetch, url }) => {
      const reader = (await fetch(url('/'))).body?.getReader()
      const first = new TextDecoder().decode((await reader?.read())?.value)
      await (await fetch(url('/more'))).text()
      let rest = ''
      for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read()) {
        rest += new TextDecoder().decode(piece.value)
      }
      return [first, rest]
    },
    expected: ['first ', 'second'],
  },
  {
    name: 'a body nobody wants any more ends its connection, and nothing else',
    serve: async ({ response, path, asked, closed }) => {
      if (path === '/gone') return response.end('told')
      response.write('endless')
      await Promise.all([closed(), asked('/gone')])
      return undefined
    },
    ask: async (client) => {
      const response = await client.fetch(client.url('/'))
      const reader = response.body?.getReader()
      await reader?.read()
      await reader?.cancel('enough')
      return outcome(
        client,
        client.fetch(client.url('/gone')).then((answer) => answer.text()),
      )
    },
    expected: 'told',
  },
  {
    name: 'answers without a body: HEAD, 204, 205, 304; and an empty one',
    serve: ({ request, response, path }) => {
      const status = Number(path.slice(1))
      response.writeHead(status, request.method === 'HEAD' ? { 'content-length': '5', 'content-encoding': 'gzip' } : {})
      response.end()
    },
    ask: async ({ fetch, url }) => {
      const seen: unknown[] = []
      for (const [status, method] of [
        [204, 'GET'],
        [205, 'GET'],
        [304, 'GET'],
        [200, 'HEAD'],
        [404, 'HEAD'],
        [200, 'GET'],
      ] as const) {
        const response = await fetch(url(`/${status}`), { method })
        seen.push([response.status, response.body !== null, await response.text()])
      }
      return seen
    },
    expected: [
      [204, false, ''],
      [205, false, ''],
      [304, false, ''],
      [200, false, ''],
      [404, false, ''],
      [200, true, ''],
    ],
  },
]
