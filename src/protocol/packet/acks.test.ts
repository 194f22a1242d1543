import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { concat, fromHex, toHex, utf8 } from '../../foundation/base/bytes.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { COVER_FRAGMENT_ID, decodeAck, encodeAck } from './acks.ts'
import { deliver } from './delivery.test.ts'
import { agreePayloadKey, applyPayloadKey } from './endToEnd.ts'
import { formatNodeAddress } from './nodeAddress.ts'
import { delaysOf, recipientOf, routeOf, vectors } from './packetVectors.test.ts'
import { ACK } from './sizes.ts'
import { assertMalformed, RecordedStream } from './support.test.ts'
import { buildSurbAck, splitSurbAck } from './surbAck.ts'

describe('end-to-end encryption', () => {
  for (const [i, vector] of vectors.endToEnd.entries()) {
    it(`vector ${i}, both ways`, () => {
      const key = agreePayloadKey(crypto, fromHex(vector.ephemeralSecret), fromHex(vector.recipientPublic))
      assert.equal(toHex(key), vector.key)
      assert.equal(toHex(crypto.x25519Base(fromHex(vector.ephemeralSecret))), vector.ephemeralPublic)
      assert.deepEqual(agreePayloadKey(crypto, fromHex(vector.recipientSecret), fromHex(vector.ephemeralPublic)), key)
      assert.equal(toHex(applyPayloadKey(crypto, key, fromHex(vector.plaintext))), vector.ciphertext)
      assert.equal(toHex(applyPayloadKey(crypto, key, fromHex(vector.ciphertext))), vector.plaintext)
    })
  }

  it('spec 4.4 D', () => {
    const recipient = crypto.x25519Base(new Uint8Array(32).fill(0x44))
    const key = agreePayloadKey(crypto, new Uint8Array(32).fill(0x33), recipient)
    assert.equal(toHex(key), '0fef404269dcce1f093242d068175d8a')
    const sealed = applyPayloadKey(crypto, key, utf8('The cake is a lie!'))
    assert.equal(toHex(sealed), '70ab79f73f481a9bf1b19be6fa734dbbdddc')
  })
})

describe('acks', () => {
  const ackKey = fromHex('000102030405060708090a0b0c0d0e0f')
  const iv = fromHex('101112131415161718191a1b1c1d1e1f')

  it('spec 4.4 D, both ways', () => {
    const id = { setId: 0x01020304, position: 5 }
    const ack = encodeAck(crypto, ackKey, id, iv)
    assert.equal(toHex(ack), `${toHex(iv)}06fcec70e4`)
    assert.deepEqual(decodeAck(crypto, ackKey, ack), id)
  })

  for (const { bytes, setId, cover, error } of vectors.fragmentIdentifiers) {
    it(`fragment identifier ${bytes}`, () => {
      const ack = concat(iv, crypto.aes128Ctr(ackKey, iv, fromHex(bytes)))
      if (error !== undefined) return assertMalformed(() => decodeAck(crypto, ackKey, ack))
      const position = Number.parseInt(bytes.slice(8), 16)
      assert.deepEqual(decodeAck(crypto, ackKey, ack), cover ? 'cover' : { setId, position })
      assert.deepEqual(encodeAck(crypto, ackKey, { setId, position }, iv), ack)
    })
  }

  it('has one length', () => {
    const ack = encodeAck(crypto, ackKey, COVER_FRAGMENT_ID, iv)
    assert.equal(ack.length, ACK.plaintextBytes)
    assertMalformed(() => decodeAck(crypto, ackKey, ack.subarray(1)))
    assertMalformed(() => decodeAck(crypto, ackKey, concat(ack, Uint8Array.of(0))))
  })

  for (const [i, vector] of vectors.surbAcks.entries()) {
    it(`SURB-ack ${i}: built from the recorded draws, taken apart`, () => {
      const { identity } = recipientOf(vector.owner)
      const key = fromHex(vector.ackKey)
      const id = decodeAck(crypto, key, fromHex(vector.ackContent))
      const random = new RecordedStream(vector.iv, vector.secret, vector.padding)
      const { bytes, totalDelay } = buildSurbAck(crypto, random, {
        identity,
        ackKey: key,
        fragmentId: id === 'cover' ? COVER_FRAGMENT_ID : id,
        route: routeOf(vector.network, vector.route),
        delays: delaysOf(vector.delaysNanos),
        version: vector.sphinxVersion,
      })
      random.assertUsedUp()
      assert.equal(toHex(bytes), vector.bytes)
      assert.equal(String(totalDelay), vector.expectedTotalDelayNanos)
      const { ack, data } = splitSurbAck(concat(bytes, utf8('data')))
      assert.equal(formatNodeAddress(ack.nextHop), vector.firstHop)
      assert.deepEqual(data, utf8('data'))
      const { destination, message } = deliver(vector.network, vector.route, ack.packet)
      assert.equal(toHex(destination), vector.destination)
      assert.equal(toHex(message), vector.ackContent)
    })
  }

  it('a SURB-ack that is cut short or leads nowhere is refused', () => {
    const bytes = fromHex((vectors.surbAcks[0] as { bytes: string }).bytes)
    assertMalformed(() => splitSurbAck(bytes.subarray(0, 404)))
    assertMalformed(() => splitSurbAck(bytes.with(0, 5)))
  })
})
