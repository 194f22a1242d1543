import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concat, fromHex, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { decodeNymEnvelope, encodeNymEnvelope } from './nymSdkEnvelope.ts'

// As the official sdk 1.4.1 writes it; that its pages read ours is tested in Chromium.
test('is byte for byte the official one', () => {
  const metadata = utf8('{"mimeType":"text/plain","headers":null}')
  const expected = concat(fromHex('0000000000000028', 'length'), metadata, utf8('hi'))
  assert.deepEqual(encodeNymEnvelope({ mimeType: 'text/plain', headers: undefined, payload: utf8('hi') }), expected)
})

test('comes back as it was', () => {
  const parts = { mimeType: fc.string(), headers: fc.option(fc.string(), { nil: undefined }), payload: fc.uint8Array() }
  const envelope = fc.record(parts, { noNullPrototype: true })
  fc.assert(fc.property(envelope, (one) => assert.deepEqual(decodeNymEnvelope(encodeNymEnvelope(one)), one)))
})

test('whatever else arrives is no envelope, and nothing worse', () => {
  const around = (metadata: string) =>
    concat(fromHex('00000000000000', 'length'), Uint8Array.of(metadata.length), utf8(metadata))
  const hostile = [
    new Uint8Array(0),
    fromHex('ffffffffffffffff00', 'length'),
    ...['', 'null', '[]', '{}', '{"mimeType":1}', '{"mimeType":"a","headers":{}}', '{"mimeType":'].map(around),
  ]
  for (const bytes of hostile)
    assert.ok(
      isMixnetError(
        tryDecode(() => decodeNymEnvelope(bytes)),
        'MALFORMED',
      ),
    )
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void tryDecode(() => decodeNymEnvelope(bytes))))
})
