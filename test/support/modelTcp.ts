/**
 * A TCP as kernels have it today, for simulations of what is below it: CUBIC with SACK and DSACK, RACK's reordering window (RFC 8985), undo
 * of what was sent again for nothing (RFC 3708), RFC 6298's timeout with Linux's least of 200 ms. The sender alone, without timestamps; it counts segments. @module
 */
import { millis } from '../../src/foundation/base/units.ts'
import type { Clock, Timer } from '../../src/foundation/platform/clock.ts'

export const SEGMENT_BYTES = 1400
const [BETA, CUBIC] = [0.7, 0.4]
const LEAST_TIMEOUT = 200
const MOST_TIMEOUT = 60_000
/** What a receiver has room for, before it says anything: 64 KiB. */
const FIRST_ROOM = 46

export interface Acknowledgment {
  /** The first that is missing. */
  readonly next: number
  /** From there on. */
  readonly room: number
  /** Ends are not in them. */
  readonly blocks: readonly (readonly [number, number])[]
  /** What came twice. */
  readonly duplicate: number | undefined
}

interface Sent {
  at: number
  wasRepeated: boolean
  isHeld: boolean
  isLost: boolean
}

export interface SenderOptions {
  readonly clock: Clock
  readonly total: number
  readonly send: (segment: number) => void
}

export class ModelSender {
  readonly #options: SenderOptions
  readonly #sent = new Map<number, Sent>()
  #una = 0
  #next = 0
  #room = FIRST_ROOM
  #window = 10
  #threshold = Number.POSITIVE_INFINITY
  /** Why it sends less, until everything before `until` has arrived. */
  #recovery: { until: number; window: number; threshold: number; repeats: number } | undefined
  #srtt: number | undefined
  #variation = 0
  #timeout = 1000
  #leastRtt = Number.POSITIVE_INFINITY
  #round = { until: 0, samples: 0, least: Number.POSITIVE_INFINITY }
  #cubic = { peak: 0, from: 0, since: 0 }
  #rack = { at: -1, rtt: 0 }
  #highestHeld = -1
  #sawReordering = false
  #reorderingSteps = 1
  #recoveries = 0
  #timer: Timer | undefined
  #rackTimer: Timer | undefined
  #over = false
  repeated = 0
  timeouts = 0

  constructor(options: SenderOptions) {
    this.#options = options
  }

  start(): void {
    this.#push()
  }

  stop(): void {
    this.#over = true
    this.#timer?.cancel()
    this.#rackTimer?.cancel()
  }

  acknowledged(ack: Acknowledgment): void {
    if (this.#over) return
    const now = this.#now()
    const advanced = ack.next > this.#una
    let delivered = 0
    for (let n = this.#una; n < ack.next; n++) {
      const sent = this.#sent.get(n)
      if (sent === undefined) continue
      if (!sent.isHeld) delivered += this.#delivered(n, sent, now)
      this.#sent.delete(n)
    }
    if (ack.next >= this.#una) this.#room = ack.room
    this.#una = Math.max(this.#una, ack.next)
    for (const [start, end] of ack.blocks) {
      for (let n = Math.max(start, this.#una); n < end; n++) {
        const sent = this.#sent.get(n)
        if (sent === undefined || sent.isHeld) continue
        sent.isHeld = true
        delivered += this.#delivered(n, sent, now)
      }
    }
    if (ack.duplicate !== undefined) {
      this.#reorderingSteps = Math.min(20, this.#reorderingSteps + 1)
      this.#recoveries = 0
      if (this.#recovery !== undefined && --this.#recovery.repeats <= 0) this.#undo()
    }
    if (this.#recovery !== undefined && this.#una >= this.#recovery.until) {
      this.#recovery = undefined
      if (++this.#recoveries >= 16) this.#reorderingSteps = 1
    }
    this.#findLost()
    // After a timeout it begins slowly again, also before everything has arrived.
    if ((this.#recovery === undefined || this.#window < this.#threshold) && delivered > 0) {
      if (this.#window < this.#threshold) this.#window += delivered
      else this.#window += this.#growth(delivered)
    }
    if (advanced) this.#rearm()
    this.#push()
  }

  /** Counts it, and learns from it. */
  #delivered(n: number, sent: Sent, now: number): number {
    const rtt = now - sent.at
    if (!sent.wasRepeated) this.#measure(rtt)
    if (n < this.#highestHeld && !sent.wasRepeated) this.#sawReordering = true
    this.#highestHeld = Math.max(this.#highestHeld, n)
    sent.isLost = false
    // Sooner than any: the answer to what was sent before.
    if (sent.wasRepeated && rtt < this.#leastRtt) return 1
    if (sent.at > this.#rack.at) this.#rack = { at: sent.at, rtt }
    return 1
  }

  #measure(rtt: number): void {
    this.#hystart(rtt)
    this.#leastRtt = Math.min(this.#leastRtt, rtt)
    if (this.#srtt === undefined) {
      this.#srtt = rtt
      this.#variation = rtt / 2
    } else {
      this.#variation += (Math.abs(this.#srtt - rtt) - this.#variation) / 4
      this.#srtt += (rtt - this.#srtt) / 8
    }
    this.#timeout = Math.min(MOST_TIMEOUT, this.#srtt + Math.max(LEAST_TIMEOUT, 4 * this.#variation))
  }

  /** Ends slow start where a round takes longer than the shortest did (HyStart, as in Linux): the queue has begun to fill. */
  #hystart(rtt: number): void {
    if (this.#window >= this.#threshold || this.#window < 16) return
    if (this.#una >= this.#round.until) this.#round = { until: this.#next, samples: 0, least: Number.POSITIVE_INFINITY }
    const round = this.#round
    if (round.samples++ < 8) round.least = Math.min(round.least, rtt)
    const later = Math.min(16, Math.max(4, this.#leastRtt / 8))
    if (round.samples !== 8 || round.least < this.#leastRtt + later) return
    this.#threshold = this.#window
    this.#cubic = { peak: this.#window, from: this.#window, since: this.#now() }
  }

  #findLost(): void {
    const now = this.#now()
    this.#rackTimer?.cancel()
    let held = 0
    for (const sent of this.#sent.values()) if (sent.isHeld) held++
    const isPatient = this.#sawReordering || (this.#recovery === undefined && held < 3)
    const window = isPatient ? Math.min((this.#reorderingSteps * this.#leastRtt) / 4, this.#srtt ?? 0) : 0
    let soonest = Number.POSITIVE_INFINITY
    let found = false
    for (const sent of this.#sent.values()) {
      if (sent.isHeld || sent.isLost || sent.at >= this.#rack.at) continue
      const left = sent.at + this.#rack.rtt + window - now
      if (left <= 0) found = sent.isLost = true
      else soonest = Math.min(soonest, left)
    }
    if (found && this.#recovery === undefined) this.#reduce()
    if (soonest !== Number.POSITIVE_INFINITY) {
      this.#rackTimer = this.#options.clock.after(millis(soonest), () => {
        this.#findLost()
        this.#push()
      })
    }
  }

  /** CUBIC's (RFC 9438): by the time since the last reduction, for ways as long as this. */
  #growth(delivered: number): number {
    const { peak, from, since } = this.#cubic
    const seconds = (this.#now() - since + (this.#srtt ?? 0)) / 1000
    const turn = Math.cbrt((peak - from) / CUBIC)
    const target = Math.min(1.5 * this.#window, CUBIC * (seconds - turn) ** 3 + peak)
    return Math.max(target - this.#window, 0.5) * (delivered / this.#window)
  }

  #reduce(): void {
    const [window, threshold] = [this.#window, this.#threshold]
    this.#threshold = Math.max(2, window * BETA)
    this.#cubic = { peak: window, from: this.#threshold, since: this.#now() }
    this.#window = this.#threshold
    this.#recovery = { until: this.#next, window, threshold, repeats: 0 }
  }

  #undo(): void {
    if (this.#recovery === undefined) return
    this.#window = Math.max(this.#window, this.#recovery.window)
    this.#threshold = this.#recovery.threshold
    this.#cubic = { peak: this.#window, from: this.#window, since: this.#now() }
    this.#recovery = undefined
    for (const sent of this.#sent.values()) sent.isLost = false
  }

  #push(): void {
    if (this.#over) return
    const { total } = this.#options
    let pipe = 0
    for (const sent of this.#sent.values()) if (!sent.isHeld && !sent.isLost) pipe++
    for (const [n, sent] of this.#sent) {
      if (pipe >= this.#window) break
      if (!sent.isLost) continue
      sent.isLost = false
      this.#emit(n)
      pipe++
    }
    while (pipe < this.#window && this.#next < total && this.#next < this.#una + this.#room) {
      this.#emit(this.#next++)
      pipe++
    }
  }

  #emit(n: number): void {
    const now = this.#now()
    const known = this.#sent.get(n)
    if (known !== undefined) {
      this.repeated++
      if (this.#recovery !== undefined) this.#recovery.repeats++
    }
    this.#sent.set(n, { at: now, wasRepeated: known !== undefined, isHeld: false, isLost: false })
    this.#options.send(n)
    if (this.#timer === undefined) this.#rearm()
  }

  #rearm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#over || this.#una === this.#next) return
    this.#timer = this.#options.clock.after(millis(this.#timeout), () => {
      this.#timer = undefined
      this.timeouts++
      for (const sent of this.#sent.values()) sent.isLost = !sent.isHeld
      if (this.#recovery === undefined) this.#reduce()
      this.#window = 1
      this.#timeout = Math.min(MOST_TIMEOUT, this.#timeout * 2)
      this.#push()
      this.#rearm()
    })
  }

  #now(): number {
    return this.#options.clock.monotonic()
  }
}
