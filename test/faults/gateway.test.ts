import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { FaultyNetwork, numbered, withEachSeed } from './support.test.ts'

describe('gateway', () => {
  withEachSeed('killed and started again: clients come back, messages arrive once', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const [sender, receiver] = [await network.client('sender', 'plover'), await network.client('receiver', 'tern')]
    const send = (first: number, count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, i) =>
          sender.mixnet.client.send({ to: receiver.mixnet.address, data: numbered(first + i), anonymous: false }),
        ),
      )
    await network.complete(send(0, 20), seconds(30))
    await network.simulation.runFor(millis(300))
    network.interrupt('tern', seconds(5))
    await network.complete(send(20, 20), seconds(30))
    await network.runUntil(() => receiver.arrivals.size === 40, minutes(1))
    await network.runUntil(() => sender.counter('client_acked_total') === 40, minutes(1))
    assert.ok([...receiver.arrivals.values()].every((times) => times === 1))
    assert.deepEqual(receiver.events, ['connecting', 'open', 'lost', 'open'])
    assert.equal(network.gatewayOf(receiver), 'tern')
  })
  withEachSeed('killed while messages are stored', [1], async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const [sender, receiver] = [await network.client('sender', 'plover'), await network.client('receiver', 'tern')]
    const mend = network.simulation.partition(['receiver'], ['tern'])
    for (let i = 0; i < 30; i++)
      await network.complete(
        sender.mixnet.client.send({ to: receiver.mixnet.address, data: numbered(i), anonymous: false }),
        seconds(10),
      )
    await network.runUntil(() => sender.counter('client_acked_total') === 30, minutes(1))
    assert.equal(receiver.received.length, 0)
    network.interrupt('tern', seconds(3))
    await network.simulation.runFor(seconds(10))
    mend()
    await network.runUntil(() => receiver.arrivals.size === 30, minutes(2))
    await network.simulation.runFor(seconds(30))
    assert.ok([...receiver.arrivals.values()].every((times) => times === 1))
    assert.equal(network.counter('tern', 'gateway_inbox_bytes'), 0)
  })
})
