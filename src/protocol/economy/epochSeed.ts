/** The public seed of an epoch's draw: of the one before and the secrets that were revealed. docs/spec/ledger.md, "The seed". @module */
import { abiWords, type Keccak256 } from './abiWords.ts'
import { compareAddresses } from './reports.ts'

export interface RevealedSecret {
  /** 20 bytes. */
  readonly participant: Uint8Array
  /** 32 bytes. */
  readonly secret: Uint8Array
}

export interface SeedInput {
  /** 32 bytes: of the epoch before, or the network's own. */
  readonly previous: Uint8Array
  readonly epochId: number
  /** In any order. */
  readonly secrets: readonly RevealedSecret[]
  /** 32 bytes, where the network mixes its chain's randomness in. */
  readonly chainRandomness?: Uint8Array
}

export function epochSeed(
  { previous, epochId, secrets, chainRandomness }: SeedInput,
  keccak256: Keccak256,
): Uint8Array {
  let seed = keccak256(abiWords(previous, epochId))
  for (const { participant, secret } of [...secrets].sort((a, b) => compareAddresses(a.participant, b.participant))) {
    seed = keccak256(abiWords(seed, participant, secret))
  }
  return chainRandomness === undefined ? seed : keccak256(abiWords(seed, chainRandomness))
}

/** The network's own, before its first epoch. `contract`: 20 bytes, where scores are settled. */
export function firstSeed(chainId: number, contract: Uint8Array, keccak256: Keccak256): Uint8Array {
  return keccak256(abiWords(chainId, contract))
}
