/** Decoders of what travels on links: mix frames, Noise, gateways, exits. @module */

import { readRefusal } from '../../../src/client/gatewayRefusals.ts'
import { HttpBody } from '../../../src/client/httpBody.ts'
import { parseHttpHead } from '../../../src/client/httpHead.ts'
import { parseHttpRequest } from '../../../src/client/httpRequest.ts'
import { SocksHandshake } from '../../../src/client/socksMessages.ts'
import { concat, fromUtf8Lossy, utf8 } from '../../../src/foundation/base/bytes.ts'
import { Secret } from '../../../src/foundation/base/secret.ts'
import { nodeProvider as crypto } from '../../../src/foundation/crypto/nodeProvider.ts'
import { NoiseHandshake } from '../../../src/network/transport/noise.ts'
import { encodeNoiseFrame, NoiseFrameDecoder } from '../../../src/network/transport/noiseFrames.ts'
import { NoiseSession } from '../../../src/network/transport/noiseSession.ts'
import { parseLocalErrorText } from '../../../src/protocol/wire/client/localError.ts'
import {
  decodeLocalRequest,
  decodeLocalRequestText,
  encodeLocalRequest,
  encodeLocalRequestText,
  type LocalRequest,
} from '../../../src/protocol/wire/client/localRequests.ts'
import {
  decodeLocalResponse,
  decodeLocalResponseText,
  encodeLocalResponse,
  encodeLocalResponseText,
  type LocalResponse,
} from '../../../src/protocol/wire/client/localResponses.ts'
import { checkAuthentication, checkRegistered } from '../../../src/protocol/wire/gateway/authentication.ts'
import { openBinary, openForward, openPush, sealBinary } from '../../../src/protocol/wire/gateway/binary.ts'
import {
  parseControlRequest,
  parseControlResponse,
  parseHandshakeMessage,
} from '../../../src/protocol/wire/gateway/control.ts'
import { openEncryptedRequest, openEncryptedResponse } from '../../../src/protocol/wire/gateway/encryptedRequests.ts'
import {
  startClientHandshake,
  startGatewayHandshake,
  stepClientHandshake,
  stepGatewayHandshake,
} from '../../../src/protocol/wire/gateway/handshake.ts'
import { parseJsonObject, parseJson as parseStrictJson } from '../../../src/protocol/wire/gateway/strictJson.ts'
import { decodeTicket, openTicket } from '../../../src/protocol/wire/gateway/ticket.ts'
import { MixFrameDecoder } from '../../../src/protocol/wire/mixFrame.ts'
import { decodeMixPacket } from '../../../src/protocol/wire/mixPacket.ts'
import { recordedSeeds, vectorBytes, vectorTexts } from '../corpus.ts'
import { bytesDecoder, type Decoder, textDecoder } from '../decoder.ts'

const KEY = new Uint8Array(32).fill(7)
const NONCE = new Uint8Array(12).fill(5)
const pair = (byte: number) => {
  const secret = new Uint8Array(32).fill(byte)
  return { secret: new Secret(secret), public: crypto.x25519Base(secret) }
}

/** Everything a stream decoder gives for bytes that come in pieces, the pieces' sizes being part of the input. */
function inPieces(input: Uint8Array, take: (chunk: Uint8Array) => void): void {
  const step = 1 + (input.at(-1) ?? 0) * 7
  for (let offset = 0; offset < input.length; offset += step) take(input.subarray(offset, offset + step))
}

function cutMixFrames(input: Uint8Array): number {
  const decoder = new MixFrameDecoder()
  let frames = 0
  inPieces(input, (chunk) => {
    decoder.push(chunk)
    for (let frame = decoder.next(); frame !== undefined && !('refused' in frame); frame = decoder.next()) frames++
  })
  return frames
}

function cutNoiseFrames(input: Uint8Array): number {
  const decoder = new NoiseFrameDecoder(1)
  let frames = 0
  inPieces(input, (chunk) => {
    decoder.push(chunk)
    for (let data = decoder.next(); data instanceof Uint8Array; data = decoder.next()) {
      if (++frames === 1) decoder.expect(1)
    }
  })
  return frames
}

const noiseOptions = { pattern: 1, own: pair(5), ephemeralSecret: new Uint8Array(32).fill(6) } as const
const respond = (input: Uint8Array): unknown => {
  const session = new NoiseSession(crypto, { ...noiseOptions, role: 'responder' })
  let refused: unknown
  inPieces(input, (chunk) => {
    refused ??= session.receive(chunk, { reply() {}, plaintext() {} })
  })
  return refused
}
const initiate = (input: Uint8Array): unknown => {
  const session = new NoiseSession(crypto, { ...noiseOptions, role: 'initiator', remotePublic: pair(8).public })
  session.begin()
  return session.receive(input, { reply() {}, plaintext() {} })
}
/** The first message of an initiator that knows the responder's key: its mutations pass the frame, not the handshake. */
const firstNoiseFrame = (): Uint8Array => {
  const own = pair(9)
  const handshake = new NoiseHandshake(crypto, {
    role: 'initiator',
    pattern: 1,
    own,
    remotePublic: pair(5).public,
    ephemeralSecret: new Uint8Array(32).fill(4),
  })
  return encodeNoiseFrame(1, 0, handshake.write() as Uint8Array)
}
const noiseFrames = [firstNoiseFrame(), ...vectorBytes('noise', 'frame', 'cases')]

const handshakeTexts = vectorTexts('gateway', 'text', 'handshakes')
const gatewayOptions = { identitySeed: new Secret(KEY), ephemeralSecret: new Secret(KEY), nonce: NONCE }
const clientStart = startClientHandshake(crypto, {
  ...gatewayOptions,
  gatewayIdentity: crypto.ed25519PublicKey(KEY),
  protocolVersion: 6,
  salt: new Uint8Array(16),
})
const gatewayStart = startGatewayHandshake(crypto, gatewayOptions, parseStart(clientStart.send))
function parseStart(text: string) {
  const request = parseControlRequest(text)
  if (request.type !== 'registerHandshakeInitRequest') throw new Error('no start of a registration')
  return request
}

const requests = [
  ...vectorTexts('gateway', 'text', 'controlRequests'),
  ...vectorTexts('gateway', 'text', 'controlRequestParsing'),
]
const responses = [
  ...vectorTexts('gateway', 'text', 'controlResponses'),
  ...vectorTexts('gateway', 'text', 'controlResponseParsing'),
]
const sealed = (kind: number, seeds: readonly Uint8Array[]) =>
  seeds.map((seed) => sealBinary(crypto, KEY, kind, seed, NONCE))
const mixPackets = [...vectorBytes('packet', 'bytes', 'mixPacketDecoding'), ...recordedSeeds('decodeMixPacket')]

/** Frames under the right key around whatever the fuzzer made of the inside. */
const inside = (kind: number, input: Uint8Array): Uint8Array => sealBinary(crypto, KEY, kind, input, NONCE)
const sealedText = (input: Uint8Array) => ({ ciphertext: crypto.sealAesGcmSiv(KEY, NONCE, input), nonce: NONCE })

const localIdentity = crypto.ed25519PublicKey(KEY)
const localAddress = { identity: localIdentity, encryptionKey: KEY, gateway: localIdentity }
const localContent = { connectionId: 7n, data: utf8('hello') }
const localRequests: readonly LocalRequest[] = [
  { type: 'send', recipient: localAddress, ...localContent },
  { type: 'sendAnonymous', recipient: localAddress, replySurbs: 10, ...localContent },
  { type: 'reply', senderTag: KEY.subarray(16), ...localContent },
  { type: 'selfAddress' },
  { type: 'getLaneQueueLength', connectionId: 2n ** 60n },
]
const localResponses: readonly LocalResponse[] = [
  { type: 'error', kind: 'other', message: 'no' },
  { type: 'received', senderTag: KEY.subarray(16), data: utf8('hello') },
  { type: 'selfAddress', address: localAddress },
  { type: 'laneQueueLength', lane: 1n, length: 3n },
]

const HTTP_REQUEST = 'POST http://h:80/?a HTTP/1.1\r\nConnection: close, x\r\nContent-Length: 5\r\n\r\n'

export const wireDecoders: readonly Decoder[] = [
  bytesDecoder('parseHttpHead', parseHttpHead, { seeds: [HTTP_REQUEST] }),
  bytesDecoder('parseHttpRequest', parseHttpRequest, {
    seeds: [HTTP_REQUEST, 'CONNECT [::1]:443 HTTP/1.1\r\n\r\n'],
  }),
  bytesDecoder(
    'HttpBody',
    (input) => {
      const body = new HttpBody({ kind: 'chunked' })
      inPieces(input, (chunk) => body.take(chunk))
    },
    { seeds: ['5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n'] },
  ),
  bytesDecoder('decodeLocalRequest', (input) => decodeLocalRequest(crypto, input), {
    seeds: localRequests.map(encodeLocalRequest),
  }),
  textDecoder('decodeLocalRequestText', (text) => decodeLocalRequestText(crypto, text), {
    seeds: localRequests.map(encodeLocalRequestText),
  }),
  bytesDecoder('decodeLocalResponse', (input) => decodeLocalResponse(crypto, input), {
    seeds: localResponses.map(encodeLocalResponse),
  }),
  textDecoder('decodeLocalResponseText', (text) => decodeLocalResponseText(crypto, text), {
    seeds: localResponses.map(encodeLocalResponseText),
  }),
  textDecoder('parseLocalErrorText', parseLocalErrorText, { seeds: ['malformed request:no'] }),
  bytesDecoder('MixFrameDecoder', cutMixFrames, {
    seeds: [
      ...vectorBytes('packet', 'bytes', 'mixFrameDecoding'),
      ...recordedSeeds('openHeader').map((packet) =>
        concat(Uint8Array.of(8, packet.length < 1000 ? 2 : 1, 0, 1), packet),
      ),
    ],
  }),
  bytesDecoder('decodeMixPacket version 1', (input) => decodeMixPacket(input, 1), { seeds: mixPackets }),
  bytesDecoder('decodeMixPacket version 2', (input) => decodeMixPacket(input, 2), { seeds: mixPackets }),
  bytesDecoder('NoiseFrameDecoder', cutNoiseFrames, { seeds: noiseFrames }),
  bytesDecoder('NoiseSession of a responder', respond, { seeds: noiseFrames }),
  bytesDecoder('NoiseSession of an initiator', initiate, { seeds: noiseFrames }),

  textDecoder('parseJson strictly', (text) => parseStrictJson(text, 'fuzz'), { seeds: requests }),
  textDecoder('parseJsonObject', (text) => parseJsonObject(text, 'fuzz'), { seeds: requests }),
  textDecoder('parseControlRequest', parseControlRequest, { seeds: requests }),
  textDecoder('parseControlResponse', parseControlResponse, { seeds: responses }),
  textDecoder('parseHandshakeMessage', parseHandshakeMessage, { seeds: handshakeTexts }),
  textDecoder('stepClientHandshake', (text) => stepClientHandshake(crypto, clientStart.state, text).kind, {
    seeds: handshakeTexts,
  }),
  textDecoder(
    'stepGatewayHandshake',
    (text) => (gatewayStart.kind === 'next' ? stepGatewayHandshake(crypto, gatewayStart.state, text).kind : undefined),
    { seeds: handshakeTexts },
  ),
  textDecoder(
    'startGatewayHandshake',
    (text) => startGatewayHandshake(crypto, gatewayOptions, parseStartOf(text)).kind,
    { seeds: [clientStart.send, ...handshakeTexts] },
  ),
  textDecoder('checkAuthentication', (text) => checkLoginText(text), {
    seeds: vectorTexts('gateway', 'text', 'authenticationChecks'),
  }),
  textDecoder('readRefusal', readRefusal, { seeds: ['the client is not registered'] }),
  bytesDecoder('openBinary', (input) => openBinary(crypto, KEY, input), {
    seeds: vectorBytes('gateway', 'frame', 'binaryFrames'),
  }),
  bytesDecoder('openForward', (input) => openForward(crypto, KEY, input), {
    seeds: [...sealed(1, mixPackets), ...sealed(2, mixPackets)],
  }),
  bytesDecoder('openForward inside', (input) => openForward(crypto, KEY, inside(1 + (input.length & 1), input)), {
    seeds: mixPackets,
  }),
  bytesDecoder('openPush', (input) => openPush(crypto, KEY, input), {
    seeds: vectorBytes('gateway', 'frame', 'binaryFrames'),
  }),
  bytesDecoder('openEncryptedRequest', (input) => openEncryptedRequest(crypto, KEY, sealedText(input)), {
    seeds: vectorTexts('gateway', 'plaintext', 'encryptedTexts').map(utf8),
  }),
  bytesDecoder('openEncryptedResponse', (input) => openEncryptedResponse(crypto, KEY, sealedText(input)), {
    seeds: vectorTexts('gateway', 'plaintext', 'encryptedTexts').map(utf8),
  }),
  bytesDecoder('decodeTicket', decodeTicket, { seeds: vectorBytes('gateway', 'plaintext', 'ticket') }),
  bytesDecoder(
    'openTicket',
    (input) => openTicket(crypto, KEY, { encCredential: sealedText(input).ciphertext, nonce: NONCE }),
    { seeds: vectorBytes('gateway', 'plaintext', 'ticket') },
  ),

  bytesDecoder('SocksHandshake', cutSocks, {
    seeds: [
      Uint8Array.of(5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80),
      concat(Uint8Array.of(5, 2, 0, 2, 5, 1, 0, 3, 13), utf8('demo.starling'), Uint8Array.of(0, 80)),
      concat(Uint8Array.of(4, 1, 0, 80, 0, 0, 0, 1), utf8('me\0demo.starling\0')),
      utf8('CONNECT demo.starling:80 HTTP/1.1\r\n\r\n'),
    ],
  }),
]

function parseStartOf(text: string): { protocolVersion: number; data: Uint8Array } {
  const request = parseControlRequest(text)
  return request.type === 'registerHandshakeInitRequest' ? request : { protocolVersion: 6, data: utf8(text) }
}

function checkLoginText(text: string): unknown {
  const request = parseControlRequest(text)
  if (request.type !== 'authenticateV2') return request.type
  const now = request.requestUnixTimestamp
  return (
    checkAuthentication(crypto, request, now) ??
    checkRegistered(crypto, request, { sharedKey: KEY, lastTimestamp: now })
  )
}

function cutSocks(input: Uint8Array): unknown {
  const handshake = new SocksHandshake()
  let last: unknown = 'pending'
  inPieces(input, (chunk) => {
    if (last !== 'pending') return
    const progress = handshake.push(chunk)
    if (progress.kind === 'connect') {
      const { host, port } = progress.destination
      // Whatever it says is repeated in logs, to exits and to name servers.
      if (!/^[\p{L}\p{M}\p{N}._:-]+$/u.test(host) || port < 1) throw new Error(`host ${fromUtf8Lossy(utf8(host))}`)
    }
    last = progress.kind
  })
  return last
}
