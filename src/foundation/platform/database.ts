/** SQLite as an argument: synchronous, so a statement either happened or did not. @module */

export type SqlValue = string | number | bigint | Uint8Array | null
export type Row = Readonly<Record<string, SqlValue>>

export interface Statement {
  run(...values: readonly SqlValue[]): { readonly changes: number }
  get(...values: readonly SqlValue[]): Row | undefined
  all(...values: readonly SqlValue[]): readonly Row[]
}

export interface Database {
  exec(sql: string): void
  prepare(sql: string): Statement
  /** BEGIN IMMEDIATE … COMMIT; rolls back and rethrows where `run` throws. Durable when it returns. */
  transaction<T>(run: () => T): T
  close(): void
}

export interface Databases {
  /** WAL with synchronous=FULL: what was committed survives kill -9 and power loss. Makes missing folders. */
  open(path: string): Database
}
