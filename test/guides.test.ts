/** The code of docs/guides/first-app.md, as an application would run it: with the package's name, in a process of its own. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { codeBlocks } from './support/guides.ts'
import { starling, temporaryFolder } from './support/starling.ts'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const GUIDE_DIRECTORY = 'http://127.0.0.1:8080/api'

describe('guides', { timeout: 120_000 }, () => {
  it('the first app does what its guide says', async (t) => {
    const folder = await temporaryFolder(t)
    const network = starling(
      t,
      ...['up', '--json', '--data', join(folder, 'network'), '--directory-port', '27100', '--socks-port', '27105'],
    )
    await network.event('proxy')
    const { url } = await network.event('directory')
    await mkdir(join(folder, 'node_modules'))
    await symlink(ROOT, join(folder, 'node_modules', 'starling-mixnet'), 'junction')
    const programs = (await codeBlocks('first-app.md')).filter(({ info }) => info === 'ts')
    const outputs: string[] = []
    for (const [i, { text }] of programs.entries()) {
      assert.ok(text.includes(GUIDE_DIRECTORY))
      const file = join(folder, `app${i}.mts`)
      await writeFile(file, text.replaceAll(GUIDE_DIRECTORY, url))
      const { stdout } = await run(process.execPath, ['--conditions=starling-source', file], { cwd: folder })
      outputs.push(stdout)
    }
    const [first, second] = outputs
    assert.match(first ?? '', /^200 Hello\. This is a web site behind a mixnet\./)
    assert.match(first ?? '', /^HOST_UNKNOWN you Check the spelling of the host name\.$/m)
    assert.equal(second, '32\n')
    assert.equal((await network.stop()).code, 0)
  })
})
