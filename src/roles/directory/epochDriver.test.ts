import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { MixnetError } from '../../foundation/base/errors.ts'
import { type Log, Meter, silentLog } from '../../foundation/base/observe.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import { HandClock } from '../../foundation/platform/handClock.ts'
import { SimulatedRandom } from '../../foundation/platform/simulated/simulatedRandom.ts'
import { EpochDriver, type EpochDriverParams } from './epochDriver.ts'
import { FakeChain } from './fakeLedger.test.ts'

const START = 1000

interface Running {
  readonly driver: EpochDriver
  readonly meter: Meter
  readonly told: string[]
}

class Drivers {
  readonly clock = new HandClock()
  readonly chain: FakeChain
  #count = 0

  constructor(options: ConstructorParameters<typeof FakeChain>[0] = {}) {
    this.chain = new FakeChain({ start: START, ...options })
  }

  start(name: string = `driver${this.#count}`, params: Partial<EpochDriverParams> = {}): Running {
    const meter = new Meter()
    const told: string[] = []
    const tell = (code: string) => void told.push(code)
    const log: Log = { ...silentLog, info: tell, warn: tell, error: tell }
    const random = new SimulatedRandom(`${name} ${this.#count++}`, name)
    const world = { clock: this.clock, random }
    const driver = new EpochDriver({ world, ledger: this.chain.ledger(name), params, meter, log })
    driver.start()
    return { driver, meter, told }
  }

  /** Time passes, and a block a second with it. */
  async pass(duration: number, until: () => boolean = () => false): Promise<void> {
    for (let second = 0; second < duration && !until(); second++) {
      this.chain.mine(this.clock.now() / 1000)
      await this.clock.advanceSettling(seconds(1))
      for (let i = 0; i < 40; i++) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Each node of the set of each epoch that is over got its reward, once. */
  expectRight(from: number): void {
    const { epochId, rewards } = this.chain.state
    for (let epoch = from; epoch < epochId; epoch++) {
      for (const id of this.chain.nodeIds) assert.equal(rewards[`${epoch} ${id}`], 1, `epoch ${epoch}, node ${id}`)
    }
  }
}

describe('the epoch driver', () => {
  it('takes the ledger through its epochs, each in its time', async () => {
    const all = new Drivers()
    all.chain.eventsAnEpoch = 3
    const { driver, meter, told } = all.start()
    await all.pass(59)
    assert.equal(all.chain.state.epochId, 24)
    assert.deepEqual(all.chain.effects, [])
    await all.pass(190)
    assert.equal(all.chain.state.epochId, 28)
    assert.equal(all.chain.state.start, START + 240)
    assert.deepEqual(all.chain.effects.slice(0, 5), ['settle', 'begin', 'reward', 'reconcile', 'draw'])
    assert.equal(meter.snapshot()['epoch_driver_steps_total{step="draw",outcome="done"}'], 4)
    assert.equal(meter.snapshot().epoch_driver_epoch, 28)
    assert.ok(!told.includes('epoch.late'))
    assert.deepEqual(all.chain.refused, [])
    all.expectRight(24)
    await driver.stop()
    assert.equal(all.clock.pending, 0)
  })

  it('works in batches, and finds those that fit a block', async () => {
    const all = new Drivers({ nodes: 50, words: 7 })
    all.chain.eventsAnEpoch = 45
    all.chain.gasLimit = 12
    const { driver } = all.start('one', { batches: { settle: 3, reward: 40, reconcile: 20, draw: 40 } })
    await all.pass(100)
    assert.equal(all.chain.state.epochId, 25)
    all.expectRight(24)
    const of = (step: string) => all.chain.effects.filter((effect) => effect === step).length
    assert.ok(of('settle') >= 3 && of('reward') >= 5 && of('reconcile') >= 4 && of('draw') >= 5)
    await driver.stop()
  })

  it('may be killed at every step, before and behind it, and another takes over', async () => {
    const probe = new Drivers({ nodes: 9, words: 4 })
    probe.chain.eventsAnEpoch = 5
    const small = { batches: { settle: 2, reward: 4, reconcile: 2, draw: 4 } }
    const { driver } = probe.start('probe', small)
    await probe.pass(60 + 20)
    await driver.stop()
    const steps = probe.chain.effects.length
    assert.ok(steps >= 11, String(probe.chain.effects))
    for (let killedAt = 0; killedAt < steps; killedAt++) {
      for (const where of ['before', 'after'] as const) {
        for (const heir of ['one', 'two']) {
          const all = new Drivers({ nodes: 9, words: 4 })
          all.chain.eventsAnEpoch = 5
          let writes = 0
          let victim: Running | undefined
          let isDead = false
          all.chain[where] = () => {
            if (isDead || writes++ < killedAt) return
            isDead = true
            void victim?.driver.stop()
            if (where === 'before') throw new MixnetError('STOPPED')
          }
          victim = all.start('one', small)
          await all.pass(80, () => isDead)
          assert.ok(isDead)
          // The same account again, as after a restart, or another's.
          const second = all.start(heir, small)
          await all.pass(120, () => all.chain.state.epochId === 26)
          assert.equal(all.chain.state.epochId, 26, `${where} ${killedAt} ${heir}`)
          all.expectRight(24)
          await second.driver.stop()
        }
      }
    }
  })

  it('runs in several copies that seldom do a step twice', async () => {
    const all = new Drivers({ nodes: 40 })
    all.chain.eventsAnEpoch = 30
    const params = { batches: { settle: 1, reward: 10, reconcile: 10, draw: 10 } }
    const running = ['one', 'two', 'three'].map((name) => all.start(name, params))
    await all.pass(60 * 10 + 30)
    assert.equal(all.chain.state.epochId, 34)
    all.expectRight(24)
    // 130 steps, and each copy might have been refused each of them.
    assert.ok(all.chain.refused.length < 20, String(all.chain.refused))
    // Attempts at the draw do not disturb each other, but each costs as much as the one that counts.
    assert.ok(all.chain.effects.filter((effect) => effect === 'draw').length <= 60)
    for (const { told } of running) assert.ok(!told.includes('epoch.late'))
    for (const { driver } of running) await driver.stop()
  })

  it('lives through a chain that stands still, says that epochs are late, and catches up', async () => {
    const all = new Drivers()
    const { driver, meter, told } = all.start()
    await all.pass(70)
    assert.equal(all.chain.state.epochId, 25)
    all.chain.isStalled = true
    await all.pass(200)
    assert.equal(all.chain.state.epochId, 25)
    assert.ok(told.includes('epoch.late'))
    assert.equal(meter.snapshot().epoch_driver_late_epochs_total, 1)
    assert.ok((meter.snapshot().epoch_driver_late_seconds ?? 0) > 120)
    assert.ok((meter.snapshot().epoch_driver_block_age_seconds ?? 0) > 120)
    all.chain.isStalled = false
    await all.pass(130)
    // Back to back: the start of each is the end of the one before.
    assert.equal(all.chain.state.start, START + 60 * (all.chain.state.epochId - 24))
    assert.ok(all.chain.end > all.clock.now() / 1000 - 10)
    assert.equal(meter.snapshot().epoch_driver_failures, 0)
    all.expectRight(24)
    await driver.stop()
  })

  it('asks a ledger that does not answer ever less often', async () => {
    const all = new Drivers()
    const { driver, meter, told } = all.start()
    await all.pass(50)
    all.chain.isAway = true
    await all.pass(600)
    const failed = meter.snapshot()['epoch_driver_steps_total{step="read",outcome="failed"}'] ?? 0
    assert.ok(failed > 5 && failed < 20, String(failed))
    assert.ok(told.includes('epoch.late'))
    all.chain.isAway = false
    await all.pass(100)
    assert.ok(all.chain.end > all.clock.now() / 1000 - 10)
    await driver.stop()
  })

  it('goes on where a reorganisation left the chain', async () => {
    for (let at = 0; at < 14; at++) {
      const all = new Drivers({ nodes: 30 })
      all.chain.eventsAnEpoch = 20
      const params = { batches: { settle: 1, reward: 8, reconcile: 8, draw: 8 }, patience: seconds(4) }
      const one = all.start('one', params)
      const two = all.start('two', params)
      await all.pass(60 + at)
      all.chain.reorganise(5)
      await all.pass(115 - at)
      assert.equal(all.chain.state.epochId, 26, `after ${at} s`)
      all.expectRight(24)
      await one.driver.stop()
      await two.driver.stop()
    }
  })

  it('does not pay again and again for a step that a server takes and does not show', async () => {
    const all = new Drivers()
    const honest = all.chain.ledger('one')
    let stale: Awaited<ReturnType<typeof honest.read>> | undefined
    let paid = 0
    const lying = {
      ...honest,
      read: async () => {
        const reading = await honest.read()
        return { ...reading, ...stale, blockTime: reading.blockTime }
      },
      settle: async () => void paid++,
    }
    const random = new SimulatedRandom('lying', 'lying')
    const world = { clock: all.clock, random }
    const driver = new EpochDriver({ world, ledger: lying, meter: new Meter(), log: silentLog })
    await all.pass(1)
    stale = await honest.read()
    driver.start()
    await all.pass(60 + 600)
    assert.ok(paid > 1 && paid < 25, `${paid} times`)
    await driver.stop()
  })

  it('throws an attempt at the draw away that cannot become a set', async () => {
    const all = new Drivers({ nodes: 30 })
    const { driver, meter } = all.start('one', { batches: { settle: 1, reward: 50, reconcile: 8, draw: 8 } })
    all.chain.after = (step) => {
      if (step !== 'draw' || all.chain.state.phase !== 'roleAssignment' || all.chain.seed > 0) return
      // As where an operator took rewards out meanwhile: what was planned is no longer so.
      all.chain.seed = 1
    }
    await all.pass(90)
    assert.equal(all.chain.state.epochId, 25)
    assert.equal(meter.snapshot().epoch_driver_failures, 0)
    await driver.stop()
  })

  it('takes in nodes that bond while it draws', async () => {
    const all = new Drivers({ nodes: 10 })
    const { driver } = all.start('one', { batches: { settle: 1, reward: 50, reconcile: 8, draw: 4 } })
    let isBonded = false
    all.chain.after = (step) => {
      if (step === 'draw' && !isBonded) all.chain.nodeIds = [...all.chain.nodeIds, 11]
      isBonded ||= step === 'draw'
    }
    await all.pass(90)
    assert.equal(all.chain.state.epochId, 25)
    assert.equal(all.chain.state.roles[11], (24 + 11) % 5)
    await driver.stop()
  })

  it('moves a network that has neither nodes nor a set', async () => {
    const all = new Drivers({ nodes: 0 })
    const { driver } = all.start()
    await all.pass(75)
    assert.equal(all.chain.state.epochId, 25)
    assert.ok(!all.chain.effects.includes('reward'))
    await driver.stop()
  })

  it('rewards once and ends in time, whatever happens when', async () => {
    const event = fc.record({
      after: fc.integer({ min: 1, max: 40 }),
      what: fc.constantFrom('reorg', 'stall', 'go', 'away', 'back', 'kill', 'start'),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 12 }), async (events) => {
        const all = new Drivers({ nodes: 12, words: 2 })
        all.chain.eventsAnEpoch = 4
        const params = { batches: { settle: 1, reward: 5, reconcile: 3, draw: 5 } }
        let running = [all.start('one', params)]
        for (const { after, what } of events) {
          await all.pass(after)
          if (what === 'reorg') all.chain.reorganise(5)
          if (what === 'stall' || what === 'go') all.chain.isStalled = what === 'stall'
          if (what === 'away' || what === 'back') all.chain.isAway = what === 'away'
          if (what === 'kill') await Promise.all(running.splice(0, 1).map(({ driver }) => driver.stop()))
          if (what === 'start') running = [...running, all.start('two', params)]
        }
        all.chain.isStalled = false
        all.chain.isAway = false
        const last = all.start('three', params)
        await all.pass(400, () => all.chain.end > all.clock.now() / 1000)
        assert.ok(all.chain.end > all.clock.now() / 1000)
        all.expectRight(24)
        for (const { driver } of [...running, last]) await driver.stop()
        assert.equal(all.clock.pending, 0)
      }),
      { numRuns: 15 },
    )
  })

  it('does not race its copies at the end of an epoch', async () => {
    const all = new Drivers()
    const first: number[] = []
    all.chain.before = () => void first.push(all.clock.now() / 1000 - all.chain.end)
    const { driver } = all.start('one', { stagger: millis(6000) })
    await all.pass(60 * 8)
    assert.ok(first.every((late) => late >= 0 && late < 10))
    assert.ok(new Set(first.map(Math.floor)).size > 2, String(first))
    await driver.stop()
  })
})
