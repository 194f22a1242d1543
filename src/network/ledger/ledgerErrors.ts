/**
 * What contracts and servers refuse, in words for people. A contract's own error keeps its name as `details.reason`, which is stable;
 * its parameters are details as well. @module
 */

import type { Abi, AbiParameter } from 'viem'
import { decodeAbiParameters, parseAbi, toFunctionSelector } from 'viem/utils'
import { type ErrorDetails, type MachineCode, MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import { ABIS, CONTRACT_NAMES } from './abis.ts'
import type { Hex } from './chain.ts'
import type { RpcRefusal } from './jsonRpc.ts'

interface Words {
  readonly code: MachineCode | 'INTERNAL'
  readonly message: string
  readonly nextStep: string
}

const refused = (message: string, nextStep: string): Words => ({ code: 'LEDGER_REFUSED', message, nextStep })
const notNow = (message: string, nextStep: string): Words => ({ code: 'LEDGER_NOT_NOW', message, nextStep })
const funds = (message: string, nextStep: string): Words => ({ code: 'LEDGER_FUNDS', message, nextStep })
const bug = (message: string): Words => ({
  code: 'INTERNAL',
  message,
  nextStep: 'Please report it with the transaction that did it.',
})

const LOOK_AGAIN = 'Look at the epoch again: another driver may have done this step.'
const ONLY_OWNER = 'Use the account that bonded the node.'
const GOVERNANCE = 'Propose it to the timelock; it can be executed when its delay is over.'

/** One for each custom error of the interfaces, and for those of OpenZeppelin that can reach a person. */
const WORDS: Readonly<Record<string, Words>> = {
  // mixnet
  EpochAdvancementInProgress: notNow('the epoch is changing', 'Try again when the next epoch has begun, in a moment.'),
  WrongEpochState: notNow('the epoch is not at that step', LOOK_AGAIN),
  EpochNotOver: notNow('the epoch still runs', 'Wait for its end.'),
  ScoresNotSettled: notNow("the epoch's scores are not settled", 'Settle them first: Performance.settle.'),
  AlreadyBonded: refused(
    'this account has bonded a node',
    'Use another account for another node, or unbond the first.',
  ),
  IdentityTaken: refused('a node of that identity key is bonded', 'Use the key of this node, not a copy of another.'),
  BadOwnershipSignature: refused(
    "the identity key's signature does not hold",
    'Sign again: the text names the owner, its nonce, host, port, costs and pledge, and all must be the same.',
  ),
  NotBonded: refused('there is no such bonded node', 'Check the node and the account.'),
  Unbonding: refused('the node is being unbonded', 'Nothing more can change: wait for the end of the epoch.'),
  PendingPledgeChange: notNow('an earlier change of the pledge is pending', 'Try again in the next epoch.'),
  HostTooLong: refused('the host name is too long', 'Give a shorter one.'),
  BelowMinimumPledge: refused(
    'the pledge is below the minimum',
    'Pledge at least the minimum in the details, in unym.',
  ),
  BelowMinimumDelegation: refused(
    'the delegation is below the minimum',
    'Delegate at least the minimum in the details, in unym.',
  ),
  OutOfRange: refused('a parameter is out of its range', 'Correct the parameter named in the details.'),
  NoDelegation: refused(
    'this account delegates nothing to that node',
    'Check the node and the account. What was delegated in this epoch can be taken back once it is over.',
  ),
  NothingOwed: refused(
    'nothing is owed to this account',
    'Nothing: what was due has been paid, or comes at the end of the epoch.',
  ),
  NotGovernance: refused('only governance may do this', GOVERNANCE),
  NotRewardedSet: refused(
    'only the contract of the rewarded set may do this',
    'Draw the set there: it advances the epoch.',
  ),
  TotalWorkAboveOne: bug('the work of an epoch adds up to more than one'),
  NothingToDo: notNow('there is nothing to do', LOOK_AGAIN),
  // performance
  NotParticipant: refused('this account is no participant', 'Join first, with a stake.'),
  AlreadyParticipant: refused('this account takes part already', 'Nothing, or depart first.'),
  StakeTooSmall: refused('the stake is too small', 'Stake at least the minimum in the details, in unym.'),
  TooManyParticipants: refused('there are as many participants as there may be', 'Wait for one to leave.'),
  WrongEpoch: notNow('this is another epoch', 'Begin again with the epoch in the details.'),
  TooLate: notNow('it is too late for that in this epoch', 'Commit earlier in the next one; check the clock.'),
  TooEarly: notNow('it is too early for that', 'Wait for the time of reveals, or for the end of the epoch.'),
  AlreadyCommitted: notNow('this account has committed in this epoch', 'Reveal that commitment when it is time.'),
  NoSuchCommitment: refused(
    'nothing was committed that this reveals',
    'Reveal exactly what was committed, with its secret.',
  ),
  BadReport: refused('the report is not well-formed', 'See the problem in the details.'),
  StakeLocked: notNow('the stake is locked', 'Withdraw in the epoch named in the details.'),
  AlreadySettled: notNow('the epoch is settled', LOOK_AGAIN),
  // rewarded set
  NotDrawing: notNow('no set is to be drawn now', LOOK_AGAIN),
  WrongChoice: refused(
    'a node was given a role that it cannot have',
    'Compute the draw again from this block; restart the attempt.',
  ),
  WrongCounts: refused(
    'a role has the wrong number of nodes',
    'Compute the draw again from this block; restart the attempt.',
  ),
  NotDrawnByWeight: refused(
    'the seed chooses other nodes',
    'Compute the draw again from this block; restart the attempt.',
  ),
  // announcements
  NotOwner: refused('the node belongs to another account', ONLY_OWNER),
  WrongSequence: refused('the announcement is not the next one', 'Sign it with the sequence in the details.'),
  DataTooLong: refused('the announcement is too long', 'Say less.'),
  // e-cash
  BadKey: refused('the identity key of the deposit is no key', 'Make a new key for this deposit alone.'),
  BadPrice: refused('the price cannot be that', 'Choose one that 50 tickets divide, and the share of gateways.'),
  AlreadyRedeemed: notNow('these tickets were redeemed', 'Nothing: they were paid.'),
  NotEnoughVotes: refused('too few issuers voted', 'Collect as many votes as the threshold in the details.'),
  BadVote: refused(
    "an issuer's vote does not hold",
    'Ask the issuer at the index in the details again, or leave it out.',
  ),
  NotGatewayOwner: refused('the gateway belongs to another account', ONLY_OWNER),
  // issuers
  NotMember: refused('this account is no member of that plan', 'Use the account that the plan names.'),
  BadPlan: refused('the plan cannot be', 'See the problem in the details.'),
  BoardFull: refused('the board is full', 'Begin another plan.'),
  AlreadyConfirmed: notNow('this member has confirmed', 'Nothing: it counts.'),
  // of implementations, beyond their interfaces
  BadHost: refused('the host is not written as hosts are', 'Give a name or an address in plain ASCII.'),
  BadMessage: refused('the part of the message cannot be', 'Send parts that are neither empty nor too long.'),
  BadParameters: refused('the parameters cannot be', 'Check their ranges.'),
  BadShare: refused('the share is above a hundred', 'Give one from 0 to 100.'),
  EmptyBatch: refused('the batch has no tickets', 'Redeem at least one.'),
  NotEnoughDeposits: refused('more tickets than deposits have paid for', 'Check the count: books have 50 tickets.'),
  PoolNotFunded: refused('the reward pool has no tokens', 'Pay it to the address of the mixnet first.'),
  StillExcluded: notNow('the participant is excluded for now', 'Try again in the epoch named in the details.'),
  ReentrancyGuardReentrantCall: refused('a contract was called in the middle of its own call', 'Do not call back.'),
  SafeERC20FailedOperation: funds('the tokens could not be moved', 'Check the balance and what is allowed.'),
  // token (EIP-6093, ERC-2612)
  ERC20InsufficientBalance: funds(
    'the account has too few NYM',
    'Send it the missing NYM: needed and balance are in unym.',
  ),
  ERC20InsufficientAllowance: funds(
    'the contract may not take that much',
    'Allow it first: it needs what the details say, in unym.',
  ),
  ERC20InvalidApprover: refused('nobody can allow that', 'Check the account.'),
  ERC20InvalidReceiver: refused('nobody can receive there', 'Check the address of the receiver.'),
  ERC20InvalidSender: refused('nobody can send from there', 'Check the account.'),
  ERC20InvalidSpender: refused('nobody can be allowed that', 'Check the address of the spender.'),
  ERC2612ExpiredSignature: refused('the permit is too old', 'Sign another one.'),
  ERC2612InvalidSigner: refused('the permit is signed by another', 'Sign it with the account that pays.'),
  // timelock
  TimelockInsufficientDelay: refused(
    'the delay is too short',
    'Schedule it with the delay in the details, in seconds.',
  ),
  TimelockUnexpectedOperationState: notNow(
    'the proposal is not at that point',
    'Look at its state: it may be too early, or done.',
  ),
  TimelockUnexecutedPredecessor: notNow('another proposal has to come first', 'Execute that one first.'),
  TimelockUnauthorizedCaller: refused('only the timelock may do this', GOVERNANCE),
  TimelockInvalidOperationLength: refused(
    'the lists of the proposal differ in length',
    'Give as many targets as values and payloads.',
  ),
  AccessControlUnauthorizedAccount: refused(
    'this account may not do this',
    'Use an account that has the role in the details.',
  ),
  AccessControlBadConfirmation: refused('a role can be given up by its holder alone', 'Use that account.'),
  FailedCall: refused('what the proposal calls fails', 'Try the call itself with a preview, from the timelock.'),
}

/** What no interface has. */
const BEYOND_INTERFACES = parseAbi([
  'error BadHost()',
  'error BadMessage()',
  'error BadParameters()',
  'error BadShare()',
  'error EmptyBatch()',
  'error NotEnoughDeposits()',
  'error PoolNotFunded()',
  'error StillExcluded(uint32 untilEpoch)',
  'error ReentrancyGuardReentrantCall()',
  'error SafeERC20FailedOperation(address token)',
])

/** Words of the names that numbers stand for. */
const STATES = ['in progress', 'rewarding', 'reconciling', 'role assignment']

interface KnownError {
  readonly name: string
  readonly inputs: readonly AbiParameter[]
}

let knownErrors: ReadonlyMap<string, KnownError> | undefined

/** By selector, of all contracts. */
function errorsBySelector(): ReadonlyMap<string, KnownError> {
  knownErrors ??= new Map(
    [...CONTRACT_NAMES.map((name) => ABIS[name] as Abi), BEYOND_INTERFACES as Abi]
      .flat()
      .flatMap((item) =>
        item.type === 'error'
          ? [[toFunctionSelector({ ...item, type: 'function', outputs: [], stateMutability: 'view' }), item] as const]
          : [],
      ),
  )
  return knownErrors
}

/** Names of errors that have no words: for the test that there are none. */
export function errorsWithoutWords(): readonly string[] {
  return [...errorsBySelector().values()].map(({ name }) => name).filter((name) => !Object.hasOwn(WORDS, name))
}

const SELECTOR_DIGITS = 10
const ERROR_STRING = '0x08c379a0'
const PANIC = '0x4e487b71'

/** The error of a call that reverted with `data`. */
export function revertError(data: Hex | undefined, details: ErrorDetails = {}): MixnetError {
  const selector = data?.slice(0, SELECTOR_DIGITS)
  const known = selector === undefined ? undefined : errorsBySelector().get(selector)
  if (data !== undefined && known !== undefined) {
    const words = WORDS[known.name] ?? refused('the contract refuses this', 'See the reason in the details.')
    const { code, message, nextStep } = words
    const all = { ...details, reason: known.name, ...argumentsOf(known, data) }
    const said = { message, nextStep }
    return code === 'INTERNAL' ? new MixnetError(code, all, said) : machineError(code, all, said)
  }
  if (data !== undefined && selector === ERROR_STRING) {
    return machineError('LEDGER_REFUSED', { ...details, reason: 'Error', why: textOf(data) })
  }
  // Overflow, division by zero and what else cannot be: the contracts check what they are given before.
  if (data !== undefined && selector === PANIC) {
    return machineError(
      'LEDGER_REFUSED',
      { ...details, reason: 'Panic', panic: `0x${data.slice(-2)}` },
      {
        message: 'a number is too large for the contract',
        nextStep: 'Check the amounts; if they are what they should be, report it.',
      },
    )
  }
  return machineError('LEDGER_REFUSED', {
    ...details,
    reason: selector === undefined || selector === '0x' ? 'none' : selector,
  })
}

/** The error of what a server refused: a revert, too little of the chain's coin, or whatever it says. */
export function refusalError({ code, message, data }: RpcRefusal, details: ErrorDetails = {}): MixnetError {
  if (data !== undefined && data !== '0x') return revertError(data, details)
  if (/insufficient funds|gas \* price \+ value|OutOfFunds|not enough funds/i.test(message)) {
    return machineError(
      'LEDGER_FUNDS',
      { ...details, reason: 'fees' },
      {
        message: "the account cannot pay the chain's fees",
        nextStep: "Send it some of the chain's own coin.",
      },
    )
  }
  if (/revert/i.test(message)) return revertError(data, details)
  if (
    /header not found|block not found|unknown block|BlockNotFound|not canonical|is not currently canonical/i.test(
      message,
    )
  ) {
    return machineError(
      'LEDGER_NOT_NOW',
      { ...details, reason: 'reorganised' },
      {
        message: 'the chain no longer has that block',
        nextStep: 'Begin again from the newest block.',
      },
    )
  }
  return machineError('LEDGER_REFUSED', { ...details, reason: 'server', why: message, rpcCode: code })
}

function argumentsOf({ inputs }: KnownError, data: Hex): ErrorDetails {
  try {
    const values = decodeAbiParameters(inputs, `0x${data.slice(SELECTOR_DIGITS)}`)
    return Object.fromEntries(
      inputs.map(({ name = 'value', type, internalType }, i) => {
        const value = values[i]
        if (internalType === 'enum EpochState') return [name, STATES[Number(value)] ?? String(value)]
        return [name, type === 'string' ? shortened(String(value)) : String(value)]
      }),
    )
  } catch {
    return {}
  }
}

function textOf(data: Hex): string {
  try {
    return shortened(decodeAbiParameters([{ type: 'string' }], `0x${data.slice(SELECTOR_DIGITS)}`)[0])
  } catch {
    return ''
  }
}

/** Texts of a contract may be a stranger's. */
const shortened = (text: string): string => text.slice(0, 100).replace(/[^\x20-\x7e]+/g, ' ')
