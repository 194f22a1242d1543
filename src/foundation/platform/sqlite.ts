/** The Database contract over node:sqlite: files on Node, memory in simulations. @module */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { MixnetError } from '../base/errors.ts'
import type { Database, Row, SqlValue, Statement } from './database.ts'

class SqliteStatement implements Statement {
  readonly #statement: StatementSync
  readonly #check: () => void

  constructor(statement: StatementSync, check: () => void) {
    this.#statement = statement
    this.#check = check
    // Otherwise node:sqlite throws at the first integer above 2⁵³, in the middle of a statement that may have written.
    statement.setReadBigInts(true)
  }

  run(...values: readonly SqlValue[]): { readonly changes: number } {
    this.#check()
    return { changes: Number(this.#statement.run(...values).changes) }
  }

  get(...values: readonly SqlValue[]): Row | undefined {
    this.#check()
    const row = this.#statement.get(...values)
    return row && plainRow(row)
  }

  all(...values: readonly SqlValue[]): readonly Row[] {
    this.#check()
    return this.#statement.all(...values).map(plainRow)
  }
}

/** Integers as numbers where a number holds them exactly, else as bigints. */
function plainRow(row: Record<string, SqlValue>): Row {
  const plain: Record<string, SqlValue> = {}
  for (const name in row) {
    const value = row[name] as SqlValue
    if (typeof value !== 'bigint') {
      plain[name] = value
      continue
    }
    const narrowed = Number(value)
    plain[name] = Number.isSafeInteger(narrowed) ? narrowed : value
  }
  return plain
}

export interface Owner {
  /** Throws where the database may not be used any more: its process has crashed. */
  check(): void
  /** Called once. */
  close(): void
}

export class SqliteDatabase implements Database {
  readonly #database: DatabaseSync
  readonly #owner: Owner
  readonly #check: () => void
  #open = true

  constructor(database: DatabaseSync, owner: Owner) {
    this.#database = database
    this.#owner = owner
    this.#check = () => {
      if (!this.#open) throw new MixnetError('STOPPED', { what: 'database' })
      owner.check()
    }
  }

  exec(sql: string): void {
    this.#check()
    this.#database.exec(sql)
  }

  prepare(sql: string): Statement {
    this.#check()
    return new SqliteStatement(this.#database.prepare(sql), this.#check)
  }

  transaction<T>(run: () => T): T {
    this.#check()
    const database = this.#database
    if (database.isTransaction) throw new MixnetError('INTERNAL', { what: 'transaction inside a transaction' })
    database.exec('BEGIN IMMEDIATE')
    try {
      const result = run()
      // A promise would go on writing after the COMMIT.
      if (result instanceof Promise) throw new MixnetError('INTERNAL', { what: 'asynchronous transaction' })
      database.exec('COMMIT')
      return result
    } catch (error) {
      // A full disk, for one, has rolled back already.
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#owner.close()
  }
}
