/** `mixnet.WebSocket` on Node and in pages: the same tests, against the server of the `ws` package and against hostile ones. @module */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { afterEach, describe, test } from 'node:test'
import { type ServerOptions, type WebSocket as ServerSocket, WebSocketServer } from 'ws'
import { isMixnetError, type MixnetError } from '../../foundation/base/errors.ts'
import { seconds } from '../../foundation/base/units.ts'
import { type HandClock, turn } from '../../foundation/platform/handClock.ts'
import type { BridgeExit, Route } from '../bridgeExit.test.ts'
import { cleanUp as cleanUpNode, through as throughNode } from '../fetchSupport.test.ts'
import type { Explanation } from '../requestTimeline.ts'
import { pattern, until } from '../streamSupport.test.ts'
import type { MixnetWebSocket, WebSocketConstructor, WebSocketErrorEvent } from './webSocket.ts'
import { CERTIFICATE, cleanUp, fixture, listening, through } from './webSupport.test.ts'

afterEach(async () => {
  await cleanUp()
  await cleanUpNode()
})

interface Client {
  readonly WebSocket: WebSocketConstructor
  readonly close: () => Promise<void>
  explain(result?: unknown): Explanation | undefined
}
type Through = (route: Route) => { readonly clock: HandClock; readonly exit: BridgeExit; readonly client: Client }

const URL_PLAIN = 'ws://demo.starling/path?query'
const URL_SECURE = 'wss://demo.starling/'

interface Heard {
  readonly events: string[]
  readonly messages: unknown[]
  readonly errors: MixnetError[]
  closed: CloseEvent | undefined
}

function heard(socket: MixnetWebSocket): Heard {
  const all: Heard = { events: [], messages: [], errors: [], closed: undefined }
  for (const type of ['open', 'message', 'error', 'close']) socket.addEventListener(type, () => all.events.push(type))
  socket.addEventListener('message', (event) => all.messages.push((event as MessageEvent).data))
  socket.addEventListener('error', (event) => all.errors.push((event as WebSocketErrorEvent).error))
  socket.addEventListener('close', (event) => {
    all.closed = event as CloseEvent
  })
  return all
}

const closed = (all: Heard) => until('it is closed', () => all.closed !== undefined)
const opened = (socket: MixnetWebSocket) => until('it is open', () => socket.readyState === 1)

async function failedWith(all: Heard, code: string, what?: string): Promise<void> {
  await closed(all)
  const [error] = all.errors
  assert.ok(isMixnetError(error), 'an error of ours')
  assert.equal(error.code, code, error.message)
  if (what !== undefined) assert.match(error.message, new RegExp(what))
  assert.deepEqual(all.events.slice(-2), ['error', 'close'])
  assert.deepEqual([all.closed?.code, all.closed?.wasClean], [1006, false])
}

async function server(
  onSocket: (socket: ServerSocket) => void,
  options: ServerOptions = {},
  isSecure = false,
): Promise<Route> {
  const http = isSecure ? createSecureServer({ key: fixture('key.pem'), cert: CERTIFICATE }) : createServer()
  const sockets = new WebSocketServer({ ...options, server: http })
  sockets.on('connection', (socket) => {
    socket.on('error', () => {})
    onSocket(socket)
  })
  return listening(http)
}

const echo = (socket: ServerSocket): void => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
}

const accept = (request: string): string => {
  const [, key = ''] = /sec-websocket-key: (.*)\r\n/i.exec(request) ?? []
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/** A server that answers the handshake with what `answer` makes of it, and then does what `after` does. */
const raw = (answer: (accept: string) => string, after: (socket: Socket) => void = () => {}): Promise<Route> =>
  listening(
    createTcpServer((socket) => {
      socket.once('data', (request) => {
        socket.write(answer(accept(request.toString('latin1'))), 'latin1', () => after(socket))
      })
    }),
  )
const right = (token: string, more = ''): string =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${token}\r\n${more}\r\n`

const platforms: readonly (readonly [string, Through])[] = [
  ['on Node', (route) => throughNode(route)],
  ['in pages', (route) => through(route)],
]

for (const [platform, make] of platforms) {
  describe(`WebSocket ${platform}`, () => {
    for (const [url, isSecure] of [
      [URL_PLAIN, false],
      [URL_SECURE, true],
    ] as const) {
      test(`${url}: text, bytes and Blobs both ways, in order, and closed in peace`, async () => {
        let end: [number, string] | undefined
        const route = await server(
          (socket) => {
            echo(socket)
            socket.on('close', (code, reason) => {
              end = [code, reason.toString()]
            })
          },
          {},
          isSecure,
        )
        const { client } = make(route)
        const socket = new client.WebSocket(url)
        const all = heard(socket)
        assert.deepEqual([socket.readyState, socket.url], [0, url])
        assert.throws(() => socket.send('too early'), { code: 'BAD_ARGUMENT' })
        await opened(socket)
        socket.binaryType = 'arraybuffer'
        const large = pattern(200_000)
        const changing = Uint8Array.of(1, 2, 3)
        socket.send('grüße')
        socket.send(new Blob(['of a blob']))
        socket.send(changing)
        changing.fill(9)
        socket.send(large.buffer)
        socket.send('')
        assert.equal(socket.bufferedAmount, 7 + 9 + 3 + 200_000)
        await until('all is back', () => all.messages.length === 5)
        const [first, second, third, fourth, fifth] = all.messages
        assert.deepEqual([first, Buffer.from(second as ArrayBuffer).toString(), fifth], ['grüße', 'of a blob', ''])
        assert.deepEqual(new Uint8Array(third as ArrayBuffer), Uint8Array.of(1, 2, 3))
        assert.deepEqual(new Uint8Array(fourth as ArrayBuffer), large)
        assert.equal(socket.bufferedAmount, 0)
        socket.send('last')
        socket.close(3001, 'done')
        assert.equal(socket.readyState, 2)
        await closed(all)
        assert.deepEqual(all.errors, [])
        assert.deepEqual([all.closed?.code, all.closed?.reason, all.closed?.wasClean], [3001, 'done', true])
        await until('the server has closed', () => end !== undefined)
        assert.deepEqual(end, [3001, 'done'])
        socket.send('in vain')
        const stages = client.explain(socket)?.stages.map(({ stage, what }) => `${stage}${what ?? ''}`) ?? []
        assert.deepEqual(
          stages.filter((stage) => !/sent|exit/.test(stage)),
          ['stream-opened', ...(isSecure ? ['tls'] : []), 'first-byte101', 'done'],
        )
      })
    }

    test('the server closes, with a code, without one, and when it must go on at once', async () => {
      for (const [code, expected] of [
        [4000, 4000],
        [undefined, 1005],
      ] as const) {
        let ended = false
        const { client, exit } = make(
          await server((socket) => {
            socket.on('close', () => {
              ended = true
            })
            socket.send('last words')
            socket.close(code, code === undefined ? undefined : 'bye')
          }),
        )
        const all = heard(new client.WebSocket(URL_PLAIN))
        await closed(all)
        assert.deepEqual(all.events, ['open', 'message', 'close'])
        assert.deepEqual([all.closed?.code, all.closed?.wasClean], [expected, true])
        await until('the server has heard of it', () => ended)
        await until('the stream is gone', () => exit.streams.size === 0)
      }
    })

    test('what the server reads of it: no origin, no cookie, what the caller adds, and a key of its own each time', async () => {
      const requests: string[][] = []
      const protocols: string[] = []
      const route = await server(() => {}, {
        handleProtocols: (offered) => [...offered].at(-1) ?? false,
        verifyClient: ({ req }, done) => {
          requests.push(req.rawHeaders)
          done(true)
        },
      })
      const { client, exit } = make(route)
      const headers = { authorization: 'Bearer x', connection: 'close', 'sec-websocket-key': 'mine' }
      for (let i = 0; i < 2; i++) {
        const socket = new client.WebSocket(URL_PLAIN, ['a', 'b'], { headers, isolation: `account ${i}` })
        await opened(socket)
        protocols.push(socket.protocol)
      }
      assert.deepEqual(protocols, ['b', 'b'])
      const keys = requests.map((lines) => lines.splice(lines.indexOf('sec-websocket-key'), 2)[1])
      assert.notEqual(keys[0], keys[1])
      assert.ok(keys.every((key = '') => Buffer.from(key, 'base64').length === 16))
      assert.deepEqual(requests[1], [
        ...['host', 'demo.starling', 'connection', 'Upgrade', 'upgrade', 'websocket', 'authorization', 'Bearer x'],
        ...['user-agent', 'Mozilla/5.0', 'sec-websocket-version', '13', 'sec-websocket-protocol', 'a, b'],
      ])
      assert.deepEqual(exit.isolations, ['account 0', 'account 1'])
    })

    test('arguments that cannot be meant', async () => {
      const { client } = make('silent')
      const { WebSocket } = client
      const wrong = [
        ['nonsense'],
        ['ftp://demo.starling/'],
        ['ws://demo.starling/#part'],
        ['ws://me:secret@demo.starling/'],
        ['ws://demo.starling:25/'],
        [URL_PLAIN, ['a', 'a']],
        [URL_PLAIN, 'not a token'],
        [URL_PLAIN, [], { headers: { 'a b': 'c' } }],
        [URL_PLAIN, [], { timeout: 0 }],
      ] as unknown as readonly ConstructorParameters<WebSocketConstructor>[]
      for (const given of wrong) assert.throws(() => new WebSocket(...given), { code: 'BAD_ARGUMENT' }, String(given))
      const socket = new WebSocket('http://demo.starling/')
      assert.equal(socket.url, 'ws://demo.starling/')
      const all = heard(socket)
      for (const code of [999, 1001, 1005, 2999, 5000])
        assert.throws(() => socket.close(code), { code: 'BAD_ARGUMENT' })
      assert.throws(() => socket.close(1000, 'x'.repeat(124)), { code: 'BAD_ARGUMENT' })
      assert.deepEqual([WebSocket.OPEN, socket.OPEN, socket.readyState], [1, 1, 0])
      socket.close()
      await failedWith(all, 'ABORTED')
    })

    test('the deadline fires while the exit connects, in TLS, and while the server thinks', async () => {
      const mute = await listening(createTcpServer(() => {}))
      for (const [route, url] of [
        ['silent', URL_PLAIN],
        ['silent', URL_SECURE],
        [mute, URL_PLAIN],
        [mute, URL_SECURE],
        [await raw(() => 'HTTP/1.1 101 Switching'), URL_PLAIN],
      ] as const) {
        const { client, clock, exit } = make(route)
        const all = heard(new client.WebSocket(url, [], { timeout: seconds(5) }))
        await until('it connects', () => exit.destinations.length === 1)
        clock.advance(seconds(4.9))
        assert.equal(all.closed, undefined)
        clock.advance(seconds(0.1))
        await failedWith(all, 'TIMEOUT')
        await until('the stream is gone', () => exit.streams.size === 0)
        assert.equal(client.explain(all.errors[0])?.outcome, 'TIMEOUT')
      }
    })

    test('what the exit says, a signal, the end of the client', async () => {
      for (const [route, code] of [
        ['refused', 'EXIT_REFUSED'],
        ['unknown', 'HOST_UNKNOWN'],
        ['unreachable', 'DESTINATION_UNREACHABLE'],
      ] as const) {
        const { client } = make(route)
        for (const url of [URL_PLAIN, URL_SECURE]) await failedWith(heard(new client.WebSocket(url)), code)
      }
      const { client, exit } = make(await server(echo))
      const controller = new AbortController()
      const aborted = new client.WebSocket(URL_PLAIN, [], { signal: controller.signal })
      const all = heard(aborted)
      await opened(aborted)
      controller.abort()
      await failedWith(all, 'ABORTED')
      const asked = exit.destinations.length
      await failedWith(heard(new client.WebSocket(URL_PLAIN, [], { signal: controller.signal })), 'ABORTED')
      assert.equal(exit.destinations.length, asked, 'the exit is not told where to')
      const open = new client.WebSocket(URL_PLAIN)
      const early = heard(open)
      await opened(open)
      await client.close()
      await failedWith(early, 'STOPPED')
      await until('the streams are gone', () => exit.streams.size === 0)
    })

    test('a server with another certificate', async () => {
      const { client } = make(await server(echo, {}, true))
      await failedWith(heard(new client.WebSocket('wss://other.starling/')), 'TLS_FAILED')
    })

    test('answers that are no handshake', async () => {
      const wrong: readonly [(token: string) => string, string, string][] = [
        [() => 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n', 'CONNECTION_REFUSED', '403'],
        [() => 'HTTP/1.1 302 Found\r\nLocation: ws://other/\r\n\r\n', 'CONNECTION_REFUSED', '302'],
        [() => 'SSH-2.0-OpenSSH_9.9\r\n\r\n', 'MALFORMED', 'status line'],
        [() => right('bm90IHRoZSByaWdodCBvbmU='), 'MALFORMED', 'accept'],
        [(token) => right(token).replace(/Sec-.*\r\n/, ''), 'MALFORMED', 'accept'],
        [(token) => right(token).replace('websocket', 'h2c'), 'MALFORMED', 'upgrade'],
        [(token) => right(token).replace('Connection: Upgrade', 'Connection: close'), 'MALFORMED', 'connection'],
        [(token) => right(token, 'Sec-WebSocket-Extensions: permessage-deflate\r\n'), 'MALFORMED', 'extension'],
        [(token) => right(token, 'Sec-WebSocket-Protocol: other\r\n'), 'MALFORMED', 'protocol'],
        [(token) => right(token).replace('1.1', '1.0'), 'MALFORMED', 'version'],
        [(token) => right(token, `X: ${'x'.repeat(70_000)}\r\n`), 'MALFORMED', 'headers'],
      ]
      for (const [answer, code, what] of wrong) {
        const { client, exit } = make(await raw(answer))
        await failedWith(heard(new client.WebSocket(URL_PLAIN)), code, what)
        await until('the stream is gone', () => exit.streams.size === 0)
      }
      const { client } = make(await raw((token) => right(token)))
      await failedWith(heard(new client.WebSocket(URL_PLAIN, 'wanted')), 'MALFORMED', 'protocol')
    })

    test('frames that a server must not send end it, and the server is told why', async () => {
      for (const [bytes, code] of [
        ['c10161', 1002],
        ['8102c328', 1007],
        ['827f7fffffffffffffff', 1009],
      ] as const) {
        const said: Buffer[] = []
        const { client } = make(
          await raw(
            (token) => right(token),
            (socket) => {
              socket.on('data', (data) => said.push(Buffer.from(data)))
              socket.write(Buffer.from(bytes, 'hex'))
            },
          ),
        )
        await failedWith(heard(new client.WebSocket(URL_PLAIN)), 'MALFORMED')
        await until('the server is told', () => Buffer.concat(said).length >= 8)
        const [first = 0, second = 0, a = 0, b = 0, , , c = 0, d = 0] = Buffer.concat(said)
        assert.deepEqual([first, second], [0x88, 0x82])
        assert.equal(((a ^ c) << 8) | (b ^ d), code)
      }
    })

    test('the first frames may come with the handshake; the end without a close is an error', async () => {
      const { client } = make(
        await raw(
          (token) => `${right(token)}\x81\x02hi\x89\x00`,
          (socket) => void setImmediate(() => socket.end()),
        ),
      )
      const all = heard(new client.WebSocket(URL_PLAIN))
      await failedWith(all, 'CONNECTION_CLOSED')
      assert.deepEqual(all.messages, ['hi'])
    })

    test('a server that never closes too is left after ten seconds', async () => {
      const { client, clock, exit } = make(await raw((token) => right(token)))
      const socket = new client.WebSocket(URL_PLAIN)
      const all = heard(socket)
      await opened(socket)
      socket.close(1000)
      await turn()
      clock.advance(seconds(9.9))
      assert.equal(all.closed, undefined)
      clock.advance(seconds(0.1))
      await failedWith(all, 'TIMEOUT')
      await until('the stream is gone', () => exit.streams.size === 0)
    })

    test('asks a silent server whether it is there, answers one that asks, and leaves one that does not answer', async () => {
      let pongs = 0
      const answering = make(
        await server((socket) => {
          socket.on('ping', () => socket.send('asked')).on('pong', () => pongs++)
          for (let i = 0; i < 1000; i++) socket.ping()
        }),
      )
      const socket = new answering.client.WebSocket(URL_PLAIN)
      const { messages } = heard(socket)
      await opened(socket)
      await until('it answers the last of many', () => pongs > 0)
      for (let i = 1; i <= 5; i++) {
        answering.clock.advance(seconds(60))
        await until('it has asked', () => messages.length === i)
      }
      assert.equal(socket.readyState, 1)
      const silent = make(await raw((token) => right(token)))
      const other = new silent.client.WebSocket(URL_PLAIN)
      const all = heard(other)
      await opened(other)
      for (let i = 0; i < 3; i++) {
        assert.equal(other.readyState, 1)
        await silent.clock.advanceSettling(seconds(60))
        // The question leaves through a TLS library, or none.
        for (let turns = 0; turns < 10; turns++) await turn()
      }
      await failedWith(all, 'TIMEOUT', 'pong')
    })

    test('whoever sends without looking at bufferedAmount is stopped', async () => {
      const { client } = make(await server(() => {}))
      const socket = new client.WebSocket(URL_PLAIN)
      const all = heard(socket)
      await opened(socket)
      const megabyte = new Uint8Array(1 << 20)
      for (let i = 0; i < 17; i++) socket.send(megabyte)
      await failedWith(all, 'QUEUE_FULL')
    })

    test('handlers set as properties, replaced, removed', async () => {
      const { client } = make(await server(echo))
      const socket = new client.WebSocket(URL_PLAIN)
      const called: string[] = []
      assert.equal(socket.onmessage, null)
      socket.onopen = () => called.push('open')
      socket.onmessage = () => called.push('never')
      socket.onmessage = ({ data }: MessageEvent) => called.push(data as string)
      socket.onclose = ({ code }: CloseEvent) => called.push(`${code}`)
      await opened(socket)
      socket.send('x')
      await until('it is back', () => called.length === 2)
      socket.onmessage = null
      socket.close()
      await until('it is closed', () => socket.readyState === 3)
      assert.deepEqual(called, ['open', 'x', '1005'])
    })
  })
}
