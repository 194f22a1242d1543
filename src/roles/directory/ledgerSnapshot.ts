/**
 * What a directory reads of the ledger: one block's word on epochs, nodes and what they earn. The ledger's own client fills it in.
 * Amounts are unym, decimals raw (times 10^18), instants and durations seconds, epoch ids absolute. @module
 */
import type { RewardingParamsAnswer } from '../../protocol/wire/directory/ledgerAnswers.ts'
import type { EpochRole } from '../../protocol/wire/directory/skimmedNodes.ts'
import type { TopologyBundle } from '../../protocol/wire/directory/topologyBundle.ts'

export interface LedgerNode {
  readonly nodeId: number
  /** Ed25519, 32 bytes. */
  readonly identity: Uint8Array
  /** 20 bytes. */
  readonly owner: Uint8Array
  readonly host: string
  readonly httpPort: number | undefined
  readonly isUnbonding: boolean
  readonly bondedInEpoch: number
  readonly bondedAt: number
  readonly originalPledge: bigint
  /** Decimals. */
  readonly operator: bigint
  readonly delegates: bigint
  readonly totalUnitReward: bigint
  readonly profitMargin: bigint
  readonly intervalOperatingCost: bigint
  readonly lastRewardedEpoch: number
  readonly uniqueDelegations: number
  /** Of the epoch that runs; `inactive` outside the set. */
  readonly role: EpochRole
  /** The median of what monitors reported, 0 to 1; 0 also where none did. */
  readonly score: number
}

export interface LedgerSnapshot {
  readonly block: { readonly number: number; readonly time: number }
  readonly epochId: number
  readonly epochStart: number
  readonly epochLength: number
  readonly interval: { readonly id: number; readonly epochsInInterval: number; readonly currentEpochId: number }
  readonly keyRotation: { readonly validityEpochs: number; readonly initialEpochId: number }
  readonly params: RewardingParamsAnswer
  /** Bonded and unbonding, ascending by id. */
  readonly nodes: readonly LedgerNode[]
}

export interface LedgerSource {
  /** As of the block that has so many on top of it. Rejects with MixnetErrors. */
  snapshot(confirmations: number): Promise<LedgerSnapshot>
  /**
   * All that the root of that epoch was made of, each announcement as it was at the draw; undefined where it is not known. It is the
   * reader who checks it. Without it the directory serves none.
   */
  topology?(epochId: number): Promise<TopologyBundle | undefined>
}
