/** Packets that the official crate and an independent implementation made: taken apart, and built again to the same bytes. @module */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fromHex, toHex } from '../../foundation/base/bytes.ts'
import { nanos } from '../../foundation/base/units.ts'
import { lionessDecrypt, lionessEncrypt } from '../../foundation/crypto/lioness.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { BETA_OFFSET, FINAL_FIELDS_BYTES, HEADER_BYTES, type SphinxVersion, STREAM_BYTES } from './constants.ts'
import { buildHeader, ZERO_IV } from './header.ts'
import type { HeaderParams } from './headerParams.ts'
import { expandPayloadKeySeed, expandSharedSecret } from './keys.ts'
import { wrapPacket } from './packet.ts'
import { finalBlockBytes } from './route.ts'
import { createSurb, decodeSurb, encodeSurb, useSurb } from './surb.ts'
import { type OpenedHeader, openHeader, type Unwrapped } from './unwrap.ts'

const vectors = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../vectors/${name}.json`, import.meta.url), 'utf8'))

interface CrateHop {
  readonly kind: 'forward' | 'final'
  readonly replayTag: string
  readonly version: number
  readonly nextHopAddress?: string
  readonly delayNanos?: string
  readonly packet?: string
  readonly destination?: string
  readonly identifier?: string
  readonly plaintext?: string
}

interface CrateCase {
  readonly version: SphinxVersion
  readonly surb: boolean
  readonly payloadSize: number
  readonly message: string
  readonly packet: string
  readonly initialSecret: string
  readonly destination: string
  readonly identifier: string
  readonly route: readonly { address: string; publicKey: string; secretKey: string; delayNanos: string }[]
  readonly hops: readonly CrateHop[]
  readonly surbBytes?: string
  readonly firstHop?: string
}

const { cases } = vectors('sphinx') as { cases: CrateCase[] }

function open(secretKey: Uint8Array, packet: Uint8Array): OpenedHeader {
  const header = openHeader(crypto, secretKey, packet)
  if (header.kind === 'refused') assert.fail(header.reason)
  return header
}

/** The routing block that the key opens: 360 bytes. */
function routingBlock(secretKey: Uint8Array, packet: Uint8Array): Uint8Array {
  const { cipherKey } = expandSharedSecret(crypto, crypto.x25519(secretKey, packet.subarray(0, 32)))
  const encrypted = new Uint8Array(STREAM_BYTES)
  encrypted.set(packet.subarray(BETA_OFFSET, HEADER_BYTES))
  return crypto.aes128Ctr(cipherKey, ZERO_IV, encrypted)
}

function readable(result: Unwrapped): Record<string, string | number> {
  const entries = Object.entries(result).map(([key, value]: [string, unknown]) => [
    key,
    value instanceof Uint8Array ? toHex(value) : (value as string | number),
  ])
  return Object.fromEntries(entries) as Record<string, string | number>
}

describe('packets of the crate sphinx-packet', () => {
  for (const [index, vector] of cases.entries()) {
    const title = `case ${index}: version ${vector.version}, ${vector.hops.length} hops, ${vector.payloadSize} bytes${vector.surb ? ', SURB' : ''}`
    const secretKeys = vector.route.map((node) => fromHex(node.secretKey))

    it(`${title}: every hop unwraps to the same`, () => {
      let packet = fromHex(vector.packet)
      for (const [i, expected] of vector.hops.entries()) {
        const before = toHex(packet)
        const header = open(secretKeys[i] as Uint8Array, packet)
        assert.equal(toHex(header.replayTag), expected.replayTag)
        const result = header.unwrap()
        if (result.kind === 'forward') {
          assert.equal(expected.kind, 'forward')
          assert.equal(toHex(result.nextAddress), expected.nextHopAddress)
          assert.equal(String(result.delay), expected.delayNanos)
          assert.equal(toHex(result.packet), expected.packet)
          assert.equal(toHex(packet), before, 'the packet that came in is left alone')
          packet = result.packet
        } else {
          const { kind, destination, identifier, plaintext } = expected
          assert.deepEqual(readable(result), { kind, destination, identifier, message: plaintext })
          assert.equal(plaintext, vector.message)
          assert.equal(i, vector.hops.length - 1)
        }
      }
    })

    it(`${title}: is built again from its secret`, () => {
      const lastHop = vector.route.length - 1
      let packet = fromHex(vector.packet)
      for (const secretKey of secretKeys.slice(0, lastHop)) {
        const result = open(secretKey, packet).unwrap()
        assert.equal(result.kind, 'forward')
        packet = result.packet
      }
      const block = routingBlock(secretKeys[lastHop] as Uint8Array, packet)
      const params: HeaderParams = {
        secret: fromHex(vector.initialSecret),
        route: vector.route.map((node) => ({ address: fromHex(node.address), publicKey: fromHex(node.publicKey) })),
        delays: vector.route.map((node) => nanos(Number(node.delayNanos))),
        destination: { address: fromHex(vector.destination), identifier: fromHex(vector.identifier) },
        version: vector.version,
        padding: block.slice(FINAL_FIELDS_BYTES, finalBlockBytes(vector.route.length)),
      }
      const message = fromHex(vector.message)
      if (!vector.surb) {
        assert.equal(toHex(wrapPacket(crypto, { ...params, message, payloadBytes: vector.payloadSize })), vector.packet)
        return
      }
      const surb = createSurb(crypto, params)
      assert.equal(toHex(encodeSurb(surb)), vector.surbBytes)
      assert.deepEqual(decodeSurb(fromHex(vector.surbBytes as string)), surb)
      const used = useSurb(crypto, surb, message, vector.payloadSize)
      assert.equal(toHex(used.packet), vector.packet)
      assert.equal(toHex(used.firstHop), vector.firstHop)
    })
  }
})

describe('packets older than version 258', () => {
  interface OldCase {
    readonly sphinxVersion: number
    readonly network: string
    readonly packet: string
    readonly route: readonly number[]
    readonly hops: readonly { replayTag: string; nextAddress: string; delayNanos: string }[]
  }
  interface Network {
    readonly name: string
    readonly nodes: readonly { id: number; sphinxSecret: string }[]
  }
  const { oldSphinxVersions, networks } = vectors('packet') as { oldSphinxVersions: OldCase[]; networks: Network[] }

  for (const vector of oldSphinxVersions) {
    it(`version ${vector.sphinxVersion} opens at its first hop and fails the MAC at its second`, () => {
      const nodes = networks.find((network) => network.name === vector.network)?.nodes
      const key = (hop: number): Uint8Array =>
        fromHex(nodes?.find((node) => node.id === vector.route[hop])?.sphinxSecret as string)
      const header = open(key(0), fromHex(vector.packet))
      assert.equal(toHex(header.replayTag), vector.hops[0]?.replayTag)
      const result = header.unwrap()
      assert.equal(result.kind, 'forward')
      assert.equal(toHex(result.nextAddress), vector.hops[0]?.nextAddress)
      assert.equal(String(result.delay), vector.hops[0]?.delayNanos)
      assert.deepEqual(openHeader(crypto, key(1), result.packet), { kind: 'refused', reason: 'mac' })
    })
  }
})

interface SpecPacket {
  readonly name: string
  readonly version: SphinxVersion
  readonly route: readonly number[]
  readonly secret: string
  readonly delaysNanos: readonly string[]
  readonly destination: string
  readonly identifier: string
  readonly padding: string
  readonly message: string
  readonly payloadBytes: number
  readonly packetSha256: string
  readonly alpha?: string
  readonly gamma?: string
  readonly beta?: string
  readonly payload?: string
  readonly filler?: { bytes: number; first16: string; sha256: string }
  readonly alphaAfterHop?: readonly string[]
  readonly replayTagStart?: readonly string[]
  readonly packetSha256AfterHop?: readonly string[]
}

describe('packets of an independent implementation', () => {
  const { expandedSecret, payloadKeySeed, lioness, lionessLong, nodes, packets } = vectors('sphinx-spec') as {
    expandedSecret: Record<
      'secret1' | 'secret2' | 'sharedSecret' | 'cipherKey' | 'macKey' | 'payloadKey' | 'blinding' | 'replayTag',
      string
    >
    payloadKeySeed: { seed: string; payloadKeyStart: string; payloadKeySha256: string }
    lioness: { key: string; plaintext: string; ciphertext: string }[]
    lionessLong: { key: string; plaintext: string; ciphertextStart: string; ciphertextSha256: string }
    nodes: { secretKey: string; publicKey: string; address: string }[]
    packets: SpecPacket[]
  }
  const sha256 = (bytes: Uint8Array): string => toHex(crypto.sha256(bytes))

  it('expands the shared secret like the test of the crate', () => {
    const shared = crypto.x25519(fromHex(expandedSecret.secret2), crypto.x25519Base(fromHex(expandedSecret.secret1)))
    assert.equal(toHex(shared), expandedSecret.sharedSecret)
    const keys = expandSharedSecret(crypto, shared)
    assert.equal(toHex(keys.cipherKey), expandedSecret.cipherKey)
    assert.equal(toHex(keys.macKey), expandedSecret.macKey)
    for (const version of [1, 257, 258]) assert.equal(toHex(keys.payloadKey(version)), expandedSecret.payloadKey)
    for (const version of [0, 259, 260, 65535]) {
      assert.deepEqual(keys.payloadKey(version), expandPayloadKeySeed(crypto, keys.payloadKeySeed))
    }
    assert.equal(toHex(keys.payloadKeySeed), expandedSecret.payloadKey.slice(0, 32))
    assert.equal(toHex(keys.blinding), expandedSecret.blinding)
    assert.equal(toHex(keys.replayTag), expandedSecret.replayTag)
    assert.equal(JSON.stringify(keys), '{}')
  })

  it('derives a payload key from a seed', () => {
    const key = expandPayloadKeySeed(crypto, fromHex(payloadKeySeed.seed))
    assert.equal(toHex(key.subarray(0, 32)), payloadKeySeed.payloadKeyStart)
    assert.equal(sha256(key), payloadKeySeed.payloadKeySha256)
  })

  it('agrees on LIONESS', () => {
    for (const { key, plaintext, ciphertext } of lioness) {
      const block = fromHex(plaintext)
      lionessEncrypt(crypto, fromHex(key), block)
      assert.equal(toHex(block), ciphertext)
      lionessDecrypt(crypto, fromHex(key), block)
      assert.equal(toHex(block), plaintext)
    }
    const block = fromHex(lionessLong.plaintext)
    lionessEncrypt(crypto, fromHex(lionessLong.key), block)
    assert.equal(toHex(block.subarray(0, 48)), lionessLong.ciphertextStart)
    assert.equal(sha256(block), lionessLong.ciphertextSha256)
  })

  for (const vector of packets) {
    it(vector.name, () => {
      const route = vector.route.map((index) => nodes[index] as (typeof nodes)[number])
      const params = {
        secret: fromHex(vector.secret),
        route: route.map((node) => ({ address: fromHex(node.address), publicKey: fromHex(node.publicKey) })),
        delays: vector.delaysNanos.map((delay) => nanos(Number(delay))),
        destination: { address: fromHex(vector.destination), identifier: fromHex(vector.identifier) },
        version: vector.version,
        padding: fromHex(vector.padding),
      }
      let packet = wrapPacket(crypto, {
        ...params,
        message: fromHex(vector.message),
        payloadBytes: vector.payloadBytes,
      })
      if (vector.alpha !== undefined) {
        assert.equal(toHex(packet), [vector.alpha, vector.gamma, vector.beta, vector.payload].join(''))
      }
      assert.equal(sha256(packet), vector.packetSha256)
      assert.deepEqual(buildHeader(crypto, params).header, packet.subarray(0, HEADER_BYTES))
      for (const [i, node] of route.entries()) {
        const header = open(fromHex(node.secretKey), packet)
        if (vector.replayTagStart?.[i]) assert.equal(toHex(header.replayTag.subarray(0, 8)), vector.replayTagStart[i])
        const result = header.unwrap()
        if (result.kind === 'forward') {
          packet = result.packet
          if (vector.alphaAfterHop) assert.equal(toHex(packet.subarray(0, 32)), vector.alphaAfterHop[i])
          if (vector.packetSha256AfterHop) assert.equal(sha256(packet), vector.packetSha256AfterHop[i])
        } else {
          assert.equal(result.kind, 'final')
          assert.equal(toHex(result.message), vector.message)
        }
      }
      if (vector.filler) {
        const filler = packet.subarray(HEADER_BYTES - vector.filler.bytes, HEADER_BYTES)
        assert.equal(toHex(filler.subarray(0, 16)), vector.filler.first16)
        assert.equal(sha256(filler), vector.filler.sha256)
      }
    })
  }
})
