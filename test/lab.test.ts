/** `starling lab`: what somebody sees who types it, waits for it, or does not. */
import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { type Starling, starling, temporaryFolder } from './support/starling.ts'

const SMALL = ['--epochs', '48', '--operators', '20', '--delegators', '60', '--set', '5/5/3/0']
const economy = (t: TestContext, ...args: readonly string[]): Starling => starling(t, 'lab', 'economy', ...args)

describe('starling lab economy', { timeout: 240_000 }, () => {
  it('says what came of it, and writes its drawings; the same seed gives the same bytes', async (t) => {
    const folder = await temporaryFolder(t)
    // One after the other, as all here: each of these processes keeps a core busy.
    const written = async (name: string) => {
      const out = join(folder, name)
      const run = economy(t, ...SMALL, '--seed', '7', '--out', out)
      assert.deepEqual([await run.exit(), run.stderr], [{ code: 0, signal: null }, ''])
      assert.match(run.stdout, /pool .* million NYM/)
      const names = (await readdir(out)).sort()
      return await Promise.all(names.map(async (file) => [file, await readFile(join(out, file), 'utf8')]))
    }
    const [first, again] = [await written('a'), await written('b')]
    assert.deepEqual(again, first)
    assert.deepEqual(
      first.map(([name]) => name).filter((name) => !name?.endsWith('.svg')),
      ['figures.json', 'index.html'],
    )
    assert.equal(first.length, 11)
  })

  it('is one object for scripts, and begins with another', async (t) => {
    const run = economy(t, '--json', ...SMALL)
    const [start, done] = await Promise.all([run.event('start'), run.event('economy')])
    assert.equal(start.seed, '1')
    assert.equal(done.coinsLostUnym, '0')
    assert.equal(done.operators, 20)
    assert.equal((await run.exit()).code, 0)
    assert.equal(run.stdout.trim().split('\n').length, 2)
  })

  it('leaves nothing behind when it is interrupted', async (t) => {
    const out = join(await temporaryFolder(t), 'year')
    const run = economy(t, '--json', '--epochs', '100000', '--out', out)
    await run.event('start')
    assert.equal((await run.stop()).code, 130)
    assert.deepEqual(run.events.at(-1), { event: 'stopped' })
    await assert.rejects(readdir(out), { code: 'ENOENT' })
  })

  it('explains itself on one screen, an example first', async (t) => {
    const help = economy(t, '--help')
    assert.deepEqual([await help.exit(), help.stderr], [{ code: 0, signal: null }, ''])
    assert.match(help.stdout, /^Example: starling lab economy /)
    assert.ok(help.stdout.split('\n').length <= 40)
  })

  it('refuses what makes no sense, and says beside the option why', async (t) => {
    const run = economy(t, '--alpha', '30')
    assert.equal((await run.exit()).code, 2)
    assert.match(run.stderr.replaceAll(/\n +/g, ' '), /--alpha <share>.*from 0 to 1, for instance 0\.3/)
  })

  it('refuses a file where a folder should be, before it has worked', async (t) => {
    const path = join(await temporaryFolder(t), 'file')
    await writeFile(path, '')
    const run = economy(t, '--json', '--out', path)
    assert.equal((await run.exit()).code, 2)
    const problem = run.events.find(({ event }) => event === 'problem')
    assert.equal(problem?.code, 'FILE_UNUSABLE')
    assert.ok(!run.events.some(({ event }) => event === 'start'))
  })
})
