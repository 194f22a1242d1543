/** Who says what each node is in an epoch: the directory itself, or the ledger. @module */
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { Epoch } from './epochs.ts'
import { type Assignment, assignRoles, type Candidate } from './rewardedSet.ts'
import type { RoleMemory } from './roleMemory.ts'

export interface Roles {
  /** `candidates`: the nodes that describe themselves. */
  assign(epoch: Epoch, candidates: readonly Candidate[]): Assignment
}

/** Dealt here, for networks without a ledger. */
export function dealtRoles(memory: RoleMemory, crypto: Pick<CryptoProvider, 'sha256'>): Roles {
  return {
    assign({ absoluteId: epochId }, candidates) {
      const assignment = assignRoles({ epochId, candidates, earlier: memory.rolesIn(epochId), crypto })
      memory.remember(epochId, assignment.roles)
      return assignment
    },
  }
}
