/** Where the ledger's epoch is, and when something that waits for its end happens, in words. @module */
import type { Block } from '../../network/ledger/chain.ts'
import type { Ledger, ReadResult } from '../../network/ledger/ledger.ts'

export interface EpochNow {
  readonly block: Block
  readonly interval: ReadResult<'mixnet', 'interval'>
  readonly state: 'in progress' | 'rewarding' | 'reconciling' | 'role assignment'
  /** Unix seconds, by the time of blocks. */
  readonly endsAt: number
  /** Below 0: it should have ended. */
  readonly secondsLeft: number
  readonly intervalSecondsLeft: number
}

const STATES = ['in progress', 'rewarding', 'reconciling', 'role assignment'] as const

/** `now`: Unix seconds, of the wall; the later of it and the block's time counts. */
export async function readEpoch(ledger: Pick<Ledger, 'readAll'>, now: number): Promise<EpochNow> {
  const { block, results } = await ledger.readAll([
    { contract: 'mixnet', fn: 'interval', args: [] },
    { contract: 'mixnet', fn: 'epochState', args: [] },
  ])
  const [interval, [state]] = results
  const endsAt = Number(interval.currentEpochStart) + interval.epochLength
  const epochsLeft = interval.epochsInInterval - interval.currentEpochId
  const at = Math.max(block.time, now)
  return {
    block,
    interval,
    state: STATES[state] ?? 'in progress',
    endsAt,
    secondsLeft: endsAt - at,
    intervalSecondsLeft: Number(interval.currentEpochStart) + epochsLeft * interval.epochLength - at,
  }
}

export const atEndOfEpoch = ({ interval, secondsLeft }: EpochNow): string =>
  `at the end of epoch ${interval.totalElapsedEpochs}, ${inTime(secondsLeft)}`

export const atEndOfInterval = ({ interval, intervalSecondsLeft }: EpochNow): string =>
  `at the end of interval ${interval.id}, ${inTime(intervalSecondsLeft)}`

const inTime = (seconds: number): string => (seconds <= 0 ? 'which is due' : `in ${durationText(seconds)}`)

/** `58 s`, `12 min`, `3 h 20 min`, `2 days`. */
export function durationText(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  if (s < 120) return `${s} s`
  if (s < 7200) return `${Math.round(s / 60)} min`
  if (s < 172_800) return `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min`
  return `${Math.round(s / 86_400)} days`
}
