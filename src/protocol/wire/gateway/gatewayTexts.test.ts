import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { nodeProvider as crypto } from '../../../foundation/crypto/nodeProvider.ts'
import {
  type ControlRequest,
  type ControlResponse,
  encodeControlRequest,
  encodeControlResponse,
  encodeHandshakeMessage,
  parseControlRequest,
  parseControlResponse,
  parseHandshakeMessage,
} from './control.ts'
import { openEncryptedRequest, openEncryptedResponse } from './encryptedRequests.ts'
import { OTHER_NUMBER, parseJson, parseJsonObject } from './strictJson.ts'

const key = new Uint8Array(32).fill(7)
const nonce = new Uint8Array(12).fill(9)

/** A value, or MALFORMED, and nothing else. */
function total<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    assert.ok(isMixnetError(error, 'MALFORMED'), String(error))
    return undefined
  }
}

const bytes = fc.uint8Array({ maxLength: 40 })
const version = fc.nat(255)
const balance = fc.integer({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })
const text = fc.string({ unit: 'grapheme', maxLength: 12 })

const plain = { noNullPrototype: true }

const requests: fc.Arbitrary<ControlRequest> = fc.oneof(
  fc.constant({ type: 'supportedProtocol' } as const),
  fc.constant({ type: 'claimFreeTestnetBandwidth' } as const),
  fc.record(
    { type: fc.constant('registerHandshakeInitRequest' as const), protocolVersion: version, data: bytes },
    plain,
  ),
  fc.record(
    {
      type: fc.constant('authenticateV2' as const),
      protocolVersion: version,
      clientIdentity: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      addressCiphertext: bytes,
      nonce: bytes,
      requestUnixTimestamp: fc.maxSafeNat(),
      requestSignature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
    },
    plain,
  ),
  fc.record({ type: fc.constant('ecashCredential' as const), encCredential: bytes, nonce: bytes }, plain),
  fc.record({ type: fc.constant('encryptedRequest' as const), ciphertext: bytes, nonce: bytes }, plain),
  fc.record({ type: fc.constant('upgradeModeJWT' as const), token: text }, plain),
)
const responses: fc.Arbitrary<ControlResponse> = fc.oneof(
  fc.record({ type: fc.constant('supportedProtocol' as const), version }, plain),
  fc.record(
    {
      type: fc.constant('register' as const),
      protocolVersion: version,
      status: fc.boolean(),
      upgradeMode: fc.boolean(),
    },
    plain,
  ),
  fc.record({ type: fc.constant('send' as const), remainingBandwidth: balance, upgradeMode: fc.boolean() }, plain),
  fc.record({ type: fc.constant('bandwidth' as const), availableTotal: balance, upgradeMode: fc.boolean() }, plain),
  fc.record({ type: fc.constant('encryptedResponse' as const), ciphertext: bytes, nonce: bytes }, plain),
  fc.record({ type: fc.constant('error' as const), message: text }, plain),
  fc.record(
    {
      type: fc.constant('typedError' as const),
      error: fc.oneof(
        fc.constant({ kind: 'ticketReplay' as const }),
        fc.record({ kind: fc.constant('outOfBandwidth' as const), required: balance, available: balance }, plain),
      ),
    },
    plain,
  ),
)

/** Texts that are nearly right: a valid one with a piece replaced. */
const pieces = ['"', '{', '}', '[', ']', ',', ':', '1', '-1', '256', '5.0', '1e3', 'null', 'true', '\\ud800', ' ', '']
const mutated = fc
  .tuple(
    fc.oneof(requests.map(encodeControlRequest), responses.map(encodeControlResponse)),
    fc.nat(),
    fc.nat(4),
    fc.constantFrom(...pieces),
  )
  .map(([valid, at, cut, piece]) => {
    const start = at % (valid.length + 1)
    return valid.slice(0, start) + piece + valid.slice(start + cut)
  })
const typed = fc
  .tuple(
    fc.constantFrom('authenticate', 'register', 'typedError', 'ecashCredential', 'handshakePayload', 'error', 'x'),
    fc.dictionary(
      fc.constantFrom('iv', 'nonce', 'data', 'protocol_version', 'status', 'error', 'message'),
      fc.jsonValue(),
    ),
  )
  .map(([type, fields]) => JSON.stringify({ ...fields, type }))
const anyText = fc.oneof(mutated, typed, fc.json(), fc.string({ unit: 'binary', maxLength: 60 }))

describe('gateway texts', () => {
  it('come back as they went out', () => {
    fc.assert(
      fc.property(requests, responses, (request, response) => {
        assert.deepEqual(parseControlRequest(encodeControlRequest(request)), request)
        assert.deepEqual(parseControlResponse(encodeControlResponse(response)), response)
      }),
      { numRuns: 400 },
    )
  })

  it('give a value or MALFORMED, whatever they are', () => {
    fc.assert(
      fc.property(anyText, (anything) => {
        const request = total(() => parseControlRequest(anything))
        if (request) assert.deepEqual(parseControlRequest(encodeControlRequest(request)), request)
        const response = total(() => parseControlResponse(anything))
        if (response) assert.deepEqual(parseControlResponse(encodeControlResponse(response)), response)
        const message = total(() => parseHandshakeMessage(anything))
        if (message) assert.deepEqual(parseHandshakeMessage(encodeHandshakeMessage(message)), message)
      }),
      { numRuns: 2000 },
    )
  })

  it('give a value or MALFORMED inside the encryption', () => {
    const choices = ['ForgetMe', 'RememberMe', 'ForgetMeAck', 'RememberMeAck', 'x']
    const inner = fc
      .tuple(
        fc.constantFrom(...choices),
        fc.dictionary(fc.constantFrom('client', 'stats', 'session_type'), fc.jsonValue()),
      )
      .map(([name, fields]) => JSON.stringify({ [name]: fields }))
    fc.assert(
      fc.property(
        fc.oneof(inner, anyText).map((chosen) => new TextEncoder().encode(chosen)),
        (plaintext) => {
          const sealed = { nonce, ciphertext: crypto.sealAesGcmSiv(key, nonce, plaintext) }
          total(() => openEncryptedRequest(crypto, key, sealed))
          total(() => openEncryptedResponse(crypto, key, sealed))
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('strict JSON', () => {
  it('takes what JSON.parse takes, apart from halves of characters, and nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), mutated, fc.string({ maxLength: 12 })), (anything) => {
        let parses = true
        try {
          JSON.parse(anything)
        } catch {
          parses = false
        }
        if (!anything.isWellFormed() || /\\u[dD]/.test(anything) || /[0-9][eE]?[0-9]{3}/.test(anything)) return
        assert.equal(total(() => parseJson(anything, 'text')) !== undefined, parses)
      }),
      { numRuns: 1500 },
    )
  })

  it('knows integers by how they are written', () => {
    const integers: [string, number][] = [
      ['0', 0],
      ['-5', -5],
      ['68719476736', 68_719_476_736],
      ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ]
    for (const [written, value] of integers) assert.equal(parseJson(written, 'number'), value)
    for (const written of ['9007199254740992', '18446744073709551615']) {
      assert.equal(parseJson(written, 'number'), BigInt(written))
    }
    for (const written of ['-0', '5.0', '1e2', '-9007199254740992', '18446744073709551616', '9'.repeat(200)]) {
      assert.equal(parseJson(written, 'number'), OTHER_NUMBER)
    }
    for (const written of ['01', '+1', '.5', '5.', '1e', '0x1', '1e999', 'NaN', '--1']) {
      assert.equal(
        total(() => parseJson(written, 'number')),
        undefined,
        written,
      )
    }
  })

  it('refuses a repeated field only where it is read', () => {
    const fields = parseJsonObject('{"a":1,"a":2,"b":3}', 'text')
    assert.equal(fields.integer('b'), 3)
    assert.equal(
      total(() => fields.integer('a')),
      undefined,
    )
    assert.equal(parseControlRequest('{"type":"supportedProtocol","x":1,"x":2}').type, 'supportedProtocol')
  })

  it('nests to 127 and no deeper', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
    assert.ok(total(() => parseJson(nested(127), 'text')))
    assert.equal(
      total(() => parseJson(nested(128), 'text')),
      undefined,
    )
    assert.equal(
      total(() => parseJson('['.repeat(1_000_000), 'text')),
      undefined,
    )
  })

  it('wants whole characters and no white space in base64', () => {
    assert.equal(
      total(() => parseControlResponse('{"type":"error","message":"\\ud83d"}')),
      undefined,
    )
    assert.deepEqual(parseControlResponse('{"type":"error","message":"\\ud83d\\udc26"}'), {
      type: 'error',
      message: '🐦',
    })
    const login = encodeControlRequest({
      type: 'authenticateV2',
      protocolVersion: 6,
      clientIdentity: key,
      addressCiphertext: new Uint8Array(4),
      nonce,
      requestUnixTimestamp: 1,
      requestSignature: new Uint8Array(64),
    })
    assert.ok(total(() => parseControlRequest(login)))
    for (const bad of ['AAAA AA==', 'AAAAAA=', 'AAAAAA', 'AAAAAB==', 'AAAA_A==', '\\nAAAAAA==']) {
      assert.equal(
        total(() => parseControlRequest(login.replace('AAAAAA==', bad))),
        undefined,
        bad,
      )
    }
  })
})
