import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { Secret } from './secret.ts'

test('no way of printing a secret shows it', () => {
  const secret = new Secret(Uint8Array.of(222, 173, 190, 239))
  for (const text of [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ deep: { secret } }, { showHidden: true, depth: 9 }),
  ]) {
    assert.match(text, /\[secret\]/)
    assert.doesNotMatch(text, /222|dead|3q2/i)
  }
  assert.deepEqual(secret.expose(), Uint8Array.of(222, 173, 190, 239))
})
