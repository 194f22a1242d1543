import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { nullProvider } from '../foundation/crypto/nullProvider.ts'
import { Simulation } from '../foundation/platform/simulated/simulation.ts'
import { type Candidate, type Guard, GuardSet, type Listing } from './guardSet.ts'

const PARAMS = { size: 3, maxSize: 6, goneAfterDays: 30, needLastsDays: 30 }
const ALL: readonly Candidate[] = Array.from({ length: 12 }, (_, i) => ({ name: `g${i}`, weight: 1 }))

const random = (seed: string) => new Simulation({ seed, crypto: nullProvider }).random.stream('guards')

function listing(today: number, listed: readonly Candidate[] = ALL, inUse?: string): Listing {
  return {
    today,
    isListed: (name) => listed.some((one) => one.name === name),
    candidates: () => listed,
    inUse: [inUse],
  }
}

describe('guard set', () => {
  it('draws by weight: who has none is drawn last', () => {
    const counts = new Map<string, number>()
    for (let run = 0; run < 400; run++) {
      const set = new GuardSet({ ...PARAMS, size: 1 }, random(`weight ${run}`), [])
      const candidates = [0, 1, 3].map((weight) => ({ name: `${weight}`, weight }))
      set.review(listing(0, candidates))
      for (const name of set.names) counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    assert.equal(counts.get('0'), undefined)
    const heavy = (counts.get('3') ?? 0) / 400
    assert.ok(heavy > 0.68 && heavy < 0.82, `${heavy}`)
    const nobody = new GuardSet(PARAMS, random('zero'), [])
    nobody.review(listing(0, [{ name: 'only', weight: 0 }]))
    assert.deepEqual(nobody.names, ['only'])
  })

  it('stays as it is while the directory leaves some out for less than a month', () => {
    const set = new GuardSet(PARAMS, random('stay'), [])
    assert.equal(set.review(listing(100)), true)
    const { names } = set
    assert.equal(set.review(listing(101)), false)
    const without = ALL.filter(({ name }) => name !== names[1])
    assert.equal(set.review(listing(102, without)), true)
    set.review(listing(131, without))
    assert.deepEqual(set.names, names)
    // Seen once, the month begins anew.
    set.review(listing(131))
    set.review(listing(132, without))
    set.review(listing(161, without))
    assert.deepEqual(set.names, names)
    set.review(listing(162, without))
    assert.equal(set.names.length, 3)
    assert.deepEqual(set.names.slice(0, 2), [names[0], names[2]])
    assert.notEqual(set.names[2], names[1])
  })

  it('written while the clock was years ahead: forgets a month after it is right', () => {
    const gone = { name: 'gone', drawnOn: 100, unlistedSince: 9000 }
    const inNeed = { name: 'g5', drawnOn: 9000, unlistedSince: undefined }
    const others = ['g0', 'g1'].map((name) => ({ name, drawnOn: 100, unlistedSince: undefined }))
    const set = new GuardSet(PARAMS, random('ahead'), [gone, ...others, inNeed])
    assert.equal(set.review(listing(110)), true)
    assert.deepEqual(set.names, ['gone', 'g0', 'g1', 'g5'])
    set.review(listing(139))
    assert.deepEqual(set.names, ['gone', 'g0', 'g1', 'g5'])
    set.review(listing(140))
    assert.deepEqual(set.names, ['g0', 'g1', 'g5'])
    const needed = new GuardSet(PARAMS, random('ahead'), [...others, { ...others[0], name: 'g2' } as Guard, inNeed])
    needed.review(listing(110))
    needed.review(listing(140))
    assert.deepEqual(needed.names, ['g0', 'g1', 'g2'])
  })

  it('forgets who was drawn in need after a month, but not who is in use, and takes them before a stranger', () => {
    const set = new GuardSet(PARAMS, random('need'), [])
    set.review(listing(0))
    const first = set.names
    const grown = [0, 1, 2, 3].map(() => set.grow(listing(10)))
    assert.equal(grown[3], undefined)
    assert.deepEqual(set.names, [...first, ...grown.slice(0, 3)])
    assert.deepEqual(
      set.names.map((name) => set.isFirst(name)),
      [true, true, true, false, false, false],
    )
    set.review(listing(40, ALL, grown[1]))
    assert.deepEqual(set.names, [...first, grown[1]])
    set.review(
      listing(
        41,
        ALL.filter(({ name }) => name !== first[0]),
      ),
    )
    assert.deepEqual(set.names, first, 'no longer in use')
  })

  it('never draws twice, never exceeds its bounds, and keeps its first ones unless they are gone', () => {
    const action = fc.record({
      days: fc.nat(20),
      listed: fc.uniqueArray(fc.nat(11)),
      grow: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(action, { maxLength: 30 }), fc.string(), (actions, seed) => {
        const set = new GuardSet(PARAMS, random(seed), [])
        let today = 0
        for (const { days, listed, grow } of actions) {
          today += days
          const before = set.guards.slice(0, PARAMS.size)
          const now = listing(
            today,
            listed.map((at) => ALL[at] as Candidate),
          )
          set.review(now)
          if (grow) set.grow(now)
          const { names } = set
          assert.equal(new Set(names).size, names.length)
          assert.ok(names.length <= PARAMS.maxSize)
          for (const { name, unlistedSince } of before) {
            const isGone = !now.isListed(name) && today - (unlistedSince ?? today) >= PARAMS.goneAfterDays
            assert.equal(names.includes(name), !isGone)
          }
        }
      }),
    )
  })
})
