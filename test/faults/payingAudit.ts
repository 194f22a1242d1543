/** What must agree in a network that is paid for, to the unit, once everything is up again and nothing is under way. @module */
import assert from 'node:assert/strict'
import { toHex } from '../../src/foundation/base/bytes.ts'
import type { Database, Row } from '../../src/foundation/platform/database.ts'
import { TICKETS_PER_BOOK } from '../../src/protocol/credentials/constants.ts'
import type { PayingClient } from './payingClient.ts'
import { GATEWAYS, ISSUERS, PACKET_BYTES, type PayingNetwork, THRESHOLD, TICKET_BYTES } from './payingNetwork.ts'

export interface Totals {
  readonly accepted: number
  readonly redeemed: number
  readonly lost: number
  readonly books: number
}

interface GatewayBooks {
  /** States of tickets by serial number. */
  readonly tickets: ReadonlyMap<string, string>
  /** By the client's identity. */
  readonly balances: ReadonlyMap<string, number>
}

const rows = (database: Database, query: string): readonly Row[] => database.prepare(query).all()
const hex = (value: unknown): string => toHex(value as Uint8Array)
const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0)

/** Throws where something does not agree. */
export async function audit(network: PayingNetwork, clients: readonly PayingClient[]): Promise<Totals> {
  const gateways = GATEWAYS.map((name) => gatewayBooks(network, name))
  const serials = gateways.flatMap(({ tickets }) => [...tickets.keys()])
  assert.equal(new Set(serials).size, serials.length, 'a ticket was taken twice')
  const accepted = new Set(serials)
  const makers = new Map(
    clients.flatMap((client) => [...client.made.keys()].map((serial) => [serial, client] as const)),
  )
  assert.deepEqual(
    serials.filter((serial) => !makers.has(serial)),
    [],
    'tickets that nobody made',
  )
  const issuers = checkIssuers(network, accepted)
  for (const { tickets } of gateways) {
    for (const [serial, state] of tickets) {
      if (state !== 'redeemed') continue
      assert.ok(issuers.filter(({ redeemed }) => redeemed.has(serial)).length >= THRESHOLD, 'redeemed by too few')
    }
  }
  let [lost, books] = [0, 0]
  for (const client of clients) {
    const disk = await network.complete(client.onDisk())
    books += disk.books
    lost += checkTickets(client, disk, accepted)
    checkBytes(network, client, accepted, gateways)
    assert.equal(disk.purchases, 0, `${client.name} did not finish a purchase`)
  }
  checkBooks(network, books, issuers)
  const redeemed = sum(gateways.map(({ tickets }) => [...tickets.values()].filter((one) => one === 'redeemed').length))
  return { accepted: serials.length, redeemed, lost, books }
}

function gatewayBooks(network: PayingNetwork, name: string): GatewayBooks {
  const database = network.gatewayDatabase(name)
  const tickets = new Map<string, string>()
  for (const { serial, bytes, state } of rows(database, 'SELECT serial, bytes, state FROM tickets')) {
    assert.equal(Number(bytes), TICKET_BYTES)
    tickets.set(hex(serial), String(state))
  }
  const totals = new Map(rows(database, 'SELECT * FROM ticket_totals').map((row) => [String(row.outcome), row]))
  const total = (outcome: string): number => {
    const { tickets: count = 0, bytes = 0 } = totals.get(outcome) ?? {}
    assert.equal(Number(bytes), Number(count) * TICKET_BYTES, `bytes of ${outcome}`)
    return Number(count)
  }
  const inState = (state: string): number => [...tickets.values()].filter((one) => one === state).length
  assert.equal(total('accepted'), tickets.size)
  assert.equal(total('rejected') + total('lapsed'), 0, 'penalties')
  assert.equal(total('verified'), inState('verified') + inState('redeemed'))
  assert.equal(total('redeemed'), inState('redeemed'))
  assert.equal(inState('waiting') + inState('verified') + inState('redeemed'), tickets.size)
  assert.equal(inState('waiting'), 0, 'the issuers are up, and were asked')
  const clients = rows(database, 'SELECT identity, balance_bytes FROM clients')
  return { tickets, balances: new Map(clients.map((row) => [hex(row.identity), Number(row.balance_bytes)])) }
}

interface IssuerBooks {
  readonly deposits: ReadonlySet<number>
  readonly redeemed: ReadonlySet<string>
}

function checkIssuers(network: PayingNetwork, accepted: ReadonlySet<string>): readonly IssuerBooks[] {
  return Array.from({ length: ISSUERS }, (_, position) => {
    const database = network.issuerDatabase(position)
    assert.deepEqual(rows(database, 'SELECT * FROM double_spenders'), [])
    const redeemed = new Set<string>()
    for (const { serial, batch } of rows(database, 'SELECT serial, batch FROM tickets')) {
      assert.ok(accepted.has(hex(serial)), 'an issuer saw a ticket that no gateway took')
      if (batch !== null) redeemed.add(hex(serial))
    }
    const issued = rows(database, 'SELECT deposit_id FROM issued').map((row) => Number(row.deposit_id))
    assert.equal(new Set(issued).size, issued.length, 'two books for one deposit')
    return { deposits: new Set(issued), redeemed }
  })
}

/** Returns how many tickets were struck off and taken by nobody. */
function checkTickets(
  client: PayingClient,
  { books, left, spent }: Awaited<ReturnType<PayingClient['onDisk']>>,
  accepted: ReadonlySet<string>,
): number {
  const { name, made, crashes, plan } = client
  const given = books * TICKETS_PER_BOOK - left - spent
  const { gives = 0 } = plan
  if (gives === 0) assert.equal(given, 0, `${name}: tickets that are neither here nor spent`)
  else assert.ok(given % gives === 0 && given <= books * gives, `${name}: ${given} of ${books} books given away`)
  // What was struck off and not made fell to a crash in between.
  const unmade = spent - made.size
  assert.ok(unmade >= 0 && unmade <= crashes, `${name}: ${unmade} struck off and never made, ${crashes} crashes`)
  const bySession = new Map<number, number>()
  for (const [serial, session] of made) {
    if (!accepted.has(serial)) bySession.set(session, (bySession.get(session) ?? 0) + 1)
  }
  for (const [session, count] of bySession) {
    assert.ok(count <= 1, `${name} lost ${count} tickets in one session`)
    assert.ok(session < client.sessions, `${name} lost a ticket in a session that lives`)
  }
  return bySession.size + unmade
}

/** Nobody sent what it did not pay for, and nobody paid for what it did not send. */
function checkBytes(
  network: PayingNetwork,
  client: PayingClient,
  accepted: ReadonlySet<string>,
  gateways: readonly GatewayBooks[],
): void {
  const { name, plan } = client
  const identity = toHex(network.worldOf(name).crypto.ed25519PublicKey(client.identitySeed.expose()))
  const granted = [...client.made.keys()].filter((serial) => accepted.has(serial)).length * TICKET_BYTES
  const balances = gateways.map(({ balances: of }) => of.get(identity) ?? 0)
  assert.ok(
    balances.every((balance) => balance >= 0),
    `${name}: below zero`,
  )
  const used = granted - sum(balances)
  assert.ok(used >= 0, `${name}: more left than was granted`)
  if (plan.marked === false) return
  const entered = (network.entered.get(plan.number) ?? 0) * PACKET_BYTES
  // A gateway writes balances down within a second, and what a crash of it gave back is not paid for again.
  const perCrash = Math.ceil(2000 / plan.every + 1) * PACKET_BYTES
  assert.ok(entered <= used + client.sessions * perCrash, `${name}: ${entered} bytes for ${used}`)
  if (granted === 0) assert.equal(entered, 0, `${name} sent without a ticket`)
  assert.ok(used <= client.sent * PACKET_BYTES, `${name} was charged ${used} bytes for ${client.sent} packets`)
}

function checkBooks(network: PayingNetwork, books: number, issuers: readonly IssuerBooks[]): void {
  const deposits = rows(network.faucetDatabase(), 'SELECT id FROM deposits').map((row) => Number(row.id))
  assert.equal(books, deposits.length, 'books and deposits')
  const known = new Set(deposits)
  for (const { deposits: signed } of issuers) for (const id of signed) assert.ok(known.has(id), 'issued for nothing')
  for (const id of deposits) {
    assert.ok(issuers.filter(({ deposits: signed }) => signed.has(id)).length >= THRESHOLD, 'a book of too few issuers')
  }
}
