/**
 * What a gateway's refusal means for a client. Gateways explain themselves in sentences, which are untrusted text: known ones
 * are recognised, and only our own words go into errors and logs. @module
 */
import { MixnetError } from '../foundation/base/errors.ts'
import {
  DUPLICATE_SESSION_TEXT,
  INITIAL_TIMEOUT_TEXT,
  ONLY_CREDENTIALS_TEXT,
  STALE_SESSION_TEXT,
  STORAGE_TEXT,
} from '../protocol/wire/gateway/errorTexts.ts'
import type { HandshakeFailure } from '../protocol/wire/gateway/handshakeFailure.ts'

export interface GatewayFailure {
  readonly error: MixnetError
  /**
   * `passing`: may work later. `refused`: this gateway will not serve this client. `forgotten`: it does not know the shared
   * key, so registering helps. `stale`: it has seen the login's timestamp, or a later one.
   */
  readonly kind: 'passing' | 'refused' | 'forgotten' | 'stale'
}

const KNOWN: readonly (readonly [text: string, kind: GatewayFailure['kind'], why: string])[] = [
  ['the client is not registered', 'forgotten', 'it does not know this client'],
  ['failed to verify provided address ciphertext', 'forgotten', 'it has another shared key for this client'],
  ['the provided request timestamp is smaller or equal', 'stale', 'it has seen a later login of this client'],
  [STALE_SESSION_TEXT, 'stale', 'it has a newer session of this client'],
  ['the provided request timestamp is excessively skewed', 'passing', 'its clock and ours are too far apart'],
  [DUPLICATE_SESSION_TEXT, 'passing', 'another session of this client is open'],
  [INITIAL_TIMEOUT_TEXT, 'passing', 'it waited too long for us'],
  [STORAGE_TEXT, 'passing', 'its storage fails'],
  [ONLY_CREDENTIALS_TEXT, 'refused', 'it takes only paid bandwidth'],
  ['Attempted to negotiate connection with client using incompatible protocol version', 'refused', 'protocol version'],
]

/** From the text of an `error` or `handshakeError`, which may be wrapped in further words. */
export function readRefusal(text: string): GatewayFailure {
  const known = KNOWN.find(([sentence]) => text.includes(sentence))
  return known === undefined ? refused('for a reason of its own', 'refused') : refused(known[2], known[1])
}

export function refused(why: string, kind: GatewayFailure['kind'] = 'refused'): GatewayFailure {
  return { error: new MixnetError('GATEWAY_REFUSED', { why }), kind }
}

export function lost(why: string, cause?: unknown): GatewayFailure {
  return { error: new MixnetError('GATEWAY_LOST', { why }, { cause }), kind: 'passing' }
}

export function timedOut(what: string): GatewayFailure {
  return { error: new MixnetError('TIMEOUT', { what: `the gateway's answer about ${what}` }), kind: 'passing' }
}

export function handshakeRefusal(failure: HandshakeFailure): GatewayFailure {
  switch (failure.reason) {
    case 'remote':
      return readRefusal(failure.message)
    case 'signature':
    case 'cipher':
      return refused('it cannot prove to be the gateway of that identity')
    case 'unsupported-protocol':
      return refused('it insists on another protocol')
    default:
      return refused('its registration is malformed')
  }
}
