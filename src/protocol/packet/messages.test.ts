import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { toBase58 } from '../../foundation/base/base58.ts'
import { concat, EMPTY_BYTES, fromHex, toHex, utf8 } from '../../foundation/base/bytes.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { fragmentation } from './fragments.ts'
import { decodeMessage, encodeMessage, type NymMessage, padMessage, unpadMessage } from './message.ts'
import { delaysOf, type MessageVector, recipientOf, routeOf, vectors } from './packetVectors.test.ts'
import { encodeRecipient } from './recipient.ts'
import { createReplySurb, decodeReplySurb, encodeReplySurb, type ReplySurb, replySurbDigest } from './replySurb.ts'
import { fragmentBytes, REGULAR } from './sizes.ts'
import { assertBadArgument, assertMalformed, RecordedStream } from './support.test.ts'

const CONTENT_KINDS = ['data', 'additionalSurbs', 'heartbeat'] as const

/** What a vector says it holds, as our value. v1 messages do not carry the rotation. */
function messageOf(vector: MessageVector): NymMessage {
  const data = fromHex(vector.data ?? '')
  if (vector.kind === 'plain') return { kind: 'plain', data }
  const tag = vector.contentTag as number
  if (vector.kind === 'repliable') {
    const rotation = tag < 3 ? 0 : (vector.keyRotation ?? 0)
    const surbs = (vector.replySurbs ?? []).map((surb) => decodeReplySurb(fromHex(surb), rotation))
    const kind = CONTENT_KINDS[tag % 3] as (typeof CONTENT_KINDS)[number]
    return { kind: 'repliable', senderTag: fromHex(vector.senderTag as string), content: { kind, surbs, data } }
  }
  if (tag === 0) return { kind: 'reply', content: { kind: 'data', data } }
  const recipient = recipientOf('bob')
  assert.equal(toHex(encodeRecipient(recipient)), vector.recipient)
  return { kind: 'reply', content: { kind: 'surbRequest', recipient, amount: vector.amount as number } }
}

describe('messages', () => {
  for (const vector of vectors.nymMessages) {
    it(`${vector.name}: read, written, padded`, () => {
      assert.equal(vector.plaintextPerPacket, fragmentBytes(REGULAR))
      const body = fromHex(vector.body)
      const value = messageOf(vector)
      assert.deepEqual(decodeMessage(crypto, body), value)
      const old = vector.kind === 'repliable' && (vector.contentTag as number) < 3
      if (old) assertBadArgument(() => encodeMessage(value))
      else assert.equal(toHex(encodeMessage(value)), vector.body)
      const padded = padMessage(body, REGULAR)
      assert.equal(padded.length, vector.paddedLength)
      assert.equal(toHex(crypto.sha256(padded)), vector.paddedSha256)
      assert.equal(fragmentation(padded.length, REGULAR).fragments, vector.fragments)
      assert.equal(toHex(unpadMessage(padded)), vector.body)
    })
  }

  for (const { name, body, padded, kind, data, replySurbs, error } of vectors.nymMessageParsing) {
    it(`parsing: ${name}`, () => {
      const decode = () =>
        decodeMessage(crypto, padded === undefined ? fromHex(body ?? '') : unpadMessage(fromHex(padded)))
      if (error !== undefined) return assertMalformed(decode)
      const message = decode()
      assert.equal(summaryOf(message), kind)
      const content = message.kind === 'plain' ? message : message.content
      if (data !== undefined) assert.equal('data' in content ? toHex(content.data) : '', data)
      if (replySurbs !== undefined) assert.equal('surbs' in content ? content.surbs.length : 0, replySurbs)
    })
  }

  it('spec 4.4 D: plain "hi"', () => {
    const padded = padMessage(encodeMessage({ kind: 'plain', data: utf8('hi') }), REGULAR)
    assert.equal(toHex(padded), `00686901${'00'.repeat(1600)}`)
  })

  it('does not write what a receiver would refuse', () => {
    const surbs = [0, 1, 2].map((i) => decodeReplySurb(fromHex((vectors.replySurbs[i] as { bytes: string }).bytes), 1))
    const [seeds, keys] = surbs as [ReplySurb, ReplySurb]
    const oneHop = decodeReplySurb(fromHex((vectors.replySurbs[3] as { bytes: string }).bytes), 1)
    const write = (...list: ReplySurb[]) =>
      encodeMessage({
        kind: 'repliable',
        senderTag: new Uint8Array(16),
        content: { kind: 'data', surbs: list, data: EMPTY_BYTES },
      })
    write(seeds, seeds)
    assertBadArgument(() => write(keys))
    assertBadArgument(() => write(seeds, oneHop))
    assertBadArgument(() => write(seeds, { ...seeds, rotation: 2 }))
    assertBadArgument(() => encodeMessage({ kind: 'reply', content: { kind: 'data', data: EMPTY_BYTES } }))
    assertBadArgument(() =>
      encodeMessage({
        kind: 'repliable',
        senderTag: new Uint8Array(16),
        content: { kind: 'additionalSurbs', surbs: [seeds], data: utf8('x') },
      }),
    )
  })

  it('refuses a count of SURBs that cannot be there, before making room for them', () => {
    const tag = '00'.repeat(16)
    for (const body of [`01${tag}00ffffffff`, `01${tag}03ffff0401`, `01${tag}0300010001`, `01${tag}0300010601`]) {
      assertMalformed(() => decodeMessage(crypto, concat(fromHex(body), new Uint8Array(4000))))
    }
  })

  it('padding fills whole packets and comes off again', () => {
    const size = { ...REGULAR, plaintextBytes: 437 + 40 }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20_000, size: 'max' }), (message) => {
        const padded = padMessage(message, size)
        assert.equal(fragmentation(padded.length, size).spaceLeft, 0)
        assert.deepEqual(unpadMessage(padded), message)
      }),
      { numRuns: 60 },
    )
  })
})

function summaryOf(message: NymMessage): string {
  if (message.kind === 'plain') return 'plain'
  const { content } = message
  if (content.kind === 'surbRequest') return `SURB request ${content.amount}`
  if (message.kind === 'reply') return 'reply data'
  return { data: 'data v2', additionalSurbs: 'additional SURBs v2', heartbeat: 'heartbeat v2' }[content.kind]
}

describe('reply SURBs', () => {
  for (const vector of vectors.replySurbs) {
    it(`${vector.name}: created from the recorded draws, read, written`, () => {
      const random = new RecordedStream(vector.secret, vector.padding, vector.encryptionKey)
      const surb = createReplySurb(crypto, random, {
        identity: recipientOf(vector.owner).identity,
        route: routeOf(vector.network, vector.route),
        delays: delaysOf(vector.delaysNanos),
        // Asked for the old format, a route without mixes still gives the new one.
        version: vector.name.startsWith('legacy') ? 258 : vector.sphinxVersion,
        rotation: 1,
      })
      random.assertUsedUp()
      assert.equal(toHex(encodeReplySurb(surb)), vector.bytes)
      assert.equal(vector.bytes.length, 2 * vector.length)
      assert.deepEqual(decodeReplySurb(fromHex(vector.bytes), 1), surb)
      assert.equal(toHex(replySurbDigest(crypto, surb.encryptionKey)), vector.encryptionKeyDigest)
      if (vector.base58 !== null) assert.equal(toBase58(encodeReplySurb(surb)), vector.base58)
    })
  }

  for (const { name, bytes, error } of vectors.replySurbParsing) {
    it(`parsing: ${name}`, () => {
      const decode = () => decodeReplySurb(fromHex(bytes), 0)
      // More than five seeds: no header has so many hops. The old crate read them, the new one does not, nor do we.
      if (error !== undefined || name === 'eleven seeds') assertMalformed(decode)
      else assert.equal(toHex(encodeReplySurb(decode())), bytes)
    })
  }

  it('spec 4.4 D: digest', () => {
    const key = fromHex('000102030405060708090a0b0c0d0e0f')
    assert.equal(
      toHex(replySurbDigest(crypto, key)),
      'a6a492965517a830cb75fdb713465aa465f2f098233896fea44c1d98268bf9e3',
    )
  })
})
