/** `master-verification-key`: a key as JSON and as its 680 bytes, which have no lengths before points but the number of its components. @module */
import { toHex } from '../../../foundation/base/bytes.ts'
import { malformed } from '../../../foundation/base/errors.ts'
import { Reader } from '../../../foundation/base/reader.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import { type Json, type JsonObject, parseJson } from '../directory/json.ts'
import { G1_BYTES, G2_BYTES, readHex } from './hexFields.ts'

export const VERIFICATION_KEY_BYTES = 680
const COMPONENTS = 4
const MAX_CHARACTERS = 16 * 1024

/** `{"key":…}`. `key`: 680 bytes. */
export function encodeMasterKey(key: Uint8Array): JsonObject {
  const reader = new Reader(key, 'verification key')
  const alpha = toHex(reader.bytes(G2_BYTES, 'alpha'))
  // u64, little-endian.
  const components = reader.bytes(8, 'components')
  if (components[0] !== COMPONENTS || components.subarray(1).some((byte) => byte !== 0)) {
    throw malformed('verification key', `not of ${COMPONENTS} components`)
  }
  const list = (length: number): string[] =>
    Array.from({ length: COMPONENTS }, () => toHex(reader.bytes(length, 'component')))
  const [betaG1, betaG2] = [list(G1_BYTES), list(G2_BYTES)]
  reader.expectEnd()
  return { key: { alpha, beta_g1: betaG1, beta_g2: betaG2 } }
}

/** 680 bytes. Throws MALFORMED. */
export function decodeMasterKey(text: string): Uint8Array {
  const key = parseJson(text, 'master key', MAX_CHARACTERS).field('key')
  const list = (json: Json, length: number): Uint8Array[] => {
    const points = json.array(COMPONENTS, (item) => readHex(item, length))
    return points.length === COMPONENTS ? points : json.refuse(`not ${COMPONENTS}`)
  }
  const writer = new Writer(VERIFICATION_KEY_BYTES)
    .bytes(readHex(key.field('alpha'), G2_BYTES))
    .bytes(Uint8Array.of(COMPONENTS, 0, 0, 0, 0, 0, 0, 0))
  for (const point of list(key.field('beta_g1'), G1_BYTES)) writer.bytes(point)
  for (const point of list(key.field('beta_g2'), G2_BYTES)) writer.bytes(point)
  return writer.finish()
}
