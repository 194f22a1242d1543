/** Every message around a ticketbook as the official crates write it, read and written by ours (vectors/ecash-messages.json). @module */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fromHex, toHex } from '../../../foundation/base/bytes.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { nodeProvider } from '../../../foundation/crypto/nodeProvider.ts'
import { parseJson } from '../directory/json.ts'
import { decodeBlindedSignature, decodeBlindSign, encodeBlindedSignature, encodeBlindSign } from './blindSign.ts'
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
import { decodeRedeemAnswer, decodeRedeemRequest } from './redemption.ts'
import { signatureHolds, signBody } from './signedMessage.ts'
import { decodeSignerStatus, signerStatusToJson } from './signerStatus.ts'
import {
  decodeTicketVerdict,
  decodeVerifyTicket,
  encodeTicketVerdict,
  encodeVerifyTicket,
} from './ticketVerification.ts'
import { decodeMasterKey, encodeMasterKey } from './verificationKey.ts'

interface Message {
  readonly name: string
  readonly json: string
  readonly leaf: string
  readonly inputs: Readonly<Record<string, string>> & { readonly depositId: number; readonly ticketType: number }
  readonly parses: readonly { readonly what: string; readonly json: string; readonly accepted: boolean }[]
}

const { messages } = JSON.parse(
  readFileSync(new URL('../../../../vectors/ecash-messages.json', import.meta.url), 'utf8'),
) as { readonly messages: readonly Message[] }

const message = (name: string): Message => messages.find((one) => one.name === name) ?? assert.fail(name)
const text = (json: unknown): string => JSON.stringify(json)
const seedOf = ({ inputs }: Message): Uint8Array => fromHex(inputs.seed ?? '')
const signerOf = (one: Message): Uint8Array => nodeProvider.ed25519PublicKey(seedOf(one))
const EPOCH = 4
const EXPIRATION = 1_780_531_200

describe('official messages of issuers', () => {
  it('a request for a book, and its answer', () => {
    const request = message('blind-sign request')
    const order = decodeBlindSign(request.json)
    assert.equal(toHex(order.request), request.inputs.request)
    assert.equal(text(encodeBlindSign(order)), request.json)
    const answer = message('blind-sign answer')
    const signature = decodeBlindedSignature(answer.json)
    assert.equal(toHex(signature), answer.inputs.blindedSignature)
    assert.equal(text(encodeBlindedSignature(signature)), answer.json)
  })

  for (const whose of ['partial, of authority 1', 'aggregated']) {
    it(`lists, ${whose}`, () => {
      const dates = message(`date signatures, ${whose}`)
      const days = decodeDateList(dates.json)
      assert.equal(toHex(days.signatures), dates.inputs.signatures)
      assert.equal(text(encodeDateList(days)), dates.json)
      const coins = message(`coin signatures, ${whose}`)
      const indices = decodeCoinList(coins.json)
      assert.equal(toHex(indices.signatures), coins.inputs.signatures)
      assert.equal(text(encodeCoinList(indices)), coins.json)
    })
  }

  it('the master key, and what a signer says of itself', () => {
    const master = message('master verification key')
    const key = decodeMasterKey(master.json)
    assert.equal(toHex(key), master.inputs.key)
    assert.equal(text(encodeMasterKey(key)), master.json)
    for (const precision of ['whole seconds', 'nanoseconds']) {
      const one = message(`signer status, ${precision}`)
      assert.ok(signatureHolds(nodeProvider, signerOf(one), decodeSignerStatus(one.json)))
    }
    const whole = message('signer status, whole seconds')
    const { status } = decodeSignerStatus(whole.json)
    assert.equal(text(signBody(nodeProvider, seedOf(whole), signerStatusToJson(status))), whole.json)
  })

  for (const binding of ['without', 'with']) {
    it(`a ticket, and the same to verify, ${binding} the index binding`, () => {
      const ticket = message(`ticket, ${binding} the index binding`)
      const form = JSON.stringify(JSON.parse(ticket.json).payment)
      const inTicket = readPayment(parseJson(form, 'payment'))
      assert.ok(inTicket.kind === 'one')
      assert.equal(toHex(inTicket.bytes), ticket.inputs.payment)
      assert.equal(text(paymentToJson(inTicket.bytes)), form)
      assert.ok(ticket.json.includes(form))
      const request = message(`verify-ecash-ticket request, ${binding} the index binding`)
      assert.equal(
        text(encodeVerifyTicket({ ...decodeVerifyTicket(request.json), payment: inTicket.bytes })),
        request.json,
      )
    })
  }

  it('verdicts', () => {
    for (const verdict of ['accepted', 'replayed', 'double spend', 'invalid', 'several tickets', 'date']) {
      const { json } = message(`verify-ecash-ticket answer, ${verdict}`)
      assert.equal(text(encodeTicketVerdict(decodeTicketVerdict(json))), json)
    }
  })

  it('redemptions: answers are read, and requests are refused, for they are signed by nobody', () => {
    for (const accepted of [true, false]) {
      const answer = decodeRedeemAnswer(message(`batch-redeem answer, ${accepted}`).json)
      assert.deepEqual(answer, { accepted, vote: undefined })
    }
    assert.throws(
      () => decodeRedeemRequest(message('batch-redeem request').json),
      (error) => isMixnetError(error, 'MALFORMED'),
    )
  })

  it('issued books: leaves, proofs, and what is signed of them', () => {
    const books = [0, 1, 2, 3, 4].map((i) => {
      const { inputs, leaf } = message(`issued ticketbook ${i}`)
      const signature = fromHex(inputs.blindedSignature ?? '')
      const commitments = fromHex(inputs.commitments ?? '')
      const { depositId, ticketType } = inputs
      const book = { depositId, epochId: EPOCH, signature, commitments, expiration: EXPIRATION, ticketType }
      const hash = issuedLeaf(nodeProvider, book)
      assert.equal(toHex(hash), leaf)
      return hash
    })
    const tree = new MerkleTree(nodeProvider)
    tree.append(books)
    for (const indices of [[0], [4], [1, 3], [0, 1, 2, 3, 4]]) {
      const { inner_proof, root } = JSON.parse(message(`merkle proof of [${indices.join(', ')}] of 5`).json) as {
        inner_proof: string
        root: string
      }
      assert.equal(Buffer.from(tree.proof(indices)).toString('base64'), inner_proof)
      const leaves = indices.map((index) => ({ index, hash: books[index] as Uint8Array }))
      const inner = new Uint8Array(Buffer.from(inner_proof, 'base64'))
      assert.ok(merkleProofHolds(nodeProvider, fromHex(root), 5, leaves, inner))
    }
    for (const many of ['none', 'five']) {
      const one = message(`issued-ticketbooks-for, ${many}`)
      const issued = decodeIssuedFor(one.json)
      assert.ok(signatureHolds(nodeProvider, signerOf(one), issued))
      const body = issuedForToJson(issued.expiration, issued.deposits, issued.root)
      assert.equal(text(signBody(nodeProvider, seedOf(one), body)), one.json)
    }
    const asked = decodeIssuedSample(message('challenge-commitment request').json)
    assert.equal(text(asked.original), message('challenge-commitment request').json)
    const challenge = message('challenge-commitment answer')
    const answered = decodeChallengeAnswer(challenge.json)
    assert.ok(signatureHolds(nodeProvider, signerOf(challenge), answered))
    const evidence = challengeAnswerToJson(asked, answered.evidence)
    assert.equal(text(signBody(nodeProvider, seedOf(challenge), evidence)), challenge.json)
    const sample = decodeIssuedSample(message('issued-ticketbooks-data request').json)
    const data = message('issued-ticketbooks-data answer')
    const read = decodeIssuedData(data.json)
    assert.ok(signatureHolds(nodeProvider, signerOf(data), read))
    assert.equal(text(signBody(nodeProvider, seedOf(data), issuedDataToJson(sample, read.books))), data.json)
  })

  it('takes the other texts that the official crates take', () => {
    const taken = (name: string, decode: (json: string) => unknown) => {
      for (const { what, json, accepted } of message(name).parses) {
        if (accepted) assert.doesNotThrow(() => decode(json), what)
      }
    }
    taken('blind-sign request, other texts', decodeBlindSign)
    for (const binding of ['without', 'with']) {
      taken(`verify-ecash-ticket request, ${binding} the index binding, other texts`, decodeVerifyTicket)
    }
  })
})
