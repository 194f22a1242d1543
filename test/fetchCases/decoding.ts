/** Content codings of an answer. No tests here. @module */
import { type FetchCase, outcome, type Visit } from './fetchCase.ts'

const TEXT = 'hello '.repeat(20_000)
const bytesOf = (text: string) => Uint8Array.from(text, (unit) => unit.charCodeAt(0))

const coded = ({ response }: Visit, coding: string, body: Uint8Array) =>
  response.writeHead(200, { 'content-encoding': coding }).end(body)

export const DECODING: readonly FetchCase[] = [
  {
    name: 'codings are undone: gzip, deflate with and without its header, two of them, none; whatever the letters',
    serve: (visit) => {
      const { path, compressed } = visit
      if (path === '/gzip') return coded(visit, 'gzip', compressed('gzip', TEXT))
      if (path === '/x-gzip') return coded(visit, 'X-GZip', compressed('gzip', TEXT))
      if (path === '/deflate') return coded(visit, 'deflate', compressed('deflate', TEXT))
      if (path === '/raw') return coded(visit, 'deflate', compressed('deflate-raw', TEXT))
      if (path === '/two') return coded(visit, 'deflate, gzip', compressed('gzip', compressed('deflate', TEXT)))
      return coded(visit, 'identity', bytesOf(TEXT))
    },
    ask: async ({ fetch, url }) => {
      const seen: boolean[] = []
      for (const path of ['/gzip', '/x-gzip', '/deflate', '/raw', '/two', '/identity']) {
        seen.push((await (await fetch(url(path))).text()) === TEXT)
      }
      return seen
    },
    expected: [true, true, true, true, true, true],
  },
  {
    name: 'br is undone where the runtime can, and left where it cannot',
    serve: (visit) => coded(visit, 'br', visit.compressed('br', TEXT)),
    ask: async ({ fetch, url }) => {
      let can = true
      try {
        new DecompressionStream('brotli' as 'gzip')
      } catch {
        can = false
      }
      const text = await (await fetch(url('/'), { headers: { 'accept-encoding': 'br' } })).text()
      return (text === TEXT) === can
    },
    expected: true,
  },
  {
    name: 'zstd is undone',
    serve: (visit) => coded(visit, 'zstd', visit.compressed('zstd', TEXT)),
    ask: async ({ fetch, url }) =>
      (await (await fetch(url('/'), { headers: { 'accept-encoding': 'zstd' } })).text()) === TEXT,
    expected: true,
    differs: { who: 'web', because: 'no runtime undoes it for a script yet, and nobody asks for it', expected: false },
  },
  {
    name: 'an unknown coding is left to the caller',
    serve: (visit) => coded(visit, 'sdch', bytesOf('as it is')),
    ask: async ({ fetch, url }) => (await fetch(url('/'))).text(),
    expected: 'as it is',
  },
  {
    name: 'an empty body under a coding is empty',
    serve: (visit) => coded(visit, 'gzip', new Uint8Array(0)),
    ask: async ({ fetch, url }) => (await fetch(url('/'))).text(),
    expected: '',
  },
  {
    name: 'a body that is not of its coding, or is damaged',
    serve: (visit) => {
      const whole = visit.compressed('gzip', TEXT)
      if (visit.path === '/other') return coded(visit, 'gzip', bytesOf('this is no gzip'))
      return coded(
        visit,
        'gzip',
        whole.map((byte, i) => (i > 20 && i < 40 ? byte ^ 0xff : byte)),
      )
    },
    ask: async (client) => {
      const read = (path: string) =>
        outcome(
          client,
          client.fetch(client.url(path)).then((response) => response.text()),
        )
      return [await read('/other'), await read('/damaged')]
    },
    expected: ['MALFORMED', 'MALFORMED'],
  },
  {
    name: 'a body that its server cut short, and framed as whole',
    serve: (visit) => coded(visit, 'gzip', visit.compressed('gzip', TEXT).subarray(0, -20)),
    ask: async (client) =>
      outcome(
        client,
        client.fetch(client.url('/')).then(async (response) => TEXT.startsWith(await response.text())),
      ),
    expected: 'MALFORMED',
    differs: {
      who: 'node',
      because:
        'undici flushes what there is, for servers that leave the trailer out; what the exit cut is told by the framing',
      expected: true,
    },
  },
  {
    name: 'a body cut off by the connection is cut off, not damaged',
    serve: async (visit) => {
      const part = visit.compressed('gzip', TEXT).subarray(0, 60)
      visit.response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': 500 })
      visit.response.write(part, () => visit.end())
    },
    ask: async (client) =>
      outcome(
        client,
        client.fetch(client.url('/')).then((response) => response.text()),
      ),
    expected: 'CONNECTION_CLOSED',
  },
  {
    name: 'more codings than anybody means',
    serve: (visit) => coded(visit, Array.from({ length: 101 }, () => 'gzip').join(', '), visit.compressed('gzip', 'x')),
    ask: async (client) => {
      const code = await outcome(
        client,
        client.fetch(client.url('/')).then((response) => response.text()),
      )
      return code === 'MALFORMED'
    },
    expected: true,
  },
]
