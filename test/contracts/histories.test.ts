/**
 * Random histories of 200 actions on the contract and on the model written from the same rules without it. A failure prints the seed
 * and the shortest history that shows it: `fc.assert(…, { seed, path })` plays it again. @module
 */

import { it } from 'node:test'
import fc from 'fast-check'
import { MixnetFixture } from '../support/mixnet.ts'
import { type Action, histories } from '../support/mixnetActions.ts'
import { HISTORY_CONFIG, MixnetHistory } from '../support/mixnetHistory.ts'

const RUNS = Number(process.env.HISTORIES ?? 20)

it(`${RUNS} random histories: contract and model agree, and no coin is made or lost`, async (t) => {
  const { firstEpochId, epochsInInterval, epochLength, params, operatorsParams } = HISTORY_CONFIG
  const contract = await MixnetFixture.create({
    firstEpochId,
    epochsInInterval,
    epochLength,
    rewarding: params,
    operators: operatorsParams,
  })
  await MixnetHistory.fundPeople(contract)
  const counts = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(histories(), async (history: readonly Action[]) => {
      await contract.evm.undone(async () => {
        const played = new MixnetHistory(contract)
        await played.play(history)
        for (const [what, count] of played.counts) counts.set(what, (counts.get(what) ?? 0) + count)
      })
    }),
    { numRuns: RUNS, seed: Number(process.env.SEED ?? 1) },
  )
  for (const [what, count] of [...counts].sort()) t.diagnostic(`${what}: ${count}`)
})
