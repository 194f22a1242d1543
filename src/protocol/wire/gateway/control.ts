/**
 * Control messages between a client and its gateway: JSON texts tagged by `type`. The texts are those of the official crate,
 * field order included. Byte strings are arrays of numbers, except in authenticateV2, which writes two of its fields in
 * base64. Format: docs/spec/gateway.md. @module
 */
import { fromBase64, toBase64 } from '../../../foundation/base/base58.ts'
import { malformed } from '../../../foundation/base/errors.ts'
import { IDENTITY_BYTES, SIGNATURE_BYTES } from './protocol.ts'
import { JsonFields, jsonBytes, parseJsonObject } from './strictJson.ts'

/** A login. Signed and checked in authentication.ts. */
export interface AuthenticateV2 {
  readonly type: 'authenticateV2'
  readonly protocolVersion: number
  readonly clientIdentity: Uint8Array
  readonly addressCiphertext: Uint8Array
  readonly nonce: Uint8Array
  readonly requestUnixTimestamp: number
  readonly requestSignature: Uint8Array
}

export type ControlRequest =
  | { readonly type: 'supportedProtocol' }
  | { readonly type: 'registerHandshakeInitRequest'; readonly protocolVersion: number; readonly data: Uint8Array }
  | AuthenticateV2
  | { readonly type: 'ecashCredential'; readonly encCredential: Uint8Array; readonly nonce: Uint8Array }
  | { readonly type: 'claimFreeTestnetBandwidth' }
  | { readonly type: 'encryptedRequest'; readonly ciphertext: Uint8Array; readonly nonce: Uint8Array }
  | { readonly type: 'upgradeModeJWT'; readonly token: string }
  // What follows is parsed only to be refused by name.
  | {
      readonly type: 'authenticate'
      readonly protocolVersion: number | null
      readonly address: string
      readonly encAddress: string
      readonly iv: string
    }
  | {
      readonly type: 'bandwidthCredential' | 'bandwidthCredentialV2'
      readonly encCredential: Uint8Array
      readonly iv: Uint8Array
    }

export type GatewayErrorKind =
  | { readonly kind: 'outOfBandwidth'; readonly required: number; readonly available: number }
  | { readonly kind: 'ticketReplay' }

export type ControlResponse =
  | { readonly type: 'supportedProtocol'; readonly version: number }
  | {
      readonly type: 'register'
      readonly protocolVersion: number
      readonly status: boolean
      readonly upgradeMode: boolean
    }
  | {
      readonly type: 'authenticate'
      readonly protocolVersion: number
      readonly status: boolean
      /** Bytes; may be negative. */
      readonly bandwidthRemaining: number
      readonly upgradeMode: boolean
    }
  | { readonly type: 'bandwidth'; readonly availableTotal: number; readonly upgradeMode: boolean }
  | { readonly type: 'send'; readonly remainingBandwidth: number; readonly upgradeMode: boolean }
  | { readonly type: 'encryptedResponse'; readonly ciphertext: Uint8Array; readonly nonce: Uint8Array }
  | { readonly type: 'error'; readonly message: string }
  | { readonly type: 'typedError'; readonly error: GatewayErrorKind }

/** What both sides say during a registration; the client's first payload is also a control request. */
export type HandshakeMessage =
  | { readonly type: 'handshakePayload'; readonly protocolVersion: number; readonly data: Uint8Array }
  | { readonly type: 'handshakeError'; readonly message: string }

export function encodeControlRequest(request: ControlRequest): string {
  switch (request.type) {
    case 'supportedProtocol':
    case 'claimFreeTestnetBandwidth':
      return `{"type":"${request.type}"}`
    case 'registerHandshakeInitRequest':
      return `{"type":"${request.type}","protocol_version":${request.protocolVersion},"data":${jsonBytes(request.data)}}`
    case 'authenticateV2':
      return `{"type":"authenticateV2","protocolVersion":${request.protocolVersion},"clientIdentity":${jsonBytes(request.clientIdentity)},"addressCiphertext":"${toBase64(request.addressCiphertext)}","nonce":"${toBase64(request.nonce)}","requestUnixTimestamp":${request.requestUnixTimestamp},"requestSignature":${jsonBytes(request.requestSignature)}}`
    case 'ecashCredential':
      return `{"type":"ecashCredential","enc_credential":${jsonBytes(request.encCredential)},"iv":${jsonBytes(request.nonce)}}`
    case 'encryptedRequest':
      return `{"type":"encryptedRequest","ciphertext":${jsonBytes(request.ciphertext)},"nonce":${jsonBytes(request.nonce)}}`
    case 'upgradeModeJWT':
      return JSON.stringify({ type: 'upgradeModeJWT', token: request.token })
    case 'authenticate': {
      const { type, protocolVersion, address, encAddress, iv } = request
      return JSON.stringify({ type, protocol_version: protocolVersion, address, enc_address: encAddress, iv })
    }
    case 'bandwidthCredential':
    case 'bandwidthCredentialV2':
      return `{"type":"${request.type}","enc_credential":${jsonBytes(request.encCredential)},"iv":${jsonBytes(request.iv)}}`
  }
}

export function parseControlRequest(text: string): ControlRequest {
  const fields = parseJsonObject(text, 'control request')
  const type = fields.text('type')
  switch (type) {
    case 'supportedProtocol':
    case 'claimFreeTestnetBandwidth':
      return { type }
    case 'registerHandshakeInitRequest':
    case 'handshakePayload':
      return {
        type: 'registerHandshakeInitRequest',
        protocolVersion: fields.u8('protocol_version', 0),
        data: fields.bytes('data'),
      }
    case 'authenticateV2':
      return {
        type,
        protocolVersion: fields.u8('protocolVersion'),
        clientIdentity: fields.bytes('clientIdentity', IDENTITY_BYTES),
        addressCiphertext: fromBase64(fields.text('addressCiphertext'), 'addressCiphertext'),
        nonce: fromBase64(fields.text('nonce'), 'nonce'),
        requestUnixTimestamp: fields.integer('requestUnixTimestamp', { min: 0 }),
        requestSignature: fields.bytes('requestSignature', SIGNATURE_BYTES),
      }
    case 'ecashCredential':
      return { type, encCredential: fields.bytes('enc_credential'), nonce: ticketNonce(fields) }
    case 'encryptedRequest':
      return { type, ciphertext: fields.bytes('ciphertext'), nonce: fields.bytes('nonce') }
    case 'upgradeModeJWT':
      return { type, token: fields.text('token') }
    case 'authenticate':
      return {
        type,
        protocolVersion: legacyVersion(fields),
        address: fields.text('address'),
        encAddress: fields.text('enc_address'),
        iv: fields.text('iv'),
      }
    case 'bandwidthCredential':
    case 'bandwidthCredentialV2':
      return { type, encCredential: fields.bytes('enc_credential'), iv: fields.bytes('iv') }
    default:
      throw malformed('control request', 'unknown type')
  }
}

export function encodeControlResponse(response: ControlResponse): string {
  switch (response.type) {
    case 'supportedProtocol':
      return `{"type":"supportedProtocol","version":${response.version}}`
    case 'register':
      return `{"type":"register","protocol_version":${response.protocolVersion},"status":${response.status},"upgrade_mode":${response.upgradeMode}}`
    case 'authenticate':
      return `{"type":"authenticate","protocol_version":${response.protocolVersion},"status":${response.status},"bandwidth_remaining":${response.bandwidthRemaining},"upgrade_mode":${response.upgradeMode}}`
    case 'bandwidth':
      return `{"type":"bandwidth","available_total":${response.availableTotal},"upgrade_mode":${response.upgradeMode}}`
    case 'send':
      return `{"type":"send","remaining_bandwidth":${response.remainingBandwidth},"upgrade_mode":${response.upgradeMode}}`
    case 'encryptedResponse':
      return `{"type":"encryptedResponse","ciphertext":${jsonBytes(response.ciphertext)},"nonce":${jsonBytes(response.nonce)}}`
    case 'error':
      return JSON.stringify({ type: 'error', message: response.message })
    case 'typedError':
      return JSON.stringify({ type: 'typedError', error: errorKindJson(response.error) })
  }
}

export function parseControlResponse(text: string): ControlResponse {
  const fields = parseJsonObject(text, 'control response')
  const type = fields.text('type')
  switch (type) {
    case 'supportedProtocol':
      return { type, version: fields.u8('version') }
    case 'register':
      return {
        type,
        protocolVersion: fields.u8('protocol_version', 0),
        status: fields.boolean('status'),
        upgradeMode: fields.boolean('upgrade_mode', false),
      }
    case 'authenticate':
      return {
        type,
        protocolVersion: fields.u8('protocol_version', 0),
        status: fields.boolean('status'),
        bandwidthRemaining: fields.integer('bandwidth_remaining'),
        upgradeMode: fields.boolean('upgrade_mode', false),
      }
    case 'bandwidth':
      return {
        type,
        availableTotal: fields.integer('available_total'),
        upgradeMode: fields.boolean('upgrade_mode', false),
      }
    case 'send':
      return {
        type,
        remainingBandwidth: fields.integer('remaining_bandwidth'),
        upgradeMode: fields.boolean('upgrade_mode', false),
      }
    case 'encryptedResponse':
      return { type, ciphertext: fields.bytes('ciphertext'), nonce: fields.bytes('nonce') }
    case 'error':
      return { type, message: fields.text('message') }
    case 'typedError':
      return { type, error: parseErrorKind(fields) }
    default:
      throw malformed('control response', 'unknown type')
  }
}

export function encodeHandshakeMessage(message: HandshakeMessage): string {
  if (message.type === 'handshakeError') return JSON.stringify({ type: message.type, message: message.message })
  return `{"type":"handshakePayload","protocol_version":${message.protocolVersion},"data":${jsonBytes(message.data)}}`
}

export function parseHandshakeMessage(text: string): HandshakeMessage {
  const fields = parseJsonObject(text, 'handshake message')
  const type = fields.text('type')
  switch (type) {
    case 'handshakePayload':
      return { type, protocolVersion: fields.u8('protocol_version', 0), data: fields.bytes('data') }
    case 'handshakeError':
      return { type, message: fields.text('message') }
    default:
      throw malformed('handshake message', 'unknown type')
  }
}

// Clients write `iv`, because old gateways know no other name; the new name is read too, but not both at once.
function ticketNonce(fields: JsonFields): Uint8Array {
  if (!fields.has('nonce')) return fields.bytes('iv')
  if (fields.has('iv')) fields.refuse('nonce', 'given twice, once as iv')
  return fields.bytes('nonce')
}

function legacyVersion(fields: JsonFields): number | null {
  return !fields.has('protocol_version') || fields.value('protocol_version') === null
    ? null
    : fields.u8('protocol_version')
}

function errorKindJson(error: GatewayErrorKind): unknown {
  if (error.kind === 'ticketReplay') return 'ticket_replay'
  return { out_of_bandwidth: { required: error.required, available: error.available } }
}

function parseErrorKind(fields: JsonFields): GatewayErrorKind {
  const error = fields.value('error')
  if (error === 'ticket_replay') return { kind: 'ticketReplay' }
  if (!(error instanceof JsonFields) || error.onlyField() !== 'out_of_bandwidth') fields.refuse('error', 'unknown kind')
  const amounts = error.object('out_of_bandwidth')
  return { kind: 'outOfBandwidth', required: amounts.integer('required'), available: amounts.integer('available') }
}
