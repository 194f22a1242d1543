/** HTTP on the port of the proxy: programs, sites and exits that do as they should, and others. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { fromUtf8Lossy, utf8 } from '../foundation/base/bytes.ts'
import { type ErrorCode, MixnetError } from '../foundation/base/errors.ts'
import { seconds } from '../foundation/base/units.ts'
import { HandClock, turn } from '../foundation/platform/handClock.ts'
import { BridgeExit } from './bridgeExit.test.ts'
import { bridged, byHand, cleanUp, NAME, setUp } from './socksSupport.test.ts'
import { chooser, type Peer, pattern, type Scripted, until } from './streamSupport.test.ts'

afterEach(cleanUp)

const GET = `GET http://${NAME}/ HTTP/1.1\r\n\r\n`
const CONNECT = `CONNECT ${NAME}:443 HTTP/1.1\r\n\r\n`
const OPEN = 'HTTP/1.1 200 Connection established\r\n\r\n'
const textOf = ({ bytes }: Peer): string => fromUtf8Lossy(bytes)
const NO_DATA = new Uint8Array(0)

/** A proxy to one site, which answers when the whole of what it waits for has come. */
async function site(waitsFor: string, answer: string | Uint8Array, { closes = true } = {}) {
  const seen: Peer[] = []
  const setup = await bridged((peer) => {
    seen.push(peer)
    void until('the request has come', () => textOf(peer).endsWith(waitsFor) || peer.closed || peer.ended).then(() => {
      peer.send(typeof answer === 'string' ? utf8(answer) : answer)
      if (closes) peer.connection.end()
    })
  })
  const ask = async (...pieces: readonly (string | Uint8Array)[]): Promise<Peer> => {
    const peer = await setup.connect()
    for (const piece of pieces) {
      peer.send(typeof piece === 'string' ? utf8(piece) : piece)
      await turn()
    }
    return peer
  }
  return { ...setup, ask, seen }
}

/** A proxy whose exit the test is. */
async function scriptedExit() {
  const clock = new HandClock()
  const dialer = byHand(clock)
  const setup = await setUp(dialer, {}, clock)
  const ask = async (text: string): Promise<Scripted & { peer: Peer }> => {
    const count = dialer.opened.length
    const peer = await setup.connect()
    peer.send(utf8(text))
    await until('the stream is opened', () => dialer.opened.length === count + 1)
    return Object.assign(dialer.opened[count] as Scripted, { peer })
  }
  return { ...setup, dialer, ask, clock }
}

describe('a plain request', () => {
  test('is forwarded and answered, and both sides are told that it was the only one', async () => {
    const { ask, seen, server, exit } = await site(
      '\r\n\r\n',
      'HTTP/1.1 200 Fine\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 5\r\nVia: x\r\n\r\nhello',
    )
    const peer = await ask(`GET http://${NAME}/path HTTP/1.1\r\nHost: x\r\nProxy-Connection: keep-alive\r\n\r\n`)
    await until('the answer has come', () => peer.ended)
    assert.equal(textOf(peer), 'HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nVia: x\r\nConnection: close\r\n\r\nhello')
    assert.equal(textOf(seen[0] as Peer), `GET /path HTTP/1.1\r\nHost: ${NAME}\r\nConnection: close\r\n\r\n`)
    assert.deepEqual(exit.destinations, [{ host: NAME, port: 80 }])
    peer.connection.end()
    await until('all is over', () => server.connections === 0 && exit.streams.size === 0)
  })

  test('a body goes with it, chunked or counted, in any pieces; what is behind it goes nowhere', async () => {
    const body = pattern(300_000).map((byte) => 0x61 + (byte % 26))
    const answer = 'HTTP/1.1 204 Done\r\n\r\n'
    const { ask, seen } = await site('z!', answer)
    const counted = `POST http://${NAME}/ HTTP/1.1\r\nContent-Length: ${body.length + 2}\r\n\r\n`
    const peer = await ask(
      counted,
      body.subarray(0, 7),
      body.subarray(7),
      'z!',
      'GET http://other.example/ HTTP/1.1\r\n\r\n',
    )
    await until('the answer has come', () => peer.ended)
    assert.equal(textOf(seen[0] as Peer).split('\r\n\r\n')[1], `${fromUtf8Lossy(body)}z!`)
    assert.equal(seen.length, 1)

    const chunked = await site('0\r\n\r\n', answer)
    const chunks = '5\r\nhello\r\n0\r\n\r\n'
    const head = `POST http://${NAME}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n`
    const second = await chunked.ask(
      head + chunks.slice(0, 6),
      `${chunks.slice(6)}GET http://other.example/ HTTP/1.1\r\n`,
    )
    await until('the answer has come', () => second.ended)
    const [sent] = chunked.seen
    assert.match(
      textOf(sent as Peer),
      /Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/,
    )
  })

  test('a large answer comes whole, also to a program that said that it has no more to say', async () => {
    const data = pattern(1 << 20)
    const { ask } = await site('\r\n\r\n', new Uint8Array([...utf8('HTTP/1.1 200 OK\r\n\r\n'), ...data]))
    const peer = await ask(GET)
    peer.connection.end()
    await until('the answer has come', () => peer.ended)
    const head = utf8('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n').length
    assert.deepEqual(peer.bytes.subarray(head), data)
  })

  test('a site that stays although it was asked to close is told when the program has gone, and not before it answers', async () => {
    const { ask, seen } = await site('\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi', { closes: false })
    const peer = await ask(GET)
    await until('the answer has come', () => textOf(peer).endsWith('hi'))
    assert.equal(seen[0]?.ended, false)
    peer.connection.end()
    await until('the site is told', () => seen[0]?.ended === true)

    const { ask: askExit } = await scriptedExit()
    const early = await askExit(GET)
    early.peer.connection.end()
    for (let i = 0; i < 20; i++) await turn()
    assert.ok(!early.sent.some(({ closed }) => closed))
    early.stream.receive({ sequence: 0n, closed: false, data: utf8('HTTP/1.1 200 OK\r\n\r\n') })
    await until('it is told behind the head', () => early.sent.some(({ closed }) => closed))
  })

  test('interim answers come first', async () => {
    const { ask } = await site(
      '\r\n\r\n',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody',
    )
    const peer = await ask(`POST http://${NAME}/ HTTP/1.1\r\nExpect: 100-continue\r\n\r\n`)
    await until('the answer has come', () => peer.ended)
    const final = 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody'
    assert.equal(textOf(peer), `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\n${final}`)
  })

  test('an answer that breaks off is cut, not ended: half a page must not look whole', async () => {
    const { ask } = await scriptedExit()
    const { stream, peer } = await ask(GET)
    stream.receive({ sequence: 0n, closed: false, data: utf8('HTTP/1.1 200 OK\r\n\r\nhalf') })
    await until('it has begun', () => textOf(peer).endsWith('half'))
    stream.fail(new MixnetError('CONNECTION_CLOSED'))
    await until('it is cut', () => peer.closed)
    assert.equal(peer.ended, false)
    assert.match(textOf(peer), /half$/)
  })
})

describe('a tunnel', () => {
  test('carries bytes both ways, what came early included, and half-closes', async () => {
    const { ask, seen, exit } = await site('the end', 'answer')
    const peer = await ask(`CONNECT ${NAME}:443 HTTP/1.1\r\nProxy-Authorization: Basic x\r\n\r\nearly `, 'and the end')
    await until('the answer has come', () => peer.ended)
    assert.equal(textOf(peer), `${OPEN}answer`)
    assert.equal(textOf(seen[0] as Peer), 'early and the end')
    assert.deepEqual(exit.destinations, [{ host: NAME, port: 443 }])
    assert.equal(seen[0]?.ended, false)
    peer.connection.end()
    await until('the site is told', () => seen[0]?.ended === true)
  })

  test('is said to be open when it is, and at once where it was before', async () => {
    const { ask } = await scriptedExit()
    const first = await ask(CONNECT)
    for (let i = 0; i < 5; i++) await turn()
    assert.equal(textOf(first.peer), '')
    first.stream.receive({ sequence: 0n, closed: false, data: NO_DATA })
    await until('it is told', () => textOf(first.peer) === OPEN)
    const second = await ask(CONNECT)
    await until('it is told at once', () => textOf(second.peer) === OPEN)
    second.stream.fail(new MixnetError('DESTINATION_UNREACHABLE'))
    await until('it is cut', () => second.peer.closed || second.peer.ended)
    assert.equal(textOf(second.peer), OPEN)
  })
})

describe('what cannot be', () => {
  const codes: readonly (readonly [ErrorCode, number])[] = [
    ['EXIT_REFUSED', 403],
    ['HOST_UNKNOWN', 502],
    ['DESTINATION_UNREACHABLE', 502],
    ['EXIT_UNREACHABLE', 504],
    ['TIMEOUT', 504],
    ['GATEWAY_LOST', 502],
  ]

  test('is told with its code, and what to do, and the connection ends', async () => {
    const { ask, meter } = await scriptedExit()
    for (const asked of [GET, CONNECT]) {
      for (const [code, status] of codes) {
        const { stream, peer } = await ask(asked)
        stream.fail(new MixnetError(code))
        await until('the connection ends', () => peer.ended)
        const [head = '', body = ''] = textOf(peer).split('\r\n\r\n')
        assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} ${code}\r\n`))
        assert.match(head, /Content-Type: text\/plain.*Cache-Control: no-store.*Connection: close/s)
        assert.match(head, new RegExp(`Content-Length: ${body.length}\r\n`))
        assert.match(body, new RegExp(`^Starling: ${code}: .+\n.+\\.\n$`))
        assert.equal(meter.snapshot()[`socks_failed_total{code="${code}"}`], asked === GET ? 1 : 2)
      }
    }
  })

  test('has no body where none was asked for', async () => {
    const { ask } = await scriptedExit()
    const { stream, peer } = await ask(`HEAD http://${NAME}/ HTTP/1.1\r\n\r\n`)
    stream.fail(new MixnetError('HOST_UNKNOWN'))
    await until('the connection ends', () => peer.ended)
    assert.match(textOf(peer), /^HTTP\/1\.1 502 HOST_UNKNOWN\r\n.*\r\n\r\n$/s)
  })

  test('a dialer that is full is 503', async () => {
    const { connect } = await setUp({
      open() {
        throw new MixnetError('QUEUE_FULL')
      },
    })
    for (const asked of [GET, CONNECT]) {
      const peer = await connect()
      peer.send(utf8(asked))
      await until('the connection ends', () => peer.ended)
      assert.match(textOf(peer), /^HTTP\/1\.1 503 QUEUE_FULL\r\n/)
    }
  })

  test('a site that answers with anything but HTTP, or not at all, is 502', async () => {
    const answers = [
      ...['', 'HTTP/1.1 200', 'SSH-2.0-x\r\n\r\n', '<html>\r\n\r\n', 'HTTP/2 200\r\n\r\n', 'HTTP/1.1 20 x\r\n\r\n'],
      ...['HTTP/1.1 101 Switching\r\n\r\n', 'HTTP/1.1 200 OK\r\nA : b\r\n\r\n', 'HTTP/1.1 200 OK\r\nA: b\n\r\n\r\n'],
      ...[`HTTP/1.1 200 OK\r\nA: ${'x'.repeat(70_000)}\r\n\r\n`, 'x'.repeat(70_000)],
    ]
    for (const answer of answers) {
      const { ask, exit } = await site('\r\n\r\n', answer)
      const peer = await ask(GET)
      await until('the connection ends', () => peer.ended)
      assert.match(textOf(peer), /^HTTP\/1\.1 502 (MALFORMED|CONNECTION_CLOSED)\r\n/, answer.slice(0, 40))
      await until('nothing is left', () => exit.streams.size === 0)
    }
    const endless = await site('\r\n\r\n', `${'HTTP/1.1 103 Early\r\n\r\n'.repeat(50)}`, { closes: false })
    const peer = await endless.ask(GET)
    await until('the connection ends', () => peer.ended || peer.closed)
    await until('nothing is left', () => endless.exit.streams.size === 0)
  })
})

describe('programs that misbehave, and pages', () => {
  test('are told in a line what is wrong, and nothing is opened', async () => {
    const { connect, dialer, meter } = await scriptedExit()
    const cases: readonly (readonly [string, number, string])[] = [
      // What a page can make a browser send to this port: a form, a fetch, a websocket.
      [
        'POST / HTTP/1.1\r\nHost: 127.0.0.1:1080\r\nContent-Length: 40\r\n\r\nCONNECT h:443 HTTP/1.1\r\n\r\n',
        400,
        'not-proxy',
      ],
      ['GET https://h/ HTTP/1.1\r\n\r\n', 501, 'scheme'],
      ['CONNECT h HTTP/1.1\r\n\r\n', 400, 'destination'],
      ['PRI * HTTP/2.0\r\n\r\n', 505, 'version'],
      ['GET <script> HTTP/1.1\r\n\r\n', 400, 'not-proxy'],
      ['HELLO\r\n\r\n', 400, 'malformed'],
      // Nothing more will come of it: told at its first line, not at the time limit.
      ['SSH-2.0-OpenSSH_9.9\r\n', 400, 'malformed'],
      [`GET http://h/${'x'.repeat(40_000)}`, 431, 'too-long'],
    ]
    for (const [sent, status, reason] of cases) {
      const peer = await connect()
      peer.send(utf8(sent))
      await until('the connection ends', () => peer.ended)
      assert.match(textOf(peer), new RegExp(`^HTTP/1\\.1 ${status} ${reason}\r\n`), reason)
      assert.doesNotMatch(textOf(peer), /script/)
      assert.ok((meter.snapshot()[`socks_refused_total{reason="http-${reason}"}`] ?? 0) >= 1)
    }
    assert.equal(dialer.opened.length, 0)
  })

  test('a head that takes its time is cut off', async () => {
    const { connect, server, clock, meter } = await scriptedExit()
    const peer = await connect()
    for (const byte of utf8(GET).subarray(0, 9)) {
      peer.send(byte)
      await turn()
      clock.advance(seconds(1))
    }
    clock.advance(seconds(1))
    await until('the place is free', () => server.connections === 0)
    assert.equal(meter.snapshot()['socks_refused_total{reason="too-slow"}'], 1)
  })

  test('one that ends within its body takes the request with it; so does one whose chunks are none', async () => {
    const { ask, server } = await scriptedExit()
    const half = await ask(`POST http://${NAME}/ HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf`)
    half.peer.connection.end()
    await until('it is over', () => half.finished !== undefined && server.connections === 0)
    const broken = await ask(
      `POST http://${NAME}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloGET http://h\r\n`,
    )
    await until('it is over', () => broken.finished !== undefined && server.connections === 0)
    assert.ok(!broken.sent.some(({ data }) => fromUtf8Lossy(data).includes('GET http')))
  })

  test('one that uploads waits while the mixnet does', async () => {
    const { ask } = await scriptedExit()
    const script = await ask(`POST http://${NAME}/ HTTP/1.1\r\nContent-Length: ${16 << 20}\r\n\r\n`)
    script.open = false
    script.peer.send(pattern(16 << 20))
    for (let i = 0; i < 50; i++) await turn()
    assert.ok(script.peer.connection.bufferedBytes > 1 << 20, 'what the kernels do not hold waits at the program')
    script.open = true
    script.release()
    await until('it goes on', () => script.peer.connection.bufferedBytes === 0)
  })

  test('random heads in random pieces never hang and never throw', async () => {
    const clock = new HandClock()
    const { connect, server } = await setUp(new BridgeExit(clock, () => 'unreachable'), {}, clock)
    const choose = chooser(5)
    const words = [
      'GET ',
      'CONNECT ',
      'http://h',
      ':80',
      '/',
      ' HTTP/1.1',
      '\r\n',
      '\r\n\r\n',
      'A: b',
      'Content-Length: 9',
      '\n',
      '\0',
    ]
    for (let run = 0; run < 40; run++) {
      const peer = await connect()
      peer.send(utf8(run % 2 === 0 ? 'GET ' : 'CONNECT '))
      for (let i = choose(20); i > 0; i--) {
        peer.send(utf8(words[choose(words.length)] as string))
        if (choose(2) === 0) await turn()
      }
      peer.connection.end()
    }
    await turn()
    clock.advance(seconds(60))
    await until('all are gone', () => server.connections === 0)
  })
})
