/**
 * IP addresses: text ⇄ 4 or 16 network-order bytes. Reads what RFC 4291 2.2 allows and nothing more (no scope ids, no
 * leading zeros in an octet, no brackets); writes the canonical form of RFC 5952. @module
 */
import { malformed } from './errors.ts'

export const IPV4_BYTES = 4
export const IPV6_BYTES = 16

// The longest text: eight groups, the last two as dotted IPv4. Bounds the work on untrusted text.
const MAX_TEXT = 45
const GROUPS = 8
const OCTET = /^(?:0|[1-9][0-9]{0,2})$/
const GROUP = /^[0-9a-f]{1,4}$/i

/** 4 bytes for IPv4, 16 for IPv6, undefined for anything else. */
export function parseIp(text: string): Uint8Array | undefined {
  if (text.length > MAX_TEXT) return undefined
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

/** The canonical text of 4 or 16 bytes. An IPv4-mapped IPv6 address is written `::ffff:1.2.3.4`. */
export function formatIp(bytes: Uint8Array): string {
  // Once per packet; `join` takes five times as long.
  if (bytes.length === IPV4_BYTES) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`
  if (bytes.length !== IPV6_BYTES) throw malformed('IP address', `${bytes.length} bytes instead of 4 or 16`)
  if (isIpv4Mapped(bytes)) return `::ffff:${bytes.subarray(12).join('.')}`
  const groups = Array.from(
    { length: GROUPS },
    (_, i) => ((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number),
  )
  const gap = longestZeroRun(groups)
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
  if (gap === undefined) return hex(groups)
  return `${hex(groups.slice(0, gap.start))}::${hex(groups.slice(gap.start + gap.length))}`
}

/** Whether 16 bytes are `::ffff:0:0/96`. */
function isIpv4Mapped(bytes: Uint8Array): boolean {
  if (bytes.length !== IPV6_BYTES || bytes[10] !== 0xff || bytes[11] !== 0xff) return false
  return bytes.subarray(0, 10).every((byte) => byte === 0)
}

/** An IPv4-mapped IPv6 address as the IPv4 address it stands for; every other address as it is. */
export function canonicalIp(bytes: Uint8Array): Uint8Array {
  return isIpv4Mapped(bytes) ? bytes.subarray(12) : bytes
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  if (parts.length !== IPV4_BYTES) return undefined
  const bytes = new Uint8Array(IPV4_BYTES)
  for (const [i, part] of parts.entries()) {
    const value = Number(part)
    if (!OCTET.test(part) || value > 255) return undefined
    bytes[i] = value
  }
  return bytes
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head = '', tail] = halves
  // Dotted IPv4 may only end the whole address, so the head may hold it only where there is no `::`.
  const front = parseGroups(head, tail === undefined)
  const back = tail === undefined ? [] : parseGroups(tail, true)
  if (front === undefined || back === undefined) return undefined
  const given = front.length + back.length
  if (tail === undefined ? given !== GROUPS : given >= GROUPS) return undefined
  const bytes = new Uint8Array(IPV6_BYTES)
  const view = new DataView(bytes.buffer)
  for (const [i, group] of front.entries()) view.setUint16(2 * i, group)
  for (const [i, group] of back.entries()) view.setUint16(2 * (GROUPS - back.length + i), group)
  return bytes
}

function parseGroups(text: string, mayEndDotted: boolean): number[] | undefined {
  if (text === '') return []
  const parts = text.split(':')
  const groups: number[] = []
  for (const [i, part] of parts.entries()) {
    if (GROUP.test(part)) {
      groups.push(Number.parseInt(part, 16))
      continue
    }
    const dotted = mayEndDotted && i === parts.length - 1 ? parseIpv4(part) : undefined
    if (dotted === undefined) return undefined
    const [a, b, c, d] = dotted as unknown as [number, number, number, number]
    groups.push((a << 8) | b, (c << 8) | d)
  }
  return groups
}

/** The first of the longest runs of two or more zero groups (RFC 5952 4.2). */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } | undefined {
  let best: { start: number; length: number } | undefined
  for (let start = 0; start < groups.length; start++) {
    let end = start
    while (groups[end] === 0) end++
    const length = end - start
    if (length >= 2 && length > (best?.length ?? 0)) best = { start, length }
    if (length > 0) start = end
  }
  return best
}

/** IPv4-mapped IPv6 as the IPv4 it stands for. What is no IP stays as it is. */
export function canonicalIpText(text: string): string {
  const bytes = parseIp(text)
  return bytes === undefined ? text : formatIp(canonicalIp(bytes))
}
