import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type ErrorCode, isMixnetError } from '../base/errors.ts'
import { millis, seconds } from '../base/units.ts'
import { nullProvider } from '../crypto/nullProvider.ts'
import { sleep } from './clock.ts'
import type { Connection } from './net.ts'
import { atLeast, bytesOf, nextAccepted, platforms, receive, type Stage } from './stages.ts'

const timeout = seconds(5)
const refusedWith = (code: ErrorCode) => (error: unknown) => isMixnetError(error, code)

/** Two ends of one connection, neither attached. */
async function open({ here, there, host }: Stage) {
  const { accept, accepted } = nextAccepted<Connection>()
  const listener = await there.net.listen({ host, port: 0 }, accept)
  const client = await here.net.connect({ ...listener.endpoint, timeout })
  return { client, server: await accepted, listener }
}

for (const platform of platforms(nullProvider)) {
  describe(`TCP: ${platform.name}`, { timeout: 10_000 }, () => {
    it('carries bytes both ways and says who is who', () =>
      platform.play(async (stage) => {
        const { client, server, listener } = await open(stage)
        assert.deepEqual(client.remote, listener.endpoint)
        assert.deepEqual(server.remote, client.local)
        assert.deepEqual(server.local, client.remote)
        const atServer = receive(server)
        const atClient = receive(client)
        client.write([Uint8Array.of(1, 2), Uint8Array.of(3)])
        server.write([Uint8Array.of(9)])
        assert.deepEqual(bytesOf(await atServer.until(atLeast(3))), Uint8Array.of(1, 2, 3))
        assert.deepEqual(bytesOf(await atClient.until(atLeast(1))), Uint8Array.of(9))
        assert.equal(atServer.items[0]?.constructor, Uint8Array)
        await listener.close()
      }))

    it('keeps what arrives before attach', () =>
      platform.play(async (stage) => {
        const { client, server, listener } = await open(stage)
        const atClient = receive(client)
        client.write([Uint8Array.of(1)])
        client.write([Uint8Array.of(2)])
        client.end()
        await sleep(stage.here.clock, millis(20))
        const atServer = receive(server)
        await atServer.closed
        assert.deepEqual(bytesOf(atServer.items), Uint8Array.of(1, 2))
        assert.equal(await atClient.closed, undefined)
        await listener.close()
      }))

    it('resets: what arrived is read, and the end of it is no end', () =>
      platform.play(async (stage) => {
        const { client, server, listener } = await open(stage)
        const atServer = receive(server, { keepOpen: true })
        const atClient = receive(client)
        client.write([Uint8Array.of(1, 2)])
        await atServer.until(atLeast(2))
        client.reset()
        client.reset()
        assert.ok(isMixnetError(await atServer.closed, 'CONNECTION_CLOSED'))
        assert.equal(await atClient.closed, undefined)
        let ended = false
        void atServer.ended.then(() => {
          ended = true
        })
        await sleep(stage.here.clock, millis(5))
        assert.equal(ended, false)
        await listener.close()
      }))

    it('pushes back while the reader pauses, and loses nothing', () =>
      platform.play(async (stage) => {
        const { client, server, listener } = await open(stage)
        const drained = Promise.withResolvers<void>()
        receive(client, { drain: drained.resolve })
        const atServer = receive(server)
        server.pause()
        let sent = 0
        const piece = () => new Uint8Array(65_536).fill(sent % 251)
        // The kernels' buffers take some megabytes before ours begins to fill.
        while (sent < 1000) {
          sent++
          if (!client.write([piece()])) break
          if (sent % 16 === 0) await new Promise<void>((resolve) => stage.here.clock.soon(resolve))
        }
        assert.ok(client.bufferedBytes > 0)
        assert.deepEqual(atServer.items, [])
        server.resume()
        await drained.promise
        assert.equal(client.bufferedBytes, 0)
        const got = bytesOf(await atServer.until(atLeast(sent * 65_536)))
        assert.equal(got.length, sent * 65_536)
        for (let i = 0; i < sent; i++) assert.equal(got[i * 65_536 + 7], (i + 1) % 251)
        await listener.close()
      }))

    it('half-closes: the side that got the end may still answer', () =>
      platform.play(async (stage) => {
        const { client, server, listener } = await open(stage)
        const atServer = receive(server, { keepOpen: true })
        const atClient = receive(client)
        client.write([Uint8Array.of(1)])
        client.end()
        client.write([Uint8Array.of(8)])
        await atServer.ended
        server.write([Uint8Array.of(2)])
        server.end()
        assert.equal(await atClient.closed, undefined)
        assert.equal(await atServer.closed, undefined)
        assert.deepEqual(bytesOf(atClient.items), Uint8Array.of(2))
        assert.deepEqual(bytesOf(atServer.items), Uint8Array.of(1))
        await listener.close()
      }))

    it('closes once on both sides when destroyed, and then does nothing', () =>
      platform.play(async (stage) => {
        const { client, server, listener } = await open(stage)
        const atServer = receive(server)
        const atClient = receive(client)
        client.destroy()
        client.destroy()
        assert.equal(client.write([Uint8Array.of(1)]), true)
        client.end()
        assert.equal(await atClient.closed, undefined)
        await atServer.closed
        await sleep(stage.here.clock, millis(10))
        assert.deepEqual([atClient.closes(), atServer.closes(), atServer.items.length], [1, 1, 0])
        assert.throws(() => receive(client), refusedWith('INTERNAL'))
        await listener.close()
      }))

    it('tells who attaches late that it is closed', () =>
      platform.play(async (stage) => {
        const { client, listener } = await open(stage)
        client.destroy()
        await sleep(stage.here.clock, millis(5))
        assert.equal(await receive(client).closed, undefined)
        await listener.close()
      }))

    it('refuses with typed errors', () =>
      platform.play(async ({ here, there, host }) => {
        const listener = await there.net.listen({ host, port: 0 }, () => {})
        const { endpoint } = listener
        await assert.rejects(
          there.net.listen(endpoint, () => {}),
          refusedWith('ADDRESS_IN_USE'),
        )
        await assert.rejects(
          there.net.listen({ host, port: 70_000 }, () => {}),
          refusedWith('BAD_ARGUMENT'),
        )
        await listener.close()
        await assert.rejects(here.net.connect({ ...endpoint, timeout }), refusedWith('CONNECTION_REFUSED'))
        await assert.rejects(
          here.net.connect({ host: 'nobody.invalid', port: 1, timeout }),
          refusedWith('HOST_UNKNOWN'),
        )
        await assert.rejects(here.net.resolve('nobody.invalid'), refusedWith('HOST_UNKNOWN'))
        assert.deepEqual(await here.net.resolve(host), [host])
        const signal = AbortSignal.abort()
        await assert.rejects(here.net.connect({ ...endpoint, timeout, signal }), refusedWith('ABORTED'))
        const stop = new AbortController()
        const connecting = here.net.connect({ ...endpoint, timeout, signal: stop.signal })
        stop.abort()
        await assert.rejects(connecting, refusedWith('ABORTED'))
        // The port is free again.
        await (await there.net.listen(endpoint, () => {})).close()
      }))

    it('connects from the address it is told, if that is its own', () =>
      platform.play(async ({ here, there, host, ownHost }) => {
        const { accept, accepted } = nextAccepted<Connection>()
        const { endpoint, close } = await there.net.listen({ host, port: 0 }, accept)
        const client = await here.net.connect({ ...endpoint, timeout, localHost: ownHost })
        assert.equal(client.local.host, ownHost)
        assert.equal((await accepted).remote.host, ownHost)
        const foreign = here.net.connect({ ...endpoint, timeout, localHost: '192.0.2.1' })
        await assert.rejects(foreign, refusedWith('CONNECTION_REFUSED'))
        await close()
      }))

    it('keeps the oldest connections when there are too many', () =>
      platform.play(async ({ here, there, host }) => {
        const accepted: Connection[] = []
        const accept = (connection: Connection) => {
          accepted.push(connection)
          connection.attach({ data: (chunk) => connection.write([chunk.slice()]), close() {} })
        }
        const listener = await there.net.listen({ host, port: 0, maxConnections: 2 }, accept)
        const clients = []
        for (let i = 0; i < 30; i++) {
          const client = await here.net.connect({ ...listener.endpoint, timeout })
          clients.push({ client, received: receive(client) })
        }
        for (const { received } of clients.slice(2)) await received.closed
        assert.equal(accepted.length, 2)
        for (const { client, received } of clients.slice(0, 2)) {
          client.write([Uint8Array.of(5)])
          await received.until(atLeast(1))
        }
        // One leaves, one may come.
        const [first] = clients
        first?.client.destroy()
        await first?.received.closed
        await sleep(here.clock, millis(10))
        const late = await here.net.connect({ ...listener.endpoint, timeout })
        const atLate = receive(late)
        late.write([Uint8Array.of(6)])
        await atLate.until(atLeast(1))
        await listener.close()
        await atLate.closed
      }))
  })
}
