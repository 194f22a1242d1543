import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ONE, ratio } from '../../protocol/economy/decimal.ts'
import { gini, nakamoto } from './concentration.ts'

it('the Gini coefficient is 0 of equals, and (n-1)/n where one has all', () => {
  assert.equal(gini([5n, 5n, 5n]), 0n)
  assert.equal(gini([0n, 0n, 0n, 8n]), ratio(3, 4))
  // Known: 1, 2, 3, 4 is 0.25.
  assert.equal(gini([4n, 1n, 3n, 2n]), ONE / 4n)
  assert.equal(gini([]), 0n)
  assert.equal(gini([0n, 0n]), 0n)
})

it('the Nakamoto coefficient counts the largest until they have more than a third', () => {
  assert.equal(nakamoto([1n, 1n, 1n]), 2)
  assert.equal(nakamoto([1n, 1n, 1n, 10n]), 1)
  assert.equal(nakamoto([3n, 3n, 3n, 3n, 3n, 3n]), 3)
  assert.equal(nakamoto([3n, 3n, 3n, 3n, 3n, 3n], 2n), 5)
  assert.equal(nakamoto([]), 0)
  assert.equal(nakamoto([0n]), 0)
})
