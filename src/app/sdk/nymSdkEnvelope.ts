/**
 * What the official sdk puts around a payload, so that a page can tell what it gets. Raw messages go without.
 *
 *     0  8  length of the metadata, big-endian
 *     8  …  metadata, JSON: {"mimeType":"text/plain","headers":null}
 *        …  payload
 *
 * @module
 */
import { concat, fromUtf8, utf8 } from '../../foundation/base/bytes.ts'
import { malformed } from '../../foundation/base/errors.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'

export interface NymEnvelope {
  readonly mimeType: string
  readonly headers: string | undefined
  readonly payload: Uint8Array
}

const WHAT = 'sdk payload'
const LENGTH_BYTES = 8

export function encodeNymEnvelope({ mimeType, headers, payload }: NymEnvelope): Uint8Array {
  const metadata = utf8(JSON.stringify({ mimeType, headers: headers ?? null }))
  return concat(new Writer(LENGTH_BYTES).u64(BigInt(metadata.length)).finish(), metadata, payload)
}

/** Throws MALFORMED, also for every raw message. The payload is a view of `bytes`. */
export function decodeNymEnvelope(bytes: Uint8Array): NymEnvelope {
  const reader = new Reader(bytes, WHAT)
  const length = reader.u64('length')
  if (length > BigInt(reader.remaining)) throw malformed(WHAT, 'length')
  const metadata = parsed(fromUtf8(reader.bytes(Number(length), 'metadata'), WHAT))
  const { mimeType, headers = null } = metadata
  if (typeof mimeType !== 'string' || (headers !== null && typeof headers !== 'string')) {
    throw malformed(WHAT, 'metadata')
  }
  return { mimeType, headers: headers ?? undefined, payload: reader.rest() }
}

function parsed(text: string): { readonly mimeType?: unknown; readonly headers?: unknown } {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // As below: what it says instead is of no use to anybody.
  }
  throw malformed(WHAT, 'metadata')
}
