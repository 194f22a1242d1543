import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type ErrorCode, isMixnetError } from '../base/errors.ts'
import { millis, seconds } from '../base/units.ts'
import { nullProvider } from '../crypto/nullProvider.ts'
import { sleep } from './clock.ts'
import type { WebSocketConnection, WebSocketListenOptions } from './net.ts'
import { nextAccepted, platforms, receiveMessages, type Stage } from './stages.ts'

const timeout = seconds(5)
const limits = { maxMessageBytes: 1000, handshakeTimeout: seconds(2) }
const refusedWith = (code: ErrorCode) => (error: unknown) => isMixnetError(error, code)
const urlOf = ({ host, port }: { host: string; port: number }) => `ws://${host}:${port}/`

async function open({ here, there, host }: Stage, extra: Partial<WebSocketListenOptions> = {}) {
  const { accept, accepted } = nextAccepted<WebSocketConnection>()
  const listener = await there.net.listenWebSocket({ host, port: 0, ...limits, ...extra }, accept)
  const url = urlOf(listener.endpoint)
  const client = await here.net.connectWebSocket({ url, timeout, maxMessageBytes: 1000 })
  return { client, server: await accepted, listener, url }
}

for (const platform of platforms(nullProvider)) {
  describe(`WebSocket: ${platform.name}`, { timeout: 10_000 }, () => {
    it('carries text and bytes in order, kept until attach', () =>
      platform.play(async (stage) => {
        const { client, server, listener } = await open(stage)
        const sent = ['grüße', Uint8Array.of(1, 2, 3), '', new Uint8Array(1000), new Uint8Array(0)]
        for (const message of sent) client.send(message)
        await sleep(stage.here.clock, millis(20))
        const atServer = receiveMessages(server)
        const got = await atServer.until((messages) => messages.length === sent.length)
        assert.deepEqual(got, sent)
        assert.equal(got[1]?.constructor, Uint8Array)
        assert.equal(client.remote.port, listener.endpoint.port)
        await listener.close()
        assert.ok(isMixnetError(await receiveMessages(client).closed, 'CONNECTION_CLOSED'))
      }))

    it('asks about each upgrade, and says who it is for', () =>
      platform.play(async ({ here, there, host }) => {
        const asked: (string | undefined)[] = []
        const { accept, accepted } = nextAccepted<WebSocketConnection>()
        const admit = ({ origin }: { origin: string | undefined }) => {
          asked.push(origin)
          return origin === undefined ? undefined : 403
        }
        const listener = await there.net.listenWebSocket({ host, port: 0, ...limits, admit }, accept)
        const options = { url: urlOf(listener.endpoint), timeout, maxMessageBytes: 1000 }
        const refused = (error: unknown) => isMixnetError(error, 'CONNECTION_REFUSED') && error.details.status === 403
        await assert.rejects(here.net.connectWebSocket({ ...options, origin: 'https://page.example' }), refused)
        const client = await here.net.connectWebSocket(options)
        client.send('hello')
        const [first] = await receiveMessages(await accepted).until((messages) => messages.length === 1)
        assert.equal(first, 'hello')
        assert.deepEqual(asked, ['https://page.example', undefined])
        await listener.close()
      }))

    it('closes in peace, once on both sides', () =>
      platform.play(async (stage) => {
        const { client, server, listener } = await open(stage)
        const atServer = receiveMessages(server)
        const atClient = receiveMessages(client)
        client.send('last words')
        client.close()
        client.close()
        client.send('too late')
        assert.equal(await atServer.closed, undefined)
        assert.equal(await atClient.closed, undefined)
        assert.deepEqual(atServer.items, ['last words'])
        server.destroy()
        server.send('nobody hears')
        assert.deepEqual([atServer.closes(), atClient.closes()], [1, 1])
        await listener.close()
      }))

    it('closes within a second although the other side does not answer', () =>
      platform.play(async (stage) => {
        const { client, listener } = await open(stage)
        // The server never attaches, so it never reads the goodbye.
        const atClient = receiveMessages(client)
        client.close()
        await atClient.closed
        await listener.close()
      }))

    it('tells the other side when destroyed', () =>
      platform.play(async (stage) => {
        const { client, server, listener } = await open(stage)
        const atServer = receiveMessages(server)
        const atClient = receiveMessages(client)
        client.destroy()
        assert.ok(isMixnetError(await atServer.closed, 'CONNECTION_CLOSED'))
        assert.equal(await atClient.closed, undefined)
        await listener.close()
      }))

    it('closes on a message that is too long', () =>
      platform.play(async (stage) => {
        const { client, server, listener } = await open(stage)
        const atServer = receiveMessages(server)
        const atClient = receiveMessages(client)
        client.send(new Uint8Array(1001))
        client.send('not read any more')
        assert.ok(isMixnetError(await atServer.closed, 'MALFORMED'))
        const told = await atClient.closed
        assert.ok(isMixnetError(told, 'CONNECTION_CLOSED') && told.details.closeCode === 1009)
        assert.deepEqual(atServer.items, [])
        await listener.close()
      }))

    it('answers pings', () =>
      platform.play(async (stage) => {
        const { client, server, listener } = await open(stage)
        receiveMessages(server)
        const pong = Promise.withResolvers<Uint8Array>()
        client.attach({ text() {}, binary() {}, pong: pong.resolve, close() {} })
        client.ping(Uint8Array.of(4, 2))
        assert.deepEqual(await pong.promise, Uint8Array.of(4, 2))
        await listener.close()
      }))

    it('holds messages while paused', () =>
      platform.play(async (stage) => {
        const { client, server, listener } = await open(stage)
        const got: string[] = []
        const done = Promise.withResolvers<void>()
        server.attach({
          text(message) {
            got.push(message)
            // Between any two messages of one read.
            server.pause()
            stage.there.clock.after(millis(1), () => {
              assert.equal(got.at(-1), message)
              if (got.length === 5) done.resolve()
              server.resume()
            })
          },
          binary() {},
          close() {},
        })
        for (let i = 0; i < 5; i++) client.send(`message ${i}`)
        await done.promise
        assert.deepEqual(
          got,
          [0, 1, 2, 3, 4].map((i) => `message ${i}`),
        )
        await listener.close()
      }))

    it('refuses with typed errors', () =>
      platform.play(async (stage) => {
        const { client, listener, url } = await open(stage, { maxConnections: 1 })
        const { net } = stage.here
        const atClient = receiveMessages(client)
        // The one place is taken: refused at once, or closed at once.
        await net.connectWebSocket({ url, timeout, maxMessageBytes: 10 }).then(
          (second) => receiveMessages(second).closed,
          (error) => assert.ok(isMixnetError(error)),
        )
        assert.equal(atClient.closes(), 0)
        await listener.close()
        await atClient.closed
        const connect = (more: object) => net.connectWebSocket({ url, timeout, maxMessageBytes: 10, ...more })
        await assert.rejects(connect({}), refusedWith('CONNECTION_REFUSED'))
        await assert.rejects(connect({ url: 'ws://nobody.invalid/' }), refusedWith('HOST_UNKNOWN'))
        await assert.rejects(connect({ url: 'http://x/' }), refusedWith('BAD_ARGUMENT'))
        await assert.rejects(connect({ signal: AbortSignal.abort() }), refusedWith('ABORTED'))
      }))
  })
}
