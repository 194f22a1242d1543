import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { clientOptions, memberOptions } from './connectOptions.ts'

test('members of a pool share no folder; the deadline for connecting it is none for who replaces them', () => {
  const signal = AbortSignal.abort()
  const replaces = new AbortController().signal
  assert.deepEqual(memberOptions({ folder: 'me', signal }, 2, undefined), { folder: 'me/client-2', signal })
  assert.equal(memberOptions({ folder: 'me', signal }, 2, replaces).signal, replaces)
  assert.equal('folder' in memberOptions({ signal }, 2, replaces), false)
})

const directory = 'http://127.0.0.1:8080/api'

test('what cannot be an option is refused by its name, before anything begins', () => {
  for (const [argument, value] of [
    ['connectTimeout', '5s'],
    ['connectTimeout', 0],
    ['connectTimeout', -1],
    ['connectTimeout', Number.NaN],
    ['signal', new AbortController()],
    ['signal', 5000],
    ['onEvent', 'tell me'],
    ['onMessage', {}],
    ['onPacket', 1],
    ['folder', ''],
    ['folder', 4],
    ['anonymous', 'false'],
    ['ca', 'x'],
    ['trafic', 'frugal'],
    ['locked', true],
    ['directories', [directory]],
  ] as const) {
    assert.throws(
      () => clientOptions({ directory, [argument]: value }),
      (error) => isMixnetError(error, 'BAD_ARGUMENT') && error.details.argument === argument,
      argument,
    )
  }
  for (const nothing of [undefined, null, directory]) {
    assert.throws(
      () => clientOptions(nothing as unknown as object),
      (error) => isMixnetError(error, 'BAD_ARGUMENT') && error.details.argument === 'directory',
    )
  }
})

test('what is one comes through', () => {
  const { signal } = new AbortController()
  const options = { folder: 'me', anonymous: false, signal, onEvent() {}, connectTimeout: 0.5, gateway: undefined }
  assert.deepEqual(clientOptions({ directory, ...options }), { directories: [directory], ...options })
})
