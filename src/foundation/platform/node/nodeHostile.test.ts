/** Peers of the Node platform that break the rules on purpose, over raw sockets. @module */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { millis, seconds } from '../../base/units.ts'
import type { HttpListenOptions, WebSocketConnection, WebSocketListenOptions } from '../net.ts'
import { receiveMessages } from '../stages.ts'
import { nodeNet } from './nodeNet.ts'

const HOST = '127.0.0.1'

/** A raw connection that says `text` and collects the answer. */
function raw(
  port: number,
  text: string,
  localAddress = HOST,
): { socket: Socket; closed: Promise<string>; heard(part: string): Promise<void> } {
  const socket = connect({ host: HOST, port, localAddress, allowHalfOpen: true })
  let answer = ''
  const closed = Promise.withResolvers<string>()
  socket.setEncoding('latin1')
  socket.on('data', (data) => {
    answer += data
  })
  socket.on('error', () => {})
  // A refused peer need not say goodbye: whatever the server ends counts as closed.
  socket.on('end', () => socket.destroy())
  socket.on('close', () => closed.resolve(answer))
  socket.write(text)
  return {
    socket,
    closed: closed.promise,
    async heard(part) {
      while (!answer.includes(part)) await new Promise((resolve) => socket.once('data', resolve))
    },
  }
}

const serve = (handler: () => Response | Promise<Response>, extra: Partial<HttpListenOptions> = {}) =>
  nodeNet.serveHttp({ host: HOST, port: 0, maxBodyBytes: 1000, requestTimeout: millis(200), ...extra }, handler)

const listen = (accept: (socket: WebSocketConnection) => void, extra: Partial<WebSocketListenOptions> = {}) =>
  nodeNet.listenWebSocket(
    { host: HOST, port: 0, maxMessageBytes: 1000, handshakeTimeout: millis(100), ...extra },
    accept,
  )

const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: x',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  '',
  '',
].join('\r\n')

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 10))

describe('hostile HTTP peers', { timeout: 15_000 }, () => {
  it('slow headers, slow bodies and silence are cut off', async () => {
    const listener = await serve(() => new Response('never'))
    const { port } = listener.endpoint
    const answers = await Promise.all([
      raw(port, '').closed,
      raw(port, 'GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ').closed,
      raw(port, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc').closed,
    ])
    for (const answer of answers) assert.doesNotMatch(answer, /never/)
    await listener.close()
  })

  it('a kept-alive connection that idles is cut off', async () => {
    const listener = await serve(() => new Response('once'))
    assert.match(await raw(listener.endpoint.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n').closed, /once/)
    await listener.close()
  })

  it('a long body without announced length is refused', async () => {
    const listener = await serve(() => new Response('never'), { requestTimeout: seconds(5) })
    const chunk = `400\r\n${'x'.repeat(1024)}\r\n`
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
    assert.match(await raw(listener.endpoint.port, head + chunk + chunk).closed, /^HTTP\/1\.1 413 /)
    await listener.close()
  })

  it('requests that are none are refused', async () => {
    const listener = await serve(() => new Response('never'))
    const { port } = listener.endpoint
    const requests: (readonly [string, RegExp])[] = [
      ['garbage\r\n\r\n', /^HTTP\/1\.1 400 /],
      ['GET / HTTP/1.1\r\nHost: [\r\n\r\n', /^HTTP\/1\.1 400 /],
      ['TRACE / HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.1 405 /],
      [`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
      ['CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n', /^$/],
    ]
    for (const [request, answer] of requests) assert.match(await raw(port, request).closed, answer)
    await listener.close()
  })

  it('who asks and does not read is cut off, and the body stops', async () => {
    const cancelled = Promise.withResolvers<void>()
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
      cancel: () => cancelled.resolve(),
    })
    const listener = await serve(() => new Response(body))
    const { socket } = raw(listener.endpoint.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    socket.pause()
    await cancelled.promise
    socket.destroy()
    await listener.close()
  })

  it('who asks many times at once and never reads is cut off, however small the answers', async () => {
    const listener = await serve(() => new Response('x'.repeat(6000)))
    const requests = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1000)
    await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const { socket, closed } = raw(listener.endpoint.port, requests.slice(0, requests.length - 7 * i))
        socket.pause()
        let open = true
        closed.then(() => {
          open = false
        })
        // A socket that does not read learns of its end by writing.
        while (open) {
          socket.write('\r\n')
          await turn()
        }
      }),
    )
    await listener.close()
  })

  it('a slow handler is waited for on a connection that has nothing to say meanwhile', async () => {
    const listener = await serve(() => new Promise((resolve) => setTimeout(() => resolve(new Response('late')), 700)))
    const { socket, heard } = raw(listener.endpoint.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await heard('late')
    socket.destroy()
    await listener.close()
  })

  it('an endless body arrives as it is written, and stops when the peer leaves', async () => {
    const cancelled = Promise.withResolvers<void>()
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('data: first\n\n')),
      cancel: () => cancelled.resolve(),
    })
    const listener = await serve(() => new Response(body, { headers: { 'content-type': 'text/event-stream' } }))
    const { socket, heard } = raw(listener.endpoint.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await heard('data: first')
    socket.destroy()
    await cancelled.promise
    await listener.close()
  })

  it('a flood of connections stops at the cap', async () => {
    const options = { maxConnections: 5, requestTimeout: seconds(5) }
    const listener = await serve(() => new Response('hello'), options)
    const { port } = listener.endpoint
    const flood = Array.from({ length: 50 }, () => raw(port, ''))
    let closed = 0
    await new Promise<void>((resolve) => {
      for (const one of flood) one.closed.then(() => ++closed === 45 && resolve())
    })
    for (const { socket } of flood) socket.destroy()
    await Promise.all(flood.map((one) => one.closed))
    await listener.close()
  })
})

// Elsewhere the loopback interface has one address only.
describe('one address that takes all it can', { timeout: 15_000, skip: process.platform !== 'linux' }, () => {
  const limits = { maxConnections: 12, maxPerAddress: 8, requestTimeout: seconds(10), handshakeTimeout: seconds(10) }
  const flood = async (port: number) => {
    const sockets = Array.from({ length: 100 }, () => raw(port, ''))
    let closed = 0
    await new Promise<void>((resolve) => {
      for (const one of sockets) one.closed.then(() => ++closed === 92 && resolve())
    })
    return async () => {
      for (const { socket } of sockets) socket.destroy()
      await Promise.all(sockets.map((one) => one.closed))
    }
  }

  it('HTTP: another is answered meanwhile', async () => {
    const refused: string[] = []
    const listener = await serve(() => new Response('hello'), {
      ...limits,
      onRefused: (reason) => refused.push(reason),
    })
    const end = await flood(listener.endpoint.port)
    assert.equal(listener.connections, 8)
    const other = raw(listener.endpoint.port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', '127.0.0.2')
    assert.match(await other.closed, /hello/)
    assert.deepEqual([refused.length, new Set(refused)], [92, new Set(['connections-of-address'])])
    await end()
    while (listener.connections > 0) await turn()
    await listener.close()
  })

  it('WebSocket: before it has said a word', async () => {
    const listener = await listen((socket) => socket.destroy(), limits)
    const end = await flood(listener.endpoint.port)
    assert.match(await raw(listener.endpoint.port, UPGRADE, '127.0.0.2').closed, / 101 /)
    await end()
    await listener.close()
  })
})

describe('hostile WebSocket peers', { timeout: 15_000 }, () => {
  it('handshakes that do not finish are cut off, and other requests refused', async () => {
    const listener = await listen(() => assert.fail('accepted'))
    const { port } = listener.endpoint
    assert.equal(await raw(port, '').closed, '')
    assert.doesNotMatch(await raw(port, UPGRADE.slice(0, -10)).closed, / 101 /)
    assert.match(await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n').closed, /^HTTP\/1\.1 426 /)
    assert.match(await raw(port, UPGRADE.replace('13', '7')).closed, /^HTTP\/1\.1 4/)
    await listener.close()
  })

  it('an open connection outlives the handshake timeout, and frames that are none close it', async () => {
    const accepted = Promise.withResolvers<WebSocketConnection>()
    const listener = await listen(accepted.resolve)
    const { socket, heard, closed } = raw(listener.endpoint.port, UPGRADE)
    await heard(' 101 ')
    const received = receiveMessages(await accepted.promise)
    // The second stalled handshake is cut off after the first one's time has passed as well.
    await raw(listener.endpoint.port, '').closed
    assert.equal(received.closes(), 0)
    socket.write('\xff\xff\xff\xff garbage', 'latin1')
    assert.equal((await received.closed)?.code, 'MALFORMED')
    socket.destroy()
    await closed
    await listener.close()
  })

  it('who pings and never reads is cut off', async () => {
    const accepted = Promise.withResolvers<WebSocketConnection>()
    const listener = await listen(accepted.resolve)
    const { socket, heard } = raw(listener.endpoint.port, UPGRADE)
    await heard(' 101 ')
    const server = await accepted.promise
    const received = receiveMessages(server)
    socket.pause()
    const ping = new Uint8Array(2 + 4 + 125).fill(0)
    ping.set([0x89, 0x80 | 125])
    const pings = Buffer.concat(Array.from({ length: 500 }, () => ping))
    let open = true
    received.closed.then(() => {
      open = false
    })
    while (open) await new Promise<void>((resolve) => socket.write(pings, () => resolve()))
    assert.ok(server.bufferedBytes < 100_000)
    socket.destroy()
    await listener.close()
  })
})
