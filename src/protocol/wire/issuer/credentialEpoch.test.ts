import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { type JsonObject, parseJson } from '../directory/json.ts'
import { type CredentialEpoch, credentialEpochToJson, readCredentialEpoch } from './credentialEpoch.ts'

const read = (json: JsonObject): CredentialEpoch => readCredentialEpoch(parseJson(JSON.stringify(json), 'epoch'))
const issuer = (index: number) => ({
  index,
  key: new Uint8Array(680).fill(index),
  identity: new Uint8Array(32).fill(index + 1),
  url: `http://127.0.0.1:${9000 + index}`,
})
const epoch: CredentialEpoch = {
  epochId: 7,
  threshold: 3,
  issuers: [1, 2, 4, 5, 9].map(issuer),
  priceUnym: 75_000_000,
}

describe('the epoch of the issuers', () => {
  it('comes back as it went', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 30 }), (indices) => {
        const issuers = indices.toSorted((a, b) => a - b).map(issuer)
        const one = { ...epoch, issuers, threshold: Math.floor(issuers.length / 2) + 1 }
        assert.deepEqual(read(credentialEpochToJson(one)), one)
        const withFaucet = { ...one, faucetUrl: 'http://127.0.0.1:9100' }
        assert.deepEqual(read(credentialEpochToJson(withFaucet)), withFaucet)
      }),
    )
  })

  it('is refused where a minority could issue, where indices repeat, and where a key has another length', () => {
    const json = credentialEpochToJson(epoch)
    const malformed = (altered: JsonObject) =>
      assert.throws(
        () => read(altered),
        (error) => isMixnetError(error, 'MALFORMED'),
      )
    malformed({ ...json, threshold: 2 })
    malformed({ ...json, threshold: 6 })
    malformed(credentialEpochToJson({ ...epoch, issuers: [1, 2, 2].map(issuer), threshold: 2 }))
    malformed(credentialEpochToJson({ ...epoch, issuers: [{ ...issuer(1), key: new Uint8Array(679) }], threshold: 1 }))
    malformed(credentialEpochToJson({ ...epoch, issuers: [], threshold: 1 }))
  })
})
