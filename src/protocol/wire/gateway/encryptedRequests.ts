/**
 * Requests a client makes inside its shared key, so that nobody on the websocket's path sees what it asks: JSON with one
 * field named after the request, sealed. Format: docs/spec/gateway.md. @module
 */
import { fromUtf8, utf8 } from '../../../foundation/base/bytes.ts'
import { malformed } from '../../../foundation/base/errors.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import type { ControlRequest, ControlResponse } from './control.ts'
import { NONCE_BYTES } from './protocol.ts'
import { parseJsonObject } from './strictJson.ts'

export const SESSION_TYPES = ['Vpn', 'Mixnet', 'Wasm', 'Native', 'Socks5', 'Unknown'] as const
export type SessionType = (typeof SESSION_TYPES)[number]

export type EncryptedRequest =
  /** `client`: delete inbox, bandwidth and shared key. `stats`: keep no statistics of the session. */
  | { readonly type: 'forgetMe'; readonly client: boolean; readonly stats: boolean }
  | { readonly type: 'rememberMe'; readonly sessionType: SessionType }
export type EncryptedResponse = { readonly type: 'forgetMeAck' } | { readonly type: 'rememberMeAck' }

/** A sealed text as the control messages carry it. */
export interface SealedText {
  readonly ciphertext: Uint8Array
  readonly nonce: Uint8Array
}

export function sealEncryptedRequest(
  crypto: CryptoProvider,
  key: Uint8Array,
  request: EncryptedRequest,
  nonce: Uint8Array,
): ControlRequest & { readonly type: 'encryptedRequest' } {
  return { type: 'encryptedRequest', ciphertext: seal(crypto, key, requestText(request), nonce), nonce }
}

export function openEncryptedRequest(crypto: CryptoProvider, key: Uint8Array, sealed: SealedText): EncryptedRequest {
  const what = 'encrypted request'
  const choice = parseJsonObject(open(crypto, key, sealed, what), what)
  switch (choice.onlyField()) {
    case 'ForgetMe': {
      const fields = choice.object('ForgetMe')
      return { type: 'forgetMe', client: fields.boolean('client'), stats: fields.boolean('stats') }
    }
    case 'RememberMe': {
      const fields = choice.object('RememberMe')
      const named = fields.text('session_type')
      const sessionType = SESSION_TYPES.find((known) => known === named)
      return { type: 'rememberMe', sessionType: sessionType ?? fields.refuse('session_type', 'unknown') }
    }
    default:
      throw malformed(what, 'unknown request')
  }
}

export function sealEncryptedResponse(
  crypto: CryptoProvider,
  key: Uint8Array,
  response: EncryptedResponse,
  nonce: Uint8Array,
): ControlResponse & { readonly type: 'encryptedResponse' } {
  const text = response.type === 'forgetMeAck' ? '{"ForgetMeAck":{}}' : '{"RememberMeAck":{}}'
  return { type: 'encryptedResponse', ciphertext: seal(crypto, key, text, nonce), nonce }
}

export function openEncryptedResponse(crypto: CryptoProvider, key: Uint8Array, sealed: SealedText): EncryptedResponse {
  const what = 'encrypted response'
  const choice = parseJsonObject(open(crypto, key, sealed, what), what)
  const name = choice.onlyField()
  choice.object(name)
  if (name === 'ForgetMeAck') return { type: 'forgetMeAck' }
  if (name === 'RememberMeAck') return { type: 'rememberMeAck' }
  throw malformed(what, 'unknown response')
}

function requestText(request: EncryptedRequest): string {
  return request.type === 'forgetMe'
    ? JSON.stringify({ ForgetMe: { client: request.client, stats: request.stats } })
    : JSON.stringify({ RememberMe: { session_type: request.sessionType } })
}

function seal(crypto: CryptoProvider, key: Uint8Array, text: string, nonce: Uint8Array): Uint8Array {
  return crypto.sealAesGcmSiv(key, nonce, utf8(text))
}

function open(crypto: CryptoProvider, key: Uint8Array, sealed: SealedText, what: string): string {
  if (sealed.nonce.length !== NONCE_BYTES) throw malformed(what, `nonce of ${sealed.nonce.length} bytes`)
  const plaintext = crypto.openAesGcmSiv(key, sealed.nonce, sealed.ciphertext)
  if (plaintext === undefined) throw malformed(what, 'does not decrypt')
  return fromUtf8(plaintext, what)
}
