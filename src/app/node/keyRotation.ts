/**
 * Keeps a node's Sphinx keys in step with the network's epochs: asks the directory for the epoch clock, then follows it by
 * itself, asking again before it acts. Where the directory is away at the start, the clock of its last answer is on disk. @module
 */
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Log } from '../../foundation/base/observe.ts'
import { type Millis, millis, minutes, seconds } from '../../foundation/base/units.ts'
import { sleep, type Timer } from '../../foundation/platform/clock.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { DirectoryClient } from '../../network/topology/directoryClient.ts'
import type { KeyRotationInfo } from '../../protocol/wire/directory/epochs.ts'
import type { ReplayGuard } from '../../roles/mixing/replayGuard.ts'
import { type EpochClock, untilNextEpoch } from '../../roles/mixing/rotationSchedule.ts'
import { SphinxKeys } from '../../roles/mixing/sphinxKeys.ts'
import type { EpochMemory } from './epochMemory.ts'
import { EpochReckoning } from './epochReckoning.ts'

export interface KeyRotationOptions {
  readonly directory: DirectoryClient
  readonly memory: EpochMemory
  readonly folder: string
  readonly replay: ReplayGuard
  readonly log: Log
  /** Between attempts to reach the directory, at the start and at a rotation. */
  readonly retry: Millis
  /** The keys changed, or the directory is back: describe the node anew. */
  readonly onChange: () => void
}

// The directory may advance a moment after its own clock says so.
const AFTER_EPOCH_START = millis(250)
// Attempts follow each other faster than anybody wants to read.
const TELL_AGAIN = minutes(1)
const LONGEST_SLEEP = seconds(3600)
/** For the first question, where there is a remembered answer to go on by. */
const FIRST_ANSWER = seconds(10)
/** The directory's epoch is not ours: it is late, or our clock is ahead. Old keys wait for its word. */
const ASK_AGAIN = minutes(1)

export class KeyRotation {
  readonly #world: World
  readonly #options: KeyRotationOptions
  readonly keys: SphinxKeys
  readonly #stopping = new AbortController()
  #reckoning: EpochReckoning
  /** The directory has answered since the process began. */
  #isConfirmed: boolean
  #timer: Timer | undefined
  #turning: Promise<void> = Promise.resolve()

  private constructor(
    world: World,
    options: KeyRotationOptions,
    { keys, reckoning, isConfirmed }: { keys: SphinxKeys; reckoning: EpochReckoning; isConfirmed: boolean },
  ) {
    this.#world = world
    this.#options = options
    this.keys = keys
    this.#reckoning = reckoning
    this.#isConfirmed = isConfirmed
  }

  /**
   * Goes on by the directory's answer, or by the last one on disk where it does not answer now. A node that never heard one waits
   * as long as it takes, unless aborted: it may start before its network.
   */
  static async start(world: World, options: KeyRotationOptions, signal: AbortSignal): Promise<KeyRotation> {
    const remembered = await options.memory.read()
    const answer =
      remembered === undefined ? await askPatiently(world, options, signal) : await askOnce(world, options, signal)
    const info = answer ?? (remembered as KeyRotationInfo)
    const isConfirmed = answer !== undefined
    if (isConfirmed) await options.memory.remember(info)
    else options.log.warn('rotation.remembered', { epoch: info.currentAbsoluteEpochId })
    const reckoning = new EpochReckoning(world.clock, epochClock(info), !isConfirmed)
    const { wanted, isOver } = reckoning.now()
    const { files, crypto, random } = world
    const keys = await SphinxKeys.load(
      { files, folder: options.folder, crypto, random: random.stream('sphinx-keys') },
      wanted,
      isOver,
    )
    for (const id of keys.rotationIds) await options.replay.open(id)
    await dropOrphans(world, options, keys)
    const rotation = new KeyRotation(world, options, { keys, reckoning, isConfirmed })
    rotation.#schedule()
    return rotation
  }

  /** Resolves when nothing is written any more. */
  stop(): Promise<void> {
    this.#stopping.abort()
    this.#timer?.cancel()
    return this.#turning
  }

  #schedule(soon?: Millis): void {
    if (this.#stopping.signal.aborted) return
    this.#timer = this.#world.clock.after(soon ?? this.#untilTurn(), () => {
      this.#turning = this.#turn()
        .then(() => this.#schedule())
        .catch((error: unknown) => {
          if (this.#stopping.signal.aborted) return
          this.#options.log.error('rotation.failed', { code: isMixnetError(error) ? error.code : 'INTERNAL' })
          // Not at the next epoch: until then packets come for a key that is not there.
          this.#schedule(this.#options.retry)
        })
    })
  }

  #untilTurn(): Millis {
    const { clock } = this.#world
    const next = untilNextEpoch(this.#reckoning.heard, clock.now()) + AFTER_EPOCH_START
    if (!this.#isConfirmed) return millis(Math.min(this.#options.retry, next))
    return millis(Math.min(this.#reckoning.now().isAhead ? ASK_AGAIN : LONGEST_SLEEP, next))
  }

  async #turn(): Promise<void> {
    const isBack = await this.#hear()
    if (this.#stopping.signal.aborted) return
    const { wanted, isOver } = this.#reckoning.now()
    const before = this.keys.rotationIds
    // A filter must exist before the first packet under its key. That of the previous key does already.
    await this.#options.replay.open(wanted.current)
    if (wanted.announceNext) await this.#options.replay.open(wanted.current + 1)
    const isChanged = await this.keys.apply(wanted, isOver)
    // Key first, log second: whatever happens in between, no key is without the tags that it has seen.
    for (const id of before) if (!this.keys.rotationIds.includes(id)) await this.#options.replay.drop(id)
    if (isChanged) this.#options.log.info('rotation.keys', { current: wanted.current, announced: wanted.announceNext })
    if (isChanged || isBack) this.#options.onChange()
  }

  /** True where the directory answers for the first time. Where it is away, its last answer still holds: epochs do not change length unannounced. */
  async #hear(): Promise<boolean> {
    const { directory, memory, log } = this.#options
    const info = await ask(directory, this.#stopping.signal).catch((error: unknown) => {
      if (!isMixnetError(error)) throw error
      return undefined
    })
    if (info === undefined || this.#stopping.signal.aborted) return false
    this.#reckoning = new EpochReckoning(this.#world.clock, epochClock(info), false)
    await memory.remember(info)
    const isBack = !this.#isConfirmed
    this.#isConfirmed = true
    if (isBack) log.info('rotation.confirmed', { epoch: info.currentAbsoluteEpochId })
    return isBack
  }
}

/** A crash between a key's end and its log's leaves the log; nobody else would ever remove it. */
async function dropOrphans(world: World, { folder, replay }: KeyRotationOptions, keys: SphinxKeys): Promise<void> {
  for (const name of await world.files.list(folder)) {
    const id = /^replay-(\d+)\.tags$/.exec(name)?.[1]
    if (id !== undefined && !keys.rotationIds.includes(Number(id))) await replay.drop(Number(id))
  }
}

async function askPatiently(world: World, options: KeyRotationOptions, signal: AbortSignal): Promise<KeyRotationInfo> {
  let told: Millis | undefined
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask(options.directory, signal)
    } catch (error) {
      if (!isMixnetError(error) || signal.aborted) throw error
      const now = world.clock.monotonic()
      if (told === undefined || now - told >= TELL_AGAIN) {
        told = now
        options.log.info('directory.waiting', { code: error.code, attempt })
      }
      await sleep(world.clock, options.retry, signal)
    }
  }
}

async function askOnce(
  world: World,
  { directory }: KeyRotationOptions,
  signal: AbortSignal,
): Promise<KeyRotationInfo | undefined> {
  const late = new AbortController()
  const timer = world.clock.after(FIRST_ANSWER, () => late.abort())
  try {
    return await ask(directory, AbortSignal.any([late.signal, signal]))
  } catch (error) {
    if (!isMixnetError(error) || signal.aborted) throw error
    return undefined
  } finally {
    timer.cancel()
  }
}

const ask = (directory: DirectoryClient, signal: AbortSignal): Promise<KeyRotationInfo> =>
  directory.ask((reader) => reader.keyRotationInfo(), signal)

function epochClock(info: KeyRotationInfo): EpochClock {
  return {
    currentEpoch: info.currentAbsoluteEpochId,
    currentEpochStart: info.currentEpochStart,
    epochLength: info.epochDuration,
    initialEpoch: info.initialEpochId,
    validityEpochs: info.validityEpochs,
  }
}
