import assert from 'node:assert/strict'
import { it } from 'node:test'
import { parseDecimal, ratio, whole } from '../../protocol/economy/decimal.ts'
import { explanationLines, nymText } from './incomeText.ts'

it('writes NYM with four places, cut and not rounded', () => {
  assert.equal(nymText(parseDecimal('14551755.442017081540786375')), '14.5517')
  assert.equal(nymText(whole(1_234_567_999_999n)), '1,234,567.9999')
  assert.equal(nymText(0n), '0.0000')
  assert.equal(nymText(-whole(1_500_000)), '-1.5000')
})

it('names each loss, a gain as one, and says only what there is to say', () => {
  const told = {
    best: whole(20_000_000),
    earned: whole(3_000_000),
    losses: [
      { cause: 'emission', amount: -whole(1_000_000) },
      { cause: 'performance', amount: whole(18_000_000) },
    ],
    split: { operator: whole(3_000_000), delegates: 0n },
    uncoveredCost: whole(500_000),
    idleStake: ratio(1, 2),
    weight: ratio(1, 8),
  } as const
  assert.deepEqual(
    explanationLines(told).map(([label, text]) => `${label} ${text}`),
    [
      'best 20.0000 NYM an epoch: full, by its own pledge alone, active, 100 %',
      'more 1.0000 NYM: the pool gives more than in the interval before',
      'less 18.0000 NYM: performance below 100 %',
      'reward 3.0000 NYM for the node',
      'cost 0.5000 NYM of it uncovered: delegators get nothing',
      'idle 50.00 % of its stake is above the saturation point and earns nothing',
      "draw weight 12.50 % of a full node's at 100 %",
    ],
  )
  const plain = explanationLines({ ...told, losses: [], uncoveredCost: 0n, idleStake: 0n })
  assert.deepEqual(
    plain.map(([label]) => label),
    ['best', 'reward', 'draw'],
  )
})
