/** The list of cases against both clients on Node: that over undici, and that for pages. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { BridgeExit } from '../../src/client/bridgeExit.test.ts'
import { createFetch } from '../../src/client/fetch.ts'
import { explainFetchError } from '../../src/client/fetchErrors.ts'
import { createWebFetch } from '../../src/client/web/webFetch.ts'
import { CERTIFICATE } from '../../src/client/web/webSupport.test.ts'
import { nodeClock } from '../../src/foundation/platform/node/nodeClock.ts'
import { nodeRandom } from '../../src/foundation/platform/node/nodeRandom.ts'
import { ALL_CASES } from './allCases.ts'
import { CASE_HOST, type CaseServer, OTHER_HOST, serveCases } from './caseServer.ts'
import type { CaseClient, Kind } from './fetchCase.ts'
import { expectedOf, runCase } from './runCase.ts'

/** Only ends what would never end. */
const PATIENCE_MS = 8_000
const DEADLINE_MS = 400

type Fetch = AsyncDisposable & { readonly fetch: unknown }

const CLIENTS: Readonly<Record<Kind, (dialer: BridgeExit) => Fetch>> = {
  node: (dialer) => createFetch({ clock: nodeClock, random: nodeRandom }, { dialer, ca: CERTIFICATE }),
  web: (dialer) => createWebFetch({ clock: nodeClock, random: nodeRandom }, { dialer, ca: CERTIFICATE }),
}

for (const kind of ['node', 'web'] as const) {
  describe(`fetch of the ${kind} client`, () => {
    let server: CaseServer

    before(async () => {
      server = await serveCases()
    })
    after(() => server.close())

    for (const [number, { name }] of ALL_CASES.entries()) {
      it(name, { timeout: PATIENCE_MS }, async () => {
        const exit = new BridgeExit(nodeClock, () => server.endpoint)
        await using client = CLIENTS[kind](exit)
        const result = await runCase(number, {
          kind,
          fetch: client.fetch as CaseClient['fetch'],
          codeOf: (error) => explainFetchError(error).code,
          deadline: DEADLINE_MS,
          host: CASE_HOST,
          otherHost: OTHER_HOST,
          word: kind,
        })
        assert.deepEqual(result, expectedOf(number, kind))
      })
    }
  })
}
