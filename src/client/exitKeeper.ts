/**
 * Leaves an exit that has gone silent for another one, where the caller named none. Not often: whoever can make exits look silent to
 * us, an entry gateway for instance, must not be able to try them all until we are at his. @module
 */
import { toHex } from '../foundation/base/bytes.ts'
import { type Millis, millis, minutes, seconds } from '../foundation/base/units.ts'
import { type Clock, withDeadline } from '../foundation/platform/clock.ts'
import type { RandomStream } from '../foundation/platform/random.ts'
import { identityKey, type Topology } from '../network/topology/topology.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'
import { anotherExit } from './exitSelection.ts'
import type { Events } from './mixnetEvents.ts'

export interface ExitKeeperOptions {
  readonly clock: Clock
  readonly random: RandomStream
  readonly events: Events
  /** Those known when the client connected; none where the caller named one. */
  readonly known: readonly Recipient[]
  /** Asks the directory again: only where none of the known is left, since it learns by that that our exit is gone. */
  readonly list: () => Promise<readonly Recipient[]>
  readonly topology: () => Topology | undefined
  readonly entry: () => { readonly entry: Uint8Array; readonly guards: readonly Uint8Array[] }
  readonly present: () => Recipient
  readonly change: (exit: Recipient) => void
}

const MEMORY = minutes(60)
const MAX_CHANGES = 3
const LIST_LIMIT = seconds(30)

export class ExitKeeper {
  readonly #options: ExitKeeperOptions
  /** When each was last found silent, by identity. Within an hour at most one more than there may be changes. */
  readonly #silent = new Map<string, Millis>()
  #changes: Millis[] = []
  #choosing = false
  #closed = false

  constructor(options: ExitKeeperOptions) {
    this.#options = options
  }

  close(): void {
    this.#closed = true
  }

  silent(): void {
    const { clock, events, present, known } = this.#options
    const exit = present()
    events.tell({ type: 'exit-silent', exit })
    if (known.length === 0 || this.#closed || this.#choosing) return
    const now = clock.monotonic()
    this.#changes = this.#changes.filter((at) => now - at < MEMORY)
    if (this.#changes.length >= MAX_CHANGES) return
    for (const [identity, at] of this.#silent) if (now - at >= MEMORY) this.#silent.delete(identity)
    this.#silent.set(toHex(exit.identity), now)
    this.#choosing = true
    void this.#leave(exit).finally(() => {
      this.#choosing = false
    })
  }

  async #leave(before: Recipient): Promise<void> {
    const { clock, events, known, list, change } = this.#options
    const listed = () => withDeadline(clock, LIST_LIMIT, 'exits', list()).catch(() => [])
    const exit = this.#choose(known) ?? this.#choose(await listed())
    if (exit === undefined || this.#closed) return
    this.#changes.push(millis(clock.monotonic()))
    change(exit)
    events.tell({ type: 'exit-changed', exit, before })
  }

  #choose(exits: readonly Recipient[]): Recipient | undefined {
    const { random, topology, entry } = this.#options
    const nodes = topology()?.nodesByIdentity
    const left = exits.filter(
      ({ identity, gateway }) => !this.#silent.has(toHex(identity)) && nodes?.has(identityKey(gateway)) === true,
    )
    return anotherExit(random, left, entry())
  }
}
