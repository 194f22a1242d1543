import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeDnsAnswer, encodeDnsQuery } from '../dnsMessages.ts'
import { DnsServer } from './dnsServer.ts'

const query = (name: string, type: 'A' | 'AAAA' = 'A', id = 7): Uint8Array =>
  encodeDnsQuery({ id, name, type }).subarray(2)
const asked = (server: DnsServer, name: string, type: 'A' | 'AAAA' = 'A'): readonly string[] =>
  decodeDnsAnswer(server.answer(query(name, type)) as Uint8Array, { id: 7, name, type })

test('a name gets an address that stands for it, always the same, and no IPv6', () => {
  const server = new DnsServer()
  const [address] = asked(server, 'Example.org')
  assert.match(address as string, /^198\.1[89]\.\d+\.\d+$/)
  assert.equal(server.nameOf(address as string), 'example.org')
  assert.deepEqual(asked(server, 'example.ORG'), [address])
  assert.notDeepEqual(asked(server, 'other.example'), [address])
  assert.deepEqual(asked(server, 'example.org', 'AAAA'), [])
})

test('addresses that stand for nothing have no name', () => {
  const server = new DnsServer()
  for (const text of ['198.18.0.1', '1.2.3.4', '198.18.0', '', 'a.b.c.d', '::1', '198.17.255.255', '255.255.255.255']) {
    assert.equal(server.nameOf(text), undefined, text)
  }
})

test('more names than there is room for: the ones that were asked for last stay, and no two have one address', () => {
  const server = new DnsServer()
  const first = asked(server, 'first.example')[0] as string
  let latest = ''
  for (let i = 0; i < 66_000; i++) {
    if (i === 65_000) assert.deepEqual(asked(server, 'first.example'), [first])
    latest = asked(server, `name-${i}.example`)[0] as string
    if (i % 1000 === 0) assert.equal(server.nameOf(latest), `name-${i}.example`)
  }
  assert.equal(server.nameOf(first), 'first.example')
  assert.equal(server.nameOf(latest), 'name-65999.example')
})

test('what is no plain question is not answered, and nothing breaks it', () => {
  const server = new DnsServer()
  const good = query('example.org')
  const changed = (at: number, value: number): Uint8Array => good.map((byte, i) => (i === at ? value : byte))
  for (const bad of [
    good.subarray(0, 11),
    good.subarray(0, good.length - 1),
    changed(2, 0x81),
    changed(2, 0x29),
    changed(5, 2),
    changed(12, 0xc0),
    changed(13, 0x20),
    changed(good.length - 1, 3),
  ]) {
    assert.equal(server.answer(bad), undefined)
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void server.answer(bytes)))
})
