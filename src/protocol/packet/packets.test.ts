/** Packets, acks and cover: made from the recorded draws to the same bytes, then taken apart hop by hop. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fromHex, toHex, utf8 } from '../../foundation/base/bytes.ts'
import { millis, nanos } from '../../foundation/base/units.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { COVER_FRAGMENT_ID, decodeAck } from './acks.ts'
import { isCover, prepareDropCover, prepareLoopCover } from './cover.ts'
import { deliver } from './delivery.test.ts'
import { applyPayloadKey } from './endToEnd.ts'
import { decodeFragment, encodeFragment, type Fragment, splitMessage } from './fragments.ts'
import { decodeMessage, encodeMessage, padMessage, unpadMessage } from './message.ts'
import { decodeNodeAddress, formatNodeAddress } from './nodeAddress.ts'
import {
  clientOf,
  delaysOf,
  type PacketVector,
  type PreparedVector,
  recipientOf,
  routeOf,
  senderOf,
  vectors,
} from './packetVectors.test.ts'
import { type PreparedPacket, preparePacket, prepareReply } from './prepare.ts'
import { classifyPushed, type OpenedPush, openPushed } from './pushed.ts'
import { Reassembler } from './reassembly.ts'
import { decodeReplySurb, replySurbDigest } from './replySurb.ts'
import { fragmentBytes, type PacketSize, packetSizeByTotal, REGULAR } from './sizes.ts'
import { assertBadArgument, RecordedStream, SeededStream } from './support.test.ts'
import { splitSurbAck } from './surbAck.ts'

/** The recipient's gateway and, through the released ack, the sender: what both see. Returns what the client is pushed. */
function receive(vector: Omit<PacketVector, 'drawn'>, sender: string, packet: Uint8Array): Uint8Array {
  assert.equal(toHex(packet), vector.packet)
  const delivered = deliver(vector.network, vector.route, packet, vector.hops)
  assert.equal(toHex(delivered.destination), vector.destination)
  assert.equal(toHex(crypto.sha256(delivered.message)), vector.plaintextSha256)
  const { ack, data } = splitSurbAck(delivered.message)
  assert.equal(formatNodeAddress(ack.nextHop), vector.ack.firstHop)
  const back = deliver(vector.network, vector.ack.route, ack.packet)
  assert.equal(toHex(back.destination), vector.ack.destination)
  assert.equal(toHex(back.message), vector.ack.ackContent)
  assert.equal(classifyPushed(back.message), 'ack')
  assert.equal(classifyPushed(data), 'data')
  const answered = decodeAck(crypto, fromHex(clientOf(sender).ackKey), back.message)
  const { setId, position } = answered === 'cover' ? COVER_FRAGMENT_ID : answered
  assert.equal(
    setId.toString(16).padStart(8, '0') + position.toString(16).padStart(2, '0'),
    vector.ack.fragmentIdentifier,
  )
  return data
}

function open(client: string, data: Uint8Array, replyKey?: Uint8Array): OpenedPush {
  const digest = replyKey && toHex(replySurbDigest(crypto, replyKey))
  const takeReplyKey = (asked: Uint8Array) => (toHex(asked) === digest ? replyKey : undefined)
  return openPushed(crypto, { encryptionSecret: fromHex(clientOf(client).encryptionSecret), takeReplyKey }, data)
}

const draws = ({ ack, ephemeralSecret, packet }: PacketVector['drawn']): RecordedStream =>
  new RecordedStream(ack.iv, ack.secret, ack.padding, ephemeralSecret, packet.secret, packet.padding)

/** Routes, delays and the rest of a vector, as parameters. */
const paramsOf = (vector: PacketVector, sender: string, size: PacketSize) => ({
  sender: senderOf(sender),
  route: routeOf(vector.network, vector.route),
  delays: delaysOf(vector.delaysNanos),
  ackRoute: routeOf(vector.network, vector.ack.route),
  ackDelays: delaysOf(vector.ack.delaysNanos),
  rotation: vector.keyRotation,
  version: vector.sphinxVersion,
  size,
})

/** The fragment of a vector, made from its message and identifier. */
function fragmentOf(vector: Pick<PreparedVector, 'nymMessage' | 'fragmentIdentifier'>, size: PacketSize): Fragment {
  const setId = Number.parseInt(vector.fragmentIdentifier.slice(0, 8), 16)
  const position = Number.parseInt(vector.fragmentIdentifier.slice(8), 16)
  const message = decodeMessage(crypto, fromHex(vector.nymMessage))
  const fragments = splitMessage(padMessage(encodeMessage(message), size), size, new RecordedStream(setId))
  return fragments[position - 1] as Fragment
}

function assertPrepared(
  prepared: Omit<PreparedPacket, 'fragmentId'>,
  vector: Pick<PacketVector, 'firstHop' | 'keyRotation'>,
) {
  assert.equal(formatNodeAddress(prepared.firstHop), vector.firstHop)
  assert.equal(prepared.rotation, vector.keyRotation)
}

describe('packets', () => {
  for (const vector of vectors.preparedFragments) {
    it(`${vector.name}: prepared from the recorded draws, delivered, opened`, () => {
      const size = packetSizeByTotal(vector.packetSize) as PacketSize
      const fragment = fragmentOf(vector, size)
      const encoded = encodeFragment(fragment)
      assert.equal(toHex(crypto.sha256(encoded)), vector.fragmentSha256)
      if (vector.fragment !== null) assert.deepEqual(decodeFragment(fromHex(vector.fragment)), fragment)
      const random = draws(vector.drawn)
      const recipient = recipientOf(vector.recipient)
      const prepared = preparePacket(crypto, random, { ...paramsOf(vector, vector.sender, size), fragment, recipient })
      random.assertUsedUp()
      assertPrepared(prepared, vector)
      assert.equal(String(prepared.expectedRoundTrip), vector.expectedTotalDelayNanos)
      assert.deepEqual(prepared.fragmentId, { setId: fragment.setId, position: fragment.position })
      const data = receive(vector, vector.sender, prepared.packet)
      assert.deepEqual(open(vector.recipient, data), { kind: 'fragment', fragment, reply: false })
    })
  }

  it('the two fragments of one vector are one message', () => {
    const pieces = vectors.preparedFragments.filter(({ name }) => name === 'two fragments')
    const reassembler = new Reassembler()
    const last = pieces.map((piece) => reassembler.accept(fragmentOf(piece, REGULAR), millis(0))).at(-1)
    assert.equal(last?.kind, 'complete')
    assert.equal(toHex(unpadMessage(last.message)), pieces[0]?.nymMessage)
  })

  for (const vector of vectors.replyPackets) {
    it(`reply, ${vector.name}: prepared from the recorded draws, delivered, opened`, () => {
      const surbVector = vectors.replySurbs[vector.replySurbIndex] as (typeof vectors.replySurbs)[number]
      const surb = decodeReplySurb(fromHex(surbVector.bytes), vector.keyRotation)
      const fragment = fragmentOf(vector, REGULAR)
      assert.equal(toHex(encodeFragment(fragment)), vector.fragment)
      const { iv, secret, padding } = vector.drawn.ack
      const random = new RecordedStream(iv, secret, padding)
      const prepared = prepareReply(crypto, random, {
        fragment,
        surb,
        sender: senderOf(vector.replier),
        ackRoute: routeOf(vector.network, vector.ack.route),
        ackDelays: delaysOf(vector.ack.delaysNanos),
        averageDelay: nanos(15_000_000),
        size: REGULAR,
        // The replier's choice for its own ack, whatever kind of SURB it was given.
        version: 259,
      })
      random.assertUsedUp()
      assertPrepared(prepared, vector)
      assert.equal(String(prepared.expectedRoundTrip), vector.expectedTotalDelayNanos)
      const data = receive(vector, vector.replier, prepared.packet)
      assert.deepEqual(open(vector.owner, data, surb.encryptionKey), { kind: 'fragment', fragment, reply: true })
      // Without the key, as after its one use, the digest is taken for an ephemeral key and what comes out is noise.
      assert.deepEqual(open(vector.owner, data), { kind: 'refused', reason: 'fragment' })
    })
  }

  it('a fragment that does not fill the packet is refused', () => {
    const vector = vectors.preparedFragments[0] as (typeof vectors.preparedFragments)[number]
    const whole = fragmentOf(vector, REGULAR)
    const fragment: Fragment = { ...whole, payload: whole.payload.subarray(1) }
    assert.equal(encodeFragment(fragment).length, fragmentBytes(REGULAR) - 1)
    const params = { ...paramsOf(vector, 'alice', REGULAR), fragment, recipient: recipientOf('bob') }
    assertBadArgument(() => preparePacket(crypto, new SeededStream(1), params))
  })
})

describe('cover', () => {
  for (const vector of vectors.loopCover) {
    it(`loop, ${vector.name}: prepared from the recorded draws, delivered, recognised`, () => {
      const random = draws(vector.drawn)
      const prepared = prepareLoopCover(crypto, random, paramsOf(vector, vector.client, REGULAR))
      random.assertUsedUp()
      assertPrepared(prepared, vector)
      const data = receive(vector, vector.client, prepared.packet)
      const plaintext = applyPayloadKey(crypto, fromHex(vector.payloadKey), data.subarray(32))
      assert.equal(plaintext.length, vector.contentLength)
      assert.ok(toHex(plaintext).startsWith(vector.contentStart))
      assert.deepEqual(open(vector.client, data), { kind: 'cover', variant: prepared.variant })
    })
  }

  const routes = (sender: string, lastHop: number) => ({
    sender: senderOf(sender),
    route: routeOf('ipv4', [1, 2, 3, lastHop]),
    delays: delaysOf(['1', '2', '3']),
    ackRoute: routeOf('ipv4', [1, 2, 3, 4]),
    ackDelays: delaysOf(['4', '5', '6']),
    rotation: 1 as const,
    version: 259 as const,
    size: REGULAR,
  })

  it('a drop for somebody is discarded by its marker and acknowledged as cover', () => {
    const drop = prepareDropCover(crypto, new SeededStream(7), { ...routes('alice', 5), recipient: recipientOf('bob') })
    assert.equal(drop.packet.length, REGULAR.totalBytes)
    assert.equal(drop.expectedRoundTrip, 21)
    const { destination, message } = deliver('ipv4', [1, 2, 3, 5], drop.packet)
    assert.deepEqual(destination, recipientOf('bob').identity)
    const { ack, data } = splitSurbAck(message)
    assert.deepEqual(open('bob', data), { kind: 'cover', variant: drop.variant })
    const back = deliver('ipv4', [1, 2, 3, 4], ack.packet)
    assert.equal(decodeAck(crypto, senderOf('alice').ackKey, back.message), 'cover')
  })

  it('a drop for nobody is for nobody, and still acknowledged', () => {
    const drop = prepareDropCover(crypto, new SeededStream(7), { ...routes('alice', 5), recipient: undefined })
    const { destination, message } = deliver('ipv4', [1, 2, 3, 5], drop.packet)
    for (const client of ['alice', 'bob']) assert.notDeepEqual(destination, recipientOf(client).identity)
    const { ack, data } = splitSurbAck(message)
    assert.equal(data.length, REGULAR.plaintextBytes - 405)
    assert.deepEqual(open('bob', data), { kind: 'refused', reason: 'fragment' })
    assert.deepEqual(decodeNodeAddress(routes('alice', 5).ackRoute[0]?.address as Uint8Array).address, ack.nextHop)
  })

  it('no fragment is taken for cover', () => {
    assert.equal(isCover(utf8('The cake is a lie!')), true)
    assert.equal(isCover(utf8('The cake is a lie')), false)
    assert.equal(isCover(fromHex('83e699af010100aabb')), false)
  })
})
