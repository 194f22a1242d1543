/** `vectors/tokenomics.json` on the functions of this room; test/contracts runs it on the contract and on the whole model. @module */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import {
  addDelegation,
  type Delegation,
  delegatorReward,
  distribute,
  type NodeRewarding,
  newRewarding,
  operatorReward,
  removeDelegation,
  withdrawReward,
} from './accounts.ts'
import { configScore, parseVersion, versionScore, versionsBehind } from './configScore.ts'
import { formatDecimal, ONE, parseDecimal, parsePercent, percentFromFloat, power, truncate, whole } from './decimal.ts'
import { type Interval, isEpochOver, keyRotationId, nextEpoch, nextKeyRotationStart } from './interval.ts'
import {
  type CostParams,
  deriveParams,
  endInterval,
  nodeReward,
  type PoolChange,
  type RewardingParams,
  type RewardSplit,
  saturations,
  splitReward,
  type WorkFactors,
  workFactors,
} from './rewards.ts'
import { type ExpectStep, paramsOf, type Step, type TokenomicsVectors } from './vectorTypes.ts'

const vectors: TokenomicsVectors = JSON.parse(
  readFileSync(new URL('../../../vectors/tokenomics.json', import.meta.url), 'utf8'),
)

const equal = (got: bigint, wanted: string | undefined, what: string): void => {
  if (wanted !== undefined) assert.equal(formatDecimal(got), wanted, what)
}

/** One node whose delegators come and go at once, as in the official simulator. */
class Simulator {
  params: RewardingParams
  node: NodeRewarding
  readonly #pledge: bigint
  readonly #costs: CostParams
  readonly #epochsInInterval: number
  readonly #delegations = new Map<string, Delegation>()
  #change: PoolChange = { removed: 0n, added: 0n }
  #epoch = 0
  #last: RewardSplit = { operator: 0n, delegates: 0n }

  constructor(setup: TokenomicsVectors['setup']) {
    this.#epochsInInterval = setup.epochsInInterval
    this.params = deriveParams(paramsOf(setup.params), setup.epochsInInterval)
    this.#pledge = BigInt(setup.pledge)
    this.#costs = {
      profitMargin: parsePercent(setup.profitMargin),
      intervalOperatingCost: BigInt(setup.intervalOperatingCost),
    }
    this.node = newRewarding(this.#pledge, this.#costs, 0)
  }

  run(step: Step): void {
    switch (step.do) {
      case 'delegate': {
        const added = addDelegation(this.node, this.#delegations.get(step.who), BigInt(step.amount), 0n)
        this.node = added.node
        this.#delegations.set(step.who, added.delegation)
        break
      }
      case 'undelegate': {
        const removed = removeDelegation(this.node, this.#of(step.who))
        assert.equal(`${removed.worth}`, step.paid, step.who)
        this.node = removed.node
        this.#delegations.delete(step.who)
        break
      }
      case 'withdrawOperator':
        assert.equal(`${truncate(operatorReward(this.node, this.#pledge))}`, step.paid)
        this.node = { ...this.node, operator: whole(this.#pledge) }
        break
      case 'withdrawDelegator': {
        const withdrawn = withdrawReward(this.node, this.#of(step.who))
        assert.equal(`${withdrawn.paid}`, step.paid)
        this.node = withdrawn.node
        this.#delegations.set(step.who, withdrawn.delegation)
        break
      }
      case 'epochs':
        for (let i = 0; i < step.count; i++) this.#endEpoch(parsePercent(step.performance), step.role)
        break
      case 'expect':
        this.#expect(step)
    }
  }

  #of(who: string): Delegation {
    const found = this.#delegations.get(who)
    assert.ok(found, who)
    return found
  }

  #endEpoch(performance: bigint, role: keyof WorkFactors): void {
    this.#epoch += 1
    const reward = nodeReward(this.params, this.node, performance, workFactors(this.params)[role])
    this.#last = splitReward(reward, this.node, this.#costs, performance, this.#epochsInInterval)
    this.#change = { ...this.#change, removed: this.#change.removed + reward }
    this.node = distribute(this.node, this.#last, this.#epoch)
  }

  #expect(step: ExpectStep): void {
    equal(this.#last.operator, step.lastReward?.operator, 'operator')
    equal(this.#last.delegates, step.lastReward?.delegates, 'delegates')
    equal(this.node.operator, step.operator, 'operator’s stake')
    equal(this.node.delegates, step.delegates, 'delegates’ stake')
    equal(this.node.totalUnitReward, step.totalUnitReward, 'T')
    for (const [who, reward] of Object.entries(step.rewards ?? {})) {
      equal(delegatorReward(this.node, this.#of(who)), reward, who)
    }
    for (const [who, { amount, ratio }] of Object.entries(step.delegations ?? {})) {
      assert.equal(`${this.#of(who).amount}`, amount)
      equal(this.#of(who).cumulativeRewardRatio, ratio, who)
    }
    if (step.params === undefined) return
    this.params = endInterval(this.params, this.#change, this.#epochsInInterval)
    equal(this.params.rewardPool, step.params.rewardPool, 'pool')
    equal(this.params.stakingSupply, step.params.stakingSupply, 'supply')
    equal(this.params.epochRewardBudget, step.params.epochRewardBudget, 'budget')
    equal(this.params.stakeSaturationPoint, step.params.stakeSaturationPoint, 'saturation point')
  }
}

describe('tokenomics vectors', () => {
  for (const history of vectors.histories) {
    it(`${history.number}: ${history.name}`, () => {
      const simulator = new Simulator(vectors.setup)
      for (const step of history.steps) simulator.run(step)
    })
  }

  it('7: ten nodes over 23 intervals of one epoch', () => {
    const { table } = vectors
    let params = deriveParams(paramsOf(table.params), table.epochsInInterval)
    equal(params.epochRewardBudget, table.expect.epochRewardBudget, 'budget')
    equal(params.stakeSaturationPoint, table.expect.stakeSaturationPoint, 'saturation point')
    const costsOf = (row: (typeof table.nodes)[number]): CostParams => ({
      profitMargin: parsePercent(row.profitMargin),
      intervalOperatingCost: BigInt(row.intervalOperatingCost),
    })
    const nodes = table.nodes.map(
      (row) =>
        addDelegation(newRewarding(BigInt(row.pledge), costsOf(row), 0), undefined, BigInt(row.delegated), 0n).node,
    )
    for (let epoch = 1; epoch <= table.intervals; epoch++) {
      let removed = 0n
      const work = workFactors(params)
      equal(work.active, table.expect.active, 'work of the active')
      equal(work.standby, table.expect.standby, 'work on standby')
      for (const [i, row] of table.nodes.entries()) {
        const node = nodes[i] as NodeRewarding
        const performance = parsePercent(row.performance)
        const reward = nodeReward(params, node, performance, work[row.role])
        const split = splitReward(reward, node, costsOf(row), performance, table.epochsInInterval)
        if (epoch === 1) {
          equal(reward, row.firstReward.total, `reward of ${i}`)
          equal(split.operator, row.firstReward.operator, `operator of ${i}`)
          equal(split.delegates, row.firstReward.delegates, `delegates of ${i}`)
        }
        nodes[i] = distribute(node, split, epoch)
        removed += reward
      }
      params = endInterval(params, { removed, added: 0n }, table.epochsInInterval)
    }
    for (const [i, row] of table.nodes.entries()) {
      equal(nodes[i]!.operator, row.operator, `operator of ${i}`)
      equal(nodes[i]!.delegates, row.delegates, `delegates of ${i}`)
    }
    equal(params.rewardPool, table.after.rewardPool, 'pool')
    equal(params.stakingSupply, table.after.stakingSupply, 'supply')
  })

  for (const row of vectors.derived) {
    it(`${row.number}: derived parameters`, () => {
      const params = deriveParams(paramsOf(row.params), row.epochsInInterval)
      equal(params.epochRewardBudget, row.epochRewardBudget, 'budget')
      equal(params.stakeSaturationPoint, row.stakeSaturationPoint, 'saturation point')
      equal(workFactors(params).active, row.work?.active, 'work of the active')
      equal(workFactors(params).standby, row.work?.standby, 'work on standby')
    })
  }

  it('11: what the pledge adds, in the example of the official documentation', () => {
    const { epochRewardBudget, stakeSaturationPoint, sybilResistance, rewardedSetSize, cases } = vectors.brackets
    const params = {
      ...deriveParams(paramsOf(vectors.mainnet.params), vectors.mainnet.epochsInInterval),
      epochRewardBudget: parseDecimal(epochRewardBudget),
      stakeSaturationPoint: parseDecimal(stakeSaturationPoint),
      sybilResistance: parsePercent(sybilResistance),
    }
    for (const { pledge, reward } of cases) {
      const operator = parseDecimal(pledge)
      const stake = { operator, delegates: params.stakeSaturationPoint - operator }
      equal(nodeReward(params, stake, ONE, ONE / BigInt(rewardedSetSize)), reward, pledge)
    }
  })

  for (const row of vectors.mainnet.cases) {
    it(`${row.number}: one epoch under the parameters of the official network`, () => {
      const { epochsInInterval } = vectors.mainnet
      const params = deriveParams(paramsOf(vectors.mainnet.params), epochsInInterval)
      const costs = {
        profitMargin: parsePercent(row.profitMargin),
        intervalOperatingCost: BigInt(row.intervalOperatingCost),
      }
      let node = newRewarding(BigInt(row.pledge), costs, 0)
      if (row.delegated !== '0') node = addDelegation(node, undefined, BigInt(row.delegated), 0n).node
      const performance = parsePercent(row.performance)
      const reward = nodeReward(params, node, performance, workFactors(params).active)
      equal(reward, row.expect.reward, 'reward')
      const split = splitReward(reward, node, costs, performance, epochsInInterval)
      equal(split.operator, row.expect.operator, 'operator')
      equal(split.delegates, row.expect.delegates, 'delegates')
      const after = distribute(node, split, 1)
      equal(after.totalUnitReward, row.expect.totalUnitReward, 'T')
      equal(saturations(after, params.stakeSaturationPoint).bond, row.expect.saturationAfter, 'saturation')
    })
  }

  it('pool: what was paid leaves it, what was given joins it', () => {
    let params = deriveParams(paramsOf(vectors.pool.params), vectors.pool.epochsInInterval)
    for (const row of vectors.pool.cases) {
      const change = { removed: parseDecimal(row.removed), added: parseDecimal(row.added) }
      const next = endInterval(params, change, vectors.pool.epochsInInterval)
      equal(params.rewardPool - next.rewardPool, row.poolLess, 'pool')
      equal(next.stakingSupply - params.stakingSupply, row.supplyMore, 'supply')
      assert.deepEqual(next, deriveParams(next, vectors.pool.epochsInInterval))
      params = next
    }
  })

  it('weights of the draw: the twentieth power of performance', () => {
    for (const { performance, weight } of vectors.selectionWeights) {
      equal(power(parsePercent(performance), 20), weight, performance)
    }
  })

  it('floats become percents as in the official API', () => {
    for (const { float, percent } of vectors.floats) equal(percentFromFloat(float), percent, `${float}`)
  })

  it('versions behind, by what is listed', () => {
    for (const { chain, behind } of vectors.versionsBehind.cases) {
      const releases = chain.map(parseVersion)
      for (const [version, steps] of Object.entries(behind)) {
        const got = versionsBehind(releases, parseVersion(version), vectors.versionsBehind.weights)
        assert.equal(got, steps, `${version} beside ${chain.join(', ')}`)
      }
    }
  })

  it('configuration scores', () => {
    for (const { versionsBehind: behind, score } of vectors.configScores.cases) {
      const digits = score.split('.')[1]?.length ?? 0
      assert.equal(versionScore(behind, vectors.configScores).toFixed(digits), score)
    }
    const releases = ['1.1.13'].map(parseVersion)
    const software = { binaryName: 'nym-node', version: '1.1.12', acceptedTerms: true }
    assert.equal(configScore(releases, software), 0.995)
    assert.equal(configScore(releases, undefined), 0)
    assert.equal(configScore(releases, { ...software, acceptedTerms: false }), 0)
    assert.equal(configScore(releases, { ...software, binaryName: 'nym-mixnode' }), 0)
    assert.equal(configScore(releases, { ...software, version: 'newest' }), 0)
  })

  it('key rotations', () => {
    for (const { cases, ...schedule } of vectors.keyRotation) {
      for (const { epoch, id, nextStart } of cases) {
        assert.equal(keyRotationId(schedule, epoch), id, `${epoch}`)
        if (nextStart !== undefined) assert.equal(nextKeyRotationStart(schedule, epoch), nextStart, `${epoch}`)
      }
    }
  })

  it('the clock of an interval that ends', () => {
    const interval = (o: TokenomicsVectors['clock']['before']): Interval => ({
      ...o,
      currentEpochStart: BigInt(o.currentEpochStart),
    })
    const before = interval(vectors.clock.before)
    assert.deepEqual(nextEpoch(before), interval(vectors.clock.after))
    assert.equal(isEpochOver(before, before.currentEpochStart + 3599n), false)
    assert.equal(isEpochOver(before, before.currentEpochStart + 3600n), true)
  })
})
