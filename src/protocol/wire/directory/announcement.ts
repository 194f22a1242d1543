/**
 * What a node announces on the ledger: where it is and its keys, in a compact binary form, signed by its identity key. The ledger
 * keeps a hash of it; the bytes are in its events and with directories.
 *
 *     version u8 (1) ‖ addresses u8, each: 4 or 6, octets ‖ mix port u16 ‖ hostname u8 length, text ‖ websocket port u16 ‖
 *     secure websocket port u16 (0: none) ‖ Sphinx keys u8 (1 or 2), each: rotation u32, key 32 ‖
 *     Noise version u8 (0: none, and no key), key 32 ‖ build version u8 length, text
 *
 * Format: docs/spec/announcements.md. @module
 */
import { fromUtf8, utf8 } from '../../../foundation/base/bytes.ts'
import { formatIp, IPV4_BYTES, IPV6_BYTES, parseIp } from '../../../foundation/base/ipAddress.ts'
import { Reader } from '../../../foundation/base/reader.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import { KEY_BYTES, type RotationKey, type VersionedNoiseKey } from './nodeKeys.ts'

export interface Announcement {
  /** Canonical texts, 1 to 8: the first is the Sphinx hop. */
  readonly ipAddresses: readonly string[]
  readonly mixPort: number
  readonly hostname: string | undefined
  /** 0 where it is no gateway. */
  readonly wsPort: number
  readonly wssPort: number | undefined
  /** Of the running rotation, and from its last epoch on of the next. */
  readonly sphinxKeys: readonly RotationKey[]
  readonly noiseKey: VersionedNoiseKey | undefined
  readonly buildVersion: string
}

/** One announcement among all there ever are: of which network, node and time. */
export interface AnnouncementPlace {
  readonly chainId: number
  /** 20 bytes: the contract that it is written to. */
  readonly contract: Uint8Array
  readonly nodeId: number
  readonly sequence: bigint
  readonly capabilities: number
}

/** As the contract has it. */
export const MAX_ANNOUNCEMENT_BYTES = 4096
export const ANNOUNCEMENT_SIGNATURE_BYTES = 64
const WHAT = 'announcement'
const VERSION = 1
const MAX_ADDRESSES = 8
const MAX_HOSTNAME = 253
const MAX_BUILD_VERSION = 64
const MAX_SPHINX_KEYS = 2
const HOSTNAME = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i
const PRINTABLE = /^[\x21-\x7e]+$/
const DOMAIN = utf8('starling-announcement-1\n')

export function encodeAnnouncement(announcement: Announcement): Uint8Array {
  const { ipAddresses, mixPort, hostname = '', wsPort, wssPort = 0, sphinxKeys, noiseKey, buildVersion } = announcement
  const writer = new Writer().u8(VERSION).u8(ipAddresses.length)
  for (const ip of ipAddresses) {
    const octets = parseIp(ip) ?? new Uint8Array(0)
    writer.u8(octets.length === IPV4_BYTES ? 4 : 6).bytes(octets)
  }
  const host = utf8(hostname)
  writer.u16(mixPort).u8(host.length).bytes(host).u16(wsPort).u16(wssPort).u8(sphinxKeys.length)
  for (const { rotationId, publicKey } of sphinxKeys) writer.u32(rotationId).bytes(publicKey)
  writer.u8(noiseKey?.supportedVersion ?? 0)
  if (noiseKey !== undefined) writer.bytes(noiseKey.publicKey)
  const build = utf8(buildVersion)
  const encoded = writer.u8(build.length).bytes(build).finish()
  // What readers would refuse is refused before it costs a fee.
  decodeAnnouncement(encoded)
  return encoded
}

/** Throws MALFORMED. Does not verify: the signature is beside it. */
export function decodeAnnouncement(bytes: Uint8Array): Announcement {
  const reader = new Reader(bytes, WHAT)
  if (bytes.length > MAX_ANNOUNCEMENT_BYTES) reader.refuse('length', 'above that of the ledger')
  reader.u8('version', { min: VERSION, max: VERSION })
  const ipAddresses = Array.from({ length: reader.u8('addresses', { min: 1, max: MAX_ADDRESSES }) }, () => {
    const family = reader.u8('family')
    if (family !== 4 && family !== 6) reader.refuse('family', 'neither 4 nor 6')
    return formatIp(reader.bytes(family === 4 ? IPV4_BYTES : IPV6_BYTES, 'octets'))
  })
  const mixPort = reader.u16('mix port', { min: 1 })
  const text = (field: string, max: number, form: RegExp): string | undefined => {
    const length = reader.u8(field, { max })
    if (length === 0) return undefined
    const value = fromUtf8(reader.bytes(length, field), WHAT)
    return form.test(value) ? value : reader.refuse(field, 'not of its form')
  }
  const hostname = text('hostname', MAX_HOSTNAME, HOSTNAME)
  const wsPort = reader.u16('websocket port')
  const wssPort = reader.u16('secure websocket port')
  const sphinxKeys = Array.from({ length: reader.u8('sphinx keys', { min: 1, max: MAX_SPHINX_KEYS }) }, () => ({
    rotationId: reader.u32('rotation'),
    publicKey: reader.bytes(KEY_BYTES, 'sphinx key').slice(),
  }))
  const [first, second] = sphinxKeys
  if (first?.rotationId === second?.rotationId) reader.refuse('rotation', 'twice the same')
  const supportedVersion = reader.u8('noise version')
  const noiseKey =
    supportedVersion === 0 ? undefined : { supportedVersion, publicKey: reader.bytes(KEY_BYTES, 'noise key').slice() }
  const buildVersion = text('build version', MAX_BUILD_VERSION, PRINTABLE)
  if (buildVersion === undefined) return reader.refuse('build version', 'empty')
  reader.expectEnd()
  return {
    ipAddresses,
    mixPort,
    hostname,
    wsPort,
    wssPort: wssPort === 0 ? undefined : wssPort,
    sphinxKeys,
    noiseKey,
    buildVersion,
  }
}

/** What the identity key signs: bound to one network, node, sequence and set of capabilities, so that nobody can say it again elsewhere. */
export function announcementText(place: AnnouncementPlace, data: Uint8Array): Uint8Array {
  return new Writer(DOMAIN.length + 8 + 20 + 4 + 8 + 1 + data.length)
    .bytes(DOMAIN)
    .u64(BigInt(place.chainId))
    .bytes(place.contract)
    .u32(place.nodeId)
    .u64(place.sequence)
    .u8(place.capabilities)
    .bytes(data)
    .finish()
}

export function signAnnouncement(
  crypto: Pick<CryptoProvider, 'ed25519Sign'>,
  identitySeed: Uint8Array,
  place: AnnouncementPlace,
  data: Uint8Array,
): Uint8Array {
  return crypto.ed25519Sign(identitySeed, announcementText(place, data))
}

export function verifyAnnouncement(
  crypto: Pick<CryptoProvider, 'ed25519Verify'>,
  identity: Uint8Array,
  place: AnnouncementPlace,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  return crypto.ed25519Verify(identity, announcementText(place, data), signature)
}
