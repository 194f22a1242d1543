/** The draw: the contract against the model, and everybody who would bend it. docs/spec/ledger.md, "The draw". */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import fc from 'fast-check'
import { equalBytes } from '../../src/foundation/base/bytes.ts'
import {
  type DrawNode,
  drawKey,
  drawWeight,
  negativeLog2,
  ROLE,
  saturationOf,
} from '../../src/protocol/economy/draw.ts'
import { contract, Evm, Reverted } from '../support/evm.ts'
import {
  bytesOf,
  DrawSetting,
  EPOCH,
  hex,
  modelDraw,
  modelRoot,
  ONE,
  plainNode,
  REVEAL_FROM,
  START,
  STATE,
  seedOf,
  type World,
} from './drawSetting.ts'

const refused = (name: string) => (error: unknown) => error instanceof Reverted && error.errorName === name

/** Attempts of one shared setting: each run ends with `forget`, so nothing stays of it. */
let setting: DrawSetting
before(async () => {
  setting = await DrawSetting.create()
  await setting.pastBootstrap()
})

const inSet = (world: World): Map<number, number> =>
  new Map([...modelDraw(world).roles].filter(([, role]) => role !== ROLE.none))

const sorted = (roles: Map<number, number>): [number, number][] => [...roles].sort(([a], [b]) => a - b)

const weightless = fc.oneof({ weight: 1, arbitrary: fc.constant(0n) }, { weight: 4, arbitrary: fc.bigInt(1n, 100n) })
const node = fc.record({
  stake: fc.oneof(fc.constantFrom(0n, 1n, 500n * ONE, 1000n * ONE, 2n ** 126n), fc.bigInt(0n, 1500n * ONE)),
  performance: weightless.map((percent) => percent * 10n ** 16n),
  capabilities: fc.integer({ min: 0, max: 15 }),
  eligible: fc.boolean().chain((certainly) => (certainly ? fc.constant(true) : fc.boolean())),
  gap: fc.oneof({ weight: 8, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 300 }) }),
})

const randomWorld: fc.Arbitrary<World> = fc
  .record({
    seed: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    nodes: fc.array(node, { maxLength: 60 }),
    late: fc.integer({ min: 0, max: 5 }),
    wanted: fc.record({
      entryGateways: fc.integer({ min: 1, max: 12 }),
      exitGateways: fc.integer({ min: 1, max: 12 }),
      mixnodes: fc.integer({ min: 1, max: 5 }).map((layers) => layers * 3),
      standby: fc.integer({ min: 0, max: 20 }),
    }),
    saturationPoint: fc.constantFrom(1n, 1000n * ONE),
  })
  .map(({ seed, nodes, late, wanted, saturationPoint }) => {
    let nodeId = 0
    const placed: DrawNode[] = nodes.map(({ gap, ...rest }, i) => {
      nodeId += gap
      return { ...rest, nodeId, bondedAt: i >= nodes.length - late ? REVEAL_FROM : REVEAL_FROM - 1n }
    })
    return { seed, nodes: placed, wanted, saturationPoint, bootstrap: false }
  })

test('on random networks the contract takes what the model draws, and ends with the same set and root', async () => {
  await fc.assert(
    fc.asyncProperty(randomWorld, fc.integer({ min: 1, max: 61 }), async (world, batch) => {
      const fresh = await DrawSetting.create()
      await fresh.pastBootstrap()
      await fresh.prepare(world)
      const { choices } = modelDraw(world)
      for (let at = 0; at < choices.length; at += batch) await fresh.draw(choices.subarray(at, at + batch))
      if (choices.length === 0) await fresh.draw(choices)
      assert.deepEqual(sorted(await fresh.rolesInForce()), sorted(inSet(world)))
      const root = (await fresh.evm.read(fresh.set, 'rootOf', [EPOCH + 2])) as string
      assert.equal(root, hex(modelRoot(world, EPOCH + 2)))
      assert.equal(await fresh.evm.read(fresh.mixnet, 'advances'), 2n)
    }),
    { numRuns: 15 },
  )
})

const ten: World = {
  seed: seedOf(10),
  nodes: Array.from({ length: 10 }, (_, i) => plainNode(i + 1, { stake: BigInt(i + 1) * 100n * ONE })),
  wanted: { entryGateways: 2, exitGateways: 2, mixnodes: 3, standby: 1 },
  saturationPoint: 1000n * ONE,
  bootstrap: false,
}

test('every change of one byte of a right draw is refused', async () => {
  await setting.prepare(ten)
  const { choices } = modelDraw(ten)
  for (let at = 0; at < choices.length; at++) {
    for (let byte = 0; byte < 256; byte++) {
      // Bytes that are no role have one fate; the last node shows it of each of them.
      if (byte === choices[at] || (byte > ROLE.none + 1 && at < choices.length - 1)) continue
      const wrong = choices.slice()
      wrong[at] = byte
      await assert.rejects(setting.draw(wrong), Reverted, `byte ${at} as ${byte}`)
    }
  }
  // It can fail: the right one goes through.
  assert.equal((await setting.draw(choices)).logs.at(-1)?.name, 'SetDrawn')
})

test('every exchange of two roles of a right draw is refused, and so is a draw of another seed', async () => {
  await setting.prepare(ten)
  const { choices } = modelDraw(ten)
  for (let a = 0; a < choices.length; a++) {
    for (let b = a + 1; b < choices.length; b++) {
      if (choices[a] === choices[b]) continue
      const wrong = choices.slice()
      ;[wrong[a], wrong[b]] = [choices[b]!, choices[a]!]
      await assert.rejects(setting.draw(wrong), Reverted)
    }
  }
  const other = modelDraw({ ...ten, seed: seedOf(11) }).choices
  assert.ok(!equalBytes(other, choices))
  await assert.rejects(setting.draw(other), Reverted)
  await setting.evm.send(setting.mixnet, 'setState', [STATE.inProgress])
  await assert.rejects(setting.draw(choices), refused('NotDrawing'))
})

test('a wrong call stops nobody: other drivers have attempts of their own, and the same driver goes on or begins again', async () => {
  await setting.prepare(ten)
  const { choices } = modelDraw(ten)
  const [honest, rogue] = [Evm.address(1), Evm.address(2)]
  // Too few of each, which only the end can show.
  await setting.draw(new Uint8Array(4).fill(ROLE.none), rogue)
  await setting.draw(choices.subarray(0, 3), honest)
  await assert.rejects(setting.draw(new Uint8Array(6).fill(ROLE.none), rogue), refused('WrongCounts'))
  assert.deepEqual(await setting.evm.read(setting.set, 'attemptOf', [honest]), [Number(await epochNow()) + 1, 4])
  // A call of one's own that reverts takes nothing of those before.
  await assert.rejects(setting.draw(new Uint8Array([ROLE.layer2]), honest), Reverted)
  await setting.evm.send(setting.set, 'restart', [], rogue)
  assert.deepEqual(await setting.evm.read(setting.set, 'attemptOf', [rogue]), [0, 0])
  await setting.draw(choices.subarray(0, 2), rogue)
  await setting.draw(choices.subarray(3), honest)
  assert.deepEqual(sorted(await setting.rolesInForce()), sorted(inSet(ten)))
  // What the other still had is of an epoch that is over.
  await assert.rejects(setting.draw(choices.subarray(2), rogue), refused('NotDrawing'))
})

const epochNow = async (): Promise<number> =>
  ((await setting.evm.read(setting.mixnet, 'interval')) as { totalElapsedEpochs: number }).totalElapsedEpochs

test('an attempt does not outlive a change of the rules under it', async () => {
  await setting.prepare(ten)
  const { choices } = modelDraw(ten)
  await setting.draw(choices.subarray(0, 5))
  const changed = { ...ten, wanted: { ...ten.wanted, entryGateways: 1 } }
  await setting.prepare(changed)
  const anew = modelDraw(changed).choices
  await assert.rejects(setting.draw(anew.subarray(5)))
  await setting.draw(anew)
  assert.deepEqual(sorted(await setting.rolesInForce()), sorted(inSet(changed)))
})

test('who drew last writes beside the set in force, not over it', async () => {
  await setting.prepare(ten)
  await setting.draw(modelDraw(ten).choices)
  const inForce = sorted(await setting.rolesInForce())
  const next = { ...ten, seed: seedOf(77) }
  await setting.prepare(next)
  const { choices } = modelDraw(next)
  await setting.draw(choices.subarray(0, 9))
  assert.deepEqual(sorted(await setting.rolesInForce()), inForce)
  await setting.draw(choices.subarray(9))
  assert.deepEqual(sorted(await setting.rolesInForce()), sorted(inSet(next)))
})

test('a node bonded once secrets were being revealed takes no part, and neither prevents nor delays the draw', async () => {
  const late = [11, 12].map((nodeId) => plainNode(nodeId, { bondedAt: REVEAL_FROM, stake: 10_000n * ONE }))
  const world = { ...ten, nodes: [...ten.nodes, ...late] }
  await setting.prepare(world)
  const { choices, roles } = modelDraw(world)
  assert.equal(choices.length, 10)
  assert.ok(!roles.has(11))
  await assert.rejects(setting.draw(Uint8Array.from([...choices, ROLE.none])), refused('WrongChoice'))
  await setting.draw(choices)
  assert.deepEqual(sorted(await setting.rolesInForce()), sorted(inSet(world)))
})

test('where no set is in force all nodes take part; an empty network draws an empty set', async () => {
  const fresh = await DrawSetting.create()
  const empty: World = { ...ten, nodes: [], bootstrap: true }
  await fresh.prepare(empty)
  await fresh.draw(new Uint8Array(0))
  assert.deepEqual(await fresh.evm.read(fresh.set, 'size'), [0, 0])
  const world = { ...ten, nodes: ten.nodes.map((node) => ({ ...node, bondedAt: START + 10_000n })), bootstrap: true }
  await fresh.prepare(world)
  await fresh.draw(modelDraw(world).choices)
  assert.deepEqual(await fresh.evm.read(fresh.set, 'size'), [7, 1])
  assert.equal(await fresh.evm.read(fresh.set, 'epochId'), EPOCH + 2)
  assert.equal(await fresh.evm.read(fresh.set, 'rootOf', [EPOCH + 2]), hex(modelRoot(world, EPOCH + 2)))
})

test('who founds a network slowly is not late: a set that came after the reveals would have begun bounds no draw of that epoch', async () => {
  const fresh = await DrawSetting.create()
  const late = ten.nodes.map((node) => ({ ...node, bondedAt: REVEAL_FROM + 10n }))
  const bound = () => fresh.evm.read(fresh.set, 'bondedBefore')
  const unbounded = 2n ** 64n - 1n
  fresh.evm.now = REVEAL_FROM + 20n
  await fresh.prepare({ ...ten, nodes: late, bootstrap: true })
  assert.equal(await bound(), unbounded)
  await fresh.draw(modelDraw({ ...ten, nodes: late, bootstrap: true }).choices)
  // Caught up: its reveals would have begun before there was a set. The mixnet says when.
  const caughtUp: World = { ...ten, nodes: late, bootstrap: false }
  await fresh.prepare(caughtUp)
  assert.equal(await bound(), unbounded)
  await fresh.draw(modelDraw({ ...caughtUp, bootstrap: true }).choices)
  assert.deepEqual(await fresh.evm.read(fresh.set, 'size'), [7, 1])
  // And in a later one they are late that bond then.
  await fresh.evm.send(fresh.scores, 'set', [hex(seedOf(3)), REVEAL_FROM + 21n])
  await fresh.evm.send(fresh.mixnet, 'setState', [STATE.roleAssignment])
  assert.equal(await bound(), REVEAL_FROM + 21n)
})

test('slices are the whole set, ascending, once', async () => {
  await setting.prepare(ten)
  await setting.draw(modelDraw(ten).choices)
  const found: [number, boolean][] = []
  for (let from = 0; ; from += 3) {
    const [ids, standby] = (await setting.evm.read(setting.set, 'slice', [from, 3])) as [number[], boolean[]]
    if (ids.length === 0) break
    for (const [i, id] of ids.entries()) found.push([id, standby[i]!])
  }
  assert.deepEqual(
    found,
    sorted(inSet(ten)).map(([id, role]) => [id, role === ROLE.standby]),
  )
  assert.deepEqual(await setting.evm.read(setting.set, 'slice', [0xffff_ffff, 0xffff_ffff]), [[], []])
})

test('only the mixnet’s own state lets a set in: nothing else can advance the epoch', async () => {
  assert.equal(
    contract('RewardedSet').abi.filter((entry) => entry.type === 'function' && entry.stateMutability !== 'view').length,
    2,
    'draw and restart',
  )
  await assert.rejects(setting.evm.send(setting.mixnet, 'advanceEpoch', []))
})

test('logarithms, keys and weights are the model’s to the last bit', async () => {
  const evm = await Evm.create()
  const keys = await evm.deploy('KeysMock')
  const edges = [0n, 1n, 2n, 3n, 2n ** 127n, 2n ** 127n - 1n, 2n ** 127n + 1n, 2n ** 128n - 1n, 2n ** 128n - 2n]
  for (const u of edges) assert.equal(await evm.read(keys, 'negativeLog2', [u]), negativeLog2(u), `${u}`)
  const anyU = fc.oneof(
    fc.bigInt(0n, 2n ** 128n - 1n),
    fc.integer({ min: 0, max: 127 }).map((n) => 2n ** BigInt(n)),
  )
  await fc.assert(
    fc.asyncProperty(
      anyU,
      fc.constantFrom(0n, 1n, 2n, ONE).chain((w) => fc.oneof(fc.constant(w), fc.bigInt(0n, ONE))),
      fc.bigInt(0n, 2n ** 129n - 2n),
      fc.bigInt(1n, 2n ** 128n - 1n),
      fc.integer({ min: 0, max: 100 }),
      fc.constantFrom(0n, 1n, ONE),
      async (u, weight, stake, saturationPoint, percent, saturation) => {
        assert.equal(await evm.read(keys, 'negativeLog2', [u]), negativeLog2(u))
        const lot = new Uint8Array(32)
        lot.set(bytesOf(`0x${u.toString(16).padStart(32, '0')}`))
        const key = await evm.read(keys, 'keyOf', [hex(lot), weight, saturation, 5])
        assert.equal(key, (drawKey(lot, { weight, saturation }) << 32n) | 5n)
        const performance = BigInt(percent) * 10n ** 16n
        const model = drawWeight(plainNode(1, { stake, performance }), saturationPoint)
        const saturated = saturationOf(stake, saturationPoint)
        assert.deepEqual(await evm.read(keys, 'weightOf', [stake, saturationPoint, performance]), [model, saturated])
      },
    ),
    { numRuns: 150 },
  )
})

test('where nobody has a score sets go by stake: many small pledges are not worth more than one of their sum', async () => {
  // Ten nodes at saturation, and two hundred with a hundredth of it each.
  const [rich, poor] = [10, 200]
  const crowd = Array.from({ length: rich + poor }, (_, i) =>
    plainNode(i + 1, { stake: (i < rich ? 1000n : 10n) * ONE, performance: 0n }),
  )
  const drawn = (world: World): readonly number[] =>
    [...modelDraw(world).roles].flatMap(([nodeId, role]) => (role === ROLE.none ? [] : [nodeId]))
  const wanted = { entryGateways: 1, exitGateways: 1, mixnodes: 3, standby: 0 }
  let taken = 0
  for (let n = 0; n < 40; n++) {
    const world: World = { ...ten, seed: seedOf(500 + n), nodes: crowd, wanted }
    taken += drawn(world).filter((nodeId) => nodeId <= rich).length
  }
  // Of 200 places: five in six by stake, one in 21 by number of nodes.
  assert.ok(taken > 130, `${taken} of 200 places`)
  const world: World = { ...ten, nodes: crowd, wanted }
  await setting.prepare(world)
  await setting.draw(modelDraw(world).choices)
  assert.deepEqual(sorted(await setting.rolesInForce()), sorted(inSet(world)))
  // Behind whoever has a score, however small its weight.
  const scored = crowd.map((one) => (one.nodeId > rich + poor - 5 ? { ...one, performance: 30n * 10n ** 16n } : one))
  assert.deepEqual(drawn({ ...world, nodes: scored }), [206, 207, 208, 209, 210])
})

test('selection weights of tokenomics 9', () => {
  const of = (percent: bigint) => drawWeight(plainNode(1, { stake: ONE, performance: percent * 10n ** 16n }), ONE)
  assert.deepEqual([99n, 98n, 95n, 90n, 50n].map(of), [
    817906937597230870n,
    667607971755094492n,
    358485922408542233n,
    121576654590569288n,
    953674316406n,
  ])
})

test('a set of the largest size that governance may choose is put in force by one transaction', async (t) => {
  const lastCall = async (mixes: number): Promise<bigint> => {
    const fresh = await DrawSetting.create()
    await fresh.pastBootstrap()
    const nodes = Array.from({ length: mixes + 2 }, (_, i) => plainNode(i + 1, { stake: ONE }))
    const wanted = { entryGateways: 1, exitGateways: 1, mixnodes: mixes, standby: 0 }
    const world: World = { ...ten, nodes, wanted }
    await fresh.prepare(world)
    const { choices } = modelDraw(world)
    await fresh.draw(choices.subarray(0, -1))
    return (await fresh.draw(choices.subarray(-1))).gasUsed
  }
  const [few, more] = [await lastCall(60), await lastCall(180)]
  const each = (more - few) / 120n
  t.diagnostic(`${each} gas a mix of the set`)
  // Sorting costs more than its share: 3,000 take 12.6 million, a fifth more each than these.
  assert.ok((3n * each * 3000n) / 2n < 2n ** 24n, `${each} a mix`)
})

test('1,000 nodes in batches: at most 28,000 gas a candidate, each call far below 30 million', async (t) => {
  // Six cold slots a node are the mocks', 14,500 gas; the log, four of them, is less than 2,000.
  const fresh = await DrawSetting.create()
  await fresh.pastBootstrap()
  const world: World = {
    ...ten,
    nodes: Array.from({ length: 1000 }, (_, i) =>
      plainNode(i + 1, { stake: BigInt((i * 37) % 1200) * ONE, performance: BigInt(60 + (i % 41)) * 10n ** 16n }),
    ),
    wanted: { entryGateways: 50, exitGateways: 70, mixnodes: 120, standby: 100 },
  }
  await fresh.prepare(world)
  const { choices } = modelDraw(world)
  const gas: bigint[] = []
  for (let at = 0; at < choices.length; at += 250) {
    gas.push((await fresh.draw(choices.subarray(at, at + 250))).gasUsed)
  }
  const each = gas.reduce((sum, used) => sum + used, 0n) / 1000n
  t.diagnostic(`${gas.join(' + ')} = ${each} a candidate`)
  assert.ok(
    gas.every((used) => used < 8_000_000n),
    `${gas}`,
  )
  assert.ok(each < 28_000n, `${each} a candidate`)
  assert.deepEqual((await fresh.rolesInForce()).size, 340)
})
