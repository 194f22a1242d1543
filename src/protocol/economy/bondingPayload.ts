/**
 * What a node's identity key signs to be bonded, byte for byte as `OwnershipProof` of the contracts puts it together: the official
 * text, in which the owner is an address of this ledger. Format: docs/spec/ledger.md, "Ownership". @module
 */
import { toBase58 } from '../../foundation/base/base58.ts'
import { expectLength, utf8 } from '../../foundation/base/bytes.ts'
import { malformed } from '../../foundation/base/errors.ts'

export interface Bonding {
  /** Who sends the transaction: 0x and 40 hexadecimal digits, in either case. */
  readonly owner: string
  /** Of that address: how many nodes it bonded before. */
  readonly nonce: number
  /** Ed25519, 32 bytes. */
  readonly identityKey: Uint8Array
  readonly host: string
  /** 0 for the usual one. */
  readonly httpPort: number
  /** Of 10^18, which is all of it. */
  readonly profitMargin: bigint
  /** unym an interval. */
  readonly intervalOperatingCost: bigint
  /** unym. */
  readonly pledge: bigint
}

const ONE = 10n ** 18n
const ADDRESS = /^0x[0-9a-f]{40}$/
/** Printable ASCII but the blank and what JSON escapes. */
const HOST = /^[!#-[\]-~]*$/

/** Throws MALFORMED of an owner that is no address, a host that the contract refuses, a key that is not 32 bytes. */
export function bondingPayload(bonding: Bonding): Uint8Array {
  const sender = bonding.owner.toLowerCase()
  if (!ADDRESS.test(sender)) throw malformed('owner', 'not an address: 0x and 40 hexadecimal digits')
  if (!HOST.test(bonding.host)) throw malformed('host', 'has a blank, a quote, a backslash or no ASCII')
  const unym = (amount: bigint) => ({ denom: 'unym', amount: amount.toString() })
  // JSON.stringify keeps the order in which fields are written: it is part of what is signed.
  return utf8(
    JSON.stringify({
      nonce: bonding.nonce,
      algorithm: 'ed25519',
      message_type: 'nym-node-bonding',
      content: {
        sender,
        funds: [unym(bonding.pledge)],
        data: {
          nym_node: {
            host: bonding.host,
            custom_http_port: bonding.httpPort === 0 ? null : bonding.httpPort,
            identity_key: toBase58(expectLength(bonding.identityKey, 32, 'identity key')),
          },
          cost_params: {
            profit_margin_percent: percent(bonding.profitMargin),
            interval_operating_cost: unym(bonding.intervalOperatingCost),
          },
        },
      },
    }),
  )
}

function percent(raw: bigint): string {
  const fraction = (raw % ONE).toString().padStart(18, '0').replace(/0+$/, '')
  return fraction === '' ? `${raw / ONE}` : `${raw / ONE}.${fraction}`
}
