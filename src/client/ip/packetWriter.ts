/**
 * IP packets on their way through the mixnet, from a client to its router or back: bundled as official routers bundle them, one message after
 * the other while the lane holds little. What waits is bounded: beyond that the oldest are lost, as in any router, for a sender that is told
 * late sends too much. @module
 */
import { isMixnetError } from '../../foundation/base/errors.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import { type Clock, sleep } from '../../foundation/platform/clock.ts'
import { BundleFiller, MAX_BUNDLE_BYTES, MAX_BUNDLE_PACKETS } from '../../protocol/wire/exit/ipBundle.ts'
import type { Lane } from '../laneQueue.ts'

export interface PacketWriterOptions {
  readonly clock: Clock
  readonly client: { whenLaneBelow(lane: Lane, packets: number, signal: AbortSignal): Promise<void> }
  readonly lane: Lane
  readonly lanePackets: number
  readonly bundleWait: Millis
  /** Of what waits, in one message: more than one packet of the mixnet, and they arrive together, in order. Default: as official routers. */
  readonly bundleBytes?: number
  readonly pauseAtBytes: number
  readonly maxWaitingBytes: number
  /** Whether there is room for so many bytes more in what all clients share, where `held` of this one wait; negative ones are given back. */
  readonly reserve: (bytes: number, held: number) => boolean
  /** Takes a bundle to the other side. */
  readonly send: (bundle: Uint8Array, signal: AbortSignal) => Promise<void>
  readonly full: () => void
  readonly drained: () => void
  readonly dropped: (packets: number) => void
  /** The other side cannot be reached any more. */
  readonly lost: () => void
}

/** Acknowledgments and resets, which nothing holds, of as many connections as there may be, and a segment. */
const HEADROOM_BYTES = 12 * 1024

export class PacketWriter {
  readonly #options: PacketWriterOptions
  readonly #waiting: Uint8Array[] = []
  readonly #stopped = new AbortController()
  #bytes = 0
  #isPaused = false
  #isRunning = false
  #sentAt = Number.NEGATIVE_INFINITY

  constructor(options: PacketWriterOptions) {
    this.#options = options
  }

  /** Keeps `packet`. */
  push(packet: Uint8Array): void {
    const { maxWaitingBytes, pauseAtBytes, reserve, dropped, full } = this.#options
    if (this.#stopped.signal.aborted) return
    let lost = 0
    while (this.#bytes + packet.length > maxWaitingBytes && this.#drop()) lost++
    if (packet.length > maxWaitingBytes || !reserve(packet.length, this.#bytes)) lost++
    else {
      this.#waiting.push(packet)
      this.#bytes += packet.length
    }
    if (lost > 0) dropped(lost)
    if ((this.#bytes >= pauseAtBytes || !this.#hasHeadroom()) && !this.#isPaused) {
      this.#isPaused = true
      full()
    }
    if (!this.#isRunning && this.#bytes > 0) void this.#run()
  }

  /** Drops what waits. */
  stop(): void {
    this.#stopped.abort()
    while (this.#drop());
  }

  /** Whether those who share with us leave room for what comes before a pause is obeyed. */
  #hasHeadroom(): boolean {
    const { reserve } = this.#options
    if (!reserve(HEADROOM_BYTES, this.#bytes)) return false
    reserve(-HEADROOM_BYTES, this.#bytes)
    return true
  }

  #drop(): boolean {
    return this.#take() !== undefined
  }

  #take(): Uint8Array | undefined {
    const packet = this.#waiting.shift()
    if (packet === undefined) return undefined
    this.#options.reserve(-packet.length, this.#bytes)
    this.#bytes -= packet.length
    return packet
  }

  async #run(): Promise<void> {
    const { clock, client, lane, lanePackets, bundleWait, send, lost } = this.#options
    const { signal } = this.#stopped
    this.#isRunning = true
    try {
      while (this.#bytes > 0) {
        // A reply SURB holds a full bundle as well as a small packet: what comes next is waited for. Behind a pause nothing is, for most often
        // it is a question, a ping or an answer to one, and who sends it waits.
        const wait = this.#sentAt + bundleWait - clock.monotonic()
        if (this.#bytes < MAX_BUNDLE_BYTES && wait > 0) await sleep(clock, millis(wait), signal)
        await client.whenLaneBelow(lane, lanePackets, signal)
        this.#sentAt = clock.monotonic()
        for (const bundle of this.#bundle()) await send(bundle, signal)
      }
    } catch (error) {
      if (!isMixnetError(error)) throw error
      if (!signal.aborted) lost()
    } finally {
      this.#isRunning = false
    }
  }

  /** One, or two where a packet is too large for any. */
  #bundle(): Uint8Array[] {
    const { bundleBytes = MAX_BUNDLE_BYTES } = this.#options
    const filler = new BundleFiller(bundleBytes)
    let full: Uint8Array | undefined
    let [bytes, packets] = [0, 0]
    for (let next = this.#waiting[0]; next !== undefined && full === undefined; next = this.#waiting[0]) {
      // What does not fit any more stays here, where it can still be dropped.
      if (bytes > 0 && (bytes + next.length + 2 > bundleBytes || packets === MAX_BUNDLE_PACKETS)) break
      packets++
      bytes += next.length + 2
      full = filler.push(this.#take() as Uint8Array)
    }
    if (this.#isPaused && this.#bytes < this.#options.pauseAtBytes / 2 && this.#hasHeadroom()) {
      this.#isPaused = false
      this.#options.drained()
    }
    return [full, filler.flush()].filter((bundle) => bundle !== undefined)
  }
}
