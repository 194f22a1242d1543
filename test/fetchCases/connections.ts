/** Connections kept for the next request, and what servers do to them. No tests here. @module */
import { type CaseClient, type FetchCase, outcome, type Visit } from './fetchCase.ts'

const numbered = ({ response, connection }: Visit) => response.end(`${connection}`)

const connectionOf = async ({ fetch, url }: CaseClient, path: string, init = {}) =>
  Number(await (await fetch(url(path), init)).text())

export const CONNECTIONS: readonly FetchCase[] = [
  {
    name: 'one after another over one connection: answers, errors, empty ones, redirects',
    serve: (visit) => {
      const { path, response, request } = visit
      if (path === '/302')
        return response.writeHead(302, { location: request.url?.replace(path, '/') }).end('elsewhere')
      if (path === '/204') return response.writeHead(204).end()
      if (path === '/404') response.statusCode = 404
      return numbered(visit)
    },
    ask: async (client) => {
      const seen = [await connectionOf(client, '/')]
      await client.fetch(client.url('/204'))
      seen.push(await connectionOf(client, '/404'))
      seen.push(await connectionOf(client, '/302'))
      seen.push(await connectionOf(client, '/', { method: 'POST', body: 'x' }))
      return seen
    },
    expected: [1, 1, 1, 1],
  },
  {
    name: 'at once over several, six to an origin',
    serve: async (visit) => {
      if (visit.path === '/first') await visit.asked('/sixth')
      return numbered(visit)
    },
    ask: async (client) => {
      const many = [...Array.from({ length: 5 }, () => '/first'), '/sixth', '/', '/', '/', '/']
      const seen = await Promise.all(many.map((path) => connectionOf(client, path)))
      return Math.max(...seen) <= 6
    },
    expected: true,
  },
  {
    name: 'none is used again behind Connection: close, HTTP/1.0, or bytes that belong to no answer',
    serve: async ({ path, connection, raw, response }) => {
      const body = `${connection}`
      if (path === '/close') return response.writeHead(200, { connection: 'close' }).end(body)
      if (path === '/old') return raw(`HTTP/1.0 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
      if (path === '/more')
        return raw(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}HTTP/1.1 200 OK\r\n`)
      return response.end(body)
    },
    ask: async (client) => {
      const seen: number[] = []
      for (const path of ['/close', '/old', '/more', '/']) seen.push(await connectionOf(client, path))
      return seen
    },
    expected: [1, 2, 3, 4],
  },
  {
    name: 'kept, and closed by the server as the next request comes: asked again where that does no harm',
    serve: ({ response, connection, number, reset }) => {
      // Every second request meets a connection that is just being closed.
      if (number % 2 === 0) return reset()
      return response.end(`${connection}`)
    },
    ask: async (client) => {
      const posted = client.fetch(client.url('/'), { method: 'POST', body: 'x' }).then((answer) => answer.text())
      return [
        await outcome(client, posted),
        await connectionOf(client, '/'),
        await outcome(client, client.fetch(client.url('/'), { method: 'POST', body: 'x' })),
      ]
    },
    expected: ['1', 2, 'CONNECTION_CLOSED'],
  },
  {
    name: 'kept, and closed by the server while nobody asks: the next request has a new one',
    serve: async ({ response, connection, path, end }) => {
      if (path === '/') return response.end(`${connection}`)
      response.end('closing', end)
      return undefined
    },
    ask: async (client) => {
      await (await client.fetch(client.url('/closes'))).text()
      return await connectionOf(client, '/')
    },
    expected: 2,
  },
  {
    name: 'one host that never answers does not keep another waiting',
    serve: (visit) => (visit.path === '/silent' ? undefined : numbered(visit)),
    ask: async (client) => {
      const controller = new AbortController()
      const { signal } = controller
      const stuck = Array.from({ length: 20 }, () => outcome(client, client.fetch(client.url('/silent'), { signal })))
      const other = await (await client.fetch(client.elsewhere('/'))).text()
      controller.abort()
      return [other !== '', ...new Set(await Promise.all(stuck))]
    },
    expected: [true, 'ABORTED'],
  },
  {
    name: 'after a failure of any kind the next request works',
    serve: async ({ response, path, raw, reset }) => {
      if (path === '/reset') return reset()
      if (path === '/malformed') return raw('no answer\r\n\r\n')
      if (path === '/silent') return undefined
      return response.end('well')
    },
    ask: async (client) => {
      const seen: unknown[] = []
      for (const path of ['/reset', '/malformed', '/silent']) {
        seen.push(await outcome(client, client.fetch(client.url(path), { timeout: client.deadline })))
        seen.push(await (await client.fetch(client.url('/'))).text())
      }
      return seen
    },
    expected: ['CONNECTION_CLOSED', 'well', 'MALFORMED', 'well', 'TIMEOUT', 'well'],
  },
]
