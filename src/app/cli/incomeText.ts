/** What a node earns and why it was less, as a person reads it: NYM, and a cause a line. @module */
import { type Decimal, ONE } from '../../protocol/economy/decimal.ts'
import type { EpochExplanation, LossCause } from '../../protocol/economy/estimate.ts'

const CAUSES: Readonly<Record<LossCause, string>> = {
  emission: 'the pool gives less than in the interval before',
  performance: 'performance below 100 %',
  pledge: "the operator's own stake is below the saturation point",
  stake: 'all stake together is below the saturation point',
  standby: 'on standby, where work counts less',
  'not-drawn': 'not drawn into the rewarded set',
}

const PLACES = 4
const UNYM_IN_NYM = 1_000_000n

/** A raw Decimal of unym, in NYM with four places, cut: 12.3456. Below zero too. */
export function nymText(amount: Decimal): string {
  const scale = 10n ** BigInt(PLACES)
  const cut = (amount * scale) / (ONE * UNYM_IN_NYM)
  const [sign, size] = cut < 0n ? ['-', -cut] : ['', cut]
  const integer = (size / scale).toString().replace(/\B(?=(\d{3})+$)/g, ',')
  return `${sign}${integer}.${(size % scale).toString().padStart(PLACES, '0')}`
}

/** One or two words, and what they say: the best, what was taken off it, what was left. */
export function explanationLines(told: EpochExplanation): readonly (readonly [string, string])[] {
  const percent = (part: Decimal) => `${(Number((part * 10_000n) / ONE) / 100).toFixed(2)} %`
  return [
    ['best', `${nymText(told.best)} NYM an epoch: full, by its own pledge alone, active, 100 %`],
    ...told.losses.map(({ cause, amount }) => {
      const gained = amount < 0n
      const text = gained ? 'the pool gives more than in the interval before' : CAUSES[cause]
      return [gained ? 'more' : 'less', `${nymText(gained ? -amount : amount)} NYM: ${text}`] as const
    }),
    ['reward', `${nymText(told.earned)} NYM for the node`],
    ...(told.uncoveredCost > 0n
      ? [['cost', `${nymText(told.uncoveredCost)} NYM of it uncovered: delegators get nothing`] as const]
      : []),
    ...(told.idleStake > 0n
      ? [['idle', `${percent(told.idleStake)} of its stake is above the saturation point and earns nothing`] as const]
      : []),
    ['draw', `weight ${percent(told.weight)} of a full node's at 100 %`],
  ]
}
