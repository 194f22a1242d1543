/**
 * Whether certificates speak for a host: a path to a trusted authority (RFC 5280 6) and the host's name in the first of them
 * (RFC 6125). Not asked: whether one was revoked, which would tell its authority who visits whom. @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { parseIp } from '../../foundation/base/ipAddress.ts'
import type { Millis } from '../../foundation/base/units.ts'
import { schemeOf, signatureHolds } from './signatures.ts'
import { type AlternativeNames, type Certificate, parseCertificate } from './x509.ts'

/** An authority that is trusted: its name and its key. */
export interface TrustAnchor {
  readonly subject: Uint8Array
  readonly publicKey: Uint8Array
  readonly notAfter: Millis
  /** Where it limits itself. */
  readonly certificate?: Certificate
}

export interface TrustQuestion {
  /** DER, the server's own first, as it sent them. */
  readonly certificates: readonly Uint8Array[]
  readonly anchors: readonly TrustAnchor[]
  /** A name in ASCII, or an IP address without brackets. */
  readonly host: string
  readonly now: Millis
}

// Chains have three or four. Without limits, a server with many certificates of one name makes us try every order of them.
const MAX_CERTIFICATES = 10
const MAX_CERTIFICATE_BYTES = 64 * 1024
const MAX_INTERMEDIATES = 6
const MAX_SIGNATURES = 32

const DIGITAL_SIGNATURE = 0x8000
const KEY_CERT_SIGN = 0x0400
const SERVER_AUTH = '2b06010505070301'
const ANY_USAGE = '551d2500'

/** The server's own certificate. Throws TLS_FAILED with the reason. */
export async function trustedCertificate(question: TrustQuestion): Promise<Certificate> {
  const { certificates, host, now } = question
  if (certificates.length > MAX_CERTIFICATES || certificates.some(({ length }) => length > MAX_CERTIFICATE_BYTES)) {
    throw untrusted('too many certificates')
  }
  const parsed = certificates.map((der) => tryDecode(() => parseCertificate(der)))
  const [leaf, ...others] = parsed
  if (leaf === undefined) throw untrusted('no certificate')
  if (isMixnetError(leaf)) throw new MixnetError('TLS_FAILED', { why: 'unreadable certificate' }, { cause: leaf })
  if (now < leaf.notBefore) throw untrusted('not yet valid')
  if (now > leaf.notAfter) throw untrusted('expired')
  if (!speaksFor(leaf.names, host)) throw untrusted('for another name')
  if (leaf.keyUsage !== undefined && (leaf.keyUsage & DIGITAL_SIGNATURE) === 0) throw untrusted('not for signatures')
  if (!mayServe(leaf)) throw untrusted('not for servers')
  if (leaf.hasUnknownCritical) throw untrusted('critical extension')
  const intermediates = others.filter((one): one is Certificate => !isMixnetError(one))
  await new Path(question, leaf, intermediates).find()
  return leaf
}

function untrusted(why: string): MixnetError {
  return new MixnetError('TLS_FAILED', { why: `certificate: ${why}` })
}

class Path {
  readonly #question: TrustQuestion
  readonly #leaf: Certificate
  readonly #intermediates: readonly Certificate[]
  #signatures = 0

  constructor(question: TrustQuestion, leaf: Certificate, intermediates: readonly Certificate[]) {
    this.#question = question
    this.#leaf = leaf
    this.#intermediates = intermediates
  }

  async find(): Promise<void> {
    if (!(await this.#reaches(this.#leaf, []))) throw untrusted('of no authority that is trusted')
  }

  /** `below`: the intermediates between it and the leaf. */
  async #reaches(certificate: Certificate, below: readonly Certificate[]): Promise<boolean> {
    for (const anchor of this.#question.anchors) {
      if (!equalBytes(anchor.subject, certificate.issuer) || this.#question.now > anchor.notAfter) continue
      const own = anchor.certificate
      // Who names a server's own certificate as an authority trusts that one, whether or not it may sign others.
      const isItself = own !== undefined && equalBytes(own.raw, this.#leaf.raw)
      if (own !== undefined && !isItself && !this.#mayIssue(own, below)) continue
      if (await this.#signed(certificate, anchor.publicKey)) return true
    }
    if (below.length >= MAX_INTERMEDIATES) return false
    for (const issuer of this.#intermediates) {
      if (issuer === certificate || below.includes(issuer)) continue
      if (!equalBytes(issuer.subject, certificate.issuer) || !this.#mayIssue(issuer, below)) continue
      if (!(await this.#signed(certificate, issuer.publicKey))) continue
      if (await this.#reaches(issuer, [...below, issuer])) return true
    }
    return false
  }

  /** Without this, whoever has a certificate for any host can sign one for every other. */
  #mayIssue(issuer: Certificate, below: readonly Certificate[]): boolean {
    const { now } = this.#question
    const selfIssued = (one: Certificate) => equalBytes(one.subject, one.issuer)
    return (
      issuer.isAuthority &&
      now >= issuer.notBefore &&
      now <= issuer.notAfter &&
      below.filter((one) => !selfIssued(one)).length <= issuer.maxPathLength &&
      (issuer.keyUsage === undefined || (issuer.keyUsage & KEY_CERT_SIGN) !== 0) &&
      mayServe(issuer) &&
      !issuer.hasUnknownCritical &&
      mayName(issuer, this.#leaf.names) &&
      // A star in a name may stand for one that is excluded.
      mayName(issuer, namesOf(this.#question.host))
    )
  }

  async #signed(certificate: Certificate, publicKey: Uint8Array): Promise<boolean> {
    if (++this.#signatures > MAX_SIGNATURES) throw untrusted('too many certificates')
    const { signature, signed } = certificate
    const scheme = tryDecode(() => schemeOf(certificate.signatureAlgorithm))
    return !isMixnetError(scheme) && (await signatureHolds(scheme, { publicKey, signature, signed }))
  }
}

function mayServe({ extendedKeyUsage }: Certificate): boolean {
  return extendedKeyUsage === undefined || extendedKeyUsage.some((oid) => oid === SERVER_AUTH || oid === ANY_USAGE)
}

function namesOf(host: string): AlternativeNames {
  const address = parseIp(host)
  return address === undefined ? { dns: [host], ip: [] } : { dns: [], ip: [address] }
}

/** The subject's common name does not count (RFC 9525 2): no constraint of an authority covers it. */
function speaksFor({ dns, ip }: AlternativeNames, host: string): boolean {
  const address = parseIp(host)
  if (address !== undefined) return ip.some((one) => equalBytes(one, address))
  const labels = labelsOf(host)
  return dns.some((name) => {
    const [first, ...rest] = labelsOf(name)
    // A star is one whole label, the first, and never everything below a top-level domain.
    const any = first === '*' && rest.length >= 2
    return rest.join('.') === labels.slice(1).join('.') && (any || first === labels[0]) && first !== ''
  })
}

/** RFC 5280 4.2.1.10, for the names that say which server it is. */
function mayName({ permitted, excluded }: Certificate, names: AlternativeNames): boolean {
  if (permitted !== undefined) {
    const allowed =
      (permitted.dns.length === 0 || names.dns.every((name) => permitted.dns.some((base) => isBelow(name, base)))) &&
      (permitted.ip.length === 0 || names.ip.every((ip) => permitted.ip.some((range) => isInside(ip, range))))
    if (!allowed) return false
  }
  if (excluded === undefined) return true
  return (
    !names.dns.some((name) => excluded.dns.some((base) => isBelow(name, base))) &&
    !names.ip.some((ip) => excluded.ip.some((range) => isInside(ip, range)))
  )
}

function isBelow(name: string, base: string): boolean {
  const labels = labelsOf(name)
  // A dot in front is not in the standard and means the same to everybody.
  const wanted = base.replace(/^\./, '')
  return wanted === '' || labels.slice(-labelsOf(wanted).length).join('.') === labelsOf(wanted).join('.')
}

function isInside(ip: Uint8Array, range: Uint8Array): boolean {
  if (range.length !== 2 * ip.length) return false
  return ip.every((byte, at) => {
    const mask = range[ip.length + at] as number
    return (byte & mask) === ((range[at] as number) & mask)
  })
}

function labelsOf(name: string): readonly string[] {
  return name.toLowerCase().replace(/\.$/, '').split('.')
}
