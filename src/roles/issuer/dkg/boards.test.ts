/** Boards: one order for all, whatever processes, crashes and clocks do. @module */
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { describe, it } from 'node:test'
import { utf8 } from '../../../foundation/base/bytes.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { Meter, silentLog } from '../../../foundation/base/observe.ts'
import { Secret } from '../../../foundation/base/secret.ts'
import { type Millis, millis, seconds } from '../../../foundation/base/units.ts'
import { nodeProvider } from '../../../foundation/crypto/nodeProvider.ts'
import type { Clock } from '../../../foundation/platform/clock.ts'
import { platforms } from '../../../foundation/platform/stages.ts'
import { LocalDkgEngine } from '../../../protocol/credentials/dkgEngine.ts'
import type { BoardEntry, BulletinBoard } from './bulletinBoard.ts'
import { agreeOnKeys } from './dkgParticipant.ts'
import { FileBoard } from './fileBoard.ts'
import { MemoryBoard } from './memoryBoard.ts'
import { memberOf, nullScheme, seedOf } from './support.test.ts'

async function all(board: BulletinBoard): Promise<BoardEntry[]> {
  const entries: BoardEntry[] = []
  for (;;) {
    const more = await board.read(entries.length)
    if (more.length === 0) return entries
    entries.push(...more)
  }
}
const said = async (board: BulletinBoard): Promise<string[]> =>
  (await all(board)).map(({ message }) => String.fromCharCode(...message))

/** A clock that somebody sets. */
function settable(clock: Clock): { clock: Clock; set(by: number): void } {
  let offset = 0
  return {
    clock: {
      now: () => millis(clock.now() + offset),
      monotonic: () => clock.monotonic(),
      after: (delay, run) => clock.after(delay, run),
      soon: (run) => clock.soon(run),
    },
    set: (by) => {
      offset = by
    },
  }
}

for (const { name, play } of platforms(nodeProvider)) {
  describe(`boards (${name})`, () => {
    it('two files one board: everybody reads one order', () =>
      play(async ({ here, folder }) => {
        const path = `${folder}/board`
        const [a, b] = [new FileBoard(here, path), new FileBoard(here, path)]
        await Promise.all(
          ['1', '2', '3', '4'].flatMap((text) => [a.append(utf8(`a${text}`)), b.append(utf8(`b${text}`))]),
        )
        const texts = await said(a)
        assert.deepEqual(await said(b), texts)
        assert.deepEqual(await said(new FileBoard(here, path)), texts)
        assert.equal(texts.length, 8)
        assert.deepEqual(
          texts.filter((one) => one.startsWith('a')),
          ['a1', 'a2', 'a3', 'a4'],
        )
        const times = (await all(b)).map(({ time }) => time)
        assert.deepEqual(
          times,
          [...times].sort((x, y) => x - y),
        )
      }))

    it('a line cut short by a crash is no message, and the next is whole', () =>
      play(async ({ here, folder }) => {
        const path = `${folder}/board`
        const board = new FileBoard(here, path)
        await board.append(utf8('one'))
        for (const rest of ['1767', '1767225600000', '1767225600000 ', '1767225600000 dHdv', '9999999999999 ']) {
          const file = await here.files.openAppend(path)
          file.append(utf8(rest))
          await file.close()
          assert.deepEqual((await said(board)).slice(0, 1), ['one'])
          await new FileBoard(here, path).append(utf8('next'))
        }
        const texts = await said(board)
        assert.equal(texts.filter((one) => one === 'next').length, 5)
        assert.deepEqual(await said(new FileBoard(here, path)), texts)
        // Nothing said that time is over.
        assert.ok(!(await board.complete(millis(9_999_999_999_999))))
      }))

    it('lines that are none, and one of two megabytes, are passed over', () =>
      play(async ({ here, folder }) => {
        const path = `${folder}/board`
        const file = await here.files.openAppend(path)
        const noise = [
          '',
          ' ',
          'x',
          '-1 AAAA.',
          '1e9 AAAA',
          '1 A',
          '1 ====',
          '1 AAAA AAAA',
          '\u00ff\u0000',
          'A'.repeat(2_100_000),
        ]
        file.append(utf8(`${noise.join('\n')}\n5 QUJD.\n`))
        await file.close()
        const board = new FileBoard(here, path)
        assert.deepEqual(await all(board), [{ time: 5, message: utf8('ABC') }])
        await board.append(utf8('more'))
        assert.deepEqual(await said(new FileBoard(here, path)), ['ABC', 'more'])
      }))

    it('an unfinished line of two megabytes too', () =>
      play(async ({ here, folder }) => {
        const path = `${folder}/board`
        const file = await here.files.openAppend(path)
        file.append(utf8('A'.repeat(2_100_000)))
        await file.close()
        const board = new FileBoard(here, path)
        assert.deepEqual(await all(board), [])
        await board.append(utf8('more'))
        assert.deepEqual(await said(board), ['more'])
        assert.deepEqual(await said(new FileBoard(here, path)), ['more'])
      }))

    it('what is complete stays so, though the clock is set back', () =>
      play(async ({ here, folder }) => {
        const path = `${folder}/board`
        for (const make of [
          (clock: Clock) => new FileBoard({ files: here.files, clock }, path),
          (clock: Clock) => new MemoryBoard(clock),
        ]) {
          const { clock, set } = settable(here.clock)
          const board = make(clock)
          const soon: Millis = millis(Math.ceil(clock.now()) + 60_000)
          assert.ok(!(await board.complete(soon)))
          set(120_000)
          assert.ok(await board.complete(soon))
          set(0)
          await board.append(utf8('late'))
          const [entry = assert.fail()] = await all(board)
          assert.ok(entry.time >= soon)
        }
        assert.ok(await new FileBoard(here, path).complete(millis(0)))
        const [entry] = await all(new FileBoard(here, path))
        assert.ok(entry && entry.time > here.clock.now())
      }))

    it('take no message that is too long', () =>
      play(async ({ here, folder }) => {
        for (const board of [new FileBoard(here, `${folder}/board`), new MemoryBoard(here.clock)]) {
          await assert.rejects(board.append(new Uint8Array(128 * 1024 + 1)), (e) =>
            isMixnetError(e, 'MESSAGE_TOO_LONG'),
          )
          await board.append(new Uint8Array(128 * 1024).fill(7))
          assert.equal((await all(board))[0]?.message.length, 128 * 1024)
        }
      }))

    it('three members make keys over a file', () =>
      play(async ({ here, folder }) => {
        const plan = {
          network: 'file',
          epochId: 1,
          threshold: 2,
          members: [1, 2, 3].map(memberOf),
          startsAt: millis(Math.floor(here.clock.now())),
          phaseLimit: seconds(60),
        }
        let holds = 0
        const hold = (): (() => void) => {
          holds++
          return () => {
            holds--
          }
        }
        const world = { ...here, clock: { ...settable(here.clock).clock, hold } }
        const making = [1, 2, 3].map((index) =>
          agreeOnKeys(world, {
            plan,
            identitySeed: new Secret(seedOf(index)),
            board: new FileBoard(here, `${folder}/board`),
            engine: new LocalDkgEngine(nullScheme, here.random.stream('engine')),
            folder: `${folder}/${index}`,
            log: silentLog,
            meter: new Meter(),
            params: { pollEvery: millis(10) },
          }),
        )
        // Between two looks at the board a process has nothing else to live for.
        assert.equal(holds, 3)
        const outcomes = await Promise.all(making)
        assert.equal(holds, 0)
        const keys = outcomes.map((one) => (one.kind === 'member' ? one.keys : assert.fail()))
        for (const one of keys) assert.deepEqual(one.masterKey, keys[0]?.masterKey)
        if (name === 'node') assert.equal(statSync(`${folder}/2/keys-1.json`).mode & 0o777, 0o600)
      }))
  })
}
