/** More seeds of a long life than CI has time for, and the heap: `npm run test:slow`. */
import { describe, it } from 'node:test'
import { assertLivesLong } from '../longLived/assertions.ts'

describe('one long-lived client, other seeds', { timeout: 1_800_000 }, () => {
  for (const kind of ['node', 'web'] as const) {
    for (let seed = 10; seed < 14; seed++) {
      it(`${kind}, seed ${seed}`, (context) => assertLivesLong({ seed: `${seed}`, kind, requests: 1000 }, context))
    }
  }
})
