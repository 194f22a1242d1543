/** Where the ledger and its rules part: what the audit ends with. @module */

/** What the ledger says is not what follows from all that it said before. */
export class Difference extends Error {
  /** Of which part: `rewards`, `draw`. */
  readonly what: string
  /** Absolute: the epoch that ends, or runs. */
  readonly epochId: number
  readonly expected: string
  readonly found: string

  constructor(what: string, epochId: number, expected: string, found: string) {
    super(`${what} of epoch ${epochId}: by the rules ${expected}, the ledger says ${found}`)
    this.what = what
    this.epochId = epochId
    this.expected = expected
    this.found = found
  }
}
