import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { parseIp } from '../../foundation/base/ipAddress.ts'
import type { Files } from '../../foundation/platform/files.ts'
import { evaluateExitPolicy, isOpenExitPolicy } from '../../protocol/wire/exit/exitPolicy.ts'
import { DEFAULT_EXIT_POLICY, DEFAULT_EXIT_POLICY_TEXT } from './defaultPolicy.ts'
import { DEFAULT_EXIT_RULES, loadExitRules } from './exitRules.ts'

const files = (contents: Readonly<Record<string, string>>): Files =>
  ({
    read: async (path: string) => (contents[path] === undefined ? undefined : utf8(contents[path])),
  }) as unknown as Files

test('the built-in policy opens known ports, blocks a few networks, and ends with no', () => {
  const decide = (ip: string, port: number) => evaluateExitPolicy(DEFAULT_EXIT_POLICY, parseIp(ip) as Uint8Array, port)
  for (const port of [22, 80, 443, 5222, 8333, 9735, 65_535]) assert.equal(decide('8.8.8.8', port), 'accept', `${port}`)
  for (const port of [25, 1, 2375, 6379, 49_999]) assert.equal(decide('8.8.8.8', port), 'reject', `${port}`)
  assert.equal(decide('2606:4700::1111', 443), 'accept')
  assert.equal(decide('5.188.11.255', 443), 'reject')
  assert.equal(decide('45.43.128.1', 443), 'reject')
  assert.ok(DEFAULT_EXIT_POLICY_TEXT.endsWith('\nExitPolicy reject *:*'))
})

test('rules: built in, from a file, open', async () => {
  assert.deepEqual(await loadExitRules(files({})), DEFAULT_EXIT_RULES)
  const policy = await loadExitRules(files({ mine: '# mine\nExitPolicy accept *:443\n' }), {
    policyPath: 'mine',
    source: 'https://example.org/policy',
  })
  assert.equal(policy.policy.rules.length, 1)
  assert.equal(policy.source, 'https://example.org/policy')
  const open = await loadExitRules(files({}), { openProxy: true, allowLocalAddresses: true, source: 'x' })
  assert.ok(isOpenExitPolicy(open.policy) && open.openProxy && open.allowLocalAddresses)
  assert.equal(open.source, '')
})

test('a policy that is missing or wrong in one line stops the start, and says where', async () => {
  const invalid = (message: RegExp) => (error: unknown) =>
    isMixnetError(error, 'CONFIG_INVALID') && message.test(error.message)
  await assert.rejects(loadExitRules(files({}), { policyPath: 'mine' }), invalid(/no such file/))
  const wrong = files({ mine: 'ExitPolicy accept *:443\nExitPolicy allow *:80\n' })
  await assert.rejects(loadExitRules(wrong, { policyPath: 'mine' }), invalid(/line 2.*unknown action/))
})
