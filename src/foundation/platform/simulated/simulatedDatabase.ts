/**
 * Databases of a simulated machine: SQLite in memory, one for each path, outliving the processes on it. Transactions are
 * synchronous, so a crash cannot find one half done. @module
 */
import { posix } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MixnetError } from '../../base/errors.ts'
import type { Database, Databases } from '../database.ts'
import { SqliteDatabase } from '../sqlite.ts'
import type { Life } from './life.ts'

export function simulatedDatabases(life: Life): Databases {
  const { databases } = life.machine
  const check = () => {
    if (!life.alive) throw new MixnetError('STOPPED', { what: 'process' })
  }
  return {
    open(path): Database {
      check()
      const name = posix.normalize(path)
      const database = databases.get(name) ?? new DatabaseSync(':memory:', { enableForeignKeyConstraints: true })
      databases.set(name, database)
      return new SqliteDatabase(database, { check, close() {} })
    },
  }
}
