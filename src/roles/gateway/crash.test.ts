import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Secret } from '../../foundation/base/secret.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import { sleep } from '../../foundation/platform/clock.ts'
import { ScriptedClient } from './scriptedClient.test.ts'
import { CLIENT_SEED, message, numberIn, TestGateway } from './support.test.ts'

const MESSAGES = 120
const SPAN_MS = 6000

type Fault =
  | { readonly kind: 'kill gateway' | 'kill client' | 'cut'; readonly atMs: number; readonly forMs: number }
  | { readonly kind: 'hang up'; readonly atMs: number; readonly forMs: number }

/** A client that comes back whenever its connection is gone, and remembers what it has been given. */
class FaithfulClient {
  readonly received = new Map<number, number>()
  readonly #test: TestGateway
  #key: Secret | undefined
  #lastLogin = 0
  socket: ScriptedClient | undefined

  constructor(test: TestGateway) {
    this.#test = test
  }

  /** Runs until its process dies. */
  async live(): Promise<void> {
    const world = this.#test.world('client')
    for (;;) {
      try {
        await this.#session(world)
      } catch {
        // Refused, or timed out: again.
      }
      await sleep(world.clock, millis(200))
    }
  }

  async #session(world: ReturnType<TestGateway['world']>): Promise<void> {
    const client = await ScriptedClient.connect(this.#test, world, CLIENT_SEED)
    this.socket = client
    client.onPush = (bytes) => {
      const number = numberIn(bytes)
      this.received.set(number, (this.received.get(number) ?? 0) + 1)
    }
    if (this.#key === undefined) {
      const answer = await client.registerNow()
      if (/"register"/.test(answer)) this.#key = client.sharedKey
    } else {
      const now = Math.floor(world.clock.now() / 1000)
      if (now > this.#lastLogin) {
        this.#lastLogin = now
        await client.loginNow(this.#key)
      } else {
        client.socket.close()
      }
    }
    while ((await client.nextText()) !== 'closed');
  }
}

async function survive(seed: number, faults: readonly Fault[]): Promise<void> {
  const test = await TestGateway.start({ seed: `crash ${seed}` })
  const { sim } = test
  const shape = { latency: millis(4), jitter: millis(8) }
  sim.shapeLink('client', 'gateway', shape)
  sim.shapeLink('gateway', 'client', shape)
  const client = new FaithfulClient(test)
  void client.live()
  await sim.runFor(seconds(1))
  const started = sim.clock.now()
  const identity = test.crypto.ed25519PublicKey(CLIENT_SEED)
  const random = sim.random.stream('test')
  let gatewayLives = true
  for (let i = 0; i < MESSAGES; i++) {
    // In bursts: several share a ping and a commit.
    const atMs = Math.floor((random.uniform() * SPAN_MS) / 40) * 40 + random.uniform()
    sim.clock.after(millis(atMs), () => {
      if (gatewayLives) test.gateway.deliver(message(identity, i))
    })
  }
  for (const { kind, atMs, forMs } of faults) {
    sim.clock.after(millis(atMs), () => {
      if (kind === 'kill gateway') {
        test.crash()
        gatewayLives = false
        sim.clock.after(millis(forMs), () => {
          if (gatewayLives) return
          test.restartNow()
          gatewayLives = true
        })
      } else if (kind === 'kill client') {
        test.restartClient()
        void client.live()
      } else if (kind === 'cut') {
        sim.clock.after(millis(forMs), sim.partition(['client'], ['gateway']))
      } else {
        client.socket?.socket.destroy()
      }
    })
  }
  await sim.run(millis(started + SPAN_MS + 30_000))
  const { acked } = test
  assert.equal(new Set(acked).size, acked.length, 'an ack was released twice')
  const lost = acked.filter((number) => !client.received.has(number))
  assert.deepEqual(lost, [], 'acknowledged and lost')
  if (faults.length === 0) {
    assert.equal(acked.length, MESSAGES)
    assert.ok([...client.received.values()].every((times) => times === 1))
  }
  // Each interruption repeats at most what was under way.
  const repeats = [...client.received.values()].reduce((sum, times) => sum + times - 1, 0)
  assert.ok(repeats <= (faults.length + 1) * MESSAGES)
  await sim.complete(test.gateway.stop())
}

const fault: fc.Arbitrary<Fault> = fc.record({
  kind: fc.constantFrom('kill gateway', 'kill client', 'cut', 'hang up'),
  atMs: fc.double({ min: 0, max: SPAN_MS, noNaN: true }),
  forMs: fc.double({ min: 1, max: 3000, noNaN: true }),
})

describe('crash', () => {
  it('delivers everything exactly once where nothing goes wrong', () => survive(1, []))

  it('never loses an acknowledged message, whatever dies and when', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 1_000_000 }),
        fc.array(fault, { minLength: 1, maxLength: 6 }),
        survive,
      ),
      { numRuns: 60 },
    )
  })

  it('never loses one when the gateway dies between two events, wherever that is', async () => {
    // Every event of the life of three messages is a moment to die: before the push, the ping, the pong, the commit, the ack.
    for (const connected of [true, false]) {
      for (let steps = 0; steps < 60; steps++) {
        const test = await TestGateway.start({ seed: `steps ${steps}` })
        const client = await test.registered()
        if (!connected) client.socket.close()
        await test.sim.runFor(seconds(2))
        for (const number of [1, 2, 3]) test.gateway.deliver(message(client.identity, number))
        for (let i = 0; i < steps; i++) await test.sim.step()
        test.crash()
        const got = client.pushed.map(numberIn)
        await test.restart()
        await test.sim.runFor(seconds(2))
        const again = await test.connect()
        assert.match(await again.login(client.sharedKey as Secret), /"status":true/)
        await test.sim.runFor(seconds(1))
        const received = new Set([...got, ...client.pushed.map(numberIn), ...again.pushed.map(numberIn)])
        for (const number of test.acked) assert.ok(received.has(number), `message ${number} after ${steps} events`)
      }
    }
  })

  it('never loses a stored message when the gateway or the client dies while it is repeated', async () => {
    for (const dies of ['gateway', 'client'] as const) {
      for (let steps = 0; steps < 60; steps++) {
        const test = await TestGateway.start({ seed: `repeat ${steps}`, params: { inboxBatchMessages: 2 } })
        const client = await test.registered()
        client.socket.close()
        await test.sim.runFor(seconds(2))
        for (const number of [1, 2, 3, 4, 5]) test.gateway.deliver(message(client.identity, number))
        await test.sim.runFor(seconds(1))
        assert.equal(test.acked.length, 5)
        const second = await test.connect()
        const key = client.sharedKey as Secret
        void second.loginNow(key)
        for (let i = 0; i < steps; i++) await test.sim.step()
        test.sim.crash(dies)
        const got = second.pushed.map(numberIn)
        if (dies === 'gateway') await test.restart()
        else test.restartClient()
        await test.sim.runFor(seconds(2))
        const third = await test.connect()
        assert.match(await third.login(key), /"status":true/)
        await test.sim.runFor(seconds(1))
        const received = new Set([...got, ...second.pushed.map(numberIn), ...third.pushed.map(numberIn)])
        assert.deepEqual([...received].toSorted(), [1, 2, 3, 4, 5], `${dies} after ${steps} events`)
        assert.equal(test.count('gateway_inbox_bytes'), 0)
      }
    }
  })
})
