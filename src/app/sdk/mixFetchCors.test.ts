import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { admitted, type CorsRequest, checkRequest, modeOf, tellsOrigin } from './mixFetchCors.ts'

const PAGE = 'https://page.example'
const OTHER = 'https://other.example/a'
const CORS: CorsRequest = { mode: 'cors', credentials: 'same-origin', redirect: 'follow', origin: PAGE }

const answer = (headers: Record<string, string>, { url = OTHER, status = 200 } = {}): Response =>
  Object.defineProperties(new Response('body', { status, headers }), {
    url: { value: url },
    redirected: { value: true },
  })

const isRefused = (error: unknown) => isMixnetError(error, 'CORS_REFUSED')

test('a page reads what a site lets it read, and no more', async () => {
  const headers = {
    'access-control-allow-origin': PAGE,
    'access-control-expose-headers': 'X-Shown, Set-Cookie',
    'content-type': 'text/plain',
    'x-shown': '1',
    'x-hidden': '2',
    'set-cookie': 'a=b',
  }
  for (const allowed of [PAGE, '*']) {
    const response = admitted(answer({ ...headers, 'access-control-allow-origin': allowed }), CORS)
    assert.deepEqual([...response.headers.keys()], ['content-type', 'x-shown'])
    assert.deepEqual([response.type, response.url, response.redirected, response.status], ['cors', OTHER, true, 200])
    assert.equal(response.clone().url, OTHER)
    assert.equal(await response.text(), 'body')
  }
})

test('a site that allows nothing, or somebody else, is not read, and its body is let go', async () => {
  for (const headers of [{}, { 'access-control-allow-origin': OTHER }, { 'access-control-allow-origin': 'null' }]) {
    const response = answer(headers)
    assert.throws(() => admitted(response, CORS), isRefused)
    assert.equal((await response.body?.getReader().read())?.done, true)
  }
})

test('with credentials, only who names the page and says so', () => {
  const included: CorsRequest = { ...CORS, credentials: 'include' }
  const allow = { 'access-control-allow-origin': PAGE }
  assert.throws(() => admitted(answer({ 'access-control-allow-origin': '*' }), included), isRefused)
  assert.throws(() => admitted(answer(allow), included), isRefused)
  const allowed = {
    ...allow,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': '*',
    'x-a': '1',
  }
  assert.equal(admitted(answer(allowed), included).headers.has('x-a'), false)
  assert.equal(admitted(answer(allowed), CORS).headers.has('x-a'), true)
})

test("the page's own site is read without asking; where a redirect leads away from it, the rules are the other's", () => {
  const own = admitted(answer({ 'set-cookie': 'a=b', 'x-a': '1' }, { url: `${PAGE}/x` }), CORS)
  assert.deepEqual([own.type, ...own.headers.keys()], ['basic', 'content-type', 'x-a'])
  assert.throws(() => admitted(answer({}), { ...CORS, mode: 'same-origin' }), isRefused)
})

test('opaque: no status, no headers, no body', async () => {
  const opaque = admitted(answer({ 'x-a': '1' }), { ...CORS, mode: 'no-cors' })
  assert.deepEqual([opaque.status, opaque.type, opaque.url, [...opaque.headers]], [0, 'opaque', '', []])
  assert.equal(await opaque.text(), '')
  const redirect = admitted(answer({ location: '/' }, { status: 302 }), { ...CORS, redirect: 'manual' })
  assert.deepEqual([redirect.status, redirect.type], [0, 'opaqueredirect'])
})

test('without rules, and without a page, everything is shown', () => {
  const response = answer({ 'set-cookie': 'a=b' }, { status: 302 })
  assert.equal(admitted(response, { ...CORS, mode: 'unsafe-ignore-cors', redirect: 'manual' }), response)
  assert.equal(admitted(response, { ...CORS, origin: undefined }), response)
})

test('what cannot be asked is refused before anything is sent', () => {
  const isBad = (error: unknown) => isMixnetError(error, 'BAD_ARGUMENT')
  assert.throws(() => checkRequest(new URL(OTHER), { ...CORS, mode: 'same-origin' }), isBad)
  assert.throws(() => checkRequest(new URL(OTHER), { ...CORS, mode: 'same-origin', origin: undefined }), isBad)
  assert.throws(() => checkRequest(new URL(OTHER), { ...CORS, mode: 'no-cors', redirect: 'manual' }), isBad)
  checkRequest(new URL(`${PAGE}/x`), { ...CORS, mode: 'same-origin' })
  assert.throws(() => modeOf('ignore-cors'), isBad)
  assert.equal(modeOf(undefined), 'cors')
})

test('a site is told the page with what may change something there', () => {
  const unsafe: CorsRequest = { ...CORS, mode: 'unsafe-ignore-cors' }
  assert.equal(tellsOrigin('GET', undefined, CORS), false)
  assert.equal(tellsOrigin('POST', undefined, CORS), true)
  assert.equal(tellsOrigin('POST', 'no-referrer', CORS), true)
  assert.equal(tellsOrigin('POST', undefined, unsafe), true)
  assert.equal(tellsOrigin('POST', 'no-referrer', unsafe), false)
  assert.equal(tellsOrigin('POST', undefined, { ...CORS, origin: undefined }), false)
})

test('a body that fails says why, also where the readers of the runtime do not', async (context) => {
  const { text } = Response.prototype
  // As Chromium's, of a stream that a script has made.
  context.mock.method(Response.prototype, 'text', async function (this: Response) {
    return await text.call(this).catch(() => {
      throw new TypeError('Failed to fetch')
    })
  })
  const body = new ReadableStream({
    pull: (controller) => controller.error(new MixnetError('TIMEOUT')),
  })
  const response = Object.defineProperties(new Response(body, { headers: { 'access-control-allow-origin': '*' } }), {
    url: { value: OTHER },
  })
  await assert.rejects(admitted(response, CORS).text(), { code: 'TIMEOUT' })
})
