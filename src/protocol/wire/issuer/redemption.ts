/**
 * `POST batch-redeem-ecash-tickets`: a gateway asks an issuer to vote for what it earned. Two fields are ours: the gateway signs the
 * request, since serial numbers are known to every issuer, and the issuer signs its answer, which is its vote. Official gateways send no
 * signature, and since 2026 no such request. @module
 */
import { fromBase58, toBase58 } from '../../../foundation/base/base58.ts'
import { concat, expectLength, fromHex, toHex, utf8 } from '../../../foundation/base/bytes.ts'
import { malformed } from '../../../foundation/base/errors.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import { type JsonObject, parseJson } from '../directory/json.ts'
import { G1_BYTES } from './hexFields.ts'

/** Tickets of one batch: two days of a busy gateway. */
export const MAX_BATCH = 4096
/** Of so many serial numbers in base58, 69 bytes each. */
export const MAX_REDEEM_BYTES: number = 320 * 1024
const DIGEST_BYTES = 32
const KEY_BYTES = 32
const ED25519_SIGNATURE_BYTES = 64
const MAX_ANSWER_CHARACTERS = 1024

const REQUEST_DOMAIN = utf8('starling-redeem-request-v1')
const VOTE_DOMAIN = utf8('starling-redeem-vote-v2')
const ADDRESS_BYTES = 20

export interface RedeemRequest {
  /** SHA-256 of the serial numbers, one behind the other. */
  readonly digest: Uint8Array
  /** 48 bytes each. */
  readonly serialNumbers: readonly Uint8Array[]
  /** On the ledger; 0 while there is none. */
  readonly proposalId: number
  /** The gateway's Ed25519 key: in `gateway_cosmos_addr`, in base58. */
  readonly gateway: Uint8Array
  /** By that key, 64 bytes. */
  readonly signature: Uint8Array
}

/** Who pays for votes: a vote names it, or another deployment with the same issuers would pay for the same tickets once more. */
export interface PayingContract {
  readonly chainId: number
  /** 20 bytes: the deposits' contract. */
  readonly contract: Uint8Array
}

/** Of issuers without a ledger: votes that nobody pays for. */
export const NO_CONTRACT: PayingContract = { chainId: 0, contract: new Uint8Array(ADDRESS_BYTES) }

/** What an issuer voted for: so many tickets of that gateway, which have that digest. */
export interface RedeemVote {
  readonly payer: PayingContract
  readonly epochId: number
  /** Of the issuer's share. */
  readonly index: number
  readonly gateway: Uint8Array
  readonly digest: Uint8Array
  readonly count: number
}

export interface RedeemAnswer {
  readonly accepted: boolean
  /** Of an accepted batch. */
  readonly vote:
    | {
        readonly payer: PayingContract
        readonly epochId: number
        readonly index: number
        readonly count: number
        readonly signature: Uint8Array
      }
    | undefined
}

export const batchDigest = (crypto: CryptoProvider, serialNumbers: readonly Uint8Array[]): Uint8Array =>
  crypto.sha256(concat(...serialNumbers))

/** Domain ‖ gateway (32) ‖ digest (32) ‖ count, u32 ‖ proposal, u64. */
export function signRedeemRequest(
  crypto: CryptoProvider,
  gatewaySeed: Uint8Array,
  { serialNumbers, proposalId = 0 }: { readonly serialNumbers: readonly Uint8Array[]; readonly proposalId?: number },
): RedeemRequest {
  const unsigned = {
    digest: batchDigest(crypto, serialNumbers),
    serialNumbers,
    proposalId,
    gateway: crypto.ed25519PublicKey(gatewaySeed),
  }
  return { ...unsigned, signature: crypto.ed25519Sign(gatewaySeed, requestMessage(unsigned)) }
}

/** Whether the digest is that of the serial numbers, and the signature the gateway's. */
export function redeemRequestHolds(crypto: CryptoProvider, request: RedeemRequest): boolean {
  const digest = batchDigest(crypto, request.serialNumbers)
  return (
    digest.every((byte, i) => byte === request.digest[i]) &&
    crypto.ed25519Verify(request.gateway, requestMessage(request), request.signature)
  )
}

export function encodeRedeemRequest(request: RedeemRequest): JsonObject {
  return {
    digest: toBase58(request.digest),
    included_serial_numbers: request.serialNumbers.map(toBase58),
    proposal_id: request.proposalId,
    gateway_cosmos_addr: toBase58(request.gateway),
    gateway_signature: toBase58(request.signature),
  }
}

/** Throws MALFORMED, also of official requests: they name an address on the ledger and sign nothing. */
export function decodeRedeemRequest(text: string): RedeemRequest {
  const json = parseJson(text, 'redemption', MAX_REDEEM_BYTES)
  const serials = json.field('included_serial_numbers')
  const serialNumbers = serials.array(MAX_BATCH, (one) => fromBase58(one.string(), 'serial number', G1_BYTES))
  if (serialNumbers.length === 0) serials.refuse('empty')
  return {
    digest: json.field('digest').base58(DIGEST_BYTES),
    serialNumbers,
    proposalId: json.field('proposal_id').integer(),
    gateway: json.field('gateway_cosmos_addr').base58(KEY_BYTES),
    signature: json.field('gateway_signature').base58(ED25519_SIGNATURE_BYTES),
  }
}

export function signVote(crypto: CryptoProvider, issuerSeed: Uint8Array, vote: RedeemVote): Uint8Array {
  return crypto.ed25519Sign(issuerSeed, voteMessage(vote))
}

export function voteHolds(
  crypto: CryptoProvider,
  issuer: Uint8Array,
  vote: RedeemVote,
  signature: Uint8Array,
): boolean {
  return crypto.ed25519Verify(issuer, voteMessage(vote), signature)
}

export function encodeRedeemAnswer({ accepted, vote }: RedeemAnswer): JsonObject {
  if (vote === undefined) return { proposal_accepted: accepted }
  const { payer, epochId, index, count, signature } = vote
  return {
    proposal_accepted: accepted,
    vote: {
      chain_id: payer.chainId,
      contract: `0x${toHex(payer.contract)}`,
      epoch_id: epochId,
      index,
      count,
      signature: toBase58(signature),
    },
  }
}

/** Throws MALFORMED. Does not verify the vote. */
export function decodeRedeemAnswer(text: string): RedeemAnswer {
  const json = parseJson(text, 'answer to a redemption', MAX_ANSWER_CHARACTERS)
  return {
    accepted: json.field('proposal_accepted').boolean(),
    vote: json.field('vote').optional((vote) => ({
      payer: { chainId: vote.field('chain_id').integer(), contract: addressIn(vote.field('contract').string()) },
      epochId: vote.field('epoch_id').integer(),
      index: vote.field('index').integer({ min: 1 }),
      count: vote.field('count').u32(),
      signature: vote.field('signature').base58(ED25519_SIGNATURE_BYTES),
    })),
  }
}

function requestMessage(request: Omit<RedeemRequest, 'signature'>): Uint8Array {
  return new Writer()
    .bytes(REQUEST_DOMAIN)
    .bytes(expectLength(request.gateway, KEY_BYTES, 'gateway'))
    .bytes(request.digest)
    .u32(request.serialNumbers.length)
    .u64(BigInt(request.proposalId))
    .finish()
}

function addressIn(text: string): Uint8Array {
  if (!/^0x[0-9a-f]{40}$/.test(text))
    throw malformed('contract', 'not an address: 0x and 40 lower-case hexadecimal digits')
  return fromHex(text.slice(2))
}

/** Domain ‖ chain id, u64 ‖ contract (20) ‖ epoch, u64 ‖ gateway (32) ‖ digest (32) ‖ count, u32 ‖ index, u64. */
function voteMessage(vote: RedeemVote): Uint8Array {
  return new Writer()
    .bytes(VOTE_DOMAIN)
    .u64(BigInt(vote.payer.chainId))
    .bytes(expectLength(vote.payer.contract, ADDRESS_BYTES, 'contract'))
    .u64(BigInt(vote.epochId))
    .bytes(expectLength(vote.gateway, KEY_BYTES, 'gateway'))
    .bytes(expectLength(vote.digest, DIGEST_BYTES, 'digest'))
    .u32(vote.count)
    .u64(BigInt(vote.index))
    .finish()
}
