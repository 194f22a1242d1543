/** The vectors of the official crates as typed values, for the tests of this room. No tests here. @module */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fromHex } from '../../foundation/base/bytes.ts'
import { type Nanos, nanos } from '../../foundation/base/units.ts'
import type { SphinxVersion } from '../sphinx/constants.ts'
import type { Hop } from '../sphinx/route.ts'
import type { RotationFlag } from './keyRotation.ts'
import { encodeNodeAddress, parseNodeAddress } from './nodeAddress.ts'
import type { PacketSender } from './prepare.ts'
import type { Recipient } from './recipient.ts'

interface NodeVector {
  readonly id: number
  readonly address: string
  readonly sphinxSecret: string
  readonly sphinxPublic: string
}

export interface ClientVector {
  readonly name: string
  readonly identity: string
  readonly encryptionSecret: string
  readonly encryptionPublic: string
  readonly gatewayId: number
  readonly ackKey: string
}

export interface HopVector {
  readonly node: number
  readonly replayTag: string
  readonly nextAddress?: string
  readonly delayNanos?: string
  readonly packetSha256?: string
}

interface SphinxDraws {
  readonly secret: string
  readonly padding: string
}

interface AckVector {
  readonly firstHop: string
  readonly route: number[]
  readonly delaysNanos: string[]
  readonly ackContent: string
  readonly fragmentIdentifier: string
  readonly destination: string
}

export interface PacketVector {
  readonly name: string
  readonly network: string
  readonly sphinxVersion: SphinxVersion
  readonly route: number[]
  readonly delaysNanos: string[]
  readonly firstHop: string
  readonly keyRotation: RotationFlag
  readonly packet: string
  readonly plaintextSha256: string
  readonly hops: HopVector[]
  readonly destination: string
  readonly ack: AckVector
  readonly drawn: {
    readonly ack: SphinxDraws & { readonly iv: string }
    readonly ephemeralSecret: string
    readonly packet: SphinxDraws
  }
}

export interface PreparedVector extends PacketVector {
  readonly sender: string
  readonly recipient: string
  readonly packetSize: number
  readonly nymMessage: string
  /** null where it would be long. */
  readonly fragment: string | null
  readonly fragmentSha256: string
  readonly fragmentIdentifier: string
  readonly expectedTotalDelayNanos: string
}

export interface FragmentSetVector {
  readonly plaintextPerPacket: number
  readonly length: number
  readonly totalFragments: number
  readonly spaceInLastFragment: number
  readonly sets: {
    readonly id: number
    readonly fragments: number
    readonly edges: { number: number; header: string; payloadLength: number; fragmentSha256: string }[]
    readonly sha256OfAll: string
  }[]
  readonly fragmentBytes: string[]
}

export interface MessageVector {
  readonly name: string
  readonly kind: string
  readonly contentTag?: number
  readonly senderTag?: string
  readonly replySurbs?: string[]
  readonly keyRotation?: RotationFlag
  readonly recipient?: string
  readonly amount?: number
  readonly data?: string
  readonly body: string
  readonly plaintextPerPacket: number
  readonly paddedLength: number
  readonly paddedSha256: string
  readonly fragments: number
}

export interface Vectors {
  readonly networks: { name: string; rotationId: number; rotationFlag: RotationFlag; nodes: NodeVector[] }[]
  readonly clients: ClientVector[]
  readonly recipients: Record<
    'text' | 'bytes' | 'identity' | 'encryptionKey' | 'gateway' | 'sphinxIdentifier',
    string
  >[]
  readonly recipientsRefused: { name: string; text: string }[]
  readonly nodeAddresses: Record<'address' | 'bytes' | 'padded19' | 'padded32', string>[]
  readonly nodeAddressParsing: { bytes: string; address?: string }[]
  readonly rotationFlags: { rotationId: number; flag: RotationFlag }[]
  readonly packetSizes: { name: string; tag: number; total: number; payload: number; plaintext: number }[]
  readonly fragmentSets: FragmentSetVector[]
  readonly fragmentParsing: {
    name: string
    bytes: string
    error?: string
    id: number
    total: number
    number: number
    previous: number | null
    next: number | null
    payload: string
  }[]
  readonly fragmentIdentifiers: { bytes: string; setId: number; cover: boolean; error?: string }[]
  readonly nymMessages: MessageVector[]
  readonly nymMessageParsing: {
    name: string
    body?: string
    padded?: string
    kind?: string
    data?: string
    replySurbs?: number
    error?: string
  }[]
  readonly replySurbs: {
    name: string
    network: string
    owner: string
    sphinxVersion: SphinxVersion
    mixHops: boolean
    secret: string
    padding: string
    encryptionKey: string
    encryptionKeyDigest: string
    route: number[]
    delaysNanos: string[]
    length: number
    bytes: string
    base58: string | null
  }[]
  readonly replySurbParsing: { name: string; bytes: string; error?: string; sameWhenWritten?: boolean }[]
  readonly replyPackets: (Omit<PacketVector, 'drawn'> & {
    replySurbIndex: number
    replier: string
    owner: string
    nymMessage: string
    fragment: string
    fragmentIdentifier: string
    expectedTotalDelayNanos: string
    drawn: Pick<PacketVector['drawn'], 'ack'>
    plaintext: string
  })[]
  readonly surbAcks: (AckVector & {
    network: string
    owner: string
    ackKey: string
    sphinxVersion: SphinxVersion
    iv: string
    secret: string
    padding: string
    expectedTotalDelayNanos: string
    bytes: string
  })[]
  readonly endToEnd: Record<
    'ephemeralSecret' | 'ephemeralPublic' | 'recipientSecret' | 'recipientPublic' | 'key' | 'plaintext' | 'ciphertext',
    string
  >[]
  readonly preparedFragments: PreparedVector[]
  readonly loopCover: (PacketVector & {
    client: string
    payloadKey: string
    contentLength: number
    contentStart: string
  })[]
}

const file = new URL('../../../vectors/packet.json', import.meta.url)
export const vectors: Vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors

function found<T>(item: T | undefined, what: string): T {
  return item ?? assert.fail(`no such ${what} in the vectors`)
}

export function nodeOf(network: string, id: number): NodeVector {
  const { nodes } = found(
    vectors.networks.find((candidate) => candidate.name === network),
    'network',
  )
  return found(
    nodes.find((node) => node.id === id),
    'node',
  )
}

export function clientOf(name: string): ClientVector {
  return found(
    vectors.clients.find((candidate) => candidate.name === name),
    'client',
  )
}

export function recipientOf(name: string): Recipient {
  const index = vectors.clients.indexOf(clientOf(name))
  const { identity, encryptionKey, gateway } = found(vectors.recipients[index], 'recipient')
  return { identity: fromHex(identity), encryptionKey: fromHex(encryptionKey), gateway: fromHex(gateway) }
}

export const senderOf = (name: string): PacketSender => ({
  address: recipientOf(name),
  ackKey: fromHex(clientOf(name).ackKey),
})

export function routeOf(network: string, ids: readonly number[]): Hop[] {
  return ids.map((id) => {
    const { address, sphinxPublic } = nodeOf(network, id)
    return { address: encodeNodeAddress(parseNodeAddress(address), 32), publicKey: fromHex(sphinxPublic) }
  })
}

/** The vectors leave out the last delay, which is drawn and never encoded. */
export const delaysOf = (delays: readonly string[]): Nanos[] => [
  ...delays.map((delay) => nanos(Number(delay))),
  nanos(7),
]
