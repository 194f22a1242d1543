/**
 * A link that loses everything, in one epoch: real monitors see it, the ledger pays for it. Nobody can tell which end of a link is to blame, so
 * both of its ends lose a part of what passes it; no other node does. @module
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seconds } from '../../src/foundation/base/units.ts'
import { ONE } from '../../src/protocol/economy/decimal.ts'
import { ROLE } from '../../src/protocol/economy/draw.ts'
import { PacketRun } from '../faults/ledgerPackets.ts'

test('what one link loses costs its two ends a part, and nobody else anything', async (t) => {
  const run = await PacketRun.start({
    seed: 'one-link',
    size: { mixNodes: 6, entries: 2, exits: 1 },
    epoch: seconds(120),
  })
  const { simulation, testnet } = run
  for (const i of [0, 1]) await run.startMonitor(i)
  // Nobody may commit in the epoch in which it joins, and monitors begin with a whole one.
  const epochId = run.epochId + 2
  await run.untilEpoch(epochId)
  const inRole = (wanted: string) => testnet.directory.nodes.find(({ role }) => role === wanted)!.nodeId
  const hostOf = (nodeId: number) => testnet.nodes.find(({ plan }) => plan.nodeId === nodeId)!.plan.host
  const ends = [inRole('layer1'), inRole('layer2')] as const
  simulation.shapeLink(hostOf(ends[0]), hostOf(ends[1]), { loss: 1 })
  await run.untilEpoch(epochId + 1)
  simulation.shapeLink(hostOf(ends[0]), hostOf(ends[1]), { loss: 0 })
  await run.untilEpoch(epochId + 2)

  const replay = await run.check()
  assert.deepEqual(replay.exclusions, [])
  assert.equal(replay.ended.get(epochId)?.scores?.scored, testnet.nodes.length)
  const scores = testnet.nodes.map(({ plan: { nodeId } }) => {
    return [nodeId, Number(replay.scoreOf(epochId, nodeId) / (ONE / 100n))] as const
  })
  t.diagnostic(`ends ${ends.join(' ')}: ${scores.map(([nodeId, score]) => `${nodeId} ${score}`).join(', ')}`)
  for (const [nodeId, score] of scores) {
    if (ends.includes(nodeId)) assert.ok(score >= 55 && score <= 92, `${nodeId}: ${score}`)
    else assert.ok(score >= 92, `${nodeId}: ${score}`)
  }
  // Bonds are equal, so rewards are as the scores; but for what earlier epochs added to stakes, and did not where a node stood by. What is
  // paid to the last digit the audit has found right.
  const paid = replay.rewards.get(epochId)!
  for (const end of ends) {
    for (const [nodeId, reward] of paid) {
      if (ends.includes(nodeId) || replay.sets.get(epochId)?.get(nodeId) === ROLE.standby) continue
      const expected = (reward * replay.scoreOf(epochId, end)) / replay.scoreOf(epochId, nodeId)
      const difference = expected - paid.get(end)!
      const bound = expected / 200n
      assert.ok(difference < bound && -difference < bound, `${end} got ${paid.get(end)}, ${nodeId} ${reward}`)
    }
  }
})
