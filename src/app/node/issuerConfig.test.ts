/** How many issuers must sign, so that no deposit buys two books. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { lowestThreshold } from './issuerConfig.ts'

const issuer = (index: number) => ({
  index,
  identity: new Uint8Array(32).fill(index),
  url: `http://issuer-${index}.test`,
})
const key = new Uint8Array(680)

function lowest(now: readonly number[], before: readonly number[] = [], threshold = 0): number {
  const members = before.map((index) => ({ ...issuer(index), key }))
  const previous = { epochId: 0, threshold, masterKey: key, members }
  return lowestThreshold({ issuers: now.map(issuer), ...(before.length === 0 ? {} : { previous }) })
}

describe('the lowest threshold', () => {
  it('is more than half of new issuers', () => {
    assert.deepEqual([lowest([1]), lowest([1, 2]), lowest([1, 2, 3, 4, 5])], [1, 2, 3])
  })

  it('is more than may not know that a deposit was used, where a key is handed on', () => {
    const five = [1, 2, 3, 4, 5]
    assert.equal(lowest(five, five, 3), 3)
    assert.equal(lowest([...five, 6], five, 3), 4)
    // Book one of 1, 2 and 3; then 1 goes, and 4, 5 and 6 have never seen the deposit.
    assert.equal(lowest([2, 3, 4, 5, 6], five, 3), 4)
    assert.equal(lowest([4, 5], five, 3), 3, 'they alone: none that is safe')
    assert.equal(lowest([6, 7, 8], five, 3), 4, 'nobody stays: none that is safe')
  })
})
