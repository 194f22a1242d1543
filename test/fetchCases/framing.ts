/** How an answer is told from what comes before and behind it, by servers that do it badly too. No tests here. @module */
import { type FetchCase, outcome, type Visit } from './fetchCase.ts'

type Answers = Readonly<Record<string, string>>

const said =
  (answers: Answers) =>
  async ({ path, raw, end }: Visit) => {
    await raw(answers[path.slice(1)] ?? '')
    end()
  }

const outcomes = (answers: Answers): FetchCase['ask'] => {
  return async (client) => {
    const seen: Record<string, unknown> = {}
    for (const name of Object.keys(answers)) {
      seen[name] = await outcome(
        client,
        client.fetch(client.url(`/${name}`)).then(async (response) => {
          return `${response.status} ${await response.text()}`
        }),
      )
    }
    return seen
  }
}

const all = (answers: Answers, expected: string) =>
  Object.fromEntries(Object.keys(answers).map((name) => [name, expected]))

const OK = 'HTTP/1.1 200 OK\r\n'

const GOOD: Answers = {
  length: `${OK}content-length: 4\r\n\r\nbody`,
  chunks: `${OK}transfer-encoding: chunked\r\n\r\n2\r\nbo\r\n2;ext="x"\r\ndy\r\n0\r\n\r\n`,
  trailers: `${OK}transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-trailer: y\r\n\r\n`,
  until_closed: `${OK}connection: close\r\n\r\nbody`,
  http_1_0: 'HTTP/1.0 200 OK\r\n\r\nbody',
  no_reason: 'HTTP/1.1 200 \r\ncontent-length: 4\r\n\r\nbody',
  interim: `HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${OK}content-length: 4\r\n\r\nbody`,
  many_headers: `${OK}${'x-a: 1\r\n'.repeat(300)}content-length: 4\r\n\r\nbody`,
  large_headers: `${OK}x-a: ${'y'.repeat(40_000)}\r\ncontent-length: 4\r\n\r\nbody`,
}

const MALFORMED: Answers = {
  not_http: 'SSH-2.0-OpenSSH\r\n\r\n',
  http_2: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  bad_status: 'HTTP/1.1 2x0 OK\r\n\r\n',
  bad_name: `${OK}a b: x\r\ncontent-length: 4\r\n\r\nbody`,
  space_before_colon: `${OK}a : x\r\ncontent-length: 4\r\n\r\nbody`,
  no_colon: `${OK}nothing\r\ncontent-length: 4\r\n\r\nbody`,
  nul_in_value: `${OK}a: x\0y\r\ncontent-length: 4\r\n\r\nbody`,
  two_lengths: `${OK}content-length: 4\r\ncontent-length: 5\r\n\r\nbody`,
  negative_length: `${OK}content-length: -4\r\n\r\nbody`,
  length_of_letters: `${OK}content-length: four\r\n\r\nbody`,
  length_and_chunks: `${OK}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n`,
  chunk_of_letters: `${OK}transfer-encoding: chunked\r\n\r\nxyz\r\nbody\r\n0\r\n\r\n`,
  chunk_longer_than_it_says: `${OK}transfer-encoding: chunked\r\n\r\n2\r\nbody\r\n0\r\n\r\n`,
  endless_headers: `${OK}x-a: ${'y'.repeat(100_000)}\r\n\r\nbody`,
  interim_without_end: `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(40)}${OK}content-length: 4\r\n\r\nbody`,
  another_protocol: 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
}

const CUT: Answers = {
  nothing: '',
  half_a_head: `${OK}content-len`,
  no_more_than_interim: 'HTTP/1.1 103 Early Hints\r\n\r\n',
  short_of_its_length: `${OK}content-length: 10\r\n\r\nbody`,
  without_the_last_chunk: `${OK}transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n`,
  in_a_chunk: `${OK}transfer-encoding: chunked\r\n\r\n8\r\nbody`,
}

export const FRAMING: readonly FetchCase[] = [
  {
    name: 'answers in every form that is one',
    serve: said(GOOD),
    ask: outcomes(GOOD),
    expected: all(GOOD, '200 body'),
  },
  {
    name: 'a server that says to continue, unasked',
    serve: said({ '': `HTTP/1.1 100 Continue\r\n\r\n${GOOD.length}` }),
    ask: async (client) =>
      outcome(
        client,
        client.fetch(client.url('/')).then((response) => response.text()),
      ),
    expected: 'body',
    differs: {
      who: 'node',
      because: 'undici takes it for an answer to a request it did not make',
      expected: 'MALFORMED',
    },
  },
  {
    name: 'answers that are none',
    serve: said(MALFORMED),
    ask: outcomes(MALFORMED),
    expected: all(MALFORMED, 'MALFORMED'),
  },
  { name: 'answers that are cut off', serve: said(CUT), ask: outcomes(CUT), expected: all(CUT, 'CONNECTION_CLOSED') },
  {
    name: 'a reset before the head, and in the middle of a body',
    serve: async ({ path, raw, reset }) => {
      if (path === '/body') await raw(`${OK}content-length: 1000\r\n\r\nbody`)
      reset()
    },
    ask: async (client) => {
      const ask = (path: string) =>
        outcome(
          client,
          client.fetch(client.url(path)).then((response) => response.text()),
        )
      return [await ask('/head'), await ask('/body')]
    },
    expected: ['CONNECTION_CLOSED', 'CONNECTION_CLOSED'],
  },
  {
    name: 'an answer that waits for the deadline: no head, half a head, half a body, a body nobody reads',
    serve: ({ path, raw }) => {
      if (path === '/half') return raw(`${OK}content-`)
      if (path === '/body' || path === '/unread') return raw(`${OK}content-length: 1000\r\n\r\nbody`)
      return undefined
    },
    ask: async (client) => {
      const ask = (path: string) =>
        outcome(
          client,
          client.fetch(client.url(path), { timeout: client.deadline }).then((response) => response.text()),
        )
      const answers = [ask('/silent'), ask('/half'), ask('/body')]
      const after = await Promise.all(answers)
      return [...after, await outcome(client, client.fetch(client.url('/silent'), { timeout: client.deadline }))]
    },
    expected: ['TIMEOUT', 'TIMEOUT', 'TIMEOUT', 'TIMEOUT'],
  },
]
