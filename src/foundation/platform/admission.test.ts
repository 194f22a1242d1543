import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admission } from './admission.ts'

test('so many in all, so many from one address, an IPv6 /64 being one; who leaves makes room, once', () => {
  const refused: string[] = []
  const admission = new Admission({ maxConnections: 4, maxPerAddress: 2, onRefused: (reason) => refused.push(reason) })
  const first = admission.enter('2001:db8::1')
  assert.ok(first && admission.enter('2001:db8::ffff:0:0:1'))
  assert.equal(admission.enter('2001:db8:0:0:9::'), undefined)
  assert.ok(admission.enter('2001:db8:0:1::1') && admission.enter('192.0.2.1'))
  assert.equal(admission.enter('192.0.2.1'), undefined)
  assert.equal(admission.enter('::ffff:192.0.2.1'), undefined)
  assert.deepEqual(refused, ['connections-of-address', 'connections', 'connections'])
  first()
  assert.equal(admission.connections, 3)
  assert.ok(admission.enter('::ffff:192.0.2.1'))
  assert.equal(admission.enter('192.0.2.1'), undefined)
  assert.equal(refused.at(-1), 'connections-of-address')
})
