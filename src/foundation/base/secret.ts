/** A holder that keeps secrets out of logs, errors and JSON by accident; reading one is a visible act. @module */

// What console.log and node:util ask an object for its text by.
const INSPECT = Symbol.for('nodejs.util.inspect.custom')
const REDACTED = '[secret]'

export class Secret {
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    Object.defineProperty(this, INSPECT, { value: () => REDACTED })
  }

  /** The bytes themselves, not a copy. Do not log, store in an error, or change them. */
  expose(): Uint8Array {
    return this.#bytes
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }
}
