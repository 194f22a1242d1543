/**
 * Addresses of accounts as the JSON of directories has them: bech32 (BIP 173) with the network's prefix over 20 bytes, because some
 * client types parse it strictly. Accounts of the ledger are the same 20 bytes written as 0x and hex; both are read.
 * Format: docs/spec/directory-server.md, "From the ledger". @module
 */
import { bech32 } from '@scure/base'
import { expectLength, fromHex } from '../../../foundation/base/bytes.ts'
import { malformed } from '../../../foundation/base/errors.ts'

export const ACCOUNT_BYTES = 20
const PREFIX = 'n'
const WHAT = 'account address'
const HEX = /^0x[0-9a-f]{40}$/i
/** Prefix, separator, 32 groups of 5 bits, 6 of checksum. */
const LENGTH = PREFIX.length + 1 + 32 + 6

/** 20 bytes to `n1…`. */
export function encodeAccountAddress(account: Uint8Array): string {
  return bech32.encode(PREFIX, bech32.toWords(expectLength(account, ACCOUNT_BYTES, WHAT)))
}

/** Throws MALFORMED. */
export function decodeAccountAddress(text: string): Uint8Array {
  if (HEX.test(text)) return fromHex(text.slice(2))
  if (text.length !== LENGTH) throw malformed(WHAT, 'of another length')
  const decoded = bech32.decodeUnsafe(text, LENGTH)
  if (decoded === undefined || decoded.prefix !== PREFIX) throw malformed(WHAT, 'not bech32 of this network')
  const account = bech32.fromWordsUnsafe(decoded.words)
  if (account === undefined || account.length !== ACCOUNT_BYTES) throw malformed(WHAT, 'not 20 bytes')
  return Uint8Array.from(account)
}
