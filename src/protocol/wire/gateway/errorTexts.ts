/**
 * What a gateway says when it refuses: the sentences of the official one, because clients show, log and sometimes search
 * them. They name no secrets and nothing of other clients. Which refusal closes the connection: docs/spec/gateway.md. @module
 */
import type { AuthenticationRefusal } from './authentication.ts'
import type { BinaryRefusalReason } from './binary.ts'
import type { ControlResponse } from './control.ts'
import { CIPHER_TEXT, type HandshakeFailure, handshakeFailureText } from './handshakeFailure.ts'
import { GATEWAY_PROTOCOL } from './protocol.ts'

/** Refusals before a session is open. */
export const LEGACY_AUTHENTICATION_TEXT =
  'the legacy authentication method is no longer supported. please update your client'
export const STALE_SESSION_TEXT = 'attempted to overwrite client session with a stale authentication'
export const DUPLICATE_SESSION_TEXT = 'There is already an open connection to this client'
export const NOT_AUTHENTICATED_TEXT = "Only 'Register' or 'Authenticate' requests are allowed"
export const NOT_AUTHENTICATED_BINARY_TEXT =
  'possibly received a sphinx packet without prior authentication. Request is going to be ignored'
export const INITIAL_TIMEOUT_TEXT = 'timed out while waiting for initial data'
export const STORAGE_TEXT = 'Internal gateway storage error'

/** Refusals inside a session. */
export const UNKNOWN_TEXT_REQUEST_TEXT = 'received a text request of an unknown type'
export const MALFORMED_TEXT_REQUEST_TEXT = 'Provided text request was malformed - '
export const ENCRYPTED_REQUEST_TEXT = 'failed to decrypt provided text request'
export const OLD_CREDENTIAL_TEXT =
  'The received request is not valid in the current context: coconut credential are not longer supported'
export const UPGRADE_MODE_TEXT = 'the upgrade mode attestation does not appear to have been published'

/** Refusals of tickets. */
export const ONLY_CREDENTIALS_TEXT = 'This gateway is only accepting coconut credentials for bandwidth'
export const MALFORMED_TICKET_TEXT = 'Provided binary request was malformed - the received encrypted data was malformed'
export const TICKET_SPENT_TEXT = 'the provided bandwidth credential has already been spent before at this gateway'
export const MULTIPLE_TICKETS_TEXT =
  "the received payment contained more than a single ticket. that's currently not supported"
export const TICKET_PROOF_TEXT = 'the provided ticket failed to get verified'
export const TICKET_DATE_SIGNATURES_TEXT = 'failed to verify provided ticket due to invalid expiration date signatures'
export const PAY_INFO_KEY_TEXT = "provided payinfo's public key does not match provider's"
export const PAY_INFO_TIMESTAMP_TEXT = "provided payinfo's timestamp is invalid"
export const PAY_INFO_DUPLICATE_TEXT = 'received payinfo is a duplicate'

/** Ours: official gateways have no such bounds. The ticket is not spent. */
export const UNKNOWN_EPOCH_TEXT = 'the issuers of the provided ticket are not known to this gateway'
export const TICKETS_BUSY_TEXT = 'this gateway cannot check the provided ticket right now. it has not been spent'
export const TOO_MANY_BAD_TICKETS_TEXT = 'too many invalid tickets have been provided. try again later'

/** How `spendDateText` begins. */
export const SPEND_DATE_TEXT = 'the provided credential has an invalid spending date'
/** Dates as YYYY-MM-DD. */
export const spendDateText = (got: string, expected: string): string =>
  `${SPEND_DATE_TEXT}. got ${got} but expected ${expected}`

/** Register or authenticate inside a session; `type` with a capital, as `RegisterHandshakeInitRequest`. */
export const illegalRequestText = (type: string): string =>
  `The received request is not valid in the current context: received illegal message of type ${type} in an authenticated client`

export const errorResponse = (message: string): ControlResponse => ({ type: 'error', message })

export function authenticationRefusalText(refusal: AuthenticationRefusal): string {
  switch (refusal.reason) {
    case 'incompatible-protocol':
      return `Attempted to negotiate connection with client using incompatible protocol version. Ours is ${GATEWAY_PROTOCOL} and the client reports ${refusal.client}`
    case 'timestamp-skew':
      return `the provided request timestamp is excessively skewed. got ${refusal.received} whilst the server time is ${refusal.server}`
    case 'signature':
      return 'failed to verify request signature'
    case 'not-registered':
      return 'the client is not registered'
    case 'nonce':
      return NONCE_TEXT
    case 'ciphertext':
      return 'failed to verify provided address ciphertext'
    case 'timestamp-reused':
      return 'the provided request timestamp is smaller or equal to one previously used'
  }
}

export const binaryRefusalText = (reason: BinaryRefusalReason): string =>
  `Provided binary request was malformed - ${binaryFault(reason)}`

/** The `error` a gateway sends after its `handshakeError`. */
export const registrationFailedText = (failure: HandshakeFailure): string =>
  `Failed to perform registration handshake: ${handshakeFailureText(failure)}`

const NONCE_TEXT = 'the provided nonce (or legacy IV) did not have the expected length'

function binaryFault(reason: BinaryRefusalReason): string {
  switch (reason) {
    case 'too-short':
      return 'the request is too short'
    case 'flag':
    case 'unencrypted':
      return 'the encryption flag had an unexpected value'
    case 'unknown-kind':
      return 'received request with an unknown kind'
    case 'cipher':
      return CIPHER_TEXT
    case 'mix-packet':
      return 'failed to serialise created sphinx packet'
  }
}
