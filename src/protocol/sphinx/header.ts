/**
 * Builds the 348-byte header, innermost hop first. Format: docs/spec/sphinx.md.
 *
 * | offset | bytes | field                                                                  |
 * | ------ | ----- | ---------------------------------------------------------------------- |
 * | 0      | 32    | alpha: the element the hop derives its shared secret from               |
 * | 32     | 16    | gamma: MAC over beta                                                    |
 * | 48     | 300   | beta: the hop's routing block, encrypted, with all later ones inside it |
 * @module
 */
import { xorInto } from '../../foundation/base/bytes.ts'
import type { Nanos } from '../../foundation/base/units.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import {
  ADDRESS_OFFSET,
  BETA_OFFSET,
  CIPHER_KEY_BYTES,
  DELAY_OFFSET,
  FINAL_FIELDS_BYTES,
  FINAL_FLAG,
  FLAG_BYTES,
  FORWARD_FIELDS_BYTES,
  FORWARD_FLAG,
  GAMMA_OFFSET,
  HEADER_BYTES,
  IDENTIFIER_OFFSET,
  MAC_BYTES,
  STEP_BYTES,
  STREAM_BYTES,
} from './constants.ts'
import { checkHeaderParams, type HeaderParams } from './headerParams.ts'
import type { ExpandedSecret } from './keys.ts'
import { finalBlockBytes, type Hop } from './route.ts'
import { deriveRouteKeys, RouteKeys } from './routeKeys.ts'

export interface Header {
  /** 348 bytes. Does not hold the first hop's address: that travels beside it. */
  readonly header: Uint8Array
  /** One per hop, in route order. */
  readonly secrets: readonly ExpandedSecret[]
}

export const ZERO_IV: Uint8Array = new Uint8Array(CIPHER_KEY_BYTES)
const ZERO_STREAM = new Uint8Array(STREAM_BYTES)

/** Throws SPHINX_BAD_ROUTE or BAD_ARGUMENT. Costs one multiplication per hop and one of the base point. */
export function buildHeader(crypto: CryptoProvider, params: HeaderParams): Header {
  checkHeaderParams(params)
  const { route, delays, destination, version, padding } = params
  const last = route.length - 1
  const keys = params.secret instanceof RouteKeys ? params.secret : deriveRouteKeys(crypto, params.secret, route)
  const secrets = keys.take()
  const streams = secrets.map((secret) => crypto.aes128Ctr(secret.cipherKey, ZERO_IV, ZERO_STREAM))

  const header = new Uint8Array(HEADER_BYTES)
  header.set(keys.alpha)
  const gamma = header.subarray(GAMMA_OFFSET, BETA_OFFSET)
  const beta = header.subarray(BETA_OFFSET)

  const blockBytes = finalBlockBytes(route.length)
  beta[0] = FINAL_FLAG
  writeVersion(beta, version)
  beta.set(destination.address, ADDRESS_OFFSET)
  beta.set(destination.identifier, IDENTIFIER_OFFSET)
  beta.set(padding, FINAL_FIELDS_BYTES)
  xorInto(beta, (streams[last] as Uint8Array).subarray(0, blockBytes))
  beta.set(buildFiller(streams.slice(0, last)), blockBytes)
  authenticate(crypto, secrets[last] as ExpandedSecret, beta, gamma)

  for (let i = last - 1; i >= 0; i--) {
    // The last 60 bytes fall off here; the filler is what makes them reappear when the hop appends zeros and decrypts.
    beta.copyWithin(STEP_BYTES, 0)
    beta[0] = FORWARD_FLAG
    writeVersion(beta, version)
    beta.set((route[i + 1] as Hop).address, ADDRESS_OFFSET)
    writeDelay(beta, delays[i] as Nanos)
    beta.set(gamma, FORWARD_FIELDS_BYTES)
    xorInto(beta, (streams[i] as Uint8Array).subarray(0, beta.length))
    authenticate(crypto, secrets[i] as ExpandedSecret, beta, gamma)
  }
  return { header, secrets }
}

/** What the key streams of all hops but the last leave behind where zeros were appended: 60 bytes for each. */
function buildFiller(streams: readonly Uint8Array[]): Uint8Array {
  const filler = new Uint8Array(STEP_BYTES * streams.length)
  for (const [i, stream] of streams.entries()) xorInto(filler, stream.subarray(STREAM_BYTES - STEP_BYTES * (i + 1)))
  return filler
}

/** gamma of `beta`, written into `gamma`. */
function authenticate(crypto: CryptoProvider, secret: ExpandedSecret, beta: Uint8Array, gamma: Uint8Array): void {
  gamma.set(crypto.hmacSha256(secret.macKey, beta).subarray(0, MAC_BYTES))
}

/** 0x00, then the number as u16be. */
function writeVersion(block: Uint8Array, version: number): void {
  block[FLAG_BYTES] = 0
  block[FLAG_BYTES + 1] = version >>> 8
  block[FLAG_BYTES + 2] = version & 0xff
}

/** u64be without a bigint: the value is a safe integer. */
function writeDelay(block: Uint8Array, delay: number): void {
  let rest = delay
  for (let i = FORWARD_FIELDS_BYTES - 1; i >= DELAY_OFFSET; i--) {
    block[i] = rest % 256
    rest = Math.floor(rest / 256)
  }
}
