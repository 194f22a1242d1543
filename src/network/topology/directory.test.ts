import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { utf8 } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import type { HttpRequest, HttpResponse, Net } from '../../foundation/platform/net.ts'
import { nodeClock } from '../../foundation/platform/node/nodeClock.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'
import { encodeRewardedSet } from '../../protocol/wire/directory/epochs.ts'
import type { JsonObject } from '../../protocol/wire/directory/json.ts'
import {
  encodeSemiSkimmedListing,
  encodeSkimmedListing,
  type ListingMetadata,
  onePage,
} from '../../protocol/wire/directory/listings.ts'
import type { SkimmedNode } from '../../protocol/wire/directory/skimmedNodes.ts'
import { DirectoryClient } from './directoryClient.ts'
import type { Topology } from './topology.ts'
import { fixed, topologyOf } from './topologyProvider.ts'
import { clientTopologySource, nodeViewSource } from './topologySources.ts'

const NOW = millis(1_800_000_000_000)

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const node = (nodeId: number): SkimmedNode => ({
  nodeId,
  identity: new Uint8Array(32).fill(nodeId),
  ipAddresses: [`10.0.0.${nodeId}`],
  mixPort: 1789,
  sphinxKey: new Uint8Array(32).fill(nodeId),
  role: 'standby',
  supportedRoles: { mixnode: nodeId < 4, entry: nodeId === 4, exitNr: false, exitIpr: false },
  entry: nodeId === 4 ? { hostname: undefined, wsPort: 9000, wssPort: undefined } : undefined,
  performance: 1,
})
const metadata = (absoluteEpochId: number): ListingMetadata => ({
  status: { kind: 'unstated' },
  absoluteEpochId,
  rotationId: 3,
  refreshedAt: NOW,
})
const listing = (epoch: number, ids: number[]): JsonObject =>
  encodeSkimmedListing({ metadata: metadata(epoch), ...onePage(ids.map(node)) })
const rewardedSet = (epochId: number): JsonObject =>
  encodeRewardedSet({
    epochId,
    layer1: [1],
    layer2: [2],
    layer3: [3],
    entryGateways: [4],
    exitGateways: [],
    standby: [],
  })

const SET = '/v1/nym-nodes/rewarded-set'
const MIXES = '/v2/unstable/nym-nodes/skimmed/mixnodes/active?page=0'
const GATEWAYS = '/v2/unstable/nym-nodes/skimmed/entry-gateways?page=0'
const SEMI = '/v2/unstable/nym-nodes/semi-skimmed?page=0'

type Answer = JsonObject | string | number | MixnetError
type Answers = Record<string, Answer | ((asked: number) => Answer)>

const complete = (epoch = 7): Answers => ({
  [SET]: rewardedSet(epoch),
  [MIXES]: listing(epoch, [1, 2, 3]),
  [GATEWAYS]: listing(epoch, [4]),
  [SEMI]: encodeSemiSkimmedListing({
    metadata: metadata(epoch),
    ...onePage(
      [1, 2, 3, 4].map((id) => ({
        basic: node(id),
        noiseKey: { supportedVersion: 1, publicKey: new Uint8Array(32).fill(200 + id) },
      })),
    ),
  }),
})

/** A net that answers requests from a table; a number is a status, an error is thrown. */
function netOf(servers: Record<string, Answers>) {
  const asked: string[] = []
  const counts = new Map<string, number>()
  const request = async ({ url, signal }: HttpRequest): Promise<HttpResponse> => {
    asked.push(url)
    const base = Object.keys(servers).find((one) => url.startsWith(one))
    if (base === undefined) throw new MixnetError('CONNECTION_REFUSED')
    const found = servers[base]?.[url.slice(base.length)] ?? 404
    const count = counts.get(url) ?? 0
    counts.set(url, count + 1)
    const answer = typeof found === 'function' ? found(count) : found
    await settle()
    if (signal?.aborted) throw new MixnetError('ABORTED')
    if (answer instanceof MixnetError) throw answer
    if (typeof answer === 'number')
      return { status: answer, contentType: 'application/json', body: utf8('{"message":""}') }
    const body = utf8(typeof answer === 'string' ? answer : JSON.stringify(answer))
    return { status: 200, contentType: 'application/json', body }
  }
  return { net: { request } as unknown as Net, asked }
}

function sourceOf(servers: Record<string, Answers>, baseUrls = Object.keys(servers)) {
  const { net, asked } = netOf(servers)
  const directory = new DirectoryClient(net, { baseUrls })
  const clock = nodeClock
  return {
    clock,
    asked,
    directory,
    fetch: clientTopologySource({ clock, directory }),
    view: nodeViewSource({ clock, directory }),
  }
}

const never = new AbortController().signal

describe('asking the directory', () => {
  test("the client's view", async () => {
    const { fetch, asked } = sourceOf({ 'http://d': complete() })
    const topology = await fetch(never)
    assert.deepEqual(
      topology.layers.map((nodes) => nodes.map(({ nodeId }) => nodeId)),
      [[1], [2], [3]],
    )
    assert.equal(topology.gateways.size, 1)
    assert.deepEqual(asked.sort(), [SET, GATEWAYS, MIXES].map((path) => `http://d${path}`).sort())
  })

  test("the node's view", async () => {
    const view = await sourceOf({ 'http://d': complete() }).view(never)
    assert.deepEqual(view.noiseKeys.get('10.0.0.3'), new Uint8Array(32).fill(203))
    assert.deepEqual(view.topology.layers[2][0]?.noiseKey, new Uint8Array(32).fill(203))
    assert.equal(view.addresses.size, 4)
  })

  test('base URLs with a path and a trailing slash', async () => {
    const { fetch } = sourceOf({ 'http://d/api': complete() }, ['http://d/api/'])
    assert.equal((await fetch(never)).epochId, 7)
  })

  test('one immediate retry where the epochs differ', async () => {
    const { fetch, asked } = sourceOf({
      'http://d': { ...complete(8), [SET]: (count) => rewardedSet(count === 0 ? 7 : 8) },
    })
    assert.equal((await fetch(never)).epochId, 8)
    assert.equal(asked.length, 6)
  })

  test('and no second one', async () => {
    for (const odd of [{ [SET]: rewardedSet(8) }, { [GATEWAYS]: listing(8, [4]) }]) {
      const { fetch, asked } = sourceOf({ 'http://d': { ...complete(7), ...odd } })
      await assert.rejects(fetch(never), { code: 'TOPOLOGY_UNAVAILABLE' })
      assert.equal(asked.length, 6)
    }
  })

  test('pages are collected, and must be of one epoch', async () => {
    const page = (number: number, epoch: number): JsonObject =>
      encodeSkimmedListing({
        metadata: metadata(epoch),
        pagination: { total: 3, page: number, size: 1 },
        items: [node(number + 1)],
      })
    const at = (number: number): string => MIXES.replace('page=0', `page=${number}`)
    const paged = { ...complete(), [at(0)]: page(0, 7), [at(1)]: page(1, 7), [at(2)]: page(2, 7) }
    assert.equal((await sourceOf({ 'http://d': paged }).fetch(never)).nodesById.size, 4)
    await assert.rejects(sourceOf({ 'http://d': { ...paged, [at(2)]: page(2, 8) } }).fetch(never), {
      details: { why: 'pages are of different epochs' },
    })
    const endless = encodeSkimmedListing({
      metadata: metadata(7),
      pagination: { total: 3, page: 1, size: 0 },
      items: [],
    })
    await assert.rejects(sourceOf({ 'http://d': { ...paged, [at(1)]: endless } }).fetch(never), {
      code: 'TOPOLOGY_UNAVAILABLE',
      message: /ends before its total/,
    })
  })

  test('the next directory where one is down, empty or talks nonsense; then that one first', async () => {
    for (const bad of [503, 'nonsense', new MixnetError('TIMEOUT')]) {
      const { fetch, asked } = sourceOf({ 'http://a': { ...complete(), [SET]: bad }, 'http://b': complete() })
      assert.equal((await fetch(never)).epochId, 7)
      asked.length = 0
      await fetch(never)
      assert.ok(asked.every((url) => url.startsWith('http://b')))
    }
  })

  test('all down: the last reason', async () => {
    await assert.rejects(sourceOf({ 'http://a': {} }, ['http://a', 'http://b']).fetch(never), {
      code: 'TOPOLOGY_UNAVAILABLE',
      message: /refused/,
    })
  })

  test('what is no URL is told of at once, as the mistake of who wrote it', () => {
    const opening = (baseUrls: unknown) => () =>
      new DirectoryClient(netOf({}).net, { baseUrls: baseUrls as readonly string[] })
    for (const wrong of [
      '',
      '127.0.0.1:8080/api',
      'htp://x/api',
      '/api',
      'http://',
      'http:///api',
      'http://a b/',
      5,
      undefined,
    ])
      assert.throws(opening(['http://a', wrong]), {
        code: 'BAD_ARGUMENT',
        details: { argument: 'directory' },
        nextStep: /begins with http:\/\/ or https:\/\//,
      })
    for (const wrong of [[], {}, undefined, 'http://a'])
      assert.throws(opening(wrong), { code: 'BAD_ARGUMENT', details: { argument: 'directory' } })
    for (const right of ['http://a', 'HTTPS://a.example:1/api/', 'http://[::1]:8080/api']) opening([right])()
  })

  test('an aborted question is not asked elsewhere', async () => {
    const { fetch, asked } = sourceOf({ 'http://a': complete(), 'http://b': complete() })
    await assert.rejects(fetch(AbortSignal.abort()), { code: 'ABORTED' })
    assert.ok(asked.every((url) => url.startsWith('http://a')))
  })

  const servers: { close(): Promise<void> }[] = []
  afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())))

  test('over real HTTP, with a bound on the body', async () => {
    const { net } = nodeWorld(nodeProvider)
    const answers = complete()
    const server = await net.serveHttp(
      { host: '127.0.0.1', port: 0, maxBodyBytes: 0, requestTimeout: seconds(5) },
      (request) => {
        const { pathname, search } = new URL(request.url)
        return Response.json(answers[`${pathname}${search}`] ?? null)
      },
    )
    servers.push(server)
    const baseUrls = [`http://127.0.0.1:${server.endpoint.port}`]
    const read = (maxBodyBytes: number): Promise<Topology> =>
      clientTopologySource({
        clock: nodeClock,
        directory: new DirectoryClient(net, { baseUrls, maxBodyBytes, timeout: seconds(5) }),
      })(never)
    assert.equal((await read(100_000)).epochId, 7)
    await assert.rejects(read(100), { code: 'TOPOLOGY_UNAVAILABLE', message: /response body|does not fit/ })
  })
})

test('a fixed one, and the topology inside a view', async () => {
  const topology = await sourceOf({ 'http://d': complete() }).fetch(never)
  const provider = topologyOf(fixed({ topology, addresses: new Map<string, Set<number>>(), noiseKeys: new Map() }))
  assert.equal(provider.current(), topology)
  assert.equal(await provider.start(), topology)
  assert.equal(await provider.refresh(), topology)
})
