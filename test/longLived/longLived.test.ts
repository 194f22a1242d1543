/** A thousand requests through one client, some hundred through the other; `npm run test:slow` takes more seeds, and both to the end. */
import { describe, it } from 'node:test'
import { assertLivesLong } from './assertions.ts'

describe('one long-lived client', () => {
  it('a thousand requests over undici, a gateway restart a minute', (context) =>
    assertLivesLong({ seed: 'long life 1', kind: 'node', requests: 1000 }, context))

  it('some hundred requests of the client for pages, a gateway restart a minute', (context) =>
    assertLivesLong({ seed: 'long life 2', kind: 'web', requests: 300 }, context))
})
