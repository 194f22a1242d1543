import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { Secret } from '../../../foundation/base/secret.ts'
import { nodeProvider as crypto } from '../../../foundation/crypto/nodeProvider.ts'
import { openBinary, openForward, openPush, sealBinary, sealForward } from './binary.ts'
import { encodeHandshakeMessage, parseControlRequest, parseHandshakeMessage } from './control.ts'
import {
  registeringIdentity,
  startClientHandshake,
  startGatewayHandshake,
  stepClientHandshake,
  stepGatewayHandshake,
} from './handshake.ts'
import { answeredProtocol } from './protocol.ts'
import { decodeTicket, encodeTicket } from './ticket.ts'

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

const version = fc.nat(255)
const anyText = fc.oneof(fc.json(), fc.string({ unit: 'binary', maxLength: 60 }))

describe('gateway bytes', () => {
  const packet = { rotation: 2, nextHop: { ip: '127.0.0.1', port: 1789 }, packet: new Uint8Array(386) } as const

  it('forward frames follow the protocol negotiated', () => {
    const old = openForward(crypto, key, sealForward(crypto, key, packet, 4, nonce))
    assert.deepEqual(old, { kind: 'forward', packet: { ...packet, rotation: 0 } })
    const today = sealForward(crypto, key, packet, 5, nonce)
    assert.equal(today[0], 2)
    assert.deepEqual(openForward(crypto, key, today), { kind: 'forward', packet })
  })

  it('frames give a value or a reason, never an exception', () => {
    const valid = sealForward(crypto, key, packet, 6, nonce)
    const frame = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.tuple(fc.nat(valid.length - 1), fc.nat(255)).map(([at, byte]) => valid.with(at, byte)),
      fc
        .tuple(fc.nat(3), fc.uint8Array({ maxLength: 420 }))
        .map(([kind, inner]) => sealBinary(crypto, key, kind, inner, nonce)),
    )
    fc.assert(
      fc.property(frame, (received) => {
        assert.ok(openForward(crypto, key, received).kind)
        assert.ok(openPush(crypto, key, received).kind)
        openBinary(crypto, key, received)
      }),
      { numRuns: 400 },
    )
  })

  it('tickets give a value or MALFORMED', () => {
    const ticket = {
      payment: new Uint8Array(9),
      payInfo: new Uint8Array(72),
      spendDateJulianDay: 2_461_193,
      epochId: 4n,
    }
    const valid = encodeTicket(ticket)
    const mutatedTicket = fc.tuple(fc.nat(valid.length - 1), fc.nat(255)).map(([at, byte]) => valid.with(at, byte))
    fc.assert(
      fc.property(fc.oneof(mutatedTicket, fc.uint8Array({ maxLength: 120 })), (received) => {
        const decoded = total(() => decodeTicket(received))
        if (decoded) assert.deepEqual(encodeTicket(decoded), received)
      }),
    )
  })
})

describe('handshakes with strangers', () => {
  const seed = (byte: number): Secret => new Secret(new Uint8Array(32).fill(byte))
  const gatewayIdentity = crypto.ed25519PublicKey(seed(2).expose())
  const client = startClientHandshake(crypto, {
    identitySeed: seed(1),
    gatewayIdentity,
    protocolVersion: 6,
    ephemeralSecret: seed(3),
    salt: new Uint8Array(16),
    nonce,
  })
  const first = parseControlRequest(client.send)
  assert.ok(first.type === 'registerHandshakeInitRequest')
  const gatewayOptions = { identitySeed: seed(2), ephemeralSecret: seed(4), nonce }
  const gateway = startGatewayHandshake(crypto, gatewayOptions, first)
  assert.ok(gateway.kind === 'next')
  const payload = (data: Uint8Array, protocolVersion = 6): string =>
    encodeHandshakeMessage({ type: 'handshakePayload', protocolVersion, data })

  it('end in a step, whatever is said', () => {
    const answer = parseHandshakeMessage(gateway.send)
    assert.ok(answer.type === 'handshakePayload')
    const damaged = fc.tuple(fc.nat(123), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => {
      const data = answer.data.slice()
      data[at] = (data[at] ?? 0) ^ flip
      return payload(data)
    })
    fc.assert(
      fc.property(
        fc.oneof(
          damaged,
          anyText,
          fc.uint8Array({ maxLength: 130 }).map((data) => payload(data)),
        ),
        (said) => {
          const steps = [
            stepClientHandshake(crypto, client.state, said),
            stepGatewayHandshake(crypto, gateway.state, said),
          ]
          for (const step of steps) assert.ok(step.kind === 'ignored' || step.kind === 'failed')
        },
      ),
      { numRuns: 300 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 80, maxLength: 80 }), version, (data, protocolVersion) => {
        const started = startGatewayHandshake(crypto, gatewayOptions, { protocolVersion, data })
        const known = registeringIdentity(crypto, { protocolVersion, data }) !== undefined
        assert.equal(started.kind, known ? 'next' : 'failed')
      }),
      { numRuns: 50 },
    )
  })

  it('refuse points that give everybody the key', () => {
    const data = first.data.slice().fill(0, 32, 64)
    const step = startGatewayHandshake(crypto, gatewayOptions, { protocolVersion: 6, data })
    assert.ok(step.kind === 'failed' && step.failure.reason === 'malformed-request')
  })

  it('refuse another gateway, old protocols, future protocols and a missing confirmation', () => {
    const impostor = startGatewayHandshake(crypto, { ...gatewayOptions, identitySeed: seed(9) }, first)
    assert.ok(impostor.kind === 'next')
    const wrong = stepClientHandshake(crypto, client.state, impostor.send)
    assert.ok(wrong.kind === 'failed' && wrong.failure.reason === 'signature')
    for (const protocolVersion of [0, 1, 2]) {
      const refused = startGatewayHandshake(crypto, gatewayOptions, { protocolVersion, data: first.data })
      assert.ok(refused.kind === 'failed' && refused.send.includes('"sent request was malformed"'))
    }
    const answer = parseHandshakeMessage(gateway.send)
    assert.ok(answer.type === 'handshakePayload')
    for (const offered of [2, 7]) {
      const refused = stepClientHandshake(crypto, client.state, payload(answer.data, offered))
      assert.ok(refused.kind === 'failed' && refused.failure.reason === 'unsupported-protocol')
    }
    const proof = stepClientHandshake(crypto, client.state, gateway.send)
    assert.ok(proof.kind === 'next')
    for (const [data, reason] of [
      [Uint8Array.of(0), 'not-confirmed'],
      [new Uint8Array(2), 'malformed-response'],
    ] as const) {
      const refused = stepClientHandshake(crypto, proof.state, payload(data))
      assert.ok(refused.kind === 'failed' && refused.failure.reason === reason)
    }
    const error = encodeHandshakeMessage({ type: 'handshakeError', message: 'x'.repeat(5000) })
    const ended = stepClientHandshake(crypto, proof.state, error)
    assert.ok(ended.kind === 'failed' && ended.send.length < 300)
    assert.equal(stepClientHandshake(crypto, proof.state, '{"type":"send"}').kind, 'ignored')
  })

  it('lifts clients that understand 5 and do not say so, where asked to', () => {
    assert.deepEqual(
      [0, 2, 3, 4, 5, 6, 7].map((proposed) => answeredProtocol(proposed)),
      [0, 2, 3, 4, 5, 6, 6],
    )
    assert.deepEqual(
      [2, 3, 4, 5, 6].map((proposed) => answeredProtocol(proposed, true)),
      [2, 5, 5, 5, 6],
    )
  })

  it('keep their secrets out of JSON', () => {
    assert.ok(!JSON.stringify(client.state).includes('3,3,3'))
    assert.match(JSON.stringify(client.state), /"identitySeed":"\[secret\]"/)
  })
})
