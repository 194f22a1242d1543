/**
 * AuthenticateV2: a client proves that it holds its identity key and the shared key, once, now. The checks come in two
 * halves, because between them a gateway looks the client up; their order is the official one, cheap checks first.
 * Format: docs/spec/gateway.md. @module
 */
import { equalBytes } from '../../../foundation/base/bytes.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import type { AuthenticateV2 } from './control.ts'
import { AUTHENTICATE_V2_PROTOCOL, GATEWAY_PROTOCOL, MAX_TIMESTAMP_SKEW_SECONDS, NONCE_BYTES } from './protocol.ts'

export interface AuthenticationSecrets {
  readonly identitySeed: Uint8Array
  readonly sharedKey: Uint8Array
}

/** What a gateway keeps of a registered client. */
export interface RegisteredClient {
  readonly sharedKey: Uint8Array
  /** The timestamp of the last login that was accepted, in seconds. */
  readonly lastTimestamp: number | undefined
  /** Of all logins that were accepted with that timestamp, where they are known: a login of that second with another nonce is new. */
  readonly lastNonces?: readonly Uint8Array[] | undefined
}

export type AuthenticationRefusal =
  | { readonly reason: 'incompatible-protocol'; readonly client: number }
  | { readonly reason: 'timestamp-skew'; readonly received: number; readonly server: number }
  | { readonly reason: 'signature' }
  | { readonly reason: 'not-registered' }
  | { readonly reason: 'nonce' }
  | { readonly reason: 'ciphertext' }
  | { readonly reason: 'timestamp-reused' }

/** `nonce`: 12 fresh random bytes. `unixSeconds`: the client's clock, whole seconds. */
export function buildAuthentication(
  crypto: CryptoProvider,
  secrets: AuthenticationSecrets,
  login: { readonly protocolVersion: number; readonly unixSeconds: number; readonly nonce: Uint8Array },
): AuthenticateV2 {
  const clientIdentity = crypto.ed25519PublicKey(secrets.identitySeed)
  const content = {
    type: 'authenticateV2',
    protocolVersion: login.protocolVersion,
    clientIdentity,
    addressCiphertext: crypto.sealAesGcmSiv(secrets.sharedKey, login.nonce, clientIdentity),
    nonce: login.nonce,
    requestUnixTimestamp: login.unixSeconds,
  } as const
  return { ...content, requestSignature: crypto.ed25519Sign(secrets.identitySeed, signedBytes(content)) }
}

/** The first half: what needs no storage. undefined where nothing is wrong yet. */
export function checkAuthentication(
  crypto: CryptoProvider,
  request: AuthenticateV2,
  nowUnixSeconds: number,
): AuthenticationRefusal | undefined {
  const version = request.protocolVersion
  if (version < AUTHENTICATE_V2_PROTOCOL || version > GATEWAY_PROTOCOL) {
    return { reason: 'incompatible-protocol', client: version }
  }
  if (Math.abs(nowUnixSeconds - request.requestUnixTimestamp) > MAX_TIMESTAMP_SKEW_SECONDS) {
    return { reason: 'timestamp-skew', received: request.requestUnixTimestamp, server: Math.floor(nowUnixSeconds) }
  }
  const signed = crypto.ed25519Verify(request.clientIdentity, signedBytes(request), request.requestSignature)
  return signed ? undefined : { reason: 'signature' }
}

/**
 * The second half: against what is kept of the client. Whoever accepts must make `lastTimestamp` the request's, durably,
 * before answering, or the login can be replayed after a crash.
 */
export function checkRegistered(
  crypto: CryptoProvider,
  request: AuthenticateV2,
  client: RegisteredClient | undefined,
): AuthenticationRefusal | undefined {
  if (client === undefined) return { reason: 'not-registered' }
  if (request.nonce.length !== NONCE_BYTES) return { reason: 'nonce' }
  const expected = crypto.sealAesGcmSiv(client.sharedKey, request.nonce, request.clientIdentity)
  if (!equalBytes(expected, request.addressCiphertext)) return { reason: 'ciphertext' }
  return isReplay(request, client) ? { reason: 'timestamp-reused' } : undefined
}

function isReplay(request: AuthenticateV2, { lastTimestamp, lastNonces }: RegisteredClient): boolean {
  if (lastTimestamp === undefined || request.requestUnixTimestamp > lastTimestamp) return false
  if (request.requestUnixTimestamp < lastTimestamp || lastNonces === undefined) return true
  return lastNonces.some((nonce) => equalBytes(nonce, request.nonce))
}

/** version[1] ‖ identity[32] ‖ ciphertext ‖ nonce ‖ seconds u64: 101 bytes with keys of today. */
export function signedBytes(content: Omit<AuthenticateV2, 'requestSignature'>): Uint8Array {
  return new Writer()
    .u8(content.protocolVersion)
    .bytes(content.clientIdentity)
    .bytes(content.addressCiphertext)
    .bytes(content.nonce)
    .u64(BigInt(content.requestUnixTimestamp))
    .finish()
}
