/** What servers say to `fetch` in a page: HTTP, and the certificates of TLS. @module */

import { rootCertificates } from 'node:tls'
import { decodeNymEnvelope, encodeNymEnvelope } from '../../../src/app/sdk/nymSdkEnvelope.ts'
import { decodeDnsAnswer } from '../../../src/client/dnsMessages.ts'
import { DerReader } from '../../../src/client/web/der.ts'
import { bodyDecoder } from '../../../src/client/web/http1Body.ts'
import { framingOf, latin1, parseFields, parseResponseHead } from '../../../src/client/web/http1Head.ts'
import { schemeOf } from '../../../src/client/web/signatures.ts'
import { TlsWatch } from '../../../src/client/web/tlsWatch.ts'
import { anchorsOf, parseAnchors } from '../../../src/client/web/trustAnchors.ts'
import { FrameReader, FrameRefusal } from '../../../src/client/web/webSocketFrames.ts'
import { parseCertificate } from '../../../src/client/web/x509.ts'
import { fromBase64 } from '../../../src/foundation/base/base58.ts'
import { fromHex, utf8 } from '../../../src/foundation/base/bytes.ts'
import { bytesDecoder, type Decoder, textDecoder } from '../decoder.ts'

const [first = '', second = ''] = rootCertificates
const derOf = (pem: string) => fromBase64(pem.replace(/-----[^-]+-----|\s/g, ''), 'seed')
const certificates = [derOf(first), derOf(second)]
const HEAD = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nset-cookie: a=b\r\nkeep-alive: timeout=5\r\n\r\n'
/** ServerHello of TLS 1.3 and of 1.2, as messages in records without header. */
const HELLO_13 = Uint8Array.from([
  2,
  0,
  0,
  86,
  3,
  3,
  ...new Array(32).fill(7),
  0,
  0x13,
  1,
  0,
  0,
  46,
  0,
  43,
  0,
  2,
  3,
  4,
  0,
  51,
  0,
  36,
  0,
  29,
  0,
  32,
  ...new Array(32).fill(9),
])
const HELLO_12 = Uint8Array.from([2, 0, 0, 38, 3, 3, ...new Array(32).fill(7), 0, 0xc0, 0x2b, 0])

/** To question 7: a.example is an alias of b.example, which has one address. */
const DNS_ANSWER = fromHex(
  '0007818000010002000000000161076578616d706c650000010001c00c0005000100000001000b016207657861' +
    '6d706c6500c0270001000100000001000401020304',
)

export const webDecoders: readonly Decoder[] = [
  bytesDecoder(
    'parseResponseHead',
    (input) => {
      const head = parseResponseHead(input)
      return [head, framingOf('GET', head)]
    },
    { seeds: [HEAD, 'HTTP/1.0 404 Not Found\r\n\r\n', 'HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\n'] },
  ),
  bytesDecoder('parseFields', (input) => parseFields(latin1(input).split('\r\n')), { seeds: ['a: b\r\nc: d'] }),
  bytesDecoder('bodyDecoder', (input) => bodyDecoder({ kind: 'chunked' }).push(input), {
    seeds: ['5\r\nhello\r\n3;a=b\r\nabc\r\n0\r\nt: 1\r\n\r\n'],
  }),
  bytesDecoder('parseCertificate', parseCertificate, { seeds: certificates }),
  bytesDecoder(
    'DerReader',
    (input) => {
      const reader = new DerReader(input, 'fuzz')
      while (!reader.isDone) reader.next()
    },
    { seeds: certificates },
  ),
  bytesDecoder('schemeOf', schemeOf, { seeds: certificates.map((der) => parseCertificate(der).signatureAlgorithm) }),
  textDecoder('anchorsOf', anchorsOf, { seeds: [first], refusals: ['BAD_ARGUMENT'] }),
  bytesDecoder('parseAnchors', parseAnchors, {
    seeds: [Uint8Array.from([0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 1, 65, 0, 1, 66])],
  }),
  bytesDecoder('TlsWatch', (input) => new TlsWatch().received({ type: 22, sealed: false, plaintext: input }), {
    seeds: [HELLO_13, HELLO_12],
    refusals: ['MALFORMED', 'TLS_FAILED'],
  }),
  bytesDecoder(
    'FrameReader',
    (input) => {
      try {
        return [...new FrameReader(10_000).push(input)]
      } catch (error) {
        throw error instanceof FrameRefusal ? error.error : error
      }
    },
    {
      seeds: [
        Uint8Array.of(0x81, 5, ...utf8('hello')),
        Uint8Array.of(0x01, 1, 65, 0x89, 1, 7, 0x80, 1, 66, 0x88, 2, 3, 232),
      ],
    },
  ),
  bytesDecoder('decodeDnsAnswer', (input) => decodeDnsAnswer(input, { id: 7, name: 'a.example', type: 'A' }), {
    seeds: [DNS_ANSWER],
    refusals: ['MALFORMED', 'HOST_UNKNOWN', 'DESTINATION_UNREACHABLE'],
  }),
  bytesDecoder('decodeNymEnvelope', decodeNymEnvelope, {
    seeds: [encodeNymEnvelope({ mimeType: 'text/plain', headers: undefined, payload: utf8('hello') })],
  }),
]
