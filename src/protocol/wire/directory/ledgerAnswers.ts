/**
 * What directories say of the ledger: parameters of rewards, bonds with their accounts, saturation, supply. Decimals are raw here, times
 * 10^18, and text on the wire; amounts are unym. Format: docs/spec/directory-server.md, "From the ledger". @module
 */
import { toBase58 } from '../../../foundation/base/base58.ts'
import { decodeAccountAddress, encodeAccountAddress } from './accountAddress.ts'
import { type Json, type JsonObject, parseJson } from './json.ts'
import { KEY_BYTES } from './nodeKeys.ts'

export interface RewardingParamsAnswer {
  readonly rewardPool: bigint
  readonly stakingSupply: bigint
  readonly stakingSupplyScaleFactor: bigint
  readonly epochRewardBudget: bigint
  readonly stakeSaturationPoint: bigint
  readonly sybilResistance: bigint
  readonly activeSetWorkFactor: bigint
  readonly intervalPoolEmission: bigint
  readonly rewardedSet: {
    readonly entryGateways: number
    readonly exitGateways: number
    readonly mixnodes: number
    readonly standby: number
  }
}

export interface NodeDetailsAnswer {
  readonly nodeId: number
  /** 20 bytes. */
  readonly owner: Uint8Array
  readonly originalPledge: bigint
  /** Official ledgers say the height of a block; ours the Unix second, which grows like one. */
  readonly bondedAt: number
  readonly isUnbonding: boolean
  readonly host: string
  readonly httpPort: number | undefined
  readonly identity: Uint8Array
  readonly profitMargin: bigint
  readonly intervalOperatingCost: bigint
  readonly operator: bigint
  readonly delegates: bigint
  readonly totalUnitReward: bigint
  readonly lastRewardedEpoch: number
  readonly uniqueDelegations: number
}

export interface SupplyAnswer {
  readonly total: bigint
  readonly mixminingReserve: bigint
  readonly vesting: bigint
  readonly circulating: bigint
}

export interface SaturationAnswer {
  readonly saturation: bigint
  readonly uncapped: bigint
  /** Unix seconds. */
  readonly asAt: number
}

const ONE: bigint = 10n ** 18n
const MAX_RAW: bigint = (1n << 128n) - 1n
const DECIMAL = /^(\d{1,39})(?:\.(\d{1,18}))?$/
const DENOMINATION = 'unym'
/** 10^9 unym: the unit whose growth stands for everybody's (tokenomics 4.1). */
const UNIT_DELEGATION: bigint = 10n ** 9n * ONE

/** Without exponent, without zeros at the end, without a point where there is nothing behind it. */
export function encodeDecimal(raw: bigint): string {
  const fraction = String(raw % ONE)
    .padStart(18, '0')
    .replace(/0+$/, '')
  return fraction === '' ? String(raw / ONE) : `${raw / ONE}.${fraction}`
}

export function readDecimal(json: Json): bigint {
  const match = DECIMAL.exec(json.string())
  if (match === null) return json.refuse('not a decimal')
  const raw = BigInt(match[1] as string) * ONE + BigInt((match[2] ?? '').padEnd(18, '0'))
  return raw > MAX_RAW ? json.refuse('above 2^128') : raw
}

export const encodeCoin = (amount: bigint): JsonObject => ({ denom: DENOMINATION, amount: String(amount) })

export function readCoin(json: Json): bigint {
  json.field('denom').oneOf([DENOMINATION])
  const amount = json.field('amount')
  const text = amount.string()
  if (!/^\d{1,39}$/.test(text)) amount.refuse('not a whole number')
  const value = BigInt(text)
  return value > MAX_RAW ? amount.refuse('above 2^128') : value
}

/** `epoch/reward_params`. */
export function encodeRewardingParams(params: RewardingParamsAnswer): JsonObject {
  const { rewardedSet } = params
  return {
    interval: {
      reward_pool: encodeDecimal(params.rewardPool),
      staking_supply: encodeDecimal(params.stakingSupply),
      staking_supply_scale_factor: encodeDecimal(params.stakingSupplyScaleFactor),
      epoch_reward_budget: encodeDecimal(params.epochRewardBudget),
      stake_saturation_point: encodeDecimal(params.stakeSaturationPoint),
      sybil_resistance: encodeDecimal(params.sybilResistance),
      active_set_work_factor: encodeDecimal(params.activeSetWorkFactor),
      interval_pool_emission: encodeDecimal(params.intervalPoolEmission),
    },
    rewarded_set: {
      entry_gateways: rewardedSet.entryGateways,
      exit_gateways: rewardedSet.exitGateways,
      mixnodes: rewardedSet.mixnodes,
      standby: rewardedSet.standby,
    },
  }
}

export function decodeRewardingParams(text: string): RewardingParamsAnswer {
  const json = parseJson(text, 'rewarding params')
  const interval = json.field('interval')
  const set = json.field('rewarded_set')
  const decimal = (name: string): bigint => readDecimal(interval.field(name))
  return {
    rewardPool: decimal('reward_pool'),
    stakingSupply: decimal('staking_supply'),
    stakingSupplyScaleFactor: decimal('staking_supply_scale_factor'),
    epochRewardBudget: decimal('epoch_reward_budget'),
    stakeSaturationPoint: decimal('stake_saturation_point'),
    sybilResistance: decimal('sybil_resistance'),
    activeSetWorkFactor: decimal('active_set_work_factor'),
    intervalPoolEmission: decimal('interval_pool_emission'),
    rewardedSet: {
      entryGateways: set.field('entry_gateways').u32(),
      exitGateways: set.field('exit_gateways').u32(),
      mixnodes: set.field('mixnodes').u32(),
      standby: set.field('standby').u32(),
    },
  }
}

/** One of `nym-nodes/bonded`. */
export function encodeNodeDetails(node: NodeDetailsAnswer): JsonObject {
  return {
    bond_information: {
      node_id: node.nodeId,
      owner: encodeAccountAddress(node.owner),
      original_pledge: encodeCoin(node.originalPledge),
      bonding_height: node.bondedAt,
      is_unbonding: node.isUnbonding,
      node: { host: node.host, custom_http_port: node.httpPort ?? null, identity_key: toBase58(node.identity) },
    },
    rewarding_details: {
      cost_params: {
        profit_margin_percent: encodeDecimal(node.profitMargin),
        interval_operating_cost: encodeCoin(node.intervalOperatingCost),
      },
      operator: encodeDecimal(node.operator),
      delegates: encodeDecimal(node.delegates),
      total_unit_reward: encodeDecimal(node.totalUnitReward),
      unit_delegation: encodeDecimal(UNIT_DELEGATION),
      last_rewarded_epoch: node.lastRewardedEpoch,
      unique_delegations: node.uniqueDelegations,
    },
    pending_changes: { pledge_change: null, cost_params_change: null },
  }
}

export function readNodeDetails(json: Json): NodeDetailsAnswer {
  const bond = json.field('bond_information')
  const node = bond.field('node')
  const rewarding = json.field('rewarding_details')
  const costs = rewarding.field('cost_params')
  return {
    nodeId: bond.field('node_id').u32(),
    owner: decodeAccountAddress(bond.field('owner').string()),
    originalPledge: readCoin(bond.field('original_pledge')),
    bondedAt: bond.field('bonding_height').integer(),
    isUnbonding: bond.field('is_unbonding').boolean(),
    host: node.field('host').string(),
    httpPort: node.field('custom_http_port').optional((port) => port.u16()),
    identity: node.field('identity_key').base58(KEY_BYTES),
    profitMargin: readDecimal(costs.field('profit_margin_percent')),
    intervalOperatingCost: readCoin(costs.field('interval_operating_cost')),
    operator: readDecimal(rewarding.field('operator')),
    delegates: readDecimal(rewarding.field('delegates')),
    totalUnitReward: readDecimal(rewarding.field('total_unit_reward')),
    lastRewardedEpoch: rewarding.field('last_rewarded_epoch').u32(),
    uniqueDelegations: rewarding.field('unique_delegations').u32(),
  }
}

/** `nym-nodes/stake-saturation`. */
export function encodeSaturation({ saturation, uncapped, asAt }: SaturationAnswer): JsonObject {
  return { saturation: encodeDecimal(saturation), uncapped_saturation: encodeDecimal(uncapped), as_at: asAt }
}

export function decodeSaturation(text: string): SaturationAnswer {
  const json = parseJson(text, 'stake saturation')
  return {
    saturation: readDecimal(json.field('saturation')),
    uncapped: readDecimal(json.field('uncapped_saturation')),
    asAt: json.field('as_at').integer(),
  }
}

/** `circulating-supply`. */
export function encodeSupply({ total, mixminingReserve, vesting, circulating }: SupplyAnswer): JsonObject {
  return {
    total_supply: encodeCoin(total),
    mixmining_reserve: encodeCoin(mixminingReserve),
    vesting_tokens: encodeCoin(vesting),
    circulating_supply: encodeCoin(circulating),
  }
}

export function decodeSupply(text: string): SupplyAnswer {
  const json = parseJson(text, 'circulating supply')
  return {
    total: readCoin(json.field('total_supply')),
    mixminingReserve: readCoin(json.field('mixmining_reserve')),
    vesting: readCoin(json.field('vesting_tokens')),
    circulating: readCoin(json.field('circulating_supply')),
  }
}
