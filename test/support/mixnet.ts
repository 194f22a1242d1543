/**
 * The mixnet's contract on the EVM of this process, with scores and a rewarded set that the test decides. Set-up A of tokenomics part 9
 * unless told otherwise. @module
 */
import { type AddressHex, Evm, type Outcome } from './evm.ts'

/** Raw of 1: Decimals have 18 fractional digits. */
export const ONE: bigint = 10n ** 18n
/** unym in a NYM. */
export const NYM = 1_000_000n

export interface RewardedSetSizes {
  readonly entryGateways: number
  readonly exitGateways: number
  readonly mixnodes: number
  readonly standby: number
}

/** Raw Decimals; the two derived ones the contract computes. */
export interface RewardingParamsValue {
  readonly rewardPool: bigint
  readonly stakingSupply: bigint
  readonly epochRewardBudget: bigint
  readonly stakeSaturationPoint: bigint
  readonly activeSetWorkFactor: bigint
  readonly stakingSupplyScaleFactor: bigint
  readonly sybilResistance: bigint
  readonly intervalPoolEmission: bigint
  readonly rewardedSet: RewardedSetSizes
}

export interface OperatorsParamsValue {
  readonly minimumPledge: bigint
  readonly minimumDelegation: bigint
  readonly minimumProfitMargin: bigint
  readonly maximumProfitMargin: bigint
  readonly minimumOperatingCost: bigint
  readonly maximumOperatingCost: bigint
}

export interface NodeRewardingValue {
  readonly operator: bigint
  readonly delegates: bigint
  readonly totalUnitReward: bigint
  readonly profitMargin: bigint
  readonly intervalOperatingCost: bigint
  readonly lastRewardedEpoch: number
  readonly uniqueDelegations: number
}

export interface Costs {
  readonly profitMargin: bigint
  readonly intervalOperatingCost: bigint
}

export const PARAMS_A: RewardingParamsValue = {
  rewardPool: 250_000_000_000_000n * ONE,
  stakingSupply: 100_000_000_000_000n * ONE,
  epochRewardBudget: 0n,
  stakeSaturationPoint: 0n,
  activeSetWorkFactor: 10n * ONE,
  stakingSupplyScaleFactor: ONE,
  sybilResistance: (3n * ONE) / 10n,
  intervalPoolEmission: (2n * ONE) / 100n,
  rewardedSet: { entryGateways: 20, exitGateways: 50, mixnodes: 30, standby: 140 },
}

export const OPERATORS: OperatorsParamsValue = {
  minimumPledge: 100n * NYM,
  minimumDelegation: 0n,
  minimumProfitMargin: 0n,
  maximumProfitMargin: ONE,
  minimumOperatingCost: 0n,
  maximumOperatingCost: 10n ** 15n,
}

/** 10 % and 40 NYM. */
export const COSTS_A: Costs = { profitMargin: ONE / 10n, intervalOperatingCost: 40n * NYM }

export interface MixnetOptions {
  readonly rewarding?: Partial<RewardingParamsValue>
  readonly operators?: Partial<OperatorsParamsValue>
  readonly epochsInInterval?: number
  readonly epochLength?: number
  readonly keyValidityEpochs?: number
  readonly firstEpochId?: number
  readonly firstEpochStart?: bigint
  /** unym at the contract's address before it is there. */
  readonly funded?: bigint
  /** Contracts in the places of the mocks, by name. */
  readonly performanceName?: string
  readonly rewardedSetName?: string
  readonly proofName?: string
}

const TREASURY = Evm.address(1)
export const GOVERNANCE: AddressHex = Evm.address(2)

/** In a set: ids ascending, or with their standby. */
type InSet = number | { readonly nodeId: number; readonly standby: boolean }

export class MixnetFixture {
  readonly evm: Evm
  readonly token: AddressHex
  readonly mixnet: AddressHex
  readonly scores: AddressHex
  readonly set: AddressHex
  readonly proof: AddressHex
  #identities = 0

  private constructor(evm: Evm, addresses: Record<'token' | 'mixnet' | 'scores' | 'set' | 'proof', AddressHex>) {
    this.evm = evm
    this.token = addresses.token
    this.mixnet = addresses.mixnet
    this.scores = addresses.scores
    this.set = addresses.set
    this.proof = addresses.proof
  }

  static async create(options: MixnetOptions = {}): Promise<MixnetFixture> {
    const evm = await Evm.create()
    const token = await evm.deploy('NymToken', [TREASURY])
    const scores = await evm.deploy(options.performanceName ?? 'ScoresMock')
    const set = await evm.deploy(options.rewardedSetName ?? 'SetMock')
    const proof = await evm.deploy(options.proofName ?? 'OwnershipProofMock')
    const libraries = {
      Governance: await evm.deploy('Governance'),
      Reconciliation: await evm.deploy('Reconciliation'),
    }
    const rewarding = { ...PARAMS_A, ...options.rewarding }
    const expected = await evm.nextAddress(Evm.address(0))
    const pool = options.funded ?? rewarding.rewardPool / ONE + (rewarding.rewardPool % ONE === 0n ? 0n : 1n)
    if (pool > 0n) await evm.send(token, 'transfer', [expected, pool], TREASURY)
    const config = {
      token,
      performance: scores,
      rewardedSet: set,
      ownershipProof: proof,
      governance: GOVERNANCE,
      epochsInInterval: options.epochsInInterval ?? 720,
      epochLength: options.epochLength ?? 3600,
      keyValidityEpochs: options.keyValidityEpochs ?? 24,
      firstEpochId: options.firstEpochId ?? 0,
      firstEpochStart: options.firstEpochStart ?? evm.now,
      rewarding,
      operators: { ...OPERATORS, ...options.operators },
    }
    const mixnet = await evm.deploy('Mixnet', [config], { libraries })
    return new MixnetFixture(evm, { token, mixnet, scores, set, proof })
  }

  send(fn: string, args: readonly unknown[] = [], from?: AddressHex): Promise<Outcome> {
    return this.evm.send(this.mixnet, fn, args, from)
  }

  async read<Result>(fn: string, args: readonly unknown[] = []): Promise<Result> {
    return (await this.evm.read(this.mixnet, fn, args)) as Result
  }

  async balanceOf(who: AddressHex): Promise<bigint> {
    return (await this.evm.read(this.token, 'balanceOf', [who])) as bigint
  }

  /** Tokens in the hands of `who`, and the allowance to hand them on. */
  async fund(who: AddressHex, amount: bigint): Promise<void> {
    await this.evm.send(this.token, 'transfer', [who, amount], TREASURY)
    await this.evm.send(this.token, 'approve', [this.mixnet, 2n ** 256n - 1n], who)
  }

  /** A new identity; pays the pledge out of the treasury. Returns the node's id. */
  async bond(owner: AddressHex, pledge: bigint = 10_000_000_000n, costs: Costs = COSTS_A): Promise<number> {
    await this.fund(owner, pledge)
    const { result } = await this.send('bond', bondArguments(++this.#identities, pledge, costs), owner)
    return result as number
  }

  async delegate(nodeId: number, owner: AddressHex, amount: bigint): Promise<Outcome> {
    await this.fund(owner, amount)
    return this.send('delegate', [nodeId, amount], owner)
  }

  async setNodes(nodes: readonly InSet[]): Promise<void> {
    const ids = nodes.map((node) => (typeof node === 'number' ? node : node.nodeId))
    await this.evm.send(this.set, 'setNodes', [ids, nodes.map((node) => typeof node !== 'number' && node.standby)])
  }

  /** The clock to the end of the epoch that runs. */
  async endEpoch(): Promise<void> {
    const { currentEpochStart, epochLength } = await this.read<{ currentEpochStart: bigint; epochLength: number }>(
      'interval',
    )
    const end = currentEpochStart + BigInt(epochLength)
    if (this.evm.now < end) this.evm.now = end
  }

  /** From rewards paid to the next epoch, with the set that is in place. Returns what rewarding said. */
  async nextEpoch(): Promise<Outcome['logs']> {
    const logs = await this.rewardEpoch()
    await this.reconcile()
    await this.advance()
    return logs
  }

  async rewardEpoch(): Promise<Outcome['logs']> {
    await this.endEpoch()
    await this.send('beginEpochTransition')
    const [state] = await this.read<readonly [number, number, number]>('epochState')
    return state === 1 ? (await this.send('rewardNodes', [0xffff_ffff])).logs : []
  }

  reconcile(limit = 0xffff_ffff): Promise<Outcome> {
    return this.send('reconcileEpochEvents', [limit])
  }

  async advance(): Promise<void> {
    await this.evm.send(this.set, 'advance', [this.mixnet])
  }

  /** What is asked of a node that has just come takes effect, and nobody is rewarded. */
  async settle(): Promise<void> {
    await this.setNodes([])
    await this.nextEpoch()
  }

  rewardingOf(nodeId: number): Promise<NodeRewardingValue> {
    return this.read('rewardingOf', [nodeId])
  }
}

/** Of `bond`. Equal numbers make equal identities. */
export function bondArguments(identity: number, pledge: bigint, costs: Costs = COSTS_A, host = '127.0.0.1'): unknown[] {
  const zero = `0x${'00'.repeat(32)}`
  return [`0x${identity.toString(16).padStart(64, '0')}`, host, 8080, costs, pledge, zero, zero]
}

/** A Decimal as the specification writes it: `1128452.541610435897435896`. */
export function decimal(raw: bigint): string {
  const fraction = (raw % ONE).toString().padStart(18, '0').replace(/0+$/, '')
  return `${raw / ONE}${fraction === '' ? '' : `.${fraction}`}`
}
