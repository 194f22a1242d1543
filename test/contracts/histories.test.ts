/**
 * Random histories of 200 actions on the contract and on the model written from the same rules without it, and what must be true of
 * money in all of them: test/support/mixnetHistory.ts. Five hundred of them are in test/slow/histories.slow.ts. `HISTORIES`, `SEED` and
 * `HISTORY_PATH` in the environment ask for others, or for one again that failed. @module
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { INTERESTING, playHistories } from '../support/histories.ts'

const RUNS = Number(process.env.HISTORIES ?? 100)
const SEED = Number(process.env.SEED ?? 20261129)
const path = process.env.HISTORY_PATH

it(`${RUNS} random histories: contract and model agree, and no coin is made or lost`, async (t) => {
  const shares =
    path === undefined
      ? [0, 1].map((i) => ({ runs: Math.ceil(RUNS / 2), seed: SEED + i }))
      : [{ runs: 1, seed: SEED, path }]
  const counts = await playHistories(shares)
  for (const [what, count] of [...counts].sort()) t.diagnostic(`${what}: ${count}`)
  if (RUNS >= 100 && path === undefined) for (const what of INTERESTING) assert.ok((counts.get(what) ?? 0) > 0, what)
})
