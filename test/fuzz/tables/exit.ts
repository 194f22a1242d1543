/** Decoders of what clients and exits say to each other. @module */

import { isCutShort } from '../../../src/client/dnsMessages.ts'
import { concat } from '../../../src/foundation/base/bytes.ts'
import { millis } from '../../../src/foundation/base/units.ts'
import { nodeProvider as crypto } from '../../../src/foundation/crypto/nodeProvider.ts'
import { BincodeReader } from '../../../src/protocol/wire/exit/bincode.ts'
import { classifyConnectionError } from '../../../src/protocol/wire/exit/connectionErrors.ts'
import {
  formatExitPolicy,
  isOpenExitPolicy,
  parseExitPolicy,
  readBinaryExitPolicy,
  readExitPolicy,
} from '../../../src/protocol/wire/exit/exitPolicy.ts'
import { isGlobalAddress } from '../../../src/protocol/wire/exit/globalAddress.ts'
import { decodeInterfaceRequest, decodeInterfaceResponse } from '../../../src/protocol/wire/exit/interfaceEnvelope.ts'
import { decodeBundle } from '../../../src/protocol/wire/exit/ipBundle.ts'
import {
  decodeIpPacketRequest,
  decodeIpPacketResponse,
  readHealth,
  readInfo,
  readOutcome,
  readReason,
} from '../../../src/protocol/wire/exit/ipPacketRouter.ts'
import {
  decodeLegacyIpPacketRequest,
  decodeLegacyIpPacketResponse,
} from '../../../src/protocol/wire/exit/ipPacketRouterLegacy.ts'
import { decodeSocks5Request, decodeSocks5Response } from '../../../src/protocol/wire/exit/socks5Messages.ts'
import { decodeLewesFrame, decodeStreamFrame } from '../../../src/protocol/wire/exit/streamFrame.ts'
import { buildUdp } from '../../../src/protocol/wire/ip/buildPacket.ts'
import { buildEcho, readEcho } from '../../../src/protocol/wire/ip/echo.ts'
import { FrameReader, frameHeader } from '../../../src/protocol/wire/ip/ethernet.ts'
import { PROTOCOL, readIpPacket } from '../../../src/protocol/wire/ip/ipPacket.ts'
import { buildTcp, FLAG, readTcpSegment } from '../../../src/protocol/wire/ip/tcpSegment.ts'
import { readRouterRequest } from '../../../src/roles/exit/ip/routerMessages.ts'
import { vectorBytes, vectorTexts } from '../corpus.ts'
import { bytesDecoder, type Decoder, jsonDecoder, textDecoder } from '../decoder.ts'

const requests = vectorBytes('exit', 'bytes', 'networkRequester', 'requests')
const responses = vectorBytes('exit', 'bytes', 'networkRequester', 'responses')
const ipRequests = vectorBytes('exit', 'bytes', 'ipPacketRouter', 'requests')
const ipResponses = vectorBytes('exit', 'bytes', 'ipPacketRouter', 'responses')
const frames = vectorBytes('exit', 'bytes', 'streamFrames')
const addresses = { source: Uint8Array.of(10, 0, 7, 7), destination: Uint8Array.of(1, 2, 3, 4) }
const packets = [
  buildUdp(addresses, { sourcePort: 5000, destinationPort: 53 }, new Uint8Array(20)),
  buildEcho(addresses, { isReply: false, identifier: 1, sequence: 2, data: new Uint8Array(8) }),
  buildTcp(
    addresses,
    { sourcePort: 1, destinationPort: 2 },
    { sequence: 1, acknowledgment: 2, flags: FLAG.syn, window: 9, mss: 1400 },
  ),
]
const framed = (packet: Uint8Array): Uint8Array =>
  concat(frameHeader(packet, { source: new Uint8Array(6), destination: new Uint8Array(6) }), packet)
const bincode = (name: string, read: (reader: BincodeReader) => unknown): Decoder =>
  bytesDecoder(name, (input) => read(new BincodeReader(input, 'fuzz')), { seeds: ipResponses })

export const exitDecoders: readonly Decoder[] = [
  bytesDecoder('decodeInterfaceRequest', decodeInterfaceRequest, { seeds: requests }),
  bytesDecoder('decodeInterfaceResponse', decodeInterfaceResponse, { seeds: responses }),
  bytesDecoder('decodeSocks5Request', (input) => decodeSocks5Request(crypto, input), { seeds: requests }),
  bytesDecoder('decodeSocks5Response', decodeSocks5Response, { seeds: responses }),
  bytesDecoder(
    'decodeSocks5Request in its envelope',
    (input) => {
      const envelope = decodeInterfaceRequest(input)
      return envelope.kind === 'control' ? envelope : decodeSocks5Request(crypto, envelope.data)
    },
    { seeds: requests },
  ),
  bytesDecoder(
    'decodeSocks5Response in its envelope',
    (input) => {
      const envelope = decodeInterfaceResponse(input)
      return envelope.kind === 'control' ? envelope : decodeSocks5Response(envelope.data)
    },
    { seeds: responses },
  ),
  bytesDecoder('decodeIpPacketRequest', decodeIpPacketRequest, { seeds: ipRequests }),
  bytesDecoder('decodeIpPacketResponse', decodeIpPacketResponse, { seeds: ipResponses }),
  bytesDecoder('decodeLegacyIpPacketRequest', (input) => decodeLegacyIpPacketRequest(crypto, input), {
    seeds: ipRequests,
  }),
  bytesDecoder('decodeLegacyIpPacketResponse', (input) => decodeLegacyIpPacketResponse(crypto, input), {
    seeds: ipResponses,
  }),
  bincode('readBinaryExitPolicy', readBinaryExitPolicy),
  bincode('readHealth', readHealth),
  bincode('readInfo', readInfo),
  bincode('readOutcome', readOutcome),
  bincode('readReason', (reader) => readReason(reader, ['notConnected', 'other'])),
  bytesDecoder('decodeBundle', decodeBundle, { seeds: ipRequests }),
  bytesDecoder(
    'readIpPacket readEcho readTcpSegment',
    (input) => {
      const packet = readIpPacket(input)
      if ('fault' in packet) return packet
      return packet.protocol === PROTOCOL.tcp ? readTcpSegment(packet) : readEcho(packet)
    },
    { seeds: packets },
  ),
  bytesDecoder('FrameReader', (input) => new FrameReader().push(input), { seeds: packets.map(framed) }),
  bytesDecoder('readRouterRequest', (input) => readRouterRequest(crypto, input, 'tag', millis(1_704_113_999_000)), {
    seeds: [...ipRequests, ...frames],
  }),
  bytesDecoder('isCutShort', isCutShort, { seeds: packets }),
  bytesDecoder('decodeStreamFrame', decodeStreamFrame, { seeds: frames }),
  bytesDecoder('decodeLewesFrame', decodeLewesFrame, { seeds: frames }),
  textDecoder(
    'parseExitPolicy',
    (text) => {
      const policy = parseExitPolicy(text)
      return [formatExitPolicy(policy), isOpenExitPolicy(policy)]
    },
    { seeds: vectorTexts('exit', 'text', 'exitPolicies') },
  ),
  jsonDecoder('readExitPolicy', readExitPolicy, {
    seeds: ['{"rules":[{"action":"reject","pattern":{"ip_pattern":"5.188.10.0/23","ports":{"start":1,"end":65535}}}]}'],
  }),
  textDecoder('classifyConnectionError', classifyConnectionError, { seeds: ['Domain "x" failed filter check'] }),
  bytesDecoder('isGlobalAddress', (input) =>
    isGlobalAddress(input.length < 16 ? new Uint8Array(4).map((_, i) => input[i] ?? 0) : input.slice(0, 16)),
  ),
]
