/** Decoders of credentials: requests, signatures, wallets, payments. Their JSON is what issuers.ts has. @module */
import { fromHex } from '../../../src/foundation/base/bytes.ts'
import { loadMclBls } from '../../../src/foundation/crypto/mclBls.ts'
import { CodecReader } from '../../../src/protocol/credentials/codec.ts'
import {
  decodeAuthorityKey,
  decodeUserKey,
  decodeUserPublicKey,
  decodeVerificationKey,
  parseVerificationKey,
} from '../../../src/protocol/credentials/keys.ts'
import { decodePayInfo } from '../../../src/protocol/credentials/payInfo.ts'
import { decodePayment } from '../../../src/protocol/credentials/payment.ts'
import { createScheme } from '../../../src/protocol/credentials/scheme.ts'
import { decodeSignature } from '../../../src/protocol/credentials/signature.ts'
import { ecash, spec } from '../../../src/protocol/credentials/support.test.ts'
import { decodeTicketbook } from '../../../src/protocol/credentials/ticketbook.ts'
import { decodePartialWallet, decodeWallet, decodeWalletInUse } from '../../../src/protocol/credentials/wallet.ts'
import { decodeRequestInfo, decodeWithdrawalRequest } from '../../../src/protocol/credentials/withdrawal.ts'
import { bytesDecoder, type Decoder, textDecoder } from '../decoder.ts'

const scheme = createScheme(await loadMclBls())

const bytes = (
  name: string,
  decode: (one: typeof scheme, input: Uint8Array) => unknown,
  ...real: readonly (string | undefined)[]
): Decoder =>
  bytesDecoder(name, (input) => decode(scheme, input), {
    seeds: real.flatMap((hex) => (hex === undefined ? [] : [fromHex(hex)])),
  })

const [authority] = ecash.authorities
const [issued] = ecash.issuance
const payments = ecash.payments.map(({ payment }) => payment)

export const credentialDecoders: readonly Decoder[] = [
  bytes('decodeUserKey', decodeUserKey, ecash.user.key_pair),
  bytes('decodeUserPublicKey', decodeUserPublicKey, ecash.user.public_key),
  bytes('decodeAuthorityKey', (_, input) => decodeAuthorityKey(input), authority?.secret_key),
  bytes('decodeVerificationKey', decodeVerificationKey, authority?.verification_key),
  textDecoder('parseVerificationKey', (text) => parseVerificationKey(scheme, text), {
    seeds: [ecash.master_verification_key.bs58],
  }),
  bytes('decodeSignature', decodeSignature, issued?.blinded_signature),
  bytes('decodeWithdrawalRequest', decodeWithdrawalRequest, ecash.withdrawal.request),
  bytes('decodeRequestInfo', decodeRequestInfo, ecash.withdrawal.request_info),
  bytes('decodePartialWallet', decodePartialWallet, issued?.partial_wallet),
  bytes('decodeWallet', decodeWallet, ecash.wallet.wallet_signatures),
  bytes('decodeWalletInUse', decodeWalletInUse, ecash.wallet.wallet),
  bytes('decodeTicketbook', decodeTicketbook, spec.upstream.issued_ticketbook.bytes, spec.derived.issued_ticketbook),
  bytes('decodePayInfo', (_, input) => decodePayInfo(input), ecash.payments[0]?.pay_info),
  bytes('decodePayment', decodePayment, ...payments),
  bytes('decodePayment of_one_ticket', (one, input) => decodePayment(one, input, 1), ...payments),
  bytesDecoder(
    'CodecReader',
    (input) => {
      const reader = new CodecReader(input, 'fuzz')
      return [reader.u8('a'), reader.u64('b'), reader.i32('c'), reader.list(50, 'd', (field) => reader.scalar(field))]
    },
    { seeds: payments.map((hex) => fromHex(hex)) },
  ),
]
