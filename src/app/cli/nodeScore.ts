/** `starling node score`: what monitors said of a node, and whether their evidence gives that. @module */
import { fromHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { seconds } from '../../foundation/base/units.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { Ledger, LedgerEvent } from '../../network/ledger/ledger.ts'
import { unpackReport } from '../../protocol/economy/reports.ts'
import { MAX_EVIDENCE_BYTES } from '../../roles/monitor/evidence.ts'
import { explainScore, formatExplanation, type MonitorOpinion } from '../../roles/monitor/scoreExplanation.ts'
import { readEpoch } from './epochText.ts'
import { type LedgerOptions, openChosenLedger } from './ledgerAccess.ts'
import { participantsOf } from './ledgerStatus.ts'
import { printable } from './printable.ts'
import type { Session } from './session.ts'

export interface ScoreOptions extends LedgerOptions {
  /** Default: the last that was settled. */
  readonly epoch?: number
}

/** Where nobody spoke of the node, so many epochs before count: contracts/Performance.sol. */
const FALLBACK_EPOCHS = 24
const EVIDENCE_TIMEOUT = seconds(20)

export async function showScore(session: Session, nodeId: number, options: ScoreOptions): Promise<number> {
  const { screen, world } = session
  const { ledger } = await openChosenLedger(session, options)
  const now = await readEpoch(ledger, world.clock.now() / 1000)
  const lastNodeId = await ledger.read('mixnet', 'lastNodeId', [], { block: now.block })
  // One that has left keeps its number, and its scores.
  if (nodeId < 1 || nodeId > lastNodeId) {
    const nextStep = 'Look which nodes there are: starling ledger status.'
    throw new MixnetError('BAD_ARGUMENT', { node: nodeId }, { message: 'there never was such a node', nextStep })
  }
  const epochId = options.epoch ?? now.interval.totalElapsedEpochs - 1
  const isSettled = epochId >= 0 && (await ledger.read('performance', 'isSettled', [epochId], { block: now.block }))
  if (!isSettled) {
    const nextStep = `Scores of an epoch are known once it is over; epoch ${now.interval.totalElapsedEpochs} runs.`
    throw new MixnetError('BAD_ARGUMENT', { epoch: epochId }, { message: 'that epoch has no scores', nextStep })
  }
  const reveals = await revealsOf(ledger)
  if (reveals.length === 0) {
    const nextStep = `Monitors report on an epoch when it ends: ask again once epoch ${now.interval.totalElapsedEpochs} or the next is over.`
    throw new MixnetError(
      'BAD_ARGUMENT',
      { node: nodeId },
      { message: 'no monitor has reported on any node yet', nextStep },
    )
  }
  const heardIn = lastHeardIn(reveals, nodeId, epochId)
  const opinions = await opinionsOf(session, ledger, { nodeId, epochId, reveals, block: now.block })
  const [score] = await ledger.read('performance', 'scoresOf', [epochId, [nodeId]], { block: now.block })
  const told = explainScore({
    nodeId,
    epochId,
    median: heardIn === undefined ? undefined : { percent: Number((score ?? 0n) / 10n ** 16n), epochId: heardIn },
    opinions,
    sha256: (bytes) => world.crypto.sha256(bytes),
  })
  screen.line(printable(formatExplanation(told)), { event: 'score', ...told })
  return 0
}

type Reveals = readonly LedgerEvent<'performance', 'Revealed'>[]

/** Up to `epochId`, the last that a score of then would be of; undefined where no monitor spoke of the node for so long that it has none. */
export function lastHeardIn(reveals: Reveals, nodeId: number, epochId: number): number | undefined {
  const heard = reveals.filter(
    ({ args }) =>
      args.epochId <= epochId && args.epochId >= epochId - FALLBACK_EPOCHS && unpackReport(args).has(nodeId),
  )
  return heard.length === 0 ? undefined : Math.max(...heard.map(({ args }) => args.epochId))
}

interface Question {
  readonly nodeId: number
  readonly epochId: number
  readonly reveals: Reveals
  readonly block: Parameters<typeof participantsOf>[2]
}

async function opinionsOf(
  { world, screen }: Session,
  ledger: Ledger,
  { nodeId, epochId, reveals, block }: Question,
): Promise<readonly MonitorOpinion[]> {
  const revealed = new Map(
    reveals.filter(({ args }) => args.epochId === epochId).map(({ args }) => [args.who.toLowerCase(), args]),
  )
  const committed = await ledger.events({ contract: 'performance', event: 'Committed', filter: { epochId } })
  const hasCommitted = new Set(committed.events.map(({ args }) => args.who.toLowerCase()))
  const addresses = await ledger.read('performance', 'participants', [], { block })
  const monitors = (await participantsOf(ledger, addresses, block)).filter(({ measures }) => measures)
  return Promise.all(
    monitors.map(async ({ address, stake, url, excludedUntilEpoch }): Promise<MonitorOpinion> => {
      const said = revealed.get(address.toLowerCase())
      const evidence = said === undefined ? undefined : await evidenceOf(world, url, epochId)
      if (said !== undefined && evidence === undefined) screen.progress('evidence', `${address} does not answer`)
      return {
        name: address,
        stake,
        score: said === undefined ? undefined : unpackReport(said).get(nodeId),
        standing:
          said !== undefined
            ? 'counted'
            : hasCommitted.has(address.toLowerCase())
              ? 'not-revealed'
              : excludedUntilEpoch > epochId
                ? 'excluded'
                : 'absent',
        evidenceHash: said === undefined ? undefined : fromHex(said.evidenceHash.slice(2)),
        evidence,
      }
    }),
  )
}

/** undefined where it is not to be had: the monitor is away, or never kept it. */
async function evidenceOf({ net }: Pick<World, 'net'>, url: string, epochId: number): Promise<Uint8Array | undefined> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) return undefined
  try {
    const { status, body } = await net.request({
      url: `${url.replace(/\/+$/, '')}/v1/monitor/epochs/${epochId}/evidence`,
      timeout: EVIDENCE_TIMEOUT,
      maxBodyBytes: MAX_EVIDENCE_BYTES,
    })
    return status === 200 ? body : undefined
  } catch (error) {
    if (isMixnetError(error)) return undefined
    throw error
  }
}

export async function revealsOf(ledger: Ledger): Promise<Reveals> {
  const events: LedgerEvent<'performance', 'Revealed'>[] = []
  for (let cursor: Parameters<Ledger['events']>[0]['cursor']; ; ) {
    const page = await ledger.events({ contract: 'performance', event: 'Revealed', cursor })
    events.push(...page.events)
    if (page.complete) return events
    cursor = page.cursor
  }
}
