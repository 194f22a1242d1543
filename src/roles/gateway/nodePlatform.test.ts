import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { sleep, withDeadline } from '../../foundation/platform/clock.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'
import { ACK } from '../../protocol/packet/sizes.ts'
import { Gateway } from './gateway.ts'
import { type Conductor, ScriptedClient } from './scriptedClient.test.ts'
import { CLIENT_SEED, GATEWAY_SEED, message, numberIn, numbers } from './support.test.ts'

const world = nodeWorld(nodeProvider)
const range = (count: number): number[] => [...Array(count).keys()]

it('serves a client over real sockets, from a real disk', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'gateway-'))
  context.after(() => rm(folder, { recursive: true, force: true }))
  const acked: number[] = []
  const forwarded: number[] = []
  const start = async () => {
    const gateway = new Gateway({
      world,
      identitySeed: new Secret(GATEWAY_SEED),
      forward: (_nextHop, { size, packet }) => void (size === ACK ? acked : forwarded).push(numberIn(packet)),
      folder,
      meter: new Meter(),
      log: silentLog,
    })
    context.after(() => gateway.stop())
    const { endpoint } = await gateway.listen({ host: '127.0.0.1', port: 0 })
    const conductor: Conductor = {
      crypto: nodeProvider,
      endpoint,
      identity: gateway.identity,
      complete: (work) => withDeadline(world.clock, seconds(10), 'the gateway', work),
    }
    return { gateway, conductor }
  }
  const until = async (condition: () => boolean) => {
    for (let i = 0; i < 1000 && !condition(); i++) await sleep(world.clock, millis(10))
    assert.ok(condition())
  }

  const first = await start()
  const client = await ScriptedClient.connect(first.conductor, world, CLIENT_SEED)
  assert.match(await client.register(), /"register"/)
  assert.match(await client.ask({ type: 'claimFreeTestnetBandwidth' }), /68719476736/)
  for (const i of range(300)) client.forward(i)
  for (const i of range(300)) first.gateway.deliver(message(client.identity, i))
  await until(
    () => acked.length === 300 && client.texts.filter((text) => text.startsWith('{"type":"send"')).length === 300,
  )
  assert.deepEqual(numbers(client.pushed), range(300))
  assert.deepEqual(forwarded, range(300))
  client.socket.destroy()
  await until(() => client.closed)
  for (const i of range(50)) first.gateway.deliver(message(client.identity, 1000 + i))
  await until(() => acked.length === 350)
  await first.gateway.stop()

  const second = await start()
  await sleep(world.clock, millis(1000 - (world.clock.now() % 1000)))
  const again = await ScriptedClient.connect(second.conductor, world, CLIENT_SEED)
  const remaining = 68_719_476_736 - 300 * 2413
  assert.match(await again.login(client.sharedKey as Secret), new RegExp(`"bandwidth_remaining":${remaining},`))
  await until(() => again.pushed.length === 50)
  assert.deepEqual(
    numbers(again.pushed),
    range(50).map((i) => 1000 + i),
  )
  again.socket.close()
  await second.gateway.stop()
})
