/** A share of the random histories, in a thread of its own: the test runner follows every promise, and here most of the time goes there. @module */

import { parentPort, workerData } from 'node:worker_threads'
import fc from 'fast-check'
import { MixnetFixture } from './mixnet.ts'
import { histories } from './mixnetActions.ts'
import { HISTORY_CONFIG, MixnetHistory } from './mixnetHistory.ts'

/** `path` as fast-check prints it: that one history, again. */
export interface HistoryShare {
  readonly runs: number
  readonly seed: number
  readonly path?: string
}

/** `failure`: the seed, and the shortest history that shows it. */
export interface HistoryReport {
  readonly failure: string | undefined
  readonly counts: ReadonlyMap<string, number>
}

async function playShare({ runs, seed, path }: HistoryShare): Promise<HistoryReport> {
  const { params: rewarding, operatorsParams: operators, ...clock } = HISTORY_CONFIG
  const contract = await MixnetFixture.create({ ...clock, rewarding, operators })
  await MixnetHistory.fundPeople(contract)
  const counts = new Map<string, number>()
  const property = fc.asyncProperty(histories(), (history) =>
    contract.evm.undone(async () => {
      const played = new MixnetHistory(contract)
      await played.play(history)
      for (const [what, count] of played.counts) counts.set(what, (counts.get(what) ?? 0) + count)
    }),
  )
  const details = await fc.check(property, { numRuns: runs, seed, ...(path === undefined ? {} : { path }) })
  if (!details.failed) return { failure: undefined, counts }
  const lines = details.counterexample?.[0].map((action) => JSON.stringify(action)) ?? []
  const { errorInstance } = details
  const why = errorInstance instanceof Error ? errorInstance.stack : String(errorInstance)
  return { failure: [`seed ${seed}, path ${details.counterexamplePath}`, ...lines, why].join('\n'), counts }
}

parentPort?.postMessage(await playShare(workerData as HistoryShare))
