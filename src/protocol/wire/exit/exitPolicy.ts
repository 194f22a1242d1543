/**
 * Exit policies: which addresses and ports an exit connects to. The first rule that matches decides. Three forms of one
 * thing: text lines (`ExitPolicy accept *:443`), JSON, and the binary form of a query's answer. Format: docs/spec/exit.md.
 * @module
 */
import { malformed } from '../../../foundation/base/errors.ts'
import { formatIp, IPV4_BYTES, parseIp } from '../../../foundation/base/ipAddress.ts'
import type { Json, JsonObject } from '../directory/json.ts'
import type { BincodeReader, BincodeWriter } from './bincode.ts'
import { hasPrefix } from './ipPrefix.ts'

/** The suffix 6 of an action means nothing when matching, unlike in Tor. */
export type PolicyAction = 'accept' | 'reject' | 'accept6' | 'reject6'

export type IpPattern =
  | { readonly kind: 'any' }
  | { readonly kind: 'anyIpv4' }
  | { readonly kind: 'anyIpv6' }
  /** `bits` is at least 1; the address keeps its host bits, as written. */
  | { readonly kind: 'network'; readonly address: Uint8Array; readonly bits: number }

export interface PortRange {
  readonly start: number
  readonly end: number
}

export interface PolicyRule {
  readonly action: PolicyAction
  readonly pattern: IpPattern
  readonly ports: PortRange
}

export interface ExitPolicy {
  readonly rules: readonly PolicyRule[]
}

/** `noRule` denies, as `reject` does. */
export type PolicyDecision = 'accept' | 'reject' | 'noRule'

const ACTIONS = ['accept', 'reject', 'accept6', 'reject6'] as const
const PREFIX = 'ExitPolicy'
const WHAT = 'exit policy'
const ALL_PORTS: PortRange = { start: 1, end: 65_535 }
const MAX_RULES = 16_384
/** Action, an empty pattern's length and two ports: what a rule takes at least in binary. */
const MIN_RULE_BYTES = 4
const MAX_PATTERN_CHARACTERS = 64
const NUMBER = /^\+?[0-9]{1,32}$/

export const OPEN_EXIT_POLICY: ExitPolicy = {
  rules: [{ action: 'accept', pattern: { kind: 'any' }, ports: ALL_PORTS }],
}

/**
 * What the policy says of a destination: 4 or 16 bytes and a port. Port 0 stands for traffic without ports and matches any
 * rule's ports.
 */
export function evaluateExitPolicy(policy: ExitPolicy, address: Uint8Array, port: number): PolicyDecision {
  for (const { action, pattern, ports } of policy.rules) {
    if (port !== 0 && (port < ports.start || port > ports.end)) continue
    if (!matchesPattern(pattern, address)) continue
    return action === 'accept' || action === 'accept6' ? 'accept' : 'reject'
  }
  return 'noRule'
}

/** Whether the policy is `accept *:*` and nothing else. */
export function isOpenExitPolicy({ rules }: ExitPolicy): boolean {
  const [rule] = rules
  return rules.length === 1 && rule !== undefined && formatRule(rule) === 'accept *:*'
}

/** Reads the text form; one bad line refuses the whole policy. */
export function parseExitPolicy(text: string): ExitPolicy {
  const rules: PolicyRule[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const stated = line.split('#', 1)[0]?.trim() ?? ''
    if (stated === '') continue
    if (rules.length === MAX_RULES) throw malformed(WHAT, `more than ${MAX_RULES} rules`)
    rules.push(parseLine(stated, `${WHAT} line ${index + 1}`))
  }
  return { rules }
}

/** One line per rule, no newline at the end. */
export function formatExitPolicy({ rules }: ExitPolicy): string {
  return rules.map((rule) => `${PREFIX} ${formatRule(rule)}`).join('\n')
}

export function encodeExitPolicy({ rules }: ExitPolicy): JsonObject {
  return {
    rules: rules.map(({ action, pattern, ports }) => ({
      action,
      pattern: { ip_pattern: formatIpPattern(pattern), ports: { start: ports.start, end: ports.end } },
    })),
  }
}

/** Port ranges are taken as they are, even 0-0 and 9-5: official exits do. Such a range matches no port but 0. */
export function readExitPolicy(json: Json): ExitPolicy {
  const rules = json.field('rules').array(MAX_RULES, (rule): PolicyRule => {
    const pattern = rule.field('pattern')
    const ports = pattern.field('ports')
    return {
      action: rule.field('action').oneOf(ACTIONS),
      pattern: parseIpPattern(pattern.field('ip_pattern').string(MAX_PATTERN_CHARACTERS), WHAT),
      ports: { start: ports.field('start').u16(), end: ports.field('end').u16() },
    }
  })
  return { rules }
}

export function writeBinaryExitPolicy(writer: BincodeWriter, { rules }: ExitPolicy): void {
  writer.varint(rules.length)
  for (const { action, pattern, ports } of rules) {
    writer.variant(action, ACTIONS).string(formatIpPattern(pattern)).varint(ports.start).varint(ports.end)
  }
}

export function readBinaryExitPolicy(reader: BincodeReader): ExitPolicy {
  const count = reader.count('rules', MIN_RULE_BYTES)
  if (count > MAX_RULES) reader.refuse('rules', `more than ${MAX_RULES}`)
  const rules: PolicyRule[] = []
  for (let i = 0; i < count; i++) {
    const action = reader.variant('action', ACTIONS)
    const pattern = parseIpPattern(reader.string('address pattern'), WHAT)
    rules.push({ action, pattern, ports: { start: reader.u16('first port'), end: reader.u16('last port') } })
  }
  return { rules }
}

function matchesPattern(pattern: IpPattern, address: Uint8Array): boolean {
  if (pattern.kind === 'any') return true
  if (pattern.kind === 'network') return hasPrefix(address, pattern.address, pattern.bits)
  return (address.length === IPV4_BYTES) === (pattern.kind === 'anyIpv4')
}

function parseLine(line: string, what: string): PolicyRule {
  if (!line.startsWith(PREFIX)) throw malformed(what, `does not begin with ${PREFIX}`)
  const rule = line.slice(PREFIX.length).trim()
  const space = rule.indexOf(' ')
  if (space < 0) throw malformed(what, 'no address after the action')
  const action = ACTIONS.find((known) => known === rule.slice(0, space))
  if (action === undefined) throw malformed(what, 'unknown action')
  const target = rule.slice(space + 1)
  const colon = target.lastIndexOf(':')
  if (colon < 0 || colon === target.length - 1) throw malformed(what, 'no ports')
  return {
    action,
    pattern: parseIpPattern(target.slice(0, colon), what),
    ports: parsePorts(target.slice(colon + 1), what),
  }
}

function parseIpPattern(text: string, what: string): IpPattern {
  if (text === '*') return { kind: 'any' }
  if (text === '*4') return { kind: 'anyIpv4' }
  if (text === '*6') return { kind: 'anyIpv6' }
  const slash = text.indexOf('/')
  const host = slash < 0 ? text : text.slice(0, slash)
  const bracketed = host.startsWith('[') && host.endsWith(']')
  const address = parseIp(bracketed ? host.slice(1, -1) : host)
  if (address === undefined || (bracketed && address.length === IPV4_BYTES)) throw malformed(what, 'not an IP address')
  const maxBits = address.length * 8
  const bits = slash < 0 ? maxBits : boundedNumber(text.slice(slash + 1), maxBits)
  if (bits === undefined) throw malformed(what, 'not a mask')
  if (bits === 0) return { kind: address.length === IPV4_BYTES ? 'anyIpv4' : 'anyIpv6' }
  return { kind: 'network', address, bits }
}

function parsePorts(text: string, what: string): PortRange {
  if (text === '*') return ALL_PORTS
  const dash = text.indexOf('-')
  const start = boundedNumber(dash < 0 ? text : text.slice(0, dash), 65_535)
  const end = dash < 0 ? start : boundedNumber(text.slice(dash + 1), 65_535)
  if (start === undefined || end === undefined) throw malformed(what, 'not a port')
  if (dash >= 0 && (start === 0 || start > end)) throw malformed(what, 'not a range of ports')
  return { start, end }
}

function boundedNumber(text: string, max: number): number | undefined {
  const value = Number(text)
  return NUMBER.test(text) && value <= max ? value : undefined
}

function formatRule({ action, pattern, ports }: PolicyRule): string {
  return `${action} ${formatIpPattern(pattern)}:${formatPorts(ports)}`
}

function formatIpPattern(pattern: IpPattern): string {
  if (pattern.kind === 'network') return `${formatIp(pattern.address)}/${pattern.bits}`
  return { any: '*', anyIpv4: '*4', anyIpv6: '*6' }[pattern.kind]
}

function formatPorts({ start, end }: PortRange): string {
  if (start === ALL_PORTS.start && end === ALL_PORTS.end) return '*'
  return start === end ? `${start}` : `${start}-${end}`
}
