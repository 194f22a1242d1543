import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import { type SpentTicket, TicketLedger } from './ticketLedger.ts'

const CLIENT = new Uint8Array(32).fill(1)

function ledgerOf() {
  const world = new Simulation({ seed: 'ledger', crypto: nullProvider }).host('one', { ips: ['10.0.0.1'] })
  const database = world.databases.open('gateway.sqlite')
  const ledger = new TicketLedger(database)
  return { ledger, write: <T>(run: () => T): T => database.transaction(run) }
}

const ticket = (serial: number, unixDay: number, epochRow = 1): SpentTicket => ({
  serialNumber: new Uint8Array(48).fill(serial),
  epochRow,
  unixDay,
  payment: new Uint8Array(1190),
  payInfo: new Uint8Array(72),
})

describe('the ledger of tickets', () => {
  it('takes a serial number once, and its totals follow commits only', () => {
    const { ledger, write } = ledgerOf()
    assert.equal(
      write(() => ledger.spend(ticket(1, 100), CLIENT, 7, 0)),
      true,
    )
    assert.equal(
      write(() => ledger.spend(ticket(1, 101), CLIENT, 7, 0)),
      false,
    )
    assert.throws(() =>
      write(() => {
        ledger.spend(ticket(2, 100), CLIENT, 7, 0)
        throw new Error('the disk is full')
      }),
    )
    assert.equal(ledger.isSpent(ticket(2, 100).serialNumber), false)
    assert.deepEqual(ledger.totals(), new Map([['accepted', { tickets: 1, bytes: 7 }]]))
  })

  it('knows of a judged ticket no payment and no client, and forgets it after its time', () => {
    const { ledger, write } = ledgerOf()
    for (const [serial, day] of [
      [1, 100],
      [2, 100],
      [3, 120],
    ] as const) {
      write(() => ledger.spend(ticket(serial, day), CLIENT, 7, 0))
    }
    const [one, two] = ledger.due(0, 10)
    assert.ok(one !== undefined && two !== undefined)
    assert.deepEqual(one.client, CLIENT)
    assert.equal(
      write(() => ledger.settle(one, 'verified')),
      true,
    )
    assert.equal(
      write(() => ledger.settle(one, 'rejected')),
      false,
    )
    write(() => ledger.forgetClient(CLIENT))
    assert.deepEqual(
      ledger.due(0, 10).map(({ client }) => client),
      [undefined, undefined],
    )
    write(() => ledger.forget(110, 0, 10))
    // The second still waits for its issuers, the third is young.
    assert.deepEqual(
      [1, 2, 3].map((serial) => ledger.isSpent(ticket(serial, 0).serialNumber)),
      [false, true, true],
    )
  })

  it('remembers sixteen epochs, and those whose tickets are not settled', () => {
    const { ledger, write } = ledgerOf()
    const learn = (epochId: number, heardAt: number) =>
      write(() => ledger.saveEpoch({ epochId, masterKey: new Uint8Array(680).fill(epochId), document: '{}' }, heardAt))
    learn(1, 1)
    const [first] = ledger.epochs()
    write(() => ledger.spend(ticket(1, 100, first?.row), CLIENT, 7, 0))
    for (let epochId = 2; epochId <= 40; epochId++) learn(epochId, epochId)
    assert.deepEqual(
      ledger.epochs().map(({ epochId }) => epochId),
      [...[...Array(16).keys()].map((i) => 40 - i), 1],
    )
    // Heard again, it is the newest, and keeps its row.
    learn(1, 50)
    assert.deepEqual(ledger.epochs()[0]?.row, first?.row)
    assert.equal(ledger.epochs().length, 16)
  })
})
