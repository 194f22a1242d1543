/** Monitors against whole networks of the shipped roles, in the simulator: whom they find, and what becomes of them when they die. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromUtf8 } from '../src/foundation/base/bytes.ts'
import { type Millis, millis, seconds } from '../src/foundation/base/units.ts'
import { scoreEpoch } from '../src/roles/monitor/epochScores.ts'
import { decodeEvidence } from '../src/roles/monitor/evidence.ts'
import { EPOCH, MonitoredNetwork, outage, type TestLedger } from './support/monitoredNetwork.ts'

test('a clean network: everybody close to all, and no link accused', async () => {
  const network = await MonitoredNetwork.start({ seed: 'clean' })
  const scores = await network.epochScores()
  assert.deepEqual(scores.links, [])
  assert.equal(scores.nodes.length, network.nodeIds.length)
  for (const { nodeId, score, packets, range } of scores.nodes) {
    assert.ok(packets >= 100, `${nodeId}: ${packets} packets`)
    assert.ok((score ?? 0) >= 98, `${nodeId}: ${score} of ${range}`)
  }
})

test('a node that only the directory knows is in no report: the ledger would not take it, and exclude the monitor', async () => {
  const network = await MonitoredNetwork.start({ seed: 'unknown-node' })
  const unknown = Math.max(...network.nodeIds)
  network.ledger.lastNodeId = unknown - 1
  const { nodes } = await network.epochScores()
  assert.equal(nodes.length, network.nodeIds.length - 1)
  assert.ok(nodes.every(({ nodeId }) => nodeId < unknown))
})

test('everybody may read the evidence, and nobody the counters', async () => {
  const network = await MonitoredNetwork.start({ seed: 'read' })
  const { ledger } = network
  const epoch = ledger.now().epochId + 1
  const path = `/v1/monitor/epochs/${epoch}`
  await network.until('a commitment', () => ledger.commits.has(epoch))
  for (const hidden of [path, `${path}/evidence`, '/v1/monitor/epochs/x/evidence', '/v1/monitor/epochs/99999999999']) {
    assert.equal((await network.ask(hidden)).status, 404, hidden)
  }
  await network.until('a reveal', () => ledger.reveals.has(epoch))
  const { status, body } = await network.ask(path)
  assert.equal(status, 200)
  const summary = JSON.parse(fromUtf8(body, 'summary')) as { nodes: { node_id: number; score: number }[] }
  assert.deepEqual(
    summary.nodes.map(({ node_id, score }) => [node_id, score]),
    [...(ledger.reveals.get(epoch)?.report.scores ?? [])],
  )
  const { epochs } = JSON.parse(fromUtf8((await network.ask('/v1/monitor/epochs')).body, 'epochs')) as {
    epochs: number[]
  }
  assert.equal(epochs.at(-1), epoch)
  for (const secret of ['/status', '/metrics', '/v1/../metrics']) {
    assert.equal((await network.ask(secret)).status === 200, false, secret)
  }
})

test('a bad node is found, and its neighbours are not blamed', async () => {
  const network = await MonitoredNetwork.start({ seed: 'bad-node' })
  const [bad] = network.mixesOf(2)
  network.degradeNode(bad, 0.4)
  const scores = await network.epochScores()
  for (const { nodeId, score = 0 } of scores.nodes) {
    if (nodeId === bad.plan.nodeId) assert.ok(Math.abs(score - 60) <= 8, `${score}`)
    else assert.ok(score >= 94, `${nodeId}: ${score}`)
  }
})

test('a bad link is named, and its two ends share it', async () => {
  const network = await MonitoredNetwork.start({ seed: 'bad-link' })
  const [from] = network.mixesOf(1)
  const [to] = network.mixesOf(2)
  network.degradeLink(from, to, 1)
  const scores = await network.epochScores()
  assert.deepEqual(
    scores.links.map((link) => [link.from, link.to, link.percent <= 10]),
    [[from.plan.nodeId, to.plan.nodeId, true]],
  )
  for (const { nodeId, score = 0 } of scores.nodes) {
    const isEnd = nodeId === from.plan.nodeId || nodeId === to.plan.nodeId
    // A third of what passes an end of two takes that link; half of it is that end's.
    if (isEnd) assert.ok(score >= 65 && score <= 90, `${nodeId}: ${score}`)
    else assert.ok(score >= 94, `${nodeId}: ${score}`)
  }
})

test('a monitor that is killed between commitment and reveal reveals all the same', async () => {
  const network = await MonitoredNetwork.start({ seed: 'killed' })
  const { ledger } = network
  const epoch = ledger.now().epochId + 1
  await network.until('a commitment', () => ledger.commits.has(epoch))
  assert.equal(await network.simulation.complete(network.monitor.evidence(epoch)), undefined, 'others could copy it')
  network.crashMonitor()
  await network.until('the reveals have begun', () => ledger.now().now > ledger.now().revealFrom + 2000)
  await network.restartMonitor()
  await network.until('the reveal', () => ledger.reveals.has(epoch))
  assert.equal(ledger.now().epochId, epoch)
  // And goes on.
  await network.until('the next reveal', () => ledger.reveals.has(epoch + 1))
})

test('killed between the disk and the ledger, it commits to what is on the disk', async () => {
  const network = await MonitoredNetwork.start({ seed: 'killed-early' })
  const { ledger } = network
  const epoch = ledger.now().epochId + 1
  await network.until('the next epoch', () => ledger.now().epochId === epoch)
  ledger.refusesCommits = true
  await network.until('an attempt', () => ledger.refused > 0)
  network.crashMonitor()
  ledger.refusesCommits = false
  await network.restartMonitor()
  await network.until('the reveal', () => ledger.reveals.has(epoch))
  assert.equal(ledger.now().epochId, epoch)
})

test('killed while it measures, it measures what is left', async () => {
  const network = await MonitoredNetwork.start({ seed: 'killed-measuring' })
  const { ledger } = network
  const epoch = ledger.now().epochId + 1
  await network.until(
    'the middle of its measuring',
    () => ledger.now().now > ledger.now().startsAt + 30_000 && ledger.now().epochId === epoch,
  )
  await network.restartMonitor()
  await network.until('the reveal', () => ledger.reveals.has(epoch))
  assert.equal(ledger.reveals.get(epoch)?.report.scores.size, network.nodeIds.length)
})

test('a ledger whose blocks are late is not told a secret early, nor one that is away', async () => {
  const network = await MonitoredNetwork.start({ seed: 'late-ledger' })
  const { ledger } = network
  const epoch = ledger.now().epochId + 1
  await network.until('a commitment', () => ledger.commits.has(epoch))
  ledger.behind = millis(8_000)
  ledger.trouble = outage
  await network.simulation.runFor(seconds(5))
  ledger.trouble = undefined
  // It asserts that none comes before its own time.
  await network.until('the reveal', () => ledger.reveals.has(epoch))
})

test('a server that lies about the time gets no secret early, and no thrown error ends the looks', async () => {
  const network = await MonitoredNetwork.start({ seed: 'liar' })
  const { ledger, simulation } = network
  const epoch = ledger.now().epochId + 1
  await network.until('a commitment', () => ledger.commits.has(epoch))
  const rightTime = ledger.now()
  // As far ahead as honest blocks may be; the right time, and reveals that began with the epoch. It asserts that none comes early.
  const early: TestLedger['told'] = (truth) => ({ ...truth, revealFrom: truth.startsAt })
  const lies: readonly TestLedger['told'][] = [
    (truth) => ({ ...truth, now: millis(truth.revealFrom + 1) }),
    early,
    () => {
      throw new TypeError('of a library')
    },
  ]
  assert.ok(rightTime.now + lies.length * 1_400 < rightTime.revealFrom)
  for (const lie of lies) {
    ledger.told = lie
    await simulation.runFor(millis(1_400))
    assert.equal(ledger.reveals.has(epoch), false)
  }
  // Killed meanwhile, it knows from its disk.
  ledger.told = early
  network.crashMonitor()
  await network.restartMonitor()
  await network.until('the reveal', () => ledger.reveals.has(epoch))
  assert.equal(ledger.now().epochId, epoch)
})

test('a server that lies about the epoch from the beginning is found out by the directory', async () => {
  const network = await MonitoredNetwork.start({ seed: 'liar-from-the-beginning' })
  const { ledger } = network
  const earlier = (at: Millis): Millis => millis(at - 0.4 * EPOCH)
  ledger.told = ({ startsAt, revealFrom, endsAt, ...truth }) => ({
    ...truth,
    startsAt: earlier(startsAt),
    revealFrom: earlier(revealFrom),
    endsAt: earlier(endsAt),
  })
  const epoch = ledger.now().epochId
  await network.until('two epochs later', () => ledger.now().epochId === epoch + 2)
  // Or that tomorrow has come.
  ledger.told = (truth) => ({ ...truth, now: millis(truth.now + 86_400_000) })
  await network.until('the one after', () => ledger.now().epochId === epoch + 3)
  assert.equal(ledger.commits.size, 0)
  ledger.told = (truth) => truth
  await network.until('a reveal', () => ledger.reveals.size > 0)
})

test('it pays where gateways want to be paid, and measures as where they do not', async () => {
  const network = await MonitoredNetwork.start({ seed: 'paid', paid: ['tern', 'plover', 'heron'], tickets: true })
  for (const { nodeId, score, packets } of (await network.epochScores()).nodes) {
    assert.ok(packets >= 100, `${nodeId}: ${packets} packets`)
    assert.ok((score ?? 0) >= 94, `${nodeId}: ${score}`)
  }
  for (const { plan, meter } of network.testnet.nodes) {
    const taken = meter.snapshot()['gateway_tickets{outcome="accepted"}'] ?? 0
    assert.equal(taken, plan.roles.includes('mix') ? 0 : 1, plan.name)
  }
})

test('started anew it comes back to the gateways it has paid, and pays none of them again', async () => {
  const network = await MonitoredNetwork.start({ seed: 'paid-once', paid: ['tern', 'plover', 'heron'], tickets: true })
  const taken = () =>
    network.testnet.nodes.map(({ meter }) => meter.snapshot()['gateway_tickets{outcome="accepted"}'] ?? 0)
  const once = network.testnet.nodes.map(({ plan }) => (plan.roles.includes('mix') ? 0 : 1))
  for (let start = 1; start <= 3; start++) {
    const epoch = network.ledger.now().epochId + 1
    await network.until('a reveal', () => network.ledger.reveals.has(epoch))
    assert.deepEqual(taken(), once, `start ${start}`)
    for (const score of network.ledger.reveals.get(epoch)?.report.scores.values() ?? []) assert.ok(score >= 90)
    await network.restartMonitor()
  }
})

test('a session that has lived long enough is forgotten: the next one at that gateway is a stranger, who pays', async () => {
  const choice = { seed: 'strangers', paid: ['tern', 'plover', 'heron'], tickets: true }
  const network = await MonitoredNetwork.start({ ...choice, params: { sessionLife: millis(1) } })
  const gateways = network.testnet.nodes.filter(({ plan }) => !plan.roles.includes('mix'))
  const epoch = network.ledger.now().epochId + 1
  await network.until('a reveal', () => network.ledger.reveals.has(epoch))
  for (const { plan, meter } of gateways)
    assert.ok((meter.snapshot()['gateway_tickets{outcome="accepted"}'] ?? 0) > 1, plan.name)
})

test('a gateway that it has no ticket for is not held to account, and the others are measured', async () => {
  const network = await MonitoredNetwork.start({ seed: 'unpaid', paid: ['tern'] })
  const tern = network.testnet.nodes.find(({ plan }) => plan.name === 'tern')?.plan.nodeId
  for (const { nodeId, score, packets } of (await network.epochScores()).nodes) {
    if (nodeId === tern) assert.deepEqual([score, packets], [undefined, 0])
    else assert.ok((score ?? 0) >= 94, `${nodeId}: ${score}`)
  }
})

test('without a directory or with half of the gateways away it keeps quiet rather than blame', async () => {
  const network = await MonitoredNetwork.start({ seed: 'cut-off' })
  const { ledger, simulation } = network
  const epoch = ledger.now().epochId + 1
  await network.until('measuring', () => ledger.now().epochId === epoch && network.monitor.status.phase === 'measuring')
  await simulation.runFor(seconds(15))
  // The monitor's own uplink.
  const everybody = network.testnet.nodes.map(({ plan }) => plan.name)
  const mend = simulation.partition(['monitor'], everybody)
  await simulation.runFor(seconds(25))
  mend()
  await network.until('the reveal', () => ledger.reveals.has(epoch))
  const bytes = await simulation.complete(network.monitor.evidence(epoch))
  assert.ok(bytes)
  for (const { nodeId, score = 100 } of scoreEpoch(decodeEvidence(bytes)).nodes) {
    assert.ok(score >= 80, `${nodeId}: ${score}`)
  }
})

test('a gateway that is gone is 0, and the others are not', async () => {
  const network = await MonitoredNetwork.start({ seed: 'gone' })
  const gone = network.testnet.nodes.find(({ plan }) => plan.roles.includes('entry'))
  assert.ok(gone)
  await network.until('a reveal', () => network.ledger.reveals.size > 0)
  network.simulation.crash(gone.plan.name)
  const scores = await network.epochScores()
  for (const { nodeId, score = 100 } of scores.nodes) {
    if (nodeId === gone.plan.nodeId) assert.ok(score <= 5, `${score}`)
    else assert.ok(score >= 92, `${nodeId}: ${score}`)
  }
})
