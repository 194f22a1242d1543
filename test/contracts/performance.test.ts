/** Scores and the seed, and everybody who would bend them. docs/spec/ledger.md, "Scores" and "The seed". */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { epochSeed, firstSeed } from '../../src/protocol/economy/epochSeed.ts'
import { type WeightedReport, weightedMedians } from '../../src/protocol/economy/medians.ts'
import { packReport, unpackReport } from '../../src/protocol/economy/reports.ts'
import { Evm } from '../support/evm.ts'
import { bytesOf, hex, keccak256, LENGTH, seedOf } from './drawSetting.ts'
import {
  COOLING_OFF,
  EVIDENCE,
  EXCLUSION,
  FIRST_EPOCH,
  type Monitor,
  PerformanceSetting,
  refused,
  report,
  STAKE,
} from './performanceSetting.ts'

const seedFrom = (previous: string, epochId: number, monitors: readonly Monitor[]): string =>
  hex(
    epochSeed(
      {
        previous: bytesOf(previous),
        epochId,
        secrets: monitors.map(({ address, secret }) => ({ participant: bytesOf(address), secret })),
      },
      keccak256,
    ),
  )

test('three monitors agree on medians and a seed, step by step', async () => {
  const setting = await PerformanceSetting.create({ nodes: 70 })
  assert.equal(await setting.read('latestSeed'), hex(firstSeed(1, bytesOf(setting.performance), keccak256)))
  const addresses = await setting.joined([STAKE, STAKE, STAKE])
  const previous = await setting.read<string>('latestSeed')
  const scores = [90, 95, 80].map(
    (score) =>
      new Map([
        [1, score],
        [2, 0],
        [69, 100],
      ]),
  )
  const monitors = addresses.map((address, i) => setting.monitor(address, scores[i]!))
  for (const monitor of monitors) await setting.commit(monitor)
  setting.toReveals()
  for (const monitor of [...monitors].reverse()) await setting.reveal(monitor)
  await assert.rejects(setting.settle(), refused('TooEarly'))
  setting.toEnd()
  // Word by word, as anybody likes.
  await setting.settle(1)
  assert.equal(await setting.read('isSettled', [setting.epochId]), false)
  assert.deepEqual(await setting.read('settlingState'), [setting.epochId, 1, 3])
  await setting.settle(1)
  await setting.settle(5)
  assert.deepEqual(await setting.scores([1, 2, 3, 69, 70, 500]), [90, 0, 0, 100, 0, 0])
  assert.equal(await setting.read('seedOf', [setting.epochId]), seedFrom(previous, setting.epochId, monitors))
  await assert.rejects(setting.settle(), refused('AlreadySettled'))
  const word = await setting.read<bigint>('reportOf', [setting.epochId, addresses[0], 0])
  assert.equal(unpackReport({ words: [0], scores: [word] }).get(1), 90)
  assert.deepEqual(await setting.read('commitmentOf', [setting.epochId, addresses[0]]), [
    setting.commitment(monitors[0]!),
    true,
    hex(EVIDENCE),
  ])
})

test('medians are the model’s to the last point, whatever stakes, ties and silences', async () => {
  const evm = await Evm.create()
  const library = await evm.deploy('KeysMock')
  const anyReport = fc.record({
    stake: fc.oneof(fc.constantFrom(1n, 2n, 1000n), fc.bigInt(1n, 2n ** 64n - 1n)),
    scores: fc.array(
      fc.option(fc.oneof(fc.constantFrom(0, 1, 99, 100), fc.integer({ min: 0, max: 100 })), { nil: undefined }),
      {
        maxLength: 31,
      },
    ),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(anyReport, { maxLength: 32 }), fc.bigInt(0n, 2n ** 66n), async (drawn, quorum) => {
      const reports: WeightedReport[] = drawn.map(({ stake, scores }) => ({ stake, scores: report(...scores) }))
      const words = reports.map(({ scores }) => packReport(scores).scores[0] ?? 0n)
      const model = weightedMedians(reports, quorum)
      const [word, sums, counts] = (await evm.read(library, 'medians', [
        words,
        reports.map(({ stake }) => stake),
        quorum,
      ])) as [bigint, bigint[], bigint[]]
      assert.deepEqual(unpackReport({ words: [0], scores: [word] }), model.scores)
      assert.deepEqual(
        sums.map((sum, i) => [Number(sum), Number(counts[i])]),
        model.distances.map(({ sum, count }) => [sum, count]),
      )
    }),
    { numRuns: 100 },
  )
  for (const [word, whether] of [
    [0n, true],
    [101n, true],
    [102n, false],
    [128n << 248n, false],
    [255n << 8n, false],
  ] as const) {
    assert.equal(await evm.read(library, 'isWellFormed', [word]), whether)
  }
})

test('medians of tokenomics 9, on the contract', async () => {
  for (const [scores, median] of [
    [[10], 10],
    [[10, 20], 15],
    [[10, 20, 30, 40], 25],
    [[0, 0, 100, 100, 100, 100, 100], 100],
    [[10, 11], 11],
  ] as const) {
    const setting = await PerformanceSetting.create()
    const addresses = await setting.joined(scores.map(() => STAKE))
    await setting.round(addresses.map((address, i) => setting.monitor(address, report(scores[i]))))
    assert.deepEqual(await setting.scores([1]), [median])
  }
})

test('a minority of lying monitors moves no median beyond what honest ones reported, and is excluded', async () => {
  const setting = await PerformanceSetting.create({ nodes: 5 })
  const addresses = await setting.joined([STAKE, STAKE, STAKE, STAKE, STAKE])
  const honest = [report(98, 97, 40, 96, 99), report(97, 98, 44, 95, 98), report(99, 97, 42, 97, 99)]
  const lying = [report(0, 0, 100, 0, 0), report(0, 0, 100, 0, 0)]
  const monitors = addresses.map((address, i) => setting.monitor(address, [...honest, ...lying][i]!))
  await setting.round(monitors)
  const medians = await setting.scores([1, 2, 3, 4, 5])
  for (const [i, median] of medians.entries()) {
    const reported = honest.map((scores) => scores.get(i + 1)!)
    assert.ok(median >= Math.min(...reported) && median <= Math.max(...reported), `node ${i + 1}: ${median}`)
  }
  for (const [i, address] of addresses.entries()) {
    assert.equal(await setting.excludedUntil(address), i < 3 ? 0 : setting.epochId + 1 + EXCLUSION)
  }
  // Counts for nothing: may not even commit, until it may.
  const liar = addresses[4]!
  await setting.advance()
  setting.toCommits()
  await assert.rejects(setting.commit(setting.monitor(liar, lying[0]!)), refused('StillExcluded'))
  for (let i = 0; i < EXCLUSION; i++) await setting.settleAndAdvance()
  setting.toCommits()
  await setting.commit(setting.monitor(liar, lying[0]!))
})

test('a monitor that favours itself gets what the others say', async () => {
  const setting = await PerformanceSetting.create({ nodes: 30 })
  const addresses = await setting.joined([STAKE * 4n, STAKE * 3n, STAKE * 3n])
  // Honest on all but its own node, the last: too little to stand out, and worth nothing.
  const others = Array.from({ length: 29 }, () => 95)
  const monitors = [
    setting.monitor(addresses[0]!, report(...others, 100)),
    setting.monitor(addresses[1]!, report(...others, 20)),
    setting.monitor(addresses[2]!, report(...others, 24)),
  ]
  await setting.round(monitors)
  assert.deepEqual(await setting.scores([1, 30]), [95, 24])
  assert.equal(await setting.excludedUntil(addresses[0]!), 0)
  // Alone about its node it is no quorum either.
  await setting.advance()
  await setting.round([
    setting.monitor(addresses[0]!, report(...others, 100)),
    setting.monitor(addresses[1]!, report(...others)),
    setting.monitor(addresses[2]!, report(...others)),
  ])
  assert.deepEqual(await setting.scores([30]), [24])
})

test('a small monitor cannot make the scores alone while the others’ machines are down', async () => {
  const setting = await PerformanceSetting.create()
  const addresses = await setting.joined([STAKE, STAKE * 2n])
  await setting.round(addresses.map((address) => setting.monitor(address, report(90, 91, 92))))
  await setting.advance()
  await setting.round([setting.monitor(addresses[0]!, report(100, 0, 0))])
  assert.deepEqual(await setting.scores([1, 2, 3]), [90, 91, 92])
})

test('who vanishes after its commitment is excluded and its stake stays its own; scores and seed come without it', async () => {
  const setting = await PerformanceSetting.create()
  const addresses = await setting.joined([STAKE, STAKE, STAKE])
  const previous = await setting.read<string>('latestSeed')
  const monitors = addresses.map((address) => setting.monitor(address, report(80, 80, 80)))
  const { logs } = await setting.round(monitors, monitors.slice(0, 2))
  assert.deepEqual(
    logs.map(({ name }) => name),
    ['Excluded', 'Settled'],
  )
  assert.deepEqual(await setting.scores([1]), [80])
  assert.equal(
    await setting.read('seedOf', [setting.epochId]),
    seedFrom(previous, setting.epochId, monitors.slice(0, 2)),
  )
  const [, , gone] = addresses
  await setting.send('depart', [], gone)
  await assert.rejects(setting.send('withdrawStake', [], gone), refused('StakeLocked'))
  await setting.advance()
  for (let i = 1; i < COOLING_OFF; i++) await setting.settleAndAdvance()
  assert.equal((await setting.send('withdrawStake', [], gone)).result, STAKE)
  assert.equal(await setting.evm.read(setting.token, 'balanceOf', [gone]), STAKE)
  await assert.rejects(setting.send('withdrawStake', [], gone), refused('NotParticipant'))
})

test('nobody reveals, nobody commits, nobody is there: epochs settle all the same, back to back after an outage', async () => {
  const setting = await PerformanceSetting.create()
  const addresses = await setting.joined([STAKE, STAKE])
  await setting.round(addresses.map((address) => setting.monitor(address, report(70, 71, 72))))
  await setting.advance()
  // The chain stood still from here: commitments, no reveals, then 30 epochs late.
  for (const address of addresses) await setting.commit(setting.monitor(address, report(1, 2, 3)))
  setting.evm.now = setting.start() + LENGTH * 30n
  const previous = await setting.read<string>('latestSeed')
  await setting.settle()
  assert.equal(await setting.read('seedOf', [setting.epochId]), seedFrom(previous, setting.epochId, []))
  for (const address of addresses) assert.equal(await setting.excludedUntil(address), 0)
  for (let back = 1; back <= 24; back++) {
    assert.deepEqual(await setting.scores([1, 2, 3]), [70, 71, 72], `${back} epochs back`)
    await setting.advance()
    await assert.rejects(setting.commit(setting.monitor(addresses[0]!, report(1))), refused('TooLate'))
    await setting.settle()
  }
  assert.deepEqual(await setting.scores([1, 2, 3]), [0, 0, 0], 'older than that')
})

test('k withheld secrets of a minority give 2^k seeds to choose from, and each costs the one who withholds its place', async () => {
  const setting = await PerformanceSetting.create()
  const addresses = await setting.joined([STAKE * 3n, STAKE, STAKE])
  const previous = await setting.read<string>('latestSeed')
  const monitors = addresses.map((address) => setting.monitor(address, report(50, 50, 50)))
  const [honest, first, second] = monitors as [Monitor, Monitor, Monitor]
  // Once the honest one has revealed, two that act together know these four, and no fifth.
  const choices = [[honest], [honest, first], [honest, second], [honest, first, second]]
  const seeds = choices.map((revealing) => seedFrom(previous, setting.epochId, revealing))
  assert.equal(new Set(seeds).size, 4)
  const { evm, performance } = setting
  for (const monitor of monitors) await setting.commit(monitor)
  setting.toReveals()
  await setting.reveal(honest)
  await setting.reveal(second)
  setting.toEnd()
  await setting.settle()
  assert.equal(await setting.read('seedOf', [setting.epochId]), seeds[2])
  assert.equal(await setting.excludedUntil(first.address), setting.epochId + 1 + EXCLUSION)
  // Another secret than it committed to is none.
  await setting.advance()
  setting.toCommits()
  await setting.commit(honest)
  setting.toReveals()
  await assert.rejects(
    evm.send(performance, 'reveal', [setting.epochId, hex(seedOf(3)), hex(EVIDENCE), [], []], honest.address),
    refused('NoSuchCommitment'),
  )
})

test('the order of revealing changes nothing', async () => {
  const run = async (reverse: boolean) => {
    const setting = await PerformanceSetting.create()
    const addresses = await setting.joined([STAKE, STAKE, STAKE])
    const monitors = addresses.map((address) => setting.monitor(address, report(50)))
    await setting.round(reverse ? [...monitors].reverse() : monitors, monitors)
    return setting.read('seedOf', [setting.epochId])
  }
  assert.equal(await run(true), await run(false))
})

test('a copied commitment or report is worth nothing to who copied it', async () => {
  const setting = await PerformanceSetting.create()
  const [victim, thief] = (await setting.joined([STAKE, STAKE])) as [`0x${string}`, `0x${string}`]
  const monitor = setting.monitor(victim, report(90, 90, 90))
  await setting.commit(monitor)
  await setting.send('commit', [setting.epochId, setting.commitment(monitor)], thief)
  setting.toReveals()
  await setting.reveal(monitor)
  await assert.rejects(setting.reveal({ ...monitor, address: thief }), refused('NoSuchCommitment'))
  await assert.rejects(setting.reveal(monitor), refused('NoSuchCommitment'))
})

test('commitments and reveals outside their time are refused, also where the epoch’s length changes under them', async () => {
  const setting = await PerformanceSetting.create()
  const [one, two] = (await setting.joined([STAKE, STAKE])) as [`0x${string}`, `0x${string}`]
  const [a, b] = [setting.monitor(one, report(90)), setting.monitor(two, report(90))]
  await assert.rejects(setting.send('commit', [setting.epochId + 1, seedHex], one), refused('WrongEpoch'))
  await setting.commit(a)
  await assert.rejects(setting.commit(a), refused('AlreadyCommitted'))
  await assert.rejects(setting.reveal(a), refused('TooEarly'))
  setting.toReveals()
  await assert.rejects(setting.commit(b), refused('TooLate'))
  await setting.reveal(a)
  // Twice as long: by the clock it is time for commitments again, but a secret is known.
  await setting.evm.send(setting.mixnet, 'setLength', [Number(LENGTH) * 2])
  await assert.rejects(setting.commit(b), refused('TooLate'))
  await setting.evm.send(setting.mixnet, 'setLength', [Number(LENGTH)])
  setting.toEnd()
  await assert.rejects(setting.reveal(a), refused('TooLate'))
})
const seedHex = hex(seedOf(5))

test('reports that no monitor could mean are refused', async () => {
  const setting = await PerformanceSetting.create({ nodes: 40 })
  const [monitor, issuer] = [Evm.address(1), Evm.address(2)]
  await setting.join(monitor)
  await setting.join(issuer, STAKE, false)
  await setting.settleAndAdvance()
  const { encodeAbiParameters, keccak256: hash } = await import('viem')
  const attempt = async (words: number[], scores: bigint[], from = monitor) => {
    const reportHash = hash(encodeAbiParameters([{ type: 'uint32[]' }, { type: 'uint256[]' }], [words, scores]))
    const commitment = hash(
      encodeAbiParameters(
        [{ type: 'uint32' }, { type: 'address' }, { type: 'bytes32' }, { type: 'bytes32' }, { type: 'bytes32' }],
        [setting.epochId, from, seedHex, reportHash, seedHex],
      ),
    )
    setting.toCommits()
    await setting.send('commit', [setting.epochId, commitment], from)
    setting.toReveals()
    try {
      return await setting.send('reveal', [setting.epochId, seedHex, seedHex, words, scores], from)
    } finally {
      await setting.settleAndAdvance()
    }
  }
  await assert.rejects(attempt([0], []), refused('BadReport'))
  await assert.rejects(attempt([1, 0], [0n, 0n]), refused('BadReport'))
  await assert.rejects(attempt([0, 0], [0n, 0n]), refused('BadReport'))
  await assert.rejects(attempt([2], [0n]), refused('BadReport'))
  await assert.rejects(attempt([1], [102n]), refused('BadReport'))
  await assert.rejects(attempt([0], [1n << 248n]), refused('BadReport'))
  await assert.rejects(attempt([0], [5n], issuer), refused('BadReport'))
  await attempt([0, 1], [101n, 0n])
})

test('an issuer joins for the seed alone', async () => {
  const setting = await PerformanceSetting.create()
  const issuer = Evm.address(2)
  await setting.join(issuer, STAKE, false)
  await setting.settleAndAdvance()
  const previous = await setting.read<string>('latestSeed')
  const silent = setting.monitor(issuer, new Map())
  await setting.round([silent])
  assert.equal(await setting.read('seedOf', [setting.epochId]), seedFrom(previous, setting.epochId, [silent]))
})

test('thirty-two take part; a bigger stake pushes the smallest out, whose commitment still counts', async () => {
  const setting = await PerformanceSetting.create()
  const addresses = await setting.joined(Array.from({ length: 32 }, (_, i) => STAKE + BigInt(i + 1)))
  const [smallest] = addresses as [`0x${string}`]
  const [poor, rich] = [Evm.address(500), Evm.address(501)]
  const monitor = setting.monitor(smallest, report(60, 60, 60))
  await setting.commit(monitor)
  await assert.rejects(setting.join(poor, STAKE - 1n), refused('StakeTooSmall'))
  await assert.rejects(setting.join(poor, STAKE + 1n), refused('TooManyParticipants'))
  await setting.join(rich, STAKE + 2n)
  const participants = (await setting.read<string[]>('participants')).map((who) => who.toLowerCase())
  assert.equal(participants.length, 32)
  assert.deepEqual(participants, [...participants].sort())
  assert.ok(!participants.includes(smallest))
  // Nobody joins and commits in one epoch: at most 32 are to be settled.
  await assert.rejects(setting.commit(setting.monitor(rich, report(1))), refused('TooEarly'))
  setting.toReveals()
  await setting.reveal(monitor)
  setting.toEnd()
  await setting.settle()
  assert.deepEqual(await setting.scores([1]), [60])
  await setting.advance()
  setting.toCommits()
  await assert.rejects(setting.commit(monitor), refused('NotParticipant'))
})

test('with the chain’s randomness, the seed is of both', async () => {
  const setting = await PerformanceSetting.create({ chainRandomness: true })
  const previous = await setting.read<string>('latestSeed')
  const chainRandomness = seedOf(8)
  setting.evm.prevRandao = chainRandomness
  setting.toEnd()
  await setting.settle()
  const seed = epochSeed({ previous: bytesOf(previous), epochId: FIRST_EPOCH, secrets: [], chainRandomness }, keccak256)
  assert.equal(await setting.read('seedOf', [FIRST_EPOCH]), hex(seed))
})

test('governance sets parameters within bounds and has no way to a stake', async () => {
  const setting = await PerformanceSetting.create()
  const parameters = { minimumStake: 1n, coolingOff: 5, exclusion: 5, tolerance: 30 }
  await assert.rejects(setting.send('updateParameters', [parameters]), refused('NotGovernance'))
  await setting.send('updateParameters', [parameters], setting.governance)
  for (const wrong of [
    { coolingOff: 4 },
    { coolingOff: 0, exclusion: 0 },
    { coolingOff: 2161 },
    // To withhold a secret would cost nothing.
    { exclusion: 0 },
    { tolerance: 101 },
    // All monitors would be far from the medians.
    { tolerance: 4 },
    { tolerance: 0 },
    { minimumStake: 0n },
    { minimumStake: 10n ** 12n + 1n },
  ]) {
    await assert.rejects(
      setting.send('updateParameters', [{ ...parameters, ...wrong }], setting.governance),
      refused('BadParameters'),
    )
  }
  // Whoever runs the timelock could else wait for the reports, and set what excludes those it does not like.
  setting.toReveals()
  await assert.rejects(setting.send('updateParameters', [parameters], setting.governance), refused('TooLate'))
  setting.toEnd()
  await assert.rejects(setting.send('updateParameters', [parameters], setting.governance), refused('TooLate'))
  await setting.settleAndAdvance()
  await setting.send('updateParameters', [parameters], setting.governance)
})

for (const { nodes, monitors, words, bound } of [
  { nodes: 1000, monitors: 5, words: 16, bound: 8_000_000n },
  { nodes: 255, monitors: 32, words: 8, bound: 13_500_000n },
]) {
  test(`${nodes} nodes by ${monitors} monitors settle in calls of ${words} words below ${bound} gas; a report below 1 million`, async (t) => {
    const setting = await PerformanceSetting.create({ nodes })
    const addresses = await setting.joined(Array.from({ length: monitors }, () => STAKE))
    const scores = (i: number) => new Map(Array.from({ length: nodes }, (_, n) => [n + 1, (n * 7 + i) % 101] as const))
    const all = addresses.map((address, i) => setting.monitor(address, scores(i)))
    for (const monitor of all) await setting.commit(monitor)
    setting.toReveals()
    let dearest = 0n
    for (const monitor of all) {
      const { gasUsed } = await setting.reveal(monitor)
      if (gasUsed > dearest) dearest = gasUsed
    }
    assert.ok(dearest < 1_000_000n, `${dearest} a report`)
    setting.toEnd()
    const gas: bigint[] = []
    while (!(await setting.read('isSettled', [setting.epochId]))) gas.push((await setting.settle(words)).gasUsed)
    t.diagnostic(`report ${dearest}; settlement ${gas.join(' + ')}`)
    assert.ok(
      gas.every((used) => used < bound),
      `${gas}`,
    )
  })
}
