import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isMixnetError } from '../base/errors.ts'
import { nullProvider } from '../crypto/nullProvider.ts'
import { platforms } from './stages.ts'

for (const platform of platforms(nullProvider)) {
  describe(`database: ${platform.name}`, { timeout: 10_000 }, () => {
    it('keeps every value as it is', () =>
      platform.play(async ({ here: { databases }, folder }) => {
        const database = databases.open(`${folder}/deep/values.db`)
        database.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v)')
        const values = [0, -1, 1.5, 2 ** 53 - 1, 2n ** 53n + 1n, -(2n ** 63n), 'text', Uint8Array.of(1, 0, 2), null]
        const insert = database.prepare('INSERT INTO t (v) VALUES (?)')
        for (const value of values) assert.deepEqual(insert.run(value), { changes: 1 })
        assert.deepEqual(
          database
            .prepare('SELECT v FROM t ORDER BY id')
            .all()
            .map(({ v }) => v),
          values,
        )
        assert.deepEqual(database.prepare('SELECT id, v FROM t WHERE id = ?').get(7), { id: 7, v: 'text' })
        assert.equal(database.prepare('SELECT id FROM t WHERE id = ?').get(99), undefined)
        assert.deepEqual(database.prepare('UPDATE t SET v = 1 WHERE id > ?').run(5), { changes: 4 })
        database.close()
        database.close()
        assert.throws(() => insert.run(1))
        assert.throws(() => database.exec('SELECT 1'))
      }))

    it('commits all or nothing, for good', () =>
      platform.play(async ({ here: { databases }, folder }) => {
        const path = `${folder}/tx.db`
        const database = databases.open(path)
        database.exec('CREATE TABLE t (v INTEGER UNIQUE)')
        const insert = database.prepare('INSERT INTO t VALUES (?)')
        assert.equal(
          database.transaction(() => insert.run(1).changes),
          1,
        )
        const undone = new Error('undone')
        assert.throws(
          () =>
            database.transaction(() => {
              insert.run(2)
              throw undone
            }),
          undone,
        )
        assert.throws(() =>
          database.transaction(() => {
            insert.run(3)
            insert.run(1)
          }),
        )
        for (const bad of [() => database.transaction(() => 1), async () => insert.run(4)]) {
          assert.throws(
            () => database.transaction<unknown>(bad),
            (error) => isMixnetError(error, 'INTERNAL'),
          )
        }
        database.close()
        const again = databases.open(path)
        assert.deepEqual(again.prepare('SELECT v FROM t').all(), [{ v: 1 }])
        again.close()
      }))
  })
}
