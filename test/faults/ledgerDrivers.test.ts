/** Epoch drivers die before, in the middle of and after every transaction of an epoch; others take over. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkRun } from './ledgerCheck.ts'
import { type Death, type Habit, LedgerRun, type Write } from './ledgerRun.ts'

const HONEST: Habit = { opinion: (nodeId, epochId) => 100 - ((7 * nodeId + epochId) % 30) }
const DEATHS: readonly Death[] = ['before', 'midway', 'after']

/** In each epoch the driver that comes to its n-th transaction dies, in one of the three ways; when all have been, it is over. */
class Sweep {
  readonly #plan: { number: number; death: Death }[]
  #epochId = 0
  #current: { number: number; death: Death } | undefined

  constructor(numbers: number) {
    this.#plan = DEATHS.flatMap((death) => Array.from({ length: numbers }, (_, number) => ({ number, death })))
  }

  get isOver(): boolean {
    return this.#plan.length === 0
  }

  readonly death = ({ epochId, number }: Write): Death | undefined => {
    if (epochId < 26) return undefined
    if (epochId !== this.#epochId) [this.#epochId, this.#current] = [epochId, this.#plan.shift()]
    if (this.#current === undefined || number < this.#current.number) return undefined
    const { death } = this.#current
    this.#current = undefined
    return death
  }
}

test('a driver that dies before, in the middle of or after any transaction of an epoch', async () => {
  const sweep = new Sweep(10)
  const run = await LedgerRun.start({
    seed: 'driver-sweep',
    monitors: [HONEST, HONEST, HONEST],
    death: sweep.death,
  })
  while (!sweep.isOver) await run.untilEpoch(run.epochId + 1)
  await run.untilEpoch(run.epochId + 2)
  const replay = await checkRun(run)
  // Every step met every death, and no epoch was late by more than what a dead driver takes.
  const met = new Set(run.deaths.map(({ step, death }) => `${step} ${death}`))
  for (const step of ['settle', 'begin', 'reward', 'reconcile', 'draw'])
    for (const death of DEATHS) assert.ok(met.has(`${step} ${death}`), `${step} ${death}: ${[...met]}`)
  assert.ok((replay.counts.get('NodeRewarded') ?? 0) > 200)
  assert.deepEqual(replay.exclusions, [])
})

test('both drivers dead for some epochs, and one that never comes back', async () => {
  const run = await LedgerRun.start({ seed: 'both-dead', monitors: [HONEST, HONEST, HONEST] })
  await run.untilEpoch(30)
  const { epochId } = run
  for (const i of [0, 1]) run.simulation.crash(`driver-${i}`)
  await run.simulation.runFor(200_000 as never)
  assert.equal(run.epochId, epochId)
  run.startDriver(1, run.simulation.restart('driver-1'))
  await run.untilEpoch(epochId + 6)
  const replay = await checkRun(run)
  // What nobody measured is paid by what was measured before.
  for (let id = epochId; id < epochId + 5; id++) assert.equal(replay.rewards.get(id)?.size, 9, `epoch ${id}`)
})
