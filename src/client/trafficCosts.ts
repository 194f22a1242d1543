/**
 * What packets cost on the wire between a client and its gateway, and a directory's answers: bytes as a
 * network provider counts them, from the formats' own sizes. test/traffic.test.ts counts on a simulated wire. Pure. @module
 */
import type { RefreshParams } from '../network/topology/topologyProvider.ts'
import { ACK_BYTES, fragmentBytes, REGULAR, VARIANT_BYTES } from '../protocol/packet/sizes.ts'

/** Kind, flag, nonce and tag of a sealed frame. */
const SEAL = 30
/** Version 2 of a mix packet's head, with an IPv6 address. */
const MIX_PACKET_HEAD = 21
/** The gateway's answer to each packet, a text with the balance; and its ping with our pong, at low rates one a push. */
const SENT_TEXT = 70
const PING = 8

/** A websocket's header at its longest, and a TLS record's. */
const RECORD = 8 + 22
const TCP_AND_IP = 40
const SEGMENT = 1_400
const message = (bytes: number): number => bytes + RECORD + TCP_AND_IP * Math.ceil(bytes / SEGMENT)
/** TCP's, for every message: it may send fewer. */
const RECEIVED = TCP_AND_IP

export interface Bytes {
  readonly up: number
  readonly down: number
}

/** A packet into the mixnet, cover or real: what comes back for it is the gateway's answer, and the SURB-ack. */
export const SENT_PACKET: Bytes = {
  up: message(REGULAR.totalBytes + MIX_PACKET_HEAD + SEAL) + 2 * RECEIVED,
  down: RECEIVED + message(SENT_TEXT) + message(ACK_BYTES + SEAL),
}

/** A loop that comes home, a message of somebody, or a packet of an answer. */
export const PUSHED_PACKET: Bytes = {
  up: 2 * RECEIVED + message(PING),
  down: message(VARIANT_BYTES + fragmentBytes(REGULAR) + SEAL) + message(PING) + RECEIVED,
}

/** What a packet of an answer costs us, the other way round: surbSupply.ts. */
export const SURBS_A_PACKET: number = 24 / 7
/** Of a message, in one packet of a longer one. */
export const FRAGMENT_PAYLOAD: number = fragmentBytes(REGULAR) - 7

// A listing takes some 450 bytes a node, and those that mix or are gateways are a part of the network: of 500 nodes.
const ASSUMED_DIRECTORY_ANSWER = 225_000
const DAY_MS = 86_400_000

/** For a network of 500 mix nodes and gateways; others in proportion. */
export function directoryBytesPerDay({ interval }: RefreshParams): number {
  return (ASSUMED_DIRECTORY_ANSWER * DAY_MS) / interval
}
