/**
 * What a room tells about itself: log lines, counters and gauges. Rooms count and log through these interfaces; app decides
 * where they go. Logs name rooms and codes, never keys or contents; peers' addresses only at debug. @module
 */

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>

export interface Log {
  debug(code: string, fields?: LogFields): void
  info(code: string, fields?: LogFields): void
  warn(code: string, fields?: LogFields): void
  error(code: string, fields?: LogFields): void
  /** A log whose lines carry `room`. */
  child(room: string): Log
}

export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
}

export interface Counter {
  value: number
}

export interface Measured {
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  readonly labels: Readonly<Record<string, string>>
  read(): number
}

/**
 * The counters and gauges of one node or client. Names are Prometheus names without prefix. Counting is `counter.value++`:
 * cheap enough for the per-packet path.
 */
export class Meter {
  readonly #measured = new Map<string, Measured>()
  readonly #counters = new Map<string, Counter>()

  /** The counter of that name and labels; the same one whenever asked again. */
  counter(name: string, help: string, labels: Readonly<Record<string, string>> = {}): Counter {
    const key = `${name}${JSON.stringify(labels)}`
    const known = this.#counters.get(key)
    if (known) return known
    const counter: Counter = { value: 0 }
    this.#counters.set(key, counter)
    this.#measured.set(key, { name, help, kind: 'counter', labels, read: () => counter.value })
    return counter
  }

  /** A gauge read when somebody looks. The latest registration of a name and labels wins. */
  gauge(name: string, help: string, read: () => number, labels: Readonly<Record<string, string>> = {}): void {
    this.#measured.set(`${name}${JSON.stringify(labels)}`, { name, help, kind: 'gauge', labels, read })
  }

  all(): Iterable<Measured> {
    return this.#measured.values()
  }

  /** `name` or `name{label="value"}` to value: for the JSON status and for tests. */
  snapshot(): Record<string, number> {
    const values: Record<string, number> = {}
    for (const measured of this.#measured.values()) {
      const labels = Object.entries(measured.labels).map(([key, value]) => `${key}="${value}"`)
      values[labels.length > 0 ? `${measured.name}{${labels.join(',')}}` : measured.name] = measured.read()
    }
    return values
  }
}
