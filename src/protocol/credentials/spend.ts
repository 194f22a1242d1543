/** Paying with n tickets of a wallet, from ticket l0 on. The network takes one a payment. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import type { G1 } from '../../foundation/crypto/bls.ts'
import { invert, modOrder, type Scalar } from '../../foundation/crypto/blsScalar.ts'
import { TICKETS_PER_BOOK, VALIDITY_DAYS } from './constants.ts'
import { spendDayIndex } from './dateSignatures.ts'
import type { Draw } from './draw.ts'
import type { UserKey } from './keys.ts'
import { PAY_INFO_BYTES, payInfoScalar } from './payInfo.ts'
import type { Payment } from './payment.ts'
import type { PreparedKey } from './preparedKey.ts'
import { plus, type Scheme } from './scheme.ts'
import { drawNonZero, rerandomise, type Signature } from './signature.ts'
import { type SpendInstance, spendChallenge } from './spendProof.ts'
import type { Wallet } from './wallet.ts'

export interface SpendRequest {
  readonly user: UserKey
  readonly wallet: Wallet
  /** l0: how many tickets of the wallet have been spent. Spending one twice gives the user away. */
  readonly firstTicket: number
  /** n */
  readonly tickets: number
  /** P: 72 bytes. */
  readonly payInfo: Uint8Array
  /** d: midnight, unix seconds. */
  readonly day: number
  /** All 7 of the wallet's expiration date, all 50 of the epoch. */
  readonly dateSignatures: readonly Signature[]
  readonly coinSignatures: readonly Signature[]
}

/**
 * A payment whose every index is bound. TICKETS_SPENT beyond the last ticket, OUTSIDE_VALIDITY on other days than the book's,
 * BAD_ARGUMENT of lists of other lengths. `draw` is asked for the names of the equations.
 */
export function spend(scheme: Scheme, master: PreparedKey, request: SpendRequest, draw: Draw): Payment {
  return provePayment(scheme, master, request, draw, true)
}

/** As `spend`. Without `bound` the form that clients made before 1.22, for comparing with theirs byte for byte. */
export function provePayment(
  scheme: Scheme,
  master: PreparedKey,
  request: SpendRequest,
  draw: Draw,
  bound: boolean,
): Payment {
  checkRequest(request)
  const { times } = scheme
  const { g1, g2 } = scheme.bls
  const { wallet, tickets, payInfo } = request
  const { alpha } = master.key
  const { beta0, beta1, beta2 } = master.times
  const sk = request.user.secret.expose()
  const v = wallet.v.expose()
  const e = BigInt(wallet.expiration)

  // (σ, r) = rand(wallet);  κ = r·g2 + α + sk·β2_0 + v·β2_1 + E·β2_2
  const r = draw('r')
  const signature = rerandomise(scheme, wallet.signature, r, drawNonZero(draw, 'r_prime'))
  const kappa = plus(g2, times.g2(r), alpha, beta0(sk), beta1(v), beta2(e))

  // (σ_e, r_e) = rand(date signature of d);  κ_e = r_e·g2 + α + E·β2_0
  const re = draw('exp_r')
  const dated = request.dateSignatures[spendDayIndex(wallet.expiration, request.day)] as Signature
  const dateSignature = rerandomise(scheme, dated, re, drawNonZero(draw, 'exp_r_prime'))
  const kappaE = plus(g2, times.g2(re), alpha, beta0(e))

  // C = o_c·g1 + v·γ2
  const oc = draw('o_c')
  const c = g1.add(times.g1(oc), times.gamma2(v))

  const coins = Array.from({ length: tickets }, (_, k) => {
    const index = request.firstTicket + k
    const l = BigInt(index)
    // A_k = o_a·g1 + l·γ2
    const oa = draw(`o_a[${k}]`)
    const commitment = g1.add(times.g1(oa), times.gamma2(l))
    // μ = 1/(v + l + 1);  S_k = μ·δ;  T_k = sk·g1 + (R_k·μ)·g1;  o_μ = −(o_a + o_c)·μ
    const mu = invert(modOrder(v + l + 1n))
    if (mu === undefined) throw new MixnetError('BAD_ARGUMENT', { argument: 'wallet', why: 'it has no such ticket' })
    const bigR = payInfoScalar(scheme, payInfo, k)
    const serialNumber = times.delta(mu)
    const tag = times.g1(modOrder(sk + bigR * mu))
    const omu = modOrder(-(oa + oc) * mu)
    // (ω_k, r_k) = rand(coin signature l);  κ_k = r_k·g2 + α + l·β2_0
    const rk = draw(`coin_r[${k}]`)
    const coin = request.coinSignatures[index] as Signature
    const omega = rerandomise(scheme, coin, rk, drawNonZero(draw, `coin_r_prime[${k}]`))
    const kappaK = plus(g2, times.g2(rk), alpha, beta0(l))
    return { k, l, oa, commitment, mu, bigR, serialNumber, tag, omu, rk, omega, kappaK }
  })

  const wsk = draw('w_sk')
  const wv = draw('w_v')
  const we = draw('w_E')
  const wr = draw('w_r')
  const wre = draw('w_re')
  const woc = draw('w_oc')
  const nonces = coins.map((coin) => ({
    ...coin,
    wl: draw(`w_l[${coin.k}]`),
    woa: draw(`w_oa[${coin.k}]`),
    wmu: draw(`w_mu[${coin.k}]`),
    womu: draw(`w_omu[${coin.k}]`),
    wrk: bound ? draw(`w_rk[${coin.k}]`) : 0n,
  }))

  const instance: SpendInstance = {
    kappa,
    kappaE,
    c,
    commitments: coins.map((coin) => coin.commitment),
    serialNumbers: coins.map((coin) => coin.serialNumber),
    tags: coins.map((coin) => coin.tag),
    kappaK: coins.map((coin) => coin.kappaK),
    tickets,
  }
  const gamma2: G1 = scheme.gamma[1]
  const challenge = spendChallenge(
    scheme,
    master,
    instance,
    {
      // t_κ = w_r·g2 + α + w_sk·β2_0 + w_v·β2_1 + w_E·β2_2;  t_κe = w_re·g2 + α + w_E·β2_0;  t_C = w_oc·g1 + w_v·γ2
      kappa: plus(g2, times.g2(wr), alpha, beta0(wsk), beta1(wv), beta2(we)),
      kappaE: plus(g2, times.g2(wre), alpha, beta0(we)),
      c: g1.add(times.g1(woc), times.gamma2(wv)),
      // t_A = w_oa·g1 + w_l·γ2;  t_S = w_μ·δ;  t_κk = w_rk·g2 + α + w_l·β2_0
      a: nonces.map(({ woa, wl }) => g1.add(times.g1(woa), times.gamma2(wl))),
      s: nonces.map(({ wmu }) => times.delta(wmu)),
      kappaK: bound ? nonces.map(({ wrk, wl }) => plus(g2, times.g2(wrk), alpha, beta0(wl))) : [],
      // t_γ = w_μ·(A_k + C + γ2) + w_oμ·g1;  t_T = w_sk·g1 + w_μ·(R_k·g1)
      gamma: nonces.map(({ wmu, womu, commitment }) =>
        g1.add(g1.multiply(wmu, plus(g1, commitment, c, gamma2)), times.g1(womu)),
      ),
      t: nonces.map(({ wmu, bigR }) => times.g1(modOrder(wsk + wmu * bigR))),
    },
    payInfo,
  )

  // z = w − c·secret
  const z = (nonce: Scalar, secret: Scalar): Scalar => modOrder(nonce - challenge * secret)
  return {
    ...instance,
    signature,
    dateSignature,
    omega: coins.map((coin) => coin.omega),
    ticketType: wallet.ticketType,
    proof: {
      challenge,
      r: z(wr, r),
      rE: z(wre, re),
      rK: bound ? nonces.map(({ wrk, rk }) => z(wrk, rk)) : [],
      l: nonces.map(({ wl, l }) => z(wl, l)),
      oA: nonces.map(({ woa, oa }) => z(woa, oa)),
      oC: z(woc, oc),
      mu: nonces.map(({ wmu, mu }) => z(wmu, mu)),
      oMu: nonces.map(({ womu, omu }) => z(womu, omu)),
      attributes: [z(wsk, sk), z(wv, v), z(we, e)],
    },
  }
}

function checkRequest(request: SpendRequest): void {
  const bad = (argument: string): never => {
    throw new MixnetError('BAD_ARGUMENT', { argument })
  }
  const { firstTicket, tickets } = request
  if (request.dateSignatures.length !== VALIDITY_DAYS) bad('dateSignatures')
  if (request.coinSignatures.length !== TICKETS_PER_BOOK) bad('coinSignatures')
  if (request.payInfo.length !== PAY_INFO_BYTES) bad('payInfo')
  if (!Number.isInteger(tickets) || tickets < 1) bad('tickets')
  if (!Number.isInteger(firstTicket) || firstTicket < 0) bad('firstTicket')
  if (firstTicket + tickets > TICKETS_PER_BOOK) {
    throw new MixnetError('TICKETS_SPENT', { left: Math.max(0, TICKETS_PER_BOOK - firstTicket), asked: tickets })
  }
}
