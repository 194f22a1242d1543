/**
 * The directory's clock: which epoch it is, and which key rotation follows from it. Epochs are counted from an anchor that is
 * written down when the network begins, so a directory that was away finds itself in the epoch that the time of day says.
 * Rules: docs/spec/directory-server.md, "Epochs". @module
 */
import { fromUtf8, utf8 } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { hours, type Millis, millis, minutes } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { Files } from '../../foundation/platform/files.ts'
import { type Interval, type KeyRotationInfo, keyRotationInfo } from '../../protocol/wire/directory/epochs.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'

export interface EpochParams {
  /** Official nodes need more than 10 minutes. A whole number of milliseconds. */
  readonly epochLength: Millis
  readonly epochsInInterval: number
  /** Of a sphinx key. At least 3, as the official contract has it: one epoch each to announce a key and to let the old one go. */
  readonly validityEpochs: number
  /**
   * The epoch with which a new network begins. Default: `validityEpochs`, so that its first key rotation is number 1. Packets
   * cannot name rotation 0, and nodes must try both keys on such packets.
   */
  readonly firstEpochId?: number
}

export const DEFAULT_EPOCH_PARAMS: EpochParams = { epochLength: hours(1), epochsInInterval: 720, validityEpochs: 24 }

/** One epoch and everything that is said about it; never changes. */
export interface Epoch {
  readonly absoluteId: number
  readonly start: Millis
  readonly end: Millis
  readonly interval: Interval
  readonly rotation: KeyRotationInfo
  /** The instant at which the next key rotation begins. */
  readonly nextRotationStart: Millis
}

/** Tells the epoch: a clock here, the ledger elsewhere. Never goes back. */
export interface EpochSource {
  current(): Epoch
}

export interface EpochsOptions {
  readonly clock: Clock
  readonly files: Files
  /** Of the file that holds the anchor. */
  readonly path: string
  readonly params: EpochParams
}

/** An epoch whose beginning is known; the ones after it are counted from there. */
interface Anchor {
  readonly epochId: number
  readonly start: Millis
  readonly epochLength: Millis
  readonly validityEpochs: number
}

const MIN_VALIDITY_EPOCHS = 3
/**
 * How long a wall clock must be ahead of all the time that has passed here before it is believed. Epochs never go back, so a clock
 * that is set wrong for a moment would take the whole network, keys and all, to an epoch that is years away, and leave it there
 * until somebody restarts the directory. A machine that slept is that far ahead too, and right.
 */
const LONGEST_HOLD = minutes(5)
const WHAT = 'epochs file'

export class Epochs implements EpochSource {
  readonly #clock: Clock
  readonly #params: EpochParams
  readonly #anchor: Anchor
  #current: Epoch
  /** Monotonic: when the epoch was first seen, and since when the wall clock has been too far ahead of that. */
  #seenAt: number
  #aheadSince: number | undefined

  private constructor(clock: Clock, params: EpochParams, anchor: Anchor) {
    this.#clock = clock
    this.#params = params
    this.#anchor = anchor
    this.#current = this.#epoch(epochIdAt(anchor, clock.now()))
    this.#seenAt = clock.monotonic()
  }

  /**
   * Goes on where the network was, or begins it now. Throws CONFIG_INVALID where the params do not fit together or do not fit
   * the network that was begun.
   */
  static async open({ clock, files, path, params }: EpochsOptions): Promise<Epochs> {
    checkParams(params)
    const { epochLength, validityEpochs } = params
    const stored = await files.read(path)
    const known = stored === undefined ? undefined : decodeAnchor(stored, path)
    const now = clock.now()
    let anchor: Anchor
    if (known === undefined) {
      // Whole seconds, because others write this instant in theirs.
      const start = millis(Math.floor(now / 1000) * 1000)
      anchor = { epochId: params.firstEpochId ?? validityEpochs, start, epochLength, validityEpochs }
    } else if (known.validityEpochs !== validityEpochs) {
      // Rotation ids are epochs divided by it: a change would make them jump, back or forth, and keys with them.
      const problem = `this network began with ${known.validityEpochs}; it cannot change`
      throw new MixnetError('CONFIG_INVALID', { key: 'validityEpochs', problem, file: path })
    } else if (known.epochLength !== epochLength) {
      // The epoch that runs keeps its number and its beginning, so ids never go back.
      const epochId = epochIdAt(known, now)
      anchor = { epochId, start: startOf(known, epochId), epochLength, validityEpochs }
    } else {
      anchor = known
    }
    if (anchor !== known) await files.write(path, encodeAnchor(anchor))
    return new Epochs(clock, params, anchor)
  }

  /** By the wall clock; when that is set back, the epoch stays until its time comes again, and when it jumps ahead, for a while. */
  current(): Epoch {
    const id = epochIdAt(this.#anchor, this.#clock.now())
    const monotonic = this.#clock.monotonic()
    const { epochLength } = this.#params
    const most = this.#current.absoluteId + 1 + Math.floor((monotonic - this.#seenAt) / epochLength)
    if (id <= most) this.#aheadSince = undefined
    else this.#aheadSince ??= monotonic
    const isHeld = this.#aheadSince !== undefined && monotonic - this.#aheadSince < Math.min(epochLength, LONGEST_HOLD)
    if (id > this.#current.absoluteId && !isHeld) {
      this.#current = this.#epoch(id)
      this.#seenAt = monotonic
      this.#aheadSince = undefined
    }
    return this.#current
  }

  #epoch(absoluteId: number): Epoch {
    const { epochLength, epochsInInterval, validityEpochs } = this.#params
    const start = startOf(this.#anchor, absoluteId)
    const rotation = keyRotationInfo(
      { validityEpochs, initialEpochId: 0 },
      { absoluteId, start, duration: epochLength },
    )
    return {
      absoluteId,
      start,
      end: millis(start + epochLength),
      interval: {
        id: Math.floor(absoluteId / epochsInInterval),
        epochsInInterval,
        currentEpochStart: start,
        currentEpochId: absoluteId % epochsInInterval,
        epochLength,
        totalElapsedEpochs: absoluteId,
      },
      rotation,
      nextRotationStart: startOf(this.#anchor, rotation.currentRotationEndingEpoch + 1),
    }
  }
}

function checkParams({ epochLength, epochsInInterval, validityEpochs, firstEpochId = 0 }: EpochParams): void {
  const refuse = (key: string, problem: string): never => {
    throw new MixnetError('CONFIG_INVALID', { key, problem })
  }
  if (!Number.isSafeInteger(epochLength) || epochLength < 1) refuse('epochLength', 'must be whole milliseconds')
  if (!Number.isSafeInteger(epochsInInterval) || epochsInInterval < 1) refuse('epochsInInterval', 'must be 1 or more')
  if (!Number.isSafeInteger(validityEpochs) || validityEpochs < MIN_VALIDITY_EPOCHS) {
    refuse('validityEpochs', `must be ${MIN_VALIDITY_EPOCHS} or more`)
  }
  if (!Number.isSafeInteger(firstEpochId) || firstEpochId < 0) refuse('firstEpochId', 'must be 0 or more')
}

const epochIdAt = ({ epochId, start, epochLength }: Anchor, now: Millis): number =>
  epochId + Math.max(0, Math.floor((now - start) / epochLength))

const startOf = ({ epochId, start, epochLength }: Anchor, id: number): Millis =>
  millis(start + (id - epochId) * epochLength)

function encodeAnchor({ epochId, start, epochLength, validityEpochs }: Anchor): Uint8Array {
  const file = { epochId, startUnixMs: start, epochLengthMs: epochLength, validityEpochs }
  return utf8(`${JSON.stringify(file, undefined, 2)}\n`)
}

function decodeAnchor(contents: Uint8Array, path: string): Anchor {
  try {
    const json = parseJson(fromUtf8(contents, WHAT), WHAT)
    return {
      epochId: json.field('epochId').u32(),
      start: millis(json.field('startUnixMs').integer()),
      epochLength: millis(json.field('epochLengthMs').integer({ min: 1 })),
      validityEpochs: json.field('validityEpochs').integer({ min: MIN_VALIDITY_EPOCHS }),
    }
  } catch (cause) {
    // Beginning anew would send the epochs of a running network back to its first.
    throw new MixnetError('CONFIG_INVALID', { file: path, problem: 'the record of epochs is damaged' }, { cause })
  }
}
