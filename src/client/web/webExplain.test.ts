/** `isolation` and `explain` where there is no undici: the same stages as on Node, and what the exit sees. @module */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { seconds } from '../../foundation/base/units.ts'
import type { Explanation } from '../requestTimeline.ts'
import { until } from '../streamSupport.test.ts'
import { cleanUp, plain, rejectsWith, secure, through, URL_PLAIN, URL_SECURE } from './webSupport.test.ts'

afterEach(cleanUp)

const stagesOf = (explanation: Explanation | undefined): string[] =>
  explanation?.stages.map(({ stage, what }) => (what === undefined ? stage : `${stage} ${what}`)) ?? []

describe('isolation', () => {
  test('no two keys share a connection, nor a key with who named none; redirects stay under it', async () => {
    const { fetch, exit } = through(
      await plain((request, response) => {
        if (request.url === '/') response.end('x')
        else response.writeHead(302, { location: 'http://elsewhere.starling/' }).end()
      }),
    )
    const ask = async (isolation?: string, path = '') => {
      const response = await fetch(`${URL_PLAIN}${path}`, isolation === undefined ? {} : { isolation })
      return await response.text()
    }
    for (const key of ['one', 'two', undefined, 'one', 'two', undefined]) await ask(key)
    assert.deepEqual(exit.isolations, ['one', 'two', undefined])
    await ask('named two')
    await ask('one', 'moved')
    assert.deepEqual(exit.isolations.slice(3), ['named two', 'one'])
    assert.equal(exit.destinations.at(-1)?.host, 'elsewhere.starling')
  })

  test('each key has its own places, and none keeps another waiting', async () => {
    const { fetch, exit } = through('silent', { maxConnectionsPerOrigin: 1 })
    const asked = ['one', 'one', 'two'].map((isolation) => fetch(URL_PLAIN, { isolation }).catch(() => {}))
    await until('both keys ask', () => exit.isolations.length === 2)
    assert.deepEqual(exit.isolations, ['one', 'two'])
    void asked
  })
})

describe('a timeline in a page', () => {
  test('of a request over a new connection, of one over a kept one, of the last', async () => {
    const { fetch, client } = through(await secure((_, response) => response.end('x')))
    assert.equal(client.explain(), undefined)
    const [first, second] = [await fetch(URL_SECURE), await fetch(URL_SECURE)]
    await Promise.all([first.text(), second.text()])
    const third = await fetch(URL_SECURE)
    await third.text()
    const whole = ['stream-opened', 'exit-confirmed', 'tls', 'request-sent', 'first-byte 200', 'done']
    assert.deepEqual(stagesOf(client.explain(first)), whole)
    assert.deepEqual(stagesOf(client.explain(third)), ['connection-kept', 'request-sent', 'first-byte 200', 'done'])
    assert.deepEqual([client.explain(first)?.number, client.explain()?.number], [1, 3])
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
    assert.deepEqual(
      stagesOf(client.explain(response)).filter((stage) => /first|failed|done/.test(stage)),
      ['first-byte 302', 'failed CONNECTION_CLOSED', 'first-byte 200', 'done'],
    )
  })

  test('of errors: the code, found by the error and by what reading the body threw', async () => {
    const refused = through('refused')
    const error: unknown = await refused.fetch(URL_PLAIN).catch((thrown: unknown) => thrown)
    for (const given of [error, new Error('further up', { cause: error }), undefined]) {
      const explanation = refused.client.explain(given)
      assert.equal(explanation?.outcome, 'EXIT_REFUSED')
      assert.deepEqual(stagesOf(explanation), ['stream-opened', 'request-sent', 'failed EXIT_REFUSED'])
    }
    const { fetch, client, clock } = through(await plain((_, response) => void response.write('begin')))
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
  })

  test('of an abort, with whatever reason, and of a request that never began; it names no host', async () => {
    const { fetch, client, exit } = through('silent')
    const controller = new AbortController()
    const reason = new Error('enough')
    const failing = assert.rejects(fetch(URL_PLAIN, { signal: controller.signal }), reason)
    await until('it has begun', () => exit.destinations.length === 1)
    controller.abort(reason)
    await failing
    assert.deepEqual(stagesOf(client.explain(reason)), ['stream-opened', 'request-sent', 'failed ABORTED'])
    assert.doesNotMatch(JSON.stringify(client.explain()), /demo|starling/)
    await rejectsWith('BAD_ARGUMENT', fetch('ftp://demo.starling/'))
    assert.deepEqual(stagesOf(client.explain()), ['failed BAD_ARGUMENT'])
  })
})
