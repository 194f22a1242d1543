/**
 * How long the event loop of a gateway stands still while tickets are verified: with the engine in a thread, as gateways have it,
 * and with the same work done on the spot. Of wall clock, so a busy machine shows in it. @module
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { startCredentialEngine } from '../../src/app/node/credentialEngine.ts'
import { loadMclBls } from '../../src/foundation/crypto/mclBls.ts'
import { nodeRandom } from '../../src/foundation/platform/node/nodeRandom.ts'
import type { CheckingEngine, PaymentClaim } from '../../src/protocol/credentials/engine.ts'
import { LocalEngine } from '../../src/protocol/credentials/localEngine.ts'
import { createScheme } from '../../src/protocol/credentials/scheme.ts'
import { exactly, type Subject } from '../figures.ts'
import { officialMasterKey } from './officialRun.ts'
import { makeClaims } from './operations.ts'

const TICKETS = 200
/** As many as a gateway might find waiting. */
const AT_ONCE = 20
const GOAL_MS = 20
const RESOLUTION_MS = 1

export const stall: Subject = {
  name: 'stall',
  title: `The longest turn of the event loop while ${TICKETS} tickets are verified, ${AT_ONCE} a call`,
  async run({ say }) {
    const bls = await loadMclBls()
    const claims = makeClaims(bls, TICKETS)
    const engine = startCredentialEngine()
    try {
      say('in a thread')
      const inThread = await longestTurn(engine, claims)
      say('on the spot')
      const onTheSpot = await longestTurn(
        new LocalEngine(createScheme(bls), nodeRandom.stream('bench')),
        claims.slice(0, 2 * AT_ONCE),
      )
      return {
        figures: [
          {
            name: 'longest turn',
            unit: 'ms',
            measured: exactly(inThread),
            reference: { name: 'on the spot', value: exactly(onTheSpot) },
            ratio: exactly(onTheSpot / inThread),
            goal: { of: 'measured', atMost: GOAL_MS },
          },
        ],
        notes: [],
      }
    } finally {
      await engine.close()
    }
  },
}

async function longestTurn(engine: CheckingEngine, claims: readonly PaymentClaim[]): Promise<number> {
  const masterKey = officialMasterKey()
  const verify = async (some: readonly PaymentClaim[]): Promise<void> => {
    const verdicts = await engine.verifyPayments(masterKey, some, 'strict')
    if (verdicts.some((one) => one.kind !== 'good')) throw new Error('a good ticket was refused')
  }
  // Loads the curve and prepares the key.
  await verify(claims.slice(0, 1))
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  for (let i = 0; i < claims.length; i += AT_ONCE) {
    await verify(claims.slice(i, i + AT_ONCE))
    // A turn for the monitor to see, also of an engine that never gives one.
    await new Promise((resolve) => setTimeout(resolve, 2 * RESOLUTION_MS))
  }
  delay.disable()
  return delay.max / 1e6
}
