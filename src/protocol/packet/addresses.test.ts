import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { fromHex, toHex } from '../../foundation/base/bytes.ts'
import { formatIp } from '../../foundation/base/ipAddress.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { rotationFirstEpoch, rotationFlag, rotationId } from './keyRotation.ts'
import { decodeNodeAddress, encodeNodeAddress, formatNodeAddress, parseNodeAddress } from './nodeAddress.ts'
import { vectors } from './packetVectors.test.ts'
import { decodeRecipient, encodeRecipient, formatRecipient, parseRecipient, sphinxDestination } from './recipient.ts'
import {
  ACK,
  EXTENDED_8,
  EXTENDED_16,
  EXTENDED_32,
  fragmentBytes,
  packetSizeByTag,
  packetSizeByTotal,
  REGULAR,
  SURB_ACK_BYTES,
} from './sizes.ts'
import { assertMalformed } from './support.test.ts'

describe('node addresses', () => {
  for (const { address, bytes, padded19, padded32 } of vectors.nodeAddresses) {
    it(`${address}, both ways`, () => {
      const parsed = parseNodeAddress(address)
      assert.equal(formatNodeAddress(parsed), address)
      assert.equal(toHex(encodeNodeAddress(parsed)), bytes)
      assert.equal(toHex(encodeNodeAddress(parsed, 19)), padded19)
      assert.equal(toHex(encodeNodeAddress(parsed, 32)), padded32)
      for (const form of [bytes, padded19, padded32]) {
        assert.deepEqual(decodeNodeAddress(fromHex(form)), { address: parsed, length: bytes.length / 2 })
      }
    })
  }

  for (const { bytes, address } of vectors.nodeAddressParsing) {
    it(`parses ${bytes || 'nothing'} as the official crate`, () => {
      if (address === undefined) assertMalformed(() => decodeNodeAddress(fromHex(bytes)))
      else assert.equal(formatNodeAddress(decodeNodeAddress(fromHex(bytes)).address), address)
    })
  }

  it('spec 4.4 D: [::1]:1789', () => {
    assert.equal(toHex(encodeNodeAddress({ ip: '::1', port: 1789 })), `0606fd${'00'.repeat(15)}01`)
  })

  it('refuses text that is no address', () => {
    for (const text of [
      '',
      '10.0.0.1',
      '10.0.0.1:',
      '10.0.0.1:65536',
      '::1:80',
      '[10.0.0.1]:80',
      '[::1]80',
      'node:80',
    ]) {
      assertMalformed(() => parseNodeAddress(text))
    }
    assertMalformed(() => encodeNodeAddress({ ip: 'localhost', port: 80 }))
    assertMalformed(() => encodeNodeAddress({ ip: '10.0.0.1', port: -1 }))
  })

  it('any IP address and port survive bytes and text', () => {
    const octets = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    )
    fc.assert(
      fc.property(octets, fc.nat({ max: 65_535 }), (ip, port) => {
        const address = { ip: formatIp(ip), port }
        assert.deepEqual(decodeNodeAddress(encodeNodeAddress(address, 32)).address, address)
        assert.deepEqual(parseNodeAddress(formatNodeAddress(address)), address)
      }),
    )
  })
})

describe('recipients', () => {
  for (const { text, bytes, identity, encryptionKey, gateway, sphinxIdentifier } of vectors.recipients) {
    it(`${text.slice(0, 8)}…, text and bytes both ways`, () => {
      const recipient = parseRecipient(crypto, text)
      assert.equal(toHex(recipient.identity), identity)
      assert.equal(toHex(recipient.encryptionKey), encryptionKey)
      assert.equal(toHex(recipient.gateway), gateway)
      assert.equal(formatRecipient(recipient), text)
      assert.equal(toHex(encodeRecipient(recipient)), bytes)
      assert.deepEqual(decodeRecipient(crypto, fromHex(bytes)), recipient)
      assert.equal(toHex(sphinxDestination(recipient.identity).identifier), sphinxIdentifier)
    })
  }

  for (const { name, text } of vectors.recipientsRefused) {
    it(`refuses: ${name}`, () => assertMalformed(() => parseRecipient(crypto, text)))
  }

  it('spec 4.3', () => {
    const bytes =
      '4305849203ec7459fe39839f45b537d00c6c88533a4cabc31f625c4044359cb864bd4903ee679c6c7cc72a4fac6251b1b664a7a44ab7c7d5a2ad66701e9f94422c4be6b68a72aaa3d152cc64765b3996d49397879410d5dfb6a4f225284989e4'
    const text =
      '5WdCMZXZBkGsXwPqzxwJqf9sSzyRLt3xmhuGDBaXiQh5.7nFB8HqKM9jxExRkfhUoLb6oo2LSCDDesP5uuXH5iWY1@3yv4qTKVxC5Vqgtshzkcm8nT1q9zeETnj3RMDiaREeB5'
    assert.equal(formatRecipient(decodeRecipient(crypto, fromHex(bytes))), text)
    assert.equal(toHex(encodeRecipient(parseRecipient(crypto, text))), bytes)
  })

  it('refuses a gateway that is no point, and any other length', () => {
    const bytes = fromHex((vectors.recipients[0] as { bytes: string }).bytes)
    const noPoint = fromHex('0200000000000000000000000000000000000000000000000000000000000000')
    assert.equal(crypto.isEd25519Point(noPoint), false)
    const changed = bytes.slice()
    changed.set(noPoint, 64)
    assertMalformed(() => decodeRecipient(crypto, changed))
    assertMalformed(() => decodeRecipient(crypto, bytes.subarray(1)))
    assertMalformed(() => decodeRecipient(crypto, new Uint8Array([...bytes, 0])))
  })
})

describe('key rotation', () => {
  for (const { rotationId: id, flag } of vectors.rotationFlags) {
    it(`rotation ${id} has flag ${flag}`, () => assert.equal(rotationFlag(id), flag))
  }

  it('spec 4.3: ids of epochs', () => {
    const cases: [validity: number, initial: number, epochs: number[], id: number][] = [
      [24, 0, [0, 23], 0],
      [24, 0, [24, 47], 1],
      [24, 0, [48], 2],
      [12, 0, [0, 11], 0],
      [12, 0, [12, 23], 1],
      [12, 0, [24], 2],
      [24, 10_000, [123, 10_000, 10_001, 10_023], 0],
      [24, 10_000, [10_024, 10_047], 1],
      [24, 10_000, [10_048, 10_060], 2],
      [10, 80, [100], 2],
      [10, 80, [110], 3],
    ]
    for (const [validity, initial, epochs, id] of cases) {
      for (const epoch of epochs) assert.equal(rotationId(epoch, initial, validity), id)
    }
    assert.deepEqual(
      [0, 1, 2].map((id) => rotationFirstEpoch(id, 10_000, 24)),
      [10_000, 10_024, 10_048],
    )
  })
})

describe('packet sizes', () => {
  for (const { name, tag, total, payload, plaintext } of vectors.packetSizes) {
    it(name, () => {
      const size = packetSizeByTag(tag)
      assert.deepEqual(size, { name, tag, totalBytes: total, payloadBytes: payload, plaintextBytes: plaintext })
      assert.equal(packetSizeByTotal(total), size)
    })
  }

  it('knows no others', () => {
    for (const tag of [0, 6, 7, 255]) assert.equal(packetSizeByTag(tag), undefined)
    for (const total of [0, 2412, 2414, 2371, 2377]) assert.equal(packetSizeByTotal(total), undefined)
  })

  it('leaves room for the fragments of spec 2.10', () => {
    assert.equal(SURB_ACK_BYTES, 405)
    assert.deepEqual([REGULAR, EXTENDED_8, EXTENDED_16, EXTENDED_32].map(fragmentBytes), [1611, 7755, 15_947, 32_331])
    assert.equal(ACK.plaintextBytes, 21)
  })
})
