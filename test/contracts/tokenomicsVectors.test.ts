/**
 * `vectors/tokenomics.json` on the contract, and beside it on the whole model: what concerns the ledger, to the last digit. Official
 * simulators let delegators come and go between two epochs. Here they ask during the first of them and the end of it obeys, behind its
 * rewards, which comes to the same. @module
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { formatDecimal, parsePercent } from '../../src/protocol/economy/decimal.ts'
import type { CostParams, RewardSplit } from '../../src/protocol/economy/rewards.ts'
import { type ExpectStep, paramsOf, type Step, type TokenomicsVectors } from '../../src/protocol/economy/vectorTypes.ts'
import { ownerOf, PlayedContract, type PlayedMixnet, PlayedModel, type PlayOptions } from '../support/bothMixnets.ts'

const vectors: TokenomicsVectors = JSON.parse(
  readFileSync(new URL('../../vectors/tokenomics.json', import.meta.url), 'utf8'),
)

const equal = (got: bigint | undefined, wanted: string | undefined, what: string): void => {
  if (wanted !== undefined) assert.equal(formatDecimal(got ?? 0n), wanted, what)
}

const costsOf = (json: { readonly profitMargin: string; readonly intervalOperatingCost: string }): CostParams => ({
  profitMargin: parsePercent(json.profitMargin),
  intervalOperatingCost: BigInt(json.intervalOperatingCost),
})

const operator = ownerOf('operator')

/** Between epochs of a history the last one's rewards are paid, and what follows until the next one is still to be asked for. */
class History {
  readonly #mixnet: PlayedMixnet
  readonly #steps: readonly Step[]
  #at = 0
  #rewardsPaid = false
  #last: RewardSplit | undefined
  readonly #owed = new Map<string, bigint>()

  constructor(mixnet: PlayedMixnet, steps: readonly Step[]) {
    this.#mixnet = mixnet
    this.#steps = steps
  }

  async play(): Promise<void> {
    // The first interval has one epoch, in which the node comes and nobody earns.
    await this.#mixnet.bond(operator, BigInt(vectors.setup.pledge), costsOf(vectors.setup))
    await this.#askWhatFollows(0)
    await this.#mixnet.reward([])
    this.#rewardsPaid = true
    await this.#goOn()
    await this.#mixnet.epochsInInterval(vectors.setup.epochsInInterval)
    for (; this.#at < this.#steps.length; this.#at++) await this.#step(this.#steps[this.#at] as Step)
  }

  async #step(step: Step): Promise<void> {
    switch (step.do) {
      case 'epochs':
        for (let left = step.count; left > 0; left--) {
          await this.#goOn()
          if (left === 1) await this.#askWhatFollows(this.#at + 1)
          const performance = parsePercent(step.performance)
          const standby = step.role === 'standby'
          this.#last = (await this.#mixnet.reward([{ nodeId: 1, standby, performance }])).get(1)
          this.#rewardsPaid = true
        }
        break
      case 'delegate':
        return this.#goOn()
      case 'undelegate': {
        await this.#goOn()
        const owed = await this.#mixnet.owed(ownerOf(step.who))
        assert.equal(`${owed - (this.#owed.get(step.who) ?? 0n)}`, step.paid, step.who)
        this.#owed.set(step.who, owed)
        break
      }
      case 'withdrawOperator':
        assert.equal(`${await this.#mixnet.withdrawOperatorReward(operator)}`, step.paid)
        break
      case 'withdrawDelegator':
        assert.equal(`${await this.#mixnet.withdrawDelegatorReward(ownerOf(step.who), 1)}`, step.paid)
        break
      case 'expect':
        return this.#expect(step)
    }
  }

  async #askWhatFollows(from: number): Promise<void> {
    for (let at = from; at < this.#steps.length; at++) {
      const step = this.#steps[at] as Step
      if (step.do === 'epochs') return
      if (step.do === 'delegate') await this.#mixnet.delegate(ownerOf(step.who), 1, BigInt(step.amount))
      if (step.do === 'undelegate') await this.#mixnet.undelegate(ownerOf(step.who), 1)
    }
  }

  async #goOn(): Promise<void> {
    if (this.#rewardsPaid) await this.#mixnet.goOn()
    this.#rewardsPaid = false
  }

  async #expect(step: ExpectStep): Promise<void> {
    const node = await this.#mixnet.rewardingOf(1)
    equal(this.#last?.operator, step.lastReward?.operator, 'operator')
    equal(this.#last?.delegates, step.lastReward?.delegates, 'delegates')
    equal(node.operator, step.operator, 'operator’s stake')
    equal(node.delegates, step.delegates, 'delegates’ stake')
    equal(node.totalUnitReward, step.totalUnitReward, 'T')
    for (const [who, reward] of Object.entries(step.rewards ?? {})) {
      equal(await this.#mixnet.pendingReward(1, ownerOf(who)), reward, who)
    }
    for (const [who, { amount, ratio }] of Object.entries(step.delegations ?? {})) {
      const delegation = await this.#mixnet.delegationOf(1, ownerOf(who))
      assert.equal(`${delegation.amount}`, amount)
      equal(delegation.cumulativeRewardRatio, ratio, who)
    }
    if (step.params === undefined) return
    await this.#goOn()
    const params = await this.#mixnet.params()
    for (const [name, value] of Object.entries(step.params)) {
      equal(params[name as keyof typeof step.params], value, name)
    }
  }
}

const played = {
  contract: (options: PlayOptions): Promise<PlayedMixnet> => PlayedContract.create(options),
  model: async (options: PlayOptions): Promise<PlayedMixnet> => new PlayedModel(options),
}

for (const [which, create] of Object.entries(played)) {
  describe(`tokenomics vectors on the ${which}`, () => {
    for (const { number, name, steps } of vectors.histories) {
      it(`${number}: ${name}`, async () => {
        const params = paramsOf(vectors.setup.params)
        await new History(await create({ epochsInInterval: 1, params }), steps).play()
      })
    }

    it('7: ten nodes over 23 intervals of one epoch', async () => {
      const { table } = vectors
      const mixnet = await create({ epochsInInterval: table.epochsInInterval, params: paramsOf(table.params) })
      for (const [i, row] of table.nodes.entries()) {
        const nodeId = await mixnet.bond(ownerOf(`o${'abcdefghij'[i]}`), BigInt(row.pledge), costsOf(row))
        await mixnet.delegate(ownerOf('delegator'), nodeId, BigInt(row.delegated))
      }
      await mixnet.reward([])
      await mixnet.goOn()
      const serving = table.nodes.map(({ role, performance }, i) => ({
        nodeId: i + 1,
        standby: role === 'standby',
        performance: parsePercent(performance),
      }))
      for (let epoch = 1; epoch <= table.intervals; epoch++) {
        const rewards = await mixnet.reward(serving)
        for (const [i, { firstReward }] of table.nodes.entries()) {
          if (epoch > 1) continue
          const split = rewards.get(i + 1)
          equal(split?.operator, firstReward.operator, `operator of ${i}`)
          equal(split?.delegates, firstReward.delegates, `delegates of ${i}`)
        }
        await mixnet.goOn()
      }
      for (const [i, row] of table.nodes.entries()) {
        const node = await mixnet.rewardingOf(i + 1)
        equal(node.operator, row.operator, `operator of ${i}`)
        equal(node.delegates, row.delegates, `delegates of ${i}`)
      }
      const params = await mixnet.params()
      equal(params.rewardPool, table.after.rewardPool, 'pool')
      equal(params.stakingSupply, table.after.stakingSupply, 'supply')
    })

    for (const row of vectors.derived) {
      it(`${row.number}: derived parameters`, async () => {
        const mixnet = await create({ epochsInInterval: row.epochsInInterval, params: paramsOf(row.params) })
        const params = await mixnet.params()
        equal(params.epochRewardBudget, row.epochRewardBudget, 'budget')
        equal(params.stakeSaturationPoint, row.stakeSaturationPoint, 'saturation point')
        const work = await mixnet.work([{ nodeId: 1, standby: false }])
        equal(work.active, row.work?.active, 'work of the active')
        equal(work.standby, row.work?.standby, 'work on standby')
      })
    }

    for (const row of vectors.mainnet.cases) {
      it(`${row.number}: one epoch under the parameters of the official network`, async () => {
        const { epochsInInterval, params } = vectors.mainnet
        const mixnet = await create({ epochsInInterval, params: paramsOf(params) })
        const nodeId = await mixnet.bond(operator, BigInt(row.pledge), costsOf(row))
        if (row.delegated !== '0') await mixnet.delegate(ownerOf('alice'), nodeId, BigInt(row.delegated))
        await mixnet.reward([])
        await mixnet.goOn()
        const rewards = await mixnet.reward([{ nodeId, standby: false, performance: parsePercent(row.performance) }])
        equal(rewards.get(nodeId)?.operator, row.expect.operator, 'operator')
        equal(rewards.get(nodeId)?.delegates, row.expect.delegates, 'delegates')
        equal((await mixnet.rewardingOf(nodeId)).totalUnitReward, row.expect.totalUnitReward, 'T')
      })
    }
  })
}
