/** The two forms of the local websocket API: bytes laid out as the page of the format says, and the JSON of its examples. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { toBase58 } from '../../../foundation/base/base58.ts'
import { concat, fromHex, toHex, utf8 } from '../../../foundation/base/bytes.ts'
import { nodeProvider as crypto } from '../../../foundation/crypto/nodeProvider.ts'
import { encodeRecipient, formatRecipient, type Recipient } from '../../packet/recipient.ts'
import { type LocalError, localErrorText, parseLocalErrorText } from './localError.ts'
import {
  decodeLocalRequest,
  decodeLocalRequestText,
  encodeLocalRequest,
  encodeLocalRequestText,
  type LocalRequest,
} from './localRequests.ts'
import {
  decodeLocalResponse,
  decodeLocalResponseText,
  encodeLocalResponse,
  encodeLocalResponseText,
  type LocalResponse,
} from './localResponses.ts'

const key = (byte: number): Uint8Array => crypto.ed25519PublicKey(new Uint8Array(32).fill(byte))
const recipient: Recipient = { identity: key(1), encryptionKey: new Uint8Array(32).fill(2), gateway: key(3) }
const ADDRESS = formatRecipient(recipient)
const RECIPIENT = toHex(encodeRecipient(recipient))
const senderTag = Uint8Array.from({ length: 16 }, (_, i) => i)
const TAG = toHex(senderTag)
const data = utf8('hi')
/** The y coordinate 2 belongs to no point of the curve. */
const NO_POINT = `02${'00'.repeat(31)}`

const requests: readonly (readonly [LocalRequest, string])[] = [
  [{ type: 'send', recipient, connectionId: undefined, data }, `00${RECIPIENT}0000000000000000 0000000000000002 6869`],
  [{ type: 'send', recipient, connectionId: 258n, data }, `00${RECIPIENT}0000000000000102 0000000000000002 6869`],
  [
    { type: 'sendAnonymous', recipient, replySurbs: 10, connectionId: undefined, data },
    `01 0000000a ${RECIPIENT}0000000000000000 0000000000000002 6869`,
  ],
  [{ type: 'reply', senderTag, connectionId: 7n, data }, `02 ${TAG} 0000000000000007 0000000000000002 6869`],
  [{ type: 'selfAddress' }, '03'],
  [{ type: 'closedConnection', connectionId: 0xffff_ffff_ffff_ffffn }, '04 ffffffffffffffff'],
  [{ type: 'getLaneQueueLength', connectionId: 1n }, '05 0000000000000001'],
]

const responses: readonly (readonly [LocalResponse, string])[] = [
  [{ type: 'error', kind: 'malformedRequest', message: 'no' }, '00 04 0000000000000002 6e6f'],
  [{ type: 'error', kind: 'other', message: '' }, '00 ff 0000000000000000'],
  [{ type: 'received', senderTag: undefined, data }, '01 00 0000000000000002 6869'],
  [{ type: 'received', senderTag, data }, `01 01 ${TAG} 0000000000000002 6869`],
  [{ type: 'selfAddress', address: recipient }, `02 ${RECIPIENT}`],
  [{ type: 'laneQueueLength', lane: 258n, length: 3n }, '03 0000000000000102 0000000000000003'],
]

const bytesOf = (hex: string): Uint8Array => fromHex(hex.replaceAll(' ', ''))
const kindOf = (read: LocalRequest | LocalResponse): string => (read.type === 'error' ? read.kind : read.type)

describe('bytes', () => {
  it('requests and responses have the official layout', () => {
    for (const [request, hex] of requests) {
      assert.equal(toHex(encodeLocalRequest(request)), toHex(bytesOf(hex)))
      assert.deepEqual(decodeLocalRequest(crypto, bytesOf(hex)), request)
    }
    for (const [response, hex] of responses) {
      assert.equal(toHex(encodeLocalResponse(response)), toHex(bytesOf(hex)))
      assert.deepEqual(decodeLocalResponse(crypto, bytesOf(hex)), response)
    }
  })

  it('each refusal is of the official kind', () => {
    const request = (bytes: Uint8Array): string => kindOf(decodeLocalRequest(crypto, bytes))
    const response = (bytes: Uint8Array): string => kindOf(decodeLocalResponse(crypto, bytes))
    assert.equal(request(new Uint8Array(0)), 'emptyRequest')
    assert.equal(response(new Uint8Array(0)), 'emptyResponse')
    assert.equal(request(Uint8Array.of(6)), 'unknownRequest')
    assert.equal(response(Uint8Array.of(4)), 'unknownResponse')
    for (const [one, hex] of requests.slice(0, 4)) {
      const bytes = bytesOf(hex)
      const fixed = bytes.length - data.length
      assert.equal(request(bytes.subarray(0, fixed - 1)), 'tooShortRequest', one.type)
      assert.equal(request(bytes.subarray(0, bytes.length - 1)), 'malformedRequest', one.type)
      assert.equal(request(concat(bytes, data)), 'malformedRequest', one.type)
    }
    assert.equal(request(bytesOf('0300')), 'malformedRequest')
    assert.equal(request(bytesOf('0400')), 'tooShortRequest')
    assert.equal(request(bytesOf(`00${NO_POINT.repeat(3)}0000000000000000 0000000000000000`)), 'malformedRequest')
    assert.equal(response(bytesOf('01 02 0000000000000000')), 'malformedResponse')
    assert.equal(response(bytesOf('01 01 0000000000000000')), 'malformedResponse')
    assert.equal(response(bytesOf('00 05 0000000000000000')), 'malformedResponse')
  })
})

describe('JSON', () => {
  it('requests are read as the official client reads them', () => {
    const read = (text: string) => decodeLocalRequestText(crypto, text)
    const hello = utf8('text')
    assert.deepEqual(read(`{"type":"send","message":"text","recipient":"${ADDRESS}","connectionId":null}`), {
      type: 'send',
      recipient,
      connectionId: undefined,
      data: hello,
    })
    assert.deepEqual(
      read(`{"recipient":"${ADDRESS}","replySurbs":10,"message":"text","type":"sendAnonymous","more":1}`),
      { type: 'sendAnonymous', recipient, replySurbs: 10, connectionId: undefined, data: hello },
    )
    assert.deepEqual(
      read(
        `{"type":"reply","senderTag":"${toBase58(senderTag)}","message":"text","connectionId":18446744073709551615}`,
      ),
      { type: 'reply', senderTag, connectionId: 0xffff_ffff_ffff_ffffn, data: hello },
    )
    assert.deepEqual(read('{"type":"selfAddress"}'), { type: 'selfAddress' })
    for (const [request] of requests) assert.deepEqual(read(encodeLocalRequestText(request)), request)
  })

  it('what is none is refused in words that repeat nothing of it', () => {
    const texts = [
      ...['', 'hello <script>', '[]', '{"type":"shout"}', '{"type":"send","message":"text"}'],
      `{"type":"send","message":"text","recipient":"${ADDRESS.replace('@', '')}"}`,
      `{"type":"send","message":5,"recipient":"${ADDRESS}"}`,
      `{"type":"send","message":"a","message":"b","recipient":"${ADDRESS}"}`,
      `{"type":"send","message":"\\ud800","recipient":"${ADDRESS}"}`,
      `{"type":"send","message":"","recipient":"${ADDRESS}","connectionId":-1}`,
      `{"type":"send","message":"","recipient":"${ADDRESS}","connectionId":18446744073709551616}`,
      `{"type":"sendAnonymous","message":"","recipient":"${ADDRESS}","replySurbs":4294967296}`,
      '{"type":"reply","message":"text","senderTag":"1111"}',
      '{"type":"closedConnection"}',
    ]
    for (const text of texts) {
      const refused = decodeLocalRequestText(crypto, text)
      assert.equal(kindOf(refused), 'malformedRequest', text)
      assert.doesNotMatch((refused as LocalError).message, /hello|shout|script/)
    }
  })

  it('responses are spelled as the official client spells them', () => {
    const written = responses.map(([response]) => encodeLocalResponseText(response))
    assert.deepEqual(written, [
      '{"type":"error","message":"malformed request:no"}',
      '{"type":"error","message":"other:"}',
      '{"type":"received","message":"hi","senderTag":null}',
      `{"type":"received","message":"hi","senderTag":"${toBase58(senderTag)}"}`,
      `{"type":"selfAddress","address":"${ADDRESS}"}`,
      '{"type":"laneQueueLength","lane":258,"queue_length":3}',
    ])
    for (const [index, [response]] of responses.entries())
      assert.deepEqual(decodeLocalResponseText(crypto, written[index] ?? ''), response)
    const lossy = encodeLocalResponseText({ type: 'received', senderTag: undefined, data: Uint8Array.of(0x61, 0xff) })
    assert.equal(lossy, '{"type":"received","message":"a\ufffd","senderTag":null}')
    assert.equal(kindOf(decodeLocalResponseText(crypto, '{"type":"received"}')), 'malformedResponse')
  })

  it('errors keep their kind through their words', () => {
    for (const [one] of responses) {
      if (one.type === 'error') assert.deepEqual(parseLocalErrorText(localErrorText(one)), one)
    }
    assert.deepEqual(parseLocalErrorText('something else'), { type: 'error', kind: 'other', message: 'something else' })
  })
})

it('no bytes and no text crash a reader, and what it takes comes back the same', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(5), (bytes, tag) => {
      const input = concat(Uint8Array.of(tag), bytes)
      const request = decodeLocalRequest(crypto, input)
      if (request.type !== 'error') assert.deepEqual(encodeLocalRequest(request), input)
      const response = decodeLocalResponse(crypto, input)
      if (response.type !== 'error') assert.deepEqual(encodeLocalResponse(response), input)
    }),
  )
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => {
      assert.equal(decodeLocalRequestText(crypto, text).type, 'error')
      assert.equal(decodeLocalResponseText(crypto, text).type, 'error')
    }),
  )
})
