/** Monitors disagree; a minority lies, vanishes, keeps its secret or is late. Scores stay what honest ones say, and rewards follow. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { minutes, seconds } from '../../src/foundation/base/units.ts'
import { ONE } from '../../src/protocol/economy/decimal.ts'
import { allPaid, checkRun } from '../faults/ledgerCheck.ts'
import { opinionOf } from '../faults/ledgerFaults.ts'
import type { LedgerReplay } from '../faults/ledgerReplay.ts'
import { CAPABILITIES, type Habit, LedgerRun } from '../faults/ledgerRun.ts'

/** Measurements differ by a few points. */
const honest = (lean: number): Habit => ({
  opinion: (nodeId, epochId) => Math.min(100, opinionOf(nodeId, epochId) + lean),
})
const HONEST = [honest(-2), honest(0), honest(3), honest(1)]
const [LOWEST, HIGHEST] = [-2, 3]

/** Between what the honest ones said; from the epoch on in which all of them took part. */
function staysHonest(replay: LedgerReplay, from: number, to: number): void {
  for (let epochId = from; epochId <= to; epochId++) {
    for (const i of CAPABILITIES.keys()) {
      const score = Number(replay.scoreOf(epochId, i + 1) / (ONE / 100n))
      const truth = opinionOf(i + 1, epochId)
      const [low, high] = [truth + LOWEST, Math.min(100, truth + HIGHEST)]
      assert.ok(score >= low && score <= high, `node ${i + 1} in ${epochId}: ${score} of ${low} to ${high}`)
    }
    allPaid(replay, epochId)
  }
}

const addressOf = (run: LedgerRun, monitor: number): string => run.monitors[monitor]!.account.address.toLowerCase()
const exclusionsOf = (run: LedgerRun, { exclusions }: LedgerReplay, monitor: number) =>
  exclusions.filter(({ who }) => who === addressOf(run, monitor)).map(({ epochId, reason }) => [epochId, reason])

test('of monitors that vanish, keep their secret or are late, the others go on', async () => {
  const vanishes = 31
  const run = await LedgerRun.start({
    seed: 'absent-monitors',
    monitors: [
      ...HONEST,
      { ...honest(0), commits: (epochId) => epochId < vanishes },
      { ...honest(0), reveals: (epochId) => epochId !== 30 },
      // A block or two before the end: some epochs it comes too late.
      { ...honest(0), revealsBefore: seconds(5) },
    ],
  })
  await run.untilEpoch(35)
  const replay = await checkRun(run)
  staysHonest(replay, 29, 33)
  // Whoever commits nothing has promised nothing.
  for (const monitor of [0, 1, 2, 3, 4]) assert.deepEqual(exclusionsOf(run, replay, monitor), [])
  assert.deepEqual(exclusionsOf(run, replay, 5), [[30, 'not revealed']])
  assert.ok(exclusionsOf(run, replay, 6).every(([, reason]) => reason === 'not revealed'))
})

test('liars of three kinds are outvoted and excluded, come back, and are excluded again', async () => {
  const ownNode = 4
  const run = await LedgerRun.start({
    seed: 'liars',
    monitors: [
      ...HONEST,
      { opinion: () => 0 },
      { opinion: (nodeId) => (nodeId % 2 === 0 ? 100 : 30) },
      // All others bad and its own good: too little on mean to be noticed, if it is only a little.
      { opinion: (nodeId, epochId) => (nodeId === ownNode ? 100 : Math.max(0, opinionOf(nodeId, epochId) - 15)) },
    ],
  })
  // The first epoch with all monitors; excluded for six, and back in the seventh.
  await run.untilEpoch(38, minutes(20))
  const replay = await checkRun(run)
  staysHonest(replay, 29, 36)
  for (const liar of [4, 5]) {
    const [first, second, ...more] = exclusionsOf(run, replay, liar)
    assert.equal(first?.[1], 'far')
    assert.equal(second?.[0], Number(first?.[0]) + 7, 'back after six epochs, and no better')
    assert.deepEqual(more, [])
  }
  // Whoever leans less than the tolerance stays, and moves nothing beyond the honest ones' range.
  for (const monitor of [0, 1, 2, 3, 6]) assert.deepEqual(exclusionsOf(run, replay, monitor), [])
})
