/** Random histories, spread over threads. @module */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { HistoryReport, HistoryShare } from './historyWorker.ts'

/** What a history can lead to has to happen in some of a hundred, or they would show nothing. */
export const INTERESTING: readonly string[] = [
  'NodeRewarded',
  'NodeNotRewarded',
  'DelegationRefunded',
  'Undelegated',
  'DelegatorRewardWithdrawn',
  'OperatorRewardWithdrawn',
  'Unbonded',
  'PledgeChanged',
  'CostParamsChanged',
  'ParamsChanged',
  'orphaned dust',
  'rewardNodes ScoresNotSettled',
  'updateRewardingParams done',
  'updateActiveSetDistribution done',
  'updateIntervalConfig done',
  'delegate Unbonding',
]
/** And these in some of five hundred. */
export const RARE: readonly string[] = ['unbond PendingPledgeChange']

async function inThread(share: HistoryShare): Promise<HistoryReport> {
  const worker = new Worker(new URL('historyWorker.ts', import.meta.url), { workerData: share })
  const [report] = (await once(worker, 'message')) as [HistoryReport]
  await worker.terminate()
  return report
}

/** How often each thing happened in them. Throws with the shortest history that fails, and the seed and path that play it again. */
export async function playHistories(shares: readonly HistoryShare[]): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const report of await Promise.all(shares.map(inThread))) {
    assert.equal(report.failure, undefined)
    for (const [what, count] of report.counts) counts.set(what, (counts.get(what) ?? 0) + count)
  }
  return counts
}
