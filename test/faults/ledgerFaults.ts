/** Faults of whole ledgers that are tried in a short and in a long form. @module */
import assert from 'node:assert/strict'
import { seconds } from '../../src/foundation/base/units.ts'
import { allPaid, checkRun } from './ledgerCheck.ts'
import { type Death, EPOCH, type Habit, LedgerRun, type Write } from './ledgerRun.ts'

export const opinionOf = (nodeId: number, epochId: number): number => 100 - ((7 * nodeId + epochId) % 30)
export const HONEST: Habit = { opinion: opinionOf }
const DEATHS: readonly Death[] = ['before', 'midway', 'after']
const STEPS = ['settle', 'begin', 'reward', 'reconcile', 'draw'] as const
/** The first that begins in time; rewards need reports, which begin with the next. */
const FIRST_EPOCH = 27

/** A transaction of an epoch: the first of that step, or the one of that number. */
interface Victim {
  readonly at: (typeof STEPS)[number] | number
  readonly death: Death
}

/** An epoch each. */
export const EVERY_STEP: readonly (readonly Victim[])[] = DEATHS.flatMap((death) => [
  [
    { at: 'settle', death },
    { at: 'draw', death },
  ],
  [
    { at: 'begin', death },
    { at: 'reconcile', death },
  ],
  [{ at: 'reward', death }],
])
/** Each step once. */
export const A_FEW_STEPS: readonly (readonly Victim[])[] = [
  [
    { at: 'settle', death: 'before' },
    { at: 'draw', death: 'after' },
  ],
  [
    { at: 'begin', death: 'midway' },
    { at: 'reconcile', death: 'before' },
  ],
  [{ at: 'reward', death: 'after' }],
]
export const EVERY_TRANSACTION: readonly (readonly Victim[])[] = DEATHS.flatMap((death) =>
  Array.from({ length: 10 }, (_, at) => [{ at, death }]),
)

export async function driversDie({
  seed,
  epochs,
}: {
  readonly seed: string
  readonly epochs: readonly (readonly Victim[])[]
}): Promise<LedgerRun> {
  const plan = [...epochs]
  const deaths = epochs.flat().length
  let current: { readonly epochId: number; readonly victims: Victim[] } = { epochId: 0, victims: [] }
  const death = ({ epochId, step, number }: Write): Death | undefined => {
    if (epochId < FIRST_EPOCH) return undefined
    if (epochId !== current.epochId) current = { epochId, victims: [...(plan.shift() ?? [])] }
    const [next] = current.victims
    if (next === undefined || (next.at !== step && (typeof next.at === 'string' || number < next.at))) return undefined
    current.victims.shift()
    return next.death
  }
  const run = await LedgerRun.start({ seed, monitors: [HONEST, HONEST, HONEST], death })
  while (plan.length > 0) await run.untilEpoch(run.epochId + 1)
  await run.untilEpoch(run.epochId + 2)
  const replay = await checkRun(run)
  // An epoch may have less transactions than are swept.
  assert.ok(run.deaths.length >= 0.8 * deaths, `${run.deaths.length} of ${deaths}`)
  const met = new Set(run.deaths.map(({ step, death: how }) => `${step} ${how}`))
  const wanted = epochs.flat().flatMap(({ at, death: how }) => (typeof at === 'number' ? [] : [`${at} ${how}`]))
  for (const one of wanted) assert.ok(met.has(one), `${one}: ${[...met].join(', ')}`)
  for (let id = FIRST_EPOCH + 1; id + 3 < run.epochId; id++) allPaid(replay, id)
  assert.deepEqual(replay.exclusions, [])
  return run
}

/** When the chain takes five blocks back: behind that step, or so far into an epoch. */
type Moment = (typeof STEPS)[number] | 'advance' | 'commitments' | 'reveals' | 'quiet'
export const MOMENTS: readonly Moment[] = [
  'commitments',
  'reveals',
  'quiet',
  'settle',
  'begin',
  'reward',
  'reconcile',
  'draw',
  'advance',
]
/** Behind the begin of the epoch. */
const INTO: Partial<Record<Moment, number>> = { quiet: 2, commitments: 20, reveals: 52 }
const BLOCKS = 5

/** `cases`: one an epoch. `keep`: whether what was in the blocks comes back. */
export async function chainGoesBack({
  seed,
  cases,
}: {
  readonly seed: string
  readonly cases: readonly { readonly moment: Moment; readonly keep: boolean }[]
}): Promise<LedgerRun> {
  const plan = [...cases]
  const done: string[] = []
  let last = FIRST_EPOCH
  const goBack = (epochId: number): void => {
    const { moment, keep } = plan.shift()!
    last = epochId
    done.push(moment)
    void run.chain.reorganise(BLOCKS, { keep })
  }
  const onWritten = ({ epochId, step, number }: Write): void => {
    const moment = plan[0]?.moment
    if (epochId <= last) return
    if (moment === step || (moment === 'advance' && step === 'draw' && number >= 7)) goBack(epochId)
  }
  const run = await LedgerRun.start({ seed, monitors: [HONEST, HONEST, HONEST], onWritten })
  const end = run.simulation.clock.monotonic() + (cases.length + 12) * 1.5 * EPOCH
  while (plan.length > 0) {
    const into = INTO[plan[0]!.moment]
    const { epochStart } = run.network.snapshot
    const isTime = run.simulation.clock.now() >= (epochStart + (into ?? 0)) * 1000
    if (into !== undefined && isTime && run.epochId > last) goBack(run.epochId)
    assert.ok(run.simulation.clock.monotonic() < end, `never: ${plan[0]?.moment}`)
    await run.simulation.runFor(seconds(1))
  }
  await run.untilEpoch(run.epochId + 3)
  const replay = await checkRun(run)
  assert.equal(done.length, cases.length)
  for (let id = FIRST_EPOCH + 1; id + 3 < run.epochId; id++) allPaid(replay, id)
  return run
}
