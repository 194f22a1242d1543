/** Who signs transactions: a key in memory, or somebody elsewhere. @module */
import { privateKeyToAccount } from 'viem/accounts'
import { toHex } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { Secret } from '../../foundation/base/secret.ts'
import type { Random } from '../../foundation/platform/random.ts'
import type { Address } from './chain.ts'
import type { Signer } from './ledger.ts'

const KEY_BYTES = 32
/** Of secp256k1: keys are from 1 to below it. */
const ORDER = 0xffffffff_ffffffff_ffffffff_fffffffe_baaedce6_af48a03b_bfd25e8c_d0364141n

/** Signatures are deterministic (RFC 6979): the same transaction is the same bytes. Throws BAD_ARGUMENT for what is no key. */
export function keySigner(key: Secret): Signer {
  if (!isKey(key.expose())) throw new MixnetError('BAD_ARGUMENT', { argument: 'key' })
  const account = privateKeyToAccount(`0x${toHex(key.expose())}`)
  return {
    kind: 'key',
    address: account.address,
    signTransaction: ({ to, ...transaction }) =>
      account.signTransaction({ type: 'eip1559', ...transaction, ...(to === undefined ? {} : { to }) }),
  }
}

/** A wallet or signing service that answers `eth_sendTransaction`, and asks its owner if it likes. */
export function externalSigner(address: Address, urls: readonly string[]): Signer {
  return { kind: 'external', address, urls }
}

export function newKey(random: Random): Secret {
  const stream = random.stream('ledger key')
  for (;;) {
    const bytes = stream.bytes(KEY_BYTES)
    if (isKey(bytes)) return new Secret(bytes)
  }
}

function isKey(bytes: Uint8Array): boolean {
  if (bytes.length !== KEY_BYTES) return false
  const key = BigInt(`0x${toHex(bytes)}`)
  return key > 0n && key < ORDER
}
