/** What survives kill -9, and what must not. @module */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { isMixnetError } from '../../base/errors.ts'
import { nodeDatabases } from './nodeDatabase.ts'
import { nodeFiles } from './nodeFiles.ts'

const folder = mkdtempSync(join(tmpdir(), 'starling-durability-'))
after(() => rmSync(folder, { recursive: true }))

/** Runs `program` in a process of its own until it has said 'ready'. */
async function start(program: string): Promise<ChildProcess> {
  const imports = ['nodeFiles', 'nodeDatabases'].map((name, i) => {
    const file = new URL(['./nodeFiles.ts', './nodeDatabase.ts'][i] as string, import.meta.url).href
    return `import { ${name} } from ${JSON.stringify(file)}`
  })
  const text = `${imports.join('\n')}\nconst folder = ${JSON.stringify(folder)}\n${program}\nconsole.log('ready')\nsetInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', text], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve())
    child.once('exit', () => reject(new Error('exited early')))
  })
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
}

describe('a write that fails', () => {
  it('leaves nothing beside the folder that is in its way', async () => {
    const inTheWay = join(folder, 'way', 'folder')
    mkdirSync(inTheWay, { recursive: true })
    await assert.rejects(nodeFiles.write(inTheWay, Uint8Array.of(1)))
    // Where a file system knows of nothing, whatever it is asked: Linux's.
    await assert.rejects(nodeFiles.write('/proc/nobody/made/this', Uint8Array.of(1)))
    await assert.rejects(nodeFiles.lock('/proc/nobody/made/lock'))
    assert.throws(() => nodeDatabases.open('/proc/nobody/made/database'))
    assert.deepEqual(readdirSync(join(folder, 'way')), ['folder'])
  })
})

describe('kill -9', { timeout: 20_000 }, () => {
  it('drops the locks of the process, and only they keep others out', async () => {
    const child = await start("globalThis.lock = await nodeFiles.lock(folder + '/lock')")
    await assert.rejects(nodeFiles.lock(`${folder}/lock`), (error) => isMixnetError(error, 'LOCKED'))
    await kill(child)
    const lock = await nodeFiles.lock(`${folder}/lock`)
    await lock.release()
  })

  it('keeps what was committed and what was appended', async () => {
    const child = await start(`
      const database = nodeDatabases.open(folder + '/x.db')
      database.exec('CREATE TABLE t (v)')
      database.transaction(() => database.prepare('INSERT INTO t VALUES (?)').run(1))
      database.exec('BEGIN; INSERT INTO t VALUES (2)')
      const log = await nodeFiles.openAppend(folder + '/log')
      log.append(Uint8Array.of(1, 2, 3))
    `)
    await kill(child)
    const database = nodeDatabases.open(`${folder}/x.db`)
    assert.deepEqual(database.prepare('SELECT v FROM t').all(), [{ v: 1 }])
    assert.deepEqual(database.prepare('PRAGMA journal_mode').get(), { journal_mode: 'wal' })
    assert.deepEqual(database.prepare('PRAGMA synchronous').get(), { synchronous: 2 })
    database.close()
    assert.deepEqual(await nodeFiles.read(`${folder}/log`), Uint8Array.of(1, 2, 3))
  })
})

describe('files on disk', { skip: process.platform === 'win32' }, () => {
  it('are their owner’s only where they are secret, and so are databases', async () => {
    const mode = (name: string): number => statSync(join(folder, name)).mode & 0o777
    writeFileSync(`${folder}/key`, 'an old one, for everybody', { mode: 0o644 })
    await nodeFiles.write(`${folder}/key`, Uint8Array.of(1), { secret: true })
    await nodeFiles.write(`${folder}/vault/key`, Uint8Array.of(1), { secret: true })
    const database = nodeDatabases.open(`${folder}/secret.db`)
    database.exec('CREATE TABLE t (v)')
    assert.deepEqual(
      ['key', 'vault', 'vault/key', 'secret.db', 'secret.db-wal'].map(mode),
      [0o600, 0o700, 0o600, 0o600, 0o600],
    )
    database.close()
  })

  it('do not show what a crash left unfinished, and reuse its name', async () => {
    writeFileSync(`${folder}/.half.unfinished`, 'garbage')
    assert.ok(!(await nodeFiles.list(folder)).some((name) => name.includes('half')))
    await nodeFiles.write(`${folder}/half`, Uint8Array.of(5))
    assert.ok(!readdirSync(folder).includes('.half.unfinished'))
  })
})
