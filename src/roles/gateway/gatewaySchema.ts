/** Tables of a gateway and what is asked of them. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Database, Row } from '../../foundation/platform/database.ts'

const SCHEMA_VERSION = 1
const SCHEMA = `
  CREATE TABLE clients (
    identity BLOB PRIMARY KEY,
    shared_key BLOB NOT NULL,
    balance_bytes INTEGER NOT NULL DEFAULT 0,
    balance_expires_on_ms INTEGER NOT NULL DEFAULT 0,
    last_login_s INTEGER,
    seen_at_ms INTEGER NOT NULL,
    inbox_bytes INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX clients_by_seen ON clients (seen_at_ms);
  CREATE TABLE inbox (
    id INTEGER PRIMARY KEY,
    identity BLOB NOT NULL,
    payload BLOB NOT NULL,
    stored_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX inbox_by_client ON inbox (identity, id);
  PRAGMA user_version = ${SCHEMA_VERSION};
`

/** Of databases made before there was such a thing as well: older programs do not mind. */
const ADDITIONS = `
  CREATE TABLE IF NOT EXISTS gateway_time (id INTEGER PRIMARY KEY CHECK (id = 1), time_ms INTEGER NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS clients_unused ON clients (seen_at_ms) WHERE
    last_login_s IS NULL AND balance_expires_on_ms = 0 AND inbox_bytes = 0;
`

export interface InboxRow {
  readonly id: number
  readonly bytes: number
}

export interface InboxMessage extends InboxRow {
  readonly payload: Uint8Array
}

export const rowOf = (row: Row): InboxRow => ({ id: Number(row.id), bytes: Number(row.bytes) })

/** Makes the tables where there are none. Throws CONFIG_INVALID for those of a newer version of this program. */
export function openSchema(database: Database): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0)
  if (version === 0) database.transaction(() => database.exec(SCHEMA))
  else if (version !== SCHEMA_VERSION) throw new MixnetError('CONFIG_INVALID', { what: 'gateway database', version })
  database.exec(ADDITIONS)
}

export type GatewayStatement =
  | 'client'
  | 'inboxBytes'
  | 'register'
  | 'login'
  | 'seen'
  | 'balance'
  | 'forgetClient'
  | 'forgetInbox'
  | 'keep'
  | 'remove'
  | 'addInboxBytes'
  | 'waiting'
  | 'payload'
  | 'oldest'
  | 'forgetIdle'
  | 'forgetUnused'
  | 'saveTime'
  | 'lastTime'
  | 'lastId'
  | 'totalBytes'
  | 'clients'

export const GATEWAY_STATEMENTS: Readonly<Record<GatewayStatement, string>> = {
  client: 'SELECT * FROM clients WHERE identity = ?',
  inboxBytes: 'SELECT inbox_bytes FROM clients WHERE identity = ?',
  register: `INSERT INTO clients (identity, shared_key, seen_at_ms) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET shared_key = excluded.shared_key, seen_at_ms = excluded.seen_at_ms`,
  login: 'UPDATE clients SET last_login_s = ?, seen_at_ms = ? WHERE identity = ?',
  seen: 'UPDATE clients SET seen_at_ms = ? WHERE identity = ?',
  balance: 'UPDATE clients SET balance_bytes = ?, balance_expires_on_ms = ?, seen_at_ms = ? WHERE identity = ?',
  forgetClient: 'DELETE FROM clients WHERE identity = ?',
  forgetInbox: 'DELETE FROM inbox WHERE identity = ?',
  keep: 'INSERT INTO inbox (id, identity, payload, stored_at_ms) VALUES (?, ?, ?, ?)',
  remove: 'DELETE FROM inbox WHERE id = ?',
  addInboxBytes: 'UPDATE clients SET inbox_bytes = max(0, inbox_bytes + ?) WHERE identity = ?',
  waiting: 'SELECT id, length(payload) AS bytes FROM inbox WHERE identity = ? AND id > ? ORDER BY id LIMIT ?',
  payload: 'SELECT payload FROM inbox WHERE id = ?',
  oldest: 'SELECT id, identity, length(payload) AS bytes, stored_at_ms FROM inbox ORDER BY id LIMIT ?',
  forgetIdle: `DELETE FROM clients WHERE identity IN
    (SELECT identity FROM clients WHERE seen_at_ms < ? AND inbox_bytes = 0 ORDER BY seen_at_ms LIMIT ?)`,
  // It registered, and never logged in, had bandwidth, or was sent anything that waits.
  forgetUnused: `DELETE FROM clients WHERE identity IN
    (SELECT identity FROM clients WHERE last_login_s IS NULL AND balance_expires_on_ms = 0 AND inbox_bytes = 0
      AND seen_at_ms < ? ORDER BY seen_at_ms LIMIT ?)`,
  saveTime: `INSERT INTO gateway_time (id, time_ms) VALUES (1, ?)
    ON CONFLICT DO UPDATE SET time_ms = excluded.time_ms`,
  // What was written down under way is later than the last note, after a crash.
  lastTime: `SELECT max(at) AS value FROM (
    SELECT time_ms AS at FROM gateway_time
    UNION ALL SELECT max(seen_at_ms) FROM clients
    UNION ALL SELECT stored_at_ms FROM inbox WHERE id = (SELECT max(id) FROM inbox))`,
  lastId: 'SELECT coalesce(max(id), 0) AS value FROM inbox',
  totalBytes: 'SELECT coalesce(sum(inbox_bytes), 0) AS value FROM clients',
  clients: 'SELECT count(*) AS value FROM clients',
}
