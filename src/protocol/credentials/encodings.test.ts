/** Every binary form: one encoding a value, no bytes that crash, and nothing altered that still verifies. Secrets stay out of dumps. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { concat, fromHex, toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import { dayOfYear, unixDayOf } from './calendar.ts'
import { CodecReader, CodecWriter } from './codec.ts'
import { MAX_U32, TICKET_TYPES, TICKETS_PER_BOOK } from './constants.ts'
import { drawFrom } from './draw.ts'
import { issue } from './issue.ts'
import {
  decodeAuthorityKey,
  decodeUserKey,
  decodeVerificationKey,
  encodeAuthorityKey,
  encodeUserKey,
  encodeVerificationKey,
  userKey,
} from './keys.ts'
import { decodePayInfo, encodePayInfo } from './payInfo.ts'
import { decodePayment, encodePayment } from './payment.ts'
import { createScheme } from './scheme.ts'
import { SecretScalar } from './secretScalar.ts'
import { decodeSignature, encodeSignature } from './signature.ts'
import { spend } from './spend.ts'
import { benchOf, countingBytes, ecash, spec, testWeights } from './support.test.ts'
import { decodeTicketbook, encodeTicketbook, type Ticketbook } from './ticketbook.ts'
import { paymentFault } from './verify.ts'
import {
  decodePartialWallet,
  decodeWallet,
  decodeWalletInUse,
  encodePartialWallet,
  encodeWallet,
  encodeWalletInUse,
} from './wallet.ts'
import {
  decodeRequestInfo,
  decodeWithdrawalRequest,
  encodeRequestInfo,
  encodeWithdrawalRequest,
  requestWithdrawal,
} from './withdrawal.ts'

const scheme = createScheme(await loadMclBls())
const bench = benchOf(scheme)
const weight = testWeights(5)
const draw = drawFrom(countingBytes(11))
const { expiration, t_type: ticketType } = ecash.parameters
const [firstAuthority = assert.fail()] = ecash.authorities

/** Real bytes, and decoding followed by encoding. */
const FORMS: Readonly<Record<string, { real: string; again: (bytes: Uint8Array) => Uint8Array }>> = {
  'user key': { real: ecash.user.key_pair, again: (bytes) => encodeUserKey(scheme, decodeUserKey(scheme, bytes)) },
  'authority key': {
    real: firstAuthority.secret_key,
    again: (bytes) => encodeAuthorityKey(decodeAuthorityKey(bytes)),
  },
  'verification key': {
    real: firstAuthority.verification_key,
    again: (bytes) => encodeVerificationKey(scheme, decodeVerificationKey(scheme, bytes)),
  },
  signature: {
    real: ecash.issuance[0]?.blinded_signature ?? assert.fail(),
    again: (bytes) => encodeSignature(scheme, decodeSignature(scheme, bytes)),
  },
  'withdrawal request': {
    real: ecash.withdrawal.request,
    again: (bytes) => encodeWithdrawalRequest(scheme, decodeWithdrawalRequest(scheme, bytes)),
  },
  'request info': {
    real: ecash.withdrawal.request_info,
    again: (bytes) => encodeRequestInfo(scheme, decodeRequestInfo(scheme, bytes)),
  },
  'partial wallet': {
    real: ecash.issuance[0]?.partial_wallet ?? assert.fail(),
    again: (bytes) => encodePartialWallet(scheme, decodePartialWallet(scheme, bytes)),
  },
  wallet: {
    real: ecash.wallet.wallet_signatures,
    again: (bytes) => encodeWallet(scheme, decodeWallet(scheme, bytes)),
  },
  'wallet in use': {
    real: ecash.payments[1]?.wallet_after ?? assert.fail(),
    again: (bytes) => {
      const { wallet, spent } = decodeWalletInUse(scheme, bytes)
      return encodeWalletInUse(scheme, wallet, spent)
    },
  },
  ticketbook: {
    real: spec.derived.issued_ticketbook,
    again: (bytes) => encodeTicketbook(scheme, decodeTicketbook(scheme, bytes)),
  },
  payment: {
    real: spec.derived.payment2_same_ticket.payment,
    again: (bytes) => encodePayment(scheme, decodePayment(scheme, bytes)),
  },
  'pay info': { real: spec.derived.payment1.pay_info, again: (bytes) => encodePayInfo(decodePayInfo(bytes)) },
}

/** One to three bytes of it changed, cut, or added. */
function altered(real: Uint8Array): fc.Arbitrary<Uint8Array> {
  const set = fc.tuple(fc.nat(real.length - 1), fc.integer({ min: 1, max: 255 }))
  return fc.oneof(
    { weight: 6, arbitrary: fc.array(set, { minLength: 1, maxLength: 3 }).map((sets) => withXor(real, sets)) },
    { weight: 1, arbitrary: fc.nat(real.length - 1).map((length) => real.slice(0, length)) },
    { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 40 }).map((tail) => concat(real, tail)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: real.length + 8 }) },
  )
}

function withXor(real: Uint8Array, sets: readonly (readonly [number, number])[]): Uint8Array {
  const changed = real.slice()
  for (const [index, mask] of sets) changed[index] = (changed[index] as number) ^ mask
  return changed
}

describe('encodings of credentials', () => {
  for (const [name, { real, again }] of Object.entries(FORMS)) {
    it(`${name}: what decodes has that one encoding, what does not is refused`, () => {
      const bytes = fromHex(real)
      assert.equal(toHex(again(bytes)), real)
      let decoded = 0
      fc.assert(
        fc.property(altered(bytes), (input) => {
          const result = tryDecode(() => again(input))
          if (isMixnetError(result)) {
            assert.equal(result.code, 'MALFORMED')
            return
          }
          decoded++
          assert.equal(toHex(result), toHex(input))
        }),
        { numRuns: 120 },
      )
      if (name === 'pay info') assert.ok(decoded > 0, 'any 72 bytes are one')
    })
  }

  it('what we make goes out and comes back', () => {
    const book = fc.record({
      expiration: fc.integer({ min: 0, max: MAX_U32 }),
      ticketType: fc.nat(TICKET_TYPES.length - 1),
      spent: fc.nat(TICKETS_PER_BOOK),
      epochId: fc.bigInt(0n, (1n << 64n) - 1n),
    })
    fc.assert(
      fc.property(book, ({ spent, epochId, ...attributes }) => {
        const { request, info } = requestWithdrawal(scheme, bench.user, attributes, draw)
        const sent = encodeWithdrawalRequest(scheme, request)
        assert.deepEqual(encodeWithdrawalRequest(scheme, decodeWithdrawalRequest(scheme, sent)), sent)
        const kept = decodeRequestInfo(scheme, encodeRequestInfo(scheme, info))
        assert.deepEqual([kept.expiration, kept.ticketType], [attributes.expiration, attributes.ticketType])
        assert.equal(kept.v.expose(), info.v.expose())
        const wallet = { signature: bench.wallet.signature, v: info.v, ...attributes }
        const ticketbook: Ticketbook = { wallet, user: bench.user, spent, epochId }
        const stored = decodeTicketbook(scheme, encodeTicketbook(scheme, ticketbook))
        assert.deepEqual(
          [stored.spent, stored.epochId, stored.wallet.expiration],
          [spent, epochId, attributes.expiration],
        )
        assert.deepEqual(decodeWallet(scheme, encodeWallet(scheme, wallet)).expiration, attributes.expiration)
      }),
      { numRuns: 25 },
    )
  })

  it('an altered payment never verifies, in either mode', () => {
    const payInfo = new Uint8Array(72).fill(9)
    const day = expiration
    const request = { ...bench, firstTicket: 11, tickets: 1, payInfo, day }
    const real = encodePayment(scheme, spend(scheme, bench.master, request, draw))
    let decoded = 0
    fc.assert(
      fc.property(altered(real), fc.constantFrom('strict' as const, 'compatible' as const), (input, mode) => {
        const payment = tryDecode(() => decodePayment(scheme, input))
        if (isMixnetError(payment)) return
        decoded++
        assert.notEqual(paymentFault(scheme, bench.master, { payment, payInfo, day }, weight, mode), undefined)
      }),
      { numRuns: 900 },
    )
    assert.ok(decoded > 10, `${decoded} of them were payments`)
  })

  it('an altered request is never signed', () => {
    const attributes = { expiration, ticketType }
    const key = decodeAuthorityKey(fromHex(firstAuthority.secret_key))
    const real = fromHex(ecash.withdrawal.request)
    let decoded = 0
    fc.assert(
      fc.property(altered(real), (input) => {
        const request = tryDecode(() => decodeWithdrawalRequest(scheme, input))
        if (isMixnetError(request)) return
        decoded++
        assert.equal(issue(scheme, key, request, bench.user.public, attributes).kind, 'refused')
      }),
      { numRuns: 900 },
    )
    assert.ok(decoded > 10, `${decoded} of them were requests`)
  })

  it('integers have one form each, and lists their bound', () => {
    fc.assert(
      fc.property(
        fc.bigInt(0n, (1n << 64n) - 1n),
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        (value, signed) => {
          const reader = new CodecReader(new CodecWriter(scheme).u64(value).i32(signed).finish(), 'test')
          assert.equal(reader.u64('value'), value)
          assert.equal(reader.i32('signed'), signed)
          reader.expectEnd()
        },
      ),
    )
    for (const long of ['fb0005', 'fb00fa', 'fc0000ffff', 'fd00000000ffffffff', 'fe', 'ff', 'fd']) {
      assert.throws(
        () => new CodecReader(fromHex(long), 'test').u64('value'),
        (error) => isMixnetError(error, 'MALFORMED'),
      )
    }
    const many = new CodecWriter(scheme).u64(2n ** 60n).finish()
    assert.throws(() => new CodecReader(many, 'test').list(50, 'items', () => 1), /above 50/)
  })

  it('a payment of more tickets than its reader takes is refused before any point is opened', () => {
    const two = fromHex(ecash.payments[3]?.payment ?? assert.fail())
    assert.throws(() => decodePayment(scheme, two, -2), /above 1/)
  })

  it('a ticketbook whose two dates or types differ is refused', () => {
    const bytes = fromHex(spec.derived.issued_ticketbook)
    for (const fromEnd of [1, 2]) {
      const changed = bytes.slice()
      const at = bytes.length - fromEnd
      changed[at] = (changed[at] as number) ^ 1
      assert.throws(() => decodeTicketbook(scheme, changed), /differ/)
    }
  })

  it('days of the year', () => {
    assert.deepEqual(dayOfYear(0), { year: 1970, day: 1 })
    assert.deepEqual(dayOfYear(19_782), { year: 2024, day: 60 }) // 29 February
    assert.deepEqual(dayOfYear(-1), { year: 1969, day: 365 })
    assert.equal(unixDayOf({ year: 2023, day: 366 }), undefined)
    assert.equal(unixDayOf({ year: 2024, day: 0 }), undefined)
    fc.assert(
      fc.property(fc.integer({ min: -600_000, max: 3_000_000 }), (unixDay) => {
        const date = new Date(unixDay * 86_400_000)
        const { year, day } = dayOfYear(unixDay)
        assert.equal(year, date.getUTCFullYear())
        assert.equal(day, (unixDay * 86_400_000 - Date.UTC(year, 0, 1)) / 86_400_000 + 1)
        assert.equal(unixDayOf({ year, day }), unixDay)
      }),
    )
  })
})

describe('secrets', () => {
  it('are in no dump of what holds them', () => {
    const { info } = requestWithdrawal(scheme, bench.user, { expiration, ticketType }, draw)
    const authority = decodeAuthorityKey(fromHex(firstAuthority.secret_key))
    const book: Ticketbook = { wallet: bench.wallet, user: bench.user, spent: 1, epochId: 2n }
    const secrets = [
      bench.user.secret,
      bench.wallet.v,
      info.o,
      info.v,
      ...info.openings,
      authority.x,
      ...authority.y,
    ].map((secret) => secret.expose())
    const texts = [info, authority, book].flatMap((holder) => [
      inspect(holder, { depth: 9, showHidden: true }),
      JSON.stringify(holder, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
      `${Object.values(holder).join()}`,
    ])
    for (const text of texts) {
      for (const secret of secrets) {
        assert.ok(!text.includes(`${secret}`) && !text.includes(secret.toString(16)))
      }
    }
    assert.equal(`${new SecretScalar(5n)}`, '[secret]')
    assert.match(inspect(book), /\[secret\]/)
  })

  it('are in no refusal', () => {
    const secret = 0x1234567890abcdef1234567890abcdefn
    const bytes = encodeUserKey(scheme, userKey(scheme, secret)).slice()
    bytes[79] = (bytes[79] as number) ^ 1
    const refusal = tryDecode(() => decodeUserKey(scheme, bytes))
    assert.ok(isMixnetError(refusal))
    assert.ok(!`${refusal.message} ${JSON.stringify(refusal.details)}`.includes('90ab'))
  })
})
