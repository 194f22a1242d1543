import assert from 'node:assert/strict'
import { type ClientRequest, get, request as httpRequest, type IncomingMessage, Agent as PlainAgent } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { afterEach, describe, test } from 'node:test'
import { request as undiciRequest } from 'undici'
import { isMixnetError, MixnetError } from '../foundation/base/errors.ts'
import { seconds } from '../foundation/base/units.ts'
import type { HttpAdapters } from './fetch.ts'
import { explainFetchError } from './fetchErrors.ts'
import {
  bodyOf,
  CERTIFICATE,
  cleanUp,
  plain,
  rejectsWith,
  secure,
  through,
  URL_PLAIN,
  URL_SECURE,
} from './fetchSupport.test.ts'
import { pattern, until } from './streamSupport.test.ts'

afterEach(cleanUp)

const HANGING = 'http://demo.starling/hanging'
const CUT = 'http://demo.starling/cut'

/** Answers what it is asked; hangs, or hangs in the middle. */
const server = () =>
  plain(async (request, response) => {
    if (request.url === '/hanging') return
    if (request.url === '/cut') return void response.write('begin')
    response.end(`${request.method} ${await bodyOf(request)}`)
  })

/** undici frees a connection a turn after the body's end. */
const turn = () => new Promise((resolve) => setImmediate(resolve))
const nodeFetch = (url: string, { dispatcher }: { readonly dispatcher: unknown }) =>
  fetch(url, { dispatcher } as RequestInit)

const answered = async (request: ClientRequest): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => request.on('response', resolve).on('error', reject))
const ask = async (url: string, agent: HttpAdapters['agent'], body?: string): Promise<string> => {
  const method = body === undefined ? 'GET' : 'POST'
  const request = url.startsWith('https:')
    ? httpsRequest(url, { agent: agent.https, method })
    : httpRequest(url, { agent: agent.http, method })
  request.end(body)
  return (await bodyOf(await answered(request))).toString()
}

const failing = async (work: Promise<unknown>, code: string): Promise<void> => {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof Error)
    assert.ok(isMixnetError(error) || isMixnetError(error.cause), `${error.stack}`)
    assert.equal(explainFetchError(error).code, code)
    return true
  })
}

describe('the dispatcher', () => {
  test("undici's request and Node's fetch go through the exit, and leave no traces of theirs", async () => {
    const route = await plain(async (request, response) => {
      response.end(JSON.stringify([request.method, request.headers['user-agent'], (await bodyOf(request)).toString()]))
    })
    const { client, exit } = through(route)
    const { dispatcher } = client.adapters()
    const { statusCode, body } = await undiciRequest(URL_PLAIN, { dispatcher, method: 'POST', body: 'x' })
    assert.deepEqual([statusCode, await body.json()], [200, ['POST', null, 'x']])
    await turn()
    const response = await nodeFetch(URL_PLAIN, { dispatcher })
    assert.deepEqual(await response.json(), ['GET', 'Mozilla/5.0', ''])
    await turn()
    const own = await undiciRequest(URL_PLAIN, { dispatcher, headers: { 'user-agent': 'mine' } })
    assert.deepEqual(await own.body.json(), ['GET', 'mine', ''])
    assert.deepEqual(exit.destinations, [{ host: 'demo.starling', port: 80 }], 'one connection, kept')
  })

  test('https, with our authorities', async () => {
    const { client } = through(await secure((_, response) => response.end('secret')))
    const { body } = await undiciRequest(URL_SECURE, { dispatcher: client.adapters().dispatcher })
    assert.equal(await body.text(), 'secret')
  })

  test('keeps the codes of failures', async () => {
    for (const [route, code] of [
      ['refused', 'EXIT_REFUSED'],
      ['unknown', 'HOST_UNKNOWN'],
      ['unreachable', 'DESTINATION_UNREACHABLE'],
    ] as const) {
      const { dispatcher } = through(route).client.adapters()
      await failing(undiciRequest(URL_PLAIN, { dispatcher }), code)
      await failing(nodeFetch(URL_SECURE, { dispatcher }), code)
    }
  })

  test('the deadline fires while connecting, waiting, queued, and in the body', async () => {
    const silent = through('silent')
    const connecting = rejectsWith(
      'TIMEOUT',
      undiciRequest(URL_PLAIN, { dispatcher: silent.client.adapters({ timeout: seconds(5) }).dispatcher }),
    )
    await until('it connects', () => silent.exit.destinations.length === 1)
    silent.clock.advance(seconds(5))
    await connecting

    const { client, clock, exit } = through(await server(), { maxConnectionsPerOrigin: 1 })
    const { dispatcher } = client.adapters({ timeout: seconds(20) })
    const options = { dispatcher }
    const short = { dispatcher: client.adapters({ timeout: seconds(5) }).dispatcher }
    const waiting = rejectsWith('TIMEOUT', undiciRequest(HANGING, options))
    await until('it is connected', () => exit.connections.size === 1)
    clock.advance(seconds(10))
    const queued = rejectsWith('TIMEOUT', nodeFetch(URL_PLAIN, short))
    const queuedToo = rejectsWith('TIMEOUT', undiciRequest(URL_PLAIN, short))
    await turn()
    clock.advance(seconds(5))
    await Promise.all([queued, queuedToo])
    clock.advance(seconds(5))
    await waiting

    const { body } = await undiciRequest(CUT, options)
    const reading = rejectsWith('TIMEOUT', body.text())
    clock.advance(seconds(20))
    await reading
    const { body: next } = await undiciRequest(URL_PLAIN, options)
    assert.equal(await next.text(), 'GET ')
  })

  test('closing it ends nothing; closing what it comes from ends everything', async () => {
    const { client, clock } = through(await server())
    const { dispatcher } = client.adapters()
    await dispatcher.close()
    await dispatcher.destroy()
    await new Promise<void>((resolve) => dispatcher.close(resolve))
    assert.equal(await (await undiciRequest(URL_PLAIN, { dispatcher })).body.text(), 'GET ')
    const running = rejectsWith('STOPPED', undiciRequest(HANGING, { dispatcher }))
    await client.close()
    await running
    await rejectsWith('STOPPED', undiciRequest(URL_PLAIN, { dispatcher }))
    assert.equal(clock.pending, 0)
  })
})

describe("Node's agents", () => {
  test('http and https, bodies both ways, connections kept', async () => {
    const { client, exit } = through(await server())
    const { agent } = client.adapters()
    for (const body of ['x', undefined]) assert.equal(await ask(URL_PLAIN, agent, body), body ? 'POST x' : 'GET ')
    assert.equal(exit.destinations.length, 1)

    const data = pattern(200_000)
    const secured = through(await secure((request, response) => void request.pipe(response)))
    const request = httpsRequest(URL_SECURE, { agent: secured.client.adapters().agent.https, method: 'POST' })
    request.end(data)
    assert.deepEqual(new Uint8Array(await bodyOf(await answered(request))), data)
    assert.deepEqual(secured.exit.destinations, [{ host: 'demo.starling', port: 443 }])
  })

  test('what the program says of TLS counts', async () => {
    const route = await secure((_, response) => response.end('secret'))
    const { agent } = through(route, { ca: undefined as unknown as string }).client.adapters()
    await failing(ask(URL_SECURE, agent), 'TLS_FAILED')
    const request = httpsRequest(URL_SECURE, { agent: agent.https, ca: CERTIFICATE }).end()
    assert.equal((await bodyOf(await answered(request))).toString(), 'secret')
    const other = ask('https://other.starling/', through(route).client.adapters().agent)
    await assert.rejects(other, (error) => (error as NodeJS.ErrnoException).code === 'ERR_TLS_CERT_ALTNAME_INVALID')
  })

  test('keep connections of different keys apart, and let them go after a while', async () => {
    const { client, exit, clock } = through(await server())
    const [a, b] = [client.adapters({ isolation: 'a' }), client.adapters({ isolation: 'b' })]
    for (const { agent } of [a, b, a, b]) await ask(URL_PLAIN, agent)
    assert.deepEqual(exit.isolations, ['a', 'b'])
    clock.advance(seconds(10))
    await until('nothing is kept', () => exit.streams.size === 0)
    assert.equal(await ask(URL_PLAIN, a.agent), 'GET ')
  })

  test('keep the codes of failures, in the error or its cause', async () => {
    for (const [route, code] of [
      ['refused', 'EXIT_REFUSED'],
      ['unknown', 'HOST_UNKNOWN'],
      ['unreachable', 'DESTINATION_UNREACHABLE'],
    ] as const) {
      for (const url of [URL_PLAIN, URL_SECURE]) await failing(ask(url, through(route).client.adapters().agent), code)
    }
    const dialer = {
      open() {
        throw new MixnetError('QUEUE_FULL')
      },
    }
    await failing(ask(URL_PLAIN, through('silent', { dialer }).client.adapters().agent), 'QUEUE_FULL')
  })

  test('of a stream that ends in the middle of a body, the reader hears why', async () => {
    const { client, exit } = through(await server())
    const response = await answered(get(CUT, { agent: client.adapters().agent.http }))
    const reading = failing(bodyOf(response), 'GATEWAY_LOST')
    for (const stream of exit.streams) stream.fail(new MixnetError('GATEWAY_LOST'))
    await reading
  })

  test('the deadline fires while connecting, in TLS, queued, waiting, and in the body', async () => {
    for (const url of [URL_PLAIN, URL_SECURE]) {
      const { client, clock, exit } = through('silent')
      const waiting = failing(ask(url, client.adapters({ timeout: seconds(5) }).agent), 'TIMEOUT')
      await until('it connects', () => exit.destinations.length === 1)
      clock.advance(seconds(5))
      await waiting
    }
    const { client, clock, exit } = through(await server(), { maxConnectionsPerOrigin: 1 })
    const { agent } = client.adapters({ timeout: seconds(20) })
    const [waiting, queued] = [failing(ask(HANGING, agent), 'TIMEOUT'), failing(ask(URL_PLAIN, agent), 'TIMEOUT')]
    await until('it is connected', () => exit.connections.size === 1)
    clock.advance(seconds(20))
    await Promise.all([waiting, queued])
    const reading = failing(bodyOf(await answered(get(CUT, { agent: agent.http }))), 'TIMEOUT')
    clock.advance(seconds(20))
    await reading
    assert.equal(await ask(URL_PLAIN, agent), 'GET ')
  })

  test("a program's own timeout and abort work as ever", async () => {
    const { client, clock, exit } = through(await server())
    const request = get(HANGING, { agent: client.adapters().agent.http, timeout: 3000 })
    const failed = assert.rejects(answered(request), /of the program/)
    request.on('timeout', () => request.destroy(new Error('of the program')))
    await until('it is connected', () => exit.connections.size === 1)
    await until('it is sent', () => request.writableFinished)
    await turn()
    clock.advance(seconds(3))
    await failed
    const controller = new AbortController()
    const aborted = get(HANGING, { agent: client.adapters().agent.http, signal: controller.signal })
    const rejected = assert.rejects(answered(aborted), { name: 'AbortError' })
    controller.abort()
    await rejected
    await turn()
    // Nothing was written to its connection, so Node keeps it for the next.
    clock.advance(seconds(10))
    await until('nothing is open', () => exit.streams.size === 0)
  })

  test('a connection that serves many requests gathers no listeners', async () => {
    const { client, exit } = through(await server())
    const { agent } = client.adapters()
    const counts: number[] = []
    for (let i = 0; i < 20; i++) {
      const request = httpRequest(URL_PLAIN, { agent: agent.http })
      request.once('socket', (socket) =>
        counts.push(socket.eventNames().reduce((sum, name) => sum + socket.listenerCount(name), 0)),
      )
      request.end()
      assert.equal((await bodyOf(await answered(request))).toString(), 'GET ')
      await turn()
      await turn()
    }
    assert.equal(exit.destinations.length, 1, 'one connection, kept')
    assert.equal(counts.at(-1), counts[2])
  })

  test('closing what they come from ends what runs and what is kept; no timer is left', async () => {
    const { client, clock, exit } = through(await server())
    const { agent } = client.adapters()
    assert.ok(agent.http instanceof PlainAgent)
    const running = failing(ask(HANGING, agent), 'STOPPED')
    await ask(URL_PLAIN, agent)
    await client.close()
    await running
    await until('nothing is open', () => exit.streams.size === 0)
    assert.equal(clock.pending, 0)
  })
})
