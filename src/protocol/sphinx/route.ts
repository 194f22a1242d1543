/** Where a packet goes: its hops and its destination. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import { FINAL_FIELDS_BYTES, MAX_HOPS, STEP_BYTES } from './constants.ts'

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

/** Random bytes that fill the last hop's routing block: 248, 188, 128, 68, 8 for one to five hops. */
export function finalPaddingBytes(hops: number): number {
  if (!Number.isInteger(hops) || hops < 1 || hops > MAX_HOPS) throw new MixnetError('SPHINX_BAD_ROUTE', { hops })
  return finalBlockBytes(hops) - FINAL_FIELDS_BYTES
}

/** The part of beta that the last hop of a route of `hops` reads; the filler follows it. */
export const finalBlockBytes = (hops: number): number => STEP_BYTES * (MAX_HOPS - hops + 1)

export function checkLength(bytes: Uint8Array, length: number, argument: string): void {
  if (bytes.length !== length)
    throw new MixnetError('BAD_ARGUMENT', { argument, bytes: bytes.length, expected: length })
}
