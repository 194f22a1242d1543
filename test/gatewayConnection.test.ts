/** The client's connection against the real gateway role: simulated for faults, and once over sockets. */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { EntryLink } from '../src/client/entryLink.ts'
import { GatewayConnection } from '../src/client/gatewayConnection.ts'
import { SharedKeys } from '../src/client/sharedKeys.ts'
import { Meter, silentLog } from '../src/foundation/base/observe.ts'
import { Secret } from '../src/foundation/base/secret.ts'
import { minutes, seconds } from '../src/foundation/base/units.ts'
import { nodeProvider } from '../src/foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../src/foundation/platform/node/nodeWorld.ts'
import { Simulation } from '../src/foundation/platform/simulated/simulation.ts'
import type { World } from '../src/foundation/platform/world.ts'
import { ACK, ACK_BYTES, REGULAR } from '../src/protocol/packet/sizes.ts'
import type { MixPacket } from '../src/protocol/wire/mixPacket.ts'
import { Gateway } from '../src/roles/gateway/gateway.ts'
import { DEFAULT_GATEWAY_PARAMS, type GatewayParams } from '../src/roles/gateway/gatewayParams.ts'

const GATEWAY_SEED = new Secret(new Uint8Array(32).fill(1))
const CLIENT_SEED = new Secret(new Uint8Array(32).fill(2))
const CLIENT = nodeProvider.ed25519PublicKey(CLIENT_SEED.expose())
const GATEWAY = nodeProvider.ed25519PublicKey(GATEWAY_SEED.expose())
const PACKET: MixPacket = {
  rotation: 1,
  nextHop: { ip: '10.0.0.9', port: 1789 },
  packet: new Uint8Array(REGULAR.totalBytes),
}

function newGateway(world: World, folder: string, params: Partial<GatewayParams> = {}) {
  const forwarded: number[] = []
  const gateway = new Gateway({
    world,
    identitySeed: GATEWAY_SEED,
    forward: (_nextHop, { rotation }) => forwarded.push(rotation),
    folder,
    params: { ...DEFAULT_GATEWAY_PARAMS, ...params },
    meter: new Meter(),
    log: silentLog,
  })
  const pushAck = () => {
    const message = new Uint8Array(ACK_BYTES).fill(3)
    gateway.deliver({ destination: CLIENT, message, size: ACK, rotation: 1 })
  }
  return { gateway, forwarded, pushAck }
}

function newLink(world: World, folder: string, url: string) {
  return new GatewayConnection(world, {
    gateway: GATEWAY,
    urls: () => [url],
    identitySeed: CLIENT_SEED,
    sharedKeys: new SharedKeys({ files: world.files, folder, log: silentLog }),
    meter: new Meter(),
    log: silentLog,
  })
}

/** Attaches; `next` resolves with the next event. */
function watch(link: EntryLink) {
  const events: string[] = []
  let wake: () => void = () => {}
  const happened = (event: string) => {
    events.push(event)
    wake()
  }
  link.attach({
    opened: () => happened('opened'),
    lost: (error) => happened(error.code),
    pushed: (plaintext) => happened(`pushed ${plaintext.length}`),
  })
  const next = async (): Promise<string> => {
    if (events.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    return events.shift() as string
  }
  return { events, next }
}

async function simulate(params: Partial<GatewayParams> = {}) {
  const sim = new Simulation({ seed: 'gateway connection', crypto: nodeProvider })
  sim.host('gateway', { ips: ['10.0.1.1'] })
  const client = sim.host('client', { ips: ['10.0.2.1'] })
  const start = async (folder = '/gateway') => {
    const started = newGateway(sim.restart('gateway'), folder, params)
    await sim.complete(started.gateway.listen({ host: '0.0.0.0', port: 9000 }))
    return started
  }
  const connect = (world = client) => newLink(world, '/client', 'ws://gateway:9000/')
  return { sim, start, connect }
}

describe('a client and the real gateway', () => {
  it('register, exchange packets, and meet again in the same second', async () => {
    const { sim, start, connect } = await simulate()
    const { forwarded, pushAck } = await start()
    for (let run = 0; run < 3; run++) {
      const link = connect(sim.restart('client'))
      const { events } = watch(link)
      await sim.runFor(seconds(0.1))
      assert.deepEqual(events, ['opened'])
      assert.equal(link.send(PACKET), true)
      pushAck()
      await sim.runFor(seconds(0.1))
      assert.deepEqual(events, ['opened', `pushed ${ACK_BYTES}`])
      await sim.complete(link.close())
      await sim.runFor(seconds(0.01))
    }
    assert.deepEqual(forwarded, [1, 1, 1])
  })

  it('meet again after either was killed, with all its memory or none', async () => {
    const { sim, start, connect } = await simulate()
    await start()
    const { events } = watch(connect())
    await sim.runFor(seconds(15))
    await start()
    await sim.runFor(seconds(15))
    assert.deepEqual(events.splice(0), ['opened', 'GATEWAY_LOST', 'opened'])
    await start('/gateway-without-memory')
    await sim.runFor(seconds(15))
    assert.deepEqual(events.splice(0), ['GATEWAY_LOST', 'opened'])
    const again = watch(connect(sim.restart('client')))
    await sim.runFor(seconds(15))
    assert.deepEqual(again.events, ['opened'])
  })

  it('stay connected through an idle hour, and part within seconds when the network does', async () => {
    const { sim, start, connect } = await simulate()
    await start()
    const link = connect()
    const { events } = watch(link)
    await sim.runFor(minutes(60))
    assert.deepEqual(events, ['opened'])
    const mend = sim.partition(['client'], ['gateway'])
    link.send(PACKET)
    await sim.runFor(seconds(25))
    assert.deepEqual(events, ['opened', 'GATEWAY_LOST'])
    mend()
    await sim.runFor(seconds(40))
    assert.deepEqual(events, ['opened', 'GATEWAY_LOST', 'opened'])
  })

  it('go on over midnight, when free bandwidth ends', async () => {
    const { sim, start, connect } = await simulate()
    const { forwarded } = await start()
    const link = connect()
    const { events } = watch(link)
    await sim.runFor(minutes(24 * 60 + 1))
    // The first is refused for want of bandwidth and brings about the claim.
    assert.equal(link.send(PACKET), true)
    await sim.runFor(seconds(0.1))
    assert.equal(link.send(PACKET), true)
    await sim.runFor(seconds(0.1))
    assert.deepEqual(forwarded, [1])
    assert.deepEqual(events, ['opened'])
  })

  it('do not meet where the gateway takes only tickets', async () => {
    const { sim, start, connect } = await simulate({ freeBandwidth: false })
    await start()
    const link = connect()
    const { events } = watch(link)
    await sim.runFor(minutes(5))
    assert.deepEqual(events, [])
    await sim.complete(link.close(), seconds(1))
  })

  it('do all this over real sockets, with the key in a file of its own', { timeout: 10_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'starling-entry-'))
    const world = nodeWorld(nodeProvider)
    const { gateway, pushAck } = newGateway(world, join(folder, 'gateway'))
    try {
      const { endpoint } = await gateway.listen({ host: '127.0.0.1', port: 0 })
      for (let run = 0; run < 2; run++) {
        const link = newLink(world, join(folder, 'client'), `ws://127.0.0.1:${endpoint.port}/`)
        const { next } = watch(link)
        assert.equal(await next(), 'opened')
        assert.equal(link.send(PACKET), true)
        pushAck()
        assert.equal(await next(), `pushed ${ACK_BYTES}`)
        await link.close()
      }
      const [name = ''] = await readdir(join(folder, 'client'))
      assert.equal((await stat(join(folder, 'client', name))).mode & 0o777, 0o600)
      const link = newLink(world, join(folder, 'client'), `ws://127.0.0.1:${endpoint.port}/`)
      const { next } = watch(link)
      assert.equal(await next(), 'opened')
      await gateway.stop()
      assert.equal(await next(), 'GATEWAY_LOST')
      await link.close()
    } finally {
      await gateway.stop()
      await rm(folder, { recursive: true })
    }
  })
})
