import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { programState } from './programPath.ts'

describe('whether a program can be started', { skip: process.platform === 'win32' && 'paths of POSIX' }, () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'starling-path-'))
    for (const [name, mode] of [
      ['runs', 0o755],
      ['reads', 0o644],
      ['later/reads', 0o755],
    ] as const) {
      await mkdir(join(folder, 'later'), { recursive: true })
      await writeFile(join(folder, name), '')
      await chmod(join(folder, name), mode)
    }
    await symlink('nowhere', join(folder, 'dangling'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('one with a slash is a path', async () => {
    assert.equal(await programState(`${folder}/runs`, ''), 'there')
    assert.equal(await programState(`${folder}/reads`, ''), 'not-executable')
    assert.equal(await programState(folder, ''), 'not-executable')
    for (const name of [
      `${folder}/dangling`,
      `${folder}/none`,
      `${folder}/runs/deeper`,
      `${folder}/${'x'.repeat(300)}`,
    ]) {
      assert.equal(await programState(name, ''), 'missing', name)
    }
  })

  it('another is looked for in PATH, past what may not be run', async () => {
    assert.equal(await programState('runs', `/nowhere:${folder}`), 'there')
    assert.equal(await programState('reads', folder), 'not-executable')
    assert.equal(await programState('reads', `${folder}:${folder}/later`), 'there')
    assert.equal(await programState('runs', '/nowhere'), 'missing')
    assert.equal(await programState('', folder), 'missing')
    assert.equal(await programState('a\0b', folder), 'missing')
    assert.equal(await programState('sh', undefined), 'there')
  })
})
