/**
 * What comes in one direction of a TCP connection that ends here: in order for whoever takes it, and what overtook it until its turn comes. The
 * sender is told of that as well (RFC 2018), and of what came twice (RFC 2883): kernels then send again only what is missing, and take back what
 * they slowed down for something that was only late, which through a mixnet is usual. @module
 */
import { advanced, isBefore, type SequenceRange } from '../../protocol/wire/ip/tcpSegment.ts'
import { ByteRing } from './byteRing.ts'

/** Pieces with holes between them. Each costs a block of memory, however short it is; what would be one more comes again. */
const MAX_EARLY = 8
const MAX_RANGES = 3

interface Early {
  readonly from: number
  readonly bytes: ByteRing
}

export class TcpReceiving {
  readonly #room: () => number
  readonly #ready = new ByteRing()
  /** What came last is last. */
  #early: Early[] = []
  #expected: number
  #endsAt: number | undefined
  #hasEnded = false
  #repeated: SequenceRange | undefined

  /** `expected`: the number of its first byte. `room`: bytes that may be kept now. */
  constructor(expected: number, room: () => number) {
    this.#expected = expected
    this.#room = room
  }

  /** What it waits for. */
  get expected(): number {
    return this.#expected
  }

  /** Nothing comes after what was taken. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  get readyBytes(): number {
    return this.#ready.length
  }

  /** Where room became scarce meanwhile, less than was said before: what comes beyond it comes again. */
  get window(): number {
    return Math.max(0, this.#room() - this.#ready.length)
  }

  /** Keeps what it has room for; the rest comes again. */
  take(sequence: number, data: Uint8Array, ends: boolean): void {
    const start = (sequence - this.#expected) | 0
    const end = start + data.length
    if (end <= 0 && data.length > 0) this.#repeated = [sequence, advanced(sequence, data.length)]
    if (this.#hasEnded || end < 0 || start > this.window) return
    if (ends && end <= this.window) this.#endsAt ??= advanced(sequence, data.length)
    const fresh = data.subarray(Math.max(0, -start), Math.max(0, this.window - start))
    if (start > 0) this.#keep(sequence, fresh)
    else this.#append(fresh)
    if (this.#endsAt !== this.#expected) return
    this.#hasEnded = true
    this.#expected = advanced(this.#expected, 1)
    this.#early = []
  }

  /** All that is in order. */
  read(): Uint8Array {
    const bytes = this.#ready.slice(0, this.#ready.length)
    this.#ready.clear()
    return bytes
  }

  /** For one acknowledgment: what came twice is said once. */
  ranges(): readonly SequenceRange[] {
    const repeated = this.#repeated
    this.#repeated = undefined
    const held = this.#early.map(({ from, bytes }): SequenceRange => [from, advanced(from, bytes.length)]).reverse()
    return (repeated === undefined ? held : [repeated, ...held]).slice(0, MAX_RANGES)
  }

  clear(): void {
    this.#ready.clear()
    this.#early = []
  }

  #append(fresh: Uint8Array): void {
    this.#ready.push(fresh)
    this.#expected = advanced(this.#expected, fresh.length)
    for (;;) {
      const next = this.#early.find(({ from }) => !isBefore(this.#expected, from))
      if (next === undefined) return
      this.#early = this.#early.filter((one) => one !== next)
      const known = (this.#expected - next.from) | 0
      const count = next.bytes.length - known
      if (count <= 0) continue
      this.#ready.push(next.bytes.slice(known, count))
      this.#expected = advanced(this.#expected, count)
    }
  }

  #keep(from: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return
    let piece = this.#early.find((one) => {
      const at = (from - one.from) | 0
      return at >= 0 && at <= one.bytes.length
    })
    const known = piece === undefined ? 0 : piece.bytes.length - ((from - piece.from) | 0)
    if (piece !== undefined && known >= bytes.length) {
      this.#repeated = [from, advanced(from, bytes.length)]
      // Behind what came twice the receiver names where that lies, or it would be read as another piece (RFC 2883 4.2).
      this.#early = [...this.#early.filter((one) => one !== piece), piece]
      return
    }
    // Pieces may lie over each other: together they are no more than the window.
    const held = this.#early.reduce((sum, one) => sum + one.bytes.length, 0)
    if (held + bytes.length - known > this.window) return
    if (piece === undefined) {
      if (this.#early.length >= MAX_EARLY) return
      piece = { from, bytes: new ByteRing() }
    }
    piece.bytes.push(bytes.subarray(known))
    this.#early = [...this.#early.filter((one) => one !== piece), piece]
  }
}
