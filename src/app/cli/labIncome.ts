/** `starling lab income`: what a node would earn, and why not more, from what is typed. @module */
import {
  chosenParams,
  DEFAULT_YEAR,
  EPOCHS_IN_DAY,
  EPOCHS_IN_INTERVAL,
  UNYM_IN_NYM,
} from '../../lab/economy/yearOptions.ts'
import { formatDecimal, type Percent, whole } from '../../protocol/economy/decimal.ts'
import { delegatorShare, expectedIncome, explainEpoch, type NodeSituation } from '../../protocol/economy/estimate.ts'
import { deriveParams, type RewardSplit } from '../../protocol/economy/rewards.ts'
import { explanationLines, nymText } from './incomeText.ts'
import type { Session } from './session.ts'

export interface IncomeOptions {
  /** NYM. */
  readonly pledge: number
  readonly delegated: number
  /** Of an interval, NYM. */
  readonly cost: number
  // Commander writes defaults as JSON, which has no Decimals.
  readonly margin: Percent
  readonly performance: Percent
  readonly chance: Percent
}

/** The delegation that is asked about, NYM. */
const A_DELEGATION = 1_000n

export async function showIncome({ screen }: Session, options: IncomeOptions): Promise<number> {
  const params = deriveParams(chosenParams(DEFAULT_YEAR), EPOCHS_IN_INTERVAL)
  const unym = (nym: number) => BigInt(nym) * UNYM_IN_NYM
  const node: NodeSituation = {
    stake: { operator: whole(unym(options.pledge)), delegates: whole(unym(options.delegated)) },
    costs: { profitMargin: options.margin, intervalOperatingCost: unym(options.cost) },
    performance: options.performance,
  }
  const lengths = { epochsInInterval: EPOCHS_IN_INTERVAL, epochsInDay: EPOCHS_IN_DAY }
  const income = expectedIncome(params, node, { active: options.chance, standby: 0n }, lengths)
  const told = explainEpoch(params, node, 'active', EPOCHS_IN_INTERVAL)
  for (const [label, text] of explanationLines(told)) screen.step(label, text)
  const split = ({ operator, delegates }: RewardSplit) =>
    `${nymText(operator)} NYM for the operator, ${nymText(delegates)} for delegators`
  screen.step('epoch', `${split(income.whenActive)}, where it is active`)
  screen.step('day', split(income.day))
  screen.step('interval', split(income.interval))
  const share = delegatorShare(income.interval.delegates, node.stake, A_DELEGATION * UNYM_IN_NYM)
  screen.step('delegator', `${nymText(share)} NYM an interval for each ${A_DELEGATION} NYM`, undefined, {
    event: 'income',
    // Exact, in unym.
    best: formatDecimal(told.best),
    reward: formatDecimal(told.earned),
    losses: told.losses.map(({ cause, amount }) => ({ cause, amount: formatDecimal(amount) })),
    uncoveredCost: formatDecimal(told.uncoveredCost),
    idleStake: formatDecimal(told.idleStake),
    weight: formatDecimal(told.weight),
    operator: formatDecimal(income.whenActive.operator),
    delegates: formatDecimal(income.whenActive.delegates),
    operatorInterval: formatDecimal(income.interval.operator),
    delegatesInterval: formatDecimal(income.interval.delegates),
  })
  return 0
}
