import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { toBase58 } from '../../../foundation/base/base58.ts'
import { concat, fromHex, fromUtf8, toHex, utf8 } from '../../../foundation/base/bytes.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { Secret } from '../../../foundation/base/secret.ts'
import { nodeProvider as crypto } from '../../../foundation/crypto/nodeProvider.ts'
import { encodeMixPacket } from '../mixPacket.ts'
import {
  type AuthenticationRefusal,
  buildAuthentication,
  checkAuthentication,
  checkRegistered,
  signedBytes,
} from './authentication.ts'
import { type BinaryRefusalReason, openForward, openPush, PUSHED_KIND, sealBinary, sealPush } from './binary.ts'
import {
  encodeControlRequest,
  encodeControlResponse,
  encodeHandshakeMessage,
  parseControlRequest,
  parseControlResponse,
  parseHandshakeMessage,
} from './control.ts'
import {
  openEncryptedRequest,
  openEncryptedResponse,
  sealEncryptedRequest,
  sealEncryptedResponse,
} from './encryptedRequests.ts'
import { authenticationRefusalText } from './errorTexts.ts'
import {
  type GatewayHandshake,
  startClientHandshake,
  startGatewayHandshake,
  stepClientHandshake,
  stepGatewayHandshake,
} from './handshake.ts'
import { decodeTicket, encodeTicket, julianDay, openTicket, sealTicket } from './ticket.ts'

interface Handshake {
  proposed: number
  negotiated: number
  clientEphemeralSecret: string
  salt: string
  gatewayEphemeralSecret: string
  gatewayNonce: string
  clientNonce: string
  dh: string
  sharedKey: string
  sharedKeyDigest: string
  steps: { from: string; data: string; text: string }[]
  registerResponse: string
}
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
  clientIdentity: string
  gatewayIdentitySeed: string
  gatewayIdentity: string
  handshakes: Handshake[]
  handshakesRefused: { name: string; step1?: string; answer: string }[]
  handshakeTexts: Text[]
  sharedKey: string
  sharedKeyBase58: string
  authentication: Authentication[]
  authenticationChecks: Text[]
  binaryFrames: { name: string; direction: string; nonce: string; plaintext: string; frame: string }[]
  binaryRequestParsing: { name: string; frame: string; error?: string; kind?: number }[]
  encryptedTexts: { direction: string; plaintext: string; nonce: string; ciphertext: string; text: string }[]
  controlRequests: Text[]
  controlRequestParsing: Text[]
  controlResponses: Text[]
  controlResponseParsing: Text[]
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
const spec = read('gateway-spec.json') as {
  handshake: Record<string, string>
  legacyKeys: Record<string, string>
  authentication: Record<string, string> & { protocolVersion: number }
  pushedAck: Record<string, string>
}

const key = fromHex(vectors.sharedKey)
const clientSeed = fromHex(vectors.clientIdentitySeed)
const isMalformed = (error: unknown): boolean => isMixnetError(error, 'MALFORMED')
const secret = (hex: string | undefined): Secret => new Secret(fromHex(hex ?? ''))
const hex = (text: string | undefined): Uint8Array => fromHex(text ?? '')

/** Both sides up to the gateway's answer, with the recorded draws. */
function begin(vector: Handshake): {
  client: ReturnType<typeof startClientHandshake>
  gateway: GatewayHandshake
  answer: string
} {
  const client = startClientHandshake(crypto, {
    identitySeed: new Secret(clientSeed),
    gatewayIdentity: fromHex(vectors.gatewayIdentity),
    protocolVersion: vector.proposed,
    ephemeralSecret: secret(vector.clientEphemeralSecret),
    salt: fromHex(vector.salt),
    nonce: fromHex(vector.clientNonce),
  })
  const request = parseControlRequest(client.send)
  assert.ok(request.type === 'registerHandshakeInitRequest')
  const step = startGatewayHandshake(crypto, gatewayOptions(vector), request)
  assert.ok(step.kind === 'next')
  return { client, gateway: step.state, answer: step.send }
}

const gatewayOptions = (vector: Handshake): Parameters<typeof startGatewayHandshake>[1] => ({
  identitySeed: secret(vectors.gatewayIdentitySeed),
  ephemeralSecret: secret(vector.gatewayEphemeralSecret),
  nonce: fromHex(vector.gatewayNonce),
})

describe('registration handshakes', () => {
  for (const vector of vectors.handshakes) {
    it(`proposal ${vector.proposed}`, () => {
      const texts = vector.steps.map(({ text }) => text)
      const { client, gateway, answer } = begin(vector)
      assert.equal(client.send, texts[0])
      assert.equal(answer, texts[1])
      const proof = stepClientHandshake(crypto, client.state, answer)
      assert.ok(proof.kind === 'next')
      assert.equal(proof.send, texts[2])
      const registered = stepGatewayHandshake(crypto, gateway, proof.send)
      assert.ok(registered.kind === 'done')
      assert.equal(registered.send, texts[3])
      const confirmed = stepClientHandshake(crypto, proof.state, registered.send ?? '')
      assert.ok(confirmed.kind === 'done')
      assert.equal(confirmed.send, undefined)
      for (const side of [registered, confirmed]) {
        assert.equal(toHex(side.sharedKey.expose()), vector.sharedKey)
        assert.equal(side.protocolVersion, vector.negotiated)
        assert.equal(toHex(crypto.blake3(side.sharedKey.expose())), vector.sharedKeyDigest)
      }
      assert.equal(toHex(registered.remoteIdentity), vectors.clientIdentity)
      assert.equal(toHex(confirmed.remoteIdentity), vectors.gatewayIdentity)
      for (const { data, text } of vector.steps) {
        const message = parseHandshakeMessage(text)
        assert.ok(message.type === 'handshakePayload')
        assert.equal(toHex(message.data), data)
      }
      const { negotiated: protocolVersion, registerResponse } = vector
      const response = { type: 'register', protocolVersion, status: true, upgradeMode: false } as const
      assert.equal(encodeControlResponse(response), registerResponse)
      assert.deepEqual(parseControlResponse(registerResponse), response)
    })
  }

  const [first] = vectors.handshakes
  assert.ok(first)
  for (const { name, step1, answer } of vectors.handshakesRefused) {
    it(`refuses ${name}`, () => {
      if (step1 !== undefined) {
        const refused = startGatewayHandshake(crypto, gatewayOptions(first), {
          protocolVersion: 6,
          data: fromHex(step1),
        })
        assert.ok(refused.kind === 'failed')
        assert.equal(refused.send, answer)
        return
      }
      const proof = fromHex(first.steps[2]?.data ?? '')
      const at = /byte (\d+)/.exec(name)?.[1]
      const damaged = at === undefined ? proof.subarray(1) : proof.with(Number(at), (proof[Number(at)] ?? 0) ^ 1)
      const text = encodeHandshakeMessage({ type: 'handshakePayload', protocolVersion: 6, data: damaged })
      const refused = stepGatewayHandshake(crypto, begin(first).gateway, text)
      assert.ok(refused.kind === 'failed')
      assert.equal(refused.send, answer)
    })
  }

  it('writes and reads the handshake texts', () => {
    const [payload, error] = vectors.handshakeTexts.map(({ text }) => text)
    const wanted = [
      { type: 'handshakePayload', protocolVersion: 6, data: Uint8Array.of(0, 1, 255) },
      { type: 'handshakeError', message: 'timed out' },
    ] as const
    assert.deepEqual([encodeHandshakeMessage(wanted[0]), encodeHandshakeMessage(wanted[1])], [payload, error])
    assert.deepEqual([parseHandshakeMessage(payload ?? ''), parseHandshakeMessage(error ?? '')], wanted)
  })

  it('reproduces the handshake of the specification', () => {
    const vector = spec.handshake
    const dh = crypto.x25519(hex(vector.clientEphemeralSecret), hex(vector.gatewayEphemeralKey))
    assert.equal(toHex(dh), vector.dh)
    assert.equal(toHex(crypto.ed25519PublicKey(hex(vector.clientIdentitySeed))), vector.clientIdentity)
    const client = startClientHandshake(crypto, {
      identitySeed: secret(vector.clientIdentitySeed),
      gatewayIdentity: hex(vector.gatewayIdentity),
      protocolVersion: 4,
      ephemeralSecret: secret(vector.clientEphemeralSecret),
      salt: hex(vector.salt),
      nonce: hex(vector.clientNonce),
    })
    const step1 = parseHandshakeMessage(client.send)
    assert.ok(step1.type === 'handshakePayload')
    assert.equal(toHex(step1.data), `${vector.clientIdentity}${vector.clientEphemeralKey}${vector.salt}`)
    const step2 = startGatewayHandshake(
      crypto,
      {
        identitySeed: secret(vector.gatewayIdentitySeed),
        ephemeralSecret: secret(vector.gatewayEphemeralSecret),
        nonce: hex(vector.gatewayNonce),
      },
      step1,
    )
    assert.ok(step2.kind === 'next')
    const payload = (data: string | undefined): string =>
      encodeHandshakeMessage({ type: 'handshakePayload', protocolVersion: 4, data: hex(data) })
    assert.equal(step2.send, payload(vector.step2))
    const step3 = stepClientHandshake(crypto, client.state, step2.send)
    assert.ok(step3.kind === 'next')
    assert.equal(step3.send, payload(vector.step3))
    const done = stepGatewayHandshake(crypto, step2.state, step3.send)
    assert.ok(done.kind === 'done')
    assert.equal(toHex(done.sharedKey.expose()), vector.sharedKey)
    const { okm, upgradeSalt, upgradedKey, upgradedKeyDigest } = spec.legacyKeys
    assert.equal(toHex(crypto.hkdfBlake3(dh, new Uint8Array(0), 32)), okm)
    assert.equal(toHex(crypto.hkdfBlake3(hex(okm), hex(upgradeSalt), 32)), upgradedKey)
    assert.equal(toHex(crypto.blake3(hex(upgradedKey))), upgradedKeyDigest)
  })
})

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
    ]
    for (const [refusal, text] of refusals) {
      assert.ok(refusal !== undefined)
      assert.match(authenticationRefusalText(refusal), text)
    }
    assert.equal(checkAuthentication(crypto, good, now), undefined)
    assert.equal(checkRegistered(crypto, good, client), undefined)
  })
})

describe('binary frames', () => {
  for (const { name, direction, nonce, plaintext, frame } of vectors.binaryFrames) {
    it(name, () => {
      const kind = fromHex(frame)[0] ?? 0
      assert.equal(toHex(sealBinary(crypto, key, kind, fromHex(plaintext), fromHex(nonce))), frame)
      if (direction === 'response') {
        const opened = openPush(crypto, key, fromHex(frame))
        assert.ok(opened.kind === 'pushed')
        assert.equal(toHex(opened.message), plaintext)
        return
      }
      const opened = openForward(crypto, key, fromHex(frame))
      assert.ok(opened.kind === 'forward' && (kind === 1 || kind === 2))
      assert.equal(toHex(encodeMixPacket(opened.packet, kind)), plaintext)
    })
  }

  const reasons: Record<string, BinaryRefusalReason> = {
    'the request is too short': 'too-short',
    'failed to either encrypt or decrypt provided message': 'cipher',
    'the encryption flag had an unexpected value': 'flag',
    'received request with an unknown kind: 0': 'unknown-kind',
    'received request with an unknown kind: 3': 'unknown-kind',
    'failed to serialise created sphinx packet: address field was incorrectly encoded': 'mix-packet',
  }
  for (const { name, frame, error } of vectors.binaryRequestParsing) {
    it(`refuses: ${name}`, () => {
      // The one frame without error is the unencrypted one, which the official gateway takes and we do not.
      const reason = error === undefined ? 'unencrypted' : reasons[error]
      assert.deepEqual(openForward(crypto, key, fromHex(frame)), { kind: 'refused', reason })
    })
  }

  it('reproduces the push of the specification', () => {
    const { nonce, plaintext, frame } = spec.pushedAck
    const sharedKey = hex(spec.handshake.sharedKey)
    assert.equal(toHex(sealPush(crypto, sharedKey, hex(plaintext), hex(nonce))), frame)
    assert.equal(hex(frame)[0], PUSHED_KIND)
    assert.deepEqual(openPush(crypto, sharedKey, hex(frame)), { kind: 'pushed', message: hex(plaintext) })
    assert.deepEqual(openPush(crypto, sharedKey, hex(frame).with(0, 2)), { kind: 'refused', reason: 'unknown-kind' })
  })
})

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

describe('control texts', () => {
  for (const { name, text } of vectors.controlRequests) {
    it(`request ${name}`, () => assert.equal(encodeControlRequest(parseControlRequest(text)), text))
  }
  for (const { name, text, normalised, error } of vectors.controlRequestParsing) {
    it(`request: ${name}`, () => {
      if (error !== undefined) assert.throws(() => parseControlRequest(text), isMalformed)
      else assert.equal(encodeControlRequest(parseControlRequest(text)), normalised)
    })
  }
  for (const { name, text } of vectors.controlResponses) {
    it(`response ${name}`, () => assert.equal(encodeControlResponse(parseControlResponse(text)), text))
  }
  for (const { name, text, normalised, error } of vectors.controlResponseParsing) {
    it(`response: ${name}`, () => {
      if (error !== undefined) assert.throws(() => parseControlResponse(text), isMalformed)
      else assert.equal(encodeControlResponse(parseControlResponse(text)), normalised)
    })
  }
})

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
