import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fromUtf8Lossy } from '../base/bytes.ts'
import { type ErrorCode, isMixnetError } from '../base/errors.ts'
import { millis, seconds } from '../base/units.ts'
import { nullProvider } from '../crypto/nullProvider.ts'
import type { HttpHandler, HttpListenOptions, HttpRequest } from './net.ts'
import { platforms, type Stage } from './stages.ts'

const refusedWith = (code: ErrorCode) => (error: unknown) => isMixnetError(error, code)

async function serve({ here, there, host }: Stage, handler: HttpHandler, extra: Partial<HttpListenOptions> = {}) {
  const options = { host, port: 0, maxBodyBytes: 100, requestTimeout: seconds(5), ...extra }
  const listener = await there.net.serveHttp(options, handler)
  const ask = (path: string, more: Partial<HttpRequest> = {}) =>
    here.net.request({
      url: `http://${host}:${listener.endpoint.port}${path}`,
      timeout: seconds(5),
      maxBodyBytes: 1000,
      ...more,
    })
  return { ask, listener }
}

for (const platform of platforms(nullProvider)) {
  describe(`HTTP: ${platform.name}`, { timeout: 10_000 }, () => {
    it('calls the handler and returns its answer', () =>
      platform.play(async (stage) => {
        const { ask, listener } = await serve(stage, async (request, peer) => {
          const { pathname, search } = new URL(request.url)
          const heard = [request.method, pathname, search, request.headers.get('x-me'), await request.text()]
          assert.ok(peer.host.length > 0 && peer.port > 0)
          return Response.json(heard, { status: 201 })
        })
        const got = await ask('/a?b=c', { method: 'POST', headers: { 'x-me': 'me' }, body: 'hello' })
        assert.equal(got.status, 201)
        assert.match(got.contentType, /^application\/json/)
        assert.deepEqual(JSON.parse(fromUtf8Lossy(got.body)), ['POST', '/a', '?b=c', 'me', 'hello'])
        const plain = await ask('//x/../y')
        assert.equal(JSON.parse(fromUtf8Lossy(plain.body))[0], 'GET')
        await listener.close()
        await assert.rejects(ask('/'), refusedWith('CONNECTION_REFUSED'))
      }))

    it('answers 413 to a long body and 500 for a handler that throws', () =>
      platform.play(async (stage) => {
        let calls = 0
        const { ask, listener } = await serve(stage, () => {
          calls++
          throw new Error('inner details')
        })
        assert.equal((await ask('/', { method: 'POST', body: 'x'.repeat(101) })).status, 413)
        assert.equal(calls, 0)
        const failed = await ask('/', { method: 'POST', body: 'x'.repeat(100) })
        assert.equal(failed.status, 500)
        assert.equal(failed.body.length, 0)
        await listener.close()
      }))

    it('bounds answers in length and in time', () =>
      platform.play(async (stage) => {
        const cancelled = Promise.withResolvers<void>()
        const endless = () =>
          new ReadableStream({
            pull: (controller) => controller.enqueue(new Uint8Array(600)),
            cancel: () => cancelled.resolve(),
          })
        const asked = Promise.withResolvers<AbortSignal>()
        const { ask, listener } = await serve(stage, (request) => {
          const { pathname } = new URL(request.url)
          if (pathname === '/endless') return new Response(endless())
          if (pathname === '/never') {
            asked.resolve(request.signal)
            return new Promise<Response>(() => {})
          }
          return new Response(new Uint8Array(1000))
        })
        assert.equal((await ask('/full')).body.length, 1000)
        await assert.rejects(ask('/full', { maxBodyBytes: 999 }), refusedWith('MESSAGE_TOO_LONG'))
        await assert.rejects(ask('/endless'), refusedWith('MESSAGE_TOO_LONG'))
        await cancelled.promise
        await assert.rejects(ask('/never', { timeout: millis(100) }), refusedWith('TIMEOUT'))
        const signal = await asked.promise
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
        await listener.close()
      }))

    it('does not follow redirects, and stops when told', () =>
      platform.play(async (stage) => {
        const { ask, listener } = await serve(stage, (request) =>
          request.url.endsWith('/stuck')
            ? new Promise<Response>(() => {})
            : Response.redirect('http://elsewhere.invalid/'),
        )
        assert.equal((await ask('/')).status, 302)
        await assert.rejects(ask('/', { signal: AbortSignal.abort() }), refusedWith('ABORTED'))
        const stop = new AbortController()
        const asking = ask('/stuck', { signal: stop.signal })
        stop.abort()
        await assert.rejects(asking, refusedWith('ABORTED'))
        await assert.rejects(ask('/', { url: 'ftp://x/' }), refusedWith('BAD_ARGUMENT'))
        await assert.rejects(ask('/', { url: 'http://nobody.invalid/' }), refusedWith('HOST_UNKNOWN'))
        await listener.close()
      }))

    it('gives one address its share, and tells of whom it refuses', () =>
      platform.play(async (stage) => {
        const stuck: (() => void)[] = []
        const refused: string[] = []
        const { ask, listener } = await serve(
          stage,
          ({ url }) =>
            url.endsWith('/stuck')
              ? new Promise<Response>((resolve) => stuck.push(() => resolve(new Response('late'))))
              : new Response('hello'),
          { maxConnections: 10, maxPerAddress: 2, onRefused: (reason) => refused.push(reason) },
        )
        const asking = [ask('/stuck'), ask('/stuck')]
        while (stuck.length < 2) await new Promise<void>((resolve) => stage.here.clock.after(millis(1), resolve))
        assert.equal(listener.connections, 2)
        await assert.rejects(ask('/'), refusedWith('CONNECTION_CLOSED'))
        assert.deepEqual(refused, ['connections-of-address'])
        for (const answer of stuck) answer()
        await Promise.all(asking)
        while (listener.connections > 1)
          await new Promise<void>((resolve) => stage.here.clock.after(millis(1), resolve))
        assert.equal((await ask('/')).status, 200)
        await listener.close()
      }))

    it('breaks off what is under way when it closes', () =>
      platform.play(async (stage) => {
        const asked = Promise.withResolvers<void>()
        const { ask, listener } = await serve(stage, () => {
          asked.resolve()
          return new Promise<Response>(() => {})
        })
        const asking = assert.rejects(ask('/'), refusedWith('CONNECTION_CLOSED'))
        await asked.promise
        await listener.close()
        await asking
      }))
  })
}
