/**
 * Which Sphinx key of a node a packet was made for. Rotations are counted from the ledger's epochs; packets carry only the
 * parity, which is enough because a node never has more than two keys. Format: docs/spec/packet.md, "Key rotation". @module
 */

/** 0 unknown, 1 odd, 2 even: the byte in frames and in reply SURBs. */
export type RotationFlag = 0 | 1 | 2

export const ROTATION_UNKNOWN: RotationFlag = 0
/** For `Reader.u8`: the flags there are. */
export const ROTATION_FLAG_BOUNDS: { readonly max: number } = { max: 2 }

/** A topology without metadata has this id. */
const ID_UNKNOWN = 0xffff_ffff

/** The first rotation of a network (id 0) is indistinguishable from "unknown": so it is in Nym. */
export function rotationFlag(rotationId: number): RotationFlag {
  if (rotationId === 0 || rotationId === ID_UNKNOWN) return ROTATION_UNKNOWN
  return rotationId % 2 === 1 ? 1 : 2
}

/** The rotation during `epoch`; epochs before the initial one belong to rotation 0. */
export function rotationId(epoch: number, initialEpoch: number, validityEpochs: number): number {
  return Math.floor(Math.max(0, epoch - initialEpoch) / validityEpochs)
}

/** The epoch with which rotation `id` begins. */
export function rotationFirstEpoch(id: number, initialEpoch: number, validityEpochs: number): number {
  return initialEpoch + id * validityEpochs
}
