/** A scalar that keeps out of logs, errors and JSON by accident, as Secret does for bytes. @module */
import type { Scalar } from '../../foundation/crypto/blsScalar.ts'

// What console.log and node:util ask an object for its text by.
const INSPECT = Symbol.for('nodejs.util.inspect.custom')
const REDACTED = '[secret]'

export class SecretScalar {
  readonly #value: Scalar

  constructor(value: Scalar) {
    this.#value = value
    Object.defineProperty(this, INSPECT, { value: () => REDACTED })
  }

  /** The number itself. Do not log it or put it into an error. */
  expose(): Scalar {
    return this.#value
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }
}
