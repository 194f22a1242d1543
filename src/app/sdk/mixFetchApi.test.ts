import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MixnetOptions } from '../../client/openClient.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { HandClock } from '../../foundation/platform/handClock.ts'
import { createMixFetchApi, type MixFetchApi, type MixFetchHolder, type MixFetchSurroundings } from './mixFetchApi.ts'
import { folderName } from './nymSdkRuntime.ts'

const nymApiUrl = 'http://127.0.0.1:8080/api'
const PAGE = { origin: 'https://page.example', url: 'https://page.example/app/' }
const code = (expected: string) => (error: unknown) => isMixnetError(error) && error.code === expected

interface Asked {
  readonly url: string
  readonly init: RequestInit & { readonly timeout?: number }
}

/** A mixnet that answers nothing but who was asked; `failures` are what the next attempts to connect end with. */
function browser({ page }: { readonly page?: typeof PAGE | undefined } = { page: PAGE }) {
  const locked = new Set<string>()
  const [connects, asked, failures]: [MixnetOptions[], Asked[], MixnetError[]] = [[], [], []]
  let closed = 0
  const runtime = {
    world: {
      clock: new HandClock(),
      files: {
        async lock(path: string) {
          if (locked.has(path)) throw new MixnetError('LOCKED')
          locked.add(path)
          return { release: async () => void locked.delete(path) }
        },
      },
    },
    async connect(options: MixnetOptions) {
      connects.push(options)
      const failure = failures.shift()
      if (failure !== undefined) throw failure
      return {
        async fetch(input: string | URL | Request, init: Asked['init']) {
          const url = input instanceof Request ? input.url : String(input)
          asked.push({ url, init })
          return Object.defineProperties(new Response('answer'), { url: { value: url }, redirected: { value: false } })
        },
        close: async () => void closed++,
      }
    },
    folderOf: (kind: string, clientId = '') => `${kind}-${folderName(clientId)}`,
  } as unknown as MixFetchSurroundings['runtime']
  const tab = (): { api: MixFetchApi; holder: MixFetchHolder } => {
    const holder: MixFetchHolder = { instance: undefined }
    return { api: createMixFetchApi({ runtime, holder, page: () => page }), holder }
  }
  return { tab, connects, asked, failures, locked, closed: () => closed }
}

test('connects once for all who ask, and the first options count', async () => {
  const { tab, connects } = browser()
  const { api } = tab()
  const [one, other] = await Promise.all([api.createMixFetch({ nymApiUrl }), api.createMixFetch({ nymApiUrl: 'x' })])
  assert.equal(one, other)
  await api.mixFetch('https://a.example/', { mode: 'unsafe-ignore-cors' }, { nymApiUrl: 'y' })
  assert.deepEqual(
    connects.map(({ directories }) => directories),
    [[nymApiUrl]],
  )
  await assert.rejects(one.setupMixFetch({ nymApiUrl }), code('BAD_ARGUMENT'))
})

test('after a failure the next attempt is a new one, and nothing stays locked', async () => {
  const { tab, failures, locked } = browser()
  const { api } = tab()
  failures.push(new MixnetError('TOPOLOGY_UNAVAILABLE'))
  await assert.rejects(api.createMixFetch({ nymApiUrl }), code('TOPOLOGY_UNAVAILABLE'))
  assert.equal(locked.size, 0)
  await assert.rejects(api.createMixFetch({}), code('BAD_ARGUMENT'))
  await api.createMixFetch({ nymApiUrl })
})

test('disconnects, and connects again', async () => {
  const { tab, connects, locked, closed } = browser()
  const { api, holder } = tab()
  await assert.rejects(api.disconnectMixFetch(), code('STOPPED'))
  await assert.rejects(api.mixFetch('https://a.example/'), { code: 'STOPPED', nextStep: 'Call createMixFetch first.' })
  const first = await api.createMixFetch({ nymApiUrl })
  await api.disconnectMixFetch()
  assert.deepEqual([closed(), locked.size, holder.instance], [1, 0, undefined])
  await assert.rejects(first.mixFetch('https://a.example/'), code('STOPPED'))
  await api.createMixFetch({ nymApiUrl })
  assert.equal(connects.length, 2)
})

test('tabs have identities of their own, and a ninth is told', async () => {
  const { tab, connects } = browser()
  const open = () => tab().api.createMixFetch({ nymApiUrl, clientId: '../me' })
  const tabs = [await open()]
  for (let i = 1; i < 8; i++) tabs.push(await open())
  assert.equal(new Set(connects.map(({ folder }) => folder)).size, 8)
  assert.equal(connects[0]?.folder, 'mix-fetch-%2e%2e%2Fme')
  await assert.rejects(open(), code('LOCKED'))
  await tabs[3]?.disconnectMixFetch()
  await open()
  assert.equal(connects.at(-1)?.folder, connects[3]?.folder)
})

test('options reach the client', async () => {
  const { tab, connects, asked } = browser()
  const { api } = tab()
  await api.createMixFetch({
    nymApiUrl,
    preferredNetworkRequester: 'requester',
    preferredGateway: 'gateway',
    storagePassphrase: 'secret',
    mixFetchOverride: { requestTimeoutMs: 1234 },
  })
  const { exit, gateway, passphrase } = connects[0] as MixnetOptions
  assert.deepEqual([exit, gateway, passphrase], ['requester', 'gateway', 'secret'])
  await api.mixFetch('https://a.example/', { mode: 'unsafe-ignore-cors' })
  assert.deepEqual([asked[0]?.init.timeout, 'mode' in (asked[0]?.init ?? {})], [1234, false])
  const wrong = tab().api.createMixFetch({ nymApiUrl, mixFetchOverride: { requestTimeoutMs: 0 } })
  await assert.rejects(wrong, code('BAD_ARGUMENT'))
})

test("a request is as the page writes it: relative URLs, the page's origin, its own headers", async () => {
  const { tab, asked } = browser()
  const { mixFetch } = await tab().api.createMixFetch({ nymApiUrl })
  const unsafe = { mode: 'unsafe-ignore-cors' } as const
  await mixFetch('rpc', { method: 'POST', body: '{}' })
  await mixFetch('https://a.example/', { ...unsafe, method: 'post', headers: { 'X-Case': '1' } })
  await mixFetch('https://a.example/', {
    ...unsafe,
    method: 'POST',
    headers: [['a', '1']],
    referrerPolicy: 'no-referrer',
  })
  await mixFetch(new Request('https://a.example/', { method: 'POST', headers: { a: '1' } }), unsafe)
  await mixFetch('https://a.example/', unsafe)
  assert.deepEqual(
    asked.map(({ url, init }) => [url, init.headers instanceof Headers ? [...init.headers] : init.headers]),
    [
      ['https://page.example/app/rpc', { Origin: PAGE.origin }],
      ['https://a.example/', { 'X-Case': '1', Origin: PAGE.origin }],
      ['https://a.example/', [['a', '1']]],
      [
        'https://a.example/',
        [
          ['a', '1'],
          ['origin', PAGE.origin],
        ],
      ],
      ['https://a.example/', undefined],
    ],
  )
  await assert.rejects(mixFetch('https://a.example/'), code('CORS_REFUSED'))
  await assert.rejects(mixFetch('http://'), code('BAD_ARGUMENT'))
})

test('where there is no page there is no origin to tell and none to ask', async () => {
  const { tab, asked } = browser({ page: undefined })
  const { mixFetch } = await tab().api.createMixFetch({ nymApiUrl })
  assert.equal(await (await mixFetch('https://a.example/', { method: 'POST' })).text(), 'answer')
  assert.equal(asked[0]?.init.headers, undefined)
  await assert.rejects(mixFetch('/relative'), code('BAD_ARGUMENT'))
})
