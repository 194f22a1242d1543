/** Members that are killed and begin again, anywhere: they go on as if nothing had been, and never contradict themselves. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toHex } from '../../../foundation/base/bytes.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { hours, millis } from '../../../foundation/base/units.ts'
import type { AgreedKeys } from '../agreedKeys.ts'
import type { BulletinBoard } from './bulletinBoard.ts'
import { decodeMessage } from './dkgMessages.ts'
import { checkKeys, type Ended, keysOf, type Rehearsal, Stage } from './support.test.ts'

const THREE: Rehearsal = { n: 3, t: 2 }
const DOWN_FOR = millis(700)

/** Plays, with `victim` killed around its post number `at`; undefined where it makes fewer. */
async function killedAt(
  rehearsal: Rehearsal,
  victim: number,
  at: number,
  when: 'before' | 'after',
): Promise<{ stage: Stage; ends: Map<number, Ended> } | undefined> {
  const stage = new Stage(rehearsal)
  const { simulation, board } = stage
  let posts = 0
  let killed = false
  let restarted: (() => void) | undefined
  const again = new Promise<void>((resolve) => {
    restarted = resolve
  })
  const deadly: BulletinBoard = {
    read: (position) => board.read(position),
    complete: (instant) => board.complete(instant),
    async append(message) {
      if (posts++ !== at) return board.append(message)
      killed = true
      if (when === 'after') await board.append(message)
      simulation.crash(`m${victim}`)
      simulation.clock.after(DOWN_FOR, () => restarted?.())
      return new Promise(() => {})
    },
  }
  const ended = (work: Promise<Awaited<ReturnType<Stage['run']>>>): Promise<Ended> =>
    work.then(
      (outcome) => ({ outcome }),
      (error: unknown) => ({ error }),
    )
  const ends = stage.participants.map((index): Promise<Ended> => {
    const world = stage.world(index)
    if (index !== victim) return ended(stage.run(index, world))
    const first = ended(stage.run(index, world, deadly))
    const second = again.then(() => ended(stage.run(index, simulation.restart(`m${victim}`))))
    return Promise.race([first, second])
  })
  const all = await simulation.complete(Promise.all(ends), hours(1))
  if (!killed) return undefined
  return { stage, ends: new Map(stage.participants.map((index, i) => [index, all[i] as Ended])) }
}

/** That nobody said two things in one phase. */
async function checkBoard(stage: Stage): Promise<void> {
  const said = new Map<string, string>()
  for (let position = 0; ; ) {
    const entries = await stage.board.read(position)
    if (entries.length === 0) return
    for (const { message } of entries) {
      const { sender, message: what, body } = decodeMessage(message)
      const key = `${toHex(sender)} ${what.phase}`
      assert.equal(said.get(key) ?? toHex(body), toHex(body), key)
      said.set(key, toHex(body))
    }
    position += entries.length
  }
}

describe('a member that is killed', () => {
  const expected = (async () => keysOf(await new Stage(THREE).play()))()

  for (const when of ['before', 'after'] as const) {
    it(`${when} any of its posts, and started again, makes the same key`, async () => {
      let killings = 0
      for (let victim = 1; victim <= 3; victim++) {
        for (let at = 0; ; at++) {
          const played = await killedAt(THREE, victim, at, when)
          if (played === undefined) break
          killings++
          await checkBoard(played.stage)
          const keys = keysOf(played.ends)
          assert.deepEqual(keys, await expected, `${victim} at ${at}`)
          await checkKeys(played.stage.credentials(), keys)
        }
      }
      // keys, deal, complain, open, accuse, confirm: nobody is asked for an answer or for rebuilding.
      assert.equal(killings, 18)
    })
  }

  it('in a resharing too, old members and new', async () => {
    const previous = await expected
    const rehearsal: Rehearsal = { n: 3, t: 2, indices: [2, 3, 4], previous }
    let killings = 0
    for (const victim of [1, 2, 4]) {
      for (let at = 0; ; at++) {
        const played = await killedAt(rehearsal, victim, at, at % 2 === 0 ? 'before' : 'after')
        if (played === undefined) break
        killings++
        await checkBoard(played.stage)
        const keys = keysOf(played.ends)
        assert.deepEqual([...keys.keys()], [2, 3, 4])
        assert.deepEqual(keys.get(3)?.masterKey, previous.get(3)?.masterKey)
      }
    }
    // 1 deals; 2 gives a key, deals, complains, confirms; 4 does not deal.
    assert.equal(killings, 1 + 4 + 3)
  })

  it('after all is done has its keys from its disk, and no more secrets of the session', async () => {
    const stage = new Stage(THREE)
    const keys = keysOf(await stage.play())
    const world = stage.simulation.restart('m2')
    const nothing: BulletinBoard = {
      append: () => assert.fail(),
      read: () => assert.fail(),
      complete: () => assert.fail(),
    }
    const outcome = await stage.simulation.complete(stage.run(2, world, nothing))
    assert.ok(outcome.kind === 'member')
    assert.deepEqual(outcome.keys, keys.get(2) as AgreedKeys)
    assert.deepEqual(await stage.simulation.complete(world.files.list('/dkg')), ['keys-7.json'])
  })

  it('and has lost its state says nothing more', async () => {
    const stage = new Stage({ ...THREE, behaviour: { 3: { late: 5_000 } } })
    const first = stage.run(2, stage.world(2))
    await stage.simulation.runFor(millis(1_000))
    const world = stage.simulation.restart('m2')
    void first
    await stage.simulation.complete(
      (async () => {
        for (const name of await world.files.list('/dkg')) await world.files.remove(`/dkg/${name}`)
      })(),
    )
    const lost = stage.run(2, world)
    await assert.rejects(stage.simulation.complete(lost), (error) => isMixnetError(error, 'KEY_FILE_UNREADABLE'))
    await checkBoard(stage)
  })

  it('and finds its state damaged does not begin anew', async () => {
    const stage = new Stage(THREE)
    const world = stage.world(2)
    void stage.run(2, world)
    await stage.simulation.runFor(millis(500))
    const again = stage.simulation.restart('m2')
    const [name = assert.fail()] = await stage.simulation.complete(again.files.list('/dkg'))
    for (const damage of [
      (bytes: Uint8Array) => bytes.subarray(0, -1),
      (bytes: Uint8Array) => bytes.map((byte, i) => (i === 5 ? byte ^ 1 : byte)),
      () => new Uint8Array(0),
    ]) {
      await stage.simulation.complete(
        (async () => {
          const bytes = (await again.files.read(`/dkg/${name}`)) ?? assert.fail()
          await again.files.write(`/dkg/${name}`, damage(bytes))
        })(),
      )
      const damaged = stage.simulation.complete(stage.run(2, again))
      await assert.rejects(damaged, (error) => isMixnetError(error, 'KEY_FILE_UNREADABLE'))
    }
  })
})
