/**
 * What t issuers and all gateways together can tell of whose tickets they were given: they pool their secret keys and their
 * transcripts of 20 withdrawals and 200 payments, in random order, and each statistic below names a withdrawal for every payment, or
 * another payment of the same book. Against our client none does better than chance; each is shown to work against a client that
 * makes the one mistake it looks for. Chance is not small here: of 200 guesses among 20 withdrawals 10 are right. @module
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toHex } from '../../foundation/base/bytes.ts'
import type { G1 } from '../../foundation/crypto/bls.ts'
import { invert, modOrder, type Scalar } from '../../foundation/crypto/blsScalar.ts'
import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import { signCoins } from './coinSignatures.ts'
import { DAY_SECONDS } from './constants.ts'
import { signDates } from './dateSignatures.ts'
import { type Draw, drawFrom } from './draw.ts'
import { issue } from './issue.ts'
import { userKey, verificationKeyOf } from './keys.ts'
import { encodePayInfo, payInfoScalar } from './payInfo.ts'
import { encodePayment, type Payment } from './payment.ts'
import { prepareKey } from './preparedKey.ts'
import { createScheme } from './scheme.ts'
import type { Signature } from './signature.ts'
import { spend } from './spend.ts'
import { countingBytes } from './support.test.ts'
import { dealtKey } from './threshold.ts'
import { paymentFaults } from './verify.ts'
import { aggregateWallet, unblind } from './wallet.ts'
import { encodeWithdrawalRequest, requestWithdrawal, type WithdrawalRequest } from './withdrawal.ts'

const BOOKS = 20
/** Of the honest clients; of those that make a mistake fewer do. */
const SPENDS_PER_BOOK = 10
const FEW = 3
const EXPIRATION = 1_780_531_200
const DAY = EXPIRATION - 2 * DAY_SECONDS
const ATTRIBUTES = { expiration: EXPIRATION, ticketType: 0 }

const scheme = createScheme(await loadMclBls())
const { bls } = scheme
const { g1, g2 } = bls
const honest = drawFrom(countingBytes(11))
// A coalition of t issuers interpolates the master secret key: it is given here.
const master = dealtKey(
  Array.from({ length: 5 }, (_, i) => [honest(`row ${i}`)]),
  1,
)
const masterKey = verificationKeyOf(scheme, master)
const prepared = prepareKey(scheme, masterKey)
const dateSignatures = signDates(scheme, master, EXPIRATION)
const coinSignatures = signCoins(scheme, master, masterKey)
const [x, y2] = [master.x.expose(), master.y[2]?.expose() ?? 0n]

/** What issuers keep of one withdrawal. */
interface Withdrawal {
  readonly publicKey: G1
  readonly request: WithdrawalRequest
  readonly signed: Signature
}

/** What a gateway keeps of one payment, and the truth. */
interface Spent {
  readonly book: number
  readonly payment: Payment
  readonly payInfo: Uint8Array
}

interface Transcripts {
  readonly withdrawals: readonly Withdrawal[]
  readonly payments: readonly Spent[]
}

/** How a client draws: `honest`, or with one mistake. `book` says which client, `spend` which of its payments. */
type Client = (name: string, book: number, spend: number) => Scalar | undefined

function transcripts(client: Client, spendsPerBook: number): Transcripts {
  const withdrawals: Withdrawal[] = []
  const payments: Spent[] = []
  const random = countingBytes(29)
  for (let book = 0; book < BOOKS; book++) {
    const drawn =
      (at: number): Draw =>
      (name) =>
        client(name, book, at) ?? honest(name)
    const user = userKey(scheme, honest('sk'))
    const { request, info } = requestWithdrawal(scheme, user, ATTRIBUTES, drawn(-1))
    const issued = issue(scheme, master, request, user.public, ATTRIBUTES)
    assert.ok(issued.kind === 'issued')
    withdrawals.push({ publicKey: user.public, request, signed: issued.signature })
    const answer = { index: 1, key: masterKey, signature: issued.signature }
    const { shares } = unblind(scheme, info, user.secret, [answer], () => 1n)
    const wallet = aggregateWallet(scheme, masterKey, user.secret, shares)
    assert.ok(wallet)
    for (let at = 0; at < spendsPerBook; at++) {
      // Any time of the day: when a client spends is its user's doing, and no part of the scheme.
      const unixSeconds = BigInt(DAY) + (honest('time') % 86_400n)
      const nonce = client('pay-info', book, at) === undefined ? random.bytes(32) : new Uint8Array(32).fill(book)
      const payInfo = encodePayInfo({ random: nonce, unixSeconds, provider: new Uint8Array(32) })
      const order = { user, wallet, firstTicket: at, tickets: 1, payInfo, day: DAY, dateSignatures, coinSignatures }
      payments.push({ book, payInfo, payment: spend(scheme, prepared, order, drawn(at)) })
    }
  }
  return { withdrawals, payments: shuffled(payments) }
}

function shuffled<T>(items: readonly T[]): readonly T[] {
  const order = items.map((item) => ({ item, at: honest('order') }))
  return order.toSorted((a, b) => (a.at < b.at ? -1 : 1)).map(({ item }) => item)
}

const hex = (point: G1): string => toHex(g1.encode(point))
const pointsOf = ({ payment }: Spent): readonly G1[] => [
  payment.signature.h,
  payment.signature.s,
  payment.dateSignature.h,
  payment.dateSignature.s,
  ...payment.omega.flatMap(({ h, s }) => [h, s]),
  ...payment.serialNumbers,
  ...payment.tags,
  ...payment.commitments,
  payment.c,
]
const pointsOfWithdrawal = ({ publicKey, request, signed }: Withdrawal): readonly G1[] => [
  publicKey,
  request.h,
  request.com,
  ...request.commitments,
  signed.h,
  signed.s,
]

function bitsApart(a: Uint8Array, b: Uint8Array): number {
  let bits = 0
  for (const [i, byte] of a.entries()) {
    for (let rest = byte ^ (b[i] ?? 0); rest > 0; rest &= rest - 1) bits++
  }
  return bits
}

const nearest = (some: readonly Uint8Array[], others: readonly Uint8Array[]): number =>
  Math.min(...some.map((a) => Math.min(...others.map((b) => bitsApart(a, b)))))

/** sk·g1 where two proofs of knowledge of sk had one nonce: z = w − c·sk. */
function keyBehind(z1: Scalar, c1: Scalar, z2: Scalar, c2: Scalar): string | undefined {
  const factor = invert(modOrder(c2 - c1))
  return factor === undefined ? undefined : hex(scheme.times.g1(modOrder((z1 - z2) * factor)))
}
/** v + l + 1, up to. */
const GUESSES = 2500n
const zsk = ({ payment }: Spent): Scalar => payment.proof.attributes[0] ?? 0n

/** The less, the likelier that they belong together; by payment and withdrawal, or by payment and payment. */
type Score = (payment: number, other: number) => number
type Statistic =
  | { readonly kind: 'withdrawal'; readonly score: (all: Transcripts) => Score }
  | { readonly kind: 'payment'; readonly score: (all: Transcripts) => Score }

const same = (is: boolean): number => (is ? 0 : 1)
/** Whether something that can be computed of each is equal. */
const equalOf =
  (of: (spent: Spent) => string | undefined) =>
  ({ payments }: Transcripts): Score => {
    const values = payments.map(of)
    return (i, j) => same(values[i] !== undefined && values[i] === values[j])
  }

const STATISTICS: Readonly<Record<string, { readonly statistic: Statistic; readonly mistake: Client }>> = {
  'bits of the points of both': {
    statistic: {
      kind: 'withdrawal',
      score({ withdrawals, payments }) {
        const left = payments.map((one) => pointsOf(one).map(g1.encode))
        const right = withdrawals.map((one) => pointsOfWithdrawal(one).map(g1.encode))
        return (i, w) => nearest(left[i] ?? [], right[w] ?? [])
      },
    },
    // The signature as it was issued: nothing is rerandomised.
    mistake: (name) => (name === 'r' ? 0n : name === 'r_prime' ? 1n : undefined),
  },
  'the issued h, times a small number': {
    statistic: {
      kind: 'withdrawal',
      score({ withdrawals, payments }) {
        const multiples = withdrawals.map(({ signed }) => {
          const set = new Set<string>()
          for (let k = 0, point = g1.zero; k < 64; k++) {
            point = g1.add(point, signed.h)
            set.add(hex(point))
          }
          return set
        })
        return (i, w) => same(multiples[w]?.has(hex(payments[i]?.payment.signature.h as G1)) ?? false)
      },
    },
    mistake: (name, _book, at) => (name === 'r_prime' ? BigInt(2 + at) : undefined),
  },
  'with the master secret: (y_0·sk + y_1·v + r)·h as it was before': {
    statistic: {
      kind: 'payment',
      score: equalOf(({ payment: { signature } }) => {
        const known = modOrder(x + y2 * BigInt(EXPIRATION))
        return hex(g1.add(signature.s, g1.negate(g1.multiply(known, signature.h))))
      }),
    },
    mistake: (name) => (name === 'r' ? 0n : name === 'r_prime' ? 5n : undefined),
  },
  'a nonce of the withdrawal again in the payment': {
    statistic: {
      kind: 'withdrawal',
      score:
        ({ withdrawals, payments }) =>
        (i, w) => {
          const [spent, withdrawal] = [payments[i], withdrawals[w]]
          if (spent === undefined || withdrawal === undefined) return 1
          const { proof } = withdrawal.request
          const key = keyBehind(proof.attributes[0] ?? 0n, proof.challenge, zsk(spent), spent.payment.proof.challenge)
          return same(key === hex(withdrawal.publicKey))
        },
    },
    mistake: (name, book) => (name === 'k_sk' || name === 'w_sk' ? BigInt(1000 + book) : undefined),
  },
  'a nonce of one payment again in another, and a known key behind it': {
    statistic: {
      kind: 'payment',
      score({ withdrawals, payments }) {
        const known = new Set(withdrawals.map(({ publicKey }) => hex(publicKey)))
        return (i, j) => {
          const [one, two] = [payments[i], payments[j]]
          if (one === undefined || two === undefined || i === j) return 1
          const key = keyBehind(zsk(one), one.payment.proof.challenge, zsk(two), two.payment.proof.challenge)
          return same(key !== undefined && known.has(key))
        }
      },
    },
    mistake: (name, book) => (name === 'w_sk' ? BigInt(2000 + book) : undefined),
  },
  "a wallet's secret that can be guessed: S names μ, and T − R·μ·g1 the key": {
    statistic: {
      kind: 'withdrawal',
      score({ withdrawals, payments }) {
        const guesses = new Map<string, Scalar>()
        for (let v = 1n; v <= GUESSES; v++) {
          const mu = invert(v) as Scalar
          guesses.set(hex(scheme.times.delta(mu)), mu)
        }
        const keys = payments.map(({ payment, payInfo }) => {
          const mu = guesses.get(hex(payment.serialNumbers[0] as G1))
          if (mu === undefined) return undefined
          const masked = scheme.times.g1(modOrder(payInfoScalar(scheme, payInfo, 0) * mu))
          return hex(g1.add(payment.tags[0] as G1, g1.negate(masked)))
        })
        return (i, w) => same(keys[i] === hex(withdrawals[w]?.publicKey as G1))
      },
    },
    mistake: (name, book) => (name === 'v' ? BigInt(100 * book + 1) : undefined),
  },
  'κ, κ_e, κ_k, A, C, S or T again': {
    statistic: {
      kind: 'payment',
      score({ payments }) {
        const sets = payments.map(
          (one) =>
            new Set([
              ...pointsOf(one).map(hex),
              ...[one.payment.kappa, one.payment.kappaE, ...one.payment.kappaK].map((point) => toHex(g2.encode(point))),
            ]),
        )
        return (i, j) => same([...(sets[i] ?? [])].some((point) => sets[j]?.has(point) ?? false))
      },
    },
    mistake: (name, book) => (name === 'o_c' ? BigInt(3000 + book) : undefined),
  },
  'commitments that open: A − l·γ2 is zero': {
    statistic: {
      kind: 'payment',
      score({ payments }) {
        const gamma2 = scheme.gamma[1]
        const indices = payments.map(({ payment }) => {
          const a = hex(payment.commitments[0] as G1)
          for (let l = 0; l < 50; l++) if (hex(g1.multiply(BigInt(l), gamma2)) === a) return l
          return undefined
        })
        // Neighbouring indices at close times would be one book; here the index alone says nothing, so C tells the rest.
        return (i, j) =>
          same(indices[i] !== undefined && hex(payments[i]?.payment.c as G1) === hex(payments[j]?.payment.c as G1))
      },
    },
    mistake: (name, book) => (name === 'o_a[0]' ? 0n : name === 'o_c' ? BigInt(book) : undefined),
  },
  'the random number of the pay info again': {
    statistic: { kind: 'payment', score: equalOf(({ payInfo }) => toHex(payInfo.subarray(0, 32))) },
    mistake: (name) => (name === 'pay-info' ? 0n : undefined),
  },
}

/** How many payments are attributed rightly. Ties are broken by the random order of the transcripts. */
function rightGuesses(all: Transcripts, { kind, score }: Statistic): number {
  const of = score(all)
  const truth = all.payments.map(({ book }) => book)
  const candidates = kind === 'withdrawal' ? BOOKS : truth.length
  return truth.filter((book, i) => {
    let best = { score: Number.POSITIVE_INFINITY, at: -1 }
    for (let step = 0; step < candidates; step++) {
      // From another place each time, or ties would all go to the first.
      const at = (step + i * 7) % candidates
      if (kind === 'payment' && at === i) continue
      const value = of(i, at)
      if (value < best.score) best = { score: value, at }
    }
    return book === (kind === 'withdrawal' ? best.at : truth[best.at])
  }).length
}

/** One in a hundred thousand runs of 200 guesses at 1 of 20 has more. */
const MOST_BY_CHANCE = 25

describe('unlinkability against t issuers and all gateways', () => {
  const all = transcripts(() => undefined, SPENDS_PER_BOOK)

  it('what was made is good, and all of it equally long', () => {
    const claims = all.payments.slice(0, 16).map(({ payment, payInfo }) => ({ payment, payInfo, day: DAY }))
    assert.deepEqual(
      new Set(paymentFaults(scheme, prepared, claims, () => honest('weight') + 1n)),
      new Set([undefined]),
    )
    assert.equal(new Set(all.payments.map(({ payment }) => encodePayment(scheme, payment).length)).size, 1)
    assert.equal(new Set(all.withdrawals.map(({ request }) => encodeWithdrawalRequest(scheme, request).length)).size, 1)
    assert.equal(all.payments.length, 200)
  })

  for (const [name, { statistic, mistake }] of Object.entries(STATISTICS)) {
    it(`${name}: links a client that makes that mistake, and ours no better than chance`, () => {
      const careless = transcripts(mistake, FEW)
      assert.ok(rightGuesses(careless, statistic) > 0.9 * BOOKS * FEW, 'the statistic can link')
      assert.ok(rightGuesses(all, statistic) <= MOST_BY_CHANCE, 'and does not')
    })
  }
})
