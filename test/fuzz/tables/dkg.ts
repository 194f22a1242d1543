/** Decoders of making keys together: messages of the board, and what is inside them. @module */
import { toBase58 } from '../../../src/foundation/base/base58.ts'
import { toHex, utf8 } from '../../../src/foundation/base/bytes.ts'
import { nodeProvider } from '../../../src/foundation/crypto/nodeProvider.ts'
import { nullBls } from '../../../src/foundation/crypto/nullBls.ts'
import { decodeFeldman, decodePedersen } from '../../../src/protocol/credentials/dkgCommitments.ts'
import { LocalDkgEngine } from '../../../src/protocol/credentials/dkgEngine.ts'
import { decodePolynomials, decodeShare } from '../../../src/protocol/credentials/dkgPolynomials.ts'
import { createScheme } from '../../../src/protocol/credentials/scheme.ts'
import { countingBytes } from '../../../src/protocol/credentials/support.test.ts'
import {
  type DkgMessage,
  decodeMessage,
  encodeMessage,
  signMessage,
} from '../../../src/roles/issuer/dkg/dkgMessages.ts'
import { readAgreedKeys } from '../../../src/roles/issuer/dkg/keyFile.ts'
import { openShare, sealShare } from '../../../src/roles/issuer/dkg/shareBox.ts'
import { bytesDecoder, type Decoder, jsonDecoder } from '../decoder.ts'

const scheme = createScheme(nullBls)
const engine = new LocalDkgEngine(scheme, countingBytes(8))
const polynomials = await engine.draw(2)
const pedersen = await engine.commit('pedersen', polynomials)
const feldman = await engine.commit('feldman', polynomials)
const [hidden = utf8('')] = await engine.shares('pedersen', polynomials, [1])
const [plain = utf8('')] = await engine.shares('feldman', polynomials, [1])

const key = new Uint8Array(32).fill(4)
const items = [
  { index: 1, bytes: hidden },
  { index: 300, bytes: plain },
]
const messages: readonly DkgMessage[] = [
  { phase: 'keys', encryptionKey: key },
  { phase: 'deal', encryptionKey: key, commitment: pedersen, shares: items },
  { phase: 'complain', dealers: [1, 7] },
  { phase: 'answer', shares: items },
  { phase: 'open', commitment: feldman },
  { phase: 'accuse', shares: items },
  { phase: 'rebuild', shares: [] },
  { phase: 'confirm', digest: key },
]
const unsigned = { ed25519Sign: () => new Uint8Array(64) }

const publicKey = nodeProvider.x25519Base(key)
const ends = { session: key, dealer: key, dealerKey: publicKey, receiver: key, receiverKey: publicKey }
const agreed = {
  epoch_id: 3,
  threshold: 1,
  master_key: toBase58(feldman.subarray(0, 680)),
  members: [{ index: 1, identity: toBase58(key), url: 'http://one.test', key: toBase58(feldman.subarray(0, 680)) }],
  own: { index: 1, secret_key: toHex(new Uint8Array(168)) },
}

export const dkgDecoders: readonly Decoder[] = [
  bytesDecoder('decodeMessage of_dkg', decodeMessage, {
    seeds: messages.map((message) => signMessage(unsigned, key, encodeMessage(key, key, message))),
  }),
  bytesDecoder('openShare', (input) => openShare(nodeProvider, ends, key, input), {
    seeds: [sealShare(nodeProvider, ends, key, hidden)],
  }),
  jsonDecoder('readAgreedKeys', readAgreedKeys, { seeds: [JSON.stringify(agreed)] }),
  bytesDecoder('decodePedersen', (input) => decodePedersen(scheme, input, 2), { seeds: [pedersen] }),
  bytesDecoder('decodeFeldman', (input) => decodeFeldman(scheme, input, 2), { seeds: [feldman] }),
  bytesDecoder('decodePolynomials', decodePolynomials, { seeds: [polynomials] }),
  bytesDecoder('decodeShare hiding', (input) => decodeShare(input, true), { seeds: [hidden] }),
  bytesDecoder('decodeShare plain', (input) => decodeShare(input, false), { seeds: [plain] }),
]
