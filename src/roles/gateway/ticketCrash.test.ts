/** Whatever dies and when, no ticket is lost and none is credited twice. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Secret } from '../../foundation/base/secret.ts'
import { millis } from '../../foundation/base/units.ts'
import type { Database } from '../../foundation/platform/database.ts'
import type { World } from '../../foundation/platform/world.ts'
import { parseControlResponse } from '../../protocol/wire/gateway/control.ts'
import type { Ticket } from '../../protocol/wire/gateway/ticket.ts'
import type { ScriptedClient } from './scriptedClient.test.ts'
import { CLIENT_SEED, keyOf } from './support.test.ts'
import { balance, ENTRY, Mint, REPLAY, refusal, TicketTest } from './ticketSupport.test.ts'

const mint = await Mint.open()
const SEEDS = [CLIENT_SEED, new Uint8Array(32).fill(9)]
const HOSTS = ['client', 'second']
const PACKET = 2413

/** Logs a client in with the key it has, and says what it may send. */
async function login(test: TicketTest, who: number, key: Secret): Promise<{ client: ScriptedClient; bytes: number }> {
  // Logins are of different seconds.
  await test.runFor(1500)
  const client = await test.gate.connect(HOSTS[who], SEEDS[who])
  const answer = parseControlResponse(await client.login(key))
  assert.ok(answer.type === 'authenticate', JSON.stringify(answer))
  return { client, bytes: answer.bandwidthRemaining }
}

type Action =
  | { readonly kind: 'new' | 'hang up' | 'forward'; readonly who: number }
  | { readonly kind: 'again'; readonly who: number; readonly which: number }
  | { readonly kind: 'steps' | 'wait'; readonly count: number }
  | { readonly kind: 'kill' }

const who = fc.nat(1)
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ kind: fc.constantFrom('new', 'new', 'new', 'hang up', 'forward'), who }),
  fc.record({ kind: fc.constant('again'), who, which: fc.nat(20) }),
  fc.record({ kind: fc.constant('steps'), count: fc.nat(12) }),
  fc.record({ kind: fc.constant('wait'), count: fc.nat(1200) }),
  fc.constant({ kind: 'kill' }),
)

async function survive(seed: number, actions: readonly Action[]): Promise<void> {
  const test = await TicketTest.start({ mint, seed: `tickets ${seed}` })
  const clients = [await test.gate.registered(HOSTS[0], SEEDS[0]), await test.gate.registered(HOSTS[1], SEEDS[1])]
  const keys = clients.map(keyOf)
  const book = await mint.book()
  const given: Ticket[] = []
  let forwarded = 0
  for (const one of actions) {
    if (one.kind === 'new') {
      const ticket = await book.ticket(test.paying())
      given.push(ticket)
      clients[one.who]?.say(test.request(clients[one.who] as ScriptedClient, ticket))
    } else if (one.kind === 'again') {
      const ticket = given[one.which % Math.max(1, given.length)]
      if (ticket !== undefined) clients[one.who]?.say(test.request(clients[one.who] as ScriptedClient, ticket))
    } else if (one.kind === 'hang up') {
      clients[one.who]?.socket.destroy()
      clients[one.who] = (await login(test, one.who, keys[one.who] as Secret)).client
    } else if (one.kind === 'forward') {
      clients[one.who]?.forward(1)
      forwarded++
    } else if (one.kind === 'steps') {
      for (let i = 0; i < one.count; i++) await test.gate.sim.step()
    } else if (one.kind === 'wait') {
      await test.runFor(one.count)
    } else {
      test.gate.crash()
      await test.gate.restart()
      for (const i of [0, 1]) clients[i] = (await login(test, i, keys[i] as Secret)).client
    }
  }
  await test.runFor(2000)
  test.gate.crash()
  await test.gate.restart()
  const sums = [await login(test, 0, keys[0] as Secret), await login(test, 1, keys[1] as Secret)]
  const left = sums.reduce((sum, { bytes }) => sum + bytes, 0)
  const accepted = test.tickets('accepted')
  assert.ok(accepted <= given.length)
  assert.equal(test.bytes('accepted'), accepted * ENTRY)
  // What was used is what is missing, and no more; a crash gives back what was used just before.
  assert.ok(left <= accepted * ENTRY, `${left} of ${accepted} tickets`)
  assert.ok(left >= accepted * ENTRY - forwarded * PACKET, `${left} of ${accepted} tickets`)
  assert.equal((accepted * ENTRY - left) % PACKET, 0)
  // Each that was never accepted still is good, and each that was is not.
  let more = 0
  for (const [number] of given.entries()) {
    const fresh = await book.ticket(test.paying(), number)
    const answer = await test.give(sums[0]?.client as ScriptedClient, fresh)
    if (answer !== REPLAY) more++
  }
  assert.equal(accepted + more, given.length)
  assert.equal(test.bytes('accepted'), given.length * ENTRY)
}

/** A world whose commits fail while `failing.now`. */
const failingWorld =
  (failing: { now: boolean }) =>
  (world: World): World => ({
    ...world,
    databases: {
      open(path) {
        const database = world.databases.open(path)
        const failingOnes: Database = {
          exec: (sql) => database.exec(sql),
          prepare: (sql) => database.prepare(sql),
          transaction: (run) =>
            database.transaction(() => {
              const result = run()
              if (failing.now) throw new Error('the disk is full')
              return result
            }),
          close: () => database.close(),
        }
        return failingOnes
      },
    },
  })

describe('tickets and crashes', () => {
  it('lose no ticket and credit none twice, between any two events', async () => {
    let before = 0
    let after = 0
    for (let steps = 0; steps < 40; steps++) {
      const test = await TicketTest.start({ mint, seed: `ticket steps ${steps}` })
      const client = await test.gate.registered()
      const book = await mint.book()
      const ticket = await book.ticket(test.paying())
      client.say(test.request(client, ticket))
      for (let i = 0; i < steps; i++) await test.gate.sim.step()
      const answered = client.texts.at(-1) === balance(ENTRY)
      test.gate.crash()
      await test.gate.restart()
      const again = await login(test, 0, keyOf(client))
      assert.ok(again.bytes === 0 || again.bytes === ENTRY)
      if (answered) assert.equal(again.bytes, ENTRY)
      if (again.bytes === 0) before++
      else after++
      const answer = await test.give(again.client, ticket)
      assert.equal(answer, again.bytes === 0 ? balance(ENTRY) : REPLAY, `after ${steps} events`)
      assert.deepEqual([test.tickets('accepted'), test.bytes('accepted')], [1, ENTRY])
    }
    assert.ok(before > 2 && after > 2, `${before} before the commit, ${after} after it`)
  })

  it('agree to the byte after anything', async () => {
    await fc.assert(fc.asyncProperty(fc.nat(1_000_000), fc.array(action, { minLength: 3, maxLength: 25 }), survive), {
      numRuns: 40,
    })
  })

  it('keep a ticket whose commit fails: it is not spent, and credits nothing', async () => {
    const failing = { now: false }
    const test = await TicketTest.start({ mint, world: failingWorld(failing) })
    const client = await test.gate.registered()
    const book = await mint.book()
    const ticket = await book.ticket(test.paying())
    failing.now = true
    assert.equal(await test.give(client, ticket), refusal('Internal gateway storage error'))
    client.forward(1)
    assert.match(await client.next(), /"available":0/)
    failing.now = false
    assert.equal(await test.give(client, ticket), balance(ENTRY))
    assert.deepEqual([test.tickets('accepted'), test.bytes('accepted')], [1, ENTRY])
  })

  it('are not undone by a balance that is written down in the same commit, nor undo it', async () => {
    for (let lead = 0; lead < 12; lead++) {
      const params = { balanceFlushAfter: millis(5), commitInterval: millis(40) }
      const test = await TicketTest.start({ mint, seed: `flush ${lead}`, params })
      const client = await test.gate.registered()
      const book = await mint.book()
      assert.equal(await test.give(client, await book.ticket(test.paying())), balance(ENTRY))
      for (let i = 0; i < 5; i++) client.forward(i)
      await test.runFor(lead)
      // It waits for the commit; the balance is written down behind it or before it.
      client.say(test.request(client, await book.ticket(test.paying())))
      for (let i = 0; i < 6; i++) await client.next()
      test.gate.crash()
      await test.gate.restart()
      const { bytes } = await login(test, 0, keyOf(client))
      assert.equal(bytes, 2 * ENTRY - 5 * PACKET, `${lead} ms`)
    }
  })
})
