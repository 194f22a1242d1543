/** Tables of tickets: which are spent, what the issuers say of them, and which were redeemed. @module */

/**
 * `tickets.state`: waiting (for the issuers), verified, rejected, lapsed (too few of them answered in time), redeemed. `client`, `payment`
 * and `pay_info` are there while a ticket waits and no longer. `epoch` is a row of credential_epochs, not the number of the epoch: a
 * network that is set up anew counts from the same number.
 */
export const TICKET_SCHEMA = `
  CREATE TABLE IF NOT EXISTS credential_epochs (
    id INTEGER PRIMARY KEY,
    epoch_id INTEGER NOT NULL,
    master_key BLOB NOT NULL,
    document TEXT NOT NULL,
    heard_at_ms INTEGER NOT NULL,
    UNIQUE (epoch_id, master_key)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS tickets (
    id INTEGER PRIMARY KEY,
    serial BLOB NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    day INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    state TEXT NOT NULL,
    client BLOB,
    payment BLOB,
    pay_info BLOB,
    ask_at_ms INTEGER,
    redemption INTEGER
  ) STRICT;
  CREATE INDEX IF NOT EXISTS tickets_waiting ON tickets (ask_at_ms) WHERE state = 'waiting';
  CREATE INDEX IF NOT EXISTS tickets_verified ON tickets (epoch, id) WHERE state = 'verified' AND redemption IS NULL;
  CREATE INDEX IF NOT EXISTS tickets_redeeming ON tickets (redemption, id) WHERE redemption IS NOT NULL;
  CREATE INDEX IF NOT EXISTS tickets_of_client ON tickets (client) WHERE client IS NOT NULL;
  CREATE INDEX IF NOT EXISTS tickets_by_day ON tickets (day);
  CREATE TABLE IF NOT EXISTS ticket_votes (
    ticket INTEGER NOT NULL, issuer INTEGER NOT NULL, opinion TEXT NOT NULL, PRIMARY KEY (ticket, issuer)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS redemptions (
    id INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    digest BLOB NOT NULL,
    tickets INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    day INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS signed_votes (
    redemption INTEGER NOT NULL, issuer INTEGER NOT NULL, epoch_id INTEGER NOT NULL, signature BLOB NOT NULL,
    PRIMARY KEY (redemption, issuer)
  ) STRICT, WITHOUT ROWID;
  -- Of before votes were kept with their signatures: issuers give the same vote again.
  DROP TABLE IF EXISTS redemption_votes;
  CREATE TABLE IF NOT EXISTS ticket_totals (
    outcome TEXT PRIMARY KEY, tickets INTEGER NOT NULL, bytes INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`

export type TicketStatement =
  | 'spent'
  | 'spend'
  | 'due'
  | 'nextDue'
  | 'forgetClient'
  | 'postpone'
  | 'vote'
  | 'votes'
  | 'settle'
  | 'forgetVotes'
  | 'total'
  | 'totals'
  | 'verified'
  | 'openRedemption'
  | 'redeemIn'
  | 'openRedemptions'
  | 'redeeming'
  | 'redemptionVote'
  | 'redemptionVotes'
  | 'closeRedemption'
  | 'redeem'
  | 'forgetVotesOfRedemption'
  | 'forgetRedemptionVotes'
  | 'forgetTickets'
  | 'forgetRedemptions'
  | 'saveEpoch'
  | 'epochs'
  | 'tooManyEpochs'
  | 'forgetEpochs'

export const TICKET_STATEMENTS: Readonly<Record<TicketStatement, string>> = {
  spent: 'SELECT 1 FROM tickets WHERE serial = ?',
  spend: `INSERT INTO tickets (serial, epoch, day, bytes, state, client, payment, pay_info, ask_at_ms)
    VALUES (?, ?, ?, ?, 'waiting', ?, ?, ?, ?) ON CONFLICT (serial) DO NOTHING`,
  due: `SELECT id, epoch, day, bytes, client, payment, pay_info FROM tickets
    WHERE state = 'waiting' AND ask_at_ms <= ? ORDER BY ask_at_ms, id LIMIT ?`,
  nextDue: `SELECT min(ask_at_ms) AS value FROM tickets WHERE state = 'waiting'`,
  forgetClient: 'UPDATE tickets SET client = NULL WHERE client = ?',
  postpone: 'UPDATE tickets SET ask_at_ms = ? WHERE id = ?',
  vote: 'INSERT INTO ticket_votes (ticket, issuer, opinion) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  votes: 'SELECT issuer, opinion FROM ticket_votes WHERE ticket = ?',
  settle: `UPDATE tickets SET state = ?, client = NULL, payment = NULL, pay_info = NULL, ask_at_ms = NULL
    WHERE id = ? AND state = 'waiting'`,
  forgetVotes: 'DELETE FROM ticket_votes WHERE ticket = ?',
  total: `INSERT INTO ticket_totals (outcome, tickets, bytes) VALUES (?, ?, ?)
    ON CONFLICT (outcome) DO UPDATE SET tickets = tickets + excluded.tickets, bytes = bytes + excluded.bytes`,
  totals: 'SELECT outcome, tickets, bytes FROM ticket_totals',
  verified: `SELECT id, serial, day, bytes FROM tickets
    WHERE epoch = ? AND state = 'verified' AND redemption IS NULL ORDER BY id LIMIT ?`,
  openRedemption: 'INSERT INTO redemptions (epoch, digest, tickets, day) VALUES (?, ?, ?, ?) RETURNING id',
  redeemIn: `UPDATE tickets SET redemption = ? WHERE id = ? AND state = 'verified' AND redemption IS NULL`,
  openRedemptions: 'SELECT id, epoch, digest, tickets FROM redemptions WHERE done = 0 ORDER BY id',
  redeeming: 'SELECT id, serial, bytes FROM tickets WHERE redemption = ? ORDER BY id',
  redemptionVote: `INSERT INTO signed_votes (redemption, issuer, epoch_id, signature) VALUES (?, ?, ?, ?)
    ON CONFLICT DO NOTHING`,
  redemptionVotes: 'SELECT issuer, epoch_id, signature FROM signed_votes WHERE redemption = ?',
  closeRedemption: 'UPDATE redemptions SET done = 1 WHERE id = ? AND done = 0',
  redeem: `UPDATE tickets SET state = 'redeemed' WHERE redemption = ? AND state = 'verified'`,
  forgetVotesOfRedemption: `DELETE FROM ticket_votes WHERE ticket IN (SELECT id FROM tickets WHERE redemption = ?)`,
  forgetRedemptionVotes: 'DELETE FROM signed_votes WHERE redemption = ?',
  forgetTickets: `DELETE FROM tickets WHERE id IN
    (SELECT id FROM tickets WHERE day < ? AND state != 'waiting' ORDER BY day LIMIT ?)`,
  forgetRedemptions: 'DELETE FROM redemptions WHERE day < ?',
  saveEpoch: `INSERT INTO credential_epochs (epoch_id, master_key, document, heard_at_ms) VALUES (?, ?, ?, ?)
    ON CONFLICT (epoch_id, master_key) DO UPDATE SET document = excluded.document, heard_at_ms = excluded.heard_at_ms`,
  epochs: 'SELECT id, epoch_id, master_key, document FROM credential_epochs ORDER BY heard_at_ms DESC, id DESC',
  tooManyEpochs: `DELETE FROM credential_epochs WHERE id NOT IN
    (SELECT id FROM credential_epochs ORDER BY heard_at_ms DESC, id DESC LIMIT ?)
    AND id NOT IN (SELECT epoch FROM tickets WHERE state IN ('waiting', 'verified'))`,
  forgetEpochs: `DELETE FROM credential_epochs WHERE heard_at_ms < ?
    AND id NOT IN (SELECT epoch FROM tickets WHERE state IN ('waiting', 'verified'))`,
}
