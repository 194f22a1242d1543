/** What is timed: each operation as the official crate's peer does it, from and to the same forms. @module */
import type { Bls } from '../../src/foundation/crypto/bls.ts'
import { nodeRandom } from '../../src/foundation/platform/node/nodeRandom.ts'
import { DAY_SECONDS, TICKETS_PER_BOOK } from '../../src/protocol/credentials/constants.ts'
import { drawFrom, weightsFrom } from '../../src/protocol/credentials/draw.ts'
import type { PaymentClaim } from '../../src/protocol/credentials/engine.ts'
import { identify } from '../../src/protocol/credentials/identify.ts'
import { issue } from '../../src/protocol/credentials/issue.ts'
import { PAY_INFO_BYTES } from '../../src/protocol/credentials/payInfo.ts'
import { decodePayment, encodePayment } from '../../src/protocol/credentials/payment.ts'
import { spend } from '../../src/protocol/credentials/spend.ts'
import { paymentFaults } from '../../src/protocol/credentials/verify.ts'
import { unblind } from '../../src/protocol/credentials/wallet.ts'
import { requestWithdrawal } from '../../src/protocol/credentials/withdrawal.ts'
import { type OfficialRun, officialRun } from './officialRun.ts'

/** In words of the peer, and one more: it has no way to verify many together. */
export type Operation = 'withdrawal' | 'issue' | 'unblind' | 'spend' | 'verify' | 'batch' | 'identify'

export const BATCH = 64

const random = nodeRandom.stream('bench')
const draw = drawFrom(random)
const weight = weightsFrom(random)

/** `claims`: at least a batch of good ones. */
export function operationsOf(bls: Bls, claims: readonly PaymentClaim[]): Readonly<Record<Operation, () => void>> {
  const run = officialRun(bls)
  const { scheme, attributes, authority, user } = run
  const day = dayOf(run)
  const payInfo = random.bytes(PAY_INFO_BYTES)
  const twice = [payInfo, random.bytes(PAY_INFO_BYTES)].map((info) => ({
    payment: decodePayment(scheme, pay(run, 3, info)),
    payInfo: info,
  })) as [Parameters<typeof identify>[1], Parameters<typeof identify>[1]]
  const verify = (some: readonly PaymentClaim[]): void => {
    const decoded = some.map((claim) => ({ ...claim, payment: decodePayment(scheme, claim.payment, 1) }))
    const faults = paymentFaults(scheme, run.master, decoded, weight, 'strict')
    expect(faults.every((fault) => fault === undefined))
  }
  return {
    withdrawal: () => {
      requestWithdrawal(scheme, user, attributes, draw)
    },
    issue: () => {
      expect(issue(scheme, authority.secret, run.request, user.public, attributes).kind === 'issued')
    },
    unblind: () => {
      const answer = { index: authority.index, key: authority.key, signature: run.blinded }
      expect(unblind(scheme, run.info, user.secret, [answer], weight).shares.length === 1)
    },
    spend: () => {
      pay(run, 3, payInfo, day)
    },
    verify: () => verify(claims.slice(0, 1)),
    batch: () => verify(claims.slice(0, BATCH)),
    identify: () => {
      expect(identify(scheme, ...twice).kind === 'double-spend')
    },
  }
}

/** Good payments of one ticket each, to a provider that sees each pay info once. */
export function makeClaims(bls: Bls, count: number): PaymentClaim[] {
  const run = officialRun(bls)
  return Array.from({ length: count }, (_, i) => {
    const payInfo = random.bytes(PAY_INFO_BYTES)
    return { payment: pay(run, i % TICKETS_PER_BOOK, payInfo), payInfo, day: dayOf(run) }
  })
}

const dayOf = ({ attributes }: OfficialRun): number => attributes.expiration - 2 * DAY_SECONDS

function pay(run: OfficialRun, firstTicket: number, payInfo: Uint8Array, day: number = dayOf(run)): Uint8Array {
  const { scheme, master, user, wallet, dateSignatures, coinSignatures } = run
  const request = { user, wallet, firstTicket, tickets: 1, payInfo, day, dateSignatures, coinSignatures }
  return encodePayment(scheme, spend(scheme, master, request, draw))
}

/** What does not work is not worth timing. */
function expect(worked: boolean): void {
  if (!worked) throw new Error('an operation did not do what is timed')
}
