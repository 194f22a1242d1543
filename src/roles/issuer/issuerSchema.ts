/** Tables of an issuer and what is asked of them. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Database } from '../../foundation/platform/database.ts'

const SCHEMA_VERSION = 1
/**
 * `deposits` is kept for ever: without it a deposit could be used again once its book has expired. It names no key of the user and
 * holds no request, which nobody needs any more.
 */
const SCHEMA = `
  CREATE TABLE deposits (
    deposit_id INTEGER PRIMARY KEY,
    identity BLOB NOT NULL,
    request_hash BLOB NOT NULL
  ) STRICT;
  CREATE TABLE issued (
    deposit_id INTEGER NOT NULL,
    epoch_id INTEGER NOT NULL,
    expiration_s INTEGER NOT NULL,
    issued_on_s INTEGER NOT NULL,
    ticket_type INTEGER NOT NULL,
    signature BLOB NOT NULL,
    commitments BLOB NOT NULL,
    leaf BLOB NOT NULL,
    merkle_index INTEGER NOT NULL,
    PRIMARY KEY (deposit_id, epoch_id)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX issued_by_leaf ON issued (expiration_s, merkle_index);
  CREATE TABLE tickets (
    serial BLOB NOT NULL UNIQUE,
    payment BLOB NOT NULL,
    pay_info BLOB NOT NULL,
    provider BLOB NOT NULL,
    gateway TEXT NOT NULL,
    verified_at_s INTEGER NOT NULL,
    batch BLOB
  ) STRICT;
  CREATE INDEX tickets_by_age ON tickets (verified_at_s);
  CREATE TABLE batches (
    gateway BLOB NOT NULL,
    digest BLOB NOT NULL,
    epoch_id INTEGER NOT NULL,
    count INTEGER NOT NULL,
    signature BLOB NOT NULL,
    accepted_at_s INTEGER NOT NULL,
    PRIMARY KEY (gateway, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE double_spenders (
    public_key BLOB NOT NULL UNIQUE,
    found_at_s INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE lists (
    epoch_id INTEGER NOT NULL,
    expiration_s INTEGER NOT NULL,
    master_key BLOB NOT NULL,
    signatures BLOB NOT NULL,
    PRIMARY KEY (epoch_id, expiration_s)
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};
`

/** Makes the tables where there are none. Throws CONFIG_INVALID for those of a newer version of this program. */
export function openIssuerSchema(database: Database): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0)
  if (version === 0) database.transaction(() => database.exec(SCHEMA))
  else if (version !== SCHEMA_VERSION) throw new MixnetError('CONFIG_INVALID', { what: 'issuer database', version })
}

export const ISSUER_STATEMENTS = {
  deposit: 'SELECT identity, request_hash FROM deposits WHERE deposit_id = ?',
  bind: 'INSERT OR IGNORE INTO deposits (deposit_id, identity, request_hash) VALUES (?, ?, ?)',
  issued: 'SELECT * FROM issued WHERE deposit_id = ? ORDER BY epoch_id DESC LIMIT 1',
  nextLeaf: 'SELECT coalesce(max(merkle_index) + 1, 0) AS value FROM issued WHERE expiration_s = ?',
  issue: `INSERT INTO issued
    (deposit_id, epoch_id, expiration_s, issued_on_s, ticket_type, signature, commitments, leaf, merkle_index)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  leaves: `SELECT deposit_id, merkle_index, leaf FROM issued WHERE expiration_s = ? AND merkle_index >= ?
    ORDER BY merkle_index LIMIT ?`,
  sample: 'SELECT * FROM issued WHERE expiration_s = ? AND deposit_id = ? ORDER BY epoch_id DESC LIMIT 1',
  countsFor:
    'SELECT issued_on_s AS day, count(*) AS count FROM issued WHERE expiration_s = ? GROUP BY issued_on_s ORDER BY 1',
  countsOn:
    'SELECT expiration_s AS day, count(*) AS count FROM issued WHERE issued_on_s = ? GROUP BY expiration_s ORDER BY 1',
  counts: `SELECT issued_on_s AS issuance, expiration_s AS expiration, count(*) AS count FROM issued
    GROUP BY expiration_s, issued_on_s ORDER BY 2, 1 LIMIT ? OFFSET ?`,
  forgetIssued: `DELETE FROM issued WHERE (deposit_id, epoch_id) IN
    (SELECT deposit_id, epoch_id FROM issued WHERE expiration_s < ? LIMIT ?)`,
  ticket: 'SELECT * FROM tickets WHERE serial = ?',
  addTicket: `INSERT OR IGNORE INTO tickets (serial, payment, pay_info, provider, gateway, verified_at_s)
    VALUES (?, ?, ?, ?, ?, ?)`,
  tickets: 'SELECT count(*) AS value FROM tickets',
  forgetTickets: `DELETE FROM tickets WHERE rowid IN (SELECT rowid FROM tickets WHERE verified_at_s < ? LIMIT ?)`,
  redeem: 'UPDATE tickets SET batch = ? WHERE serial = ? AND provider = ? AND batch IS NULL',
  batch: 'SELECT epoch_id, count, signature FROM batches WHERE gateway = ? AND digest = ?',
  addBatch: `INSERT INTO batches (gateway, digest, epoch_id, count, signature, accepted_at_s) VALUES (?, ?, ?, ?, ?, ?)`,
  forgetBatches: `DELETE FROM batches WHERE (gateway, digest) IN
    (SELECT gateway, digest FROM batches WHERE accepted_at_s < ? LIMIT ?)`,
  addDoubleSpender: 'INSERT OR IGNORE INTO double_spenders (public_key, found_at_s) VALUES (?, ?)',
  doubleSpender: 'SELECT 1 AS value FROM double_spenders WHERE public_key = ?',
  doubleSpenders: 'SELECT count(*) AS value FROM double_spenders',
  forgetDoubleSpenders: `DELETE FROM double_spenders WHERE rowid IN
    (SELECT rowid FROM double_spenders ORDER BY rowid LIMIT ?)`,
  list: 'SELECT master_key, signatures FROM lists WHERE epoch_id = ? AND expiration_s = ?',
  addList: 'INSERT OR REPLACE INTO lists (epoch_id, expiration_s, master_key, signatures) VALUES (?, ?, ?, ?)',
  // Coins are under 0, and of the epoch for as long as anybody knows it.
  forgetLists: 'DELETE FROM lists WHERE expiration_s > 0 AND expiration_s < ?',
} as const

export type IssuerStatement = keyof typeof ISSUER_STATEMENTS
