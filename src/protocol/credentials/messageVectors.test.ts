/**
 * `vectors/ecash-messages.json`: every message around a ticketbook as the official crates write it. Here is what this room reads and
 * writes of them, and what of the rest follows from hashes and signatures alone; which messages there are is part of it. What is JSON
 * around points is in src/protocol/wire/issuer/officialMessages.test.ts. @module
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { toBase58 } from '../../foundation/base/base58.ts'
import { concat, fromHex, toHex, utf8 } from '../../foundation/base/bytes.ts'
import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { decodeTicket, encodeTicket } from '../wire/gateway/ticket.ts'
import { createScheme } from './scheme.ts'
import { decodeTicketbook, encodeTicketbook } from './ticketbook.ts'
import { decodeRequestInfo, encodeRequestInfo } from './withdrawal.ts'

interface MessageVector {
  readonly name: string
  readonly type: string
  readonly inputs: Readonly<Record<string, string & string[]>>
  readonly json?: string
  readonly bytes?: string
  readonly bincode?: string
  readonly revision?: number
  readonly wrapped?: string
  readonly leaf?: string
  readonly rootSoFar?: string
  readonly index?: number
}

const { messages } = JSON.parse(
  readFileSync(new URL('../../../vectors/ecash-messages.json', import.meta.url), 'utf8'),
) as { readonly messages: readonly MessageVector[] }

/** Official types by where they are on the way. Each has a JSON text, and where it is sent or stored as bytes, those. */
const TYPES = {
  issuing: ['BlindSignRequestBody', 'BlindedSignatureResponse', 'TicketType'],
  lists: [
    'PartialExpirationDateSignatureResponse',
    'PartialCoinIndicesSignatureResponse',
    'AggregatedExpirationDateSignatureResponse',
    'AggregatedCoinIndicesSignatureResponse',
    'MasterVerificationKeyResponse',
    'EcashSignerStatusResponseBody',
  ],
  verification: [
    'CredentialSpendingData',
    'VerifyEcashTicketBody',
    'EcashTicketVerificationResponse',
    'BatchRedeemTicketsBody',
    'EcashBatchTicketRedemptionResponse',
  ],
  audit: [
    'IssuedTicketbook',
    'IssuedTicketbooksFullMerkleProof',
    'IssuedTicketbooksForResponseBody',
    'IssuedTicketbooksChallengeCommitmentRequestBody',
    'IssuedTicketbooksChallengeCommitmentResponseBody',
    'IssuedTicketbooksDataRequestBody',
    'IssuedTicketbooksDataResponseBody',
    'IssuedTicketbooksCountResponse',
    'IssuedTicketbooksOnCountResponse',
    'IssuedTicketbooksForCountResponse',
  ],
  stored: [
    'RequestInfo',
    'IssuanceTicketBook',
    'IssuedTicketBook',
    'AggregatedExpirationDateSignatures',
    'AggregatedCoinIndicesSignatures',
    'EpochVerificationKey',
    'ImportableTicketBook',
  ],
}
/** A bundle is never JSON. */
const BYTES_ONLY = ['ImportableTicketBook']
const BYTES_TOO = ['CredentialSpendingData', 'IssuedTicketbook', ...TYPES.stored]

const scheme = createScheme(await loadMclBls())
const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => nodeProvider.sha256(concat(...parts))
const textOf = ({ json }: MessageVector): string => json ?? assert.fail('no text')
const ofType = (...types: readonly string[]): readonly MessageVector[] => {
  const found = messages.filter(({ type, json, bytes }) => types.includes(type) && (json ?? bytes) !== undefined)
  assert.ok(found.length > 0)
  return found
}

describe('messages of the official crates', () => {
  it('are all there: their texts, and their bytes where they have any', () => {
    const known = new Set(messages.map(({ type }) => type))
    assert.deepEqual([...known].sort(), Object.values(TYPES).flat().sort())
    for (const message of ofType(...known)) {
      if (!BYTES_ONLY.includes(message.type)) assert.ok(JSON.parse(textOf(message)) !== undefined)
      if (BYTES_TOO.includes(message.type)) assert.ok(message.bytes !== undefined, message.name)
    }
  })

  it('tickets: their bytes, and their JSON in what is asked about them', () => {
    for (const message of ofType('CredentialSpendingData')) {
      const ticket = decodeTicket(fromHex(message.bytes ?? ''))
      assert.equal(toHex(encodeTicket(ticket)), message.bytes)
      assert.equal(toHex(ticket.payment), message.inputs.payment)
      for (const asked of ofType('VerifyEcashTicketBody').filter(({ inputs }) => inputs.ticket === message.bytes)) {
        assert.ok(textOf(asked).startsWith(`{"credential":${textOf(message)},`))
      }
    }
  })

  it('ticketbooks and request information as they are stored', () => {
    for (const message of ofType('IssuedTicketBook')) {
      const again = encodeTicketbook(scheme, decodeTicketbook(scheme, fromHex(message.bytes ?? '')))
      assert.equal(toHex(again), message.bytes)
      // Its length, itself, its revision.
      assert.equal(message.wrapped, `${again.length.toString(16)}${message.bytes}01`)
    }
    for (const message of ofType('RequestInfo')) {
      const again = encodeRequestInfo(scheme, decodeRequestInfo(scheme, fromHex(message.bytes ?? '')))
      assert.equal(toHex(again), message.bytes)
    }
  })

  it('signatures are over the text of the body as it is in the message', () => {
    const signed = messages.filter(({ inputs }) => inputs.signedText !== undefined)
    assert.ok(signed.length >= 8)
    for (const message of signed) {
      const body = utf8(message.inputs.signedText as string)
      const signature = nodeProvider.ed25519Sign(fromHex(message.inputs.seed as string), body)
      assert.equal(message.json, `{"body":${message.inputs.signedText},"signature":"${toBase58(signature)}"}`)
    }
    for (const { inputs, json } of ofType('BlindSignRequestBody')) {
      const signature = nodeProvider.ed25519Sign(
        fromHex(inputs.depositSeed as string),
        fromHex(inputs.signed as string),
      )
      assert.ok(json?.includes(`"signature":${JSON.stringify([...signature])}`))
    }
  })

  it('commitments: leaves, roots of trees whose odd nodes are promoted, and digests of serial numbers', () => {
    const leaves: Uint8Array[] = []
    for (const message of ofType('IssuedTicketbook')) {
      leaves.push(sha256(fromHex(message.bytes ?? '')))
      assert.deepEqual([message.leaf, message.index], [toHex(leaves.at(-1) as Uint8Array), leaves.length - 1])
      assert.equal(message.rootSoFar, toHex(rootOf(leaves)))
    }
    for (const { inputs, json } of ofType('BatchRedeemTicketsBody')) {
      const serials = (inputs.serialNumbers as string[]).map((serial) => fromHex(serial))
      const digest = sha256(...serials)
      assert.equal(toHex(digest), inputs.digest)
      const whole = { digest: toBase58(digest), included_serial_numbers: serials.map(toBase58) }
      assert.ok(json?.startsWith(JSON.stringify(whole).slice(0, -1)))
    }
  })
})

function rootOf(nodes: readonly Uint8Array[]): Uint8Array {
  if (nodes.length === 1) return nodes[0] as Uint8Array
  const pairs = Array.from({ length: Math.ceil(nodes.length / 2) }, (_, i) => nodes.slice(2 * i, 2 * i + 2))
  return rootOf(
    pairs.map(([left, right]) => (right === undefined ? (left as Uint8Array) : sha256(left as Uint8Array, right))),
  )
}
