/** Signatures under public keys as certificates carry them, by WebCrypto. Nothing weaker than what browsers take: no SHA-1, no RSA below 2,048 bits. @module */
import { toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, malformed, tryDecode } from '../../foundation/base/errors.ts'
import { DER_TAG, DerReader } from './der.ts'

export type SignatureHash = 'SHA-256' | 'SHA-384' | 'SHA-512'

export interface SignatureScheme {
  readonly kind: 'ecdsa' | 'rsa-pkcs1' | 'rsa-pss'
  readonly hash: SignatureHash
}

const WHAT = 'signature'
const LEAST_RSA_BITS = 2048
const HASH_BYTES = { 'SHA-256': 32, 'SHA-384': 48, 'SHA-512': 64 } as const

// 1.2.840.113549.1.1.x and 1.2.840.10045.4.3.x
const ALGORITHMS: Readonly<Record<string, SignatureScheme>> = {
  '2a864886f70d01010b': { kind: 'rsa-pkcs1', hash: 'SHA-256' },
  '2a864886f70d01010c': { kind: 'rsa-pkcs1', hash: 'SHA-384' },
  '2a864886f70d01010d': { kind: 'rsa-pkcs1', hash: 'SHA-512' },
  '2a8648ce3d040302': { kind: 'ecdsa', hash: 'SHA-256' },
  '2a8648ce3d040303': { kind: 'ecdsa', hash: 'SHA-384' },
  '2a8648ce3d040304': { kind: 'ecdsa', hash: 'SHA-512' },
}
const RSA_PSS = '2a864886f70d01010a'
const RSA_KEY = '2a864886f70d010101'
const EC_KEY = '2a8648ce3d0201'
const HASHES: Readonly<Record<string, SignatureHash>> = {
  '608648016503040201': 'SHA-256',
  '608648016503040202': 'SHA-384',
  '608648016503040203': 'SHA-512',
}
const CURVES: Readonly<Record<string, { readonly name: string; readonly bytes: number }>> = {
  '2a8648ce3d030107': { name: 'P-256', bytes: 32 },
  '2b81040022': { name: 'P-384', bytes: 48 },
  '2b81040023': { name: 'P-521', bytes: 66 },
}

/** What an AlgorithmIdentifier of a certificate stands for. Throws MALFORMED for what is not taken. */
export function schemeOf(algorithm: Uint8Array): SignatureScheme {
  const inside = new DerReader(algorithm, WHAT).inside(DER_TAG.sequence, 'algorithm')
  const oid = toHex(inside.take(DER_TAG.oid, 'algorithm').content)
  const scheme = ALGORITHMS[oid]
  if (scheme !== undefined) return scheme
  if (oid !== RSA_PSS) throw malformed(WHAT, 'algorithm')
  // [0] { AlgorithmIdentifier of the hash }; its salt is as long as the hash in every scheme of TLS (RFC 8446 4.2.3).
  const hash = new DerReader(inside.inside(DER_TAG.sequence, 'parameters').take(0xa0, 'hash').content, WHAT)
  const name = HASHES[toHex(hash.inside(DER_TAG.sequence, 'hash').take(DER_TAG.oid, 'hash').content)]
  if (name === undefined) throw malformed(WHAT, 'hash')
  return { kind: 'rsa-pss', hash: name }
}

/** Never throws: a key or a signature that cannot be read signs nothing. */
export async function signatureHolds(
  scheme: SignatureScheme,
  { publicKey, signature, signed }: Readonly<Record<'publicKey' | 'signature' | 'signed', Uint8Array>>,
): Promise<boolean> {
  const kind = tryDecode(() => keyKind(publicKey))
  if (isMixnetError(kind)) return false
  try {
    if (scheme.kind !== 'ecdsa') return kind === 'rsa' && (await rsaHolds(scheme, publicKey, signature, signed))
    if (kind === 'rsa') return false
    const subtle = globalThis.crypto.subtle
    const key = await subtle.importKey('spki', own(publicKey), { name: 'ECDSA', namedCurve: kind.name }, false, [
      'verify',
    ])
    const pair = tryDecode(() => ecdsaPair(signature, kind.bytes))
    if (isMixnetError(pair)) return false
    return await subtle.verify({ name: 'ECDSA', hash: scheme.hash }, key, pair, own(signed))
  } catch {
    // What WebCrypto cannot import, or curves a runtime does not have.
    return false
  }
}

async function rsaHolds(
  { kind, hash }: SignatureScheme,
  publicKey: Uint8Array,
  signature: Uint8Array,
  signed: Uint8Array,
): Promise<boolean> {
  const subtle = globalThis.crypto.subtle
  const name = kind === 'rsa-pss' ? 'RSA-PSS' : 'RSASSA-PKCS1-v1_5'
  const key = await subtle.importKey('spki', own(publicKey), { name, hash }, false, ['verify'])
  const { modulusLength } = key.algorithm as unknown as { modulusLength: number }
  if (modulusLength < LEAST_RSA_BITS) return false
  return await subtle.verify({ name, saltLength: HASH_BYTES[hash] }, key, own(signature), own(signed))
}

/** RFC 5280 4.1.2.7. Throws MALFORMED. */
function keyKind(publicKey: Uint8Array): 'rsa' | { readonly name: string; readonly bytes: number } {
  const algorithm = new DerReader(publicKey, WHAT)
    .inside(DER_TAG.sequence, 'key')
    .inside(DER_TAG.sequence, 'key algorithm')
  const oid = toHex(algorithm.take(DER_TAG.oid, 'key algorithm').content)
  if (oid === RSA_KEY) return 'rsa'
  const curve = oid === EC_KEY ? CURVES[toHex(algorithm.take(DER_TAG.oid, 'curve').content)] : undefined
  if (curve === undefined) throw malformed(WHAT, 'key algorithm')
  return curve
}

/** Two integers in DER, as certificates have them, to two of a fixed width, as WebCrypto wants them. Throws MALFORMED. */
function ecdsaPair(signature: Uint8Array, width: number): Uint8Array<ArrayBuffer> {
  const outer = new DerReader(signature, WHAT)
  const inside = outer.inside(DER_TAG.sequence, 'pair')
  outer.expectEnd()
  const pair = new Uint8Array(2 * width)
  for (const end of [width, 2 * width]) {
    const { content } = inside.take(DER_TAG.integer, 'number')
    const digits = content[0] === 0 ? content.subarray(1) : content
    if (digits.length > width) throw malformed(WHAT, 'number')
    pair.set(digits, end - digits.length)
  }
  inside.expectEnd()
  return pair
}

/** WebCrypto's types want a buffer that nobody shares. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}
