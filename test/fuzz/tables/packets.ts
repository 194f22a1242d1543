/** Decoders of packets: Sphinx, and what travels inside it. @module */
import { concat, fromHex, utf8 } from '../../../src/foundation/base/bytes.ts'
import { millis, nanos } from '../../../src/foundation/base/units.ts'
import { nodeProvider as crypto } from '../../../src/foundation/crypto/nodeProvider.ts'
import { decodeAck } from '../../../src/protocol/packet/acks.ts'
import { isCover } from '../../../src/protocol/packet/cover.ts'
import { decodeFragment } from '../../../src/protocol/packet/fragments.ts'
import { decodeMessage, unpadMessage } from '../../../src/protocol/packet/message.ts'
import { decodeNodeAddress, encodeNodeAddress, parseNodeAddress } from '../../../src/protocol/packet/nodeAddress.ts'
import { classifyPushed, openPushed } from '../../../src/protocol/packet/pushed.ts'
import { Reassembler } from '../../../src/protocol/packet/reassembly.ts'
import { decodeRecipient, parseRecipient } from '../../../src/protocol/packet/recipient.ts'
import { decodeReplySurb } from '../../../src/protocol/packet/replySurb.ts'
import { ACK, REGULAR } from '../../../src/protocol/packet/sizes.ts'
import { splitSurbAck } from '../../../src/protocol/packet/surbAck.ts'
import { recoverMessage, wrapPacket } from '../../../src/protocol/sphinx/packet.ts'
import { finalPaddingBytes } from '../../../src/protocol/sphinx/route.ts'
import { decodeSurb } from '../../../src/protocol/sphinx/surb.ts'
import { openHeader } from '../../../src/protocol/sphinx/unwrap.ts'
import { vectorBytes, vectorTexts } from '../corpus.ts'
import { bytesDecoder, type Decoder, textDecoder } from '../decoder.ts'

const KEY = new Uint8Array(16).fill(7)
const SECRET = new Uint8Array(32).fill(9)

/** Packets for a node whose key the fuzzer has: what is damaged behind the MAC gets far. */
function openablePackets(): Uint8Array[] {
  const hop = { address: encodeNodeAddress({ ip: '10.0.0.1', port: 1789 }, 32), publicKey: crypto.x25519Base(SECRET) }
  const packets: Uint8Array[] = []
  for (const version of [258, 259] as const) {
    for (const hops of [1, 2, 4]) {
      packets.push(
        wrapPacket(crypto, {
          secret: new Uint8Array(32).fill(hops),
          route: Array.from({ length: hops }, () => hop),
          delays: Array.from({ length: hops }, () => nanos(15_000_000)),
          destination: { address: new Uint8Array(32).fill(3), identifier: new Uint8Array(16) },
          version: hops === 1 ? 259 : version,
          padding: new Uint8Array(finalPaddingBytes(hops)).fill(1),
          message: utf8('a message'),
          payloadBytes: (hops === 2 ? ACK : REGULAR).payloadBytes,
        }),
      )
    }
  }
  return packets
}

const LIMITS = { maxBytes: 200_000, maxSets: 20, setLifetime: millis(1000), rememberedSets: 50 }
const reassembler = new Reassembler(LIMITS)
let now = 0

const keys = { encryptionSecret: SECRET, takeReplyKey: () => undefined }
const replyKeys = { encryptionSecret: SECRET, takeReplyKey: () => KEY }

export const packetDecoders: readonly Decoder[] = [
  bytesDecoder(
    'openHeader',
    (input) => {
      const opened = openHeader(crypto, SECRET, input)
      return opened.kind === 'opened' ? opened.unwrap() : opened
    },
    { seeds: openablePackets() },
  ),
  bytesDecoder('recoverMessage', recoverMessage, {
    seeds: [concat(new Uint8Array(16), utf8('message'), Uint8Array.of(1, 0, 0))],
  }),
  bytesDecoder('decodeSurb', decodeSurb, {
    seeds: vectorBytes('packet', 'bytes', 'replySurbs').map((bytes) => bytes.subarray(16)),
  }),
  bytesDecoder('decodeReplySurb', (input) => decodeReplySurb(input, 1), {
    seeds: vectorBytes('packet', 'bytes', 'replySurbs'),
  }),
  bytesDecoder('decodeNodeAddress', decodeNodeAddress, { seeds: vectorBytes('packet', 'padded32', 'nodeAddresses') }),
  textDecoder('parseNodeAddress', parseNodeAddress, { seeds: vectorTexts('packet', 'address', 'nodeAddresses') }),
  bytesDecoder('decodeAck', (input) => decodeAck(crypto, KEY, input), {
    seeds: vectorBytes('packet', 'ackContent', 'surbAcks'),
  }),
  bytesDecoder('splitSurbAck', splitSurbAck, { seeds: vectorBytes('packet', 'bytes', 'surbAcks') }),
  bytesDecoder('decodeMessage', (input) => decodeMessage(crypto, input), {
    seeds: [...vectorBytes('packet', 'body', 'nymMessages'), ...vectorBytes('packet', 'body', 'nymMessageParsing')],
  }),
  bytesDecoder('unpadMessage', unpadMessage, { seeds: [fromHex('00686901000000')] }),
  bytesDecoder('decodeFragment', decodeFragment, { seeds: vectorBytes('packet', 'bytes', 'fragmentParsing') }),
  bytesDecoder(
    'decodeFragment into a Reassembler',
    (input) => {
      const assembled = reassembler.accept(decodeFragment(input), millis(now++))
      if (reassembler.heldBytes > LIMITS.maxBytes || reassembler.openSets > LIMITS.maxSets) throw new Error('unbounded')
      return assembled.kind
    },
    { seeds: vectorBytes('packet', 'bytes', 'fragmentParsing') },
  ),
  bytesDecoder('isCover', isCover),
  bytesDecoder('classifyPushed', classifyPushed),
  bytesDecoder('openPushed', (input) => openPushed(crypto, keys, input)),
  bytesDecoder('openPushed of a reply', (input) => openPushed(crypto, replyKeys, input)),
  bytesDecoder('decodeRecipient', (input) => decodeRecipient(crypto, input), {
    seeds: vectorBytes('packet', 'bytes', 'recipients'),
  }),
  textDecoder('parseRecipient', (text) => parseRecipient(crypto, text), {
    seeds: [...vectorTexts('packet', 'text', 'recipients'), ...vectorTexts('packet', 'text', 'recipientsRefused')],
  }),
]
