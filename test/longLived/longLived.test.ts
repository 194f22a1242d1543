/** A thousand requests through one client of each kind; `npm run test:slow` takes more seeds. */
import { describe, it } from 'node:test'
import { assertLivesLong } from './assertions.ts'

describe('one long-lived client', () => {
  it('a thousand requests over undici, a gateway restart a minute', (context) =>
    assertLivesLong({ seed: 'long life 1', kind: 'node', requests: 1000 }, context))

  it('a thousand requests of the client for pages, a gateway restart a minute', (context) =>
    assertLivesLong({ seed: 'long life 2', kind: 'web', requests: 1000 }, context))
})
