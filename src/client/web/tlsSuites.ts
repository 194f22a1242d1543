/** What is offered to servers, in the numbers of the wire: AES-GCM with ephemeral keys, and nothing that was ever broken. @module */
import type { SignatureHash, SignatureScheme } from './signatures.ts'

export type TlsVersion = '1.2' | '1.3'

interface Suite {
  readonly name: string
  readonly version: TlsVersion
  readonly hash: SignatureHash
}

/** By number, in the order of preference: the smaller key is as good and faster. */
export const SUITES: ReadonlyMap<number, Suite> = new Map<number, Suite>([
  [0x1301, { name: 'TLS_AES_128_GCM_SHA256', version: '1.3', hash: 'SHA-256' }],
  [0x1302, { name: 'TLS_AES_256_GCM_SHA384', version: '1.3', hash: 'SHA-384' }],
  [0xc02b, { name: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', version: '1.2', hash: 'SHA-256' }],
  [0xc02f, { name: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', version: '1.2', hash: 'SHA-256' }],
  [0xc02c, { name: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', version: '1.2', hash: 'SHA-384' }],
  [0xc030, { name: 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', version: '1.2', hash: 'SHA-384' }],
])

interface Signing extends SignatureScheme {
  /** The library's word for it. */
  readonly name: string
  /** RFC 8446 4.2.3: PKCS #1 is for certificates and TLS 1.2 only. */
  readonly since13: boolean
}

/** By number of RFC 8446 4.2.3. The library offers these six. */
const SIGNINGS: ReadonlyMap<number, Signing> = new Map<number, Signing>([
  [0x0403, { name: 'ECDSA-SECP256R1-SHA256', kind: 'ecdsa', hash: 'SHA-256', since13: true }],
  [0x0503, { name: 'ECDSA-SECP384R1-SHA384', kind: 'ecdsa', hash: 'SHA-384', since13: true }],
  [0x0804, { name: 'RSA-PSS-SHA256', kind: 'rsa-pss', hash: 'SHA-256', since13: true }],
  [0x0401, { name: 'RSA-PKCS1-SHA256', kind: 'rsa-pkcs1', hash: 'SHA-256', since13: false }],
  [0x0501, { name: 'RSA-PKCS1-SHA384', kind: 'rsa-pkcs1', hash: 'SHA-384', since13: false }],
  [0x0601, { name: 'RSA-PKCS1-SHA512', kind: 'rsa-pkcs1', hash: 'SHA-512', since13: false }],
])

/** undefined where that version must not be signed so. */
export function signingOf(number: number, version: TlsVersion): SignatureScheme | undefined {
  const signing = SIGNINGS.get(number)
  return signing === undefined || (version === '1.3' && !signing.since13) ? undefined : signing
}

export function schemeOfTls(name: string): SignatureScheme | undefined {
  return [...SIGNINGS.values()].find((signing) => signing.name === name)
}
