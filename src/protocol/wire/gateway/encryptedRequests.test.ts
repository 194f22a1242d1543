import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fromHex, fromUtf8, toHex, utf8 } from '../../../foundation/base/bytes.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { nodeProvider as crypto } from '../../../foundation/crypto/nodeProvider.ts'
import { encodeControlRequest, encodeControlResponse, parseControlRequest, parseControlResponse } from './control.ts'
import {
  openEncryptedRequest,
  openEncryptedResponse,
  sealEncryptedRequest,
  sealEncryptedResponse,
} from './encryptedRequests.ts'

interface Vectors {
  sharedKey: string
  encryptedTexts: { direction: string; plaintext: string; nonce: string; ciphertext: string; text: string }[]
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../../vectors/${name}`, import.meta.url), 'utf8'))
const vectors = read('gateway.json') as Vectors
const key = fromHex(vectors.sharedKey)
const isMalformed = (error: unknown): boolean => isMixnetError(error, 'MALFORMED')

describe('encrypted requests', () => {
  for (const { direction, plaintext, nonce, ciphertext, text } of vectors.encryptedTexts) {
    it(plaintext, () => {
      if (direction === 'request') {
        const control = parseControlRequest(text)
        assert.ok(control.type === 'encryptedRequest')
        assert.equal(toHex(control.ciphertext), ciphertext)
        const request = openEncryptedRequest(crypto, key, control)
        assert.equal(encodeControlRequest(sealEncryptedRequest(crypto, key, request, fromHex(nonce))), text)
      } else {
        const control = parseControlResponse(text)
        assert.ok(control.type === 'encryptedResponse')
        const response = openEncryptedResponse(crypto, key, control)
        assert.equal(encodeControlResponse(sealEncryptedResponse(crypto, key, response, fromHex(nonce))), text)
      }
      assert.equal(
        fromUtf8(crypto.openAesGcmSiv(key, fromHex(nonce), fromHex(ciphertext)) ?? utf8(''), 'text'),
        plaintext,
      )
    })
  }

  it('refuses what is not a request', () => {
    const nonce = new Uint8Array(12)
    for (const text of [
      '{}',
      '{"ForgetMe":{"client":true}}',
      '{"ForgetMe":{"client":true,"stats":true},"RememberMe":{"session_type":"Vpn"}}',
      '{"RememberMe":{"session_type":"vpn"}}',
      '{"UpgradeKey":{"hkdf_salt":[],"derived_key_digest":[]}}',
      '"ForgetMe"',
    ]) {
      const sealed = { nonce, ciphertext: crypto.sealAesGcmSiv(key, nonce, utf8(text)) }
      assert.throws(() => openEncryptedRequest(crypto, key, sealed), isMalformed)
      assert.throws(() => openEncryptedResponse(crypto, key, sealed), isMalformed)
    }
    const damaged = { nonce, ciphertext: new Uint8Array(40) }
    assert.throws(() => openEncryptedRequest(crypto, key, damaged), isMalformed)
    assert.throws(() => openEncryptedRequest(crypto, key, { ...damaged, nonce: new Uint8Array(16) }), isMalformed)
  })
})
