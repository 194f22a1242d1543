/** What a monitor needs of the ledger. Filled in by app; amounts of gas, nonces and resending are that side's. @module */
import type { Millis } from '../../foundation/base/units.ts'
import type { EpochTimes } from './monitorParams.ts'

/** The epoch that runs, as of the newest block. */
export interface LedgerEpoch extends EpochTimes {
  readonly epochId: number
  /** The block's time: what the ledger goes by, as far as a server says. Ours may be ahead. */
  readonly now: Millis
  /** The largest id of a node: the ledger takes no report that speaks of larger ones. */
  readonly lastNodeId: number
}

/** What is committed to, and revealed later. */
export interface SealedReport {
  readonly epochId: number
  /** 32 bytes; whoever knows them before the reveals begin knows a part of the next draw's seed, and can copy the report. */
  readonly secret: Uint8Array
  /** 32 bytes, SHA-256. */
  readonly evidenceHash: Uint8Array
  /** Percent by node id. */
  readonly scores: ReadonlyMap<number, number>
}

export interface Standing {
  /** May report: has joined, measures, and is not excluded. */
  readonly isMonitor: boolean
  /** The ledger has a commitment of ours for the epoch. */
  readonly committed: boolean
  /** That commitment is the one to the report in question: another one, of a lost disk, cannot be revealed by it. */
  readonly isOurs: boolean
  readonly revealed: boolean
}

/** Every method may reject with a MixnetError; it is asked again later. */
export interface MonitorLedger {
  epoch(): Promise<LedgerEpoch>
  /** Of us in that epoch, against this report where there is one. */
  standing(epochId: number, report?: SealedReport): Promise<Standing>
  /** Resolves once it is on the ledger. */
  commit(report: SealedReport): Promise<void>
  /** The same. Never called before `revealFrom`, by the ledger's own time and by ours. */
  reveal(report: SealedReport): Promise<void>
}
