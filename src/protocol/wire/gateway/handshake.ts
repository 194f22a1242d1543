/**
 * Registration: a client and its gateway agree on a shared key and prove their identities to each other. Format:
 * docs/spec/gateway.md. Pure steps: a text in, the next state and a text out; whoever runs them owns the socket and the
 * deadline (5 s for each message).
 *
 *   client                                                  gateway
 *   start ── Ci[32] ‖ X[32] ‖ salt[16] ──────────────────▶  start
 *   awaitingGatewayKey ◀── Y[32] ‖ seal(sigG)[80] ‖ n[12] ─ awaitingClientProof
 *   awaitingConfirmation ── seal(sigC)[80] ‖ n′[12] ──────▶
 *   done ◀────────────────────────────────────────── 01 ──  done
 *
 * K = HKDF-BLAKE3(X25519, salt); sigG = Ed25519(Gi, Y ‖ X); sigC = Ed25519(Ci, X ‖ Y). Only this variant (protocol 3 and
 * newer): the older keys encrypted without authentication, so a 64-byte start is refused as malformed, as official gateways do.
 * @module
 */
import { concat } from '../../../foundation/base/bytes.ts'
import { tryDecode } from '../../../foundation/base/errors.ts'
import { Secret } from '../../../foundation/base/secret.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import { encodeHandshakeMessage, parseHandshakeMessage } from './control.ts'
import { type HandshakeFailure, handshakeFailureText } from './handshakeFailure.ts'
import {
  answeredProtocol,
  GATEWAY_PROTOCOL,
  IDENTITY_BYTES,
  NONCE_BYTES,
  OLDEST_GATEWAY_PROTOCOL,
  SHARED_KEY_BYTES,
  SIGNATURE_BYTES,
  TAG_BYTES,
} from './protocol.ts'

export const HANDSHAKE_SALT_BYTES = 16

const KEY_BYTES = 32
const START_BYTES = IDENTITY_BYTES + KEY_BYTES + HANDSHAKE_SALT_BYTES
const SEALED_SIGNATURE_BYTES = SIGNATURE_BYTES + TAG_BYTES
const PROOF_BYTES = SEALED_SIGNATURE_BYTES + NONCE_BYTES
const CONFIRMED = 1
// What a peer says of its failure goes back to it and into our error: a sentence, not a book.
const MAX_REMOTE_CHARACTERS = 200

export type HandshakeStep<State> =
  /** Not a handshake message: the official peers pass over such texts, and so do we. */
  | { readonly kind: 'ignored' }
  | { readonly kind: 'next'; readonly state: State; readonly send: string }
  | {
      readonly kind: 'done'
      readonly sharedKey: Secret
      readonly protocolVersion: number
      /** The other side's Ed25519 key, proven. */
      readonly remoteIdentity: Uint8Array
      readonly send: string | undefined
    }
  /** Send, then close. */
  | { readonly kind: 'failed'; readonly failure: HandshakeFailure; readonly send: string }

export type ClientHandshake =
  | {
      readonly state: 'awaitingGatewayKey'
      readonly protocolVersion: number
      readonly identitySeed: Secret
      readonly gatewayIdentity: Uint8Array
      readonly ephemeralSecret: Secret
      readonly ephemeralKey: Uint8Array
      readonly salt: Uint8Array
      readonly nonce: Uint8Array
    }
  | {
      readonly state: 'awaitingConfirmation'
      readonly protocolVersion: number
      readonly gatewayIdentity: Uint8Array
      readonly sharedKey: Secret
    }

export interface GatewayHandshake {
  readonly state: 'awaitingClientProof'
  readonly protocolVersion: number
  readonly clientIdentity: Uint8Array
  readonly clientKey: Uint8Array
  readonly ephemeralKey: Uint8Array
  readonly sharedKey: Secret
}

export interface ClientHandshakeOptions {
  readonly identitySeed: Secret
  readonly gatewayIdentity: Uint8Array
  /** min(what the gateway supports, ours). */
  readonly protocolVersion: number
  /** Fresh and random: 32, 16 and 12 bytes. */
  readonly ephemeralSecret: Secret
  readonly salt: Uint8Array
  readonly nonce: Uint8Array
}

export interface GatewayHandshakeOptions {
  readonly identitySeed: Secret
  /** Fresh and random: 32 and 12 bytes. */
  readonly ephemeralSecret: Secret
  readonly nonce: Uint8Array
  /** See answeredProtocol. */
  readonly liftOldClients?: boolean
}

export function startClientHandshake(
  crypto: CryptoProvider,
  options: ClientHandshakeOptions,
): { readonly state: ClientHandshake; readonly send: string } {
  const ephemeralKey = crypto.x25519Base(options.ephemeralSecret.expose())
  const start = concat(crypto.ed25519PublicKey(options.identitySeed.expose()), ephemeralKey, options.salt)
  return {
    state: { state: 'awaitingGatewayKey', ...options, ephemeralKey },
    send: payload(options.protocolVersion, start),
  }
}

export function stepClientHandshake(
  crypto: CryptoProvider,
  handshake: ClientHandshake,
  text: string,
): HandshakeStep<ClientHandshake> {
  const message = read(text)
  if (message.kind !== 'payload') return message
  const { protocolVersion, data } = message
  if (handshake.state === 'awaitingConfirmation') {
    if (data.length !== 1) return failed({ reason: 'malformed-response' })
    if (data[0] !== CONFIRMED) return failed({ reason: 'not-confirmed' })
    const { sharedKey, gatewayIdentity: remoteIdentity } = handshake
    return { kind: 'done', sharedKey, protocolVersion: handshake.protocolVersion, remoteIdentity, send: undefined }
  }
  if (data.length !== KEY_BYTES + PROOF_BYTES) return failed({ reason: 'malformed-response' })
  if (protocolVersion > GATEWAY_PROTOCOL || protocolVersion < OLDEST_GATEWAY_PROTOCOL) {
    return failed({ reason: 'unsupported-protocol', version: protocolVersion })
  }
  const { ephemeralKey, gatewayIdentity } = handshake
  const gatewayKey = data.subarray(0, KEY_BYTES)
  const sharedKey = deriveKey(crypto, handshake.ephemeralSecret, gatewayKey, handshake.salt)
  if (sharedKey === undefined) return failed({ reason: 'malformed-response' })
  const fault = checkProof(crypto, sharedKey, gatewayIdentity, data.subarray(KEY_BYTES), [gatewayKey, ephemeralKey])
  if (fault !== undefined) return failed(fault)
  const proof = prove(crypto, sharedKey, handshake.identitySeed, handshake.nonce, [ephemeralKey, gatewayKey])
  return {
    kind: 'next',
    state: { state: 'awaitingConfirmation', protocolVersion, gatewayIdentity, sharedKey },
    send: payload(protocolVersion, proof),
  }
}

/** `request`: the client's first message, as parseControlRequest gave it. */
export function startGatewayHandshake(
  crypto: CryptoProvider,
  options: GatewayHandshakeOptions,
  request: { readonly protocolVersion: number; readonly data: Uint8Array },
): HandshakeStep<GatewayHandshake> {
  const clientIdentity = registeringIdentity(crypto, request)
  if (clientIdentity === undefined) return failed({ reason: 'malformed-request' })
  // Copies: the state outlives the message.
  const clientKey = request.data.slice(IDENTITY_BYTES, IDENTITY_BYTES + KEY_BYTES)
  const salt = request.data.subarray(IDENTITY_BYTES + KEY_BYTES)
  const ephemeralKey = crypto.x25519Base(options.ephemeralSecret.expose())
  const sharedKey = deriveKey(crypto, options.ephemeralSecret, clientKey, salt)
  if (sharedKey === undefined) return failed({ reason: 'malformed-request' })
  const proof = prove(crypto, sharedKey, options.identitySeed, options.nonce, [ephemeralKey, clientKey])
  const protocolVersion = answeredProtocol(request.protocolVersion, options.liftOldClients)
  return {
    kind: 'next',
    state: { state: 'awaitingClientProof', protocolVersion, clientIdentity, clientKey, ephemeralKey, sharedKey },
    send: payload(protocolVersion, concat(ephemeralKey, proof)),
  }
}

export function stepGatewayHandshake(
  crypto: CryptoProvider,
  handshake: GatewayHandshake,
  text: string,
): HandshakeStep<GatewayHandshake> {
  const message = read(text)
  if (message.kind !== 'payload') return message
  if (message.data.length !== PROOF_BYTES) return failed({ reason: 'malformed-response' })
  const { protocolVersion, sharedKey, clientIdentity, clientKey, ephemeralKey } = handshake
  const fault = checkProof(crypto, sharedKey, clientIdentity, message.data, [clientKey, ephemeralKey])
  if (fault !== undefined) return failed(fault)
  const send = payload(protocolVersion, Uint8Array.of(CONFIRMED))
  return { kind: 'done', sharedKey, protocolVersion, remoteIdentity: clientIdentity, send }
}

/**
 * Who wants to register, not yet proven: a gateway looks first whether that client has a session open. undefined where the
 * message is not one we register with; startGatewayHandshake then says so to the client.
 */
export function registeringIdentity(
  crypto: CryptoProvider,
  request: { readonly protocolVersion: number; readonly data: Uint8Array },
): Uint8Array | undefined {
  if (request.protocolVersion < OLDEST_GATEWAY_PROTOCOL || request.data.length !== START_BYTES) return undefined
  const identity = request.data.slice(0, IDENTITY_BYTES)
  return crypto.isEd25519Point(identity) ? identity : undefined
}

function read(
  text: string,
):
  | { readonly kind: 'payload'; readonly protocolVersion: number; readonly data: Uint8Array }
  | { readonly kind: 'ignored' }
  | { readonly kind: 'failed'; readonly failure: HandshakeFailure; readonly send: string } {
  const message = tryDecode(() => parseHandshakeMessage(text))
  if (!('type' in message)) return { kind: 'ignored' }
  if (message.type === 'handshakePayload')
    return { kind: 'payload', protocolVersion: message.protocolVersion, data: message.data }
  return failed({ reason: 'remote', message: message.message.slice(0, MAX_REMOTE_CHARACTERS).toWellFormed() })
}

function failed(failure: HandshakeFailure): {
  readonly kind: 'failed'
  readonly failure: HandshakeFailure
  readonly send: string
} {
  const send = encodeHandshakeMessage({ type: 'handshakeError', message: handshakeFailureText(failure) })
  return { kind: 'failed', failure, send }
}

const payload = (protocolVersion: number, data: Uint8Array): string =>
  encodeHandshakeMessage({ type: 'handshakePayload', protocolVersion, data })

/** undefined for a low-order point of the peer: everybody on the path would know the key. */
function deriveKey(crypto: CryptoProvider, secret: Secret, point: Uint8Array, salt: Uint8Array): Secret | undefined {
  const agreed = crypto.x25519(secret.expose(), point)
  if (agreed.every((byte) => byte === 0)) return undefined
  return new Secret(crypto.hkdfBlake3(agreed, salt, SHARED_KEY_BYTES))
}

function prove(
  crypto: CryptoProvider,
  sharedKey: Secret,
  identitySeed: Secret,
  nonce: Uint8Array,
  keys: readonly [own: Uint8Array, remote: Uint8Array],
): Uint8Array {
  const signature = crypto.ed25519Sign(identitySeed.expose(), concat(...keys))
  return concat(crypto.sealAesGcmSiv(sharedKey.expose(), nonce, signature), nonce)
}

function checkProof(
  crypto: CryptoProvider,
  sharedKey: Secret,
  identity: Uint8Array,
  proof: Uint8Array,
  keys: readonly [remote: Uint8Array, own: Uint8Array],
): HandshakeFailure | undefined {
  const nonce = proof.subarray(SEALED_SIGNATURE_BYTES)
  const signature = crypto.openAesGcmSiv(sharedKey.expose(), nonce, proof.subarray(0, SEALED_SIGNATURE_BYTES))
  if (signature === undefined) return { reason: 'cipher' }
  return crypto.ed25519Verify(identity, concat(...keys), signature) ? undefined : { reason: 'signature' }
}
