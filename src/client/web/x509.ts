/**
 * X.509 certificates (RFC 5280), as much as it takes to know whether one speaks for a server. What is not understood and marked
 * critical is said to be there, so that the certificate can be refused. @module
 */
import { toHex } from '../../foundation/base/bytes.ts'
import { malformed } from '../../foundation/base/errors.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import { DER_TAG, DerReader, wholeBits } from './der.ts'
import { latin1 } from './http1Head.ts'

export interface AlternativeNames {
  /** As written. */
  readonly dns: readonly string[]
  /** 4 or 16 bytes; in constraints 8 or 32, an address and a mask. */
  readonly ip: readonly Uint8Array[]
}

export interface Certificate {
  readonly raw: Uint8Array
  /** What the issuer signed. */
  readonly signed: Uint8Array
  readonly signatureAlgorithm: Uint8Array
  readonly signature: Uint8Array
  /** Names and keys are compared as they are encoded. */
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly publicKey: Uint8Array
  readonly notBefore: Millis
  readonly notAfter: Millis
  readonly isAuthority: boolean
  readonly maxPathLength: number
  /** The first two octets of the bits; undefined: anything goes. */
  readonly keyUsage: number | undefined
  /** Object identifiers in hexadecimal; undefined: anything goes. */
  readonly extendedKeyUsage: readonly string[] | undefined
  readonly names: AlternativeNames
  readonly permitted: AlternativeNames | undefined
  readonly excluded: AlternativeNames | undefined
  readonly hasUnknownCritical: boolean
}

interface Extensions {
  isAuthority: boolean
  maxPathLength: number
  keyUsage: number | undefined
  extendedKeyUsage: readonly string[] | undefined
  names: AlternativeNames
  permitted: AlternativeNames | undefined
  excluded: AlternativeNames | undefined
  hasUnknownCritical: boolean
}

const WHAT = 'certificate'
const VERSION = 0xa0
const ISSUER_ID = 0x81
const SUBJECT_ID = 0x82
const EXTENSIONS = 0xa3
const V3 = 2
// GeneralName, RFC 5280 4.2.1.6
const NAME_DNS = 0x82
const NAME_IP = 0x87
const PERMITTED = 0xa0
const EXCLUDED = 0xa1

// 2.5.29.x
const BASIC_CONSTRAINTS = '551d13'
const KEY_USAGE = '551d0f'
const EXTENDED_KEY_USAGE = '551d25'
const SUBJECT_ALT_NAME = '551d11'
const NAME_CONSTRAINTS = '551d1e'
// Says by which rules it was issued. Nobody here has rules of their own to compare with.
const POLICIES = '551d20'

/** Throws MALFORMED. The result's bytes are views. */
export function parseCertificate(der: Uint8Array): Certificate {
  const outer = new DerReader(der, WHAT)
  const whole = outer.inside(DER_TAG.sequence, 'outermost')
  outer.expectEnd()
  const signed = whole.take(DER_TAG.sequence, 'contents')
  const signatureAlgorithm = whole.take(DER_TAG.sequence, 'signature algorithm').whole
  const signature = wholeBits(whole.take(DER_TAG.bits, 'signature'), WHAT)
  whole.expectEnd()

  const contents = new DerReader(signed.content, WHAT)
  const version = versionOf(contents)
  contents.take(DER_TAG.integer, 'serial number')
  const algorithm = contents.take(DER_TAG.sequence, 'signature algorithm').whole
  // The outer one is not signed: it must say what the inner one says (RFC 5280 4.1.1.2).
  if (toHex(algorithm) !== toHex(signatureAlgorithm)) throw malformed(WHAT, 'signature algorithms differ')
  const issuer = contents.take(DER_TAG.sequence, 'issuer').whole
  const validity = contents.inside(DER_TAG.sequence, 'validity')
  const notBefore = timeOf(validity)
  const notAfter = timeOf(validity)
  validity.expectEnd()
  const subject = contents.take(DER_TAG.sequence, 'subject').whole
  const publicKey = contents.take(DER_TAG.sequence, 'public key').whole
  contents.takeIf(ISSUER_ID)
  contents.takeIf(SUBJECT_ID)
  const extensions = extensionsOf(contents, version)
  contents.expectEnd()
  return {
    raw: der,
    signed: signed.whole,
    signatureAlgorithm,
    signature,
    issuer,
    subject,
    publicKey,
    notBefore,
    notAfter,
    ...extensions,
  }
}

function versionOf(contents: DerReader): number {
  const item = contents.takeIf(VERSION)
  if (item === undefined) return 0
  const inside = new DerReader(item.content, WHAT)
  const { content } = inside.take(DER_TAG.integer, 'version')
  inside.expectEnd()
  if (content.length !== 1 || (content[0] as number) > V3) throw malformed(WHAT, 'version')
  return content[0] as number
}

/** Of UTC, in the two forms RFC 5280 4.1.2.5 allows. */
function timeOf(validity: DerReader): Millis {
  const { tag, content } = validity.next()
  const text = latin1(content)
  const match =
    tag === DER_TAG.utcTime
      ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
      : tag === DER_TAG.generalizedTime
        ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
        : null
  if (match === null) throw malformed(WHAT, 'time')
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const century = tag === DER_TAG.utcTime ? (year < 50 ? 2000 : 1900) : 0
  if (month < 1 || month > 12 || day < 1 || day > 31) throw malformed(WHAT, 'time')
  return millis((((daysTo(century + year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

/** From 1970-01-01, by the Gregorian calendar: years that begin in March have their leap day at the end. */
function daysTo(year: number, month: number, day: number): number {
  const years = month > 2 ? year : year - 1
  const months = (month + 9) % 12
  const leaps = Math.floor(years / 4) - Math.floor(years / 100) + Math.floor(years / 400)
  return years * 365 + leaps + Math.floor((153 * months + 2) / 5) + day - 1 - 719_468
}

function extensionsOf(contents: DerReader, version: number): Extensions {
  const found: Extensions = {
    isAuthority: false,
    maxPathLength: Number.POSITIVE_INFINITY,
    keyUsage: undefined,
    extendedKeyUsage: undefined,
    names: { dns: [], ip: [] },
    permitted: undefined,
    excluded: undefined,
    hasUnknownCritical: false,
  }
  const item = contents.takeIf(EXTENSIONS)
  if (item === undefined) return found
  if (version !== V3) throw malformed(WHAT, 'extensions before version 3')
  const outer = new DerReader(item.content, WHAT)
  const list = outer.inside(DER_TAG.sequence, 'extensions')
  outer.expectEnd()
  const seen = new Set<string>()
  while (!list.isDone) {
    const extension = list.inside(DER_TAG.sequence, 'extension')
    const oid = toHex(extension.take(DER_TAG.oid, 'extension').content)
    const critical = extension.takeIf(DER_TAG.boolean)?.content[0] === 0xff
    const value = new DerReader(extension.take(DER_TAG.octets, 'extension').content, WHAT)
    extension.expectEnd()
    if (seen.has(oid)) throw malformed(WHAT, 'extension twice')
    seen.add(oid)
    if (!understood(oid, value, found) && critical) found.hasUnknownCritical = true
  }
  return found
}

function understood(oid: string, value: DerReader, found: Extensions): boolean {
  if (oid === BASIC_CONSTRAINTS) basicConstraints(value, found)
  else if (oid === KEY_USAGE) found.keyUsage = keyUsage(value)
  else if (oid === EXTENDED_KEY_USAGE) found.extendedKeyUsage = extendedKeyUsage(value)
  else if (oid === SUBJECT_ALT_NAME) found.names = namesOf(value.inside(DER_TAG.sequence, 'names'))
  else if (oid === NAME_CONSTRAINTS) nameConstraints(value, found)
  else return oid === POLICIES
  if (oid !== NAME_CONSTRAINTS) value.expectEnd()
  return true
}

function basicConstraints(value: DerReader, found: Extensions): void {
  const inside = value.inside(DER_TAG.sequence, 'basic constraints')
  found.isAuthority = inside.takeIf(DER_TAG.boolean)?.content[0] === 0xff
  const length = inside.takeIf(DER_TAG.integer)
  if (length === undefined) return inside.expectEnd()
  if (length.content.length !== 1 || (length.content[0] as number) > 0x7f) throw malformed(WHAT, 'path length')
  found.maxPathLength = length.content[0] as number
  inside.expectEnd()
}

function keyUsage(value: DerReader): number {
  const { content } = value.take(DER_TAG.bits, 'key usage')
  if (content.length < 2 || content.length > 3) throw malformed(WHAT, 'key usage')
  return ((content[1] as number) << 8) | (content[2] ?? 0)
}

function extendedKeyUsage(value: DerReader): readonly string[] {
  const inside = value.inside(DER_TAG.sequence, 'extended key usage')
  const oids: string[] = []
  while (!inside.isDone) oids.push(toHex(inside.take(DER_TAG.oid, 'extended key usage').content))
  return oids
}

function nameConstraints(value: DerReader, found: Extensions): void {
  const inside = value.inside(DER_TAG.sequence, 'name constraints')
  value.expectEnd()
  const permitted = inside.takeIf(PERMITTED)
  const excluded = inside.takeIf(EXCLUDED)
  inside.expectEnd()
  const names = (content: Uint8Array): AlternativeNames => {
    const subtrees = new DerReader(content, WHAT)
    const parts: Uint8Array[] = []
    while (!subtrees.isDone) {
      const subtree = subtrees.inside(DER_TAG.sequence, 'name constraints')
      parts.push(subtree.next().whole)
      // Minimum and maximum distance: RFC 5280 4.2.1.10 allows neither.
      subtree.expectEnd()
    }
    const all = parts.map((part) => namesOf(new DerReader(part, WHAT)))
    return { dns: all.flatMap(({ dns }) => dns), ip: all.flatMap(({ ip }) => ip) }
  }
  found.permitted = permitted === undefined ? undefined : names(permitted.content)
  found.excluded = excluded === undefined ? undefined : names(excluded.content)
}

/** Other kinds of names do not say which server this is. */
function namesOf(names: DerReader): AlternativeNames {
  const dns: string[] = []
  const ip: Uint8Array[] = []
  while (!names.isDone) {
    const { tag, content } = names.next()
    if (tag === NAME_DNS) dns.push(latin1(content))
    else if (tag === NAME_IP) ip.push(content)
  }
  return { dns, ip }
}
