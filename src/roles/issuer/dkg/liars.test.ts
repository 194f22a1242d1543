/** Members that lie, each shown to do harm to members that leave one check out, and none to ours. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toHex } from '../../../foundation/base/bytes.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import type { DkgEngine } from '../../../protocol/credentials/dkgEngine.ts'
import {
  LeavesOut,
  TakesAnyAnswer,
  TakesAnyDeal,
  TakesAnyHalves,
  TakesAnyOpening,
  TakesAnyShare,
} from './careless.test.ts'
import type { DkgJudge } from './dkgJudge.ts'
import { DKG_PHASES, type DkgMessage, type DkgPhase } from './dkgMessages.ts'
import type { DkgSession } from './dkgSession.ts'
import {
  type Behaviour,
  checkKeys,
  copy,
  type Ended,
  faultsOf,
  keysOf,
  lying,
  memberOf,
  outcomeOf,
  type Say,
  Stage,
} from './support.test.ts'

type Behaviours = Readonly<Record<number, Behaviour>>
type AnyJudge = new (session: DkgSession, engine: DkgEngine) => DkgJudge

const FIVE = { n: 5, t: 3 }
const bump = (bytes: Uint8Array): Uint8Array => copy(bytes, (all) => all.set([((all[0] ?? 0) + 1) & 0xff]))

function stageWith(behaviour: Behaviours, Judge?: AnyJudge): Stage {
  return new Stage({ ...FIVE, behaviour, ...(Judge && { judge: (session, engine) => new Judge(session, engine) }) })
}
/** Every member of `honest` has keys, and all the same. */
async function agree(stage: Stage, ends: ReadonlyMap<number, Ended>, honest: readonly number[]): Promise<string> {
  const keys = new Map([...keysOf(ends)].filter(([index]) => honest.includes(index)))
  assert.deepEqual([...keys.keys()], honest)
  return toHex(await checkKeys(stage.credentials(), keys))
}
const honestKey = (async () => {
  const stage = new Stage(FIVE)
  return agree(stage, await stage.play(), [1, 2, 3, 4, 5])
})()

/** Says nothing from a phase on. */
const silentFrom = (phase: DkgPhase): Behaviour => ({
  say: (message) => (DKG_PHASES.indexOf(message.phase) >= DKG_PHASES.indexOf(phase) ? [] : [message]),
})
const in_ =
  <P extends DkgPhase>(phase: P, say: (message: Extract<DkgMessage, { phase: P }>) => ReturnType<Say>): Say =>
  (message) =>
    message.phase === phase ? say(message as Extract<DkgMessage, { phase: P }>) : [message]
/** Gives `victim` a wrong share, and shows it when asked. */
const cheats = (victim: number): Behaviour['engine'] =>
  lying((honest) => ({
    shares: async (kind, polynomials, indices) =>
      (await honest.shares(kind, polynomials, indices)).map((one, i) => (indices[i] === victim ? bump(one) : one)),
  }))
/** Opens a commitment to other polynomials. */
const opensAnother: Behaviour['engine'] = lying((honest) => ({
  commit: async (kind, polynomials) => honest.commit(kind, kind === 'feldman' ? await honest.draw(3) : polynomials),
}))

describe('a lying dealer', () => {
  it('gives somebody a wrong share, and shows it: out', async () => {
    const careless = stageWith({ 2: { engine: cheats(4) } }, TakesAnyShare)
    const harmed = await careless.play()
    assert.equal(outcomeOf(harmed, 4).kind, 'left-out')
    assert.equal(outcomeOf(harmed, 1).kind, 'member')

    const stage = stageWith({ 2: { engine: cheats(4) } })
    const ends = await stage.play()
    await agree(stage, ends, [1, 2, 3, 4, 5])
    assert.deepEqual(faultsOf(ends, 4), ['2 bad-answer'])
  })

  it('whose answer is not looked at: its victim takes the wrong share', async () => {
    const careless = stageWith({ 2: { engine: cheats(4) } }, TakesAnyAnswer)
    assert.equal(outcomeOf(await careless.play(), 4).kind, 'left-out')
  })

  it('gives a wrong share, and shows the right one: nothing is lost, and its part counts', async () => {
    const say = in_('deal', (deal) => [
      { ...deal, shares: deal.shares.map((one) => (one.index === 4 ? { ...one, bytes: bump(one.bytes) } : one)) },
    ])
    const stage = stageWith({ 2: { say } })
    const ends = await stage.play()
    assert.equal(await agree(stage, ends, [1, 2, 3, 4, 5]), await honestKey)
    assert.deepEqual(faultsOf(ends, 4), [])
  })

  it('does not answer a complaint: out', async () => {
    const say: Say = (message) => (message.phase === 'answer' ? [] : [message])
    const stage = stageWith({ 2: { engine: cheats(4), say } })
    const ends = await stage.play()
    await agree(stage, ends, [1, 2, 3, 4, 5])
    assert.deepEqual(faultsOf(ends, 4), ['2 unanswered-complaint'])
  })

  it('answers others than those who complained: out', async () => {
    const say = in_('answer', ({ shares }) => [
      { phase: 'answer', shares: shares.map((one) => ({ ...one, index: one.index + 1 })) },
    ])
    const stage = stageWith({ 2: { engine: cheats(4), say } })
    assert.deepEqual(faultsOf(await stage.play(), 1), ['2 unanswered-complaint'])
  })

  it('commits to other polynomials: so many complain that it is not even asked', async () => {
    const engine = lying((honest) => ({
      commit: async (kind, polynomials) =>
        honest.commit(kind, kind === 'pedersen' ? await honest.draw(3) : polynomials),
    }))
    const stage = stageWith({ 2: { engine } })
    const ends = await stage.play()
    await agree(stage, ends, [1, 2, 3, 4, 5])
    assert.deepEqual(faultsOf(ends, 1), ['2 complaints'])
  })

  for (const [what, change] of [
    ['of too low a degree', (bytes) => bytes.subarray(48 * 5)],
    ['of no points', (bytes) => bytes.map(() => 0xff)],
    ['empty', () => new Uint8Array(0)],
  ] as const satisfies readonly (readonly [string, (bytes: Uint8Array) => Uint8Array])[]) {
    it(`with a commitment ${what}: out, and nobody falls over it`, async () => {
      const behaviour = {
        2: { say: in_('deal', (deal) => [{ ...deal, commitment: change(deal.commitment) }]) },
      }
      const careless = await stageWith(behaviour, TakesAnyDeal).play()
      assert.ok('error' in (careless.get(1) ?? {}), 'others fall over it')
      const stage = stageWith(behaviour)
      const ends = await stage.play()
      await agree(stage, ends, [1, 2, 3, 4, 5])
      assert.deepEqual(faultsOf(ends, 1), ['2 bad-deal'])
    })
  }

  it('with nothing for somebody, something for a stranger, or shares of another length: out', async () => {
    const changes: ((deal: Extract<DkgMessage, { phase: 'deal' }>) => DkgMessage)[] = [
      (deal) => ({ ...deal, shares: deal.shares.slice(1) }),
      (deal) => ({ ...deal, shares: [...deal.shares, { index: 77, bytes: new Uint8Array(336) }] }),
      (deal) => ({ ...deal, shares: deal.shares.map(({ index, bytes }) => ({ index, bytes: bytes.subarray(1) })) }),
    ]
    for (const change of changes) {
      const stage = stageWith({ 2: { say: in_('deal', (deal) => [change(deal)]) } })
      assert.deepEqual(faultsOf(await stage.play(), 1), ['2 bad-deal'])
    }
  })

  it('opens other polynomials than it dealt: they are rebuilt, and the key is the one that was settled', async () => {
    const careless = await stageWith({ 2: { engine: opensAnother } }, TakesAnyOpening).play()
    assert.equal(keysOf(careless).size, 0, 'nobody has the share that the key says')

    const stage = stageWith({ 2: { engine: opensAnother } })
    const ends = await stage.play()
    assert.equal(await agree(stage, ends, [1, 2, 3, 4, 5]), await honestKey)
    assert.deepEqual(faultsOf(ends, 1), ['2 bad-opening'])
  })

  it('opens halves that do not belong together: rebuilt', async () => {
    const G2 = 96
    const say = in_('open', ({ commitment }) => {
      // β2_0 of the first coefficient, in the place of β2_1.
      const at = G2 + 8 + 4 * 48
      return [{ phase: 'open', commitment: copy(commitment, (all) => all.copyWithin(at + G2, at, at + G2)) }]
    })
    const careless = await stageWith({ 2: { say } }, TakesAnyHalves).play()
    assert.equal(keysOf(careless).size, 0)

    const stage = stageWith({ 2: { say } })
    const ends = await stage.play()
    assert.equal(await agree(stage, ends, [1, 2, 3, 4, 5]), await honestKey)
    assert.deepEqual(faultsOf(ends, 1), ['2 bad-opening'])
  })

  it('that leaves when it sees what the key will be cannot change it', async () => {
    const behaviour = { 2: silentFrom('open'), 5: silentFrom('open') }
    const careless = stageWith(behaviour, LeavesOut)
    assert.notEqual(
      await agree(careless, await careless.play(), [1, 3, 4]),
      await honestKey,
      'it could choose between keys',
    )

    const stage = stageWith(behaviour)
    assert.equal(await agree(stage, await stage.play(), [1, 3, 4]), await honestKey)
  })
})

describe('a lying receiver', () => {
  it('complains of what was right: it is answered, and the dealer stays', async () => {
    const stage = stageWith({ 2: { say: in_('complain', () => [{ phase: 'complain', dealers: [1, 3, 4, 5] }]) } })
    assert.equal(await agree(stage, await stage.play(), [1, 2, 3, 4, 5]), await honestKey)
  })

  it('two of them do, of everybody and of nobody: t−1 complaints condemn nobody', async () => {
    const say = in_('complain', () => [{ phase: 'complain', dealers: [1, 2, 3, 4, 5, 6, 99] }])
    const stage = stageWith({ 2: { say }, 4: { say } })
    assert.equal(await agree(stage, await stage.play(), [1, 2, 3, 4, 5]), await honestKey)
  })

  it('accuses an honest opening: it is named, and nothing is shown', async () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(320), new Uint8Array(320).fill(0xff)]) {
      const say = in_('accuse', () => [{ phase: 'accuse', shares: [{ index: 1, bytes }] }])
      const stage = stageWith({ 2: { say } })
      const ends = await stage.play()
      assert.equal(await agree(stage, ends, [1, 2, 3, 4, 5]), await honestKey)
      assert.deepEqual(faultsOf(ends, 1), ['2 false-accusation'])
    }
  })

  it('shows wrong shares for rebuilding: they are left aside', async () => {
    const say = in_('rebuild', ({ shares }) => [
      { phase: 'rebuild', shares: shares.map(({ index, bytes }) => ({ index, bytes: bump(bytes) })) },
    ])
    const behaviour = { 1: { say }, 4: silentFrom('open') }
    const careless = stageWith(behaviour, TakesAnyAnswer)
    assert.equal(keysOf(await careless.play()).size, 0, 'what is rebuilt is what nobody holds')

    const stage = stageWith(behaviour)
    const ends = await stage.play()
    assert.equal(await agree(stage, ends, [1, 2, 3, 5]), await honestKey)
    assert.ok(faultsOf(ends, 2).includes('1 bad-share-shown'))
  })

  it('confirms another result: it is no member', async () => {
    const stage = stageWith({
      2: { say: in_('confirm', ({ digest }) => [{ phase: 'confirm', digest: bump(digest) }]) },
    })
    const ends = await stage.play()
    await agree(stage, ends, [1, 3, 4, 5])
    assert.deepEqual(faultsOf(ends, 1), ['2 other-result'])
    const member = outcomeOf(ends, 1)
    assert.ok(member.kind === 'member')
    assert.deepEqual(
      member.keys.members.map(({ index }) => index),
      [1, 3, 4, 5],
    )
  })
})

describe('what is on the board and does not count', () => {
  const counted = (stage: Stage, reason: string): number =>
    stage.meters.get(1)?.snapshot()[`issuer_dkg_ignored_total{reason="${reason}"}`] ?? 0

  it('two different messages before it is settled who deals: the dealer is out; after that the first counts', async () => {
    for (const phase of ['keys', 'deal', 'complain'] as const) {
      const say: Say = (message) => {
        if (message.phase !== phase) return [message]
        if (message.phase === 'complain') return [message, { ...message, dealers: [1] }]
        return [message, { ...message, encryptionKey: bump(message.encryptionKey) } as DkgMessage]
      }
      // The other one keeps the phase open.
      const stage = stageWith({ 2: { say }, 5: { say: (message) => (message.phase === phase ? [] : [message]) } })
      const ends = await stage.play()
      assert.deepEqual(faultsOf(ends, 1).sort(), ['2 two-messages', '5 silent'], phase)
      assert.notEqual(await agree(stage, ends, [1, 3, 4]), await honestKey)
    }
    const opensTwice = in_('open', (open) => [open, { ...open, commitment: open.commitment.map((byte) => byte ^ 1) }])
    const stage = stageWith({ 1: { say: opensTwice } })
    assert.equal(await agree(stage, await stage.play(), [1, 2, 3, 4, 5]), await honestKey)
  })

  it('noise, strangers, forged signatures, other sessions, other phases, repetitions', async () => {
    const others = new Stage({ ...FIVE, epochId: 8 })
    const stage: Stage = stageWith({
      2: {
        say: (message) => {
          const own = stage.signed(2, message)
          return [
            new Uint8Array(0),
            new Uint8Array(500).fill(1),
            bump(own),
            copy(own, (all) => all.set([(all.at(-1) ?? 0) ^ 1], all.length - 1)),
            copy(own, (all) => all.set(memberOf(9).identity, 34)),
            copy(own, (all) => all.set(memberOf(3).identity, 34)),
            stage.signed(2, message, others.session.id),
            stage.signed(
              2,
              message.phase === 'confirm'
                ? { phase: 'complain', dealers: [] }
                : { phase: 'confirm', digest: new Uint8Array(32) },
            ),
            message,
            message,
          ]
        },
      },
    })
    const ends = await stage.play()
    assert.equal(await agree(stage, ends, [1, 2, 3, 4, 5]), await honestKey)
    assert.deepEqual(faultsOf(ends, 1), [])
    for (const reason of ['malformed', 'stranger', 'signature', 'other-session', 'other-phase']) {
      assert.ok(counted(stage, reason) > 0, reason)
    }
  })

  it('a member that was told another plan is a stranger to the others', async () => {
    const stage = new Stage(FIVE)
    const other = new Stage({ n: 5, t: 4 })
    assert.notDeepEqual(stage.session.id, other.session.id)
    const say: Say = (message) => [stage.signed(2, message, other.session.id)]
    const ends = await stageWith({ 2: { say } }).play()
    assert.deepEqual([...keysOf(ends).keys()], [1, 3, 4, 5])
  })
})

describe('members that fall silent', () => {
  for (const phase of DKG_PHASES) {
    it(`one, and two, from "${phase}" on: the others go on without them`, async () => {
      for (const behaviour of [
        { 4: silentFrom(phase) },
        { 2: silentFrom(phase), 5: silentFrom(phase) },
      ] as Behaviours[]) {
        const silent = Object.keys(behaviour).map(Number)
        const stage = stageWith(behaviour)
        const ends = await stage.play()
        const key = await agree(
          stage,
          ends,
          [1, 2, 3, 4, 5].filter((index) => !silent.includes(index)),
        )
        // Who has dealt is in the key.
        assert.equal(key === (await honestKey), DKG_PHASES.indexOf(phase) > DKG_PHASES.indexOf('deal'))
        assert.ok(
          silent.every((index) => faultsOf(ends, 1).some((one) => one.startsWith(`${index} `)) || phase === 'answer'),
        )
        for (const index of silent) assert.equal(outcomeOf(ends, index).kind, 'left-out')
      }
    })

    it(`so many from "${phase}" on that fewer than t are left: nobody has a key, and says so`, async () => {
      const behaviour = { 1: silentFrom(phase), 3: silentFrom(phase), 5: silentFrom(phase) }
      // Without a complaint nobody is waited for in that phase.
      const ends = await stageWith(behaviour).play()
      for (const index of [2, 4]) {
        const end = ends.get(index) ?? assert.fail()
        assert.ok('error' in end && isMixnetError(end.error, 'ISSUERS_UNAVAILABLE'), phase)
        assert.equal(end.error.guilty, 'network')
      }
    })
  }

  it('n − t of them who lie about everything, each in another way', async () => {
    const stage = new Stage({
      n: 7,
      t: 4,
      behaviour: {
        1: { engine: cheats(6), say: in_('complain', () => [{ phase: 'complain', dealers: [4, 5] }]) },
        3: { engine: opensAnother, say: in_('confirm', () => []) },
        7: {
          say: in_('rebuild', ({ shares }) => [
            { phase: 'rebuild', shares: shares.map((s) => ({ ...s, bytes: bump(s.bytes) })) },
          ]),
        },
      },
    })
    const ends = await stage.play()
    await agree(stage, ends, [1, 2, 4, 5, 6, 7])
    assert.deepEqual(faultsOf(ends, 4), ['1 bad-answer', '3 bad-opening', '7 bad-share-shown', '3 silent'])
  })
})
