/** As test/contracts/histories.test.ts, five hundred of them. @module */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { INTERESTING, playHistories, RARE } from '../support/histories.ts'

const RUNS = 500
const SEED = Number(process.env.SEED ?? 20261129)

it(`${RUNS} random histories: contract and model agree, and no coin is made or lost`, async (t) => {
  const counts = await playHistories([0, 1].map((i) => ({ runs: RUNS / 2, seed: SEED + i })))
  for (const [what, count] of [...counts].sort()) t.diagnostic(`${what}: ${count}`)
  for (const what of [...INTERESTING, ...RARE]) assert.ok((counts.get(what) ?? 0) > 0, what)
})
