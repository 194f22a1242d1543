import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { toBase58 } from '../../../foundation/base/base58.ts'
import { fromHex, toHex } from '../../../foundation/base/bytes.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { nodeProvider as crypto } from '../../../foundation/crypto/nodeProvider.ts'
import {
  type AuthenticationRefusal,
  buildAuthentication,
  checkAuthentication,
  checkRegistered,
  signedBytes,
} from './authentication.ts'
import { encodeControlRequest, parseControlRequest } from './control.ts'
import { authenticationRefusalText } from './errorTexts.ts'

interface Authentication {
  protocolVersion: number
  nonce: string
  timestamp: string
  addressCiphertext: string
  signedBytes: string
  signature: string
  text: string
}
interface Text {
  name: string
  text: string
  normalised?: string
  error?: string
  signatureValid?: boolean
  ciphertextValid?: boolean
}
interface Vectors {
  clientIdentitySeed: string
  sharedKey: string
  sharedKeyBase58: string
  authentication: Authentication[]
  authenticationChecks: Text[]
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../../vectors/${name}`, import.meta.url), 'utf8'))
const vectors = read('gateway.json') as Vectors
const spec = read('gateway-spec.json') as {
  handshake: Record<string, string>
  authentication: Record<string, string> & { protocolVersion: number }
}
const key = fromHex(vectors.sharedKey)
const clientSeed = fromHex(vectors.clientIdentitySeed)
const isMalformed = (error: unknown): boolean => isMixnetError(error, 'MALFORMED')
const hex = (text: string | undefined): Uint8Array => fromHex(text ?? '')

describe('authentication vectors', () => {
  it('names the shared key', () => assert.equal(toBase58(key), vectors.sharedKeyBase58))

  for (const vector of vectors.authentication) {
    it(`protocol ${vector.protocolVersion}`, () => {
      const request = buildAuthentication(
        crypto,
        { identitySeed: clientSeed, sharedKey: key },
        {
          protocolVersion: vector.protocolVersion,
          unixSeconds: Number(vector.timestamp),
          nonce: fromHex(vector.nonce),
        },
      )
      assert.equal(toHex(request.addressCiphertext), vector.addressCiphertext)
      assert.equal(toHex(signedBytes(request)), vector.signedBytes)
      assert.equal(toHex(request.requestSignature), vector.signature)
      assert.equal(encodeControlRequest(request), vector.text)
      assert.deepEqual(parseControlRequest(vector.text), request)
      assert.equal(checkAuthentication(crypto, request, Number(vector.timestamp) + 119.5), undefined)
      assert.equal(checkRegistered(crypto, request, { sharedKey: key, lastTimestamp: undefined }), undefined)
    })
  }

  for (const { name, text, error, signatureValid, ciphertextValid } of vectors.authenticationChecks) {
    it(`checks: ${name}`, () => {
      if (error !== undefined) {
        assert.throws(() => parseControlRequest(text), isMalformed)
        return
      }
      const request = parseControlRequest(text)
      assert.ok(request.type === 'authenticateV2')
      const refusal = checkAuthentication(crypto, request, request.requestUnixTimestamp)
      assert.deepEqual(refusal, signatureValid ? undefined : { reason: 'signature' })
      const unregistered = checkRegistered(crypto, request, { sharedKey: key, lastTimestamp: undefined })
      assert.deepEqual(unregistered, ciphertextValid ? undefined : { reason: 'ciphertext' })
    })
  }

  it('reproduces the login of the specification', () => {
    const vector = spec.authentication
    const secrets = { identitySeed: hex(spec.handshake.clientIdentitySeed), sharedKey: hex(spec.handshake.sharedKey) }
    const request = buildAuthentication(crypto, secrets, {
      protocolVersion: vector.protocolVersion,
      unixSeconds: Number(vector.timestamp),
      nonce: hex(vector.nonce),
    })
    assert.equal(toHex(request.addressCiphertext), vector.addressCiphertext)
    assert.equal(toHex(request.requestSignature), vector.signature)
  })

  it('refuses in the official order, with the official words', () => {
    const now = 1_789_754_211
    const secrets = { identitySeed: clientSeed, sharedKey: key }
    const login = { protocolVersion: 6, unixSeconds: now, nonce: new Uint8Array(12) }
    const good = buildAuthentication(crypto, secrets, login)
    const client = { sharedKey: key, lastTimestamp: now - 1 }
    const refusals: [AuthenticationRefusal | undefined, RegExp][] = [
      [checkAuthentication(crypto, { ...good, protocolVersion: 3 }, 0), /^Attempted to negotiate .* reports 3$/],
      [checkAuthentication(crypto, { ...good, protocolVersion: 7 }, 0), /^Attempted to negotiate .* reports 7$/],
      [checkAuthentication(crypto, good, now + 121), /^the provided request timestamp is excessively skewed/],
      [checkAuthentication(crypto, good, now - 121), /^the provided request timestamp is excessively skewed/],
      [
        checkAuthentication(crypto, { ...good, nonce: new Uint8Array(11) }, now),
        /^failed to verify request signature$/,
      ],
      [checkRegistered(crypto, good, undefined), /^the client is not registered$/],
      [checkRegistered(crypto, { ...good, nonce: new Uint8Array(11) }, client), /^the provided nonce/],
      [checkRegistered(crypto, good, { ...client, sharedKey: new Uint8Array(32) }), /address ciphertext$/],
      [checkRegistered(crypto, good, { ...client, lastTimestamp: now }), /is smaller or equal to one previously used$/],
      [
        checkRegistered(crypto, good, { ...client, lastTimestamp: now, lastNonces: [good.nonce] }),
        /is smaller or equal to one previously used$/,
      ],
      [
        checkRegistered(crypto, good, { ...client, lastTimestamp: now + 1, lastNonces: [] }),
        /is smaller or equal to one previously used$/,
      ],
    ]
    for (const [refusal, text] of refusals) {
      assert.ok(refusal !== undefined)
      assert.match(authenticationRefusalText(refusal), text)
    }
    assert.equal(checkAuthentication(crypto, good, now), undefined)
    assert.equal(checkRegistered(crypto, good, client), undefined)
    const sameSecond = { ...client, lastTimestamp: now, lastNonces: [new Uint8Array(12).fill(1)] }
    assert.equal(checkRegistered(crypto, good, sameSecond), undefined)
  })
})
