import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fromHex, toHex } from '../../../foundation/base/bytes.ts'
import { nodeProvider as crypto } from '../../../foundation/crypto/nodeProvider.ts'
import { encodeMixPacket } from '../mixPacket.ts'
import { type BinaryRefusalReason, openForward, openPush, PUSHED_KIND, sealBinary, sealPush } from './binary.ts'

interface Vectors {
  sharedKey: string
  binaryFrames: { name: string; direction: string; nonce: string; plaintext: string; frame: string }[]
  binaryRequestParsing: { name: string; frame: string; error?: string; kind?: number }[]
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../../vectors/${name}`, import.meta.url), 'utf8'))
const vectors = read('gateway.json') as Vectors
const spec = read('gateway-spec.json') as {
  handshake: Record<string, string>
  pushedAck: Record<string, string>
}
const key = fromHex(vectors.sharedKey)
const hex = (text: string | undefined): Uint8Array => fromHex(text ?? '')

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
