import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { concat, fromHex, toHex } from '../../../foundation/base/bytes.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { nodeProvider as crypto } from '../../../foundation/crypto/nodeProvider.ts'
import { decodeTicket, encodeTicket, julianDay, openTicket, sealTicket } from './ticket.ts'

interface Vectors {
  sharedKey: string
  ticket: {
    plaintext: string
    paymentLength: number
    payInfo: string
    spendDateJulianDay: number
    epochId: string
    nonce: string
    ciphertext: string
  }
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../../vectors/${name}`, import.meta.url), 'utf8'))
const vectors = read('gateway.json') as Vectors
const key = fromHex(vectors.sharedKey)
const isMalformed = (error: unknown): boolean => isMixnetError(error, 'MALFORMED')

describe('tickets', () => {
  it('frames and seals the recorded ticket', () => {
    const { plaintext, paymentLength, payInfo, spendDateJulianDay, epochId, nonce, ciphertext } = vectors.ticket
    const ticket = decodeTicket(fromHex(plaintext))
    assert.equal(ticket.payment.length, paymentLength)
    assert.equal(toHex(ticket.payInfo), payInfo)
    assert.equal(ticket.spendDateJulianDay, spendDateJulianDay)
    assert.equal(ticket.epochId, BigInt(epochId))
    assert.equal(toHex(encodeTicket(ticket)), plaintext)
    const request = sealTicket(crypto, key, ticket, fromHex(nonce))
    assert.equal(toHex(request.encCredential), ciphertext)
    assert.deepEqual(openTicket(crypto, key, request), ticket)
    assert.equal(julianDay(Date.UTC(2026, 5, 1) / 86_400_000), spendDateJulianDay)
  })

  it('refuses other lengths, other keys and days that are no dates', () => {
    const bytes = fromHex(vectors.ticket.plaintext)
    assert.throws(() => decodeTicket(bytes.subarray(1)), isMalformed)
    assert.throws(() => decodeTicket(bytes.subarray(0, -1)), isMalformed)
    assert.throws(() => decodeTicket(concat(bytes, Uint8Array.of(0))), isMalformed)
    const ticket = decodeTicket(bytes)
    assert.throws(() => decodeTicket(encodeTicket({ ...ticket, spendDateJulianDay: 5_373_485 })), isMalformed)
    assert.throws(() => decodeTicket(encodeTicket({ ...ticket, spendDateJulianDay: -1_931_000 })), isMalformed)
    const request = sealTicket(crypto, key, ticket, new Uint8Array(12))
    assert.throws(() => openTicket(crypto, new Uint8Array(32), request), isMalformed)
    assert.throws(() => openTicket(crypto, key, { ...request, nonce: new Uint8Array(16) }), isMalformed)
  })
})
