/** What the official vectors say, as tests over a provider of BLS12-381. @module */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { fromBase58, toBase58 } from '../../foundation/base/base58.ts'
import { concat, fromHex, toHex, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Bls } from '../../foundation/crypto/bls.ts'
import { scalarToBytes } from '../../foundation/crypto/blsScalar.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { decodeTicket, encodeTicket, julianDay } from '../wire/gateway/ticket.ts'
import { CodecWriter } from './codec.ts'
import { coinList, signCoins } from './coinSignatures.ts'
import { TYPE_EXPIRATION, TYPE_INDEX } from './constants.ts'
import { dateList, signDates } from './dateSignatures.ts'
import { identify } from './identify.ts'
import { issue, issuedSignatureHolds } from './issue.ts'
import {
  decodeAuthorityKey,
  decodeUserKey,
  decodeUserPublicKey,
  decodeVerificationKey,
  encodeAuthorityKey,
  encodeUserKey,
  encodeVerificationKey,
  formatVerificationKey,
  keyIsConsistent,
  parseVerificationKey,
  userKey,
  userKeyFromSeed,
  verificationKeyOf,
} from './keys.ts'
import { decodePayInfo, encodePayInfo, payInfoScalar } from './payInfo.ts'
import { bindsIndices, decodePayment, encodePayment, encodeSerialNumbers } from './payment.ts'
import { prepareKey } from './preparedKey.ts'
import { aggregateLists, entryHolds, type ListShare, listHolds } from './publicSignatures.ts'
import { createScheme, hashG1, hashScalar } from './scheme.ts'
import { decodeSignature, encodeSignature, type Signature, signatureHolds } from './signature.ts'
import { provePayment } from './spend.ts'
import { benchOf, derivedScalar, ecash, hexG1, listsOf, replay, scalarOf, spec, testWeights } from './support.test.ts'
import { aggregateVerificationKeys, dealtKey, lagrangeAtZero } from './threshold.ts'
import { decodeTicketbook, encodeTicketbook } from './ticketbook.ts'
import { type ClaimedPayment, paymentFault, paymentFaults } from './verify.ts'
import {
  aggregateWallet,
  decodePartialWallet,
  decodeWallet,
  decodeWalletInUse,
  encodePartialWallet,
  encodeWallet,
  encodeWalletInUse,
  unblind,
} from './wallet.ts'
import {
  decodeRequestInfo,
  decodeWithdrawalRequest,
  encodeRequestInfo,
  encodeWithdrawalRequest,
  requestWithdrawal,
} from './withdrawal.ts'
import { withdrawalProofHolds } from './withdrawalProof.ts'

/** `every`: of long lists, each how manieth entry is looked at. */
export function checkVectors(bls: Bls, every: number): void {
  const scheme = createScheme(bls)
  const bench = benchOf(scheme)
  const weight = testWeights()
  const some = <T>(items: readonly T[]): readonly T[] => items.filter((_, i) => i % every === 0)
  const point = (hex: string) => bls.g1.decode(fromHex(hex)) ?? assert.fail(hex)
  const ticketOf = ({ payment, payInfo, day }: ClaimedPayment, epochId: number): Uint8Array =>
    encodeTicket({
      payment: encodePayment(scheme, payment),
      payInfo,
      spendDateJulianDay: julianDay(day / 86_400),
      epochId: BigInt(epochId),
    })
  const attributes = { expiration: ecash.parameters.expiration, ticketType: ecash.parameters.t_type }
  const authorityKeys = ecash.authorities.map((one) => decodeAuthorityKey(fromHex(one.secret_key)))

  it('hashes, generators, constants', () => {
    for (const [text, expected] of Object.entries(spec.upstream.hash_to_g1)) {
      assert.equal(hexG1(scheme, hashG1(scheme, utf8(text))), expected)
    }
    for (const [text, expected] of Object.entries(spec.upstream.hash_to_scalar)) {
      assert.equal(toHex(scalarToBytes(hashScalar(scheme, utf8(text)))), expected)
    }
    const { expiration, spending, h } = spec.upstream.expiration_hash
    const l = (spending - expiration) / 86_400 + 29
    assert.equal(l, 0, 'test data of 2024: a window of 30 days')
    const both = concat(scalarToBytes(BigInt(expiration)), scalarToBytes(BigInt(spending)))
    assert.equal(hexG1(scheme, hashG1(scheme, both)), h)
    const generators = {
      ...Object.fromEntries(scheme.gamma.map((one, i) => [`gamma${i + 1}`, hexG1(scheme, one)])),
      delta: hexG1(scheme, scheme.delta),
    }
    assert.deepEqual(generators, ecash.generators)
    assert.deepEqual(
      {
        ...generators,
        TYPE_EXP: toHex(scalarToBytes(TYPE_EXPIRATION)),
        TYPE_IDX: toHex(scalarToBytes(TYPE_INDEX)),
      },
      spec.constants,
    )
  })

  it('keys of authorities: dealt, encoded, aggregated', () => {
    const rows = ecash.keygen_polynomials.rows.map((row) => row.map(scalarOf)).slice(0, 5)
    for (const [i, one] of ecash.authorities.entries()) {
      const key = dealtKey(rows, one.index)
      assert.equal(toHex(encodeAuthorityKey(key)), one.secret_key)
      assert.equal(toHex(encodeAuthorityKey(authorityKeys[i] ?? assert.fail())), one.secret_key)
      assert.deepEqual(
        [key.x, ...key.y].map((secret) => secret.expose()),
        [one.x, ...one.ys].map(scalarOf),
      )
      if (i % every !== 0) continue
      const verificationKey = verificationKeyOf(scheme, key)
      assert.equal(toHex(encodeVerificationKey(scheme, verificationKey)), one.verification_key)
      assert.equal(formatVerificationKey(scheme, verificationKey), one.verification_key_bs58)
      const parsed = parseVerificationKey(scheme, one.verification_key_bs58)
      assert.equal(toHex(encodeVerificationKey(scheme, parsed)), one.verification_key)
      assert.ok(keyIsConsistent(scheme, parsed, weight))
      const [first, second, ...rest] = parsed.beta1
      const mixed = { ...parsed, beta1: [second ?? assert.fail(), first ?? assert.fail(), ...rest] }
      assert.ok(!keyIsConsistent(scheme, mixed, weight))
    }
    for (const { indices, coefficients } of ecash.lagrange) {
      assert.deepEqual(lagrangeAtZero(indices), coefficients.map(scalarOf))
    }
    assert.deepEqual(lagrangeAtZero([1, 3]), spec.derived.params.lagrange_1_3.map(scalarOf))
    const { bytes, bs58, same_from_each_of } = ecash.master_verification_key
    for (const indices of some(same_from_each_of)) {
      const shares = indices.map((index) => ({ index, value: bench.keys.get(index) ?? assert.fail() }))
      const master = aggregateVerificationKeys(scheme, shares)
      assert.equal(toHex(encodeVerificationKey(scheme, master)), bytes)
      assert.equal(formatVerificationKey(scheme, master), bs58)
    }
    const published = decodeVerificationKey(scheme, fromHex(spec.upstream.verification_key_4_betas.bytes))
    assert.equal(toHex(encodeVerificationKey(scheme, published)), spec.upstream.verification_key_4_betas.bytes)
    assert.equal(spec.upstream.verification_key_4_betas.bytes.length, 2 * 680)
    assert.ok(keyIsConsistent(scheme, published, weight))
  })

  it('keys of users', () => {
    const { seed, secret_key, public_key, public_key_bs58, key_pair } = ecash.user
    const key = userKeyFromSeed(scheme, fromHex(seed))
    assert.equal(toHex(encodeUserKey(scheme, key)), key_pair)
    assert.equal(key_pair, secret_key + public_key)
    assert.equal(toBase58(bls.g1.encode(key.public)), public_key_bs58)
    assert.ok(bls.g1.equal(decodeUserPublicKey(scheme, fromHex(public_key)), key.public))
    assert.equal(toHex(encodeUserKey(scheme, decodeUserKey(scheme, fromHex(key_pair)))), key_pair)
  })

  it('withdrawal: our request is the official one, byte for byte', () => {
    const { request, info } = requestWithdrawal(scheme, bench.user, attributes, replay(ecash.withdrawal.randomness))
    assert.equal(toHex(encodeWithdrawalRequest(scheme, request)), ecash.withdrawal.request)
    assert.equal(toBase58(encodeWithdrawalRequest(scheme, request)), ecash.withdrawal.request_bs58)
    assert.equal(toHex(encodeRequestInfo(scheme, info)), ecash.withdrawal.request_info)
    const again = decodeRequestInfo(scheme, fromHex(ecash.withdrawal.request_info))
    assert.equal(toHex(encodeRequestInfo(scheme, again)), ecash.withdrawal.request_info)
  })

  it('withdrawal: requests are judged as they must be', () => {
    for (const { name, request, pk, expiration, t_type, decodes, must_issue } of ecash.withdrawal.cases) {
      const judge = (): boolean => {
        const decoded = decodeWithdrawalRequest(scheme, fromHex(request))
        assert.equal(toHex(encodeWithdrawalRequest(scheme, decoded)), request)
        const publicKey = decodeUserPublicKey(scheme, fromHex(pk))
        const answer = issue(scheme, authorityKeys[0] ?? assert.fail(), decoded, publicKey, {
          expiration,
          ticketType: t_type,
        })
        return answer.kind === 'issued'
      }
      if (decodes) assert.equal(judge(), must_issue, name)
      else assert.throws(judge, (error) => isMixnetError(error, 'MALFORMED'), name)
    }
  })

  it('withdrawal: the request published with the official code', () => {
    const published = spec.upstream.withdrawal_request
    assert.equal(published.bytes.length, 2 * 397)
    const request = decodeWithdrawalRequest(scheme, fromHex(published.bytes))
    assert.equal(toHex(encodeWithdrawalRequest(scheme, request)), published.bytes)
    const deposit = new Uint8Array(4)
    new DataView(deposit.buffer).setUint32(0, published.deposit_id)
    const signed = nodeProvider.ed25519Verify(
      fromBase58(published.ed25519_pubkey_bs58, 'key'),
      concat(fromHex(published.bytes), deposit),
      fromBase58(published.request_signature_bs58, 'signature'),
    )
    assert.ok(signed)
    // Its public key was not published. Any other gives a refusal for the proof, and not for h: that is of these attributes.
    const refused = issue(scheme, authorityKeys[0] ?? assert.fail(), request, bench.user.public, {
      expiration: published.expiration_timestamp,
      ticketType: published.t_type,
    })
    assert.deepEqual(refused, { kind: 'refused', reason: 'proof' })
  })

  it('issuing, auditing, unblinding, aggregating', () => {
    const request = decodeWithdrawalRequest(scheme, fromHex(ecash.withdrawal.request))
    const info = decodeRequestInfo(scheme, fromHex(ecash.withdrawal.request_info))
    const answers = ecash.issuance.map((one, i) => {
      const issued = issue(scheme, authorityKeys[i] ?? assert.fail(), request, bench.user.public, attributes)
      assert.equal(issued.kind, 'issued')
      const signature = issued.kind === 'issued' ? issued.signature : assert.fail()
      assert.equal(toHex(encodeSignature(scheme, signature)), one.blinded_signature)
      const key = bench.keys.get(one.index) ?? assert.fail()
      if (i % every === 0) {
        const holds = issuedSignatureHolds(scheme, key, signature, request.commitments, attributes)
        assert.equal(holds, one.auditor_check)
        const other = bench.keys.get((one.index % 5) + 1) ?? assert.fail()
        assert.ok(!issuedSignatureHolds(scheme, other, signature, request.commitments, attributes))
      }
      return { index: one.index, key, signature }
    })
    const { shares, culprits } = unblind(scheme, info, bench.user.secret, answers, weight)
    assert.deepEqual(culprits, [])
    for (const [i, share] of shares.entries()) {
      const expected = ecash.issuance[i]?.partial_wallet ?? assert.fail()
      assert.equal(toHex(encodePartialWallet(scheme, share)), expected)
      assert.equal(toHex(encodePartialWallet(scheme, decodePartialWallet(scheme, fromHex(expected)))), expected)
    }
    for (const { name, verification_key, blinded_signature, verify } of ecash.unblind_cases) {
      const key = decodeVerificationKey(scheme, fromHex(verification_key))
      const signature = decodeSignature(scheme, fromHex(blinded_signature))
      const result = unblind(scheme, info, bench.user.secret, [{ index: 9, key, signature }], weight)
      assert.deepEqual(result.culprits, verify ? [] : [9], name)
      assert.equal(result.shares.length, verify ? 1 : 0, name)
    }
    for (const indices of some(ecash.wallet.same_from_each_of)) {
      const used = indices.map((index) => shares[index - 1] ?? assert.fail())
      const wallet = aggregateWallet(scheme, bench.master.key, bench.user.secret, used) ?? assert.fail()
      assert.equal(toHex(encodeWallet(scheme, wallet)), ecash.wallet.wallet_signatures)
      assert.equal(toBase58(encodeWallet(scheme, wallet)), ecash.wallet.wallet_signatures_bs58)
      assert.equal(toHex(encodeWalletInUse(scheme, wallet, 0)), ecash.wallet.wallet)
    }
    const tooFew = shares.slice(0, ecash.parameters.threshold - 1)
    assert.equal(aggregateWallet(scheme, bench.master.key, bench.user.secret, tooFew), undefined)
  })

  it('signatures on dates and on indices', () => {
    const { dates, coins } = listsOf(bench)
    const { entries } = ecash.expiration_date_signatures
    const { entries: coinEntries } = ecash.coin_index_signatures
    assert.deepEqual(
      dates.values,
      entries.map((one) => BigInt(one.spending_timestamp)),
    )
    assert.deepEqual(
      dates.bases.map((h) => hexG1(scheme, h)),
      entries.map(({ h }) => h),
    )
    assert.deepEqual(
      coins.bases.map((h) => hexG1(scheme, h)),
      coinEntries.map(({ h }) => h),
    )

    const shares = (signed: (i: number) => Signature[], expected: typeof entries | typeof coinEntries): ListShare[] =>
      ecash.authorities.map(({ index }, i) => {
        const signatures =
          i % every === 0 ? signed(i) : expected.map((one) => ({ h: point(one.h), s: point(one.partial_s[i] ?? '') }))
        assert.deepEqual(
          signatures.map(({ s }) => hexG1(scheme, s)),
          expected.map((one) => one.partial_s[i]),
        )
        return { index, key: bench.keys.get(index) ?? assert.fail(), signatures }
      })
    const secret = (i: number) => authorityKeys[i] ?? assert.fail()
    const dateShares = shares((i) => signDates(scheme, secret(i), attributes.expiration), entries)
    const coinShares = shares((i) => signCoins(scheme, secret(i), bench.master.key), coinEntries)
    for (const [list, all, expected, digest] of [
      [dates, dateShares, bench.dateSignatures, ecash.expiration_date_signatures.sha256_of_aggregated_h_s],
      [coins, coinShares, bench.coinSignatures, ecash.coin_index_signatures.sha256_of_aggregated_h_s],
    ] as const) {
      const aggregated = aggregateLists(scheme, list, bench.master.key, all.slice(1, 4), weight)
      const signatures = aggregated.kind === 'aggregated' ? aggregated.signatures : assert.fail()
      const bytes = concat(...signatures.map((one) => encodeSignature(scheme, one)))
      assert.equal(toHex(bytes), toHex(concat(...expected.map((one) => encodeSignature(scheme, one)))))
      assert.equal(toHex(bls.sha256(bytes)), digest)
      assert.ok(listHolds(scheme, list, bench.master.key, signatures, weight))
      assert.ok(entryHolds(scheme, list, bench.master.key, 3, signatures[3] ?? assert.fail()))
      assert.ok(!entryHolds(scheme, list, bench.master.key, 4, signatures[3] ?? assert.fail()))
    }
  })

  it('payments: official ones are accepted, and ours are the same, byte for byte', () => {
    for (const vector of some(ecash.payments)) {
      const bytes = fromHex(vector.payment)
      const payInfo = fromHex(vector.pay_info)
      const payment = decodePayment(scheme, bytes)
      assert.equal(bytes.length, vector.length)
      assert.equal(toHex(encodePayment(scheme, payment)), vector.payment)
      assert.deepEqual(
        vector.R.map(scalarOf),
        vector.R.map((_, k) => payInfoScalar(scheme, payInfo, k)),
      )
      assert.deepEqual(
        payment.serialNumbers.map((one) => hexG1(scheme, one)),
        vector.serial_numbers,
      )
      assert.deepEqual(
        payment.tags.map((one) => hexG1(scheme, one)),
        vector.tags,
      )
      assert.equal(toBase58(encodeSerialNumbers(scheme, payment)), vector.serial_number_bs58)
      if (vector.payment_bs58 !== undefined) assert.equal(toBase58(bytes), vector.payment_bs58)
      const claimed = { payment, payInfo, day: vector.spend_date }
      const strict = paymentFault(scheme, bench.master, claimed, weight)
      assert.equal(strict === undefined, vector.strict_verify, `${vector.name}: ${strict}`)
      const compatible = paymentFault(scheme, bench.master, claimed, weight, 'compatible')
      assert.equal(compatible === undefined, vector.compat_verify, `${vector.name}: ${compatible}`)
      assert.equal(vector.verify, true)
      assert.equal(bindsIndices(payment), vector.strict_verify)

      if (vector.credential_spending_data !== undefined) {
        assert.equal(toHex(ticketOf(claimed, ecash.parameters.epoch_id)), vector.credential_spending_data)
      }
      if (vector.wallet_after !== undefined) {
        const { wallet, spent } = decodeWalletInUse(scheme, fromHex(vector.wallet_after))
        assert.equal(spent, vector.first_ticket + vector.spend_value)
        assert.equal(toHex(encodeWalletInUse(scheme, wallet, spent)), vector.wallet_after)
      }
      if (vector.randomness !== null && Object.keys(vector.randomness).length > 0) {
        const request = {
          ...bench,
          firstTicket: vector.first_ticket,
          tickets: vector.spend_value,
          payInfo,
          day: vector.spend_date,
        }
        const ours = provePayment(scheme, bench.master, request, replay(vector.randomness), false)
        assert.equal(toHex(encodePayment(scheme, ours)), vector.payment, vector.name)
      }
    }
  })

  it('payments: what a client may not spend', () => {
    const codes: Record<string, string> = {
      SpendExceedsAllowance: 'TICKETS_SPENT',
      SpendDateTooEarly: 'OUTSIDE_VALIDITY',
      SpendDateTooLate: 'OUTSIDE_VALIDITY',
    }
    for (const { name, first_ticket, spend_value, spend_date, error } of ecash.client_errors) {
      const request = {
        ...bench,
        firstTicket: first_ticket,
        tickets: spend_value,
        payInfo: new Uint8Array(72),
        day: spend_date,
      }
      const code = codes[error] ?? assert.fail(error)
      assert.throws(
        () => provePayment(scheme, bench.master, request, () => 5n, true),
        (thrown) => isMixnetError(thrown) && thrown.code === code,
        name,
      )
    }
  })

  it('payments: altered ones are refused, for the reason that the crate gives', () => {
    assert.equal(ecash.invalid_payments.length, 131)
    for (const { base, name, payment, pay_info, spend_date, decodes, verify, official_error } of some(
      ecash.invalid_payments,
    )) {
      assert.equal(verify, false)
      const judge = (strictness: 'strict' | 'compatible') => {
        const decoded = decodePayment(scheme, fromHex(payment))
        assert.equal(toHex(encodePayment(scheme, decoded)), payment)
        const claimed = { payment: decoded, payInfo: fromHex(pay_info), day: spend_date }
        return paymentFault(scheme, bench.master, claimed, weight, strictness)
      }
      if (!decodes) {
        assert.throws(
          () => judge('strict'),
          (error) => isMixnetError(error, 'MALFORMED'),
          name,
        )
        continue
      }
      assert.notEqual(judge('strict'), undefined, `${base}: ${name}`)
      const fault = judge('compatible') ?? assert.fail(`${base}: ${name}`)
      assert.ok(REASONS[official_error]?.includes(fault), `${base}: ${name}: ${fault}, officially ${official_error}`)
    }
  })

  it('payments: forged ones are judged as their columns say', () => {
    assert.equal(ecash.forged_payments.length, 21)
    for (const vector of some(ecash.forged_payments)) {
      const payment = decodePayment(scheme, fromHex(vector.payment))
      const claimed = { payment, payInfo: fromHex(vector.pay_info), day: vector.spend_date }
      const strict = paymentFault(scheme, bench.master, claimed, weight)
      const compatible = paymentFault(scheme, bench.master, claimed, weight, 'compatible')
      assert.equal(strict === undefined, vector.strict_verify, `${vector.name}: ${strict}`)
      assert.equal(compatible === undefined, vector.compat_verify, `${vector.name}: ${compatible}`)
    }
  })

  it('payments: many at once are judged as one by one', () => {
    const every8th = ecash.invalid_payments.filter((_, i) => i % (8 * every) === 0)
    const all = [...some(ecash.payments), ...some(ecash.forged_payments), ...every8th]
    const claims = all.flatMap((vector): ClaimedPayment[] => {
      if ('decodes' in vector && !vector.decodes) return []
      const payment = decodePayment(scheme, fromHex(vector.payment))
      return [{ payment, payInfo: fromHex(vector.pay_info), day: vector.spend_date }]
    })
    for (const strictness of every === 1 ? (['strict', 'compatible'] as const) : (['compatible'] as const)) {
      const one = claims.map((claimed) => paymentFault(scheme, bench.master, claimed, weight, strictness))
      assert.deepEqual(paymentFaults(scheme, bench.master, claims, weight, strictness), one)
      if (every > 1) continue
      const good = claims.filter((_, i) => one[i] === undefined)
      assert.ok(paymentFaults(scheme, bench.master, good, weight, strictness).every((fault) => fault === undefined))
    }
    assert.deepEqual(paymentFaults(scheme, bench.master, [], weight), [])
  })

  it('payments: under another key, and under keys of five components', () => {
    const { verification_key, payment: name, verify } = ecash.payment_under_another_key
    const other = prepareKey(scheme, decodeVerificationKey(scheme, fromHex(verification_key)))
    const vector = ecash.payments.find((one) => one.name === name) ?? assert.fail(name)
    const claimed = {
      payment: decodePayment(scheme, fromHex(vector.payment)),
      payInfo: fromHex(vector.pay_info),
      day: vector.spend_date,
    }
    assert.equal(verify, false)
    assert.equal(paymentFault(scheme, other, claimed, weight, 'compatible'), 'proof')

    const five = ecash.five_component_keys
    const shares = five.secret_keys.slice(0, five.threshold).map((hex, i) => {
      const key = decodeAuthorityKey(fromHex(hex))
      assert.equal(toHex(encodeAuthorityKey(key)), hex)
      assert.equal(key.y.length, 5)
      return { index: i + 1, value: verificationKeyOf(scheme, key) }
    })
    const master = aggregateVerificationKeys(scheme, shares)
    assert.equal(toHex(encodeVerificationKey(scheme, master)), five.master_verification_key)
    const wallet = decodeWallet(scheme, fromHex(five.wallet_signatures))
    assert.equal(toHex(encodeWallet(scheme, wallet)), five.wallet_signatures)
    const theirs = {
      payment: decodePayment(scheme, fromHex(five.payment)),
      payInfo: fromHex(five.pay_info),
      day: five.spend_date,
    }
    const fault = paymentFault(scheme, prepareKey(scheme, master), theirs, weight, 'compatible')
    assert.equal(fault === undefined, five.verify)
  })

  it('double spenders are identified', () => {
    const seen = (name: string) => {
      const vector = ecash.payments.find((one) => one.name === name) ?? assert.fail(name)
      return { payment: decodePayment(scheme, fromHex(vector.payment)), payInfo: fromHex(vector.pay_info) }
    }
    const kinds = { 'double-spend': 'double spend', replay: 'replay of one payment', unrelated: 'not a duplicate' }
    for (const { payments, result, public_key } of ecash.identification) {
      const comparison = identify(scheme, seen(payments[0]), seen(payments[1]))
      assert.equal(kinds[comparison.kind], result)
      if (comparison.kind === 'double-spend') assert.equal(hexG1(scheme, comparison.publicKey), public_key)
    }
  })

  it('bytes published with the official code: spending data, a ticketbook, two payments from it', () => {
    const { credential_spending_data, issued_ticketbook } = spec.upstream
    const data = decodeTicket(fromHex(credential_spending_data.bytes))
    const paid = decodePayment(scheme, data.payment)
    assert.deepEqual(
      encodeTicket({ ...data, payment: encodePayment(scheme, paid) }),
      fromHex(credential_spending_data.bytes),
    )
    assert.deepEqual(
      [paid.tickets, paid.ticketType, paid.proof.rK.length, data.spendDateJulianDay, data.epochId],
      [1, 0, 0, julianDay(1_733_875_200 / 86_400), 1n],
    )
    // Its master key was not published, but the signature of type 0 holds under κ alone.
    assert.ok(signatureHolds(scheme, paid.signature, paid.kappa))
    assert.deepEqual(data.payInfo, new Uint8Array(72).fill(6))
    assert.deepEqual(encodePayInfo(decodePayInfo(data.payInfo)), data.payInfo)

    const book = decodeTicketbook(scheme, fromHex(issued_ticketbook.bytes))
    assert.equal(toHex(encodeTicketbook(scheme, book)), issued_ticketbook.bytes)
    const { decoded } = issued_ticketbook
    assert.deepEqual(
      [book.wallet.expiration, book.wallet.ticketType, book.spent, book.epochId],
      [decoded.expiration, decoded.t_type, decoded.spent, BigInt(decoded.epoch_id)],
    )
    // The second attribute's serial number: S = δ/(v + 3 + 1) in both.
    const serials = spec.upstream.payments_for_ticket_index_3_of_that_ticketbook.map((hex) => {
      const payment = decodePayment(scheme, fromHex(hex))
      assert.equal(toHex(encodePayment(scheme, payment)), hex)
      return payment.serialNumbers[0] ?? assert.fail()
    })
    for (const serial of serials) {
      assert.ok(bls.g1.equal(bls.g1.multiply(book.wallet.v.expose() + 4n, serial), scheme.delta))
    }
  })

  it('the independent run: from keys to identification', () => {
    const { derived } = spec
    const named = (name: string) => derivedScalar(scheme, name)
    const rows = [0, 1, 2, 3, 4].map((j) => [named(`poly${j}.0`), named(`poly${j}.1`)])
    const keys = [1, 2, 3].map((index) => dealtKey(rows, index))
    assert.deepEqual(
      keys.map((key) => toHex(encodeAuthorityKey(key))),
      derived.authority_secret_keys,
    )
    const verificationKeys = keys.map((key) => verificationKeyOf(scheme, key))
    assert.deepEqual(
      verificationKeys.map((key) => toHex(encodeVerificationKey(scheme, key))),
      derived.authority_verification_keys,
    )
    const [key1 = assert.fail(), , key3 = assert.fail()] = verificationKeys
    const master = aggregateVerificationKeys(scheme, [
      { index: 1, value: key1 },
      { index: 3, value: key3 },
    ])
    assert.equal(toHex(encodeVerificationKey(scheme, master)), derived.master_verification_key)
    const user = userKey(scheme, scalarOf(derived.user.sk))
    assert.equal(hexG1(scheme, user.public), derived.user.pk)

    const names: Record<string, string> = {
      o_1: 'o1',
      o_2: 'o2',
      k_o: 'w.o',
      k_1: 'w.o1',
      k_2: 'w.o2',
      k_sk: 'w.sk',
      k_v: 'w.v',
    }
    const book = { expiration: derived.params.expiration, ticketType: derived.params.t_type }
    const { request, info } = requestWithdrawal(scheme, user, book, (name) => named(names[name] ?? name))
    assert.equal(hexG1(scheme, request.com), derived.withdrawal.com)
    assert.equal(hexG1(scheme, request.h), derived.withdrawal.h)
    assert.equal(request.proof.challenge, scalarOf(derived.withdrawal.challenge))
    assert.equal(toHex(encodeWithdrawalRequest(scheme, request)), derived.withdrawal.request_bytes)
    const instance = { ...request, publicKey: user.public }
    assert.ok(withdrawalProofHolds(scheme, instance, request.proof))
    const instanceBytes = new CodecWriter(scheme)
      .g1(instance.com, instance.h)
      .g1List(instance.commitments)
      .g1(instance.publicKey)
      .finish()
    assert.equal(toHex(instanceBytes), derived.withdrawal.pk_instance_bytes)

    const answers = [1, 3].map((index) => {
      const issued = issue(scheme, keys[index - 1] ?? assert.fail(), request, user.public, book)
      const signature = issued.kind === 'issued' ? issued.signature : assert.fail()
      assert.equal(toHex(encodeSignature(scheme, signature)), derived.blinded_signatures[index])
      return { index, key: verificationKeys[index - 1] ?? assert.fail(), signature }
    })
    const { shares } = unblind(scheme, info, user.secret, answers, weight)
    assert.deepEqual(
      Object.fromEntries(shares.map((share) => [share.index, toHex(encodePartialWallet(scheme, share))])),
      derived.partial_wallets,
    )
    const wallet = aggregateWallet(scheme, master, user.secret, shares) ?? assert.fail()
    assert.equal(toHex(encodeWallet(scheme, wallet)), derived.wallet_signatures_133)
    const ticketbook = decodeTicketbook(scheme, fromHex(derived.issued_ticketbook))
    assert.equal(toHex(encodeTicketbook(scheme, ticketbook)), derived.issued_ticketbook)
    assert.equal(toHex(encodeWallet(scheme, ticketbook.wallet)), derived.wallet_signatures_133)

    const signedBy = [keys[0] ?? assert.fail(), keys[2] ?? assert.fail()]
    const sharesOf = (lists: readonly Signature[][]): ListShare[] => [
      { index: 1, key: key1, signatures: lists[0] ?? assert.fail() },
      { index: 3, key: key3, signatures: lists[1] ?? assert.fail() },
    ]
    const dates = aggregateLists(
      scheme,
      dateList(scheme, book.expiration),
      master,
      sharesOf(signedBy.map((key) => signDates(scheme, key, book.expiration))),
      weight,
    )
    const dateSignatures = dates.kind === 'aggregated' ? dates.signatures : assert.fail()
    assert.deepEqual(
      dateSignatures.map(({ h, s }) => ({ h: hexG1(scheme, h), s: hexG1(scheme, s) })),
      derived.expiration_signatures.map(({ h, s }) => ({ h, s })),
    )
    const coins = aggregateLists(
      scheme,
      coinList(scheme, master),
      master,
      sharesOf(signedBy.map((key) => signCoins(scheme, key, master))),
      weight,
    )
    const coinSignatures = coins.kind === 'aggregated' ? coins.signatures : assert.fail()
    const { ticket_index, spend_timestamp, epoch_id } = derived.params
    const coin = coinSignatures[ticket_index] ?? assert.fail()
    assert.deepEqual({ h: hexG1(scheme, coin.h), s: hexG1(scheme, coin.s) }, derived.coin_index_signature_7)

    const prepared = prepareKey(scheme, master)
    const paid = [derived.payment1, derived.payment2_same_ticket].map((expected, i) => {
      const payInfo = fromHex(expected.pay_info)
      const renamed = (name: string): string => {
        const plain = name.replace('[0]', '')
        return `pay${i + 1}.${PAY_NAMES[plain] ?? plain}`
      }
      const request = {
        user,
        wallet,
        firstTicket: ticket_index,
        tickets: 1,
        payInfo,
        day: spend_timestamp,
        dateSignatures,
        coinSignatures,
      }
      // The second is the form with responses for r_k: what `spend` makes.
      const payment = provePayment(scheme, prepared, request, (name) => named(renamed(name)), i === 1)
      assert.equal(toHex(encodePayment(scheme, payment)), expected.payment)
      assert.equal(payInfoScalar(scheme, payInfo, 0), scalarOf(expected.R0))
      assert.equal(payment.proof.challenge, scalarOf(expected.challenge))
      assert.equal(toHex(encodeSerialNumbers(scheme, payment)), expected.serial)
      assert.equal(hexG1(scheme, payment.tags[0] ?? assert.fail()), expected.tag)
      const claimed = { payment, payInfo, day: spend_timestamp }
      assert.equal(paymentFault(scheme, prepared, claimed, weight), i === 1 ? undefined : 'index-not-bound')
      assert.equal(paymentFault(scheme, prepared, claimed, weight, 'compatible'), undefined)
      if (expected.credential_spending_data !== undefined) {
        assert.equal(toHex(ticketOf(claimed, epoch_id)), expected.credential_spending_data)
      }
      return claimed
    })
    const comparison = identify(scheme, paid[0] ?? assert.fail(), paid[1] ?? assert.fail())
    assert.equal(comparison.kind, 'double-spend')
    if (comparison.kind === 'double-spend') {
      assert.equal(hexG1(scheme, comparison.publicKey), derived.identified_public_key)
    }
  })
}

/** What the crate calls a fault, and what we may: shapes and zeros are looked for first, and the crate looks for neither. */
const REASONS: Readonly<Record<string, readonly string[]>> = {
  SpendDuplicateSerialNumber: ['duplicate-serial-number'],
  SpendZKProofVerification: ['proof', 'shape'],
  SpendSignaturesValidity: ['wallet-signature', 'identity'],
  ExpirationDateSignatureValidity: ['date-signature', 'identity'],
  SpendSignaturesVerification: ['coin-signature'],
}

const PAY_NAMES: Readonly<Record<string, string>> = {
  r: 'sig.r',
  r_prime: "sig'.r",
  exp_r: 'exp.r',
  exp_r_prime: "exp'.r",
  coin_r: 'idx.r',
  coin_r_prime: "idx'.r",
  w_sk: 'w.sk',
  w_v: 'w.v',
  w_E: 'w.exp',
  w_r: 'w.r',
  w_re: 'w.r_e',
  w_oc: 'w.o_c',
  w_rk: 'w.r_k',
  w_l: 'w.l',
  w_oa: 'w.o_a',
  w_mu: 'w.mu',
  w_omu: 'w.o_mu',
}
