/** What the compiler makes of a contract, as the files of artifacts/ have it. @module */
import type { Abi } from 'viem'
import type { ContractName } from './abis.ts'
import type { Hex } from './chain.ts'

export interface Artefact {
  readonly abi: Abi
  readonly bytecode: Hex
  /** Where the addresses of libraries go, in bytes. */
  readonly links: readonly { readonly library: string; readonly starts: readonly number[] }[]
  /** The Keccak of its code with zeros at `values`: start and length, in bytes, of what each deployment has of its own. */
  readonly runtime: { readonly hash: Hex; readonly values: readonly (readonly [number, number])[] }
}

/** Everything that a deployment makes. */
export type CreatedName = ContractName | 'multicall' | 'ownershipProof' | 'governance' | 'reconciliation'
export type Artefacts = Readonly<Record<CreatedName, Artefact>>
