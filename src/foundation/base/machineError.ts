/** Errors of ledgers, ports and other programs, apart from the others: a page has none of them, and each of its bytes is waited for. @module */
import { type ErrorDetails, type Kind, type MachineCode, MixnetError } from './errors.ts'

const KINDS: Readonly<Record<MachineCode, Kind>> = {
  ADDRESS_IN_USE: {
    guilty: 'you',
    message: 'the port is taken by another program',
    nextStep: 'Choose another port, or stop that program.',
  },
  LEDGER_REFUSED: {
    guilty: 'you',
    message: 'the ledger refuses this',
    nextStep: 'See the reason in the details.',
  },
  LEDGER_NOT_NOW: {
    guilty: 'network',
    message: 'the ledger is not at that point',
    nextStep: 'Look at it again: another may have done it, or it comes later.',
  },
  LEDGER_FUNDS: {
    guilty: 'you',
    message: 'the account has too little',
    nextStep: 'Send it what is missing.',
  },
  LEDGER_UNDECIDED: {
    guilty: 'network',
    message: 'the transaction is in no block yet',
    nextStep: 'Look later whether it happened, before doing it again.',
  },
  LEDGER_UNREACHABLE: {
    guilty: 'network',
    message: 'the chain does not answer',
    nextStep: 'Check its URL, or give another one.',
  },
  LEDGER_MISMATCH: {
    guilty: 'peer',
    message: 'the chain answers what cannot be',
    nextStep: 'Check the URL and the deployment file: this may be another chain. If not, do not trust that server.',
  },
  CHAIN_UNAVAILABLE: {
    guilty: 'you',
    message: 'the embedded chain does not start',
    nextStep: 'Install the optional dependency @foundry-rs/anvil, or give the URL of another chain.',
  },
  ENGINE_UNAVAILABLE: {
    guilty: 'you',
    message: 'the program that carries IP packets is not installed',
    nextStep: 'On Debian: apt install passt',
  },
  ENGINE_FAILED: {
    guilty: 'you',
    message: 'the program that carries IP packets has ended',
    nextStep: 'Look at what it says; its client has to connect again.',
  },
}

/** As `new MixnetError`. */
export function machineError(
  code: MachineCode,
  details: ErrorDetails = {},
  options: { cause?: unknown; message?: string; nextStep?: string } = {},
): MixnetError {
  return new MixnetError(code, details, options, KINDS[code])
}
