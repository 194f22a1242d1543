import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fromHex, toHex } from '../../../foundation/base/bytes.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { parseIp } from '../../../foundation/base/ipAddress.ts'
import { nodeProvider as crypto } from '../../../foundation/crypto/nodeProvider.ts'
import { encodeRecipient } from '../../packet/recipient.ts'
import { parseJson } from '../directory/json.ts'
import {
  encodeExitPolicy,
  evaluateExitPolicy,
  formatExitPolicy,
  isOpenExitPolicy,
  OPEN_EXIT_POLICY,
  parseExitPolicy,
  readExitPolicy,
} from './exitPolicy.ts'
import { isGlobalAddress } from './globalAddress.ts'
import {
  decodeInterfaceRequest,
  decodeInterfaceResponse,
  encodeInterfaceRequest,
  encodeInterfaceResponse,
} from './interfaceEnvelope.ts'
import {
  decodeSocks5Request,
  decodeSocks5Response,
  encodeSocks5Request,
  encodeSocks5Response,
  type Socks5Answer,
} from './socks5Messages.ts'

interface Case {
  readonly name: string
  readonly bytes: string
  readonly message?: unknown
  readonly error?: string
  readonly json?: string | null
  readonly officialReadsItBack?: boolean
}

interface Policy {
  readonly name: string
  readonly text: string
  readonly formatted: string
  readonly json: unknown
  readonly isOpen: boolean
  readonly allowed: readonly string[]
  readonly denied: readonly string[]
  readonly noRule: readonly string[]
}

const vectors = JSON.parse(readFileSync(new URL('../../../../vectors/exit.json', import.meta.url), 'utf8')) as {
  readonly networkRequester: Record<'requests' | 'responses' | 'requestParsing' | 'responseParsing', readonly Case[]>
  readonly exitPolicies: readonly Policy[]
  readonly exitPolicyLines: readonly { readonly line: string; readonly formatted?: string; readonly error?: string }[]
  readonly globalAddresses: readonly { readonly ip: string; readonly global: boolean }[]
}

const orNull = (version: 'legacy' | number): number | null => (version === 'legacy' ? null : version)
const capitalized = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1)
const malformed = (error: unknown): boolean => isMixnetError(error, 'MALFORMED')

/** Decodes a request into the vectors' words, and the bytes our encoder makes of it. */
function request(bytes: Uint8Array): { described: unknown; again: Uint8Array } {
  const outer = decodeInterfaceRequest(bytes)
  const interfaceVersion = orNull(outer.interfaceVersion)
  if (outer.kind === 'control') {
    return {
      described: { interfaceVersion, control: capitalized(outer.control) },
      again: encodeInterfaceRequest(outer),
    }
  }
  const inner = decodeSocks5Request(crypto, outer.data)
  const again = encodeInterfaceRequest({ ...outer, data: encodeSocks5Request(inner) })
  const head = { interfaceVersion, socks5Version: orNull(inner.version), kind: inner.kind }
  if (inner.kind === 'query') return { described: { ...head, query: capitalized(inner.query) }, again }
  const connectionId = String(inner.connectionId)
  if (inner.kind === 'connect') {
    const returnAddress = inner.returnAddress === undefined ? null : toHex(encodeRecipient(inner.returnAddress))
    return { described: { ...head, connectionId, remote: inner.remote, returnAddress }, again }
  }
  const { closed, sequence, data } = inner
  return { described: { ...head, connectionId, closed, sequence: String(sequence), data: toHex(data) }, again }
}

function describedAnswer(answer: Socks5Answer): unknown {
  switch (answer.kind) {
    case 'openProxy':
      return { OpenProxy: answer.openProxy }
    case 'description':
      return { Description: answer.description }
    case 'exitPolicy': {
      const { enabled, upstream, policy } = answer
      return { ExitPolicy: { enabled, upstream, policy: policy === undefined ? null : encodeExitPolicy(policy) } }
    }
    case 'error':
      return { Error: { message: answer.message } }
  }
}

function response(bytes: Uint8Array): { described: unknown; again: Uint8Array } {
  const outer = decodeInterfaceResponse(bytes)
  const interfaceVersion = orNull(outer.interfaceVersion)
  if (outer.kind === 'control') {
    return {
      described: { interfaceVersion, control: capitalized(outer.control.kind) },
      again: encodeInterfaceResponse(outer),
    }
  }
  const inner = decodeSocks5Response(outer.data)
  const again = encodeInterfaceResponse({ ...outer, data: encodeSocks5Response(inner) })
  const head = { interfaceVersion, socks5Version: orNull(inner.version), kind: inner.kind }
  if (inner.kind === 'query') return { described: { ...head, answer: describedAnswer(inner.answer) }, again }
  const connectionId = String(inner.connectionId)
  if (inner.kind === 'connectionError') {
    return { described: { ...head, connectionId, message: inner.message }, again }
  }
  const { closed, sequence, data } = inner
  return { described: { ...head, connectionId, closed, sequence: String(sequence), data: toHex(data) }, again }
}

describe('network requester vectors', () => {
  const { requests, responses, requestParsing, responseParsing } = vectors.networkRequester

  for (const one of requests) {
    it(`request: ${one.name}`, () => {
      const { described, again } = request(fromHex(one.bytes))
      assert.deepEqual(described, one.message)
      assert.equal(toHex(again), one.bytes)
    })
  }

  for (const one of responses) {
    it(`response: ${one.name}`, () => {
      const bytes = fromHex(one.bytes)
      if (one.officialReadsItBack === false) {
        // A legacy answer to a query: its first byte reads as a version. It can be written all the same.
        const versioned = responses.find(
          ({ name }) => name === one.name.replace(/(interface 3, socks5 )?legacy/, 'current'),
        )
        const outer = decodeInterfaceResponse(fromHex(versioned?.bytes ?? ''))
        assert.equal(outer.kind, 'providerData')
        if (outer.kind !== 'providerData') return
        const inner = decodeSocks5Response(outer.data)
        const data = encodeSocks5Response({ ...inner, version: 'legacy' })
        const { interfaceVersion } = one.message as { interfaceVersion: number | null }
        const encoded = encodeInterfaceResponse({ ...outer, interfaceVersion: interfaceVersion ?? 'legacy', data })
        assert.equal(toHex(encoded), one.bytes)
        return
      }
      const { described, again } = response(bytes)
      assert.deepEqual(described, one.message)
      assert.equal(toHex(again), one.bytes)
      if (typeof one.json === 'string') assert.equal(new TextDecoder().decode(again.subarray(3)), one.json)
    })
  }

  const parsings = [
    ['request', request, requestParsing],
    ['response', response, responseParsing],
  ] as const
  for (const [what, parse, cases] of parsings) {
    for (const one of cases) {
      it(`parsing a ${what}: ${one.name}`, () => {
        if (one.error !== undefined) assert.throws(() => parse(fromHex(one.bytes)), malformed)
        else assert.deepEqual(parse(fromHex(one.bytes)).described, one.message)
      })
    }
  }
})

describe('exit policy vectors', () => {
  for (const one of vectors.exitPolicies) {
    it(one.name, () => {
      const policy = parseExitPolicy(one.text)
      assert.equal(formatExitPolicy(policy), one.formatted)
      assert.deepEqual(encodeExitPolicy(policy), one.json)
      assert.deepEqual(readExitPolicy(parseJson(JSON.stringify(one.json), 'policy')), policy)
      assert.deepEqual(parseExitPolicy(one.formatted), policy)
      assert.equal(isOpenExitPolicy(policy), one.isOpen)
      const expected = { accept: one.allowed, reject: one.denied, noRule: one.noRule }
      for (const [decision, destinations] of Object.entries(expected)) {
        for (const destination of destinations) {
          const [ip = '', port] = destination.split(' ')
          const address = parseIp(ip)
          assert.ok(address)
          assert.equal(evaluateExitPolicy(policy, address, Number(port)), decision, destination)
        }
      }
    })
  }

  for (const { line, formatted, error } of vectors.exitPolicyLines) {
    it(line, () => {
      if (error !== undefined) assert.throws(() => parseExitPolicy(line), malformed)
      else assert.equal(formatExitPolicy(parseExitPolicy(line)), formatted)
    })
  }

  it('knows the open policy', () => {
    assert.ok(isOpenExitPolicy(OPEN_EXIT_POLICY))
    assert.ok(isOpenExitPolicy(parseExitPolicy('ExitPolicy accept *:1-65535')))
    assert.ok(!isOpenExitPolicy(parseExitPolicy('ExitPolicy accept6 *:*')))
  })
})

describe('globally routable addresses', () => {
  for (const { ip, global } of vectors.globalAddresses) {
    it(`${ip} is ${global ? '' : 'not '}global`, () => {
      const address = parseIp(ip)
      assert.ok(address)
      assert.equal(isGlobalAddress(address), global)
    })
  }
})
