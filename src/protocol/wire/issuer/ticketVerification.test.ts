import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { fromBase58 } from '../../../foundation/base/base58.ts'
import { fromHex, toHex } from '../../../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../../../foundation/base/errors.ts'
import { loadMclBls } from '../../../foundation/crypto/mclBls.ts'
import { paymentToJson } from '../../credentials/json.ts'
import { decodePayment } from '../../credentials/payment.ts'
import { createScheme } from '../../credentials/scheme.ts'
import {
  decodeRedeemTicketsAnswer,
  decodeVerifyTicketAnswer,
  encodeRedeemTickets,
  encodeVerifyTicket,
  redemptionMessage,
} from './ticketVerification.ts'

interface Recorded {
  readonly payments: readonly { payment: string; pay_info: string; spend_value?: number }[]
}
const { payments } = JSON.parse(
  readFileSync(new URL('../../../../vectors/ecash.json', import.meta.url), 'utf8'),
) as Recorded
const singles = payments.filter(({ payment }) => [2 * 1157, 2 * 1190].includes(payment.length))
const GATEWAY = new Uint8Array(32).fill(3)
const isMalformed = (error: unknown): boolean => isMixnetError(error, 'MALFORMED')
const spent = ({ payment, pay_info }: Recorded['payments'][number]) => ({
  payment: fromHex(payment),
  payInfo: fromHex(pay_info),
  unixDay: 20_454,
  epochId: 4,
})

describe('what a gateway asks an issuer about a ticket', () => {
  it('has the payment in the JSON that the codec of the curve writes', async () => {
    const scheme = createScheme(await loadMclBls())
    assert.ok(singles.length > 0)
    for (const one of singles) {
      const json = JSON.parse(encodeVerifyTicket(spent(one), GATEWAY)) as { credential: Record<string, unknown> }
      assert.deepEqual(json.credential.payment, paymentToJson(scheme, decodePayment(scheme, fromHex(one.payment))))
      assert.deepEqual(json.credential.pay_info, [...fromHex(one.pay_info)])
      assert.deepEqual(json.credential.spend_date, [2026, 1])
      assert.equal(json.credential.epoch_id, 4)
    }
  })

  it('is nothing for what is no payment of one ticket', () => {
    const [one] = singles.map(spent)
    assert.ok(one !== undefined)
    for (const length of [0, 1, 600, one.payment.length - 1]) {
      assert.throws(
        () => encodeVerifyTicket({ ...one, payment: one.payment.subarray(0, length) }, GATEWAY),
        isMalformed,
      )
    }
    const many = payments.find(({ payment }) => payment.length > 2 * 1190)
    if (many !== undefined) assert.throws(() => encodeVerifyTicket(spent(many), GATEWAY), isMalformed)
    fc.assert(
      fc.property(fc.nat(one.payment.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const payment = one.payment.slice()
        payment[at] = (payment[at] as number) ^ by
        const text = tryDecode(() => encodeVerifyTicket({ ...one, payment }, GATEWAY))
        assert.ok(isMalformed(text) || JSON.parse(text as string))
      }),
    )
  })
})

describe('what an issuer answers', () => {
  it('is an opinion, or nothing', () => {
    const opinions = [
      ['{"verified":{"Ok":null}}', 'accepted'],
      ['{"verified":{"Err":"ReplayedTicket"}}', 'replayed'],
      ['{"verified":{"Err":"DoubleSpend"}}', 'double-spend'],
      ['{"verified":{"Err":"InvalidTicket"}}', 'invalid'],
      ['{"verified":{"Err":"MultipleTickets"}}', 'invalid'],
      ['{"verified":{"Err":{"InvalidSpentDate":{"today":"a","yesterday":"b","received":"c"}}}}', 'too-old'],
    ] as const
    for (const [text, opinion] of opinions) assert.equal(decodeVerifyTicketAnswer(text), opinion)
    for (const text of [
      '',
      '{}',
      '{"verified":null}',
      '{"verified":{}}',
      '{"verified":{"Err":"Nothing"}}',
      '{"verified":{"Err":{}}}',
      '{"verified":{"Ok":null,"Err":"DoubleSpend"}}',
      '{"verified":true}',
      `{"verified":{"Ok":null},"x":"${'x'.repeat(5000)}"}`,
    ]) {
      assert.throws(() => decodeVerifyTicketAnswer(text), isMalformed, text)
    }
    assert.equal(decodeRedeemTicketsAnswer('{"proposal_accepted":true}'), true)
    assert.equal(decodeRedeemTicketsAnswer('{"proposal_accepted":false}'), false)
    assert.throws(() => decodeRedeemTicketsAnswer('{"proposal_accepted":1}'), isMalformed)
  })
})

describe('a redemption', () => {
  it('is signed over its digest and its count, and says all that an issuer needs to check it', () => {
    const digest = new Uint8Array(32).fill(1)
    assert.equal(toHex(redemptionMessage(digest, 258).subarray(-36)), `${'01'.repeat(32)}00000102`)
    const serialNumbers = [new Uint8Array(48).fill(5), new Uint8Array(48).fill(6)]
    const request = { serialNumbers, digest, proposalId: 9, gateway: GATEWAY, signature: new Uint8Array(64).fill(7) }
    const json = JSON.parse(encodeRedeemTickets(request)) as Record<string, unknown>
    assert.deepEqual(
      (json.included_serial_numbers as string[]).map((text) => fromBase58(text, 'serial')),
      serialNumbers,
    )
    assert.deepEqual(fromBase58(json.digest as string, 'digest'), digest)
    assert.equal(json.proposal_id, 9)
    assert.deepEqual(fromBase58(json.gateway_cosmos_addr as string, 'gateway'), GATEWAY)
    assert.deepEqual(fromBase58(json.signature as string, 'signature'), request.signature)
  })
})
