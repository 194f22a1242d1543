import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { minutes, seconds } from '../../foundation/base/units.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { decodeDescribedNodes } from '../../protocol/wire/directory/describedNodes.ts'
import { encodeSignedHostInformation, signHostInformation } from '../../protocol/wire/directory/hostInformation.ts'
import { decodeSemiSkimmedListing, decodeSkimmedListing } from '../../protocol/wire/directory/listings.ts'
import { BUILD, type FakeNode, startNetwork, type TestNetwork, type TestNetworkOptions } from './support.test.ts'

const text = async (network: TestNetwork, path: string): Promise<string> =>
  JSON.stringify((await network.get(path)).body)
const listed = async (network: TestNetwork): Promise<number[]> =>
  decodeSkimmedListing(await text(network, '/v2/unstable/nym-nodes/skimmed')).items.map(({ nodeId }) => nodeId)
const json = (value: unknown) => () => Response.json(value)

/** A network whose node 2 is prepared to lie. */
async function withLiar(lie: (node: FakeNode) => void, options: TestNetworkOptions = {}): Promise<TestNetwork> {
  return startNetwork({
    ...options,
    prepare(nodes) {
      const [, second] = nodes
      if (second) lie(second)
    },
  })
}

async function assertOnlyTheLiarIsMissing(network: TestNetwork, part: string, why: string): Promise<void> {
  assert.deepEqual(await listed(network), [1, 3, 4, 5])
  const counter = `directory_polls_failed_total{part="${part}",why="${why}"}`
  assert.ok((network.meter.snapshot()[counter] ?? 0) > 0, `${counter} in ${JSON.stringify(network.meter.snapshot())}`)
}

describe('describing nodes', () => {
  it('tells what nodes said', async () => {
    const network = await startNetwork()
    for (const path of ['/v1/nym-nodes/described', '/v2/nym-nodes/described']) {
      const { items } = decodeDescribedNodes(await text(network, path))
      assert.deepEqual(
        items.map(({ declaredRole: { mixnode, entry, exitNr, exitIpr } }) => [mixnode, entry, exitNr, exitIpr]),
        [
          [true, false, false, false],
          [true, false, false, false],
          [true, false, false, false],
          [false, true, false, false],
          [false, true, true, true],
        ],
      )
      const exit = items[4]
      assert.ok(exit?.networkRequester && exit.ipPacketRouter)
      assert.equal(exit.networkRequester.usesExitPolicy, false)
      assert.equal(exit.authenticator, undefined)
      assert.equal(exit.buildInformation.buildVersion, BUILD.buildVersion)
      assert.equal(exit.auxiliaryDetails.location, 'PL')
      assert.equal(items[0]?.networkRequester, undefined)
    }
  })

  it('optional answers are optional', async () => {
    const network = await withLiar((node) => {
      node.override.set('auxiliary-details', () => new Response('what?', { status: 500 }))
      node.override.set('ip-packet-router', json({ encoded_identity_key: 1 }))
      node.override.set('authenticator', json({ nonsense: true }))
    })
    assert.deepEqual(await listed(network), [1, 2, 3, 4, 5])
    const { items } = decodeDescribedNodes(await text(network, '/v1/nym-nodes/described'))
    assert.equal(items[1]?.auxiliaryDetails.acceptedOperatorTermsAndConditions, false)
  })

  for (const part of [
    'health',
    'host-information',
    'build-information',
    'roles',
    'gateway/client-interfaces/mixnet-websockets',
  ]) {
    it(`no description without ${part}`, async () => {
      const refusal = () => new Response('no', { status: 500 })
      await assertOnlyTheLiarIsMissing(await withLiar((node) => node.override.set(part, refusal)), part, 'status')
    })
    it(`no description with nonsense as ${part}`, async () => {
      const network = await withLiar((node) => node.override.set(part, json({ status: 'down', data: [] })))
      await assertOnlyTheLiarIsMissing(network, part, 'malformed')
    })
  }

  it('a requester without a policy', async () => {
    const network = await startNetwork({
      prepare: ([, , , , exit]) =>
        exit?.override.set('network-requester/exit-policy', () => new Response('', { status: 404 })),
    })
    assert.deepEqual(await listed(network), [1, 2, 3, 4])
  })

  it('another identity, properly signed', async () => {
    const network = await withLiar((node) => {
      const seed = new Uint8Array(32).fill(77)
      const host = node.hostInformation()
      const keys = { ...host.keys, identity: crypto.ed25519PublicKey(seed) }
      node.override.set(
        'host-information',
        json(encodeSignedHostInformation(signHostInformation(crypto, seed, { ...host, keys }))),
      )
    })
    await assertOnlyTheLiarIsMissing(network, 'host-information', 'identity')
  })

  it('a signature that covers something else', async () => {
    const network = await withLiar((node) => {
      const signed = signHostInformation(crypto, node.seed, node.hostInformation())
      const data = { ...signed.data, ipAddresses: ['192.0.2.1'] }
      node.override.set('host-information', json(encodeSignedHostInformation({ ...signed, data })))
    })
    await assertOnlyTheLiarIsMissing(network, 'host-information', 'signature')
  })

  it('keys of low order', async () => {
    const network = await withLiar((node) => {
      node.sphinxKey = () => new Uint8Array(32)
    })
    await assertOnlyTheLiarIsMissing(network, 'host-information', 'key')
  })

  for (const ip of ['0.0.0.0', '::', '224.0.0.1', 'ff02::1', '255.255.255.255', '::ffff:0.0.0.0']) {
    it(`the address ${ip}`, async () => {
      const network = await withLiar((node) => Object.assign(node, { ipAddresses: ['192.0.2.1', ip] }))
      await assertOnlyTheLiarIsMissing(network, 'host-information', 'address')
    })
  }

  it('no address', async () => {
    const network = await withLiar((node) => Object.assign(node, { ipAddresses: [] }))
    await assertOnlyTheLiarIsMissing(network, 'host-information', 'address')
  })

  it('loopback addresses only where they are allowed', async () => {
    const network = await startNetwork({ describer: { allowLocalAddresses: false } })
    assert.deepEqual(await listed(network), [])
  })

  it('the address of another', async () => {
    const network = await withLiar((node) => Object.assign(node, { ipAddresses: ['127.0.1.1', '127.0.1.3'] }))
    assert.deepEqual(await listed(network), [1, 3, 4, 5])
    assert.equal(network.meter.snapshot().directory_nodes_disputed, 1)
    const semi = decodeSemiSkimmedListing(await text(network, '/v2/unstable/nym-nodes/semi-skimmed'))
    const noise = (id: number) => network.nodes[id - 1]?.hostInformation().keys.noiseKey
    assert.deepEqual(
      semi.items.map(({ noiseKey }) => noiseKey),
      [1, 3, 4, 5].map(noise),
    )
    const { body } = await network.get('/v1/unstable/nym-nodes/by-addresses', {
      method: 'POST',
      body: JSON.stringify({ addresses: ['127.0.1.1'] }),
    })
    assert.deepEqual(body, { existence: { '127.0.1.1': 1 } })
  })

  it('answers that are too long', async () => {
    const long = `"${'x'.repeat(100_000)}"`
    await assertOnlyTheLiarIsMissing(
      await withLiar((node) => node.override.set('roles', () => new Response(long))),
      'roles',
      'too-long',
    )
  })

  it('answers without an end', async () => {
    const endless = () =>
      new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(4096).fill(0x20)) }))
    await assertOnlyTheLiarIsMissing(await withLiar((node) => node.override.set('roles', endless)), 'roles', 'too-long')
  })

  it('answers that never come cost the others nothing', async () => {
    const never = () => new Promise<Response>(() => {})
    const network = await startNetwork({
      describer: { parallel: 2 },
      settle: seconds(16),
      prepare: ([first]) => first?.override.set('roles', never),
    })
    assert.deepEqual(await listed(network), [2, 3, 4, 5])
    assert.equal(network.meter.snapshot()['directory_polls_failed_total{part="roles",why="timeout"}'], 1)
  })

  it('many slow nodes do not keep the directory shut', async () => {
    const network = await startNetwork({
      describer: { parallel: 1 },
      settle: seconds(19),
      prepare(nodes) {
        for (const node of nodes.slice(1)) node.override.set('health', () => new Promise<Response>(() => {}))
      },
    })
    assert.equal((await network.get('/v1/nym-nodes/described')).response.status, 503)
    await network.simulation.runFor(seconds(2))
    assert.deepEqual(await listed(network), [1])
  })

  it('a host that is none', async () => {
    const network = await startNetwork({
      prepare(nodes, bonded) {
        bonded.set(nodes.map((node) => (node.nodeId === 2 ? { ...node.bonded, host: 'evil/../@x' } : node.bonded)))
      },
    })
    await assertOnlyTheLiarIsMissing(network, 'host', 'malformed')
  })

  it('host names are resolved, and their addresses proven', async () => {
    const network = await startNetwork({
      prepare(nodes, bonded, simulation) {
        simulation.name('second.example.org', ['127.0.1.2'])
        bonded.set(
          nodes.map((node) => (node.nodeId === 2 ? { ...node.bonded, host: 'second.example.org' } : node.bonded)),
        )
        Object.assign(nodes[0] as FakeNode, { ipAddresses: ['127.0.1.1', '127.0.1.2'] })
      },
    })
    const items = decodeSkimmedListing(await text(network, '/v2/unstable/nym-nodes/skimmed')).items
    assert.deepEqual(
      items.slice(0, 2).map(({ ipAddresses }) => ipAddresses),
      [['127.0.1.1'], ['127.0.1.2']],
    )
  })
})

describe('whatever a node answers', () => {
  const parts = ['health', 'host-information', 'build-information', 'roles', 'auxiliary-details', 'network-requester']
  const junk = fc.oneof(
    fc.json(),
    fc.string(),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => bytes.slice()),
  )

  it('property: it harms only itself', async () => {
    const network = await startNetwork()
    const [, second] = network.nodes
    assert.ok(second)
    const answers = fc.record({
      part: fc.constantFrom(...parts),
      body: junk,
      status: fc.constantFrom(200, 204, 302, 404, 500),
    })
    await fc.assert(
      fc.asyncProperty(answers, async ({ part, body, status }) => {
        second.override.clear()
        second.override.set(part, () => new Response(status === 204 ? null : body, { status }))
        await network.simulation.runFor(minutes(1))
        assert.ok([200, 422].includes(await network.refresh(second)))
        assert.deepEqual(
          (await listed(network)).filter((id) => id !== 2),
          [1, 3, 4, 5],
        )
      }),
      { numRuns: 60 },
    )
    second.override.clear()
    await network.simulation.runFor(minutes(1))
    assert.equal(await network.refresh(second), 200)
  })
})
