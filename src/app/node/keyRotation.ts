/**
 * Keeps a node's Sphinx keys in step with the network's epochs: asks the directory for the epoch clock, then follows it by
 * itself, asking again before it acts. @module
 */
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Log } from '../../foundation/base/observe.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import { sleep, type Timer } from '../../foundation/platform/clock.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { DirectoryClient } from '../../network/topology/directoryClient.ts'
import type { KeyRotationInfo } from '../../protocol/wire/directory/epochs.ts'
import type { ReplayGuard } from '../../roles/mixing/replayGuard.ts'
import { type EpochClock, untilNextEpoch, wantedKeys } from '../../roles/mixing/rotationSchedule.ts'
import { SphinxKeys } from '../../roles/mixing/sphinxKeys.ts'

export interface KeyRotationOptions {
  readonly directory: DirectoryClient
  readonly folder: string
  readonly replay: ReplayGuard
  readonly log: Log
  /** Between attempts to reach the directory, at the start and at a rotation. */
  readonly retry: Millis
  /** The keys changed: describe the node anew. */
  readonly onChange: () => void
}

// The directory may advance a moment after its own clock says so.
const AFTER_EPOCH_START = millis(250)
const LONGEST_SLEEP = seconds(3600)

export class KeyRotation {
  readonly #world: World
  readonly #options: KeyRotationOptions
  readonly keys: SphinxKeys
  #clock: EpochClock
  #timer: Timer | undefined
  #stopped = false

  private constructor(world: World, options: KeyRotationOptions, keys: SphinxKeys, clock: EpochClock) {
    this.#world = world
    this.#options = options
    this.keys = keys
    this.#clock = clock
  }

  /** Waits for the directory as long as it takes, unless aborted: a node may start before its network. */
  static async start(world: World, options: KeyRotationOptions, signal: AbortSignal): Promise<KeyRotation> {
    const clock = await askPatiently(world, options, signal)
    const wanted = wantedKeys(clock, world.clock.now())
    const { files, crypto, random } = world
    const keys = await SphinxKeys.load(
      { files, folder: options.folder, crypto, random: random.stream('sphinx-keys') },
      wanted,
    )
    for (const id of keys.rotationIds) await options.replay.open(id)
    const rotation = new KeyRotation(world, options, keys, clock)
    rotation.#schedule()
    return rotation
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #schedule(soon?: Millis): void {
    if (this.#stopped) return
    const wait =
      soon ?? Math.min(LONGEST_SLEEP, untilNextEpoch(this.#clock, this.#world.clock.now()) + AFTER_EPOCH_START)
    this.#timer = this.#world.clock.after(millis(wait), () => {
      this.#turn()
        .then(() => this.#schedule())
        .catch((error: unknown) => {
          this.#options.log.error('rotation.failed', { code: isMixnetError(error) ? error.code : 'INTERNAL' })
          // Not at the next epoch: until then packets come for a key that is not there.
          this.#schedule(this.#options.retry)
        })
    })
  }

  async #turn(): Promise<void> {
    // Where the directory is away, the clock of its last answer still holds: epochs do not change length unannounced.
    this.#clock = await ask(this.#options.directory).catch(() => this.#clock)
    if (this.#stopped) return
    const wanted = wantedKeys(this.#clock, this.#world.clock.now())
    const before = this.keys.rotationIds
    // A filter must exist before the first packet under its key. That of the previous key does already.
    await this.#options.replay.open(wanted.current)
    if (wanted.announceNext) await this.#options.replay.open(wanted.current + 1)
    if (!(await this.keys.apply(wanted))) return
    for (const id of before) if (!this.keys.rotationIds.includes(id)) await this.#options.replay.drop(id)
    this.#options.log.info('rotation.keys', { current: wanted.current, announced: wanted.announceNext })
    this.#options.onChange()
  }
}

async function askPatiently(world: World, options: KeyRotationOptions, signal: AbortSignal): Promise<EpochClock> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask(options.directory)
    } catch (error) {
      if (!isMixnetError(error)) throw error
      options.log.info('directory.waiting', { code: error.code, attempt })
      await sleep(world.clock, options.retry, signal)
    }
  }
}

async function ask(directory: DirectoryClient): Promise<EpochClock> {
  return epochClock(await directory.ask((reader) => reader.keyRotationInfo()))
}

function epochClock(info: KeyRotationInfo): EpochClock {
  return {
    currentEpoch: info.currentAbsoluteEpochId,
    currentEpochStart: info.currentEpochStart,
    epochLength: info.epochDuration,
    initialEpoch: info.initialEpochId,
    validityEpochs: info.validityEpochs,
  }
}
