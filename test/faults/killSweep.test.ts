/** `kill -9` of gateways at random instants under load: what was acknowledged arrives, once. @module */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { type Millis, millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { FaultyNetwork, numbered, type TestClient, withEachSeed } from './support.test.ts'

const MESSAGES = 120
const LOAD = seconds(15)
const SEEDS = [1, 2, 3, 4]

/** Sends a message at each of so many moments drawn from the time of load. */
function load(network: FaultyNetwork, sender: TestClient, receiver: TestClient): Promise<unknown> {
  const { clock } = network.simulation
  const sends = Array.from({ length: MESSAGES }, async (_, number) => {
    await new Promise<void>((resolve) => {
      clock.after(network.between('load', millis(0), LOAD), resolve)
    })
    await sender.mixnet.client.send({ to: receiver.mixnet.address, data: numbered(number), anonymous: false })
  })
  return Promise.all(sends)
}

/** The gateway dies several times, each at an instant of its own between any two events. */
function killAtRandom(network: FaultyNetwork, gateway: string): void {
  let at = 0
  for (;;) {
    at += network.between(`kill ${gateway}`, millis(200), seconds(6))
    if (at > LOAD) return
    const away = network.between(`kill ${gateway}`, millis(20), seconds(2))
    network.simulation.clock.after(millis(at), () => network.interrupt(gateway, away))
    at += away
  }
}

async function everythingArrives(
  network: FaultyNetwork,
  sender: TestClient,
  receiver: TestClient,
  sending: Promise<unknown>,
): Promise<void> {
  await network.complete(sending, minutes(2))
  // An ack says that the message is with its recipient or stored for it: so when all are acknowledged, all arrive.
  await network.runUntil(() => sender.counter('client_acked_total') === MESSAGES, minutes(2))
  await network.runUntil(() => receiver.arrivals.size === MESSAGES, seconds(40))
  await network.simulation.runFor(seconds(10))
  const repeated = [...receiver.arrivals].filter(([, times]) => times !== 1)
  assert.deepEqual(repeated, [], 'arrived more than once')
  assert.equal(sender.counter('client_given_up_total'), 0)
}

describe('kill -9 of a gateway under load', () => {
  withEachSeed("the recipient's", SEEDS, async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const [sender, receiver] = [await network.client('sender', 'plover'), await network.client('receiver', 'tern')]
    killAtRandom(network, 'tern')
    await everythingArrives(network, sender, receiver, load(network, sender, receiver))
    assert.ok(receiver.events.length > 1)
  })

  withEachSeed('that of either side', SEEDS.slice(0, 2), async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const [sender, receiver] = [await network.client('sender', 'plover'), await network.client('receiver', 'tern')]
    killAtRandom(network, 'tern')
    killAtRandom(network, 'plover')
    await everythingArrives(network, sender, receiver, load(network, sender, receiver))
  })

  withEachSeed("the recipient's, while the recipient comes and goes", SEEDS.slice(0, 2), async (seed) => {
    const network = await FaultyNetwork.start(seed)
    const [sender, receiver] = [await network.client('sender', 'plover'), await network.client('receiver', 'tern')]
    killAtRandom(network, 'tern')
    const { clock } = network.simulation
    const cut = (at: Millis, length: Millis) =>
      clock.after(at, () => clock.after(length, network.simulation.partition(['receiver'], ['tern'])))
    for (const at of [2, 6, 10]) cut(seconds(at), network.between('cut', millis(100), seconds(3)))
    await everythingArrives(network, sender, receiver, load(network, sender, receiver))
  })
})
