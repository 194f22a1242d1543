import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toBase58 } from '../../foundation/base/base58.ts'
import { utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { seconds } from '../../foundation/base/units.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import { settleClaims } from './addressClaims.ts'
import { FileBondedNodes, isHost, MemoryBondedNodes, readBondedNodes } from './bondedNodes.ts'

const identity = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const TOML = `
[[nodes]]
nodeId = 1
identity = "${toBase58(identity(1))}"
host = "127.0.1.1"
layer = 2

[[nodes]]
nodeId = 2
identity = "${toBase58(identity(2))}"
host = "gateway.example.org"
httpPort = 8081
role = "entry"
`

describe('bonded nodes', () => {
  it('are read from TOML and JSON', () => {
    const nodes = readBondedNodes(utf8(TOML), 'bonded.toml')
    assert.deepEqual(nodes, [
      { nodeId: 1, identity: identity(1), host: '127.0.1.1', layer: 2 },
      { nodeId: 2, identity: identity(2), host: 'gateway.example.org', httpPort: 8081, role: 'entry' },
    ])
    const json = nodes.map((node) => ({ ...node, identity: toBase58(node.identity) }))
    assert.deepEqual(readBondedNodes(utf8(JSON.stringify({ nodes: json })), 'bonded.json'), nodes)
    assert.deepEqual(readBondedNodes(utf8('nodes = []'), 'bonded.toml'), [])
  })

  it('are refused with the name of the key', () => {
    const refusal = (change: (text: string) => string): string => {
      try {
        readBondedNodes(utf8(change(TOML)), 'bonded.toml')
      } catch (error) {
        assert.ok(isMixnetError(error, 'CONFIG_INVALID'))
        return error.message
      }
      return 'accepted'
    }
    assert.match(
      refusal((text) => text.replace('layer = 2', 'layer = 4')),
      /nodes\.0\.layer/,
    )
    assert.match(
      refusal((text) => text.replace('nodeId = 2', 'nodeId = 1')),
      /the id 1/,
    )
    assert.match(
      refusal((text) => text.replace(toBase58(identity(2)), toBase58(identity(1)))),
      /identity of another/,
    )
    assert.match(
      refusal((text) => text.replace(toBase58(identity(2)), 'abc')),
      /nodes\.1\.identity/,
    )
    assert.match(
      refusal((text) => text.replace('127.0.1.1', 'a/b@c')),
      /nodes\.0\.host/,
    )
    assert.match(
      refusal((text) => `${text}\nextra = 1`),
      /nodes\.1/,
    )
    assert.match(
      refusal(() => 'no toml'),
      /not TOML/,
    )
    assert.throws(() => readBondedNodes(undefined, 'x'), /no such file/)
  })

  it('hosts mean nothing but a host in a URL', () => {
    for (const host of ['192.0.2.1', '2001:db8::1', 'a.example.org', 'localhost', 'x.']) assert.ok(isHost(host), host)
    for (const host of [
      '',
      'a b',
      'a/b',
      'user@host',
      'host:80',
      '[::1]',
      'a?b',
      'a#b',
      '-a',
      `${'a'.repeat(254)}`,
      'é.org',
    ]) {
      assert.ok(!isHost(host), host)
    }
  })

  it('are read again when the file changes; a bad file changes nothing', async () => {
    const simulation = new Simulation({ seed: 'bonded', crypto })
    const world = simulation.host('directory', { ips: ['127.0.0.1'] })
    const meter = new Meter()
    const bonded = new FileBondedNodes({ world, path: 'bonded.toml', meter, log: silentLog })
    const current = () => simulation.complete(bonded.current())
    const write = (text: string) => simulation.complete(world.files.write('bonded.toml', utf8(text)))
    await assert.rejects(current(), (error: unknown) => isMixnetError(error, 'CONFIG_INVALID'))
    await write(TOML)
    const first = await current()
    assert.equal(first.length, 2)
    await write('nodes = []')
    assert.equal(await current(), first)
    await simulation.runFor(seconds(2))
    assert.deepEqual(await current(), [])
    await write('broken')
    await simulation.runFor(seconds(2))
    assert.deepEqual(await current(), [])
    assert.equal(meter.snapshot().directory_bonded_file_refused_total, 1)
    await write(TOML)
    await simulation.runFor(seconds(2))
    assert.equal((await current()).length, 2)
  })

  it('in memory have unique ids and identities', () => {
    const node = { nodeId: 1, identity: identity(1), host: 'a' }
    assert.throws(
      () => new MemoryBondedNodes([node, { ...node, nodeId: 2 }]),
      (error: unknown) => isMixnetError(error, 'BAD_ARGUMENT'),
    )
  })
})

describe('claims to addresses', () => {
  const claim = (nodeId: number, announced: string[], proven: string[] = [], mixPort = 1789) => ({
    nodeId,
    mixPort,
    announced,
    proven,
  })
  const settled = (claims: ReturnType<typeof claim>[], bonded: { nodeId: number; host: string }[] = []) =>
    [...settleClaims(claims, bonded)].map(([nodeId, ips]) => [nodeId, ...ips])

  it('the node at the address wins over the one that says so', () => {
    assert.deepEqual(
      settled([claim(1, ['192.0.2.2', '192.0.2.1'], ['192.0.2.1']), claim(2, ['192.0.2.2'], ['192.0.2.2'])]),
      [
        [1, '192.0.2.1'],
        [2, '192.0.2.2'],
      ],
    )
  })

  it('also while it is away', () => {
    assert.deepEqual(settled([claim(1, ['192.0.2.2'])], [{ nodeId: 2, host: '::ffff:192.0.2.2' }]), [[1]])
  })

  it('several nodes at one address need ports of their own', () => {
    const ip = '127.0.0.1'
    assert.deepEqual(settled([claim(2, [ip], [ip], 2), claim(1, [ip], [ip], 1), claim(3, [ip], [ip], 2)]), [
      [1, ip],
      [2, ip],
      [3],
    ])
  })

  it('an address that is nobody’s is the first one’s', () => {
    assert.deepEqual(settled([claim(2, ['2001:db8::1']), claim(1, ['2001:db8::1'])]), [[1, '2001:db8::1'], [2]])
  })
})
