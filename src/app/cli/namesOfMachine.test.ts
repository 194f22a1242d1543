import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../foundation/base/bytes.ts'
import { nameServersOf, tellLocalResolver } from './namesOfMachine.ts'

test('who looks names up is told as it is', async () => {
  assert.equal(await tellLocalResolver(false, '10.64.0.1', undefined), 'looked up by the exit that connects')
  assert.equal(await tellLocalResolver(false, '10.64.0.1', '9.9.9.9'), 'asked of 9.9.9.9, through the mixnet')
})

test('the servers of resolv.conf, as far as they are addresses, and whether one is on this machine', async () => {
  const of = async (text: string | undefined) => {
    const read = async () => (text === undefined ? undefined : utf8(text))
    const { direct, isLocal } = await nameServersOf({ read })
    return [[...direct], isLocal]
  }
  assert.deepEqual(await of('nameserver 9.9.9.9\nnameserver 2620:FE::FE\n'), [['9.9.9.9', '2620:fe::fe'], false])
  assert.deepEqual(await of('nameserver 127.0.0.53\nnameserver 9.9.9.9\n'), [['9.9.9.9'], true])
  assert.deepEqual(await of('nameserver ::1'), [[], true])
  assert.deepEqual(await of('# nameserver 9.9.9.9\nnameserver a.b.c\n'), [[], true])
  assert.deepEqual(await of(undefined), [[], true])
})
