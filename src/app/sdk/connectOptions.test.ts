import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memberOptions } from './connectOptions.ts'

test('members of a pool share no folder; the deadline for connecting it is none for who replaces them', () => {
  const signal = AbortSignal.abort()
  const replaces = new AbortController().signal
  assert.deepEqual(memberOptions({ folder: 'me', signal }, 2, undefined), { folder: 'me/client-2', signal })
  assert.equal(memberOptions({ folder: 'me', signal }, 2, replaces).signal, replaces)
  assert.equal('folder' in memberOptions({ signal }, 2, replaces), false)
})
