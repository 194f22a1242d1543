/** For tests: certificates with whatever is wrong in them, made on the spot, so that no fixture expires. @module */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { concat, fromHex, utf8 } from '../../foundation/base/bytes.ts'
import { parseIp } from '../../foundation/base/ipAddress.ts'

export interface Keys {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export interface Made {
  readonly der: Uint8Array
  readonly pem: string
  readonly keys: Keys
  readonly name: string
}

export interface Wanted {
  readonly name: string
  readonly keys?: Keys
  /** Default: itself. */
  readonly by?: Made
  readonly dns?: readonly string[]
  readonly ip?: readonly string[]
  readonly authority?: boolean
  readonly maxPathLength?: number
  /** YYMMDDHHMMSS. Default: 2020 to 2040. */
  readonly from?: string
  readonly until?: string
  readonly keyUsage?: number
  readonly usages?: readonly string[]
  readonly permitted?: readonly string[]
  readonly excluded?: readonly string[]
  readonly unknownCritical?: boolean
  /** Where to fetch the issuer's certificate. */
  readonly issuers?: string
  readonly hash?: 'sha1' | 'sha256' | 'sha384' | 'sha512'
}

export const ecKeys = (namedCurve = 'P-256'): Keys => generateKeyPairSync('ec', { namedCurve })
export const rsaKeys = (modulusLength = 2048): Keys => generateKeyPairSync('rsa', { modulusLength })

export const SERVER_AUTH = '2b06010505070301'
export const CLIENT_AUTH = '2b06010505070302'

export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(...parts)
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return concat(Uint8Array.of(tag, ...size), content)
}

const oid = (hex: string): Uint8Array => der(0x06, fromHex(hex))
const named = (name: string): Uint8Array => der(0x30, der(0x31, der(0x30, oid('550403'), der(0x0c, utf8(name)))))
const time = (text: string): Uint8Array => der(0x17, utf8(`${text}Z`))
const TRUE = Uint8Array.of(0x01, 0x01, 0xff)

/** Ecdsa-with and with-RSA, by hash. */
const ALGORITHMS = {
  ec: { sha1: '2a8648ce3d0401', sha256: '2a8648ce3d040302', sha384: '2a8648ce3d040303', sha512: '2a8648ce3d040304' },
  rsa: {
    sha1: '2a864886f70d010105',
    sha256: '2a864886f70d01010b',
    sha384: '2a864886f70d01010c',
    sha512: '2a864886f70d01010d',
  },
} as const

export function made(wanted: Wanted): Made {
  const { name, by, keys = ecKeys(), from = '200101000000', until = '400101000000', hash = 'sha256' } = wanted
  const signer = by?.keys ?? keys
  const kind = signer.privateKey.asymmetricKeyType === 'rsa' ? 'rsa' : 'ec'
  const algorithm = der(0x30, oid(ALGORITHMS[kind][hash]), ...(kind === 'rsa' ? [der(0x05)] : []))
  const contents = der(
    0x30,
    der(0xa0, der(0x02, Uint8Array.of(2))),
    der(0x02, Uint8Array.of(7)),
    algorithm,
    named(by?.name ?? name),
    der(0x30, time(from), time(until)),
    named(name),
    new Uint8Array(keys.publicKey.export({ type: 'spki', format: 'der' })),
    der(0xa3, der(0x30, ...extensions(wanted))),
  )
  const signature = new Uint8Array(sign(hash, contents, signer.privateKey))
  const whole = der(0x30, contents, algorithm, der(0x03, Uint8Array.of(0), signature))
  const lines =
    Buffer.from(whole)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  const pem = `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
  return { der: whole, pem, keys, name }
}

function extensions(wanted: Wanted): readonly Uint8Array[] {
  const { dns = [], ip = [], authority, maxPathLength, keyUsage, usages, permitted, excluded } = wanted
  const list: Uint8Array[] = []
  const add = (id: string, critical: boolean, value: Uint8Array) =>
    list.push(der(0x30, oid(id), ...(critical ? [TRUE] : []), der(0x04, value)))
  if (authority === true) {
    const length = maxPathLength === undefined ? [] : [der(0x02, Uint8Array.of(maxPathLength))]
    add('551d13', true, der(0x30, TRUE, ...length))
  }
  if (keyUsage !== undefined) add('551d0f', true, der(0x03, Uint8Array.of(0, keyUsage)))
  if (usages !== undefined) add('551d25', false, der(0x30, ...usages.map(oid)))
  if (dns.length + ip.length > 0) {
    const ips = ip.map((text) => der(0x87, parseIp(text) as Uint8Array))
    add('551d11', false, der(0x30, ...dns.map((one) => der(0x82, utf8(one))), ...ips))
  }
  if (permitted !== undefined || excluded !== undefined) {
    const subtrees = (tag: number, bases: readonly string[] | undefined) =>
      bases === undefined ? [] : [der(tag, ...bases.map((base) => der(0x30, der(0x82, utf8(base)))))]
    add('551d1e', true, der(0x30, ...subtrees(0xa0, permitted), ...subtrees(0xa1, excluded)))
  }
  if (wanted.issuers !== undefined) {
    add('2b06010505070101', false, der(0x30, der(0x30, oid('2b06010505073002'), der(0x86, utf8(wanted.issuers)))))
  }
  if (wanted.unknownCritical === true) add('2a0304', true, der(0x05))
  return list
}

export const keyPem = ({ privateKey }: Keys): string => privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
