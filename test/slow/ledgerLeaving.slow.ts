/** Half of the nodes leave within one epoch, while clients ask a site. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestnetNode } from '../../src/app/testnet/testnet.ts'
import type { Mixnet } from '../../src/client/mixnet.ts'
import { seconds } from '../../src/foundation/base/units.ts'
import { ROLE } from '../../src/protocol/economy/draw.ts'
import { opinionOf } from '../faults/ledgerFaults.ts'
import { PacketRun } from '../faults/ledgerPackets.ts'

/** A request that a node carried when it left is lost, and its client notices after a while. */
const LIMIT = seconds(20)
const PAUSE = seconds(2)

/** Asks again and again; what became of each, by the epoch in which it began. */
function asking(
  run: PacketRun,
  mixnet: Mixnet,
): { readonly outcomes: { at: number; epoch: number; ok: boolean }[]; stop(): void } {
  const outcomes: { at: number; epoch: number; ok: boolean }[] = []
  let stopped = false
  const { clock } = run.simulation
  const ask = (): void => {
    if (stopped) return
    const outcome = { at: clock.monotonic(), epoch: run.epochId, ok: false }
    const said = run.echo(mixnet, `request ${outcomes.length}\n`, LIMIT)
    outcomes.push(outcome)
    said
      .then(
        () => {
          outcome.ok = true
        },
        () => {},
      )
      .finally(() => clock.after(PAUSE, ask))
  }
  ask()
  return {
    outcomes,
    stop() {
      stopped = true
    },
  }
}

test('half of the nodes leave in one epoch: paid to the last, drawn no more, and clients go on', async (t) => {
  const run = await PacketRun.start({
    seed: 'half-leaves',
    size: { mixNodes: 6, entries: 3, exits: 1 },
    habits: [0, 1, 2].map((lean) => ({ opinion: (nodeId, epochId) => opinionOf(nodeId, epochId) - lean })),
  })
  const { simulation, testnet } = run
  const clients = [await run.connect(1), await run.connect(2)]
  await run.untilEpoch(run.epochId + 2)
  const work = clients.map((mixnet) => asking(run, mixnet))
  await simulation.runFor(seconds(20))

  const mixes = testnet.nodes.filter(({ plan }) => plan.roles.includes('mix')).slice(0, 3)
  const isEntryOf = (mixnet: Mixnet, nodeId: number) =>
    mixnet.topology()?.nodesById.get(nodeId)?.identity.join() === mixnet.address.gateway.join()
  const isInUse = ({ plan }: TestnetNode) => clients.some((mixnet) => isEntryOf(mixnet, plan.nodeId))
  const entries = testnet.nodes.filter(({ plan }) => plan.roles.includes('entry'))
  // No client stays where it is.
  const leaving = [...mixes, ...[...entries.filter(isInUse), ...entries.filter((one) => !isInUse(one))].slice(0, 2)]
  const left = run.epochId
  for (const { plan } of leaving) {
    const owner = await run.ownerOf(plan.name)
    await run.complete(owner.write('mixnet', 'unbond', []))
  }
  assert.equal(run.epochId, left, 'all within one epoch')
  await run.untilEpoch(left + 1)
  // Operators stop when the ledger has let them go, the careful ones a while later.
  await simulation.runFor(seconds(10))
  for (const { plan } of leaving) simulation.crash(plan.host)
  await run.untilEpoch(left + 4)
  for (const one of work) one.stop()
  await simulation.runFor(LIMIT)

  const replay = await run.check()
  for (const { plan } of leaving) {
    assert.ok(replay.rewards.get(left)?.has(plan.nodeId), `${plan.name} is paid for its last epoch`)
    for (let epochId = left + 1; epochId <= left + 4; epochId++) {
      assert.equal(replay.rewards.get(epochId)?.has(plan.nodeId) ?? false, false)
      assert.ok(!replay.sets.get(epochId)?.has(plan.nodeId))
    }
  }
  const roles = [...(replay.sets.get(left + 1)?.values() ?? [])]
  for (const layer of [ROLE.layer1, ROLE.layer2, ROLE.layer3]) assert.ok(roles.includes(layer), `layer ${layer}`)

  const failed = work.map(({ outcomes }) => outcomes.filter(({ ok }) => !ok))
  const told = failed.map((ones) => ones.map(({ epoch }) => epoch - left).join(' '))
  t.diagnostic(
    `${work.map(({ outcomes }) => outcomes.length).join('+')} requests; failed, by epoch: ${told.join(' | ')}`,
  )
  for (const [i, { outcomes }] of work.entries()) {
    assert.ok(outcomes.length > 30, `client ${i} asked ${outcomes.length} times`)
    assert.equal(clients[i]?.meter.counter('client_gateway_changes_total', '').value, 1, `client ${i} moves`)
    // One may have been under way through nodes that were switched off.
    assert.ok((failed[i]?.length ?? 0) <= 1, `client ${i}: ${told[i]}`)
    assert.ok(
      outcomes.filter(({ epoch }) => epoch >= left + 3).every(({ ok }) => ok),
      `client ${i}: ${told[i]}`,
    )
  }
})
