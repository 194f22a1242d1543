import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { fromBase58 } from '../../../foundation/base/base58.ts'
import { fromHex, toHex } from '../../../foundation/base/bytes.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { nodeProvider as crypto } from '../../../foundation/crypto/nodeProvider.ts'
import { TICKET_TYPES } from '../../credentials/constants.ts'
import { type Json, parseJson } from '../directory/json.ts'
import { decodeTicket } from '../gateway/ticket.ts'
import {
  decodeBlindedSignature,
  decodeBlindSign,
  depositMessage,
  encodeBlindedSignature,
  encodeBlindSign,
  signForDeposit,
  TICKET_TYPE_NAMES,
} from './blindSign.ts'
import { formatDate, ordinalDate, parseDate, readSpendDate } from './calendarDate.ts'
import {
  decodeDeposit,
  decodeDepositAnswer,
  decodeDepositRequest,
  encodeDeposit,
  encodeDepositAnswer,
  encodeDepositRequest,
} from './faucet.ts'
import {
  challengeAnswerToJson,
  decodeChallengeAnswer,
  decodeIssuedData,
  decodeIssuedFor,
  decodeIssuedSample,
  issuedDataToJson,
  issuedForToJson,
  issuedLeaf,
} from './issuedTicketbooks.ts'
import { MerkleTree, merkleProofHolds } from './merkle.ts'
import { paymentToJson, readPayment } from './payment.ts'
import { decodeCoinList, decodeDateList, encodeCoinList, encodeDateList } from './publicLists.ts'
import {
  decodeRedeemAnswer,
  decodeRedeemRequest,
  encodeRedeemAnswer,
  encodeRedeemRequest,
  redeemRequestHolds,
  signRedeemRequest,
  signVote,
  voteHolds,
} from './redemption.ts'
import { signatureHolds, signBody } from './signedMessage.ts'
import { decodeSignerStatus, signerStatusToJson } from './signerStatus.ts'
import {
  decodeTicketVerdict,
  decodeVerifyTicket,
  encodeTicketVerdict,
  encodeVerifyTicket,
} from './ticketVerification.ts'
import { decodeMasterKey, encodeMasterKey } from './verificationKey.ts'
import { commitmentsOf, readWithdrawalRequest, withdrawalRequestToJson } from './withdrawalRequest.ts'

const vectors = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../../vectors/${name}.json`, import.meta.url), 'utf8'))
const ecash = vectors('ecash')
const zkNym = vectors('zk-nym')
const json = (value: unknown): Json => parseJson(JSON.stringify(value), 'test')
const text = (value: unknown): string => JSON.stringify(value)
const malformed = (run: () => unknown): void => assert.throws(run, (error) => isMixnetError(error, 'MALFORMED'))
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const SEED = new Uint8Array(32).fill(7)
const IDENTITY = crypto.ed25519PublicKey(SEED)
const DAY = 1_780_531_200
const oneTicket = (hex: string): Uint8Array => fromHex(hex)

describe('re-framing of what issuers read', () => {
  it('gives the official bytes of official requests, and back', () => {
    const { request, request_json: official } = ecash.withdrawal
    assert.equal(toHex(readWithdrawalRequest(json(official))), request)
    assert.deepEqual(withdrawalRequestToJson(fromHex(request)), official)
    assert.deepEqual(commitmentsOf(fromHex(request)), fromHex(official.private_attributes_commitments.join('')))
    const published = zkNym.upstream.withdrawal_request.bytes
    assert.equal(toHex(readWithdrawalRequest(json(withdrawalRequestToJson(fromHex(published))))), published)
  })

  it('gives the official bytes of official payments of one ticket, and back', () => {
    let seen = 0
    for (const { payment, payment_json: official, spend_value: tickets } of ecash.payments) {
      if (tickets !== 1) {
        if (official !== undefined) assert.deepEqual(readPayment(json(official)), { kind: 'several' })
        continue
      }
      const read = readPayment(json(official ?? paymentToJson(oneTicket(payment))))
      assert.ok(read.kind === 'one')
      assert.equal(toHex(read.bytes), payment)
      assert.deepEqual(read.serialNumber, read.bytes.subarray(589, 637))
      if (official !== undefined) {
        assert.deepEqual(paymentToJson(read.bytes), official)
        seen++
      }
    }
    assert.ok(seen > 0, 'no payment in JSON among the vectors')
    const { payment } = decodeTicket(fromHex(zkNym.upstream.credential_spending_data.bytes))
    const again = readPayment(json(paymentToJson(payment)))
    assert.ok(again.kind === 'one')
    assert.deepEqual(again.bytes, payment)
  })

  it('carries forged payments as they are, for whoever judges them, or refuses them', () => {
    for (const { payment } of [...ecash.forged_payments, ...ecash.invalid_payments]) {
      let written: unknown
      try {
        written = paymentToJson(fromHex(payment))
      } catch (error) {
        assert.ok(isMixnetError(error, 'MALFORMED'))
        continue
      }
      const read = readPayment(json(written))
      if (read.kind === 'one') assert.equal(toHex(read.bytes), payment)
    }
  })

  it('reads and writes keys, blinded signatures and list entries of the vectors', () => {
    const { json: official, bytes: key } = ecash.master_verification_key
    assert.deepEqual(encodeMasterKey(fromHex(key)), { key: official })
    assert.equal(toHex(decodeMasterKey(text({ key: official }))), key)
    for (const { blinded_signature: signature, blinded_signature_json: form } of ecash.issuance) {
      assert.deepEqual(encodeBlindedSignature(fromHex(signature)), { blinded_signature: form })
      assert.equal(toHex(decodeBlindedSignature(text({ blinded_signature: form }))), signature)
    }
    const { expiration, coin_index: coin } = ecash.annotated_signature_json
    const first = fromHex(expiration.signature.h + expiration.signature.s)
    const dates = encodeDateList({
      epochId: 4,
      expiration: expiration.expiration_timestamp,
      signatures: Uint8Array.from({ length: 7 * 96 }, (_, i) => first[i % 96] as number),
    })
    assert.deepEqual((dates.signatures as unknown[])[0], expiration)
    const coins = encodeCoinList({
      epochId: 4,
      signatures: Uint8Array.from(
        { length: 50 * 96 },
        (_, i) => fromHex(coin.signature.h + coin.signature.s)[i % 96] as number,
      ),
    })
    assert.deepEqual((coins.signatures as unknown[])[0], coin)
  })

  it('signs over what the official deposit key signed', () => {
    const {
      bytes: request,
      deposit_id: id,
      ed25519_pubkey_bs58: key,
      request_signature_bs58: signature,
    } = zkNym.upstream.withdrawal_request
    const message = depositMessage(fromHex(request), id)
    assert.ok(crypto.ed25519Verify(fromBase58(key, 'key'), message, fromBase58(signature, 'signature')))
  })

  it('calls types as the credentials do', () => assert.deepEqual(TICKET_TYPE_NAMES, TICKET_TYPES))
})

describe('messages of the issuers', () => {
  it('come back as they went', () => {
    fc.assert(
      fc.property(
        bytes(397),
        bytes(96),
        bytes(48),
        bytes(32),
        fc.nat(0xffff_ffff),
        fc.nat(20_000),
        fc.nat(3),
        (raw, signature, publicKey, digest, id, day, ticketType) => {
          const request = framed(raw)
          const expiration = day * 86_400
          const order = signForDeposit(crypto, SEED, { request, depositId: id, publicKey, expiration, ticketType })
          assert.deepEqual(decodeBlindSign(text(encodeBlindSign(order))), order)
          assert.deepEqual(decodeBlindedSignature(text(encodeBlindedSignature(signature))), signature)
          const coins = Uint8Array.from({ length: 4800 }, (_, i) => raw[i % 397] as number)
          const list = { epochId: id, signatures: coins }
          assert.deepEqual(decodeCoinList(text(encodeCoinList(list))), list)
          const dates = { epochId: id, expiration: expiration + 6 * 86_400, signatures: coins.slice(0, 672) }
          assert.deepEqual(decodeDateList(text(encodeDateList(dates))), dates)
          const redeem = signRedeemRequest(crypto, SEED, {
            serialNumbers: [publicKey, raw.slice(0, 48)],
            proposalId: id,
          })
          assert.deepEqual(decodeRedeemRequest(text(encodeRedeemRequest(redeem))), redeem)
          assert.ok(redeemRequestHolds(crypto, redeem))
          assert.ok(!redeemRequestHolds(crypto, { ...redeem, digest }))
          assert.ok(!redeemRequestHolds(crypto, { ...redeem, proposalId: id + 1 }))
          const payer = { chainId: id, contract: digest.slice(0, 20) }
          const vote = { payer, epochId: id, index: 1, gateway: digest, digest, count: 2 }
          const signed = signVote(crypto, SEED, vote)
          assert.ok(voteHolds(crypto, IDENTITY, vote, signed))
          assert.ok(!voteHolds(crypto, IDENTITY, { ...vote, count: 3 }, signed))
          assert.ok(!voteHolds(crypto, IDENTITY, { ...vote, payer: { ...payer, chainId: id + 1 } }, signed))
          const other = { ...payer, contract: digest.slice(0, 20).reverse().fill(1, 0, 2) }
          assert.ok(!voteHolds(crypto, IDENTITY, { ...vote, payer: other }, signed))
          const answer = { accepted: true, vote: { payer, epochId: id, index: 1, count: 2, signature: signed } }
          assert.deepEqual(decodeRedeemAnswer(text(encodeRedeemAnswer(answer))), answer)
          assert.deepEqual(decodeDepositRequest(text(encodeDepositRequest(digest))), digest)
          assert.equal(decodeDepositAnswer(text(encodeDepositAnswer(id))), id)
          for (const identityKey of [digest, undefined]) {
            assert.deepEqual(decodeDeposit(text(encodeDeposit(id, identityKey))), { depositId: id, identityKey })
          }
        },
      ),
      { numRuns: 50 },
    )
  })

  it('ask about tickets in the array form, and read both', () => {
    const { payment: hex } = ecash.payments[0]
    const payInfo = new Uint8Array(72).fill(3)
    const request = { payment: fromHex(hex), payInfo, day: DAY, epochId: 4, gateway: 'n1abc' }
    const written = encodeVerifyTicket(request)
    const read = decodeVerifyTicket(text(written))
    assert.ok(read.payment.kind === 'one')
    assert.deepEqual({ ...read, payment: read.payment.bytes }, request)
    const credential = written.credential as Record<string, unknown>
    assert.deepEqual(credential.spend_date, [2026, 155])
    const dashed = { ...written, credential: { ...credential, spend_date: '2026-06-04' } }
    assert.equal(decodeVerifyTicket(text(dashed)).day, DAY)
    malformed(() => decodeVerifyTicket(text({ ...written, credential: { ...credential, spend_date: [2025, 366] } })))
    malformed(() => decodeVerifyTicket(text({ ...written, credential: { ...credential, pay_info: [1] } })))
    for (const verdict of [
      { kind: 'verified' },
      { kind: 'ReplayedTicket' },
      { kind: 'DoubleSpend' },
      { kind: 'InvalidTicket' },
      { kind: 'MultipleTickets' },
      { kind: 'InvalidSpentDate', today: DAY, yesterday: DAY - 86_400, received: DAY + 86_400 },
    ] as const) {
      assert.deepEqual(decodeTicketVerdict(text(encodeTicketVerdict(verdict))), verdict)
    }
  })

  it('sign what they say of themselves, over the bytes received', () => {
    const status = { currentTime: 1_780_531_200_123, epochId: 3, disabled: false, isSigner: true, hasSigningKeys: true }
    const body = signerStatusToJson(status as never)
    const written = text(signBody(crypto, SEED, body))
    const read = decodeSignerStatus(written)
    assert.deepEqual(read.status, status)
    assert.ok(signatureHolds(crypto, IDENTITY, read))
    assert.ok(!signatureHolds(crypto, IDENTITY, decodeSignerStatus(written.replace('true', 'false'))))
    // A second body behind the first: JSON.parse would read it, the signature covers the other.
    malformed(() => decodeSignerStatus(written.replace(/\}$/, ',"body":{}}')))
  })

  it('dates: both forms of every day, and nothing that is none', () => {
    fc.assert(
      fc.property(fc.nat(40_000), (day) => {
        const midnight = day * 86_400
        assert.equal(parseDate(formatDate(midnight)), midnight)
        assert.equal(readSpendDate(json(ordinalDate(midnight))), midnight)
        assert.equal(readSpendDate(json(formatDate(midnight))), midnight)
      }),
    )
    for (const bad of ['2026-02-30', '2026-1-01', '', '2026-13-01', '1969-12-31', '9999-01-01']) {
      assert.equal(parseDate(bad), undefined)
    }
    for (const bad of [[2026], [2026, 0], [2026, 366], [2026, 1, 1], {}, 5, null, [1.5, 1], [9999, 1]]) {
      malformed(() => readSpendDate(json(bad)))
    }
  })

  it('commit to books: every sample of every tree is proven, and no other', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.infiniteStream(fc.boolean()),
        bytes(96),
        (total, chosen, signature) => {
          const books = Array.from({ length: total }, (_, depositId) => ({
            depositId,
            epochId: 2,
            signature,
            commitments: signature,
            expiration: DAY,
            ticketType: 1,
          }))
          const hashes = books.map((book) => issuedLeaf(crypto, book))
          const tree = new MerkleTree(crypto)
          // One, then three, then one …
          for (let i = 0, size = 1; i < total; i += size, size = (size + 2) % 4) tree.append(hashes.slice(i, i + size))
          const root = tree.root as Uint8Array
          assert.deepEqual(root, rootOf(hashes))
          const indices = hashes.map((_, i) => i).filter((i) => chosen.next().value === true || i === total - 1)
          const proof = tree.proof(indices)
          const leaves = indices.map((index) => ({ index, hash: hashes[index] as Uint8Array }))
          assert.ok(merkleProofHolds(crypto, root, total, leaves, proof))
          const forged = leaves.map((leaf, i) => (i === 0 ? { ...leaf, hash: crypto.sha256(leaf.hash) } : leaf))
          assert.ok(!merkleProofHolds(crypto, root, total, forged, proof))
          assert.ok(!merkleProofHolds(crypto, root, total, leaves, new Uint8Array([...proof, 0])))
          const sample = { expiration: DAY, deposits: indices, original: { expirationDate: 'x', deposits: indices } }
          const evidence = { proof, leaves, total, root }
          const answered = decodeChallengeAnswer(text(signBody(crypto, SEED, challengeAnswerToJson(sample, evidence))))
          assert.deepEqual(answered.evidence, evidence)
          const data = decodeIssuedData(text(signBody(crypto, SEED, issuedDataToJson(sample, books))))
          assert.deepEqual(data.books, books)
          const deposits = books.map(({ depositId }, merkleIndex) => ({ depositId, merkleIndex }))
          const listed = decodeIssuedFor(text(signBody(crypto, SEED, issuedForToJson(DAY, deposits, root))))
          assert.deepEqual([listed.deposits, listed.root], [deposits, root])
        },
      ),
      { numRuns: 40 },
    )
    assert.equal(new MerkleTree(crypto).root, undefined)
  })

  it('take many books into their tree for a hash each', () => {
    let hashes = 0
    const counting = {
      sha256(bytes: Uint8Array) {
        hashes++
        return crypto.sha256(bytes)
      },
    }
    const tree = new MerkleTree(counting)
    const leaves = Array.from({ length: 1000 }, (_, i) => crypto.sha256(Uint8Array.of(i >> 8, i)))
    tree.append(leaves)
    tree.append(leaves)
    assert.deepEqual(tree.root, rootOf([...leaves, ...leaves]))
    assert.ok(hashes < 2100, `${hashes}`)
  })
})

describe('hostile messages to issuers', () => {
  const decoders: Record<string, (text: string) => unknown> = {
    decodeBlindSign,
    decodeBlindedSignature,
    decodeCoinList,
    decodeDateList,
    decodeVerifyTicket,
    decodeTicketVerdict,
    decodeRedeemRequest,
    decodeRedeemAnswer,
    decodeMasterKey,
    decodeSignerStatus,
    decodeIssuedSample,
    decodeIssuedFor,
    decodeIssuedData,
    decodeChallengeAnswer,
    decodeDepositRequest,
    decodeDepositAnswer,
    decodeDeposit,
  }
  const { request_json: request } = ecash.withdrawal
  const good: unknown[] = [
    encodeVerifyTicket({
      payment: fromHex(ecash.payments[0].payment),
      payInfo: new Uint8Array(72),
      day: DAY,
      epochId: 1,
      gateway: 'g',
    }),
    {
      inner_sign_request: request,
      deposit_id: 3,
      signature: Array(64).fill(1),
      ecash_pubkey: { pk: ecash.user.public_key },
      expiration_date: '2026-06-04',
      ticketbook_type: 'v1-mixnet-entry',
    },
    encodeRedeemRequest(signRedeemRequest(crypto, SEED, { serialNumbers: [new Uint8Array(48).fill(1)] })),
    encodeMasterKey(fromHex(ecash.master_verification_key.bytes)),
    { body: { expirationDate: '2026-06-04', deposits: [1, 2] }, signature: 'x' },
  ]

  it('are refused as malformed or read, whatever they are', () => {
    const decodeAll = (input: string): void => {
      for (const decode of Object.values(decoders)) {
        try {
          decode(input)
        } catch (error) {
          assert.ok(isMixnetError(error, 'MALFORMED'), String(error))
        }
      }
    }
    fc.assert(fc.property(fc.string(), decodeAll))
    fc.assert(fc.property(fc.json(), decodeAll))
    // A good message with one value replaced by something else, anywhere.
    fc.assert(
      fc.property(
        fc.constantFrom(...good),
        fc.nat(),
        fc.oneof(fc.jsonValue(), fc.constantFrom('', '00', -1, 1e300, 0.5, [], {}, null)),
        (message, where, replacement) => decodeAll(text(replaced(message, where, replacement))),
      ),
      { numRuns: 500 },
    )
  })

  it('are refused with lists of other lengths', () => {
    const withLists = (change: (list: unknown[]) => unknown[]): unknown => ({
      ...(good[1] as object),
      inner_sign_request: {
        ...request,
        private_attributes_commitments: change(request.private_attributes_commitments),
      },
    })
    malformed(() => decodeBlindSign(text(withLists((list) => list.slice(1)))))
    malformed(() => decodeBlindSign(text(withLists((list) => [...list, list[0]]))))
    decodeBlindSign(text(withLists((list) => list)))
  })
})

/** Level by level, as the definition has it. */
function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  let level = hashes
  while (level.length > 1) {
    level = level.flatMap((left, i) => {
      if (i % 2 === 1) return []
      const right = level[i + 1]
      return [right === undefined ? left : crypto.sha256(new Uint8Array([...left, ...right]))]
    })
  }
  return level[0] as Uint8Array
}

/** A request's framing around random points and scalars. */
function framed(raw: Uint8Array): Uint8Array {
  const request = raw.slice()
  for (const at of [0, 49, 99, 148]) request[at] = 48
  for (const at of [98, 263, 330]) request[at] = 2
  for (const at of [197, 230, 264, 297, 331, 364]) request[at] = 32
  return request
}

/** The value with its `where`-th leaf or branch replaced. */
function replaced(value: unknown, where: number, replacement: unknown): unknown {
  const paths: (string | number)[][] = []
  const walk = (one: unknown, path: (string | number)[]): void => {
    paths.push(path)
    if (typeof one !== 'object' || one === null) return
    for (const key of Object.keys(one)) walk((one as Record<string, unknown>)[key], [...path, key])
  }
  walk(value, [])
  const path = paths[where % paths.length] as (string | number)[]
  if (path.length === 0) return replacement
  const copy = structuredClone(value)
  let at = copy as Record<string | number, unknown>
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>
  at[path.at(-1) as string] = replacement
  return copy
}
