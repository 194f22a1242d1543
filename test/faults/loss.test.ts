/** Networks that lose packets between any two nodes: a packet passes four such links, and so does its ack. @module */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { minutes } from '../../src/foundation/base/units.ts'
import { EXIT, FaultyNetwork, numbered, withEachSeed } from './support.test.ts'

const MESSAGES = 50

describe('packet loss', () => {
  for (const { percent, bytes } of [
    { percent: 1, bytes: 5_000_000 },
    { percent: 5, bytes: 1_000_000 },
    { percent: 20, bytes: 200_000 },
  ]) {
    withEachSeed(`of ${percent} %: downloads complete`, [1], async (seed) => {
      const network = await FaultyNetwork.start(seed, { loss: percent / 100 })
      const client = await network.anonymousClient('client', 'tern')
      await network.complete(network.download(client, bytes), minutes(5))
      assert.ok(network.counter(EXIT, 'client_retransmitted_total') > 0)
    })

    withEachSeed(`of ${percent} %: messages arrive once`, [1], async (seed) => {
      const network = await FaultyNetwork.start(seed, { loss: percent / 100 })
      const [sender, receiver] = [await network.client('sender', 'plover'), await network.client('receiver', 'tern')]
      for (let number = 0; number < MESSAGES; number++) {
        const message = { to: receiver.mixnet.address, data: numbered(number), anonymous: false }
        await network.complete(sender.mixnet.client.send(message), minutes(1))
      }
      await network.runUntil(() => sender.counter('client_acked_total') === MESSAGES, minutes(3))
      assert.equal(receiver.arrivals.size, MESSAGES)
      assert.ok([...receiver.arrivals.values()].every((times) => times === 1))
    })
  }
})
