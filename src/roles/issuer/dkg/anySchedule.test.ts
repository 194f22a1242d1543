/** Whatever the board's delays, whoever lies and whoever is killed: honest members agree on who deals and on the key. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../../foundation/base/bytes.ts'
import { hours, millis } from '../../../foundation/base/units.ts'
import type { DkgMessage, DkgPhase, Item } from './dkgMessages.ts'
import { type Behaviour, checkKeys, type Ended, faultsOf, keysOf, lying, type Say, Stage } from './support.test.ts'

const flip = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => (i === at % Math.max(1, bytes.length) ? byte ^ 1 : byte))
const flipItems = (items: readonly Item[], at: number): Item[] =>
  items.map(({ index, bytes }) => ({ index, bytes: flip(bytes, at) }))

/** One bit of it wrong, somewhere. */
function wrong(message: DkgMessage, at: number): DkgMessage {
  switch (message.phase) {
    case 'keys':
      return { ...message, encryptionKey: flip(message.encryptionKey, at) }
    case 'deal':
      return at % 2 === 0
        ? { ...message, commitment: flip(message.commitment, at) }
        : { ...message, shares: flipItems(message.shares, at) }
    case 'complain':
      return { ...message, dealers: Array.from({ length: at % 5 }, (_, i) => i + 1) }
    case 'open':
      return { ...message, commitment: flip(message.commitment, at) }
    case 'answer':
    case 'rebuild':
      return { ...message, shares: flipItems(message.shares, at) }
    case 'accuse':
      return { ...message, shares: [{ index: (at % 5) + 1, bytes: new Uint8Array(320).fill(at & 0x3f) }] }
    case 'confirm':
      return { ...message, digest: flip(message.digest, at) }
  }
}

type Habit = 'honest' | 'silent' | 'wrong' | 'twice' | 'noise' | 'leaves'
const PHASES: readonly DkgPhase[] = ['keys', 'deal', 'complain', 'answer', 'open', 'accuse', 'rebuild', 'confirm']

interface Bad {
  readonly habits: readonly Habit[]
  readonly at: number
  readonly cheats: boolean
  readonly opensAnother: boolean
}

function behaviourOf({ habits, at, cheats, opensAnother }: Bad): Behaviour {
  let left = false
  const say: Say = (message) => {
    const habit = habits[PHASES.indexOf(message.phase)]
    if (habit === 'leaves') left = true
    if (left || habit === 'silent') return []
    if (habit === 'wrong') return [wrong(message, at)]
    if (habit === 'twice') return [message, wrong(message, at)]
    if (habit === 'noise') return [new Uint8Array(at % 300).fill(at), message, new Uint8Array(at % 90)]
    return [message]
  }
  const engine = lying((honest) => ({
    shares: async (kind, polynomials, indices) =>
      (await honest.shares(kind, polynomials, indices)).map((one, i) => (cheats && i === at % 3 ? flip(one, at) : one)),
    commit: async (kind, polynomials) =>
      honest.commit(
        kind,
        opensAnother && kind === 'feldman' ? await honest.draw(polynomials.length / 320) : polynomials,
      ),
  }))
  return { say, engine }
}

const arbitraryBad: fc.Arbitrary<Bad> = fc.record({
  habits: fc.array(fc.constantFrom<Habit>('honest', 'honest', 'silent', 'wrong', 'twice', 'noise', 'leaves'), {
    minLength: PHASES.length,
    maxLength: PHASES.length,
  }),
  at: fc.nat({ max: 2_000 }),
  cheats: fc.boolean(),
  opensAnother: fc.boolean(),
})

const arbitraryRehearsal = fc.integer({ min: 2, max: 6 }).chain((n) =>
  fc.integer({ min: Math.floor(n / 2) + 1, max: n }).chain((t) =>
    fc.record({
      n: fc.constant(n),
      t: fc.constant(t),
      seed: fc.string({ minLength: 1, maxLength: 4 }),
      slowest: fc.integer({ min: 0, max: 3_000 }),
      bad: fc.array(arbitraryBad, { maxLength: Math.min(t - 1, n - t) }),
      first: fc.nat({ max: n - 1 }),
      kills: fc.array(fc.record({ who: fc.nat({ max: n - 1 }), when: fc.integer({ min: 1, max: 20_000 }) }), {
        maxLength: 4,
      }),
      reshare: fc.boolean(),
    }),
  ),
)

/** Plays, killing honest members at these instants of the simulation and starting them again at once. */
async function playKilling(stage: Stage, kills: readonly { readonly who: number; readonly when: number }[]) {
  const { simulation } = stage
  const ends = stage.participants.map((index) => {
    return new Promise<Ended>((resolve) => {
      let lives = 0
      const begin = (world: ReturnType<Stage['world']>): void => {
        const life = ++lives
        // The board is nobody's: it tells the dead, too, that their message has arrived.
        const end = (ended: Ended): void => {
          if (life === lives) resolve(ended)
        }
        stage.run(index, world).then(
          (outcome) => end({ outcome }),
          (error: unknown) => end({ error }),
        )
      }
      begin(stage.world(index))
      for (const { who, when } of kills) {
        if (who === index) simulation.clock.after(millis(when), () => begin(simulation.restart(`m${index}`)))
      }
    })
  })
  const all = await simulation.complete(Promise.all(ends), hours(1))
  return new Map(stage.participants.map((index, i) => [index, all[i] as Ended]))
}

describe('honest members, most of all', () => {
  it('agree under every schedule and every adversary', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryRehearsal, async ({ n, t, seed, slowest, bad, first, kills, reshare }) => {
        const liars = new Map(bad.map((one, i) => [((first + i) % n) + 1, one]))
        const honest = Array.from({ length: n }, (_, i) => i + 1).filter((index) => !liars.has(index))
        const behaviour = Object.fromEntries([...liars].map(([index, one]) => [index, behaviourOf(one)]))
        const delay = (draw: () => number) => draw() * slowest
        const previous = reshare ? keysOf(await new Stage({ n, t, seed }).play()) : undefined
        const stage = new Stage({ n, t, seed, delay, behaviour, ...(previous && { previous }) })
        const honestKills = kills.filter(({ who }) => honest.includes(who))
        const ends = await playKilling(stage, honestKills)

        const keys = new Map([...keysOf(ends)].filter(([index]) => honest.includes(index)))
        assert.deepEqual([...keys.keys()], honest)
        const master = await checkKeys(stage.credentials(), keys)
        if (previous !== undefined)
          assert.equal(toHex(master), toHex([...previous.values()][0]?.masterKey ?? assert.fail()))
        // One judgment, of nobody honest. Who was killed after the end has it from its disk, without.
        const judged = honest.filter((index) => !honestKills.some(({ who }) => who === index))
        for (const index of judged) {
          assert.deepEqual(faultsOf(ends, index), faultsOf(ends, judged[0] ?? index))
          for (const fault of faultsOf(ends, index)) assert.ok(liars.has(Number.parseInt(fault, 10)), fault)
        }
      }),
      { numRuns: 40 },
    )
  })
})
