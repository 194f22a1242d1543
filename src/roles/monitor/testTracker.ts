/**
 * Test packets on their way, and what became of them. Everything that arrives is from strangers: what is not the answer to a test that is
 * waited for, at the session it was meant for, is counted and passed over; each counts once. @module
 */
import { toHex } from '../../foundation/base/bytes.ts'
import type { Counter, Meter } from '../../foundation/base/observe.ts'
import type { Millis } from '../../foundation/base/units.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import { variantOf } from '../../protocol/packet/pushed.ts'
import type { Observation } from './evidence.ts'
import { isIntact } from './testPacket.ts'

export interface Test {
  /** Monotonic. */
  readonly sentAt: Millis
  /** As evidence has it: whole seconds since the epoch began. */
  readonly second: number
  readonly epochId: number
  readonly number: number
  readonly variant: Uint8Array
  readonly key: Uint8Array
  /** Sessions, by number. */
  readonly from: number
  readonly to: number
  /** Node ids, gateways included. */
  readonly out: readonly number[]
  readonly home: readonly number[]
}

interface Waiting extends Test {
  arrived: boolean
  acknowledged: boolean
}

export interface TestTrackerOptions {
  readonly crypto: CryptoProvider
  readonly most: number
  readonly deadline: () => Millis
  readonly settled: (epochId: number, observations: readonly Observation[]) => void
  readonly meter: Meter
}

export class TestTracker {
  readonly #options: TestTrackerOptions
  /** In the order in which they left. */
  readonly #byVariant = new Map<string, Waiting>()
  readonly #byNumber = new Map<number, Waiting>()
  readonly #odd: Counter

  constructor(options: TestTrackerOptions) {
    this.#options = options
    this.#odd = options.meter.counter('monitor_odd_total', 'Things that arrived and answered no test')
    options.meter.gauge('monitor_tests_waiting', 'Test packets waited for', () => this.#byVariant.size)
  }

  get hasRoom(): boolean {
    return this.#byVariant.size < this.#options.most
  }

  sent(test: Test): void {
    const waiting: Waiting = { ...test, arrived: false, acknowledged: false }
    this.#byVariant.set(toHex(test.variant), waiting)
    this.#byNumber.set(test.number, waiting)
  }

  /** Data that the session was pushed. */
  arrived(session: number, pushed: Uint8Array, now: Millis): void {
    const test = this.#byVariant.get(toHex(variantOf(pushed)))
    const { crypto, deadline } = this.#options
    if (test === undefined || test.arrived || test.to !== session || !isIntact(crypto, test.key, pushed)) {
      this.#odd.value++
    } else if (now - test.sentAt <= deadline()) test.arrived = true
  }

  acknowledged(session: number, number: number, now: Millis): void {
    const test = this.#byNumber.get(number)
    if (test === undefined || test.acknowledged || test.from !== session) this.#odd.value++
    else if (now - test.sentAt <= this.#options.deadline()) test.acknowledged = true
  }

  /** Judges those whose time is up. */
  review(now: Millis): void {
    for (const test of this.#byVariant.values()) {
      if (now - test.sentAt <= this.#options.deadline()) return
      this.#forget(test)
      this.#options.settled(test.epochId, observationsOf(test))
    }
  }

  /** None of those on their way counts: the fault was ours. */
  forgetAll(): void {
    this.#byVariant.clear()
    this.#byNumber.clear()
  }

  #forget({ variant, number }: Test): void {
    this.#byVariant.delete(toHex(variant))
    this.#byNumber.delete(number)
  }
}

function observationsOf({ second, out, home, arrived, acknowledged }: Waiting): Observation[] {
  const there: Observation = { kind: 'out', second, route: out, delivered: arrived }
  // An ack is let go by who has the packet: without either nobody knows whether there was one.
  if (!arrived && !acknowledged) return [there]
  return [there, { kind: 'home', second, route: home, delivered: acknowledged }]
}
