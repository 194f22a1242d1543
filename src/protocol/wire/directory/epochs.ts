/**
 * The directory's clock: the current epoch, the nodes it rewards, and the rotation of sphinx keys.
 * Format: docs/spec/directory.md. @module
 */

import type { Millis } from '../../../foundation/base/units.ts'
import { formatRfc3339 } from '../timestamp.ts'
import { encodeDuration, type Json, type JsonObject, type JsonValue, parseJson } from './json.ts'
import type { EpochRole } from './skimmedNodes.ts'

/** A group of epochs and where it stands; `epoch/current`. */
export interface Interval {
  readonly id: number
  readonly epochsInInterval: number
  readonly currentEpochStart: Millis
  /** Within the interval; the absolute epoch id is `totalElapsedEpochs`. */
  readonly currentEpochId: number
  readonly epochLength: Millis
  readonly totalElapsedEpochs: number
}

/** Node ids by what the epoch makes of them. */
export interface RewardedSet {
  /** Absolute. */
  readonly epochId: number
  readonly entryGateways: readonly number[]
  readonly exitGateways: readonly number[]
  readonly layer1: readonly number[]
  readonly layer2: readonly number[]
  readonly layer3: readonly number[]
  readonly standby: readonly number[]
}

export interface KeyRotationInfo {
  readonly validityEpochs: number
  readonly initialEpochId: number
  readonly currentAbsoluteEpochId: number
  readonly currentEpochStart: Millis
  readonly epochDuration: Millis
  readonly currentKeyRotationId: number
  readonly currentRotationStartingEpoch: number
  readonly currentRotationEndingEpoch: number
}

export const MAX_NODES = 65_536

/** Ids ascend in each list, as official directories give them; who is in none of them is `inactive`. */
export function rewardedSetOf(
  epochId: number,
  roles: Iterable<readonly [nodeId: number, role: EpochRole]>,
): RewardedSet {
  const all = [...roles].sort(([a], [b]) => a - b)
  const of = (wanted: EpochRole): number[] => all.filter(([, role]) => role === wanted).map(([nodeId]) => nodeId)
  return {
    epochId,
    entryGateways: of('entryGateway'),
    exitGateways: of('exitGateway'),
    layer1: of('layer1'),
    layer2: of('layer2'),
    layer3: of('layer3'),
    standby: of('standby'),
  }
}

export function encodeInterval(interval: Interval): JsonObject {
  return {
    id: interval.id,
    epochs_in_interval: interval.epochsInInterval,
    current_epoch_start: formatRfc3339(interval.currentEpochStart),
    current_epoch_id: interval.currentEpochId,
    epoch_length: encodeDuration(interval.epochLength),
    total_elapsed_epochs: interval.totalElapsedEpochs,
  }
}

export function readInterval(json: Json): Interval {
  return {
    id: json.field('id').u32(),
    epochsInInterval: json.field('epochs_in_interval').u32(),
    currentEpochStart: json.field('current_epoch_start').instant(),
    currentEpochId: json.field('current_epoch_id').u32(),
    epochLength: json.field('epoch_length').duration(),
    totalElapsedEpochs: json.field('total_elapsed_epochs').u32(),
  }
}

/** `epoch/current`: null where there is no epoch yet. */
export function encodeCurrentEpoch(interval: Interval | undefined): JsonValue {
  return interval === undefined ? null : encodeInterval(interval)
}

export function decodeCurrentEpoch(text: string): Interval | undefined {
  return parseJson(text, 'current epoch').optional(readInterval)
}

export function encodeRewardedSet(set: RewardedSet): JsonObject {
  return {
    epoch_id: set.epochId,
    entry_gateways: set.entryGateways,
    exit_gateways: set.exitGateways,
    layer1: set.layer1,
    layer2: set.layer2,
    layer3: set.layer3,
    standby: set.standby,
  }
}

export function decodeRewardedSet(text: string): RewardedSet {
  const json = parseJson(text, 'rewarded set')
  const ids = (name: string): number[] => json.field(name).array(MAX_NODES, (id) => id.u32())
  return {
    epochId: json.field('epoch_id').optional((id) => id.u32()) ?? 0,
    entryGateways: ids('entry_gateways'),
    exitGateways: ids('exit_gateways'),
    layer1: ids('layer1'),
    layer2: ids('layer2'),
    layer3: ids('layer3'),
    standby: ids('standby'),
  }
}

/** Everything that follows from the parameters of key rotation and the current epoch. */
export function keyRotationInfo(
  rotation: { readonly validityEpochs: number; readonly initialEpochId: number },
  epoch: { readonly absoluteId: number; readonly start: Millis; readonly duration: Millis },
): KeyRotationInfo {
  const { validityEpochs, initialEpochId } = rotation
  const currentKeyRotationId = Math.floor(Math.max(0, epoch.absoluteId - initialEpochId) / validityEpochs)
  const currentRotationStartingEpoch = initialEpochId + validityEpochs * currentKeyRotationId
  return {
    validityEpochs,
    initialEpochId,
    currentAbsoluteEpochId: epoch.absoluteId,
    currentEpochStart: epoch.start,
    epochDuration: epoch.duration,
    currentKeyRotationId,
    currentRotationStartingEpoch,
    currentRotationEndingEpoch: currentRotationStartingEpoch + validityEpochs - 1,
  }
}

export function encodeKeyRotationInfo(info: KeyRotationInfo): JsonObject {
  return {
    key_rotation_state: { validity_epochs: info.validityEpochs, initial_epoch_id: info.initialEpochId },
    current_absolute_epoch_id: info.currentAbsoluteEpochId,
    current_epoch_start: formatRfc3339(info.currentEpochStart),
    epoch_duration: encodeDuration(info.epochDuration),
    progress: {
      current_key_rotation_id: info.currentKeyRotationId,
      current_rotation_starting_epoch: info.currentRotationStartingEpoch,
      current_rotation_ending_epoch: info.currentRotationEndingEpoch,
    },
  }
}

export function decodeKeyRotationInfo(text: string): KeyRotationInfo {
  const json = parseJson(text, 'key rotation info')
  const state = json.field('key_rotation_state')
  const progress = json.field('progress')
  const duration = json.field('epoch_duration')
  const epochDuration = duration.duration()
  // Readers divide by both.
  if (epochDuration === 0) duration.refuse('no time at all')
  return {
    validityEpochs: state.field('validity_epochs').integer({ min: 1, max: 0xffff_ffff }),
    initialEpochId: state.field('initial_epoch_id').u32(),
    currentAbsoluteEpochId: json.field('current_absolute_epoch_id').u32(),
    currentEpochStart: json.field('current_epoch_start').instant(),
    epochDuration,
    currentKeyRotationId: progress.field('current_key_rotation_id').u32(),
    currentRotationStartingEpoch: progress.field('current_rotation_starting_epoch').u32(),
    currentRotationEndingEpoch: progress.field('current_rotation_ending_epoch').u32(),
  }
}
