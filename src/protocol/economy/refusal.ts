/** What the rules refuse, in the words of contracts/interfaces/IMixnet.sol: whatever is refused has changed nothing. @module */

export type RefusalName =
  | 'EpochAdvancementInProgress'
  | 'WrongEpochState'
  | 'EpochNotOver'
  | 'ScoresNotSettled'
  | 'AlreadyBonded'
  | 'IdentityTaken'
  | 'BadOwnershipSignature'
  | 'NotBonded'
  | 'Unbonding'
  | 'PendingPledgeChange'
  | 'HostTooLong'
  | 'BelowMinimumPledge'
  | 'BelowMinimumDelegation'
  | 'OutOfRange'
  | 'NoDelegation'
  | 'NothingOwed'
  | 'TotalWorkAboveOne'
  | 'NothingToDo'

export class Refusal extends Error {
  readonly reason: RefusalName

  constructor(reason: RefusalName) {
    super(reason)
    this.reason = reason
  }
}
