import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hours } from '../../foundation/base/units.ts'
import { after, keyOf, message, numbers, TestGateway } from './support.test.ts'

const range = (count: number): number[] => [...Array(count).keys()]

describe('store', () => {
  it('bounds inboxes, for each client and in all: what does not fit is not acknowledged', async () => {
    const params = { maxInboxBytesPerClient: 5 * 1643, maxInboxBytes: 8 * 1643 }
    const test = await TestGateway.start({ params })
    const one = await test.registered('client')
    const two = await test.registered('second', new Uint8Array(32).fill(9))
    one.socket.close()
    two.socket.close()
    await after(test.sim, 100)
    for (const i of range(7)) test.gateway.deliver(message(one.identity, i))
    for (const i of range(4)) test.gateway.deliver(message(two.identity, 10 + i))
    await after(test.sim, 100)
    assert.deepEqual(test.acked, [0, 1, 2, 3, 4, 10, 11, 12])
    assert.equal(test.dropped('client-inbox-full'), 2)
    assert.equal(test.dropped('inbox-full'), 1)
    test.crash()
    await test.restart()
    test.gateway.deliver(message(two.identity, 20))
    await after(test.sim, 100)
    assert.equal(test.dropped('inbox-full'), 1)
  })

  it('forgets stored messages after a day, and clients after their time', async () => {
    const test = await TestGateway.start({ params: { clientRetention: hours(48), purgeBatch: 10 } })
    const client = await test.registered()
    client.socket.close()
    await after(test.sim, 1100)
    for (const i of range(35)) test.gateway.deliver(message(client.identity, i))
    await after(test.sim, 23 * 3_600_000)
    for (const i of [35, 36]) test.gateway.deliver(message(client.identity, i))
    await after(test.sim, 2 * 3_600_000)
    assert.equal(test.count('gateway_inbox_bytes'), 2 * 1643)
    const again = await test.connect()
    await again.login(keyOf(client))
    await after(test.sim, 100)
    assert.deepEqual(numbers(again.pushed), [35, 36])
    await after(test.sim, 100 * 3_600_000)
    assert.equal(test.count('gateway_clients'), 1)
    again.socket.close()
    await after(test.sim, 50 * 3_600_000)
    assert.equal(test.count('gateway_clients'), 0)
  })

  it('acknowledges nothing where the disk fails, and goes on when it is back', async () => {
    let failing = false
    const test = await TestGateway.start({
      world: (world) => ({
        ...world,
        databases: {
          open(path) {
            const database = world.databases.open(path)
            return {
              exec: (sql) => database.exec(sql),
              prepare: (sql) => database.prepare(sql),
              close: () => database.close(),
              transaction: (run) =>
                database.transaction(() => {
                  const result = run()
                  if (failing) throw new Error('disk full')
                  return result
                }),
            }
          },
        },
      }),
    })
    const client = await test.registered()
    failing = true
    const mend = test.sim.partition(['client'], ['gateway'])
    test.gateway.deliver(message(client.identity, 1))
    await after(test.sim, 1100)
    test.gateway.deliver(message(client.identity, 2))
    await after(test.sim, 100)
    assert.deepEqual(test.acked, [])
    assert.equal(test.dropped('storage'), 2)
    assert.equal(test.count('gateway_inbox_bytes'), 0)
    mend()
    failing = false
    await after(test.sim, 3000)
    test.gateway.deliver(message(client.identity, 3))
    await after(test.sim, 100)
    assert.deepEqual(test.acked, [3])
    assert.ok(test.count('gateway_storage_failures_total') >= 2)
  })
})
