import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8 } from '../base/bytes.ts'
import { isMixnetError } from '../base/errors.ts'
import { nullProvider } from '../crypto/nullProvider.ts'
import { platforms } from './stages.ts'

for (const platform of platforms(nullProvider)) {
  describe(`files: ${platform.name}`, { timeout: 10_000 }, () => {
    it('reads what was written last', () =>
      platform.play(async ({ here: { files }, folder }) => {
        const path = `${folder}/deep/er/file`
        assert.equal(await files.read(path), undefined)
        assert.equal(await files.read(`${folder}/deep`), undefined)
        const contents = Uint8Array.of(1, 2, 3)
        await files.write(path, contents)
        contents[0] = 9
        const read = await files.read(path)
        assert.deepEqual(read, Uint8Array.of(1, 2, 3))
        assert.equal(read?.constructor, Uint8Array)
        await files.write(path, new Uint8Array(0), { secret: true })
        assert.deepEqual(await files.read(path), new Uint8Array(0))
        await Promise.all([1, 2, 3, 4].map((i) => files.write(path, Uint8Array.of(i))))
        assert.deepEqual(await files.read(path), Uint8Array.of(4))
      }))

    it('lists names in order and removes files', () =>
      platform.play(async ({ here: { files }, folder }) => {
        assert.deepEqual(await files.list(`${folder}/none`), [])
        for (const name of ['b', 'a', '10', '9', 'sub/x']) await files.write(`${folder}/l/${name}`, utf8(name))
        assert.deepEqual(await files.list(`${folder}/l`), ['10', '9', 'a', 'b', 'sub'])
        await files.remove(`${folder}/l/a`)
        await files.remove(`${folder}/l/a`)
        await files.remove(`${folder}/none/a`)
        assert.deepEqual(await files.list(`${folder}/l`), ['10', '9', 'b', 'sub'])
        assert.equal(await files.read(`${folder}/l/a`), undefined)
      }))

    it('tells files from folders', () =>
      platform.play(async ({ here: { files }, folder }) => {
        await files.write(`${folder}/kinds/file`, utf8('x'))
        assert.equal(await files.kindOf(`${folder}/kinds/file`), 'file')
        assert.equal(await files.kindOf(`${folder}/kinds`), 'folder')
        assert.equal(await files.kindOf(`${folder}/kinds/`), 'folder')
        assert.equal(await files.kindOf(`${folder}/kin`), undefined)
        assert.equal(await files.kindOf(`${folder}/kinds/file/below`), undefined)
      }))

    it('appends behind what is there', () =>
      platform.play(async ({ here: { files }, folder }) => {
        const path = `${folder}/logs/log`
        const first = await files.openAppend(path)
        first.append(Uint8Array.of(1))
        first.append(Uint8Array.of(2, 3))
        await first.close()
        assert.throws(
          () => first.append(Uint8Array.of(7)),
          (error) => isMixnetError(error, 'STOPPED'),
        )
        const range = async (offset: number, length: number) => [
          ...((await files.readRange(path, offset, length)) ?? []),
        ]
        const whole = [...((await files.read(path)) ?? [])]
        assert.deepEqual(await range(1, 2), whole.slice(1, 3))
        assert.deepEqual(await range(1, 1000), whole.slice(1))
        assert.deepEqual(await range(whole.length, 4), [])
        assert.equal(await files.readRange(`${path}.none`, 0, 4), undefined)
        const second = await files.openAppend(path, { secret: true })
        second.append(Uint8Array.of(4))
        assert.deepEqual(await files.read(path), Uint8Array.of(1, 2, 3, 4))
        await second.close()
      }))

    it('locks for one at a time', () =>
      platform.play(async ({ here: { files }, folder }) => {
        const path = `${folder}/locks/lock`
        const lock = await files.lock(path)
        await assert.rejects(files.lock(path), (error) => isMixnetError(error, 'LOCKED'))
        const other = await files.lock(`${folder}/locks/other`)
        await lock.release()
        await lock.release()
        const again = await files.lock(path)
        // Releasing the old lock once more does not release the new one.
        await lock.release()
        await assert.rejects(files.lock(path), (error) => isMixnetError(error, 'LOCKED'))
        await again.release()
        await other.release()
      }))
  })
}
