/**
 * A purchase under way, as it is stored from before the deposit until its book is. The request is made once and never again: issuers
 * answer a deposit's later requests with their first signature, which opens with the secrets of the first request only, and all of them
 * must sign the same one. So whatever is needed to finish is here, and whoever starts again days later needs nothing but t issuers.
 *
 *     0    1   1: the deposit may have been made; 2: it was
 *     1    4   deposit id, 0 until it is known
 *     5    32  seed of the deposit's Ed25519 key
 *     37   80  user key
 *     117  48  its public half
 *     165  4   expiration date
 *     169  1   ticket type
 *     170  397 request
 *          2   length of the info, and the info
 *          4   length of the epoch, and the epoch as JSON
 *          680, 672, 4800  master key, date signatures, coin signatures
 *
 * @module
 */
import { fromUtf8, utf8 } from '../../foundation/base/bytes.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'
import { TICKET_TYPES } from '../../protocol/credentials/constants.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'
import {
  type CredentialEpoch,
  credentialEpochToJson,
  readCredentialEpoch,
} from '../../protocol/wire/issuer/credentialEpoch.ts'
import { WITHDRAWAL_REQUEST_BYTES } from '../../protocol/wire/issuer/withdrawalRequest.ts'
import { COINS_BYTES, DATES_BYTES, MASTER_KEY_BYTES } from './bookRecord.ts'

export interface Purchase {
  /** undefined: the deposit may have been made, or not. */
  readonly depositId: number | undefined
  readonly depositSeed: Uint8Array
  readonly userKey: Uint8Array
  readonly publicKey: Uint8Array
  readonly expiration: number
  readonly ticketType: number
  readonly request: Uint8Array
  readonly info: Uint8Array
  readonly epoch: CredentialEpoch
  readonly masterKey: Uint8Array
  readonly dateSignatures: Uint8Array
  readonly coinSignatures: Uint8Array
}

const SEED_BYTES = 32
const USER_KEY_BYTES = 80
const PUBLIC_KEY_BYTES = 48
const MAX_INFO_BYTES = 512
const MAX_EPOCH_BYTES = 512 * 1024

export function encodePurchase(purchase: Purchase): Uint8Array {
  const { depositId, info } = purchase
  const epoch = utf8(JSON.stringify(credentialEpochToJson(purchase.epoch)))
  return new Writer()
    .u8(depositId === undefined ? 1 : 2)
    .u32(depositId ?? 0)
    .bytes(purchase.depositSeed)
    .bytes(purchase.userKey)
    .bytes(purchase.publicKey)
    .u32(purchase.expiration)
    .u8(purchase.ticketType)
    .bytes(purchase.request)
    .u16(info.length)
    .bytes(info)
    .u32(epoch.length)
    .bytes(epoch)
    .bytes(purchase.masterKey)
    .bytes(purchase.dateSignatures)
    .bytes(purchase.coinSignatures)
    .finish()
}

export function decodePurchase(bytes: Uint8Array): Purchase {
  const reader = new Reader(bytes, 'stored purchase')
  const state = reader.u8('state', { min: 1, max: 2 })
  const id = reader.u32('deposit id')
  if (state === 1 && id !== 0) reader.refuse('deposit id', 'of no deposit')
  const take = (length: number, field: string): Uint8Array => reader.bytes(length, field).slice()
  const purchase = {
    depositId: state === 1 ? undefined : id,
    depositSeed: take(SEED_BYTES, 'deposit seed'),
    userKey: take(USER_KEY_BYTES, 'user key'),
    publicKey: take(PUBLIC_KEY_BYTES, 'public key'),
    expiration: reader.u32('expiration'),
    ticketType: reader.u8('ticket type', { max: TICKET_TYPES.length - 1 }),
    request: take(WITHDRAWAL_REQUEST_BYTES, 'request'),
    info: take(reader.u16('info length', { max: MAX_INFO_BYTES }), 'info'),
    epoch: readEpoch(reader),
    masterKey: take(MASTER_KEY_BYTES, 'master key'),
    dateSignatures: take(DATES_BYTES, 'date signatures'),
    coinSignatures: take(COINS_BYTES, 'coin signatures'),
  }
  reader.expectEnd()
  return purchase
}

function readEpoch(reader: Reader): CredentialEpoch {
  const length = reader.u32('epoch length', { max: MAX_EPOCH_BYTES })
  const text = fromUtf8(reader.bytes(length, 'epoch'), 'stored purchase')
  return readCredentialEpoch(parseJson(text, 'stored purchase'))
}
