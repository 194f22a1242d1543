/**
 * The outermost layer of what a client and a network requester send each other: control messages, or data for the provider.
 * A first byte below 3 means the legacy form: the whole message is provider data. Format: docs/spec/exit.md.
 *
 *     0  1  interface version, 3 or more
 *     1  1  0 control, 1 provider data
 *     2  …  body
 * @module
 */
import { concat, EMPTY_BYTES, fromUtf8, utf8 } from '../../../foundation/base/bytes.ts'
import { MixnetError, malformed } from '../../../foundation/base/errors.ts'
import { Reader } from '../../../foundation/base/reader.ts'
import { type BuildInformation, encodeBuildInformation, readBuildInformation } from '../directory/buildInformation.ts'
import { type Json, type JsonValue, parseJson } from '../directory/json.ts'

/** Versions below 3 cannot be written: such a byte means legacy. */
export type WireVersion = 'legacy' | number

/** The interface and the socks5 version that everybody speaks. */
export const CURRENT_VERSION = 3
const CONTROL_TAG = 0
const PROVIDER_DATA_TAG = 1
const MAX_CONTROL_JSON = 65_536

export type ControlRequest = (typeof CONTROL_REQUESTS)[number]

export type ControlResponse =
  | { readonly kind: 'health' }
  | { readonly kind: 'binaryInfo'; readonly binaryName: string; readonly buildInformation: BuildInformation }
  | { readonly kind: 'supportedRequestVersions'; readonly interface: WireVersion; readonly provider: WireVersion }
  | { readonly kind: 'error'; readonly message: string }

/** `Control` is ControlRequest towards the provider and ControlResponse back. */
export type InterfaceMessage<Control> =
  | { readonly kind: 'control'; readonly interfaceVersion: number; readonly control: Control }
  | { readonly kind: 'providerData'; readonly interfaceVersion: WireVersion; readonly data: Uint8Array }

const CONTROL_REQUESTS = ['health', 'binaryInfo', 'supportedRequestVersions'] as const
const RESPONSE_TAGS = { health: 0, binaryInfo: 1, supportedRequestVersions: 2, error: 0xff } as const

export function encodeInterfaceRequest(message: InterfaceMessage<ControlRequest>): Uint8Array {
  return encode(message, (control) => Uint8Array.of(CONTROL_REQUESTS.indexOf(control)))
}

export function decodeInterfaceRequest(bytes: Uint8Array): InterfaceMessage<ControlRequest> {
  return decode(bytes, 'interface request', (reader) => {
    const tag = reader.u8('control request')
    // What follows the tag is ignored, as official providers do.
    reader.rest()
    return CONTROL_REQUESTS[tag] ?? reader.refuse('control request', `${tag} is unknown`)
  })
}

export function encodeInterfaceResponse(message: InterfaceMessage<ControlResponse>): Uint8Array {
  return encode(message, (control) => concat(Uint8Array.of(RESPONSE_TAGS[control.kind]), encodeControlBody(control)))
}

export function decodeInterfaceResponse(bytes: Uint8Array): InterfaceMessage<ControlResponse> {
  return decode(bytes, 'interface response', (reader) => {
    const tag = reader.u8('control response')
    const kind = controlKinds.find((known) => RESPONSE_TAGS[known] === tag)
    if (kind === undefined) return reader.refuse('control response', `${tag} is unknown`)
    return decodeControlBody(kind, reader.rest())
  })
}

/** The version that a first byte of 3 or more states. */
export function statedVersion(byte: number): WireVersion {
  return byte < CURRENT_VERSION ? 'legacy' : byte
}

/** The byte of a version that is stated. */
export function versionByte(version: number): number {
  if (Number.isInteger(version) && version >= CURRENT_VERSION && version <= 0xff) return version
  throw new MixnetError('BAD_ARGUMENT', { what: 'interface or socks5 version', version })
}

const controlKinds = Object.keys(RESPONSE_TAGS) as readonly ControlResponse['kind'][]

function encode<Control>(message: InterfaceMessage<Control>, body: (control: Control) => Uint8Array): Uint8Array {
  if (message.kind === 'control') {
    return concat(Uint8Array.of(versionByte(message.interfaceVersion), CONTROL_TAG), body(message.control))
  }
  if (message.interfaceVersion === 'legacy') return message.data
  return concat(Uint8Array.of(versionByte(message.interfaceVersion), PROVIDER_DATA_TAG), message.data)
}

function decode<Control>(
  bytes: Uint8Array,
  what: string,
  readControl: (reader: Reader) => Control,
): InterfaceMessage<Control> {
  const reader = new Reader(bytes, what)
  const interfaceVersion = statedVersion(reader.u8('interface version'))
  if (interfaceVersion === 'legacy') return { kind: 'providerData', interfaceVersion, data: bytes }
  const tag = reader.u8('tag')
  if (tag === PROVIDER_DATA_TAG) return { kind: 'providerData', interfaceVersion, data: reader.rest() }
  if (tag !== CONTROL_TAG) return reader.refuse('tag', `${tag} is unknown`)
  return { kind: 'control', interfaceVersion, control: readControl(reader) }
}

function encodeControlBody(control: ControlResponse): Uint8Array {
  switch (control.kind) {
    case 'health':
      return EMPTY_BYTES
    case 'binaryInfo':
      return jsonBytes({
        binary_name: control.binaryName,
        build_information: encodeBuildInformation(control.buildInformation),
      })
    case 'supportedRequestVersions':
      return jsonBytes({
        interface_version: encodeVersion(control.interface),
        provider_version: encodeVersion(control.provider),
      })
    case 'error':
      return jsonBytes({ message: control.message })
  }
}

function decodeControlBody(kind: ControlResponse['kind'], body: Uint8Array): ControlResponse {
  if (kind === 'health') return { kind }
  const what = `control response ${kind}`
  const json = parseJson(fromUtf8(body, what), what, MAX_CONTROL_JSON)
  switch (kind) {
    case 'binaryInfo': {
      const buildInformation = readBuildInformation(json.field('build_information'))
      return { kind, binaryName: json.field('binary_name').string(), buildInformation }
    }
    case 'supportedRequestVersions':
      return {
        kind,
        interface: readVersion(json.field('interface_version')),
        provider: readVersion(json.field('provider_version')),
      }
    case 'error':
      return { kind, message: json.field('message').string(MAX_CONTROL_JSON) }
  }
}

const jsonBytes = (value: JsonValue): Uint8Array => utf8(JSON.stringify(value))

// Versions travel as JSON inside a JSON string.
function encodeVersion(version: WireVersion): string {
  return JSON.stringify(
    version === 'legacy' ? { type: 'Legacy' } : { type: 'Versioned', version: versionByte(version) },
  )
}

function readVersion(json: Json): WireVersion {
  const inner = parseJson(json.string(), 'interface version')
  if (inner.field('type').oneOf(['Legacy', 'Versioned']) === 'Legacy') return 'legacy'
  const version = statedVersion(inner.field('version').integer({ max: 0xff }))
  if (version === 'legacy') throw malformed('interface version', 'below the first version')
  return version
}
