/** Where a packet goes: its hops, its destination, and the checks that a caller's route must pass. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Nanos } from '../../foundation/base/units.ts'
import {
  DESTINATION_ADDRESS_BYTES,
  EXPLICIT_KEYS_VERSION,
  FINAL_FIELDS_BYTES,
  IDENTIFIER_BYTES,
  KEY_BYTES,
  KEY_SEEDS_VERSION,
  MAX_HOPS,
  NODE_ADDRESS_BYTES,
  type SphinxVersion,
  STEP_BYTES,
} from './constants.ts'

export interface Hop {
  /** 32 bytes, as the hop before it reads them from the header. */
  readonly address: Uint8Array
  /** 32 bytes: the node's sphinx key. */
  readonly publicKey: Uint8Array
}

export interface Destination {
  /** 32 bytes. */
  readonly address: Uint8Array
  /** 16 bytes. Nym always sends zeros here. */
  readonly identifier: Uint8Array
}

/** All that a header depends on; equal parameters give equal bytes. */
export interface HeaderParams {
  /** 32 fresh random bytes, used for this packet only: who has them can open it at every hop. */
  readonly secret: Uint8Array
  readonly route: readonly Hop[]
  /** One per hop, whole nanoseconds. The last is never encoded. */
  readonly delays: readonly Nanos[]
  readonly destination: Destination
  readonly version: SphinxVersion
  /** `finalPaddingBytes(route.length)` random bytes. */
  readonly padding: Uint8Array
}

/** Random bytes that fill the last hop's routing block: 248, 188, 128, 68, 8 for one to five hops. */
export function finalPaddingBytes(hops: number): number {
  if (!Number.isInteger(hops) || hops < 1 || hops > MAX_HOPS) throw new MixnetError('SPHINX_BAD_ROUTE', { hops })
  return finalBlockBytes(hops) - FINAL_FIELDS_BYTES
}

/** The part of beta that the last hop of a route of `hops` reads; the filler follows it. */
export const finalBlockBytes = (hops: number): number => STEP_BYTES * (MAX_HOPS - hops + 1)

/** Throws SPHINX_BAD_ROUTE for a wrong number of hops or delays, BAD_ARGUMENT for a field of a wrong size. */
export function checkHeaderParams(params: HeaderParams): void {
  const { route, delays, destination } = params
  const paddingBytes = finalPaddingBytes(route.length)
  if (delays.length !== route.length) {
    throw new MixnetError('SPHINX_BAD_ROUTE', { hops: route.length, delays: delays.length })
  }
  if (params.version !== EXPLICIT_KEYS_VERSION && params.version !== KEY_SEEDS_VERSION) {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'version', value: params.version })
  }
  checkLength(params.secret, KEY_BYTES, 'secret')
  checkLength(params.padding, paddingBytes, 'padding')
  checkLength(destination.address, DESTINATION_ADDRESS_BYTES, 'destination address')
  checkLength(destination.identifier, IDENTIFIER_BYTES, 'destination identifier')
  for (const hop of route) {
    checkLength(hop.address, NODE_ADDRESS_BYTES, 'hop address')
    checkLength(hop.publicKey, KEY_BYTES, 'hop public key')
  }
  for (const delay of delays) {
    if (!Number.isSafeInteger(delay) || delay < 0)
      throw new MixnetError('BAD_ARGUMENT', { argument: 'delay', value: delay })
  }
}

export function checkLength(bytes: Uint8Array, length: number, argument: string): void {
  if (bytes.length !== length)
    throw new MixnetError('BAD_ARGUMENT', { argument, bytes: bytes.length, expected: length })
}
