import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8 } from '../../foundation/base/bytes.ts'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { millis, minutes, seconds } from '../../foundation/base/units.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import { formatRecipient } from '../../protocol/packet/recipient.ts'
import type { BuildInformation } from '../../protocol/wire/directory/buildInformation.ts'
import { decodeDescribedNodes } from '../../protocol/wire/directory/describedNodes.ts'
import {
  decodeSignedHostInformation,
  signHostInformation,
  verifyHostInformation,
} from '../../protocol/wire/directory/hostInformation.ts'
import type { NetworkDetails } from '../../protocol/wire/directory/networkDetails.ts'
import { OPEN_EXIT_POLICY } from '../../protocol/wire/exit/exitPolicy.ts'
import { MemoryBondedNodes } from '../../roles/directory/bondedNodes.ts'
import { Directory } from '../../roles/directory/directory.ts'
import { type NodeApiOptions, type NodeSelfDescription, nodeApi, type PacketCounts } from './nodeApi.ts'

const SEED = new Uint8Array(32).fill(5)
const IDENTITY = crypto.ed25519PublicKey(SEED)
const KEY = crypto.x25519Base(SEED)
const PROVIDER = {
  identity: IDENTITY,
  encryptionKey: KEY,
  address: formatRecipient({ identity: IDENTITY, encryptionKey: KEY, gateway: IDENTITY }),
}
const BUILD: BuildInformation = {
  binaryName: 'starling',
  buildTimestamp: 'x',
  buildVersion: '1.31.0',
  commitSha: 'x',
  commitTimestamp: 'x',
  commitBranch: 'x',
  rustcVersion: 'x',
  rustcChannel: 'x',
  cargoProfile: 'x',
  cargoTriple: 'x',
}
const PACKETS: PacketCounts = {
  forwardReceived: 10,
  finalReceived: 2,
  malformedReceived: 1,
  replayedReceived: 1,
  excessiveDelay: 0,
  forwardReceivedDropped: 1,
  finalReceivedDropped: 0,
  forwardSent: 9,
  forwardSendDropped: 2,
  acksSent: 3,
}

const exitNode: NodeSelfDescription = {
  hostInformation: () =>
    signHostInformation(crypto, SEED, {
      ipAddresses: ['127.0.1.1'],
      hostname: undefined,
      keys: {
        identity: IDENTITY,
        sphinxKey: { rotationId: 1, publicKey: KEY },
        preAnnouncedSphinxKey: undefined,
        noiseKey: { supportedVersion: 1, publicKey: KEY },
      },
    }),
  roles: () => ({
    mixnodeEnabled: false,
    gatewayEnabled: true,
    networkRequesterEnabled: true,
    ipPacketRouterEnabled: false,
  }),
  build: BUILD,
  introduction: { moniker: 'heron', website: '', securityContact: '', details: '' },
  auxiliaryDetails: () => ({
    location: 'PL',
    announcePorts: { verlocPort: undefined, mixPort: 1799 },
    acceptedOperatorTermsAndConditions: true,
    address: '',
  }),
  enforcesZkNyms: false,
  websockets: () => ({ wsPort: 9001, wssPort: undefined }),
  networkRequester: () => PROVIDER,
  exitPolicy: () => ({ enabled: true, upstreamSource: 'none', lastUpdatedUnixSeconds: 0, policy: OPEN_EXIT_POLICY }),
  ipPacketRouter: () => undefined,
  authenticator: () => undefined,
  load: () => ({ machine: 0.05, network: 0.7 }),
  packets: () => PACKETS,
}

const mixNode: NodeSelfDescription = {
  ...exitNode,
  roles: () => ({
    mixnodeEnabled: true,
    gatewayEnabled: false,
    networkRequesterEnabled: false,
    ipPacketRouterEnabled: false,
  }),
  networkRequester: () => undefined,
  exitPolicy: () => undefined,
  load: () => ({ machine: undefined, network: undefined }),
}

function serve(self: NodeSelfDescription = exitNode, options: Partial<NodeApiOptions> = {}) {
  const simulation = new Simulation({ seed: 'node api', crypto })
  const world = simulation.host('node', { ips: ['127.0.1.1'] })
  const meter = new Meter()
  const handler = nodeApi({ world, self, meter, log: silentLog, ...options })
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await handler(new Request(`http://node${path}`, { headers }))
    const text = await response.text()
    const isJson = response.headers.get('content-type') === 'application/json'
    return { response, text, body: isJson ? (JSON.parse(text) as unknown) : undefined }
  }
  return { simulation, world, meter, handler, get }
}

describe('the API of a node', () => {
  it('says everything an exit has to say', async () => {
    const { get, simulation } = serve()
    await simulation.runFor(seconds(12))
    const host = decodeSignedHostInformation((await get('/api/v1/host-information')).text)
    assert.ok(verifyHostInformation(crypto, host))
    const provider = (await get('/api/v1/network-requester')).body as Record<string, string>
    assert.deepEqual(Object.keys(provider), ['encoded_identity_key', 'encoded_x25519_key', 'address'])
    for (const [path, expected] of [
      ['health', { status: 'up', uptime: 12 }],
      ['load', { total: 'high', machine: 'negligible', network: 'high' }],
      [
        'roles',
        {
          mixnode_enabled: false,
          gateway_enabled: true,
          network_requester_enabled: true,
          ip_packet_router_enabled: false,
        },
      ],
      ['description', { moniker: 'heron', website: '', security_contact: '', details: '' }],
      [
        'gateway',
        {
          enforces_zk_nyms: false,
          client_interfaces: { wireguard: null, mixnet_websockets: { ws_port: 9001, wss_port: null } },
        },
      ],
      ['gateway/client-interfaces', { wireguard: null, mixnet_websockets: { ws_port: 9001, wss_port: null } }],
      ['gateway/client-interfaces/mixnet-websockets', { ws_port: 9001, wss_port: null }],
      ['metrics/verloc', { previous: 'unavailable', current: 'unavailable' }],
    ] as const) {
      assert.deepEqual((await get(`/api/v1/${path}?output=json`)).body, expected, path)
    }
    const auxiliary = (await get('/api/v1/auxiliary-details')).body as object
    assert.deepEqual((await get('/api/v2/auxiliary-details/')).body, { ...auxiliary, address: '' })
    const policy = (await get('/api/v1/network-requester/exit-policy')).body as { policy: { rules: unknown[] } }
    assert.equal(policy.policy.rules.length, 1)
  })

  it('has nothing to say where it does nothing', async () => {
    const { get } = serve(mixNode)
    for (const path of [
      'network-requester',
      'network-requester/exit-policy',
      'ip-packet-router',
      'authenticator',
      'lewes-protocol',
    ]) {
      assert.equal((await get(`/api/v1/${path}`)).response.status, 501, path)
    }
    assert.deepEqual((await get('/api/v1/mixnode')).body, {})
    assert.deepEqual((await get('/api/v1/load')).body, { total: 'unknown', machine: 'unknown', network: 'unknown' })
    assert.equal((await get('/api/v1/system-info')).response.status, 403)
    assert.equal((await serve().get('/api/v1/mixnode')).response.status, 501)
    // The directory wants this one from every node.
    assert.equal((await get('/api/v1/gateway/client-interfaces/mixnet-websockets')).response.status, 200)
  })

  it('counts packets', async () => {
    const packets = { ...PACKETS }
    const { get, simulation } = serve({ ...exitNode, packets: () => packets })
    const stats = (await get('/api/v1/metrics/packets-stats')).body as Record<string, Record<string, number>>
    assert.equal(stats.ingress_mixing?.forward_hop_packets_received, 10)
    assert.deepEqual(stats.egress_mixing, {
      forward_hop_packets_sent: 9,
      forward_hop_packets_dropped: 2,
      ack_packets_sent: 3,
    })
    const mixing = async () => (await get('/api/v1/metrics/mixing')).body as Record<string, unknown>
    assert.equal((await mixing()).received_since_startup, 12)
    await simulation.runFor(minutes(1))
    packets.forwardReceived += 5
    const later = await mixing()
    assert.deepEqual(
      [later.received_since_startup, later.received_since_last_update, later.sent_since_last_update],
      [17, 5, 0],
    )
    // Another reader a moment later sees the same.
    await simulation.runFor(seconds(1))
    assert.deepEqual(await mixing(), later)
  })

  it('shows its counters to whoever may see them', async () => {
    const path = '/api/v1/metrics/prometheus'
    assert.equal((await serve().get(path)).response.status, 404)
    const open = serve(exitNode, { metrics: 'open' })
    open.meter.counter('mix_received_total', 'Packets').value = 7
    assert.match((await open.get(path)).text, /mix_received_total 7/)
    const closed = serve(exitNode, { metrics: { token: new Secret(utf8('open sesame'.replace(' ', '-'))) } })
    for (const authorization of ['', 'Bearer', 'Bearer wrong', 'Basic open-sesame', 'Bearer open-sesam']) {
      assert.equal((await closed.get(path, { authorization })).response.status, 401, authorization)
    }
    assert.equal((await closed.get(path, { authorization: 'Bearer open-sesame' })).response.status, 200)
  })

  it('has the old paths, refuses what it does not know, and is not for web pages', async () => {
    const { get } = serve()
    for (const [path, target] of [
      ['/hardware', 'system-info'],
      ['/description', 'description'],
      ['/stats', 'metrics/mixing'],
      ['/verloc', 'metrics/verloc'],
      ['/metrics', 'metrics/prometheus'],
    ] as const) {
      assert.equal((await get(path)).response.headers.get('location'), `/api/v1/${target}`)
    }
    assert.equal((await get('/')).response.status, 200)
    assert.equal((await get('/api/v1/nothing')).response.status, 404)
    assert.equal((await get('/api/v1/health?output=xml')).response.status, 400)
    assert.equal((await get('/api/v1/health')).response.headers.get('access-control-allow-origin'), null)
  })

  it('is what the directory wants to hear', async () => {
    const simulation = new Simulation({ seed: 'poll', crypto })
    const world = simulation.host('directory', { ips: ['127.0.0.1'] })
    const node = simulation.host('node', { ips: ['127.0.1.1'] })
    const handler = nodeApi({ world: node, self: exitNode, meter: new Meter(), log: silentLog })
    const limits = { maxBodyBytes: 1024, requestTimeout: millis(1000) }
    await simulation.complete(node.net.serveHttp({ host: '127.0.1.1', port: 8081, ...limits }, handler))
    const directory = await simulation.complete(
      Directory.start(world, {
        folder: 'directory',
        bonded: new MemoryBondedNodes([{ nodeId: 1, identity: IDENTITY, host: '127.0.1.1', httpPort: 8081 }]),
        network: {} as NetworkDetails,
        build: BUILD,
        describer: { allowLocalAddresses: true },
      }),
    )
    await simulation.runFor(seconds(10))
    const response = await directory.handler(new Request('http://directory/api/v1/nym-nodes/described'))
    const [described] = decodeDescribedNodes(await response.text()).items
    assert.deepEqual(described?.hostInformation, exitNode.hostInformation().data)
    assert.deepEqual(described?.networkRequester, { address: PROVIDER.address, usesExitPolicy: false })
    assert.equal(described?.ipPacketRouter, undefined)
    assert.deepEqual(described?.mixnetWebsockets, exitNode.websockets())
    assert.equal(described?.auxiliaryDetails.announcePorts.mixPort, 1799)
    await simulation.complete(directory.stop())
  })
})
