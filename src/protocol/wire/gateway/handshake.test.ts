import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fromHex, toHex } from '../../../foundation/base/bytes.ts'
import { Secret } from '../../../foundation/base/secret.ts'
import { nodeProvider as crypto } from '../../../foundation/crypto/nodeProvider.ts'
import {
  encodeControlResponse,
  encodeHandshakeMessage,
  parseControlRequest,
  parseControlResponse,
  parseHandshakeMessage,
} from './control.ts'
import {
  type GatewayHandshake,
  startClientHandshake,
  startGatewayHandshake,
  stepClientHandshake,
  stepGatewayHandshake,
} from './handshake.ts'

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
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../../vectors/${name}`, import.meta.url), 'utf8'))
const vectors = read('gateway.json') as Vectors
const spec = read('gateway-spec.json') as {
  handshake: Record<string, string>
  legacyKeys: Record<string, string>
}
const clientSeed = fromHex(vectors.clientIdentitySeed)
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
