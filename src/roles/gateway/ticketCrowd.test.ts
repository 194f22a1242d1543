/** Many paying clients at one gateway that keeps dying. @module */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { millis } from '../../foundation/base/units.ts'
import { sleep } from '../../foundation/platform/clock.ts'
import { ScriptedClient } from './scriptedClient.test.ts'
import { type Book, Mint, TicketTest } from './ticketSupport.test.ts'

const CLIENTS = 200
const PACKETS = 100
const PACKET = 2413
/** 200,000 bytes: 82 packets. */
const SCALE = 0.001
const TICKET = 200_000
/** A client gives the next ticket before it has less than this. */
const LOW = 40_000

/** Sends so many packets, one at a time, each of them once it is paid for; comes back whenever its connection is gone. */
async function payingClient(test: TicketTest, seed: number, book: Book) {
  const world = test.gate.world('client')
  const told = { sent: 0, cutOff: 0, tickets: 0 }
  let client: ScriptedClient | undefined
  let key: ScriptedClient['sharedKey']
  let number = 0
  const numberIn = (text: string, name: string) => Number(new RegExp(`"${name}":(-?\\d+)`).exec(text)?.[1] ?? 'x')
  const session = async () => {
    client = await ScriptedClient.connect(test.gate, world, new Uint8Array(32).fill(seed))
    const hello = key === undefined ? await client.registerNow() : await client.loginNow(key)
    if (!/"status":true/.test(hello)) return client.socket.destroy()
    key = client.sharedKey
    let left = key === undefined || /register/.test(hello) ? 0 : numberIn(hello, 'bandwidth_remaining')
    while (told.sent < PACKETS) {
      if (left < LOW) {
        client.say(test.request(client, await book.ticket(test.paying(), number)))
        const answer = await client.nextText()
        if (answer === 'closed') return
        if (/ticket_replay/.test(answer)) number++
        else {
          assert.match(answer, /"type":"bandwidth"/)
          left = numberIn(answer, 'available_total')
          number++
        }
        continue
      }
      client.forward(seed)
      const answer = await client.nextText()
      if (answer === 'closed') return
      if (/out_of_bandwidth/.test(answer)) told.cutOff++
      else told.sent++
      left = numberIn(answer, 'remaining_bandwidth')
      await sleep(world.clock, millis(40))
    }
    client.socket.close()
  }
  while (told.sent < PACKETS) {
    await session().catch((error: unknown) => {
      if (error instanceof assert.AssertionError) throw error
    })
    await sleep(world.clock, millis(1100))
  }
  told.tickets = number
  return told
}

it('cuts nobody off who has tickets, gives nobody bytes without one, and counts to the unit', async () => {
  const test = await TicketTest.start({
    mint: await Mint.open(),
    seed: 'crowd',
    params: { ticketScale: SCALE, redeemFrom: 50 },
  })
  const { sim } = test.gate
  const books: Book[] = []
  for (let i = 0; i < CLIENTS; i++) books.push(await test.mint.book())
  const random = sim.random.stream('crowd')
  for (let at = 3000; at < 30_000; at += 4000) {
    sim.clock.after(millis(at + random.uniform() * 2000), () => {
      test.gate.crash()
      sim.clock.after(millis(300), () => test.gate.restartNow())
    })
  }
  const clients = Promise.all(books.map((book, i) => payingClient(test, i + 1, book)))
  const told = await sim.complete(clients, millis(600_000))
  await test.runFor(30 * 60_000)
  assert.deepEqual(
    told.filter(({ cutOff }) => cutOff > 0),
    [],
  )
  const spent = told.reduce((sum, { tickets }) => sum + tickets, 0)
  assert.equal(test.tickets('accepted'), spent)
  assert.equal(test.bytes('accepted'), spent * TICKET)
  assert.equal(test.tickets('verified'), spent)
  assert.equal(test.tickets('rejected') + test.tickets('lapsed'), 0)
  assert.ok(test.tickets('redeemed') > 0)
  // Every packet that went into the mixnet was paid for, but for what crashes gave back: a second's use each.
  const bytes = test.gate.sent.length * PACKET
  assert.ok(bytes >= CLIENTS * PACKETS * PACKET)
  assert.ok(bytes <= spent * TICKET + 7 * CLIENTS * 60 * PACKET, `${bytes} of ${spent * TICKET}`)
})
