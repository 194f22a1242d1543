import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keccak_256 } from '@noble/hashes/sha3.js'
import fc from 'fast-check'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { millis } from '../../foundation/base/units.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { abiWords } from '../../protocol/economy/abiWords.ts'
import { announcementLeaf, NO_LEAF } from '../../protocol/economy/announcementLeaf.ts'
import { mixLayers, ROLE } from '../../protocol/economy/draw.ts'
import { topologyRoot } from '../../protocol/economy/topologyRoot.ts'
import {
  type Announcement,
  decodeAnnouncement,
  encodeAnnouncement,
  signAnnouncement,
} from '../../protocol/wire/directory/announcement.ts'
import {
  type BundledNode,
  decodeTopologyBundle,
  encodeTopologyBundle,
  type TopologyBundle,
} from '../../protocol/wire/directory/topologyBundle.ts'
import { DirectoryClient } from './directoryClient.ts'
import {
  agreedTruth,
  checkTopology,
  type LedgerTruth,
  type TopologyProblem,
  verifiedTopologySource,
} from './verifiedTopology.ts'

const EPOCH = 30
const ROTATION = 10
const NOW = millis(1_000_000)
const seed = new Uint8Array(32).fill(77)
const announcements = { chainId: 31_337, contract: new Uint8Array(20).fill(0xab) }
const checks = { crypto, keccak256: keccak_256, announcements }
const seedOf = (nodeId: number) => new Uint8Array(32).fill(nodeId)

const announcementOf = (nodeId: number, rotationId: number = ROTATION): Announcement => ({
  ipAddresses: [`10.0.0.${nodeId}`, '2001:db8::1'],
  mixPort: 1789,
  hostname: nodeId % 2 === 0 ? 'node.example.org' : undefined,
  wsPort: 9000,
  wssPort: nodeId % 2 === 0 ? 9001 : undefined,
  sphinxKeys: [{ rotationId, publicKey: new Uint8Array(32).fill(100 + nodeId) }],
  noiseKey: { supportedVersion: 1, publicKey: new Uint8Array(32).fill(200) },
  buildVersion: '1.31.0',
})

function signed(
  nodeId: number,
  role: BundledNode['role'],
  data = encodeAnnouncement(announcementOf(nodeId)),
): BundledNode {
  const said = { sequence: 3n, capabilities: 15 }
  const signature = signAnnouncement(crypto, seedOf(nodeId), { ...announcements, nodeId, ...said }, data)
  const identity = crypto.ed25519PublicKey(seedOf(nodeId))
  return { nodeId, identity, role, announcement: { ...said, data, signature } }
}

const ROLES: readonly BundledNode['role'][] = [1, 0, 1, 4, 1, 1, 5, 6]
const bundle = (nodes: readonly BundledNode[] = ROLES.map((role, i) => signed(i + 1, role))): TopologyBundle => ({
  epochId: EPOCH,
  seed,
  nodes,
})

/** As the contract does it. */
function truthOf({ epochId, nodes }: TopologyBundle): LedgerTruth {
  const rooted = nodes.map((node) => ({
    nodeId: node.nodeId,
    identityKey: node.identity,
    leaf:
      node.announcement === undefined
        ? NO_LEAF
        : announcementLeaf(
            { nodeId: node.nodeId, ...node.announcement },
            node.announcement.data,
            node.announcement.signature,
            keccak_256,
          ),
    role: node.role,
  }))
  const root = topologyRoot({ epochId, seed, nodes: rooted }, keccak_256)
  return { epochId, root, epochEnd: millis(NOW + 60_000), rotationId: ROTATION }
}

const GOOD = bundle()
const TRUTH = truthOf(GOOD)

const problem = (expected: TopologyProblem) => (error: unknown) =>
  isMixnetError(error, 'TOPOLOGY_UNAVAILABLE') && error.details.problem === expected

describe('a topology checked against the ledger', () => {
  it('is what the ledger drew and its nodes signed', () => {
    const { topology, unusable } = checkTopology(GOOD, TRUTH, checks, NOW)
    assert.deepEqual(unusable, [])
    assert.deepEqual([topology.epochId, topology.rotationId, topology.validUntil], [EPOCH, ROTATION, NOW + 60_000])
    assert.equal(topology.nodesById.size, 8)
    const layers = mixLayers(seed, [1, 3, 5, 6], keccak_256)
    for (const [i, nodes] of topology.layers.entries()) {
      for (const { nodeId } of nodes) assert.equal(layers.get(nodeId), [ROLE.layer1, ROLE.layer2, ROLE.layer3][i])
    }
    assert.equal(topology.layers.flat().length, 4)
    const node = topology.nodesById.get(2)
    assert.deepEqual(node?.address, { ip: '10.0.0.2', port: 1789 })
    assert.deepEqual(node?.sphinxKey, new Uint8Array(32).fill(102))
    assert.deepEqual(node?.entry, { hostname: 'node.example.org', wsPort: 9000, wssPort: 9001 })
    assert.equal(node?.role, 'entryGateway')
    assert.equal(topology.nodesById.get(8)?.role, 'inactive')
  })

  it('is refused where anything of it is another', () => {
    const change = (i: number, to: Partial<BundledNode>): TopologyBundle =>
      bundle(GOOD.nodes.map((node, at) => (at === i ? { ...node, ...to } : node)))
    const said = GOOD.nodes[3]?.announcement
    assert.ok(said)
    const lies: [TopologyProblem, TopologyBundle][] = [
      ['epoch', { ...GOOD, epochId: EPOCH - 1 }],
      ['root', { ...GOOD, seed: new Uint8Array(32) }],
      ['root', bundle(GOOD.nodes.slice(1))],
      ['root', bundle(GOOD.nodes.slice(0, -1))],
      ['root', bundle([...GOOD.nodes, signed(9, 1)])],
      ['order', bundle([...GOOD.nodes.slice(1), ...GOOD.nodes.slice(0, 1)])],
      ['order', bundle([...GOOD.nodes.slice(0, 1), ...GOOD.nodes])],
      ['root', change(0, { role: 5 })],
      ['root', change(0, { identity: crypto.ed25519PublicKey(seedOf(99)) })],
      ['root', change(3, { announcement: undefined })],
      ['root', change(3, { announcement: { ...said, sequence: 2n } })],
      ['root', change(3, { announcement: { ...said, capabilities: 3 } })],
      ['root', change(3, { announcement: { ...said, data: encodeAnnouncement(announcementOf(66)) } })],
      ['root', change(3, signed(4, 4, encodeAnnouncement(announcementOf(4, 11))))],
      ['root', change(3, { announcement: { ...said, signature: new Uint8Array(64) } })],
    ]
    for (const [expected, lie] of lies) assert.throws(() => checkTopology(lie, TRUTH, checks, NOW), problem(expected))
    const noRoot = { ...TRUTH, root: new Uint8Array(32) }
    assert.throws(() => checkTopology(GOOD, noRoot, checks, NOW), problem('noRoot'))
  })

  it('is refused whatever single byte of a node is changed', () => {
    fc.assert(
      fc.property(fc.nat(7), fc.nat(1000), fc.integer({ min: 1, max: 255 }), (at, where, by) => {
        const nodes = GOOD.nodes.map((node, i) => {
          if (i !== at || node.announcement === undefined) return node
          const data = node.announcement.data.slice()
          const place = where % data.length
          data[place] = (data[place] as number) ^ by
          return { ...node, announcement: { ...node.announcement, data } }
        })
        assert.throws(() => checkTopology(bundle(nodes), TRUTH, checks, NOW), problem('root'))
      }),
      { numRuns: 50 },
    )
  })

  it('leaves out nodes that spoil their own announcement, and no other', () => {
    const forged = signed(9, 5)
    const other = { ...signed(10, 5), announcement: { ...signed(9, 5).announcement, sequence: 3n } as never }
    const nodes = [
      ...GOOD.nodes,
      // The contract does not look at signatures and takes any bytes.
      { ...forged, announcement: forged.announcement && { ...forged.announcement, signature: new Uint8Array(64) } },
      other,
      signed(11, 5, Uint8Array.of(1, 2, 3)),
      signed(12, 5, encodeAnnouncement(announcementOf(12, ROTATION + 1))),
      { ...signed(13, 6), announcement: undefined },
    ]
    const whole = bundle(nodes)
    const { topology, unusable } = checkTopology(whole, truthOf(whole), checks, NOW)
    assert.deepEqual(unusable, [
      { nodeId: 9, why: 'signature' },
      { nodeId: 10, why: 'signature' },
      { nodeId: 11, why: 'malformed' },
      { nodeId: 12, why: 'noKey' },
      { nodeId: 13, why: 'silent' },
    ])
    assert.equal(topology.nodesById.size, 8)
  })

  it('does not take what was signed for another network', () => {
    const elsewhere = { ...checks, announcements: { ...announcements, chainId: 1 } }
    assert.throws(() => checkTopology(GOOD, TRUTH, elsewhere, NOW), /topology/)
  })

  it('comes from the first directory that does not lie', async () => {
    const bodies: Record<string, unknown> = {
      'http://liar/api': encodeTopologyBundle(bundle(GOOD.nodes.slice(1))),
      'http://late/api': encodeTopologyBundle({ ...GOOD, epochId: EPOCH - 1 }),
      'http://honest/api': encodeTopologyBundle(GOOD),
    }
    const asked: string[] = []
    const net = {
      request: ({ url }: { readonly url: string }) => {
        const [base = '', path = ''] = url.split(/(?=\/v1)/)
        asked.push(path)
        return Promise.resolve({
          status: 200,
          contentType: 'application/json',
          body: new TextEncoder().encode(JSON.stringify(bodies[base])),
        })
      },
    }
    const clock = { now: () => NOW }
    const source = (baseUrls: readonly string[]) =>
      verifiedTopologySource({
        ...checks,
        clock,
        directory: new DirectoryClient(net, { baseUrls }),
        truth: () => Promise.resolve(TRUTH),
      })
    const { signal } = new AbortController()
    const topology = await source(Object.keys(bodies))(signal)
    assert.equal(topology.nodesById.size, 8)
    assert.deepEqual(asked, Array(3).fill(`/v1/starling/topology/${EPOCH}`))
    await assert.rejects(source(['http://liar/api'])(signal), problem('root'))
  })
})

describe('the truth of several', () => {
  const { signal } = new AbortController()
  const says =
    (truth: Partial<LedgerTruth> = {}) =>
    () =>
      Promise.resolve({ ...TRUTH, ...truth })
  const away = () => Promise.reject(new MixnetError('TIMEOUT', { what: 'rpc' }))

  it('is what enough of them say', async () => {
    assert.equal((await agreedTruth([says(), says(), away], 2)(signal)).epochId, EPOCH)
    assert.equal((await agreedTruth([says(), says(), says({ epochId: EPOCH - 1 })], 2)(signal)).epochId, EPOCH)
  })

  it('is none where one says something else, or too few say anything', async () => {
    const lie = says({ root: new Uint8Array(32).fill(1) })
    await assert.rejects(agreedTruth([says(), says(), lie], 2)(signal), problem('root'))
    await assert.rejects(agreedTruth([says(), away])(signal), /TOPOLOGY_UNAVAILABLE|topology/)
    await assert.rejects(agreedTruth([away, away], 1)(signal), /topology/)
    // One that runs ahead alone does not make the others' epoch the wrong one for long, nor itself believed.
    await assert.rejects(agreedTruth([says(), says(), says({ epochId: EPOCH + 1 })], 2)(signal), /topology/)
    assert.throws(() => agreedTruth([says()], 2), { code: 'BAD_ARGUMENT' })
  })
})

describe('announcements', () => {
  it('are read as they were written', () => {
    for (const nodeId of [1, 2]) {
      const said = announcementOf(nodeId)
      assert.deepEqual(decodeAnnouncement(encodeAnnouncement(said)), said)
      const two = {
        ...said,
        sphinxKeys: [...said.sphinxKeys, { rotationId: 11, publicKey: seed }],
        noiseKey: undefined,
      }
      assert.deepEqual(decodeAnnouncement(encodeAnnouncement(two)), two)
    }
  })

  it('are not written as readers would refuse them', () => {
    const said = announcementOf(1)
    const [key] = said.sphinxKeys
    assert.ok(key)
    const bad: Partial<Announcement>[] = [
      { ipAddresses: [] },
      { ipAddresses: ['nowhere'] },
      { mixPort: 0 },
      { hostname: 'no spaces' },
      { sphinxKeys: [] },
      { sphinxKeys: [key, key] },
      { buildVersion: '' },
      { buildVersion: 'a\nb' },
    ]
    for (const change of bad) {
      assert.throws(() => encodeAnnouncement({ ...said, ...change }), { code: 'MALFORMED' }, JSON.stringify(change))
    }
  })

  it('are in the leaf as the contract puts them', () => {
    const { announcement: said, nodeId } = signed(7, 1)
    assert.ok(said)
    const words = abiWords(nodeId, said.sequence, said.capabilities, keccak_256(said.data), keccak_256(said.signature))
    assert.equal(words.length, 160)
    assert.deepEqual(announcementLeaf({ nodeId, ...said }, said.data, said.signature, keccak_256), keccak_256(words))
  })

  it('no bytes crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          decodeAnnouncement(bytes)
        } catch (error) {
          assert.ok(isMixnetError(error, 'MALFORMED'))
        }
      }),
    )
  })
})

describe('topology bundles', () => {
  it('are read as they were written', () => {
    const whole = bundle([...GOOD.nodes, { ...signed(13, 6), announcement: undefined }])
    assert.deepEqual(decodeTopologyBundle(JSON.stringify(encodeTopologyBundle(whole))), whole)
  })

  it('are refused by name', () => {
    const text = JSON.stringify(encodeTopologyBundle(bundle(GOOD.nodes.slice(0, 1))))
    const bad: [RegExp, string][] = [
      [/format/, text.replace('starling-ledger-topology-1', 'other')],
      [/seed/, text.replace('4d4d', '4D4D')],
      [/role/, text.replace('"role":1', '"role":2')],
      [/sequence/, text.replace('"sequence":"3"', '"sequence":"03"')],
      [/sequence/, text.replace('"sequence":"3"', '"sequence":"18446744073709551616"')],
      [/capabilities/, text.replace('"capabilities":15', '"capabilities":256')],
      [/signature/, text.replace(/"signature":"../, '"signature":"!!')],
    ]
    for (const [what, lie] of bad) assert.throws(() => decodeTopologyBundle(lie), what)
  })
})
