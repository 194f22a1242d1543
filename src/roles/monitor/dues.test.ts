import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PayingSession, Payment, TicketSource } from '../../client/ticketSource.ts'
import { type ErrorCode, MixnetError } from '../../foundation/base/errors.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { minutes, seconds } from '../../foundation/base/units.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import { ONLY_CREDENTIALS_TEXT } from '../../protocol/wire/gateway/errorTexts.ts'
import { Dues } from './dues.ts'

const key = new Secret(new Uint8Array(32))
const REFUSAL = { type: 'error', message: ONLY_CREDENTIALS_TEXT } as const
const FREE = { type: 'claimFreeTestnetBandwidth' } as const

/** A session that asks for something for nothing, is refused, and has a ticket or none when the test says so. */
function setUp(source?: 'none') {
  const simulation = new Simulation({ seed: 'dues', crypto: nullProvider })
  let inner: PayingSession | undefined
  const tickets: TicketSource = {
    payment(session): Payment {
      inner = session
      let awaitsTicket = false
      return {
        get awaitsTicket() {
          return awaitsTicket
        },
        claim: () => session.send(FREE),
        answered(response) {
          awaitsTicket = response.type === 'error'
          return awaitsTicket
        },
        stop() {},
      }
    },
    sent() {},
  }
  const dues = new Dues(simulation.clock, source === 'none' ? undefined : tickets)
  const failures: string[] = []
  const payment = dues.tickets.payment({
    gateway: new Uint8Array(32),
    send: () => {},
    failed: ({ error }) => failures.push(error.code),
  })
  const fail = (code: ErrorCode) => inner?.failed({ error: new MixnetError(code), kind: 'passing' })
  return { simulation, dues, payment, failures, fail, give: () => inner?.send(FREE) }
}

test('we owe from the refusal until a ticket leaves, and nothing where there is a balance', () => {
  const { dues, payment, give } = setUp()
  assert.equal(dues.outstanding, false)
  payment.claim(key)
  assert.equal(dues.outstanding, false, 'something for nothing was asked')
  payment.answered({ type: 'bandwidth', availableTotal: 5, upgradeMode: false }, key)
  assert.equal(dues.outstanding, false)
  payment.answered(REFUSAL, key)
  assert.equal(dues.outstanding, true)
  give()
  assert.equal(dues.outstanding, false, 'it is the turn of the gateway')
})

test('what buying fails with is our fault until the next attempt, what the gateway does is its own', async () => {
  for (const code of ['DEPOSIT_REFUSED', 'ISSUERS_UNAVAILABLE', 'NO_TICKETS'] as const) {
    const { simulation, dues, payment, failures, fail } = setUp()
    payment.answered(REFUSAL, key)
    fail(code)
    payment.stop()
    assert.deepEqual([dues.outstanding, failures], [true, [code]])
    await simulation.runFor(minutes(3))
    // The gateway itself may have gone meanwhile.
    assert.equal(dues.outstanding, false, code)
  }
  for (const code of ['GATEWAY_REFUSED', 'TIMEOUT'] as const) {
    const { dues, payment, fail } = setUp()
    payment.answered(REFUSAL, key)
    fail(code)
    assert.equal(dues.outstanding, false, code)
  }
})

test('a session that opens owes nothing, and one that ends while it waits neither', () => {
  const { dues, payment, fail } = setUp()
  payment.answered(REFUSAL, key)
  fail('NO_TICKETS')
  dues.settled()
  assert.equal(dues.outstanding, false)
  payment.answered(REFUSAL, key)
  payment.stop()
  assert.equal(dues.outstanding, false)
})

test('without tickets a gateway that wants to be paid refuses, and is not to blame', async () => {
  const { simulation, dues, payment, failures } = setUp('none')
  payment.claim(key)
  assert.equal(dues.outstanding, false, 'something for nothing was asked')
  assert.equal(payment.answered({ type: 'bandwidth', availableTotal: 5, upgradeMode: false }, key), false)
  assert.equal(payment.answered(REFUSAL, key), true)
  payment.stop()
  await simulation.runFor(seconds(20))
  assert.deepEqual([dues.outstanding, failures], [true, ['NO_TICKETS']])
})
