/** The keys of a node as JSON: base58 texts, sphinx keys with their key rotation, noise keys with their version. @module */
import { toBase58 } from '../../../foundation/base/base58.ts'
import type { Json, JsonObject } from './json.ts'

export const KEY_BYTES = 32
/** The rotation id of a key that belongs to no rotation: the node is older than key rotation. */
export const NO_ROTATION_ID = 0xffff_ffff

export interface RotationKey {
  readonly rotationId: number
  readonly publicKey: Uint8Array
}

export interface VersionedNoiseKey {
  /** 1 is the only version there is; others are passed on as they are. */
  readonly supportedVersion: number
  readonly publicKey: Uint8Array
}

export function encodeRotationKey({ rotationId, publicKey }: RotationKey): JsonObject {
  return { rotation_id: rotationId, public_key: toBase58(publicKey) }
}

export function readRotationKey(json: Json): RotationKey {
  return { rotationId: json.field('rotation_id').u32(), publicKey: json.field('public_key').base58(KEY_BYTES) }
}

export function encodeNoiseKey({ supportedVersion, publicKey }: VersionedNoiseKey): JsonObject {
  return { supported_version: supportedVersion, x25519_pubkey: toBase58(publicKey) }
}

export function readNoiseKey(json: Json): VersionedNoiseKey {
  return {
    supportedVersion: json.field('supported_version').integer({ max: 0xff }),
    publicKey: json.field('x25519_pubkey').base58(KEY_BYTES),
  }
}

/** The twin of Json.optional. */
export function encodeOptional<T>(value: T | undefined, encode: (value: T) => JsonObject): JsonObject | null {
  return value === undefined ? null : encode(value)
}
