import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toHex } from '../foundation/base/bytes.ts'
import { seconds } from '../foundation/base/units.ts'
import { nullProvider } from '../foundation/crypto/nullProvider.ts'
import { HandClock } from '../foundation/platform/handClock.ts'
import { SimulatedRandom } from '../foundation/platform/simulated/simulatedRandom.ts'
import type { RepliableMessage } from '../protocol/packet/message.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'
import type { ReplySurb } from '../protocol/packet/replySurb.ts'
import { AnonymousSenders } from './anonymousSenders.ts'
import { DEFAULT_TRAFFIC } from './trafficParams.ts'

const EXIT: Recipient = {
  identity: new Uint8Array(32).fill(1),
  encryptionKey: new Uint8Array(32).fill(2),
  gateway: new Uint8Array(32).fill(3),
}

test('the next spare pseudonym is stocked at no moment that says whose it is', () => {
  const clock = new HandClock()
  const random = new SimulatedRandom('spares')
  const tags = new Set<string>()
  const senders = new AnonymousSenders({
    clock,
    crypto: nullProvider,
    random,
    params: DEFAULT_TRAFFIC.replies,
    createSurb: () => ({ encryptionKey: random.stream('key').bytes(16) }) as unknown as ReplySurb,
    backlog: () => 0,
    whenBacklogBelow: () => {},
    isQuiet: () => true,
    send: (_, { senderTag }: RepliableMessage) => tags.add(toHex(senderTag)),
  })
  /** Seconds from the beginning of a conversation until a tag is stocked that was not there. */
  const stockedAfter = (site: string): number => {
    const before = tags.size
    senders.hold(EXIT, site)
    for (let waited = 0; ; waited++) {
      if (tags.size > before) return waited
      clock.advance(seconds(1))
      senders.review()
      assert.ok(waited < 300)
    }
  }
  senders.keep(EXIT, 40)
  assert.equal(tags.size, 1)
  const waits = Array.from({ length: 20 }, (_, i) => stockedAfter(`site ${i}`))
  assert.ok(waits.every((wait) => wait > 0))
  assert.ok(new Set(waits).size > 5, waits.join())
  const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length
  assert.ok(mean > 5 && mean < 20, `${mean}`)
})
