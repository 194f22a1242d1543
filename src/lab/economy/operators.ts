/**
 * The operators of the lab: who they are, how well their nodes run, and what each strategy does at the end of an interval. @module
 */
import { below, type Random, type RandomStream } from '../../foundation/platform/random.ts'
import { ONE, type Percent, plus, ratio, type Unym } from '../../protocol/economy/decimal.ts'
import { type CostParams, clampCosts, saturations } from '../../protocol/economy/rewards.ts'
import { type Capabilities, type LabLedger, type LabNode, MINIMUM_PLEDGE } from './labLedger.ts'
import { tailed } from './tailed.ts'
import { COST_RANGE, EPOCHS_IN_DAY, UNYM_IN_NYM } from './yearOptions.ts'

export const OPERATOR_STRATEGIES = {
  steady: 'keeps its margin, runs well, takes its rewards out every interval',
  undercutter: 'lowers its margin while delegators stay away, raises it when it is full',
  splitter: 'opens another node with its rewards whenever its nodes are full (Sybil)',
  lazy: 'runs badly: an outage every week, late updates',
  leaver: 'runs well, and unbonds on some day of the year',
} as const

export type OperatorStrategy = keyof typeof OPERATOR_STRATEGIES

/** Of twenty operators. */
const SHARES: readonly (readonly [OperatorStrategy, number])[] = [
  ['steady', 9],
  ['undercutter', 4],
  ['splitter', 2],
  ['lazy', 3],
  ['leaver', 2],
]

export interface Operator {
  readonly account: number
  readonly strategy: OperatorStrategy
  readonly nodes: LabNode[]
  /** Epoch in which a leaver unbonds. */
  readonly leavesAt: number | undefined
}

/** Least pledge of the lab's operators: with the tail, most have some ten thousand NYM. */
const LEAST_PLEDGE_NYM = 4_000n
const PLEDGE_DOUBLINGS = 6
const OPERATING_COST_NYM = { least: 200, most: 1_000 } as const
const STEP = ratio(5, 100)
const FULL = ratio(9, 10)
const NEARLY_EMPTY = ratio(8, 10)
const NODES_OF_A_SPLITTER = 10

/** What each begins with, by account. */
export const operatorWallets = (random: Random, count: number): readonly Unym[] => {
  const stream = random.stream('pledges')
  return Array.from({ length: count }, () => tailed(stream, LEAST_PLEDGE_NYM * UNYM_IN_NYM, PLEDGE_DOUBLINGS))
}

/** Accounts 0 to `count` - 1; each bonds its first node with all it has. */
export function bondOperators(ledger: LabLedger, random: Random, count: number, epochs: number): readonly Operator[] {
  const stream = random.stream('operators')
  const deck = SHARES.flatMap(([strategy, share]) => Array.from({ length: share }, () => strategy))
  return Array.from({ length: count }, (_, account) => {
    const strategy = deck[account % deck.length] ?? 'steady'
    const costs = {
      profitMargin: ratio(below(stream, 21) + 20, 100),
      intervalOperatingCost:
        BigInt(OPERATING_COST_NYM.least + below(stream, OPERATING_COST_NYM.most - OPERATING_COST_NYM.least + 1)) *
        UNYM_IN_NYM,
    }
    const leavesAt = strategy === 'leaver' ? below(stream, epochs) : undefined
    const node = ledger.bond(account, ledger.wallet(account), costs, capabilitiesOf(stream))
    return { account, strategy, nodes: [node], leavesAt }
  })
}

/** As the roles of a real network: every node mixes or is a gateway, most gateways are exits too, a third can do all. */
function capabilitiesOf(stream: RandomStream): Capabilities {
  const kind = below(stream, 6)
  if (kind < 2) return { entry: true, exit: true, mix: true }
  if (kind === 2) return { entry: false, exit: false, mix: true }
  if (kind === 3) return { entry: true, exit: false, mix: false }
  return { entry: true, exit: true, mix: false }
}

/** Once an epoch. */
export function leaveWhenDue(operator: Operator, ledger: LabLedger): void {
  if (operator.leavesAt !== ledger.epoch) return
  for (const node of operator.nodes) if (node.state === 'bonded') ledger.unbond(node)
}

/** Once an interval, at its beginning. Gives the node that was bonded, if there is one. */
export function endOfInterval(operator: Operator, ledger: LabLedger): LabNode | undefined {
  const bonded = operator.nodes.filter((node) => node.state === 'bonded')
  for (const node of bonded) ledger.withdrawOperatorReward(node)
  if (operator.strategy === 'undercutter') for (const node of bonded) undercut(node, ledger)
  return operator.strategy === 'splitter' ? split(operator, bonded, ledger) : undefined
}

function undercut(node: LabNode, ledger: LabLedger): void {
  const saturation = saturationOf(node, ledger)
  const { profitMargin, intervalOperatingCost } = node.rewarding
  const wanted =
    saturation < NEARLY_EMPTY ? profitMargin - STEP : saturation >= ONE ? profitMargin + STEP : profitMargin
  const costs = clampCosts({ profitMargin: wanted, intervalOperatingCost }, COST_RANGE)
  if (costs.profitMargin !== profitMargin) ledger.changeCosts(node, costs)
}

function split({ account, nodes }: Operator, bonded: readonly LabNode[], ledger: LabLedger): LabNode | undefined {
  const [first] = bonded
  const pledge = ledger.wallet(account)
  if (first === undefined || nodes.length >= NODES_OF_A_SPLITTER || pledge < MINIMUM_PLEDGE) return undefined
  if (bonded.some((node) => saturationOf(node, ledger) < FULL)) return undefined
  const costs: CostParams = first.rewarding
  const { profitMargin, intervalOperatingCost } = costs
  const node = ledger.bond(account, pledge, { profitMargin, intervalOperatingCost }, first.capabilities)
  nodes.push(node)
  return node
}

const saturationOf = ({ rewarding }: LabNode, { params }: LabLedger): Percent =>
  saturations(rewarding, params.stakeSaturationPoint).bond

/** How full, without the cap at 1. */
export const uncappedSaturation = ({ rewarding }: LabNode, { params }: LabLedger): bigint =>
  (plus(rewarding.operator, rewarding.delegates) * ONE) / params.stakeSaturationPoint

/** Percent while it runs, the most that is off it, hours between outages and hours of one: means. */
interface Uptime {
  readonly usual: number
  readonly off: number
  readonly hoursBetween: number
  readonly hoursDown: number
}

const GOOD: Uptime = { usual: 100, off: 2, hoursBetween: 60 * EPOCHS_IN_DAY, hoursDown: 3 }
const BAD: Uptime = { usual: 97, off: 12, hoursBetween: 7 * EPOCHS_IN_DAY, hoursDown: 10 }

/** Scores of one node, epoch by epoch, in percent as the ledger has them. */
export class PerformanceTrace {
  readonly #uptime: Uptime
  readonly #stream: RandomStream
  #down = false

  constructor(strategy: OperatorStrategy, stream: RandomStream) {
    this.#uptime = strategy === 'lazy' ? BAD : GOOD
    this.#stream = stream
  }

  next(): number {
    const { usual, off, hoursBetween, hoursDown } = this.#uptime
    const turns = below(this.#stream, this.#down ? hoursDown : hoursBetween) === 0
    if (turns) this.#down = !this.#down
    // Drawn in both states, so that an outage leaves the draws behind it alone.
    const wobble = below(this.#stream, off + 1)
    return this.#down ? 0 : usual - wobble
  }
}
