import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fromHex, toHex } from '../../../foundation/base/bytes.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { parseIp } from '../../../foundation/base/ipAddress.ts'
import { nodeProvider as crypto } from '../../../foundation/crypto/nodeProvider.ts'
import { decodeRecipient } from '../../packet/recipient.ts'
import { type BuildInformation, readBuildInformation } from '../directory/buildInformation.ts'
import { parseJson } from '../directory/json.ts'
import type { IpPair } from './bincode.ts'
import {
  decodeIpPacketRequest,
  decodeIpPacketResponse,
  encodeIpPacketRequest,
  encodeIpPacketResponse,
  type IpPacketRouterVersion,
} from './ipPacketRouter.ts'
import {
  decodeLegacyIpPacketRequest,
  decodeLegacyIpPacketResponse,
  encodeLegacyIpPacketRequest,
  encodeLegacyIpPacketResponse,
  type LegacyRouterVersion,
  legacySignedBytes,
} from './ipPacketRouterLegacy.ts'

interface Message {
  readonly version: number
  readonly name: string
  readonly bytes: string
  readonly fields: {
    readonly requestId?: string
    readonly replyTo?: string
    readonly hops?: number | null
    readonly averageDelay?: string | null
    readonly bufferTimeout?: string | null
    readonly timestamp?: { readonly unixSeconds: string; readonly nanoseconds: number }
    readonly ips?: { readonly ipv4: string; readonly ipv6: string }
    readonly signedBytes?: string
    readonly signature?: string
    readonly bundle?: string
    readonly buildInformation?: unknown
    readonly routable?: boolean | null
  }
}

const vectors = JSON.parse(readFileSync(new URL('../../../../vectors/exit.json', import.meta.url), 'utf8')) as {
  readonly ipPacketRouter: {
    readonly requests: readonly Message[]
    readonly responses: readonly Message[]
    readonly v8RequestParsing: readonly {
      readonly name: string
      readonly bytes: string
      readonly requestId?: string
      readonly error?: string
    }[]
  }
}

const malformed = (error: unknown): boolean => isMixnetError(error, 'MALFORMED')
const ip = (text: string): Uint8Array => parseIp(text) ?? assert.fail(text)
const optional = <T, U>(value: T | null | undefined, map: (value: T) => U): U | undefined =>
  value === null || value === undefined ? undefined : map(value)

/** The vectors' fields in our words, without those the message has not. */
function fieldsOf({ fields, version }: Message): Record<string, unknown> {
  const expected: Record<string, unknown> = {}
  if (fields.requestId !== undefined) expected.requestId = BigInt(fields.requestId)
  if (fields.replyTo !== undefined) expected.replyTo = decodeRecipient(crypto, fromHex(fields.replyTo))
  if (fields.ips !== undefined) {
    expected.ips = { ipv4: ip(fields.ips.ipv4), ipv6: ip(fields.ips.ipv6) } satisfies IpPair
  }
  if (fields.bundle !== undefined) expected.bundle = fromHex(fields.bundle)
  if (fields.buildInformation !== undefined) {
    const json = parseJson(JSON.stringify(fields.buildInformation), 'build information')
    expected.buildInformation = readBuildInformation(json) satisfies BuildInformation
    expected.routable = fields.routable ?? undefined
  }
  if ('timestamp' in fields) {
    expected.timestamp = optional(fields.timestamp, ({ unixSeconds, nanoseconds }) => ({
      unixSeconds: Number(unixSeconds),
      nanoseconds,
    }))
  }
  if (version > 7 && 'bufferTimeout' in fields) expected.bufferTimeoutMs = optional(fields.bufferTimeout, BigInt)
  return expected
}

function legacyRequestFields(message: Message): Record<string, unknown> {
  const { fields, name } = message
  const expected = fieldsOf(message)
  if (name === 'data') return expected
  expected.timestamp ??= undefined
  if (name === 'ping' || name === 'health') return expected
  expected.signature = optional(fields.signature, (hex) => fromHex(hex))
  if (name === 'disconnect') return expected
  expected.hops = fields.hops ?? undefined
  expected.averageDelay = optional(fields.averageDelay, Number)
  expected.bufferTimeoutMs = optional(fields.bufferTimeout, BigInt)
  return expected
}

const REASONS: Readonly<Record<string, string>> = {
  'already connected': 'alreadyConnected',
  'no available IP': 'noAvailableIp',
  'no IP': 'noAvailableIp',
  'not connected': 'notConnected',
  'IP in use': 'ipInUse',
  'address in use': 'addressInUse',
  'out of date timestamp': 'outOfDateTimestamp',
  'mixnet timeout': 'mixnetTrafficTimeout',
  'TUN timeout': 'tunTrafficTimeout',
}
const KINDS: Readonly<Record<string, readonly [success: string, failure: string]>> = {
  connect: ['connected', 'connectRefused'],
  'static connect': ['staticConnected', 'staticConnectRefused'],
  'dynamic connect': ['dynamicConnected', 'dynamicConnectRefused'],
  disconnect: ['disconnected', 'disconnectRefused'],
  'unrequested disconnect': ['', 'unrequestedDisconnect'],
}

/** What a response's name says. */
function namedResponse(name: string): Record<string, unknown> {
  const generic = /^info, generic, level (\w+): (.*)$/.exec(name)
  if (generic) return { kind: 'info', info: { kind: 'generic', text: generic[2] }, level: generic[1] }
  const mismatch = /^info, version mismatch (\d+) to (\d+), level (\w+)$/.exec(name)
  if (mismatch) {
    const [, requestVersion, responseVersion, level] = mismatch
    const versions = { requestVersion: Number(requestVersion), responseVersion: Number(responseVersion) }
    return { kind: 'info', info: { kind: 'versionMismatch', ...versions }, level }
  }
  const refused = /^info, exit policy refused (.*), level (\w+)$/.exec(name)
  if (refused) return { kind: 'info', info: { kind: 'exitPolicyRefused', destination: refused[1] }, level: refused[2] }
  const [what = '', outcome] = name.split(', ')
  const kinds = KINDS[what]
  if (kinds === undefined || outcome === undefined) return { kind: what }
  if (outcome === 'success') return { kind: kinds[0] }
  const other = /^other: (.*)$/.exec(outcome)
  return { kind: kinds[1], reason: other ? { kind: 'other', text: other[1] } : { kind: REASONS[outcome] } }
}

const camel = (name: string): string => name.replace(/ (\w)/g, (_, letter: string) => letter.toUpperCase())

describe('IP packet router vectors', () => {
  const router = vectors.ipPacketRouter

  for (const [i, message] of router.requests.entries()) {
    it(`request ${i}: version ${message.version}, ${message.name}`, () => {
      const bytes = fromHex(message.bytes)
      const kind = camel(message.name)
      if (message.version < 8) {
        const version = message.version as LegacyRouterVersion
        const decoded = decodeLegacyIpPacketRequest(crypto, bytes)
        assert.deepEqual(decoded, { version, request: { kind, ...legacyRequestFields(message) } })
        assert.equal(toHex(encodeLegacyIpPacketRequest(version, decoded.request)), message.bytes)
        const { signedBytes, signature, replyTo } = message.fields
        if (signedBytes !== undefined && decoded.request.kind !== 'data') {
          assert.equal(toHex(legacySignedBytes(decoded.request)), signedBytes)
          const identity = fromHex(replyTo ?? '').subarray(0, 32)
          if (signature !== undefined) {
            assert.ok(crypto.ed25519Verify(identity, fromHex(signedBytes), fromHex(signature)))
          }
        }
        return
      }
      const version = message.version as IpPacketRouterVersion
      const decoded = decodeIpPacketRequest(bytes)
      assert.deepEqual(decoded, { version, request: { kind, ...fieldsOf(message) } })
      assert.equal(toHex(encodeIpPacketRequest(version, decoded.request)), message.bytes)
      // Version 10 changes nothing in requests but the byte itself.
      assert.deepEqual(decodeIpPacketRequest(encodeIpPacketRequest(10, decoded.request)), {
        version: 10,
        request: decoded.request,
      })
    })
  }

  for (const [i, message] of router.responses.entries()) {
    it(`response ${i}: version ${message.version}, ${message.name}`, () => {
      const bytes = fromHex(message.bytes)
      const expected = { ...namedResponse(message.name), ...fieldsOf(message) }
      if (message.version < 8) {
        const version = message.version as LegacyRouterVersion
        const decoded = decodeLegacyIpPacketResponse(crypto, bytes)
        assert.deepEqual(decoded, { version, response: expected })
        assert.equal(toHex(encodeLegacyIpPacketResponse(version, decoded.response)), message.bytes)
        return
      }
      const version = message.version as IpPacketRouterVersion
      const decoded = decodeIpPacketResponse(bytes)
      const mtu = decoded.response.kind === 'connected' ? { mtu: undefined } : {}
      assert.deepEqual(decoded, { version, response: { ...expected, ...mtu } })
      assert.equal(toHex(encodeIpPacketResponse(version, decoded.response)), message.bytes)
    })
  }

  it('version 10 adds the MTU to a successful connect', () => {
    const ips = { ipv4: ip('10.0.18.52'), ipv6: ip('fc00::1234') }
    const response = { kind: 'connected', requestId: 123n, ips, mtu: 1500 } as const
    const bytes = encodeIpPacketResponse(10, response)
    assert.equal(toHex(bytes), '0a01007b000a001234fc000000000000000000000000001234fb05dc')
    assert.deepEqual(decodeIpPacketResponse(bytes), { version: 10, response })
    assert.throws(() => decodeIpPacketResponse(bytes.subarray(0, -3)), malformed)
  })

  // The official parser leaves the version and the kind of service to its caller; ours refuses what no caller wants.
  const refusedHere = ['provider type 0', 'other version byte parses too']
  for (const one of router.v8RequestParsing) {
    it(`parsing: ${one.name}`, () => {
      const bytes = fromHex(one.bytes)
      if (one.error !== undefined || refusedHere.includes(one.name)) {
        assert.throws(() => decodeIpPacketRequest(bytes), malformed)
        return
      }
      const { version, request } = decodeIpPacketRequest(bytes)
      assert.equal(version, 8)
      assert.equal(request.kind, 'connect')
      if (request.kind === 'connect') assert.equal(String(request.requestId), one.requestId)
    })
  }
})
