/** What somebody sees who types the wrong thing, or the right thing at the wrong time. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { formatReport, hasFailed } from '../bench/figures.ts'
import { Starling, temporaryFolder } from './support/starling.ts'

const run = promisify(execFile)

interface Typed {
  readonly code: number | null
  /** With lines that go on joined. */
  readonly said: string
  readonly lines: number
}

async function typed(t: TestContext, cwd: string, ...args: string[]): Promise<Typed> {
  const process = new Starling(args, { cwd })
  t.after(() => process.kill())
  const { code } = await process.exit()
  const text = `${process.stdout}${process.stderr}`
  return { code, said: text.replaceAll(/\n +/g, ' '), lines: text.trimEnd().split('\n').length }
}

describe('starling', { timeout: 120_000, concurrency: true }, () => {
  const refusals: Readonly<Record<string, { args: string; code: number; says: RegExp }>> = {
    'a typo': { args: 'fecth', code: 2, says: /Did you mean fetch\?/ },
    'a word too many': { args: 'up now', code: 2, says: /too many arguments for 'up'/ },
    'an option that is no number': { args: 'up --entries many', code: 2, says: /--entries.*a number from 1 to 200/ },
    'a role that is none': { args: 'node init knot --role mixer --host 127.0.1.1', code: 2, says: /mix, entry, exit/ },
    'packets at a node that is no exit': {
      args: 'node init knot --role mix --host 127.0.1.1 --packets tun',
      code: 2,
      says: /packets.*role exit/s,
    },
    'a folder without a node': { args: 'node run knot', code: 2, says: /no node.*starling node init knot/ },
    'a folder without a directory': { args: 'directory run d', code: 2, says: /starling directory init d/ },
    'a URL that is none': { args: 'fetch example', code: 2, says: /no URL.*http:\/\/ or https:\/\// },
    'a directory that is no URL': { args: 'fetch http://a/ -d here', code: 2, says: /A directory is a URL/ },
    'a directory that is down': {
      args: 'fetch http://a/ -d http://127.0.0.1:1/api',
      code: 3,
      says: /http:\/\/127\.0\.0\.1:1\/api.*CONNECTION_REFUSED.*\(network\).*starling up/,
    },
    'an entry gateway that is none': {
      args: 'fetch http://a/ --gateway tern',
      code: 2,
      says: /--gateway.*identity of an entry gateway: 32 bytes in base58/,
    },
    'an exit that is none': {
      args: 'proxy --exit heron',
      code: 2,
      says: /--exit.*address of a network requester: IDENTITY\.ENCRYPTION-KEY@GATEWAY/,
    },
    'an origin that is none': {
      args: 'client --allow-origin null',
      code: 2,
      says: /--allow-origin.*a scheme, a host and a port, for instance http:\/\/localhost:3000/,
    },
    'a folder to write an answer into': {
      args: 'fetch http://a/ -o folder',
      code: 2,
      says: /that is a folder \(--output: folder\) \(you\) Name a file in it: --output folder\/answer/,
    },
    'a plan that is not there': {
      args: 'issuer status issuers.toml',
      code: 2,
      says: /issuers\.toml.*no such file.*\(you\).*the folder that the command is run in/,
    },
    'tickets of a client that is none': {
      args: 'credential list --data mine',
      code: 2,
      says: /no client.*mine.*\(you\)/,
    },
    'a folder that is a file': { args: 'up --data file', code: 2, says: /cannot be used.*file.*\(you\)/ },
  }
  for (const [name, { args, code, says }] of Object.entries(refusals)) {
    it(`refuses ${name}`, async (t) => {
      const folder = await temporaryFolder(t)
      await writeFile(join(folder, 'file'), '')
      await mkdir(join(folder, 'folder'))
      const answer = await typed(t, folder, ...args.split(' '))
      assert.match(answer.said, says)
      assert.doesNotMatch(answer.said, /\n +at /)
      assert.equal(answer.code, code)
      assert.deepEqual(await readdir(folder), ['file', 'folder'], 'nothing is left behind')
    })
  }

  it('helps those who ask for help in other ways', async (t) => {
    const folder = await temporaryFolder(t)
    const [asked, usual] = [
      await typed(t, folder, 'help', 'node', 'init'),
      await typed(t, folder, 'node', 'init', '--help'),
    ]
    assert.deepEqual(asked, usual)
    assert.equal(asked.code, 0)
  })

  it('takes a reader that has gone for a reader that has read enough', async (t) => {
    const help = new Starling(['node', 'init', '--help'], { cwd: await temporaryFolder(t) })
    t.after(() => help.kill())
    help.child.stdout?.destroy()
    assert.deepEqual([await help.exit(), help.stderr], [{ code: 0, signal: null }, ''])
  })

  it('shows how a node is run on one screen, an example first', async (t) => {
    const { code, said, lines } = await typed(t, await temporaryFolder(t), 'node', 'run', '--help')
    assert.equal(code, 0)
    assert.match(said, /^Example: starling node run knot/)
    assert.ok(lines <= 24, `${lines} lines`)
  })

  it('makes a node once, and does not make another in its place', async (t) => {
    const folder = await temporaryFolder(t)
    const init = ['node', 'init', 'knot', '--role', 'mix', '--host', '127.0.1.1']
    assert.equal((await typed(t, folder, ...init)).code, 0)
    const again = await typed(t, folder, ...init)
    assert.equal(again.code, 2)
    assert.match(again.said, /there is a node already/)
    await typed(t, folder, 'node', 'init', 'heron', '--role', 'exit', '--host', '127.0.1.2')
    await typed(t, folder, 'directory', 'init', 'directory')
    const layered = await typed(t, folder, 'directory', 'add', 'directory', 'knot', 'heron', '--layer', '1')
    assert.equal(layered.code, 2)
    assert.match(layered.said, /it is no mix node \(node: heron, --layer: 1\)/)
    const keys = await typed(t, folder, 'keys', 'knot')
    assert.match(keys.said, /identity +[1-9A-HJ-NP-Za-km-z]{43,44}\s/)
    await mkdir(join(folder, 'elsewhere'))
    // Its folder is where its file is, wherever the command is run from.
    const config = join(folder, 'knot', 'node.toml')
    await writeFile(config, 'name = "knot"\n')
    const broken = await typed(t, join(folder, 'elsewhere'), 'node', 'run', '../knot')
    assert.equal(broken.code, 2)
    assert.match(broken.said, /node\.toml, key: roles/)
  })
})

it('the command of the package tells an old Node in a line what is wrong', async () => {
  const bin = fileURLToPath(new URL('../src/app/cli/bin.ts', import.meta.url))
  const older = "data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '22.9.0' })"
  await assert.rejects(run(process.execPath, ['--import', older, bin, '--version']), {
    code: 2,
    stderr: /^starling needs Node 24 or later, and this is 22\.9\.0\..*\n$/,
  })
  assert.match((await run(process.execPath, [bin, '--version'])).stdout, /^\d+\.\d+\.\d+\n$/)
})

describe('the other programs of the project', { timeout: 60_000, concurrency: true }, () => {
  for (const program of ['src/app/testnet/simulate.ts', 'bench/main.ts', 'test/fuzz/main.ts']) {
    it(`${program} explains itself, and refuses what it does not know in a line`, async () => {
      const path = fileURLToPath(new URL(`../${program}`, import.meta.url))
      const { stdout } = await run(process.execPath, [path, '--help'])
      assert.match(stdout, /^Usage: /m)
      await assert.rejects(run(process.execPath, [path, '--sedes', '7']), {
        code: 2,
        stderr: /^error: unknown option '--sedes'\n(?:\(Did you mean .*\)\n)?$/,
      })
    })
  }

  it('a benchmark says that something was lost, and has failed', () => {
    const subject = { name: 'x', title: 'X', run: () => assert.fail('not run') }
    const report = { figures: [], notes: ['n'], failures: ['3 packets were lost'] }
    assert.match(formatReport(subject, report), /FAILED: 3 packets were lost/)
    assert.deepEqual([hasFailed(report), hasFailed({ figures: [], notes: [] })], [true, false])
  })
})
