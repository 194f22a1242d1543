/** What governance had the timelock do, from the call it made. @module */
import { decodeFunctionData } from 'viem/utils'
import {
  updateActiveSetDistribution,
  updateIntervalConfig,
  updateOperatorsParams,
  updateRewardingParams,
} from '../../../protocol/economy/governance.ts'
import { ABIS } from '../abis.ts'
import { performanceAbi } from '../artifacts/performance.ts'
import type { Hex } from '../chain.ts'
import type { GovernanceChange } from './auditedMixnet.ts'
import type { ParticipationRules } from './auditedScores.ts'

/** A number that leaves the pool, or the supply, what it is. */
const UNCHANGED = 2n ** 128n - 1n

/** Of the mixnet. undefined for a call that changes no parameter. */
export function governanceChange(data: Hex): GovernanceChange | undefined {
  const call = decoded(data)
  switch (call?.functionName) {
    case 'updateRewardingParams': {
      const [{ rewardPool, stakingSupply, epochRewardBudget: _, stakeSaturationPoint: __, ...chosen }, force] =
        call.args
      const params = {
        ...chosen,
        ...(rewardPool === UNCHANGED ? {} : { rewardPool }),
        ...(stakingSupply === UNCHANGED ? {} : { stakingSupply }),
      }
      return (state, now) => updateRewardingParams(state, now, params, force)
    }
    case 'updateActiveSetDistribution': {
      const [entryGateways, exitGateways, mixnodes, force] = call.args
      return (state, now) => updateActiveSetDistribution(state, now, { entryGateways, exitGateways, mixnodes }, force)
    }
    case 'updateIntervalConfig': {
      const [epochsInInterval, epochLength, force] = call.args
      return (state, now) => updateIntervalConfig(state, now, { epochsInInterval, epochLength }, force)
    }
    case 'updateOperatorsParams': {
      const [params] = call.args
      return (state) => updateOperatorsParams(state, params)
    }
    default:
      return undefined
  }
}

/** Of the scores; from the call on, for it is refused once reports can be seen. undefined for another call. */
export function newParticipationRules(data: Hex): ParticipationRules | undefined {
  try {
    const call = decodeFunctionData({ abi: performanceAbi, data })
    return call.functionName === 'updateParameters' ? call.args[0] : undefined
  } catch {
    return undefined
  }
}

function decoded(data: Hex) {
  try {
    return decodeFunctionData({ abi: ABIS.mixnet, data })
  } catch {
    return undefined
  }
}
