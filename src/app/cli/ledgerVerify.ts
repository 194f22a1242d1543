/** `starling ledger verify`: whether the ledger went by its rules, from events alone, and in which epoch it first did not. @module */

import type { AuditedEpoch } from '../../network/ledger/audit/audit.ts'
import { auditLedger } from '../../network/ledger/audit/auditLedger.ts'
import { Difference } from '../../network/ledger/audit/difference.ts'
import { JsonRpc } from '../../network/ledger/jsonRpc.ts'
import { formatDecimal } from '../../protocol/economy/decimal.ts'
import { decimalAmountText } from './amounts.ts'
import { EXIT_CODES } from './exitCodes.ts'
import { type LedgerOptions, openChosenLedger } from './ledgerAccess.ts'
import type { Session } from './session.ts'

export interface VerifyOptions extends LedgerOptions {
  /** Default: the last that ended. */
  readonly epoch?: number
  /** Every epoch, and what the contract says it has now. */
  readonly all: boolean
}

const WHOLE: Readonly<Record<string, string>> = {
  scores: 'what monitors revealed is not what they had committed to',
  seed: 'the secrets that were revealed do not give this seed',
  exclusions: 'other monitors should have been excluded',
  draw: 'the seed draws another set',
  rewards: 'the rules pay something else',
  accounts: 'the accounts do not follow from what was asked for',
  pool: 'the contract has another pool than its payments leave',
}

export async function verifyLedger(session: Session, options: VerifyOptions): Promise<number> {
  const { screen, world, interrupted } = session
  const { ledger, deployment, urls } = await openChosenLedger(session, options)
  const rpc = new JsonRpc(world, { urls, chainId: deployment.chainId })
  const started = world.clock.monotonic()
  const isOne = options.epoch !== undefined && !options.all
  let epochs = 0
  let last: AuditedEpoch | undefined
  try {
    const { events, block } = await auditLedger({
      ledger,
      rpc,
      until: isOne ? options.epoch : undefined,
      signal: interrupted,
      onProgress: (at) => screen.progress('block', `${at}`),
      onEpoch(epoch) {
        epochs++
        last = epoch
        if (options.all) tell(session, epoch)
      },
    })
    if (last === undefined) {
      screen.step('epochs', 'none has ended yet: there is nothing to check', undefined, {
        event: 'verified',
        epochs: 0,
      })
      return 0
    }
    if (!options.all) tell(session, last)
    const all = `${epochs === 1 ? '1 epoch' : `${epochs} epochs`}, ${events} events up to block ${block}: each follows from those before it`
    screen.step('verified', all, world.clock.monotonic() - started, { event: 'verified', epochs, events, block })
    return 0
  } catch (error) {
    if (!(error instanceof Difference)) throw error
    const { what, epochId, expected, found } = error
    screen.step('differs', `epoch ${epochId}, ${what}: ${WHOLE[what] ?? 'it does not follow'}`, undefined, {
      event: 'difference',
      what,
      epoch: epochId,
      expected,
      found,
    })
    screen.step('expected', expected)
    screen.step('found', found)
    screen.line(
      '\n  Whoever answers at --rpc lies, or the contracts are not the published ones. Ask another server before you believe either.',
    )
    return EXIT_CODES.network
  }
}

function tell({ screen }: Session, epoch: AuditedEpoch): void {
  const { epochId, scores, rewards, changes, draw, pool } = epoch
  screen.step('epoch', `${epochId}`, undefined, {
    event: 'epoch',
    epoch: epochId,
    reports: scores?.reports ?? 0,
    secrets: scores?.secrets ?? 0,
    scored: scores?.scored ?? 0,
    excluded: scores?.excluded ?? 0,
    rewarded: rewards.nodes,
    paid: formatDecimal(rewards.paid),
    unrewarded: rewards.without,
    changes,
    ...draw,
    pool: formatDecimal(pool),
  })
  if (scores !== undefined) {
    const out = scores.excluded === 0 ? '' : `; ${scores.excluded} monitors excluded`
    screen.step('scores', `medians of ${scores.scored} nodes from ${scores.reports} reports, computed again${out}`)
    screen.step('seed', `of ${scores.secrets} secrets, computed again`)
  }
  const without = rewards.without === 0 ? '' : `; ${rewards.without} got nothing, rightly`
  screen.step(
    'rewards',
    `${decimalAmountText(rewards.paid)} for ${rewards.nodes} nodes, each to the last digit${without}`,
  )
  screen.step('changes', `${changes} of stake at its end, in their order`)
  screen.step(
    'draw',
    `${draw.active} nodes and ${draw.standby} on standby of ${draw.candidates}, drawn again: the same root`,
  )
  screen.step('pool', `${decimalAmountText(pool)} are left`)
}
