/** A request for a book, as JSON and as the 397 bytes that engines take and deposit keys sign. Lists have two entries each: others are refused here. @module */
import { toHex } from '../../../foundation/base/bytes.ts'
import type { Json, JsonObject } from '../directory/json.ts'
import { FramedReader, FramedWriter } from './codecB.ts'
import { G1_BYTES, readHex, SCALAR_BYTES } from './hexFields.ts'

export const WITHDRAWAL_REQUEST_BYTES = 397
/** Private attributes of a book. The official issuer does not count them, and signs books whose key is not the one it was shown. */
const PRIVATE_ATTRIBUTES = 2
/** Where com_1 and com_2 are in the bytes, each behind its length. */
const COMMITMENTS_OFFSET = 99
const WHAT = 'withdrawal request'

/** Throws MALFORMED. */
export function readWithdrawalRequest(json: Json): Uint8Array {
  const proof = json.field('zk_proof')
  const two = (list: Json, length: number): (readonly Uint8Array[])[] => {
    const items = list.array(PRIVATE_ATTRIBUTES, (item) => [readHex(item, length)])
    return items.length === PRIVATE_ATTRIBUTES ? items : list.refuse('not two')
  }
  return new FramedWriter(WHAT, PRIVATE_ATTRIBUTES)
    .one(readHex(json.field('joined_commitment_hash'), G1_BYTES), readHex(json.field('joined_commitment'), G1_BYTES))
    .list(two(json.field('private_attributes_commitments'), G1_BYTES))
    .one(readHex(proof.field('challenge'), SCALAR_BYTES), readHex(proof.field('response_opening'), SCALAR_BYTES))
    .list(two(proof.field('response_openings'), SCALAR_BYTES))
    .list(two(proof.field('response_attributes'), SCALAR_BYTES))
    .finish()
}

/** Throws MALFORMED of bytes that are no request with two commitments. */
export function withdrawalRequestToJson(bytes: Uint8Array): JsonObject {
  const reader = new FramedReader(bytes, WHAT, PRIVATE_ATTRIBUTES)
  const point = (): string => toHex(reader.one(G1_BYTES, 'point'))
  const scalar = (): string => toHex(reader.one(SCALAR_BYTES, 'scalar'))
  const json = {
    joined_commitment_hash: point(),
    joined_commitment: point(),
    private_attributes_commitments: reader.list('commitments', point),
    zk_proof: {
      challenge: scalar(),
      response_opening: scalar(),
      response_openings: reader.list('openings', scalar),
      response_attributes: reader.list('attributes', scalar),
    },
  }
  reader.expectEnd()
  return json
}

/** com_1 ‖ com_2, 96 bytes, of the 397. */
export function commitmentsOf(request: Uint8Array): Uint8Array {
  const second = COMMITMENTS_OFFSET + G1_BYTES + 1
  const commitments = new Uint8Array(PRIVATE_ATTRIBUTES * G1_BYTES)
  commitments.set(request.subarray(COMMITMENTS_OFFSET + 1, COMMITMENTS_OFFSET + 1 + G1_BYTES))
  commitments.set(request.subarray(second + 1, second + 1 + G1_BYTES), G1_BYTES)
  return commitments
}
