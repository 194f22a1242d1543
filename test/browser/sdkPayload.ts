/**
 * What the official sdk puts around a payload, so that a Starling client can write to its pages: length of the metadata as u64
 * big-endian, the metadata as JSON, the payload. Raw messages go without. @module
 */
import { concat, utf8 } from '../../src/foundation/base/bytes.ts'
import { Reader } from '../../src/foundation/base/reader.ts'
import { Writer } from '../../src/foundation/base/writer.ts'

export interface SdkPayload {
  readonly mimeType: string
  readonly headers: string | null
  readonly payload: Uint8Array
}

export function encodeSdkPayload({ mimeType, headers, payload }: SdkPayload): Uint8Array {
  const metadata = utf8(JSON.stringify({ mimeType, headers }))
  return concat(new Writer(8).u64(BigInt(metadata.length)).finish(), metadata, payload)
}

export function decodeSdkPayload(bytes: Uint8Array): SdkPayload {
  const reader = new Reader(bytes, 'sdk payload')
  const metadata = JSON.parse(new TextDecoder().decode(reader.bytes(Number(reader.u64('length')), 'metadata')))
  return { mimeType: metadata.mimeType, headers: metadata.headers, payload: reader.rest() }
}
