/** docs/guides/first-app.md, typed as it stands: in a clone, and in a project with the package that the clone made; docs/guides/local-api.md; docs/guides/traffic.md; docs/guides/operator-income.md. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join, posix } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { codeBlocks, commandsOf, linksOf } from './support/guides.ts'
import { cloneTo, installPacked, linkDependencies } from './support/packed.ts'
import { starling, temporaryFolder } from './support/starling.ts'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const GUIDE_DIRECTORY = 'http://127.0.0.1:8080/api'
const PROGRAM = 'first-app.mts'

/** One command as it is typed there, by somebody whose Node is this one. */
async function type(command: string | undefined, cwd: string): Promise<string> {
  assert.ok(command)
  const PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`
  const { stdout } = await run('sh', ['-c', command], { cwd, env: { ...process.env, PATH } })
  return stdout
}

const skip = process.platform === 'win32' && 'it is typed into sh'

for (const guide of ['run-a-node.md', 'run-a-network.md', 'local-api.md', 'operator-income.md']) {
  it(`${guide} says what "starling" is in a clone, before it uses it`, { skip }, async () => {
    const [alias] = await codeBlocks(guide)
    assert.equal(alias?.info, 'sh alias')
    // Elsewhere than where it was made.
    const said = await type(`${alias.text}\ncd /\neval 'starling --version'`, ROOT)
    assert.match(said, /^\d+\.\d+\.\d+\n$/)
  })
}

describe('the first app', { timeout: 240_000, skip }, () => {
  it('does what its guide says', async (t) => {
    const folder = await temporaryFolder(t)
    const [clone, project] = [join(folder, 'starling'), join(folder, 'project')]
    await cloneTo(clone)
    await mkdir(project)
    const ports = ['--directory-port', '27100', '--socks-port', '27105']
    const network = starling(t, 'up', '--json', '--data', join(folder, 'network'), ...ports)
    await network.event('proxy')
    const { url } = await network.event('directory')

    const blocks = await codeBlocks('first-app.md')
    const lines = (where: string) =>
      blocks.filter(({ info }) => info === where).flatMap(({ text }) => text.trim().split('\n'))
    const [first, second, ...others] = blocks.filter(({ info }) => info === 'ts')
    assert.ok(first && second && others.length === 0)
    const save = (program: string, where: string) => {
      assert.ok(program.includes(GUIDE_DIRECTORY))
      return writeFile(join(where, PROGRAM), program.replaceAll(GUIDE_DIRECTORY, url))
    }
    const [runInClone, pack, ...more] = lines('sh in the clone')
    const [install, runInProject, ...yetMore] = lines('sh in your project')
    assert.deepEqual([...more, ...yetMore], [])

    const says = (output: string) => {
      assert.match(output, /^200 Hello\. This is a web site behind a mixnet\./)
      assert.match(output, /^HOST_UNKNOWN you Check the spelling of the host name\.$/m)
    }
    await save(first.text, clone)
    says(await type(runInClone, clone))
    await save(second.text, clone)
    assert.match(await type(runInClone, clone), /^[^.@]{43,44}\.[^.@]{43,44}@[^.@]{43,44}\n$/)

    const tarball = (await type(pack, clone)).trim().split('\n').at(-1)
    assert.equal(install, `npm install ../starling/${tarball}`)
    const packed = await installPacked(join(clone, tarball ?? ''), project)
    await linkDependencies(join(project, 'node_modules', 'starling-mixnet'))
    await save(first.text, project)
    says(await type(runInProject, project))
    assert.match(
      await type('node node_modules/starling-mixnet/dist/app/cli/bin.js --version', project),
      /^\d+\.\d+\.\d+\n$/,
    )
    for (const page of packed.filter((path) => path.endsWith('.md'))) {
      for (const link of linksOf(await readFile(join(clone, page), 'utf8'))) {
        const path = posix.join(posix.dirname(page), link)
        assert.ok(packed.includes(path), `${page} links to ${path}, which is not in the package`)
      }
    }
    assert.equal((await network.stop()).code, 0)
  })
})

it('the local WebSocket API does what its guide says', { timeout: 120_000, skip }, async (t) => {
  const folder = await temporaryFolder(t)
  const ports = ['--directory-port', '27200', '--socks-port', '27205', '--status-port', '27206']
  const network = starling(t, 'up', '--json', '--data', join(folder, 'network'), ...ports)
  const { url } = await network.event('directory')
  const [, clients, program, run, ...others] = await codeBlocks('local-api.md')
  assert.ok(clients?.info === 'sh keeps running' && program?.info === 'js' && run?.info === 'sh')
  assert.deepEqual(others, [])
  const running = commandsOf(clients).map((args) => {
    const [data, ...more] = args.slice(args.indexOf('--data') + 1)
    // The guide's ports belong to whoever uses this machine.
    const free = more.map((arg) => arg.replace('1978', '0'))
    const own = [...(free.includes('--port') ? free : [...free, '--port', '0']), '--directory', url]
    return starling(t, 'client', '--json', '--data', join(folder, data ?? ''), ...own)
  })
  const [alice, bob, ...more] = await Promise.all(running.map((client) => client.event('client')))
  assert.ok(alice && bob && more.length === 0)
  assert.ok(program.text.includes('1977') && program.text.includes('1978'))
  const text = program.text.replace('1977', `${alice.port}`).replace('1978', `${bob.port}`)
  await writeFile(join(folder, 'ask.mjs'), text)
  assert.equal(await type(run.text, folder), 'bob hears What time is it?\nalice hears Half past nine.\n')
  for (const client of running) assert.equal((await client.stop()).code, 0)
  assert.equal((await network.stop()).code, 0)
})

it('traffic as a choice does what its guide says', { timeout: 120_000, skip }, async (t) => {
  const folder = await temporaryFolder(t)
  const ports = ['--directory-port', '27300', '--socks-port', '27305', '--status-port', '27306']
  const network = starling(t, 'up', '--json', '--data', join(folder, 'network'), ...ports)
  await network.event('proxy')
  const { url } = await network.event('directory')
  const [program] = (await codeBlocks('traffic.md')).filter(({ info }) => info === 'ts')
  assert.ok(program)
  assert.ok(program.text.includes(GUIDE_DIRECTORY))
  const path = join(ROOT, `traffic-guide-${process.pid}.mts`)
  t.after(() => rm(path, { force: true }))
  await writeFile(path, program.text.replaceAll(GUIDE_DIRECTORY, url))
  const said = await type(`node -C starling-source ${path}`, ROOT)
  assert.match(said, /^Traffic: 1 GB a day\.$[\s\S]*^\d+(\.\d+)?\n200$/m)
  assert.equal((await network.stop()).code, 0)
})

it('what a node earns is what its guide says', { timeout: 120_000 }, async (t) => {
  const blocks = await codeBlocks('operator-income.md')
  const examples = blocks.filter(({ info }) => info === 'sh')
  const said = blocks.filter(({ info }) => info === 'text')
  assert.equal(examples.length, 2)
  for (const [index, block] of examples.entries()) {
    const [args, ...more] = commandsOf(block)
    assert.ok(args && more.length === 0)
    const run = starling(t, ...args)
    assert.deepEqual([await run.exit(), run.stderr], [{ code: 0, signal: null }, ''])
    assert.equal(run.stdout, said[index]?.text)
  }
})
