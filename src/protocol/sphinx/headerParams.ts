/** What a header is built from, and the checks that a caller's values must pass. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Nanos } from '../../foundation/base/units.ts'
import {
  DESTINATION_ADDRESS_BYTES,
  EXPLICIT_KEYS_VERSION,
  IDENTIFIER_BYTES,
  KEY_BYTES,
  KEY_SEEDS_VERSION,
  NODE_ADDRESS_BYTES,
  type SphinxVersion,
} from './constants.ts'
import { checkLength, type Destination, finalPaddingBytes, type Hop } from './route.ts'
import { RouteKeys } from './routeKeys.ts'

/** All that a header depends on; equal parameters give equal bytes. */
export interface HeaderParams {
  /** 32 fresh random bytes, used for this packet only: who has them can open it at every hop. Or what they and `route` gave. */
  readonly secret: Uint8Array | RouteKeys
  readonly route: readonly Hop[]
  /** One per hop, whole nanoseconds. The last is never encoded. */
  readonly delays: readonly Nanos[]
  readonly destination: Destination
  readonly version: SphinxVersion
  /** `finalPaddingBytes(route.length)` random bytes. */
  readonly padding: Uint8Array
}

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
  if (params.secret instanceof RouteKeys) {
    if (params.secret.route !== route)
      throw new MixnetError('BAD_ARGUMENT', { argument: 'secret', why: 'another route' })
  } else checkLength(params.secret, KEY_BYTES, 'secret')
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
