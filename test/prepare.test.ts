/** scripts/prepare.mjs, which `npm start` and `npm test` begin with, beside an npm that does what the test tells it. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { on, once } from 'node:events'
import { copyFile, mkdir, symlink, utimes, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from './support/starling.ts'

const PREPARE = fileURLToPath(new URL('../scripts/prepare.mjs', import.meta.url))

/** Tells that it runs, and ends as it is told. Ctrl-C does not end it: npm's own goes on for a minute. */
const npmTalkingTo = (port: number) => `#!${process.execPath}
const { mkdirSync, writeFileSync } = require('node:fs')
process.on('SIGINT', () => {})
mkdirSync('node_modules/half', { recursive: true })
const test = require('node:net').connect(${port}, '127.0.0.1')
test.on('close', () => process.exit(9))
test.once('data', (told) => {
  if (String(told) !== 'install') throw new Error(told)
  writeFileSync('node_modules/.package-lock.json', '{}')
  process.exit()
})
`

interface Checkout {
  readonly folder: string
  prepare(): Prepare
  /** The next npm that starts. */
  npm(): Promise<Socket>
  /** Somebody said long ago that he installs. */
  claim(text: string): Promise<void>
}

async function checkout(t: TestContext): Promise<Checkout> {
  const folder = await temporaryFolder(t)
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const starts = on(server, 'connection')
  const running: Socket[] = []
  t.after(() => {
    for (const socket of running) socket.destroy()
  })
  for (const name of ['scripts', 'bin']) await mkdir(join(folder, name))
  await copyFile(PREPARE, join(folder, 'scripts', 'prepare.mjs'))
  await writeFile(join(folder, 'bin', 'npm'), npmTalkingTo((server.address() as AddressInfo).port), { mode: 0o755 })
  await writeFile(join(folder, 'package-lock.json'), '{}')
  return {
    folder,
    prepare: () => new Prepare(t, folder),
    async npm() {
      const [socket] = (await starts.next()).value as [Socket]
      running.push(socket.on('error', () => {}))
      return socket
    },
    async claim(text) {
      const path = join(folder, '.starling', 'installing')
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, text)
      const aMinuteAgo = Date.now() / 1000 - 60
      await utimes(path, aMinuteAgo, aMinuteAgo)
    },
  }
}

class Prepare {
  readonly child: ChildProcess
  readonly exited: Promise<{ code: number | null; said: string }>
  #said = ''
  #onSaid = () => {}

  constructor(t: TestContext, folder: string) {
    const PATH = `${join(folder, 'bin')}${delimiter}${process.env.PATH}`
    this.child = spawn(process.execPath, [join(folder, 'scripts', 'prepare.mjs')], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH },
    })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk) => {
        this.#said += chunk
        this.#onSaid()
      })
    }
    this.exited = once(this.child, 'close').then(([code]) => ({ code, said: this.#said }))
    t.after(() => this.child.kill('SIGKILL'))
  }

  said(what: RegExp): Promise<void> {
    return new Promise((resolve) => {
      this.#onSaid = () => what.test(this.#said) && resolve()
      this.#onSaid()
    })
  }
}

const skip = process.platform === 'win32' && 'no process groups'

describe('the installation before the first start', { timeout: 60_000, skip }, () => {
  it('once interrupted, is ended for good, and the next start begins it again', async (t) => {
    const { prepare, npm } = await checkout(t)
    const first = prepare()
    const half = await npm()
    first.child.kill('SIGINT')
    const { code, said } = await first.exited
    assert.equal(code, 130)
    assert.match(said, /Interrupted\. The next start installs from the beginning\./)
    if (!half.closed) await once(half, 'close')

    const second = prepare()
    ;(await npm()).write('install')
    assert.equal((await second.exited).code, 0)
    assert.deepEqual(await prepare().exited, { code: 0, said: '' }, 'installed once, and that is that')
  })

  it('is waited for where it goes on without the one who began it', async (t) => {
    const { prepare, npm } = await checkout(t)
    const killed = prepare()
    const orphan = await npm()
    killed.child.kill('SIGKILL')
    // Its output has npm's end of the pipe still; only its own end counts.
    await once(killed.child, 'exit')
    const next = prepare()
    await next.said(/Another installation is under way here \(process \d+\); waiting/)
    orphan.write('install')
    const { code, said } = await next.exited
    assert.equal(code, 0)
    assert.doesNotMatch(said, /Installing/)
  })

  it('says in a line where it cannot write', async (t) => {
    const { prepare, folder } = await checkout(t)
    // A folder that cannot be made there, for root as well: its name is a link to nowhere.
    await symlink(join(folder, 'gone', 'away'), join(folder, '.starling'))
    const { code, said } = await prepare().exited
    assert.equal(code, 1)
    assert.match(said, /^Cannot write into .* \(E\w+\)/)
    assert.doesNotMatch(said, /at .*prepare\.mjs/)
  })

  it('is not held up by a claim that nobody can be', async (t) => {
    const { prepare, npm, claim } = await checkout(t)
    // Empty: the disk was full. The others are no processes, but groups of them, which live.
    for (const text of ['', '0', '-1', 'x']) {
      await claim(text)
      const next = prepare()
      ;(await npm()).write('no more of it')
      assert.equal((await next.exited).code, 1, text)
    }
  })

  it('says what npm said when it fails, and may be tried again', async (t) => {
    const { prepare, npm } = await checkout(t)
    const failing = prepare()
    ;(await npm()).write('no space left on device')
    const { code, said } = await failing.exited
    assert.equal(code, 1)
    assert.match(said, /no space left on device[\s\S]*To see everything npm has to say, run: npm ci/)
    const again = prepare()
    ;(await npm()).write('install')
    assert.equal((await again.exited).code, 0)
  })
})
