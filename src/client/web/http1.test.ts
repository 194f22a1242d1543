import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concat, fromUtf8Lossy, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import type { ByteStream, ByteStreamHandlers } from './byteStream.ts'
import { Http1Connection } from './http1Connection.ts'
import { framingOf, latin1, parseResponseHead, staysOpen } from './http1Head.ts'
import { normalizeMethod, requestHead } from './http1Request.ts'

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (unit) => unit.charCodeAt(0))
const head = (text: string) => parseResponseHead(bytes(`${text.replaceAll('\n', '\r\n')}\r\n\r\n`))
const malformed = (error: unknown): boolean => isMixnetError(error, 'MALFORMED')

describe('the head of a response', () => {
  test('what it says', () => {
    assert.deepEqual(head('HTTP/1.1 200 Very Well\nA: 1\nb:  two \t\nB:\nc: \xff'), {
      version: '1.1',
      status: 200,
      reason: 'Very Well',
      fields: [
        { name: 'a', value: '1' },
        { name: 'b', value: 'two' },
        { name: 'b', value: '' },
        { name: 'c', value: '\xff' },
      ],
    })
    assert.equal(head('HTTP/1.0 404').reason, '')
  })

  test('what is none', () => {
    for (const text of [
      'HTTP/2 200',
      'HTTP/1.1 2000',
      'HTTP/1.1 099',
      'HTTP/1.1 600',
      ' HTTP/1.1 200',
      'SSH-2.0-x',
      'HTTP/1.1  200 OK',
      'HTTP/1.1 200 O\0K',
      'HTTP/1.1 200\na : 1',
      'HTTP/1.1 200\n a: 1',
      'HTTP/1.1 200\na: 1\n continued',
      'HTTP/1.1 200\na',
      'HTTP/1.1 200\n: 1',
      'HTTP/1.1 200\na: 1\0',
      'HTTP/1.1 200\na: 1\rb: 2',
      `HTTP/1.1 200${'\na: 1'.repeat(513)}`,
      `HTTP/1.1 200\na: ${'x'.repeat(70_000)}`,
    ]) {
      assert.throws(() => head(text), malformed, text.slice(0, 40))
    }
    assert.throws(() => parseResponseHead(bytes('HTTP/1.1 200 OK\n\n')), malformed)
  })

  test('how long the body is', () => {
    const framing = (text: string, method = 'GET') => framingOf(method, head(text))
    assert.deepEqual(framing('HTTP/1.1 200\nContent-Length: 12'), { kind: 'length', length: 12 })
    assert.deepEqual(framing('HTTP/1.1 200\nContent-Length: 12, 12'), { kind: 'length', length: 12 })
    assert.deepEqual(framing('HTTP/1.1 200\ntransfer-encoding: Chunked'), { kind: 'chunked' })
    assert.deepEqual(framing('HTTP/1.1 200'), { kind: 'close' })
    for (const [text, method] of [
      ['HTTP/1.1 200\ncontent-length: 12', 'HEAD'],
      ['HTTP/1.1 200\ntransfer-encoding: chunked', 'HEAD'],
      ['HTTP/1.1 304\ncontent-length: 12', 'GET'],
      ['HTTP/1.1 204', 'GET'],
    ] as const) {
      assert.deepEqual(framing(text, method), { kind: 'none' }, text)
    }
  })

  test('lengths that contradict themselves or each other', () => {
    for (const fields of [
      'content-length: 1\ncontent-length: 2',
      'content-length: 1, 2',
      'content-length: 1,',
      'content-length:',
      'content-length: +1',
      'content-length: -1',
      'content-length: 0x1',
      'content-length: 1e3',
      'content-length: 9999999999999999',
      'content-length: 1\ntransfer-encoding: chunked',
      'transfer-encoding: gzip',
      'transfer-encoding: gzip, chunked',
      'transfer-encoding: chunked\ntransfer-encoding: chunked',
      'transfer-encoding: \x0bchunked',
      'transfer-encoding:',
    ]) {
      assert.throws(() => framingOf('GET', head(`HTTP/1.1 200\n${fields}`)), malformed, fields)
    }
    assert.throws(() => framingOf('GET', head('HTTP/1.0 200\ntransfer-encoding: chunked')), malformed)
  })

  test('whether another request may follow', () => {
    assert.ok(staysOpen(head('HTTP/1.1 200')))
    assert.ok(staysOpen(head('HTTP/1.0 200\nconnection: Keep-Alive')))
    assert.ok(!staysOpen(head('HTTP/1.0 200')))
    assert.ok(!staysOpen(head('HTTP/1.1 200\nconnection: upgrade, Close')))
    assert.ok(!staysOpen(head('HTTP/1.1 204\ncontent-length: 5')))
  })
})

describe('the head of a request', () => {
  const made = (url: string, headers: Record<string, string> | Headers = {}, method = 'GET') =>
    latin1(
      requestHead({
        method,
        url: new URL(url),
        headers: headers instanceof Headers ? headers : new Headers(headers),
        spelling: [],
        userAgent: 'x',
        acceptEncoding: 'gzip',
        bodyLength: undefined,
      }),
    )

  test('stays on its lines', () => {
    assert.match(made('http://a/b c\r\nd?e f#g'), /^GET \/b%20cd\?e%20f HTTP\/1\.1\r\nhost: a\r\n/)
    const headers = new Headers()
    for (const [name, value] of [
      ['a', '1\r\nb: 2'],
      ['a\r\nb', '1'],
      ['a', '1\u{100}'],
    ] as const) {
      Object.defineProperty(headers, 'forEach', {
        configurable: true,
        value: (each: (v: string, n: string) => void) => each(value, name),
      })
      assert.throws(
        () => made('http://a/', headers),
        (error) => isMixnetError(error, 'BAD_ARGUMENT'),
      )
    }
    for (const method of ['GET / HTTP/1.1\r\n', 'G ET', '', 'CONNECT', 'trace', 'TRACK']) {
      assert.throws(
        () => normalizeMethod(method),
        (error) => isMixnetError(error, 'BAD_ARGUMENT'),
      )
    }
    assert.deepEqual(['get', 'Post', 'patch', 'QUERY'].map(normalizeMethod), ['GET', 'POST', 'patch', 'QUERY'])
  })

  test('leaves framing and connection to us', () => {
    const text = made('http://a:81/', {
      'Transfer-Encoding': 'chunked',
      'Content-Length': '5',
      Host: 'b',
      Connection: 'x',
      TE: 'x',
    })
    assert.equal(
      text,
      'GET / HTTP/1.1\r\nhost: a:81\r\nconnection: keep-alive\r\naccept: */*\r\nuser-agent: x\r\naccept-encoding: gzip\r\n\r\n',
    )
  })
})

/** A connection whose other end is the test. */
function connected() {
  let handlers: ByteStreamHandlers | undefined
  const events: string[] = []
  const stream: ByteStream = {
    attach: (given) => {
      handlers = given
    },
    write: async () => {},
    end: () => {},
    destroy: () => {
      if (!events.includes('destroyed')) events.push('destroyed')
    },
    pause: () => {},
    resume: () => {},
  }
  const connection = new Http1Connection(stream, { idle: () => events.push('idle'), over: () => events.push('over') })
  connection.start()
  return { connection, events, said: handlers as ByteStreamHandlers }
}

/** What is made of an answer that comes in these pieces, and then ends. */
async function readAnswer(pieces: readonly Uint8Array[], method = 'GET'): Promise<unknown> {
  const { connection, events, said } = connected()
  const answer = connection.exchange({ method, head: utf8('x'), body: undefined, over: () => {} })
  answer.catch(() => {})
  await Promise.resolve()
  for (const piece of pieces) {
    said.data(piece.slice())
    if (connection.isOver || events.includes('idle')) break
  }
  if (!connection.isOver && !events.includes('idle')) said.end()
  try {
    const { head: first, body } = await answer
    const text = body === undefined ? '' : latin1(new Uint8Array(await new Response(body).arrayBuffer()))
    return { status: first.status, text, kept: events.includes('idle') }
  } catch (error) {
    if (isMixnetError(error)) return error.code
    throw error
  }
}

const ANSWERS: readonly (readonly [string, unknown])[] = [
  ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello', { status: 200, text: 'hello', kept: true }],
  [
    'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello',
    { status: 200, text: 'hello', kept: false },
  ],
  ['HTTP/1.1 200 OK\r\n\r\nhello', { status: 200, text: 'hello', kept: false }],
  [
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103\r\na: b\r\n\r\nHTTP/1.1 204 OK\r\n\r\n',
    { status: 204, text: '', kept: true },
  ],
  [
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nt: 1\r\n\r\n',
    { status: 200, text: 'hello', kept: true },
  ],
  [
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0005 \r\nhello\r\n0\r\n\r\n',
    { status: 200, text: 'hello', kept: true },
  ],
  ['HTTP/1.1 101 Switching\r\n\r\n', 'MALFORMED'],
  ['HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello', 'CONNECTION_CLOSED'],
  ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n', 'CONNECTION_CLOSED'],
  ['HTTP/1.1 200 OK\r\ncontent-le', 'CONNECTION_CLOSED'],
  ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n', 'MALFORMED'],
  ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\nhello\n0\n\n', 'MALFORMED'],
  ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n', 'MALFORMED'],
  ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5x\r\nhello\r\n', 'MALFORMED'],
  ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffff\r\nhello\r\n', 'MALFORMED'],
  [`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;${'x'.repeat(9000)}\r\nh\r\n`, 'MALFORMED'],
  [`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n${'a: b\r\n'.repeat(9000)}\r\n`, 'MALFORMED'],
  [`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${`1;${'x'.repeat(80)}\r\nh\r\n`.repeat(2000)}`, 'MALFORMED'],
  [`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`, 'MALFORMED'],
  ['HTTP/1.1 100 Continue\r\n\r\n'.repeat(40), 'MALFORMED'],
]

describe('an answer', () => {
  test('in one piece, byte by byte, and in any other pieces', async () => {
    for (const [text, expected] of ANSWERS) {
      assert.deepEqual(await readAnswer([bytes(text)]), expected, text.slice(0, 80))
      if (text.length < 500)
        assert.deepEqual(await readAnswer([...bytes(text)].map((byte) => Uint8Array.of(byte))), expected, text)
    }
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...ANSWERS.filter(([text]) => text.length < 20_000)),
        fc.array(fc.nat(), { maxLength: 20 }),
        async ([text, expected], cuts) => {
          const whole = bytes(text)
          const at = [...new Set(cuts.map((cut) => cut % whole.length))].sort((a, b) => a - b)
          const pieces = [0, ...at].map((from, i) => whole.subarray(from, at[i] ?? whole.length))
          assert.deepEqual(await readAnswer(pieces.filter(({ length }) => length > 0)), expected)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('of any bytes: an answer, or one of two refusals', async () => {
    const change = fc.record({
      at: fc.nat(),
      byte: fc.constantFrom(0, 9, 10, 13, 32, 44, 48, 58, 59, 120, 255),
      remove: fc.nat({ max: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...ANSWERS.map(([text]) => text).filter(({ length }) => length < 500)),
        fc.array(change, { maxLength: 5 }),
        async (text, changes) => {
          let whole = bytes(text)
          for (const { at, byte, remove } of changes) {
            const where = at % (whole.length + 1)
            whole = concat(whole.subarray(0, where), Uint8Array.of(byte), whole.subarray(where + remove))
          }
          const made = await readAnswer([whole])
          if (typeof made === 'string') assert.match(made, /^(MALFORMED|CONNECTION_CLOSED)$/)
        },
      ),
      { numRuns: 1000 },
    )
  })
})

describe('a connection', () => {
  const ok = bytes('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  const ask = (connection: Http1Connection) =>
    connection.exchange({ method: 'GET', head: utf8('x'), body: undefined, over: () => {} })

  test('that says anything unasked, or more than was asked, is given up', async () => {
    const unasked = connected()
    unasked.said.data(ok)
    assert.deepEqual(unasked.events, ['destroyed', 'over'])

    const more = connected()
    const answer = ask(more.connection)
    await Promise.resolve()
    more.said.data(concat(ok, ok))
    assert.equal((await answer).head.status, 200)
    assert.deepEqual(more.events, ['destroyed', 'over'])
  })

  test('that was kept and ends before it says anything, says so', async () => {
    const { connection, said } = connected()
    const first = ask(connection)
    await Promise.resolve()
    said.data(ok)
    await first
    assert.ok(!connection.closedUnanswered)
    const second = ask(connection)
    said.end()
    await assert.rejects(second, (error) => isMixnetError(error, 'CONNECTION_CLOSED'))
    assert.ok(connection.closedUnanswered)

    const fresh = connected()
    const only = ask(fresh.connection)
    fresh.said.close(new MixnetError('CONNECTION_CLOSED'))
    await assert.rejects(only, (error) => isMixnetError(error, 'CONNECTION_CLOSED'))
    assert.ok(!fresh.connection.closedUnanswered)
  })

  test('is not harmed by what is done to a body that has come', async () => {
    const { connection, said, events } = connected()
    const first = ask(connection)
    await Promise.resolve()
    said.data(ok)
    const { body } = await first
    const second = ask(connection)
    await Promise.resolve()
    await body?.cancel()
    said.data(ok)
    assert.equal(fromUtf8Lossy(new Uint8Array(await new Response((await second).body).arrayBuffer())), 'ok')
    assert.deepEqual(events, ['idle', 'idle'])
  })
})
