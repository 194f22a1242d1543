/**
 * What a node's identity key signs to be bonded, byte for byte as `OwnershipProof` of the contracts puts it together: the official
 * text, in which the sender is an address of this ledger, at its contract on its chain: at another it is worth nothing. Format:
 * docs/spec/ledger.md, "Ownership". @module
 */
import { toBase58 } from '../../foundation/base/base58.ts'
import { expectLength, utf8 } from '../../foundation/base/bytes.ts'
import { malformed } from '../../foundation/base/errors.ts'

export interface Bonding {
  /** Where: the chain, and the mixnet's contract in either case. */
  readonly chainId: number
  readonly mixnet: string
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

/** Throws MALFORMED of an owner or a contract that is no address, a host that the contract refuses, a key that is not 32 bytes. */
export function bondingPayload(bonding: Bonding): Uint8Array {
  const owner = addressOf(bonding.owner, 'owner')
  const mixnet = addressOf(bonding.mixnet, 'mixnet')
  if (!HOST.test(bonding.host)) throw malformed('host', 'has a blank, a quote, a backslash or no ASCII')
  const unym = (amount: bigint) => ({ denom: 'unym', amount: amount.toString() })
  // JSON.stringify keeps the order in which fields are written: it is part of what is signed.
  return utf8(
    JSON.stringify({
      nonce: bonding.nonce,
      algorithm: 'ed25519',
      message_type: 'nym-node-bonding',
      content: {
        // The contract as CAIP-10 writes accounts. In a field that official signers take as it is, and sign as it is.
        sender: `${owner}@eip155:${bonding.chainId}:${mixnet}`,
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

function addressOf(text: string, what: string): string {
  const address = text.toLowerCase()
  if (!ADDRESS.test(address)) throw malformed(what, 'not an address: 0x and 40 hexadecimal digits')
  return address
}

function percent(raw: bigint): string {
  const fraction = (raw % ONE).toString().padStart(18, '0').replace(/0+$/, '')
  return fraction === '' ? `${raw / ONE}` : `${raw / ONE}.${fraction}`
}
