import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { hours, millis, minutes, seconds } from '../../foundation/base/units.ts'
import { formatHttpDate } from './httpDate.ts'
import { NODE_LISTINGS } from './nodeListings.ts'
import { startNetwork, type TestNetwork } from './support.test.ts'

/** The examples of the specification, of which answers must have the shape. */
const documents = JSON.parse(
  readFileSync(new URL('../../protocol/wire/directory/documents.json', import.meta.url), 'utf8'),
) as Record<string, unknown>

const V2 = '/v2/unstable/nym-nodes'
const POST = (body: unknown): RequestInit => ({ method: 'POST', body: JSON.stringify(body) })

/** Keys of objects all the way down; of a list, of its first item. Where either side is null, nothing is compared. */
function sameShape(actual: unknown, example: unknown, path = ''): void {
  // A role is a name or an object.
  if (actual === null || example === null || path.endsWith('.role')) return
  if (Array.isArray(example)) {
    assert.ok(Array.isArray(actual), path)
    if (actual.length > 0 && example.length > 0) sameShape(actual[0], example[0], `${path}[0]`)
    return
  }
  assert.equal(typeof actual, typeof example, path)
  if (typeof example !== 'object' || typeof actual !== 'object') return
  assert.deepEqual(Object.keys(actual), Object.keys(example), path)
  for (const [key, value] of Object.entries(example))
    sameShape((actual as Record<string, unknown>)[key], value, `${path}.${key}`)
}

async function ok(network: TestNetwork, path: string, init?: RequestInit): Promise<unknown> {
  const { response, body } = await network.get(path, init)
  assert.equal(response.status, 200, path)
  assert.equal(response.headers.get('content-type'), 'application/json')
  assert.equal(response.headers.get('access-control-allow-origin'), '*')
  return body
}

const statusOf = async (network: TestNetwork, path: string, init?: RequestInit): Promise<number> => {
  const { response, body } = await network.get(path, init)
  if (response.status >= 400) assert.equal(typeof (body as { message: unknown }).message, 'string')
  return response.status
}

const idsOf = (body: unknown): number[] =>
  (body as { nodes: { data: { node_id: number }[] } }).nodes.data.map((node) => node.node_id)

describe('the directory API', () => {
  it('answers in the shapes of the specification', async () => {
    const network = await startNetwork()
    for (const [path, example] of [
      [`${V2}/skimmed/entry-gateways`, documents.skimmed],
      [`${V2}/skimmed/mixnodes/active`, documents.skimmed],
      [`${V2}/skimmed/exit-gateways`, documents.skimmed],
      [`${V2}/skimmed`, documents.skimmed],
      [`${V2}/semi-skimmed`, documents.semiSkimmed],
      ['/v1/nym-nodes/rewarded-set', documents.rewardedSet],
      ['/v1/epoch/key-rotation-info', documents.keyRotation],
      ['/v1/epoch/current', documents.interval],
      ['/v1/nym-nodes/described', documents.described],
      ['/v1/api-status/build-information', documents.build],
      ['/v1/network/details', documents.network],
    ] as const) {
      const body = (await ok(network, path)) as { metadata?: { status: unknown } }
      // `status` of a listing is null, text or object.
      if (body.metadata !== undefined) {
        assert.equal(body.metadata.status === null, path.endsWith('/skimmed'))
        sameShape(body.metadata.status, { fresh: documents.interval }, `${path} status`)
        body.metadata.status = null
      }
      sameShape(body, example, path)
    }
  })

  it('answers the small ones', async () => {
    const network = await startNetwork()
    const health = (await ok(network, '/v1/api-status/health')) as Record<string, unknown>
    assert.deepEqual([health.status, health.chain_status, health.uptime], ['up', 'unknown', 30])
    const v2 = (await ok(network, '/v2/network/details')) as { network: { networking: unknown } }
    assert.deepEqual(Object.keys(v2.network.networking as object), [
      'nym_api_urls',
      'nym_vpn_api_urls',
      'dns_fallbacks',
    ])
    const noise = (await ok(network, '/v1/nym-nodes/noise')) as { data: Record<string, unknown>[] }
    assert.equal(noise.data.length, 5)
    assert.deepEqual(noise.data[0]?.ip_addresses, ['127.0.1.1'])
    assert.equal(noise.data[0]?.mixnet_port, 1789)
    const bonded = (await ok(network, '/v1/nym-nodes/bonded')) as {
      data: { bond_information: { node: { host: string } } }[]
    }
    assert.equal(bonded.data[1]?.bond_information.node.host, '127.0.1.2')
    const rated = (await ok(network, '/v1/nym-nodes/annotation/4')) as { annotation: Record<string, unknown> }
    assert.deepEqual([rated.annotation.last_24h_performance, rated.annotation.current_role], ['1', 'entryGateway'])
    const rated2 = (await ok(network, '/v2/nym-nodes/annotation/4')) as { annotation: { detailed_performance: object } }
    assert.ok('liveness_score' in rated2.annotation.detailed_performance)
    assert.deepEqual(await ok(network, '/v1/nym-nodes/annotation/77'), { node_id: 77, annotation: null })
    assert.deepEqual(await ok(network, '/v1/nym-nodes/performance/1'), { node_id: 1, performance: 1 })
    assert.deepEqual(await ok(network, '/v1/nym-nodes/performance/77'), { node_id: 77, performance: null })
    const asked = POST({ addresses: ['127.0.1.2', '::ffff:127.0.1.3', '192.0.2.1'] })
    assert.deepEqual(await ok(network, '/v1/unstable/nym-nodes/by-addresses', asked), {
      existence: { '127.0.1.2': 2, '::ffff:127.0.1.3': 3, '192.0.2.1': null },
    })
  })

  it('rates a node that does not answer as nothing', async () => {
    const network = await startNetwork({ prepare: ([first]) => Object.assign(first ?? {}, { isUp: false }) })
    const { annotation } = (await ok(network, '/v1/nym-nodes/annotation/1')) as { annotation: Record<string, unknown> }
    assert.deepEqual([annotation.last_24h_performance, annotation.current_role], ['0', null])
  })

  it('lists by declared and by assigned role', async () => {
    const network = await startNetwork({ kinds: ['mix', 'mix', 'mix', 'entry', 'exit', 'all', 'mix'] })
    network.bonded.set(
      network.nodes.map((node) => ({ ...node.bonded, ...(node.nodeId === 7 && { role: 'standby' as const }) })),
    )
    await network.simulation.runFor(minutes(2))
    const ids = async (path: string) => idsOf(await ok(network, path))
    assert.deepEqual(await ids(`${V2}/skimmed`), [1, 2, 3, 4, 5, 6, 7])
    assert.deepEqual(await ids(`${V2}/skimmed/mixnodes/active`), [1, 2, 3, 6, 7])
    assert.deepEqual(await ids(`${V2}/skimmed/mixnodes/all`), [1, 2, 3, 6, 7])
    assert.deepEqual(await ids(`${V2}/skimmed/entry-gateways`), [4, 5, 6])
    assert.deepEqual(await ids(`${V2}/skimmed/exit-gateways`), [5, 6])
    assert.deepEqual(await ids(`${V2}/skimmed?role=active-mixnode`), [1, 2, 3, 6, 7])
    for (const role of ['entry-gateway', 'entry', 'gateway']) {
      assert.deepEqual(await ids(`${V2}/skimmed?role=${role}`), [4, 5, 6])
    }
    for (const role of ['exit-gateway', 'exit']) assert.deepEqual(await ids(`${V2}/skimmed?role=${role}`), [5, 6])
    const set = (await ok(network, '/v1/nym-nodes/rewarded-set')) as Record<string, number[]>
    assert.deepEqual([set.entry_gateways, set.exit_gateways, set.standby], [[4], [5, 6], [7]])
    const entries = (await ok(network, `${V2}/skimmed/entry-gateways`)) as {
      nodes: { data: { role: string; entry: unknown }[] }
    }
    assert.deepEqual(
      entries.nodes.data.map(({ role }) => role),
      ['EntryGateway', 'ExitGateway', 'ExitGateway'],
    )
    assert.deepEqual(entries.nodes.data[0]?.entry, { hostname: null, ws_port: 9000, wss_port: null })
  })

  it('has every listing in the shape of its version', async () => {
    const network = await startNetwork()
    for (const { path, version, isSemi } of NODE_LISTINGS) {
      const body = (await ok(network, `${path}?page=0&no_legacy=true&semver_compatibility=1.1`)) as Record<
        string,
        unknown
      >
      assert.deepEqual(Object.keys(body), version === 1 ? ['status', 'refreshed_at', 'nodes'] : ['metadata', 'nodes'])
      const [first] = (body.nodes as { data: object[] }).data
      assert.equal('basic' in (first ?? {}), isSemi === true)
    }
  })

  it('IPv4 addresses come first', async () => {
    const network = await startNetwork({
      prepare: ([first]) => Object.assign(first ?? {}, { ipAddresses: ['2001:db8::1', '127.0.1.1'] }),
    })
    const body = (await ok(network, `${V2}/skimmed`)) as { nodes: { data: { ip_addresses: string[] }[] } }
    assert.deepEqual(body.nodes.data[0]?.ip_addresses, ['127.0.1.1', '2001:db8::1'])
  })

  it('takes the prefix, doubled slashes and a slash at the end', async () => {
    const network = await startNetwork()
    const path = '/v1/nym-nodes/rewarded-set'
    const bodies = []
    for (const form of [
      path,
      `/api${path}`,
      `${path}/`,
      `/api${path}/`,
      `/api/${path}`,
      `//v1//nym-nodes/rewarded-set`,
    ]) {
      bodies.push(JSON.stringify(await ok(network, form)))
    }
    assert.equal(new Set(bodies).size, 1)
    assert.equal(await statusOf(network, `/other${path}`), 404)
    assert.equal(await statusOf(network, '/'), 404)
    assert.equal(await statusOf(network, '/api'), 404)
  })

  it('reads its parameters', async () => {
    const network = await startNetwork()
    const active = `${V2}/skimmed/mixnodes/active`
    for (const query of ['output=json', 'output=yaml', 'output=bincode', 'page=3&per_page=2', 'epoch_id=1']) {
      assert.equal(idsOf(await ok(network, `${active}?${query}`)).length, 3, query)
    }
    const known = (await ok(network, `${active}?epoch_id=24`)) as { metadata: { status: string } }
    assert.equal(known.metadata.status, 'no-updates')
    assert.deepEqual(idsOf(known), [])
    for (const query of ['output=xml', 'page=-1', 'page=x', 'per_page=1.5', 'epoch_id=99999999999', 'epoch_id=']) {
      assert.equal(await statusOf(network, `${active}?${query}`), 400, query)
    }
    assert.equal(await statusOf(network, `${V2}/skimmed?role=king`), 400)
    assert.equal(await statusOf(network, '/v1/nym-nodes/annotation/x'), 400)
    assert.equal(await statusOf(network, '/v1/nym-nodes/described?page=x'), 400)
    assert.equal(await statusOf(network, '/v1/unstable/nym-nodes/by-addresses', POST({ addresses: ['x'] })), 400)
    assert.equal(await statusOf(network, '/v1/unstable/nym-nodes/by-addresses', POST(null)), 400)
    const many = { addresses: new Array(5000).fill('192.0.2.1') }
    assert.equal(await statusOf(network, '/v1/unstable/nym-nodes/by-addresses', POST(many)), 400)
  })

  it('lets every web page ask, after a preflight', async () => {
    const network = await startNetwork()
    for (const path of [`/api${V2}/skimmed/entry-gateways`, '/nowhere']) {
      const { response } = await network.get(path, {
        method: 'OPTIONS',
        headers: { origin: 'https://example.org', 'access-control-request-headers': 'content-type,user-agent' },
      })
      assert.equal(response.status, 204)
      assert.equal(response.headers.get('access-control-allow-origin'), '*')
      assert.equal(response.headers.get('access-control-allow-headers'), '*')
      assert.equal(response.headers.get('access-control-allow-methods'), 'GET, POST')
      assert.equal(response.headers.get('access-control-allow-credentials'), null)
    }
    for (const path of ['/nowhere', `${V2}/skimmed?output=xml`]) {
      assert.equal((await network.get(path)).response.headers.get('access-control-allow-origin'), '*')
    }
  })

  it('is 503 until the nodes were asked, but knows the time', async () => {
    const network = await startNetwork({ settle: millis(0) })
    for (const { path } of NODE_LISTINGS) assert.equal(await statusOf(network, path), 503)
    for (const path of ['rewarded-set', 'described', 'noise', 'bonded', 'annotation/1', 'performance/1']) {
      assert.equal(await statusOf(network, `/v1/nym-nodes/${path}`), 503)
    }
    assert.equal(await statusOf(network, '/v1/unstable/nym-nodes/by-addresses', POST({ addresses: [] })), 503)
    for (const path of ['/v1/epoch/key-rotation-info', '/v1/epoch/current', '/v1/api-status/health'])
      await ok(network, path)
  })

  it('says until when an active listing holds: shortly, and never past its epoch', async () => {
    const network = await startNetwork()
    const { clock } = network.world
    const end = network.directory.status().epochEndsAtUnixMs
    const expires = async (path: string) => (await network.get(path)).response.headers.get('expires')
    assert.equal(await expires(`${V2}/skimmed/mixnodes/active`), formatHttpDate(millis(clock.now() + minutes(1))))
    assert.equal(await expires(`${V2}/skimmed/entry-gateways`), null)
    await network.simulation.run(millis(end - seconds(10)))
    assert.equal(await expires(`${V2}/skimmed/mixnodes/active`), formatHttpDate(millis(end)))
  })

  it('performance comes from the scores', async () => {
    const network = await startNetwork({
      scores: { of: (nodeId) => ({ performance: nodeId / 8, routing: 1, config: 1 }) },
    })
    const body = (await ok(network, `${V2}/skimmed`)) as { nodes: { data: { performance: string }[] } }
    assert.deepEqual(
      body.nodes.data.map(({ performance }) => performance),
      ['0.125', '0.25', '0.375', '0.5', '0.625'],
    )
    const rated = (await ok(network, '/v1/nym-nodes/annotation/3')) as { annotation: Record<string, unknown> }
    assert.equal(rated.annotation.last_24h_performance, '0.37')
  })

  it('counts its answers', async () => {
    const network = await startNetwork()
    await network.get('/nowhere')
    await network.get('/v1/epoch/current')
    const counted = network.meter.snapshot()
    assert.equal(counted['directory_answers_total{status="404"}'], 1)
    assert.equal(counted['directory_answers_total{status="200"}'], 1)
  })
})

describe('HTTP dates', () => {
  it('are those of RFC 9110', () => {
    for (const at of [0, 784_111_777_000, 951_782_400_000, 1_795_334_462_500, hours(24 * 365 * 60)]) {
      assert.equal(formatHttpDate(millis(at)), new Date(at).toUTCString())
    }
  })
})
