/** Attacks, each shown to succeed against a verifier without the one check that is there against it, and to fail against ours. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fromHex, toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { G1, Term } from '../../foundation/crypto/bls.ts'
import { modOrder } from '../../foundation/crypto/blsScalar.ts'
import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import { signCoins } from './coinSignatures.ts'
import { DAY_SECONDS, TYPE_EXPIRATION } from './constants.ts'
import { dateList, signDates } from './dateSignatures.ts'
import { drawFrom } from './draw.ts'
import { identify } from './identify.ts'
import { issue, issuedSignatureHolds } from './issue.ts'
import { type AuthorityKey, decodeAuthorityKey, keyIsConsistent, userKey, verificationKeyOf } from './keys.ts'
import { acceptsWithout, type Check } from './lenient.test.ts'
import { decodePayment, encodePayment, PAYMENT_BYTES, type Payment } from './payment.ts'
import { prepareKey } from './preparedKey.ts'
import { aggregateLists, listHolds } from './publicSignatures.ts'
import { createScheme } from './scheme.ts'
import { SecretScalar } from './secretScalar.ts'
import type { Signature } from './signature.ts'
import { provePayment, type SpendRequest, spend } from './spend.ts'
import { benchOf, countingBytes, ecash, listsOf, testWeights } from './support.test.ts'
import { aggregateVerificationKeys, dealtKey, type Share } from './threshold.ts'
import { type ClaimedPayment, type PaymentFault, paymentFault, paymentFaults } from './verify.ts'
import { aggregateWallet, unblind } from './wallet.ts'
import { requestWithdrawal } from './withdrawal.ts'
import { withdrawalChallenge } from './withdrawalProof.ts'

const scheme = createScheme(await loadMclBls())
const bench = benchOf(scheme)
const { bls } = scheme
const weight = testWeights()
const draw = drawFrom(countingBytes(3))
const { expiration, t_type: ticketType, threshold } = ecash.parameters
const attributes = { expiration, ticketType }
const TODAY = expiration - 3 * DAY_SECONDS
const secrets: readonly AuthorityKey[] = ecash.authorities.map((one) => decodeAuthorityKey(fromHex(one.secret_key)))

const payInfoOf = (gateway: number): Uint8Array => new Uint8Array(72).fill(gateway)
const requestOf = (changes: Partial<SpendRequest> = {}): SpendRequest => ({
  ...bench,
  firstTicket: 7,
  tickets: 1,
  payInfo: payInfoOf(1),
  day: TODAY,
  ...changes,
})
function pay(changes: Partial<SpendRequest> = {}): ClaimedPayment {
  const request = requestOf(changes)
  return { payment: spend(scheme, bench.master, request, draw), payInfo: request.payInfo, day: request.day }
}
const fault = (claimed: ClaimedPayment): PaymentFault | undefined => paymentFault(scheme, bench.master, claimed, weight)
const accepts = (claimed: ClaimedPayment, ...without: Check[]): boolean =>
  acceptsWithout(scheme, bench.master, claimed, ...without)
/** Succeeds without `check` alone; with all of them nowhere. */
function stoppedBy(check: Check, expected: PaymentFault, claimed: ClaimedPayment): void {
  assert.ok(accepts(claimed, check), `gets past everything but ${check}`)
  assert.ok(!accepts(claimed))
  assert.equal(fault(claimed), expected)
}

describe('soundness of payments', () => {
  it('the careless verifier judges as the official one did, and with every check as ours', () => {
    const asOfficial: Check[] = ['lengths', 'zero-coins', 'binding']
    for (const vector of [...ecash.payments, ...ecash.forged_payments, ...ecash.invalid_payments]) {
      if ('decodes' in vector && !vector.decodes) continue
      const payment = decodePayment(scheme, fromHex(vector.payment))
      const claimed = { payment, payInfo: fromHex(vector.pay_info), day: vector.spend_date }
      const official = 'official_verify' in vector ? vector.official_verify : vector.verify
      assert.equal(accepts(claimed, ...asOfficial), official, vector.name)
      assert.equal(accepts(claimed), fault(claimed) === undefined, vector.name)
    }
  })

  it('an honest payment passes, is bound, and has the length of newer official ones', () => {
    for (const firstTicket of [0, 49]) {
      const claimed = pay({ firstTicket })
      assert.equal(fault(claimed), undefined)
      assert.ok(accepts(claimed))
      assert.equal(encodePayment(scheme, claimed.payment).length, PAYMENT_BYTES)
    }
    assert.equal(fault(pay({ firstTicket: 20, tickets: 3 })), undefined)
  })

  const forged = (name: string): ClaimedPayment => {
    const vector = ecash.forged_payments.find((one) => one.name === name) ?? assert.fail(name)
    const payment = decodePayment(scheme, fromHex(vector.payment))
    return { payment, payInfo: fromHex(vector.pay_info), day: vector.spend_date }
  }
  const FORGED: Readonly<Record<string, readonly [Check, PaymentFault]>> = {
    counter_50_signature_of_0: ['binding', 'index-not-bound'],
    counter_1e9_signature_of_49: ['binding', 'index-not-bound'],
    counter_random_scalar_signature_of_0: ['binding', 'index-not-bound'],
    counter_51_no_coin_signature: ['binding', 'index-not-bound'],
    counter_50_signature_of_0_with_r_k: ['proof', 'proof'],
    counter_51_no_coin_signature_with_r_k: ['proof', 'proof'],
    omega_identity: ['zero-coins', 'identity'],
    serial_not_proven_with_r_k: ['lengths', 'shape'],
    extra_serial_appended: ['lengths', 'shape'],
    ticket_type_forged: ['lengths', 'shape'],
    extra_unused_response: ['lengths', 'shape'],
    spend_value_0: ['lengths', 'shape'],
  }
  for (const [name, [check, expected]] of Object.entries(FORGED)) {
    it(`${name}: only ${check} stands in its way`, () => stoppedBy(check, expected, forged(name)))
  }
  it('lists left out, in payments that bind nothing either', () => {
    for (const name of ['serial_not_proven', 'no_coins_at_all']) {
      assert.ok(accepts(forged(name), 'lengths', 'binding'))
      assert.equal(paymentFault(scheme, bench.master, forged(name), weight, 'compatible'), 'shape')
    }
  })

  it('any list one longer or one shorter is refused before anything is computed', () => {
    const { payment, ...rest } = pay()
    const { proof } = payment
    const lists = ['kappaK', 'omega', 'serialNumbers', 'tags', 'commitments'] as const
    const responses = ['rK', 'l', 'oA', 'mu', 'oMu', 'attributes'] as const
    const changed = <T>(list: readonly T[]): (readonly T[])[] => [[...list, ...list.slice(0, 1)], list.slice(1), []]
    const variants: Payment[] = [
      ...lists.flatMap((name) =>
        changed<unknown>(payment[name]).map((list) => ({ ...payment, [name]: list }) as Payment),
      ),
      ...responses.flatMap((name) =>
        changed(proof[name]).map((list): Payment => ({ ...payment, proof: { ...proof, [name]: list } })),
      ),
      { ...payment, tickets: 2 },
      { ...payment, tickets: 0 },
    ]
    for (const variant of variants) {
      const strict = fault({ payment: variant, ...rest })
      assert.ok(strict === 'shape' || strict === 'index-not-bound', `${strict}`)
      const compatible = paymentFault(scheme, bench.master, { payment: variant, ...rest }, weight, 'compatible')
      // Responses that bind the index may be left out there; but these here were part of what was signed.
      assert.ok(compatible === 'shape' || (variant.proof.rK.length === 0 && compatible === 'proof'), `${compatible}`)
    }
  })

  it('pay info of another length, and a day that is no number of seconds', () => {
    const claimed = pay()
    for (const payInfo of [new Uint8Array(71), new Uint8Array(73), new Uint8Array(0)]) {
      assert.equal(fault({ ...claimed, payInfo }), 'shape')
    }
    for (const day of [-1, -DAY_SECONDS, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
      assert.equal(fault({ ...claimed, day }), 'shape')
    }
  })

  it('zeros in place of any signature', () => {
    const { payment, ...rest } = pay()
    const { zero } = bls.g1
    for (const [h, s] of [
      [zero, zero],
      [zero, payment.signature.s],
      [payment.signature.h, zero],
    ] as const) {
      for (const variant of [
        { ...payment, signature: { h, s } },
        { ...payment, dateSignature: { h, s } },
        { ...payment, omega: [{ h, s }] },
      ]) {
        assert.equal(fault({ payment: variant, ...rest }), 'identity')
      }
    }
    stoppedBy('zero-coins', 'identity', { payment: { ...payment, omega: [{ h: zero, s: zero }] }, ...rest })
  })

  it('one ticket twice in a payment', () => {
    const same = bench.coinSignatures[7] as Signature
    // Two positions for one index: the second ticket is the first again.
    const vector =
      ecash.invalid_payments.find(
        (one) => one.official_error === 'SpendDuplicateSerialNumber' && one.name.startsWith('the same'),
      ) ?? assert.fail()
    const payment = decodePayment(scheme, fromHex(vector.payment))
    const claimed = { payment, payInfo: fromHex(vector.pay_info), day: vector.spend_date }
    assert.ok(!bls.g1.isZero(same.h))
    assert.ok(accepts(claimed, 'duplicates', 'binding'))
    assert.equal(paymentFault(scheme, bench.master, claimed, weight, 'compatible'), 'duplicate-serial-number')
  })

  it('another day than the signed one, and a book that has expired', () => {
    const claimed = pay()
    for (const day of [TODAY + DAY_SECONDS, TODAY - DAY_SECONDS, TODAY + 1, expiration + DAY_SECONDS]) {
      stoppedBy('date', 'date-signature', { ...claimed, day })
    }
    assert.throws(
      () => pay({ day: expiration + DAY_SECONDS }),
      (error) => isMixnetError(error, 'OUTSIDE_VALIDITY'),
    )
    // Signatures for a later window are no help: E is the wallet's.
    const later = secrets.slice(0, threshold).map((key) => signDates(scheme, key, expiration + 7 * DAY_SECONDS))
    const list = dateList(scheme, expiration + 7 * DAY_SECONDS)
    const shares = later.map((signatures, i) => ({
      index: i + 1,
      key: bench.keys.get(i + 1) ?? assert.fail(),
      signatures,
    }))
    const aggregated = aggregateLists(scheme, list, bench.master.key, shares, weight)
    const dateSignatures = aggregated.kind === 'aggregated' ? aggregated.signatures : assert.fail()
    const { payment, payInfo } = pay({ dateSignatures, day: expiration })
    stoppedBy('date', 'date-signature', { payment, payInfo, day: expiration + 7 * DAY_SECONDS })
  })

  it('another type than the book was sold for', () => {
    const { payment, ...rest } = pay()
    stoppedBy('wallet', 'wallet-signature', { payment: { ...payment, ticketType: 2 }, ...rest })
    stoppedBy('wallet', 'wallet-signature', pay({ wallet: { ...bench.wallet, ticketType: 3 } }))
  })

  it('a wallet that nobody signed, and one of another secret', () => {
    const unsigned = { h: scheme.delta, s: scheme.gamma[0] }
    stoppedBy('wallet', 'wallet-signature', pay({ wallet: { ...bench.wallet, signature: unsigned } }))
    const other = requestWithdrawal(scheme, bench.user, attributes, draw).info.v
    stoppedBy('wallet', 'wallet-signature', pay({ wallet: { ...bench.wallet, v: other } }))
    stoppedBy('wallet', 'wallet-signature', pay({ user: userKey(scheme, 99n) }))
  })

  it('the signature of one index for another, and of another epoch', () => {
    const rotated = [...bench.coinSignatures.slice(1), bench.coinSignatures[0] as Signature]
    stoppedBy('coins', 'coin-signature', pay({ coinSignatures: rotated }))

    const rows = [1, 2, 3, 4, 5].map((j) => [draw(`${j}`), draw(`${j}`), draw(`${j}`)])
    const otherKeys = [1, 2, 3].map((index) => dealtKey(rows, index))
    const otherMaster = aggregateVerificationKeys(
      scheme,
      otherKeys.map(
        (key, i): Share<ReturnType<typeof verificationKeyOf>> => ({
          index: i + 1,
          value: verificationKeyOf(scheme, key),
        }),
      ),
    )
    const signed = otherKeys.map((key, i) => ({
      index: i + 1,
      key: verificationKeyOf(scheme, key),
      signatures: signCoins(scheme, key, otherMaster),
    }))
    const lists = listsOf({ ...bench, master: prepareKey(scheme, otherMaster) })
    const aggregated = aggregateLists(scheme, lists.coins, otherMaster, signed, weight)
    const coinSignatures = aggregated.kind === 'aggregated' ? aggregated.signatures : assert.fail()
    stoppedBy('coins', 'coin-signature', pay({ coinSignatures }))

    // A whole payment of this epoch under the key of that one.
    assert.equal(paymentFault(scheme, prepareKey(scheme, otherMaster), pay(), weight), 'proof')
  })

  it('a payment made out to somebody else', () => {
    stoppedBy('proof', 'proof', { ...pay(), payInfo: payInfoOf(2) })
  })

  it('one coin at two gateways: both pass, and together they name the key', () => {
    const [first, second] = [pay({ payInfo: payInfoOf(1) }), pay({ payInfo: payInfoOf(2) })]
    assert.equal(fault(first), undefined)
    assert.equal(fault(second), undefined)
    for (const [a, b] of [
      [first, second],
      [second, first],
    ] as const) {
      const found = identify(scheme, a, b)
      assert.ok(found.kind === 'double-spend' && bls.g1.equal(found.publicKey, bench.user.public))
    }
    assert.equal(identify(scheme, first, first).kind, 'replay')
    // The same pay info in two proofs is one gateway's own doing or a retry: it accuses nobody.
    assert.equal(identify(scheme, first, pay({ payInfo: payInfoOf(1) })).kind, 'replay')
    assert.equal(identify(scheme, first, pay({ firstTicket: 8, payInfo: payInfoOf(2) })).kind, 'unrelated')
    // Lists of different lengths, as no verified payment has: no crash and no accusation.
    const noTags = { ...second, payment: { ...second.payment, tags: [] } }
    assert.equal(identify(scheme, first, noTags).kind, 'unrelated')
  })

  it('errors of one batch, or of one payment, that would cancel each other in a product without weights', () => {
    const { g1 } = bls
    const shifted = ({ h, s }: Signature, by: typeof scheme.g1): Signature => ({ h, s: g1.add(s, by) })
    const minus = g1.negate(scheme.g1)
    const [honest, one, two] = [pay(), pay({ firstTicket: 1 }), pay({ firstTicket: 2 })]
    const up = { ...one, payment: { ...one.payment, signature: shifted(one.payment.signature, scheme.g1) } }
    const down = { ...two, payment: { ...two.payment, dateSignature: shifted(two.payment.dateSignature, minus) } }
    const batch = [honest, up, down]
    const judged = (weights: () => bigint): (PaymentFault | undefined)[] =>
      paymentFaults(scheme, bench.master, batch, weights)
    assert.deepEqual(
      judged(() => 1n),
      [undefined, undefined, undefined],
    )
    assert.deepEqual(judged(weight), [undefined, 'wallet-signature', 'date-signature'])
    const both = { ...up, payment: { ...up.payment, dateSignature: shifted(up.payment.dateSignature, minus) } }
    assert.equal(
      paymentFault(scheme, bench.master, both, () => 1n),
      undefined,
    )
    assert.equal(fault(both), 'wallet-signature')
  })

  it('a prover that leaves the index unbound passes only in compatible mode', () => {
    const payment = provePayment(scheme, bench.master, requestOf(), draw, false)
    const claimed = { payment, payInfo: payInfoOf(1), day: TODAY }
    stoppedBy('binding', 'index-not-bound', claimed)
    assert.equal(paymentFault(scheme, bench.master, claimed, weight, 'compatible'), undefined)
  })
})

describe('soundness of issuing', () => {
  const { request, info } = requestWithdrawal(scheme, bench.user, attributes, draw)
  const answers = secrets.map((key, i) => {
    const issued = issue(scheme, key, request, bench.user.public, attributes)
    const signature = issued.kind === 'issued' ? issued.signature : assert.fail(issued.reason)
    return { index: i + 1, key: bench.keys.get(i + 1) ?? assert.fail(), signature }
  })

  it('t shares make a wallet, t − 1 do not, and neither do shares of two requests', () => {
    const { shares } = unblind(scheme, info, bench.user.secret, answers, weight)
    const master = bench.master.key
    assert.ok(aggregateWallet(scheme, master, bench.user.secret, shares.slice(1, 1 + threshold)))
    assert.equal(aggregateWallet(scheme, master, bench.user.secret, shares.slice(1, threshold)), undefined)
    const twice = shares.slice(0, 1)
    assert.throws(() => aggregateWallet(scheme, master, bench.user.secret, [...twice, ...twice]), /twice/)
    const again = requestWithdrawal(scheme, bench.user, attributes, draw)
    const issued = issue(scheme, secrets[0] as AuthorityKey, again.request, bench.user.public, attributes)
    const signature = issued.kind === 'issued' ? issued.signature : assert.fail()
    const foreign = unblind(scheme, again.info, bench.user.secret, [{ ...answers[0], signature } as never], weight)
    const mixed = [...foreign.shares, ...shares.slice(1, threshold)]
    assert.equal(aggregateWallet(scheme, master, bench.user.secret, mixed), undefined)
  })

  it('an altered partial signature names its issuer, and the others are kept', () => {
    const { g1 } = bls
    for (const signature of [
      { h: request.h, s: g1.add(answers[2]?.signature.s ?? assert.fail(), scheme.g1) },
      { h: scheme.delta, s: answers[2]?.signature.s ?? assert.fail() },
      { h: request.h, s: g1.zero },
      { h: g1.zero, s: g1.zero },
    ]) {
      const altered = answers.map((one) => (one.index === 3 ? { ...one, signature } : one))
      const { shares, culprits } = unblind(scheme, info, bench.user.secret, altered, weight)
      assert.deepEqual(culprits, [3])
      assert.deepEqual(
        shares.map(({ index }) => index),
        [1, 2, 4, 5],
      )
    }
    // Two that would cancel each other in a sum without weights.
    const cancelling = answers.map((one) => {
      const shift = one.index === 1 ? scheme.g1 : one.index === 2 ? g1.negate(scheme.g1) : g1.zero
      return { ...one, signature: { h: request.h, s: g1.add(one.signature.s, shift) } }
    })
    assert.deepEqual(unblind(scheme, info, bench.user.secret, cancelling, () => 1n).culprits, [])
    assert.deepEqual(unblind(scheme, info, bench.user.secret, cancelling, weight).culprits, [1, 2])
  })

  it('an altered public signature names its issuer; entries out of order, too few or cancelling are refused', () => {
    const { dates } = listsOf(bench)
    const { g1 } = bls
    const shares = secrets.slice(0, threshold).map((key, i) => ({
      index: i + 1,
      key: bench.keys.get(i + 1) ?? assert.fail(),
      signatures: signDates(scheme, key, expiration),
    }))
    const withSecond = (signatures: readonly Signature[]): ReturnType<typeof aggregateLists> =>
      aggregateLists(
        scheme,
        dates,
        bench.master.key,
        shares.map((one) => (one.index === 2 ? { ...one, signatures } : one)),
        weight,
      )
    const [first, second, ...others] = shares[1]?.signatures ?? []
    if (first === undefined || second === undefined) assert.fail()
    const culprit = { kind: 'refused', culprits: [2] }
    assert.deepEqual(withSecond([{ h: first.h, s: scheme.g1 }, second, ...others]), culprit)
    assert.deepEqual(withSecond([second, first, ...others]), culprit)
    assert.deepEqual(withSecond([first, second]), culprit)
    assert.deepEqual(withSecond([{ h: first.h, s: g1.zero }, second, ...others]), culprit)
    assert.deepEqual(aggregateLists(scheme, dates, bench.master.key, shares.slice(1), weight), {
      kind: 'refused',
      culprits: [],
    })

    const cancelling = [
      { h: first.h, s: g1.add(first.s, scheme.g1) },
      { h: second.h, s: g1.add(second.s, g1.negate(scheme.g1)) },
      ...others,
    ]
    const key = bench.keys.get(2) ?? assert.fail()
    assert.ok(listHolds(scheme, dates, key, cancelling, () => 1n))
    assert.ok(!listHolds(scheme, dates, key, cancelling, weight))
  })

  it('a key with a zero in it, or too short, or with halves of different keys, is not consistent', () => {
    const key = bench.keys.get(1) ?? assert.fail()
    assert.ok(keyIsConsistent(scheme, key, weight))
    const { zero } = bls.g2
    for (const changed of [
      { ...key, alpha: zero },
      { ...key, beta1: [bls.g1.zero, ...key.beta1.slice(1)], beta2: [zero, ...key.beta2.slice(1)] },
      { ...key, beta1: key.beta1.slice(1), beta2: key.beta2.slice(1) },
      { ...key, beta1: bench.keys.get(2)?.beta1 ?? assert.fail() },
    ]) {
      assert.ok(!keyIsConsistent(scheme, changed, weight))
    }
  })

  it('an auditor takes no signature on zero, nor on other attributes', () => {
    const [first = assert.fail()] = answers
    const { key, signature } = first
    const audited = (s: Signature, book: typeof attributes): boolean =>
      issuedSignatureHolds(scheme, key, s, request.commitments, book)
    assert.ok(audited(signature, attributes))
    assert.ok(!audited(signature, { ...attributes, ticketType: 1 }))
    assert.ok(!audited(signature, { ...attributes, expiration: expiration + DAY_SECONDS }))
    const y = secrets[0]?.y.map((one) => one.expose()) ?? []
    const s = bls.g1.sum(request.commitments.map((com, j): Term<G1> => [y[j] ?? 0n, com]))
    assert.ok(!audited({ h: bls.g1.zero, s }, attributes))
  })

  it('a request with a commitment too many, proven all the same', () => {
    const { g1 } = bls
    const sk = bench.user.secret.expose()
    const v = info.v.expose()
    const [o1 = 0n, o2 = 0n] = info.openings.map((one) => one.expose())
    const proven = (...more: readonly (typeof request.h)[]): string => {
      const { com, h } = request
      const commitments = [...request.commitments, ...more]
      const [ko, k1, k2, ksk, kv] = [draw('k_o'), draw('k_1'), draw('k_2'), draw('k_sk'), draw('k_v')]
      const sum = (...terms: readonly Term<G1>[]): G1 => g1.sum(terms)
      const challenge = withdrawalChallenge(scheme, { com, h, commitments, publicKey: bench.user.public }, [
        sum([ko, scheme.g1], [ksk, scheme.gamma[0]], [kv, scheme.gamma[1]]),
        sum([k1, scheme.g1], [ksk, h]),
        sum([k2, scheme.g1], [kv, h]),
        sum([ksk, scheme.g1]),
      ])
      const z = (k: bigint, witness: bigint): bigint => modOrder(k - challenge * witness)
      const proof = {
        challenge,
        opening: z(ko, info.o.expose()),
        openings: [z(k1, o1), z(k2, o2)],
        attributes: [z(ksk, sk), z(kv, v)],
      }
      const forged = { com, h, commitments, proof }
      const issued = issue(scheme, secrets[0] as AuthorityKey, forged, bench.user.public, attributes)
      return issued.kind === 'refused' ? issued.reason : issued.kind
    }
    assert.equal(proven(), 'issued', 'the prover above is right')
    assert.equal(proven(scheme.delta), 'proof')
  })

  it('a key made so that a day is signed by zero signs nothing', () => {
    const { dates } = listsOf(bench)
    const [honest = assert.fail()] = secrets
    const [y0, y1, y2] = honest.y.map((one) => one.expose())
    const signedSum =
      (y0 ?? 0n) * BigInt(expiration) + (y1 ?? 0n) * (dates.values[3] ?? 0n) + (y2 ?? 0n) * TYPE_EXPIRATION
    const made: AuthorityKey = { ...honest, x: new SecretScalar(modOrder(-signedSum)) }
    const signatures = signDates(scheme, made, expiration)
    assert.ok(bls.g1.isZero(signatures[3]?.s ?? assert.fail()))
    assert.ok(!listHolds(scheme, dates, verificationKeyOf(scheme, made), signatures, weight))
  })

  it('requests: a public key that is zero, other attributes, an h of their own', () => {
    const key = secrets[0] as AuthorityKey
    const reason = (...change: [typeof request, typeof bench.user.public, typeof attributes]): string => {
      const issued = issue(scheme, key, ...change)
      return issued.kind === 'refused' ? issued.reason : 'issued'
    }
    assert.equal(reason(request, bls.g1.zero, attributes), 'identity')
    assert.equal(reason({ ...request, h: bls.g1.zero }, bench.user.public, attributes), 'identity')
    assert.equal(reason(request, bench.user.public, { ...attributes, ticketType: 1 }), 'base')
    assert.equal(reason({ ...request, h: scheme.delta }, bench.user.public, attributes), 'base')
    assert.equal(reason(request, userKey(scheme, 5n).public, attributes), 'proof')
    const { proof } = request
    for (const list of ['openings', 'attributes'] as const) {
      for (const changed of [[], proof[list].slice(1), [...proof[list], 1n]]) {
        const altered = { ...request, proof: { ...proof, [list]: changed } }
        assert.equal(reason(altered, bench.user.public, attributes), 'proof')
      }
    }
    assert.throws(
      () => userKey(scheme, 0n),
      (error) => isMixnetError(error, 'BAD_ARGUMENT'),
    )
    assert.equal(toHex(bls.g1.encode(request.h)), toHex(bls.g1.encode(info.h)))
  })
})
