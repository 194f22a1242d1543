/**
 * The one error class of the project. A `code` is stable and public; `guilty` says whose fault it is; `nextStep` is what a
 * person can do about it. `message` is safe to log: it never holds keys, contents or addresses of peers. @module
 */

/** Whose fault it is: the caller's input, the network between, the other side's misbehaviour, or ours. */
export type Guilty = 'you' | 'network' | 'peer' | 'bug'

export interface Kind {
  readonly guilty: Guilty
  readonly message: string
  readonly nextStep: string
}

/** Stable and public. */
export type ErrorCode =
  | 'MALFORMED'
  | 'BAD_ARGUMENT'
  | 'CONFIG_INVALID'
  | 'KEY_FILE_UNREADABLE'
  | 'FILE_UNUSABLE'
  | 'LOCKED'
  | 'SPHINX_BAD_ROUTE'
  | 'MESSAGE_TOO_LONG'
  | 'TOPOLOGY_UNAVAILABLE'
  | 'NO_ROUTE'
  | 'GATEWAY_UNREACHABLE'
  | 'GATEWAY_REFUSED'
  | 'GATEWAY_LOST'
  | 'OUT_OF_BANDWIDTH'
  | 'TICKETS_SPENT'
  | 'OUTSIDE_VALIDITY'
  | 'NO_TICKETS'
  | 'DEPOSIT_REFUSED'
  | 'ISSUERS_UNAVAILABLE'
  | 'ISSUER_REFUSED'
  | 'CONNECTION_REFUSED'
  | 'CONNECTION_CLOSED'
  | 'HOST_UNKNOWN'
  | 'QUEUE_FULL'
  | 'EXIT_REFUSED'
  | 'EXIT_UNREACHABLE'
  | 'DESTINATION_UNREACHABLE'
  | 'TLS_FAILED'
  | 'CORS_REFUSED'
  | 'NO_REPLY_BLOCKS'
  | 'TIMEOUT'
  | 'ABORTED'
  | 'STOPPED'
  | 'INTERNAL'
  | MachineCode

/** Of ledgers, ports and other programs, which a page has none of; made by `machineError`. */
export type MachineCode =
  | 'ADDRESS_IN_USE'
  | 'LEDGER_REFUSED'
  | 'LEDGER_NOT_NOW'
  | 'LEDGER_FUNDS'
  | 'LEDGER_UNDECIDED'
  | 'LEDGER_UNREACHABLE'
  | 'LEDGER_MISMATCH'
  | 'CHAIN_UNAVAILABLE'
  | 'ENGINE_UNAVAILABLE'
  | 'ENGINE_FAILED'

/** Of most codes: the others have theirs in machineError.ts, which pages do not load. */
const KINDS: Readonly<Record<Exclude<ErrorCode, MachineCode>, Kind>> = {
  MALFORMED: {
    guilty: 'peer',
    message: 'malformed input',
    nextStep: 'Look at who sends it.',
  },
  BAD_ARGUMENT: { guilty: 'you', message: 'bad argument', nextStep: 'Check the argument named in the details.' },
  CONFIG_INVALID: {
    guilty: 'you',
    message: 'invalid configuration',
    nextStep: 'Correct the key named in the details.',
  },
  KEY_FILE_UNREADABLE: {
    guilty: 'you',
    message: 'key file cannot be used',
    nextStep: 'Restore it, or move it away to begin anew.',
  },
  FILE_UNUSABLE: {
    guilty: 'you',
    message: 'a file or folder cannot be used',
    nextStep: 'Check the path, permissions, and space.',
  },
  LOCKED: {
    guilty: 'you',
    message: 'another process uses this directory',
    nextStep: 'Stop it, or choose another directory.',
  },
  SPHINX_BAD_ROUTE: {
    guilty: 'you',
    message: 'a Sphinx route has 1 to 5 hops',
    nextStep: 'Give as many delays as hops.',
  },
  MESSAGE_TOO_LONG: { guilty: 'you', message: 'the message does not fit', nextStep: 'Send less at a time.' },
  TOPOLOGY_UNAVAILABLE: {
    guilty: 'network',
    message: 'no usable topology',
    nextStep: 'Check the directory address, or wait.',
  },
  NO_ROUTE: {
    guilty: 'network',
    message: 'no route to the recipient',
    nextStep: 'Wait for a topology that has one.',
  },
  GATEWAY_UNREACHABLE: {
    guilty: 'network',
    message: 'the entry gateway cannot be reached',
    nextStep: 'Try another gateway, or check the connection.',
  },
  GATEWAY_REFUSED: { guilty: 'peer', message: 'the entry gateway refused', nextStep: 'Try another gateway.' },
  GATEWAY_LOST: {
    guilty: 'network',
    message: 'the connection to the entry gateway was lost',
    nextStep: 'Wait: it is reopened automatically.',
  },
  OUT_OF_BANDWIDTH: {
    guilty: 'you',
    message: 'the gateway says the bandwidth is used up',
    nextStep: 'Claim or buy bandwidth.',
  },
  TICKETS_SPENT: {
    guilty: 'you',
    message: 'the ticketbook is used up',
    nextStep: 'Use another one, or buy one.',
  },
  OUTSIDE_VALIDITY: {
    guilty: 'you',
    message: 'the ticketbook is not valid that day',
    nextStep: 'Use another one, and check the clock.',
  },
  NO_TICKETS: {
    guilty: 'you',
    message: 'no valid ticket is left',
    nextStep: 'Buy a ticketbook: starling credential buy.',
  },
  DEPOSIT_REFUSED: {
    guilty: 'you',
    message: 'the deposit was refused',
    nextStep: 'See the reason in the details.',
  },
  ISSUERS_UNAVAILABLE: {
    guilty: 'network',
    message: 'too few issuers answered',
    nextStep: 'Try again later: nothing is paid twice.',
  },
  ISSUER_REFUSED: {
    guilty: 'peer',
    message: 'an issuer refused',
    nextStep: 'See the reason in the details.',
  },
  CONNECTION_REFUSED: {
    guilty: 'network',
    message: 'the connection was refused',
    nextStep: 'Check that it is running.',
  },
  CONNECTION_CLOSED: { guilty: 'network', message: 'the connection was closed', nextStep: 'Open it again.' },
  HOST_UNKNOWN: {
    guilty: 'you',
    message: 'the host name does not exist',
    nextStep: 'Check the spelling of the host name.',
  },
  QUEUE_FULL: { guilty: 'you', message: 'the queue is full', nextStep: 'Wait before sending more.' },
  EXIT_REFUSED: {
    guilty: 'peer',
    message: "the exit's policy does not allow this destination",
    nextStep: 'Use another exit, or another destination.',
  },
  EXIT_UNREACHABLE: {
    guilty: 'network',
    message: 'the exit did not answer in time',
    nextStep: 'Try again, or use another exit.',
  },
  DESTINATION_UNREACHABLE: {
    guilty: 'network',
    message: 'the exit could not connect to the destination',
    nextStep: 'Check the host and port.',
  },
  TLS_FAILED: {
    guilty: 'peer',
    message: 'the secure connection to the destination failed',
    nextStep: 'Check the host name; if it is right, do not trust this connection.',
  },
  CORS_REFUSED: {
    guilty: 'peer',
    message: 'the site does not let this page read its answer',
    nextStep: "Ask whoever runs it to send Access-Control-Allow-Origin, or read it with mode: 'unsafe-ignore-cors'.",
  },
  NO_REPLY_BLOCKS: {
    guilty: 'network',
    message: 'there is no reply block left for this sender',
    nextStep: 'Wait for the sender to supply more.',
  },
  TIMEOUT: { guilty: 'network', message: 'no answer in time', nextStep: 'Try again, or allow more time.' },
  ABORTED: { guilty: 'you', message: 'aborted', nextStep: 'Nothing: it was asked for.' },
  STOPPED: { guilty: 'you', message: 'already stopped', nextStep: 'Start it again.' },
  INTERNAL: { guilty: 'bug', message: 'internal error', nextStep: 'Please report it with the output of --verbose.' },
}

/** Values that explain an error. Never keys, contents or peers' addresses. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean>>

// Matched by this property, not `instanceof`: two copies of the package, or two realms, still recognise each other's errors.
const BRAND = '~starling'

export class MixnetError extends Error {
  override readonly name: string = 'MixnetError'
  readonly code: ErrorCode
  readonly guilty: Guilty
  readonly nextStep: string
  readonly details: ErrorDetails
  readonly '~starling': 'MixnetError' = 'MixnetError'

  constructor(
    code: ErrorCode,
    details: ErrorDetails = {},
    options: { cause?: unknown; message?: string; nextStep?: string } = {},
    kind: Kind = KINDS[code as keyof typeof KINDS] ?? KINDS.INTERNAL,
  ) {
    const shown = Object.entries(details).map(([key, value]) => `${key}: ${value}`)
    const text = options.message ?? kind.message
    super(
      shown.length > 0 ? `${text} (${shown.join(', ')})` : text,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
    this.guilty = kind.guilty
    this.nextStep = options.nextStep ?? kind.nextStep
    this.details = details
  }
}

/** True for a MixnetError of any copy of this package, and, where `code` is given, only for that code. */
export function isMixnetError(error: unknown, code?: ErrorCode): error is MixnetError {
  return (
    typeof error === 'object' &&
    error !== null &&
    BRAND in error &&
    (code === undefined || (error as MixnetError).code === code)
  )
}

/** The refusal every decoder throws: what was being decoded, and which rule it broke. */
export function malformed(what: string, why: string): MixnetError {
  return new MixnetError('MALFORMED', { what, why })
}

/** Runs a decoder on untrusted bytes: its value, or the typed refusal. Anything else it throws is a bug and goes on. */
export function tryDecode<T>(decode: () => T): T | MixnetError {
  try {
    return decode()
  } catch (error) {
    if (isMixnetError(error)) return error
    throw error
  }
}
