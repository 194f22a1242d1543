/** Decoders of what issuers, faucets, gateways and clients say to each other of tickets, and of what clients keep of them. @module */
import { readFileSync } from 'node:fs'
import { decodeBookRecord, encodeBookRecord } from '../../../src/client/credentials/bookRecord.ts'
import { decodePlain, openOfficialForm } from '../../../src/client/credentials/exportedBook.ts'
import { decodeAccounts, encodeAccounts } from '../../../src/client/credentials/gatewayAccounts.ts'
import { decodeOfficialBundle, readBookFields } from '../../../src/client/credentials/officialBundle.ts'
import { decodePurchase, encodePurchase } from '../../../src/client/credentials/purchase.ts'
import { concat, fromHex } from '../../../src/foundation/base/bytes.ts'
import { nodeProvider } from '../../../src/foundation/crypto/nodeProvider.ts'
import { decodeBlindedSignature, decodeBlindSign } from '../../../src/protocol/wire/issuer/blindSign.ts'
import { parseDate, readDate, readSpendDate } from '../../../src/protocol/wire/issuer/calendarDate.ts'
import { credentialEpochToJson, readCredentialEpoch } from '../../../src/protocol/wire/issuer/credentialEpoch.ts'
import { decodeDeposit, decodeDepositAnswer, decodeDepositRequest } from '../../../src/protocol/wire/issuer/faucet.ts'
import { readSignature } from '../../../src/protocol/wire/issuer/hexFields.ts'
import {
  decodeChallengeAnswer,
  decodeIssuedData,
  decodeIssuedFor,
  decodeIssuedSample,
} from '../../../src/protocol/wire/issuer/issuedTicketbooks.ts'
import { readPayment } from '../../../src/protocol/wire/issuer/payment.ts'
import { decodeCoinList, decodeDateList } from '../../../src/protocol/wire/issuer/publicLists.ts'
import { decodeRedeemAnswer, decodeRedeemRequest } from '../../../src/protocol/wire/issuer/redemption.ts'
import { decodeSignerStatus } from '../../../src/protocol/wire/issuer/signerStatus.ts'
import { decodeTicketVerdict, decodeVerifyTicket } from '../../../src/protocol/wire/issuer/ticketVerification.ts'
import { decodeMasterKey } from '../../../src/protocol/wire/issuer/verificationKey.ts'
import { readWithdrawalRequest } from '../../../src/protocol/wire/issuer/withdrawalRequest.ts'
import { readClaims } from '../../../src/roles/gateway/ticketChecks.ts'
import { bytesDecoder, type Decoder, jsonDecoder, textDecoder } from '../decoder.ts'

interface Message {
  readonly name: string
  readonly json: string
  readonly bytes: string
  readonly inputs: Readonly<Record<string, string>>
}

const { messages } = JSON.parse(
  readFileSync(new URL('../../../vectors/ecash-messages.json', import.meta.url), 'utf8'),
) as { readonly messages: readonly Message[] }

function message(name: string): Message {
  const found = messages.find((one) => one.name === name)
  if (found === undefined) throw new Error(`there is no official message "${name}"`)
  return found
}

const official = (decoder: string, decode: (text: string) => unknown, ...names: readonly string[]): Decoder =>
  textDecoder(decoder, decode, { seeds: names.map((name) => message(name).json) })

/** What is below a name in an official message. */
const part = (name: string, field: string): { readonly seeds: readonly string[] } => ({
  seeds: [JSON.stringify(JSON.parse(message(name).json)[field])],
})

const key = new Uint8Array(32).fill(4)
const epoch = {
  epochId: 3,
  threshold: 1,
  issuers: [{ index: 1, key: new Uint8Array(680), identity: key, url: 'http://one.test' }],
  priceUnym: 75_000_000,
  faucetUrl: 'http://faucet.test',
}
const bundle = fromHex(message('import bundle, whole').bytes)
const payment = fromHex(message('ticket, with the index binding').inputs.payment ?? '')

const lists = {
  masterKey: new Uint8Array(680),
  dateSignatures: new Uint8Array(7 * 96),
  coinSignatures: new Uint8Array(50 * 96),
}
const record = {
  ...{ epochId: 3n, expiration: 1_780_531_200, ticketType: 0, left: 7n, spent: 8n, taken: [new Uint8Array(16)] },
  contents: { book: fromHex(message('ticketbook, 7 spent').bytes), ...lists },
  leaving: { tickets: 16n, bundle: key },
}
const purchase = {
  ...{ depositId: 7, depositSeed: key, userKey: new Uint8Array(80), publicKey: new Uint8Array(48) },
  ...{ expiration: 1_780_531_200, ticketType: 0, request: new Uint8Array(397), info: new Uint8Array(249) },
  ...{ epoch, ...lists },
}

export const issuerDecoders: readonly Decoder[] = [
  official('decodeBlindSign', decodeBlindSign, 'blind-sign request'),
  official('decodeBlindedSignature', decodeBlindedSignature, 'blind-sign answer'),
  official('decodeDateList', decodeDateList, 'date signatures, aggregated'),
  official('decodeCoinList', decodeCoinList, 'coin signatures, aggregated'),
  official('decodeMasterKey', decodeMasterKey, 'master verification key'),
  official('decodeSignerStatus', decodeSignerStatus, 'signer status, nanoseconds'),
  official('decodeVerifyTicket', decodeVerifyTicket, 'verify-ecash-ticket request, with the index binding'),
  official('decodeTicketVerdict', decodeTicketVerdict, 'verify-ecash-ticket answer, date'),
  official('decodeRedeemRequest', decodeRedeemRequest, 'batch-redeem request'),
  official('decodeRedeemAnswer', decodeRedeemAnswer, 'batch-redeem answer, true'),
  official('decodeIssuedFor', decodeIssuedFor, 'issued-ticketbooks-for, five'),
  official('decodeIssuedSample', decodeIssuedSample, 'challenge-commitment request'),
  official('decodeChallengeAnswer', decodeChallengeAnswer, 'challenge-commitment answer'),
  official('decodeIssuedData', decodeIssuedData, 'issued-ticketbooks-data answer'),
  jsonDecoder('readWithdrawalRequest', readWithdrawalRequest, part('blind-sign request', 'inner_sign_request')),
  jsonDecoder('readSignature', (json) => readSignature(json, 'c'), part('blind-sign answer', 'blinded_signature')),
  jsonDecoder('readPayment', readPayment, part('ticket, with the index binding', 'payment')),
  textDecoder('decodeDepositRequest', decodeDepositRequest, {
    seeds: ['{"identity_key":"4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM"}'],
  }),
  textDecoder('decodeDepositAnswer', decodeDepositAnswer, { seeds: ['{"deposit_id":7}'] }),
  textDecoder('decodeDeposit', decodeDeposit, { seeds: ['{"id":7,"deposit":null}'] }),
  textDecoder('parseDate', parseDate, { seeds: ['2026-06-04'] }),
  jsonDecoder('readDate', readDate, { seeds: ['"2026-06-04"'] }),
  jsonDecoder('readSpendDate', readSpendDate, { seeds: ['[2026,155]', '"2026-06-04"'] }),
  jsonDecoder('readCredentialEpoch', readCredentialEpoch, { seeds: [JSON.stringify(credentialEpochToJson(epoch))] }),
  bytesDecoder('readClaims', (input) => readClaims(input, 'strict'), { seeds: [payment] }),
  bytesDecoder('decodeBookRecord', decodeBookRecord, { seeds: [encodeBookRecord(record)] }),
  bytesDecoder('decodeAccounts', decodeAccounts, {
    seeds: [encodeAccounts([{ gateway: key, ahead: 200_000_000, since: 1_780_531_200_000 }])],
  }),
  bytesDecoder('decodePurchase', decodePurchase, { seeds: [encodePurchase(purchase)] }),
  bytesDecoder('decodeOfficialBundle', decodeOfficialBundle, { seeds: [bundle] }),
  bytesDecoder('openOfficialForm', (input) => openOfficialForm(nodeProvider, input), { seeds: [bundle] }),
  bytesDecoder('decodePlain', decodePlain, { seeds: [concat(new Uint8Array(24), bundle)] }),
  bytesDecoder('readBookFields', readBookFields, { seeds: [fromHex(message('ticketbook, 7 spent').bytes)] }),
]
