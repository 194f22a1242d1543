/** SQLite files that keep what was committed through kill -9 and power loss. @module */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Database, Databases } from '../database.ts'
import { SqliteDatabase } from '../sqlite.ts'

/** How long a statement waits for another process, a backup for one, to let go. */
const BUSY_TIMEOUT_MS = 5000
/** The log file shrinks to this after a burst. */
const MAX_IDLE_LOG_BYTES = 16 * 1024 * 1024
const OWNER_ONLY = 0o600

/** With those above it; not `recursive` of mkdir, for the reason in nodeFiles.ts. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  if (dirname(folder) !== folder) makeFolder(dirname(folder))
  mkdirSync(folder)
}

/** Makes the file, owner-only and durable: SQLite gives its log the permissions of the file but makes the file with the umask's. */
function makeFile(path: string): void {
  const folder = dirname(path)
  makeFolder(folder)
  closeSync(openSync(path, 'a', OWNER_ONLY))
  if (process.platform === 'win32') return
  const handle = openSync(folder, 'r')
  fsyncSync(handle)
  closeSync(handle)
}

export const nodeDatabases: Databases = {
  open(path): Database {
    makeFile(path)
    const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true })
    // FULL: in WAL mode NORMAL would lose the last commits with the power, and an acknowledged message with them.
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA journal_size_limit = ${MAX_IDLE_LOG_BYTES};
    `)
    return new SqliteDatabase(database, { check() {}, close: () => database.close() })
  },
}
