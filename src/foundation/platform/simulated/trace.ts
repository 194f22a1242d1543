/**
 * What happened in a simulation, one line per event: two runs are equal when their digests are. Lines go to a sink or
 * nowhere; only the digest stays in memory. @module
 */
import { createHash, type Hash } from 'node:crypto'

/** Hashing a batch costs about as much as hashing a line. */
const BATCH_CHARACTERS = 32_768

type Field = string | number

export class Trace {
  readonly #hash: Hash = createHash('sha256')
  readonly #sink: ((lines: string) => void) | undefined
  #waiting = ''

  /** `sink` gets whole lines, many at a time. */
  constructor(sink?: (lines: string) => void) {
    this.#sink = sink
  }

  /** `time` in milliseconds since the simulation began. */
  record(time: number, what: string, ...fields: readonly Field[]): void {
    let line = `${time} ${what}`
    for (const field of fields) line += ` ${field}`
    this.#waiting += `${line}\n`
    if (this.#waiting.length >= BATCH_CHARACTERS) this.flush()
  }

  /** Hands what waits to the sink. */
  flush(): void {
    if (this.#waiting === '') return
    this.#hash.update(this.#waiting)
    this.#sink?.(this.#waiting)
    this.#waiting = ''
  }

  /** SHA-256 of all lines so far, in hexadecimal. */
  digest(): string {
    this.flush()
    return this.#hash.copy().digest('hex')
  }
}
