/** Why a registration failed, and the sentences the official peers use for it. Format: docs/spec/gateway.md. @module */
import { GATEWAY_PROTOCOL } from './protocol.ts'

export type HandshakeFailure =
  | { readonly reason: 'malformed-request' | 'malformed-response' | 'cipher' | 'signature' | 'not-confirmed' }
  | { readonly reason: 'unsupported-protocol'; readonly version: number }
  | { readonly reason: 'remote'; readonly message: string }

export const CIPHER_TEXT = 'failed to either encrypt or decrypt provided message'

/** The text inside `handshakeError`. */
export function handshakeFailureText(failure: HandshakeFailure): string {
  switch (failure.reason) {
    case 'malformed-request':
    case 'not-confirmed':
      return 'sent request was malformed'
    case 'malformed-response':
      return 'received response was malformed:'
    case 'cipher':
      return CIPHER_TEXT
    case 'signature':
      return 'received invalid signature'
    case 'unsupported-protocol':
      return `the gateway requests protocol version that's not supported by this client. it wants to use v${failure.version} whilst we only understand up to v${GATEWAY_PROTOCOL}`
    case 'remote':
      return `error on the remote: ${failure.message}`
  }
}
