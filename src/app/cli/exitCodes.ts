/** Exit codes of the command: 0 for success, else by whose fault it is. @module */
import type { Guilty } from '../../foundation/base/errors.ts'

export const EXIT_CODES: Readonly<Record<Guilty, number>> = { you: 2, network: 3, peer: 4, bug: 70 }
