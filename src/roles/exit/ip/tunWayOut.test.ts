/** The end of a way out through a TUN device while one is opened; what it carries: src/app/node/tunForwarding.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { Meter, silentLog } from '../../../foundation/base/observe.ts'
import { nodeProvider } from '../../../foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../../../foundation/platform/node/nodeWorld.ts'
import type { TunDevice } from '../../../foundation/platform/tunDevice.ts'
import { encodeIpPacketRequest } from '../../../protocol/wire/exit/ipPacketRouter.ts'
import { DEFAULT_EXIT_RULES } from '../exitRules.ts'
import { BUILD, FakeClient } from '../support.test.ts'
import { IpPacketRouter } from './ipPacketRouter.ts'
import { DEFAULT_IP_ROUTER_PARAMS } from './ipRouterParams.ts'
import { openTun } from './tunWayOut.ts'

const DEVICE: TunDevice = {
  onPacket() {},
  ended: new Promise(() => {}),
  send: () => true,
  async close() {},
}

/** A machine whose kernel takes its time to forget connections: until it is closed. */
async function slowTun() {
  const asked = Promise.withResolvers<void>()
  const forgotten = Promise.withResolvers<void>()
  const wayOut = await openTun({
    machine: {
      mtu: 1500,
      openDevice: async () => DEVICE,
      forget() {
        asked.resolve()
        return forgotten.promise
      },
      async close() {
        forgotten.resolve()
      },
    },
    log: silentLog,
  })
  return { wayOut, asked: asked.promise, forgotten }
}

const IPS = { ipv4: Uint8Array.of(10, 0, 7, 7), ipv6: new Uint8Array(16) }
const OPTIONS = { ips: IPS, received: () => assert.fail(), lost: assert.fail }
const aborted = (error: unknown) => isMixnetError(error, 'ABORTED')

test('who gives up before or while it opens hears ABORTED', async () => {
  const { wayOut, asked, forgotten } = await slowTun()
  await assert.rejects(wayOut.open(OPTIONS, AbortSignal.abort()), aborted)
  const stopping = new AbortController()
  const opening = wayOut.open(OPTIONS, stopping.signal)
  await asked
  stopping.abort()
  forgotten.resolve()
  await assert.rejects(opening, aborted)
})

// What #connect throws nobody hears: it would end the process, and here the test.
test('an exit stops while a client connects', async () => {
  const { wayOut, asked } = await slowTun()
  const client = new FakeClient()
  const world = nodeWorld(nodeProvider)
  const router = IpPacketRouter.start(world, {
    client,
    wayOut,
    rules: DEFAULT_EXIT_RULES,
    params: DEFAULT_IP_ROUTER_PARAMS,
    build: BUILD,
    meter: new Meter(),
    log: silentLog,
  })
  const timestamp = { unixSeconds: Math.floor(world.clock.now() / 1000), nanoseconds: 0 }
  const connect = { kind: 'connect', requestId: 1n, timestamp, bufferTimeoutMs: undefined } as const
  client.deliver(encodeIpPacketRequest(8, connect), 'alice')
  await asked
  await router.stop()
  await new Promise(setImmediate)
  assert.equal(router.clientCount, 0)
})
