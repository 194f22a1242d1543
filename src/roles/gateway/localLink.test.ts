import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EntryLink } from '../../client/entryLink.ts'
import { REGULAR } from '../../protocol/packet/sizes.ts'
import { ackFor, after, message, numberIn, TestGateway } from './support.test.ts'

const range = (count: number): number[] => [...Array(count).keys()]

describe('local link', () => {
  function attach(link: EntryLink): { pushed: Uint8Array[]; events: string[] } {
    const seen = { pushed: [] as Uint8Array[], events: [] as string[] }
    link.attach({
      pushed: (plaintext) => void seen.pushed.push(plaintext),
      opened: () => void seen.events.push('opened'),
      lost: (error) => void seen.events.push(error.code),
    })
    return seen
  }

  it('gives an embedded client its messages, and the acks go out after them', async () => {
    const test = await TestGateway.start()
    const identity = new Uint8Array(32).fill(8)
    const link = test.gateway.localLink(identity)
    assert.throws(() => test.gateway.localLink(identity), { code: 'BAD_ARGUMENT' })
    assert.deepEqual(link.gateway, test.identity)
    test.gateway.deliver(message(identity, 1))
    await after(test.sim, 1)
    assert.deepEqual(test.acked, [])
    const seen = attach(link)
    test.gateway.deliver(message(identity, 2))
    test.gateway.deliver(ackFor(identity))
    await after(test.sim, 1)
    assert.deepEqual(
      seen.pushed.map((bytes) => bytes.length),
      [1643, 1643, 21],
    )
    assert.deepEqual(test.acked, [1, 2])
    const packet = new Uint8Array(REGULAR.totalBytes).fill(3)
    assert.equal(link.send({ rotation: 1, nextHop: { ip: '10.0.0.9', port: 1 }, packet }), true)
    assert.equal(numberIn(test.sent.at(-1)?.frame.packet as Uint8Array), 0x03030303)
    await link.close()
    assert.equal(link.send({ rotation: 1, nextHop: { ip: '10.0.0.9', port: 1 }, packet }), false)
    test.gateway.deliver(message(identity, 3))
    assert.equal(test.dropped('unknown-client'), 1)
    assert.deepEqual(seen.events, ['opened'])
  })

  it('is bounded, and is told when the gateway stops', async () => {
    const test = await TestGateway.start({ params: { localQueueCapacity: 10 } })
    const identity = new Uint8Array(32).fill(8)
    const seen = attach(test.gateway.localLink(identity))
    for (const i of range(15)) test.gateway.deliver(message(identity, i))
    await after(test.sim, 1)
    assert.deepEqual(test.acked, range(10))
    assert.equal(test.dropped('local-queue-full'), 5)
    await test.sim.complete(test.gateway.stop())
    assert.deepEqual(seen.events, ['opened', 'STOPPED'])
  })
})
