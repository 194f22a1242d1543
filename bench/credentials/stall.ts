/**
 * How long the event loop of a gateway stands still while tickets are verified: with the engine in a thread, as gateways have it.
 * By wall clock, beside the same time with nothing to verify, since a busy machine shows in both; and in CPU of the main thread,
 * beside the same work on the spot. @module
 */
import { startCredentialEngine } from '../../src/app/node/credentialEngine.ts'
import { loadMclBls } from '../../src/foundation/crypto/mclBls.ts'
import { nodeRandom } from '../../src/foundation/platform/node/nodeRandom.ts'
import type { CheckingEngine, PaymentClaim } from '../../src/protocol/credentials/engine.ts'
import { LocalEngine } from '../../src/protocol/credentials/localEngine.ts'
import { createScheme } from '../../src/protocol/credentials/scheme.ts'
import { exactly, type Figure, type Subject } from '../figures.ts'
import { officialMasterKey } from './officialRun.ts'
import { makeClaims } from './operations.ts'

const TICKETS = 200
/** As many as a gateway might find waiting. */
const AT_ONCE = 20
const GOAL_MS = 20

export const stall: Subject = {
  name: 'stall',
  title: `The longest turn of the event loop while ${TICKETS} tickets are verified, ${AT_ONCE} a call`,
  async run({ say }) {
    const bls = await loadMclBls()
    const claims = makeClaims(bls, TICKETS)
    const engine = startCredentialEngine()
    try {
      // Loads the curve, prepares the key, makes the tables.
      await verify(engine, claims.slice(0, AT_ONCE))
      say('in a thread')
      const start = performance.now()
      const inThread = await longestTurn(() => verify(engine, claims))
      const elapsed = performance.now() - start
      say('nothing to verify')
      const idle = await longestTurn(() => new Promise((resolve) => setTimeout(resolve, elapsed)))
      say('on the spot')
      const local = new LocalEngine(createScheme(bls), nodeRandom.stream('bench'))
      const onTheSpot = await longestTurn(() => verify(local, claims.slice(0, 2 * AT_ONCE)))
      const figure = (name: string, measured: number, reference: string, value: number): Figure => ({
        name,
        unit: 'ms',
        measured: exactly(measured),
        reference: { name: reference, value: exactly(value) },
        goal: { of: 'measured', atMost: GOAL_MS },
      })
      return {
        figures: [
          figure('wall clock', inThread.wall, 'nothing to verify', idle.wall),
          figure('CPU of the main thread', inThread.cpu, 'on the spot', onTheSpot.cpu),
        ],
        notes: [],
      }
    } finally {
      await engine.close()
    }
  },
}

async function verify(engine: CheckingEngine, claims: readonly PaymentClaim[]): Promise<void> {
  for (let i = 0; i < claims.length; i += AT_ONCE) {
    const verdicts = await engine.verifyPayments(officialMasterKey(), claims.slice(i, i + AT_ONCE), 'strict')
    if (verdicts.some((one) => one.kind !== 'good')) throw new Error('a good ticket was refused')
    // A tick between two calls, also of an engine that gives none.
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** Between two ticks of a clock of a millisecond; milliseconds. */
async function longestTurn(task: () => Promise<void>): Promise<{ wall: number; cpu: number }> {
  const longest = { wall: 0, cpu: 0 }
  let last = performance.now()
  let used = process.threadCpuUsage()
  const look = (): void => {
    const now = performance.now()
    const { user, system } = process.threadCpuUsage(used)
    longest.wall = Math.max(longest.wall, now - last)
    longest.cpu = Math.max(longest.cpu, (user + system) / 1000)
    last = now
    used = process.threadCpuUsage()
  }
  const ticks = setInterval(look, 1)
  try {
    await task()
  } finally {
    clearInterval(ticks)
  }
  look()
  return longest
}
