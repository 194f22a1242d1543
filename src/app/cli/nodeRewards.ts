/** `starling node rewards`: what a node has earned, why it was not more, and taking it out. @module */
import type { Address } from '../../network/ledger/chain.ts'
import type { Ledger, LedgerEvent } from '../../network/ledger/ledger.ts'
import { ONE, truncate } from '../../protocol/economy/decimal.ts'
import { explainEpoch, type SetRole } from '../../protocol/economy/estimate.ts'
import { amountText, decimalAmountText } from './amounts.ts'
import { paidText, whose } from './delegateCommands.ts'
import { type EpochNow, readEpoch } from './epochText.ts'
import { explanationLines } from './incomeText.ts'
import { openAccount, openChosenLedger } from './ledgerAccess.ts'
import { carryOut, type HandOptions } from './ledgerWrites.ts'
import { showEarnings, withdrawEarnings } from './nodeEarnings.ts'
import { costsText, ownNode } from './nodeLedgerCommands.ts'
import { lastHeardIn, revealsOf } from './nodeScore.ts'
import type { Session } from './session.ts'

export interface NodeRewardsOptions extends HandOptions {
  readonly account?: Address
  /** Default: the account's own. */
  readonly node?: number
  readonly withdraw: boolean
  readonly explain: boolean
}

const EPOCHS_SHOWN = 10

export async function showNodeRewards(session: Session, options: NodeRewardsOptions): Promise<number> {
  const { screen, world } = session
  const { ledger } = await openChosenLedger(session, options)
  const nodeId = options.node ?? (await ownNode(ledger, await whose(session, options)))
  const epoch = await readEpoch(ledger, world.clock.now() / 1000)
  const { results } = await ledger.readAll(
    [
      { contract: 'mixnet', fn: 'bondOf', args: [nodeId] },
      { contract: 'mixnet', fn: 'rewardingOf', args: [nodeId] },
      { contract: 'mixnet', fn: 'pendingOperatorReward', args: [nodeId] },
    ],
    { block: epoch.block },
  )
  const [{ originalPledge, host, identityKey }, node, pending] = results
  for (const { args } of (await rewardsOf(ledger, nodeId)).slice(-EPOCHS_SHOWN)) {
    const percent = `${Number(args.performance / 10n ** 14n) / 100} %`
    screen.step(
      `epoch ${args.epochId}`,
      `${decimalAmountText(args.operatorReward)} for you, ${decimalAmountText(args.delegatesReward)} for delegators, at ${percent}`,
      undefined,
      {
        event: 'rewarded',
        epoch: args.epochId,
        operator: String(args.operatorReward),
        delegates: String(args.delegatesReward),
        performance: String(args.performance),
      },
    )
  }
  screen.step('node', `${nodeId}, ${host}   ${costsText(node.profitMargin, node.intervalOperatingCost)}`)
  screen.step(
    'stake',
    `${amountText(originalPledge)} of its operator, ${decimalAmountText(node.delegates)} of ${node.uniqueDelegations} delegators`,
  )
  screen.step('rewards', `${decimalAmountText(pending)} to take out`, undefined, {
    event: 'rewards',
    nodeId,
    pledgeUnym: String(originalPledge),
    rewardUnym: String(truncate(pending)),
    delegates: String(node.delegates),
  })
  const earned = await showEarnings(session, ledger, identityKey, epoch)
  if (options.explain) await explain(session, ledger, nodeId, epoch)
  if (!options.withdraw) return 0
  const account = await openAccount(session, ledger, options)
  const hand = { session, ledger, account, choice: options }
  if (truncate(pending) === 0n && earned > 0n) return withdrawEarnings(hand, identityKey, earned)
  const code = await carryOut(hand, {
    contract: 'mixnet',
    fn: 'withdrawOperatorReward',
    args: [],
    effects: [
      [
        'withdraw',
        `${decimalAmountText(pending)} to ${account.address}; the pledge of ${amountText(originalPledge)} stays`,
      ],
      ['when', 'at once; what is taken out is no stake any more'],
    ],
    done: (events) => ({ text: `${paidText(events, 'OperatorRewardWithdrawn')} withdrawn`, event: { nodeId } }),
    look: 'starling node rewards',
  })
  return code === 0 && earned > 0n ? withdrawEarnings(hand, identityKey, earned) : code
}

/** What the epoch that runs will pay, should its performance be that of the last; what it could, where nobody has measured it. */
async function explain(
  { screen }: Session,
  ledger: Ledger,
  nodeId: number,
  { block, interval }: EpochNow,
): Promise<void> {
  const last = interval.totalElapsedEpochs - 1
  const { results } = await ledger.readAll(
    [
      { contract: 'mixnet', fn: 'rewardingParams', args: [] },
      { contract: 'mixnet', fn: 'rewardingOf', args: [nodeId] },
      { contract: 'rewardedSet', fn: 'slice', args: [0, 0xffff_ffff] },
      { contract: 'performance', fn: 'isSettled', args: [Math.max(0, last)] },
    ],
    { block },
  )
  const [params, node, [ids, standby], isSettled] = results
  const score = isSettled ? ((await ledger.read('performance', 'scoresOf', [last, [nodeId]], { block }))[0] ?? 0n) : 0n
  // Nothing measured and measured as nothing are the same number there.
  const isMeasured = score > 0n || lastHeardIn(await revealsOf(ledger), nodeId, last) !== undefined
  const performance = isMeasured ? score : ONE
  const place = ids.indexOf(nodeId)
  const role: SetRole = place < 0 ? 'none' : standby[place] ? 'standby' : 'active'
  const told = explainEpoch(params, { stake: node, costs: node, performance }, role, interval.epochsInInterval)
  if (isMeasured) {
    const percent = Number(performance / 10n ** 14n) / 100
    screen.line(`\n  Epoch ${interval.totalElapsedEpochs}, if the node performs as in the last (${percent} %):`)
  } else {
    screen.line('\n  No score yet: no monitor has said anything of this node, and until one does it earns nothing.')
    screen.line(`  Epoch ${interval.totalElapsedEpochs}, were it measured at 100 %:`)
  }
  const [first, ...lines] = explanationLines(told)
  if (first === undefined) return
  screen.step(...first, undefined, {
    event: 'explained',
    epoch: interval.totalElapsedEpochs,
    measured: isMeasured,
    role,
    best: String(told.best),
    earned: String(told.earned),
    losses: told.losses.map(({ cause, amount }) => ({ cause, amount: String(amount) })),
  })
  for (const [label, text] of lines) screen.step(label, text)
}

async function rewardsOf(ledger: Ledger, nodeId: number): Promise<readonly LedgerEvent<'mixnet', 'NodeRewarded'>[]> {
  const events: LedgerEvent<'mixnet', 'NodeRewarded'>[] = []
  for (let cursor: Parameters<Ledger['events']>[0]['cursor']; ; ) {
    const page = await ledger.events({ contract: 'mixnet', event: 'NodeRewarded', filter: { nodeId }, cursor })
    events.push(...page.events)
    if (page.complete) return events
    cursor = page.cursor
  }
}
