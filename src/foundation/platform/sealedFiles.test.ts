import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8 } from '../base/bytes.ts'
import { isMixnetError } from '../base/errors.ts'
import type { ClientFiles } from './files.ts'
import { nodeRandom } from './node/nodeRandom.ts'
import { openSealedFiles } from './sealedFiles.ts'

/** In memory: what is kept where is looked at here, not how well. */
function disk(): { files: ClientFiles; open(passphrase: string): Promise<ClientFiles> } {
  const kept = new Map<string, Uint8Array>()
  const files: ClientFiles = {
    read: async (path) => kept.get(path)?.slice(),
    write: async (path, contents) => void kept.set(path, contents.slice()),
    list: async (folder) => {
      const below = [...kept.keys()].filter((path) => path.startsWith(`${folder}/`))
      return [...new Set(below.map((path) => path.slice(folder.length + 1).replace(/\/.*/, '')))].sort()
    },
    remove: async (path) => void kept.delete(path),
    lock: async () => ({ release: async () => {} }),
  }
  const random = nodeRandom.stream('seal')
  return { files, open: (passphrase) => openSealedFiles(files, { folder: 'client', passphrase, random }) }
}

const unreadable = (error: unknown): boolean => isMixnetError(error, 'KEY_FILE_UNREADABLE')

describe('files under a passphrase', { timeout: 60_000 }, () => {
  it('are what was written, for who knows the passphrase, also later', async () => {
    const { open } = disk()
    const first = await open('correct horse')
    assert.equal(await first.read('client/identity.pem'), undefined)
    await first.write('client/identity.pem', utf8('secret'))
    await first.write('client/keys/empty', new Uint8Array(0))
    const later = await open('correct horse')
    assert.deepEqual(await later.read('client/identity.pem'), utf8('secret'))
    assert.deepEqual(await later.read('client/keys/empty'), new Uint8Array(0))
    assert.deepEqual(await later.list('client'), ['identity.pem', 'keys'])
    await later.remove('client/identity.pem')
    assert.equal(await later.read('client/identity.pem'), undefined)
  })

  it('do not lie on the disk as they are, and never twice alike', async () => {
    const { files, open } = disk()
    const sealed = await open('x')
    await sealed.write('client/a', utf8('a secret of mine'))
    const once = await files.read('client/a')
    assert.ok(once && !Buffer.from(once).includes('secret'))
    await sealed.write('client/a', utf8('a secret of mine'))
    assert.notDeepEqual(await files.read('client/a'), once)
  })

  it('are refused under another passphrase, as other files, and damaged', async () => {
    const { files, open } = disk()
    const sealed = await open('right')
    await sealed.write('client/a', utf8('one'))
    await assert.rejects(open('wrong'), unreadable)
    await assert.rejects(open(''), (error) => isMixnetError(error, 'BAD_ARGUMENT'))
    await files.write('client/b', (await files.read('client/a')) as Uint8Array)
    await assert.rejects(sealed.read('client/b'), unreadable)
    await files.write('client/c', utf8('not sealed at all'))
    await assert.rejects(sealed.read('client/c'), unreadable)
    await files.write('client/d', new Uint8Array(3))
    await assert.rejects(sealed.read('client/d'), unreadable)
    const vault = (await files.read('client/vault')) as Uint8Array
    await files.write('client/vault', vault.subarray(1))
    await assert.rejects(open('right'), unreadable)
  })

  it('take letters that look alike for alike', async () => {
    const { open } = disk()
    await open('Ünï')
    await open('U\u0308ni\u0308')
  })
})
