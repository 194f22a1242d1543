import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { concat } from '../../foundation/base/bytes.ts'
import { millis } from '../../foundation/base/units.ts'
import { ACK, REGULAR } from '../../protocol/packet/sizes.ts'
import { ackFor, after, BIG, keyOf, message, numbers, TestGateway } from './support.test.ts'

const range = (count: number): number[] => [...Array(count).keys()]

describe('delivery', () => {
  it('pushes, and releases the ack only when a pong has confirmed it', async () => {
    const test = await TestGateway.start()
    const client = await test.registered()
    for (const i of range(3)) test.gateway.deliver(message(client.identity, i))
    assert.deepEqual(test.acked, [])
    await after(test.sim, 1.5)
    assert.deepEqual(numbers(client.pushed), [0, 1, 2])
    assert.equal(client.pushed[0]?.length, 1643)
    assert.deepEqual(test.acked, [])
    await after(test.sim, 1)
    assert.deepEqual(test.acked, [0, 1, 2])
    const [first] = test.sent
    assert.deepEqual(first?.nextHop, { ip: '10.1.1.1', port: 1789 })
    assert.equal(first?.frame.size, ACK)
    assert.equal(first?.frame.rotation, 2)
    assert.equal(test.count('gateway_unconfirmed_bytes'), 0)
    assert.equal(test.count('gateway_stored_total'), 0)
  })

  it('has one ping under way at most, and loses nothing that comes meanwhile', async () => {
    const test = await TestGateway.start()
    const client = await test.registered()
    for (const i of range(40)) {
      test.gateway.deliver(message(client.identity, i))
      await after(test.sim, 0.3)
    }
    await after(test.sim, 10)
    assert.deepEqual(numbers(client.pushed), range(40))
    assert.deepEqual(test.acked, range(40))
  })

  it('pushes acks at once, and never stores them', async () => {
    const test = await TestGateway.start()
    const client = await test.registered()
    test.gateway.deliver(ackFor(client.identity))
    await after(test.sim, 10)
    assert.equal(client.pushed[0]?.length, 21)
    client.socket.close()
    await after(test.sim, 10)
    test.gateway.deliver(ackFor(client.identity))
    assert.equal(test.dropped('ack-offline'), 1)
    assert.deepEqual(test.acked, [])
  })

  it('drops what is malformed, by reason, without an ack', async () => {
    const test = await TestGateway.start()
    const client = await test.registered()
    const good = message(client.identity, 1)
    test.gateway.deliver({ ...good, message: good.message.subarray(0, 2047) })
    test.gateway.deliver({ ...good, message: new Uint8Array(0) })
    test.gateway.deliver({ ...good, size: BIG })
    test.gateway.deliver({ ...ackFor(client.identity), message: new Uint8Array(20) })
    test.gateway.deliver({ ...good, message: concat(Uint8Array.of(7), good.message.subarray(1)) })
    await after(test.sim, 100)
    assert.equal(test.dropped('length'), 4)
    assert.equal(test.dropped('malformed'), 1)
    assert.deepEqual([test.acked, client.pushed], [[], []])
  })

  it('stores for clients that are away, and acknowledges once that is durable', async () => {
    const test = await TestGateway.start()
    const client = await test.registered()
    client.socket.close()
    await after(test.sim, 1100)
    for (const i of range(250)) test.gateway.deliver(message(client.identity, i, i % 50 === 0 ? BIG : REGULAR))
    assert.deepEqual(test.acked, [])
    await after(test.sim, 20)
    assert.deepEqual(test.acked, range(250))
    test.crash()
    await test.restart()
    const again = await test.connect()
    await again.login(keyOf(client))
    assert.match(again.texts[0] as string, /authenticate/)
    await after(test.sim, 100)
    assert.deepEqual(numbers(again.pushed), range(250))
    assert.equal(test.count('gateway_inbox_bytes'), 0)
    again.socket.close()
    await after(test.sim, 1100)
    const last = await test.connect()
    await last.login(keyOf(client))
    await after(test.sim, 100)
    assert.deepEqual(last.pushed, [])
    assert.deepEqual(test.acked, range(250))
  })

  it('does not keep anything for strangers, nor acknowledge it', async () => {
    const test = await TestGateway.start()
    test.gateway.deliver(message(new Uint8Array(32).fill(5), 1))
    await after(test.sim, 100)
    assert.deepEqual(test.acked, [])
    assert.equal(test.dropped('unknown-client'), 1)
  })

  it('stores what is not confirmed in a second, goes on to the inbox, and catches up', async () => {
    const test = await TestGateway.start()
    const client = await test.registered()
    const mend = test.sim.partition(['client'], ['gateway'])
    for (const i of range(3)) test.gateway.deliver(message(client.identity, i))
    await after(test.sim, 995)
    assert.deepEqual(test.acked, [])
    await after(test.sim, 20)
    assert.deepEqual(test.acked, [0, 1, 2])
    for (const i of [3, 4]) test.gateway.deliver(message(client.identity, i))
    await after(test.sim, 20)
    assert.deepEqual(test.acked, range(5))
    assert.equal(test.count('gateway_stored_total'), 5)
    mend()
    await after(test.sim, 3000)
    assert.deepEqual(numbers(client.pushed), range(5))
    assert.equal(test.count('gateway_inbox_bytes'), 0)
    test.gateway.deliver(message(client.identity, 5))
    await after(test.sim, 10)
    assert.deepEqual(test.acked, range(6))
    assert.equal(test.count('gateway_stored_total'), 5)
  })

  it('repeats at the next login what a lost connection left unconfirmed', async () => {
    const test = await TestGateway.start()
    const client = await test.registered()
    test.sim.shapeLink('gateway', 'client', { latency: millis(300) })
    for (const i of range(5)) test.gateway.deliver(message(client.identity, i))
    await after(test.sim, 100)
    client.socket.destroy()
    await after(test.sim, 1000)
    assert.deepEqual(test.acked, range(5))
    assert.deepEqual(client.pushed, [])
    const again = await test.connect()
    await again.login(keyOf(client))
    await after(test.sim, 1000)
    assert.deepEqual(numbers(again.pushed), range(5))
    assert.deepEqual(test.acked, range(5))
  })

  it('closes sessions that answer no ping for a minute', async () => {
    const test = await TestGateway.start()
    const client = await test.registered()
    client.socket.pause()
    test.gateway.deliver(message(client.identity, 1))
    await after(test.sim, 59_000)
    assert.equal(test.count('gateway_sessions'), 1)
    await after(test.sim, 4000)
    assert.equal(test.count('gateway_sessions'), 0)
    assert.equal(test.refused('stalled'), 1)
    assert.deepEqual(test.acked, [1])
  })

  it('finds dead connections of idle clients', async () => {
    const test = await TestGateway.start()
    const client = await test.registered()
    client.socket.pause()
    await after(test.sim, 11 * 60_000)
    assert.equal(test.refused('stalled'), 1)
    const second = await test.connect('second')
    await second.login(keyOf(client))
    await after(test.sim, 30 * 60_000)
    assert.equal(test.count('gateway_sessions'), 1)
  })

  it('bounds what a slow client costs in memory: the rest waits on disk', async () => {
    const maxUnconfirmedBytes = 100_000
    const test = await TestGateway.start({ params: { maxUnconfirmedBytes } })
    const client = await test.registered()
    test.sim.shapeLink('gateway', 'client', { latency: millis(200), bytesPerSecond: 200_000 })
    for (const i of range(500)) test.gateway.deliver(message(client.identity, i))
    assert.ok(test.count('gateway_unconfirmed_bytes') <= maxUnconfirmedBytes)
    for (let i = 0; i < 200; i++) {
      await after(test.sim, 100)
      assert.ok(test.count('gateway_unconfirmed_bytes') <= maxUnconfirmedBytes + 256 * 1024 + 33_000)
    }
    assert.deepEqual(
      test.acked.toSorted((a, b) => a - b),
      range(500),
    )
    assert.deepEqual(new Set(numbers(client.pushed)), new Set(range(500)))
    assert.equal(test.count('gateway_inbox_bytes'), 0)
  })

  it('closes the session of a client that reads nothing, with everything in the inbox', async () => {
    // More than the simulated window of 1 MiB and the bound together.
    const params = { closeAboveBufferedBytes: 100_000, maxUnconfirmedBytes: 4_000_000 }
    const test = await TestGateway.start({ params })
    const client = await test.registered()
    client.socket.pause()
    for (const i of range(900)) test.gateway.deliver(message(client.identity, i))
    await after(test.sim, 50)
    assert.equal(test.refused('slow'), 1)
    assert.deepEqual(
      test.acked.toSorted((a, b) => a - b),
      range(900),
    )
    await after(test.sim, 1000)
    const again = await test.connect()
    await again.login(keyOf(client))
    await after(test.sim, 100)
    assert.deepEqual(
      numbers(again.pushed).toSorted((a, b) => a - b),
      range(900),
    )
  })

  it('bounds the unconfirmed bytes of all sessions together', async () => {
    const test = await TestGateway.start({ params: { maxUnconfirmedTotalBytes: 20_000 } })
    const clients = []
    for (const i of range(5)) clients.push(await test.registered('client', new Uint8Array(32).fill(30 + i)))
    for (const client of clients) for (const i of range(10)) test.gateway.deliver(message(client.identity, i))
    assert.ok(test.count('gateway_unconfirmed_bytes') <= 20_000)
    await after(test.sim, 1000)
    for (const client of clients)
      assert.deepEqual(
        numbers(client.pushed).toSorted((a, b) => a - b),
        range(10),
      )
    assert.equal(test.acked.length, 50)
  })
})
