/**
 * TCP where packets of the mixnet get lost and overtake each other: inside IP packets, as programs with a TCP of their own have it, and as
 * streams, as `starling run` carries it. Virtual time: the same rates on every machine. @module
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Dialer } from '../src/client/dialer.ts'
import { ExitConnections } from '../src/client/exitConnections.ts'
import { IpTunnel } from '../src/client/ip/ipTunnel.ts'
import { MixnetIp } from '../src/client/ip/mixnetIp.ts'
import { type TestClient, TestMixnet } from '../src/client/mixnet.support.test.ts'
import { DEFAULT_TRAFFIC, SERVICE_TRAFFIC, type TrafficParams } from '../src/client/trafficParams.ts'
import { Meter, silentLog } from '../src/foundation/base/observe.ts'
import { millis, minutes, seconds } from '../src/foundation/base/units.ts'
import { buildUdp } from '../src/protocol/wire/ip/buildPacket.ts'
import { buildEcho, type Echo, readEcho } from '../src/protocol/wire/ip/echo.ts'
import { type IpPacket, readIpPacket } from '../src/protocol/wire/ip/ipPacket.ts'
import { DEFAULT_EXIT_PARAMS } from '../src/roles/exit/exitParams.ts'
import { DEFAULT_EXIT_RULES } from '../src/roles/exit/exitRules.ts'
import { IpPacketRouter } from '../src/roles/exit/ip/ipPacketRouter.ts'
import { DEFAULT_IP_ROUTER_PARAMS, ROUTER_TRAFFIC } from '../src/roles/exit/ip/ipRouterParams.ts'
import type { WayOut } from '../src/roles/exit/ip/wayOut.ts'
import { NetworkRequester } from '../src/roles/exit/networkRequester.ts'
import { BUILD, LOCAL_RULES } from '../src/roles/exit/support.test.ts'
import { KernelTcp } from './support/kernelTcp.ts'

interface Path {
  readonly seed?: string
  readonly loss: number
  /** One way over one link, drawn uniformly, beside the mix nodes' delays. */
  readonly latency: readonly [number, number]
}

const CALM: Path = { loss: 0, latency: [5, 10] }
const ROUGH: Path = { loss: 0.05, latency: [1, 60] }
const SITE = '198.51.100.1'
const [SETTLE, MEASURE] = [seconds(20), seconds(60)]

type Direction = 'download' | 'upload'
const DIRECTIONS: readonly Direction[] = ['download', 'upload']
type Rate = (path: Path, direction: Direction) => Promise<number>

/** kB/s: what reply SURBs allow, and the slots of the main stream, are 275 and 80. */
const LEAST = { download: 150, upload: 40 } as const

async function keepsHalf(
  t: { diagnostic(text: string): void },
  rate: Rate,
  direction: Direction,
  seeds: string,
): Promise<void> {
  const mean = async (path: Path): Promise<number> => {
    const rates: number[] = []
    for (const seed of seeds) rates.push(await rate({ ...path, seed }, direction))
    t.diagnostic(rates.map((one) => one.toFixed(1)).join(' '))
    return rates.reduce((sum, one) => sum + one, 0) / rates.length
  }
  const [calm, rough] = [await mean(CALM), await mean(ROUGH)]
  t.diagnostic(`${direction}: ${calm.toFixed(1)} kB/s, rough ${rough.toFixed(1)} kB/s: ${(rough / calm).toFixed(2)}`)
  // Virtual time: these are no measurements of this machine.
  assert.ok(calm >= LEAST[direction], `${calm} kB/s`)
  assert.ok(rough >= calm / 2, `${rough} of ${calm}`)
}

describe('TCP as streams, as `starling run` carries it, 5 % loss and heavy reordering', { timeout: 240_000 }, () => {
  for (const direction of DIRECTIONS) {
    it(`${direction}: half of the rate without`, (t) => keepsHalf(t, streamRate, direction, 'a'))
  }
})

describe('TCP inside IP packets, 5 % loss and heavy reordering', { timeout: 240_000 }, () => {
  for (const direction of DIRECTIONS) {
    it(`${direction}: half of the rate without`, (t) => keepsHalf(t, packetRate, direction, 'abc'))
  }
})

const PINGS = 400

it('a ping takes as long as its delays are drawn, and no 25 ms longer', async (t) => {
  const latency = 1
  const { mixnet, client, exit, clock } = parties({ loss: 0, latency: [latency, latency] })
  const wayOut: WayOut = {
    mtu: 1500,
    open: async ({ received }) => ({
      send(bytes) {
        const packet = readIpPacket(bytes) as IpPacket
        const addresses = { source: packet.destination.slice(), destination: packet.source.slice() }
        received(buildEcho(addresses, { ...(readEcho(packet) as Echo), isReply: true }))
        return true
      },
      pause() {},
      resume() {},
      close: async () => {},
    }),
    async close() {},
  }
  const router = startRouter(exit, wayOut)
  const { tunnel } = await openTunnel(mixnet, client, router)
  const ip = new MixnetIp(client.world, tunnel, {} as Dialer)
  let sum = 0
  for (let i = 0; i < PINGS; i++) {
    await mixnet.simulation.runFor(millis(200))
    const began = clock.monotonic()
    await mixnet.simulation.complete(ip.ping('1.2.3.4'), minutes(1))
    sum += clock.monotonic() - began
  }
  // Three mix nodes and four links each way, and the slot of the main stream that the ping leaves in.
  const { averagePacketDelay, mainStreamInterval = 0 } = DEFAULT_TRAFFIC
  const drawn = 6 * averagePacketDelay + mainStreamInterval + 8 * latency
  const mean = sum / PINGS
  t.diagnostic(`${mean.toFixed(1)} ms, drawn ${drawn}`)
  assert.ok(mean < drawn + 25 && mean > drawn - 15, `${mean}`)
  await mixnet.simulation.complete(Promise.all([ip.close(), router.stop()]), minutes(1))
})

it('a tunnel lives on where packets get lost and take seconds, whether anybody answers in the world or not', async (t) => {
  for (const [seed, latency] of [
    ['a', [1, 60]],
    ['b', [100, 500]],
    ['c', [300, 900]],
  ] as const) {
    const { mixnet, client, exit } = parties({ seed, loss: 0.05, latency })
    const router = startRouter(exit, NO_WAY)
    const { tunnel } = await openTunnel(mixnet, client, router)
    const sends = { source: tunnel.ips.ipv4, destination: Uint8Array.of(1, 2, 3, 4) }
    for (let i = 0; i < 120; i++) {
      tunnel.send(buildUdp(sends, { sourcePort: 1, destinationPort: 2 }, new Uint8Array(100)))
      await mixnet.simulation.runFor(seconds(1))
    }
    t.diagnostic(`${latency} ms a link`)
    assert.ok(tunnel.isOpen, seed)
    await mixnet.simulation.complete(Promise.all([tunnel.close(), router.stop()]), minutes(1))
  }
})

/** Connections end before it. */
const NO_WAY: WayOut = {
  mtu: 1500,
  open: async () => ({ send: () => false, pause() {}, resume() {}, close: async () => {} }),
  async close() {},
}

function startRouter(exit: TestClient, wayOut: WayOut, rules = DEFAULT_EXIT_RULES): IpPacketRouter {
  return IpPacketRouter.start(exit.world, {
    client: exit.client,
    wayOut,
    rules,
    params: DEFAULT_IP_ROUTER_PARAMS,
    build: BUILD,
    meter: exit.meter,
    log: silentLog,
  })
}

async function openTunnel(mixnet: TestMixnet, { client, world }: TestClient, router: IpPacketRouter) {
  let open: IpTunnel | undefined
  client.onMessage((message) => open?.take(message))
  const options = { client, router: router.address, meter: new Meter() }
  const opening = IpTunnel.open(world, options, (made) => {
    open = made
  })
  return { tunnel: await mixnet.simulation.complete(opening, minutes(2)) }
}

async function packetRate(path: Path, direction: Direction): Promise<number> {
  const { mixnet, client, exit, clock } = parties(path)
  const site = await startSite(mixnet, direction)
  const router = startRouter(exit, NO_WAY, LOCAL_RULES)
  const { tunnel } = await openTunnel(mixnet, client, router)
  const kernel = new KernelTcp({
    clock,
    direction,
    client: tunnel.ips.ipv4,
    site: SITE,
    send: (packet) => void tunnel.send(packet),
  })
  tunnel.onPacket((packet) => kernel.take(packet))
  kernel.start()
  const rate = await measured(mixnet, () => (direction === 'download' ? kernel.received : site.arrived))
  kernel.stop()
  await mixnet.simulation.complete(Promise.all([tunnel.close(), router.stop()]), minutes(1))
  return rate
}

/** Takes everything, or says as much as is taken. */
async function startSite(mixnet: TestMixnet, direction: Direction): Promise<{ readonly arrived: number }> {
  const site = mixnet.simulation.host('site', { ips: [SITE] })
  const chunk = new Uint8Array(50_000)
  const counted = { arrived: 0 }
  await mixnet.simulation.complete(
    site.net.listen({ host: '0.0.0.0', port: 80 }, (connection) => {
      const more = (): void => {
        if (direction === 'download') while (connection.write([chunk]));
      }
      connection.attach({
        data(bytes) {
          counted.arrived += bytes.length
        },
        drain: more,
        close() {},
      })
      more()
    }),
  )
  return counted
}

async function streamRate(path: Path, direction: Direction): Promise<number> {
  const { mixnet, client, exit } = parties(path, SERVICE_TRAFFIC)
  const site = await startSite(mixnet, direction)
  const requester = NetworkRequester.start(exit.world, {
    client: exit.client,
    rules: LOCAL_RULES,
    params: DEFAULT_EXIT_PARAMS,
    build: BUILD,
    meter: exit.meter,
    log: silentLog,
  })
  const connections = new ExitConnections(client.world, {
    client: client.client,
    exit: exit.client.address,
    anonymous: true,
  })
  const stream = connections.open({ host: SITE, port: 80 })
  let arrived = 0
  stream.attach({
    data(bytes) {
      arrived += bytes.length
    },
    end() {},
    close() {},
  })
  const chunk = new Uint8Array(50_000)
  const write = async (): Promise<void> => {
    do await stream.write(chunk)
    while (direction === 'upload')
  }
  write().catch(() => {})
  const rate = await measured(mixnet, () => (direction === 'download' ? arrived : site.arrived))
  connections.close()
  await mixnet.simulation.complete(requester.stop(), minutes(1))
  return rate
}

function parties({ seed = 'tcp', loss, latency }: Path, traffic: TrafficParams = ROUTER_TRAFFIC) {
  const mixnet = new TestMixnet({ seed, loss, latency })
  const client: TestClient = mixnet.client()
  const exit: TestClient = mixnet.client({ gateway: 1, traffic })
  return { mixnet, client, exit, clock: mixnet.simulation.clock }
}

/** kB/s, once it goes. */
async function measured({ simulation }: TestMixnet, bytes: () => number): Promise<number> {
  await simulation.runFor(SETTLE)
  const before = bytes()
  await simulation.runFor(MEASURE)
  return (bytes() - before) / MEASURE
}
