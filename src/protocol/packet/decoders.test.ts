/** Every decoder of the room on bytes that nobody wrote for it: a value or MALFORMED, never anything else. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { fromHex } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { decodeAck } from './acks.ts'
import { decodeFragment, encodeFragment } from './fragments.ts'
import { decodeMessage, unpadMessage } from './message.ts'
import { decodeNodeAddress, parseNodeAddress } from './nodeAddress.ts'
import { senderOf, vectors } from './packetVectors.test.ts'
import { openPushed } from './pushed.ts'
import { decodeRecipient, parseRecipient } from './recipient.ts'
import { decodeReplySurb, encodeReplySurb } from './replySurb.ts'
import { splitSurbAck } from './surbAck.ts'

const { ackKey } = senderOf('alice')

/** What it decodes, and valid inputs to start mutating from. */
const decoders: Record<string, { decode: (bytes: Uint8Array) => unknown; valid: string[] }> = {
  'node address': {
    decode: decodeNodeAddress,
    valid: vectors.nodeAddresses.flatMap(({ bytes, padded32 }) => [bytes, padded32]),
  },
  recipient: {
    decode: (bytes) => decodeRecipient(crypto, bytes),
    valid: vectors.recipients.map(({ bytes }) => bytes),
  },
  fragment: {
    decode: (bytes) => {
      const fragment = decodeFragment(bytes)
      assert.deepEqual(encodeFragment(fragment), bytes)
      return fragment
    },
    valid: vectors.fragmentParsing.map(({ bytes }) => bytes),
  },
  ack: {
    decode: (bytes) => decodeAck(crypto, ackKey, bytes),
    valid: vectors.surbAcks.map(({ ackContent }) => ackContent),
  },
  'SURB-ack': { decode: splitSurbAck, valid: vectors.surbAcks.map(({ bytes }) => bytes) },
  'reply SURB': {
    decode: (bytes) => {
      const surb = decodeReplySurb(bytes, 0)
      assert.deepEqual(encodeReplySurb(surb), bytes)
      return surb
    },
    valid: vectors.replySurbs.map(({ bytes }) => bytes),
  },
  message: {
    decode: (bytes) => decodeMessage(crypto, bytes),
    valid: vectors.nymMessages.map(({ body }) => body),
  },
  padding: { decode: unpadMessage, valid: ['00686901000000'] },
}

function assertTotal(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    if (!isMixnetError(error, 'MALFORMED')) throw error
  }
}

/** A few bytes changed, then cut or extended. */
const mutated = (valid: readonly string[]): fc.Arbitrary<Uint8Array> =>
  fc
    .record({
      original: fc.constantFrom(...valid),
      changes: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
      cut: fc.nat({ max: 40 }),
      more: fc.uint8Array({ maxLength: 4 }),
    })
    .map(({ original, changes, cut, more }) => {
      const bytes = fromHex(original)
      // Near the front, where the structure is, half of the time.
      for (const [at, value] of changes) bytes[at % Math.min(bytes.length, at % 2 === 0 ? 32 : 4096)] = value
      const kept = cut % 2 === 0 ? bytes : bytes.subarray(0, Math.max(0, bytes.length - cut))
      return new Uint8Array([...kept, ...more])
    })

describe('decoders', () => {
  for (const [name, { decode, valid }] of Object.entries(decoders)) {
    it(`${name}: a value or MALFORMED`, () => {
      const nonEmpty = valid.filter((bytes) => bytes.length > 0)
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => assertTotal(() => decode(bytes))),
        { numRuns: 200 },
      )
      fc.assert(
        fc.property(mutated(nonEmpty), (bytes) => assertTotal(() => decode(bytes))),
        { numRuns: 400 },
      )
    })
  }

  it('text: a value or MALFORMED', () => {
    const texts = [
      ...vectors.recipients.map(({ text }) => text),
      ...vectors.nodeAddresses.map(({ address }) => address),
    ]
    const changed = fc
      .tuple(fc.constantFrom(...texts), fc.nat(), fc.string({ maxLength: 3 }))
      .map(([text, at, more]) => text.slice(0, at % text.length) + more + text.slice((at % text.length) + 1))
    fc.assert(
      fc.property(fc.oneof(fc.string(), changed), (text) => {
        assertTotal(() => parseRecipient(crypto, text))
        assertTotal(() => parseNodeAddress(text))
      }),
      { numRuns: 400 },
    )
  })

  it('a push is opened or refused, and never throws', () => {
    const keys = { encryptionSecret: new Uint8Array(32).fill(1), takeReplyKey: () => undefined }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const { kind } = openPushed(crypto, keys, bytes)
        assert.ok(kind === 'refused' || kind === 'fragment' || kind === 'cover')
      }),
      { numRuns: 200 },
    )
  })
})
