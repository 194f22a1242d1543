import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientRequest, get as getPlain, type IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { afterEach, describe, test } from 'node:test'
import { request as undiciRequest } from 'undici'
import { seconds } from '../foundation/base/units.ts'
import { ExitConnections } from './exitConnections.ts'
import { cleanUp, plain, rejectsWith, secure, through, URL_PLAIN, URL_SECURE } from './fetchSupport.test.ts'
import { TestMixnet } from './mixnet.support.test.ts'
import { RequestLog } from './requestLog.ts'
import type { Explanation } from './requestTimeline.ts'
import { until } from './streamSupport.test.ts'

afterEach(cleanUp)

const stagesOf = (explanation: Explanation | undefined): string[] =>
  explanation?.stages.map(({ stage, what }) => (what === undefined ? stage : `${stage} ${what}`)) ?? []
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('a timeline', () => {
  test('of a request over a new connection, of one over a kept one, of the last', async () => {
    const { fetch, client } = through(await secure((_, response) => response.end('x')))
    assert.equal(client.explain(), undefined)
    const first = await fetch(URL_SECURE)
    await first.text()
    const second = await fetch(URL_SECURE)
    await second.text()
    assert.deepEqual(stagesOf(client.explain(first)), [
      'stream-opened',
      'exit-confirmed',
      'tls',
      'request-sent',
      'first-byte 200',
      'done',
    ])
    assert.deepEqual(stagesOf(client.explain(second)), ['connection-kept', 'request-sent', 'first-byte 200', 'done'])
    assert.deepEqual([client.explain(first)?.number, client.explain()?.number], [1, 2])
    assert.equal(client.explain()?.outcome, 'done')
  })

  test('of a redirect has both answers; of a lost connection, both attempts', async () => {
    let requests = 0
    const route = await plain((request, response) => {
      if (request.url === '/') response.writeHead(302, { location: '/there' }).end()
      else if (++requests === 1) request.socket.destroy()
      else response.end('here')
    })
    const { fetch, client } = through(route)
    const response = await fetch(URL_PLAIN)
    await response.text()
    const stages = stagesOf(client.explain(response))
    assert.deepEqual(
      stages.filter((stage) => /first|failed|done/.test(stage)),
      ['first-byte 302', 'failed CONNECTION_CLOSED', 'first-byte 302', 'first-byte 200', 'done'],
    )
  })

  test('of errors: the code, found by the error, its cause, and what reading the body threw', async () => {
    const refused = through('refused')
    const error: unknown = await refused.fetch(URL_PLAIN).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof TypeError)
    for (const given of [error, error.cause, undefined]) {
      const explanation = refused.client.explain(given)
      assert.equal(explanation?.outcome, 'EXIT_REFUSED')
      assert.deepEqual(stagesOf(explanation), ['stream-opened', 'request-sent', 'failed EXIT_REFUSED'])
    }
    const route = await plain((_, response) => void response.write('begin'))
    const { fetch, client, clock } = through(route)
    const response = await fetch(URL_PLAIN, { timeout: seconds(5) })
    assert.equal(client.explain(response)?.outcome, 'running')
    const reading = response.text().catch((thrown: unknown) => thrown)
    clock.advance(seconds(5))
    const thrown = await reading
    for (const given of [thrown, response]) {
      const explanation = client.explain(given)
      assert.deepEqual([explanation?.outcome, explanation?.took], ['TIMEOUT', 5000])
      assert.equal(stagesOf(explanation).at(-1), 'failed TIMEOUT')
    }
    assert.equal(client.explain(new Error('of somebody else')), undefined)
    assert.equal(client.explain('nothing'), undefined)
  })

  test('of an abort, with whatever reason, and of a request that never began', async () => {
    const { fetch, client, exit } = through('silent')
    const controller = new AbortController()
    const reason = new Error('enough')
    const failing = assert.rejects(fetch(URL_PLAIN, { signal: controller.signal }), reason)
    await until('it has begun', () => exit.destinations.length === 1)
    controller.abort(reason)
    await failing
    assert.deepEqual(stagesOf(client.explain(reason)), ['stream-opened', 'request-sent', 'failed ABORTED'])
    await rejectsWith('BAD_ARGUMENT', fetch('ftp://demo.starling/'))
    assert.deepEqual(stagesOf(client.explain()), ['failed BAD_ARGUMENT'])
  })

  test('of the dispatcher', async () => {
    const { client } = through(await plain((_, response) => response.end('x')))
    const { body } = await undiciRequest(URL_PLAIN, { dispatcher: client.adapters().dispatcher })
    await body.text()
    await turn()
    assert.equal(client.explain()?.outcome, 'done')
    const refused = through('refused')
    const error: unknown = await undiciRequest(URL_PLAIN, {
      dispatcher: refused.client.adapters().dispatcher,
    }).catch((thrown: unknown) => thrown)
    assert.equal(refused.client.explain(error)?.outcome, 'EXIT_REFUSED')
  })

  test("of a request through Node's agents, found by the request and by its error", async () => {
    const { client } = through(await secure((_, response) => response.end('x')))
    const { agent } = client.adapters()
    const asked = async (): Promise<ClientRequest> => {
      const request = get(URL_SECURE, { agent: agent.https })
      const closed = once(request, 'close')
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      response.resume()
      await closed
      await turn()
      return request
    }
    const [first, second] = [await asked(), await asked()]
    const sorted = (request: ClientRequest) =>
      stagesOf(client.explain(request)).filter((stage) => !/sent|exit/.test(stage))
    assert.deepEqual(sorted(first), ['stream-opened', 'tls', 'first-byte 200', 'done'])
    assert.deepEqual(sorted(second), ['connection-kept', 'first-byte 200', 'done'])
    const refused = through('refused')
    const failing = getPlain(URL_PLAIN, { agent: refused.client.adapters().agent.http })
    const [error] = (await once(failing, 'error')) as [Error]
    assert.equal(refused.client.explain(error)?.outcome, 'EXIT_REFUSED')
  })

  test('names no host, and tells people the same', async () => {
    const circumstances = () => ({ topologyAge: seconds(42), gatewayOpen: true, connections: 0 })
    const log = new RequestLog(() => seconds(0), circumstances)
    const { client, fetch } = through(await plain((_, response) => response.end('x')), { log })
    await (await fetch(`${URL_PLAIN}secret?key=1`)).text()
    const explanation = client.explain()
    assert.doesNotMatch(JSON.stringify(explanation), /demo|secret|127\.0\.0\.1/)
    const [title, began, ...rest] = explanation?.lines ?? []
    assert.equal(title, 'request 1   done   0 ms')
    assert.equal(began, 'began with topology 42 s old, gateway open, 0 connections')
    assert.equal(rest.at(-2), '      0 ms  done')
  })

  test('of the last 64 only, unless what a request gave is still held', async () => {
    const { client, fetch } = through(await plain((_, response) => response.end('x')))
    const first = await fetch(URL_PLAIN)
    await first.text()
    for (let i = 0; i < 100; i++) await (await fetch(URL_PLAIN)).text()
    assert.equal(client.explain()?.number, 101)
    assert.equal(client.explain(first)?.number, 1)
  })
})

test('a stream counts what became of its fragments, and the SURBs left for its answers', async () => {
  const mixnet = new TestMixnet({ seed: 'vitals', loss: 0.3 })
  const { client, world } = mixnet.client()
  const exit = mixnet.client({ gateway: 1 })
  const connections = new ExitConnections(world, { client, exit: exit.client.address, anonymous: true })
  const stream = connections.open({ host: 'a.example', port: 80 })
  await stream.write(new Uint8Array(20_000))
  const { vitals } = stream
  assert.ok(vitals)
  const { fragments } = vitals
  await mixnet.until(() => fragments.acknowledged >= 13 && fragments.acknowledged === fragments.sent)
  assert.ok(fragments.again > 0, 'a third is lost')
  assert.ok((vitals.surbsLeft() ?? 0) > 0)
  connections.close()
  await Promise.all([client.stop(), exit.client.stop()])
})
