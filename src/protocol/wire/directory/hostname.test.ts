import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJson } from './json.ts'
import { encodeSkimmedNode, isHostname, readSkimmedNode, type SkimmedNode } from './skimmedNodes.ts'

const NODE: SkimmedNode = {
  nodeId: 1,
  identity: new Uint8Array(32).fill(1),
  sphinxKey: new Uint8Array(32).fill(2),
  ipAddresses: ['203.0.113.1'],
  mixPort: 1789,
  role: 'entryGateway',
  supportedRoles: { mixnode: false, entry: true, exitNr: false, exitIpr: false },
  entry: { hostname: 'gateway.example.org', wsPort: 9000, wssPort: undefined },
  performance: 1,
}

test('a host name is a host name', () => {
  for (const name of ['localhost', 'gateway.example.org', 'xn--bcher-kva.example.', 'a_b.example', '1.example'])
    assert.ok(isHostname(name), name)
  for (const text of [
    '',
    'evil#x',
    'a b',
    'user:pw@h',
    'h?x',
    'h/../x',
    '[::1',
    'h:80',
    '-h',
    'h-.x',
    'h..x',
    '\u{1F4A9}',
    'a'.repeat(254),
    'e\u0000v',
  ])
    assert.ok(!isHostname(text), JSON.stringify(text))
})

test('in a listing, a host name that is none leaves the node with its addresses', () => {
  const listed = (hostname: string) => {
    const json = JSON.stringify(encodeSkimmedNode({ ...NODE, entry: { hostname, wsPort: 9000, wssPort: undefined } }))
    return readSkimmedNode(parseJson(json, 'node')).entry
  }
  assert.equal(listed('gateway.example.org')?.hostname, 'gateway.example.org')
  assert.deepEqual(listed('admin:admin@127.0.0.1:80/reboot?x='), {
    hostname: undefined,
    wsPort: 9000,
    wssPort: undefined,
  })
})
