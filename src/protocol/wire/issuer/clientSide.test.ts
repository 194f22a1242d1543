/** What clients write to issuers and read from them, against what the official crate wrote. @module */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fromHex, toHex } from '../../../foundation/base/bytes.ts'
import { nodeProvider } from '../../../foundation/crypto/nodeProvider.ts'
import { decodeBlindedSignature, encodeBlindSign, signForDeposit } from './blindSign.ts'

const vectors = JSON.parse(readFileSync(new URL('../../../../vectors/ecash.json', import.meta.url), 'utf8'))

describe('a request for a book, as clients send it', () => {
  const request = fromHex(vectors.withdrawal.request)
  const order = {
    request,
    depositId: 258,
    publicKey: new Uint8Array(48).fill(5),
    expiration: 1_780_531_200,
    ticketType: 0,
  }

  it('is the JSON of the official crate, signed over its bytes and the deposit id', () => {
    const seed = new Uint8Array(32).fill(9)
    const signed = signForDeposit(nodeProvider, seed, order)
    const message = Buffer.concat([request, Buffer.from([0, 0, 1, 2])])
    assert.ok(nodeProvider.ed25519Verify(nodeProvider.ed25519PublicKey(seed), message, signed.signature))
    const json = encodeBlindSign(signed)
    assert.deepEqual(json.inner_sign_request, vectors.withdrawal.request_json)
    assert.deepEqual(
      { ...json, inner_sign_request: undefined },
      {
        inner_sign_request: undefined,
        deposit_id: 258,
        signature: [...signed.signature],
        ecash_pubkey: { pk: '05'.repeat(48) },
        expiration_date: '2026-06-04',
        ticketbook_type: 'v1-mixnet-entry',
      },
    )
  })

  it('is answered with a signature in the form of the official crate', () => {
    for (const { blinded_signature: bytes, blinded_signature_json: json } of vectors.issuance) {
      assert.equal(toHex(decodeBlindedSignature(JSON.stringify({ blinded_signature: json }))), bytes)
    }
  })
})
