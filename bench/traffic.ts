/**
 * What a choice of traffic costs and how long its requests take: a client of the shipped code in a simulated network, its wires
 * watched. Virtual time, so the figures are the same on every machine. test/traffic.test.ts holds them to what is promised. @module
 */
import { planNetwork } from '../src/app/testnet/layout.ts'
import { startTestnet, type Testnet } from '../src/app/testnet/testnet.ts'
import { Mixnet } from '../src/client/mixnet.ts'
import { describeTraffic } from '../src/client/trafficFigures.ts'
import { formatVolume, type TrafficChoice } from '../src/client/trafficProfiles.ts'
import { utf8 } from '../src/foundation/base/bytes.ts'
import { silentLog } from '../src/foundation/base/observe.ts'
import { type Millis, millis, minutes, seconds } from '../src/foundation/base/units.ts'
import { nullProvider } from '../src/foundation/crypto/nullProvider.ts'
import { Simulation } from '../src/foundation/platform/simulated/simulation.ts'
import type { World } from '../src/foundation/platform/world.ts'
import { DEFAULT_LINKS, linkShapes } from '../src/lab/simulator/linkShapes.ts'
import { type BenchOptions, type Figure, type Report, type Subject, spread } from './figures.ts'

/** Between requests: those of somebody who reads, not of a page that loads. */
const PAUSE = seconds(20)
const DIRECTORY_IP = '10.0.0.1'
const SITE = 'site.example'
const [HTTP_PORT, HELLO_PORT, ENDLESS_PORT] = [80, 443, 9]
/** The sizes of a TLS 1.3 handshake with two certificates, and of a small request and answer behind it. */
const [HELLO, CERTIFICATES, REQUEST, ANSWER] = [517, 3_500, 450, 2_000]

export interface Bytes {
  readonly up: number
  readonly down: number
}

/** A network and one client in it; close what `start` gives. */
export class TrafficRun {
  readonly mixnet: Mixnet
  readonly #simulation: Simulation
  readonly #network: Testnet
  readonly #seen: { up: number; down: number; directory: number }

  private constructor(
    simulation: Simulation,
    parts: { mixnet: Mixnet; network: Testnet; seen: { up: number; down: number; directory: number } },
  ) {
    this.#simulation = simulation
    this.mixnet = parts.mixnet
    this.#network = parts.network
    this.#seen = parts.seen
  }

  static async start(traffic: TrafficChoice, seed = 'traffic'): Promise<TrafficRun> {
    const seen = { up: 0, down: 0, directory: 0 }
    const plans = planNetwork({ mixNodes: 9, entries: 2, exits: 1 }, true).map((plan) => ({
      ...plan,
      host: `10.1.0.${plan.nodeId}`,
    }))
    const nodes = new Set(plans.map(({ name }) => name))
    const simulation = new Simulation({
      seed,
      crypto: nullProvider,
      shape: linkShapes(seed, { ...DEFAULT_LINKS, loss: 0.001 }, (host) => nodes.has(host)),
      observe({ from, to, bytes }) {
        if (from !== 'client' && to !== 'client') return
        if (from === 'directory' || to === 'directory') seen.directory += bytes
        else seen[from === 'client' ? 'up' : 'down'] += bytes
      },
    })
    await simulation.complete(serveSites(simulation.host(SITE, { ips: ['198.51.100.1'] })))
    const network = await simulation.complete(
      startTestnet({
        plans,
        folder: 'testnet',
        directory: { host: DIRECTORY_IP, port: 8080 },
        noise: false,
        world: simulation.host('directory', { ips: [DIRECTORY_IP] }),
        worldOf: ({ name, host }) => simulation.host(name, { ips: [host] }),
        logOf: () => silentLog,
      }),
      minutes(2),
    )
    const connecting = Mixnet.connect(simulation.host('client', { ips: ['10.2.0.1'] }), {
      directories: [network.directoryUrl],
      traffic,
    })
    const mixnet = await simulation.complete(connecting, minutes(2))
    return new TrafficRun(simulation, { mixnet, network, seen })
  }

  /** Of the websocket to the gateway, while `what` goes on for so long. */
  async bytesOf(duration: Millis): Promise<Bytes> {
    const { up, down } = this.#seen
    await this.#simulation.runFor(duration)
    return { up: this.#seen.up - up, down: this.#seen.down - down }
  }

  runFor(duration: Millis): Promise<void> {
    return this.#simulation.runFor(duration)
  }

  /** How long a GET takes, in a connection and under a pseudonym of its own. */
  async get(isolation: string): Promise<Millis> {
    const { clock } = this.#simulation
    const started = clock.monotonic()
    const asked = this.mixnet.fetch(`http://${SITE}/`, { isolation }).then((response) => response.text())
    await this.#simulation.complete(asked, minutes(3))
    return millis(clock.monotonic() - started)
  }

  /** The same of an exchange with the flights and sizes of https. */
  async secureGet(isolation: string): Promise<Millis> {
    const { clock } = this.#simulation
    const started = clock.monotonic()
    await this.#simulation.complete(this.#converse(isolation), minutes(5))
    return millis(clock.monotonic() - started)
  }

  /** Answers without an end, until the run is over. */
  download(): void {
    this.mixnet
      .open({ host: SITE, port: ENDLESS_PORT }, { timeout: minutes(3) })
      .then(async ({ readable }) => {
        for await (const _ of readable);
      })
      .catch(() => {})
  }

  async close(): Promise<void> {
    await this.#simulation.complete(this.mixnet.close(), minutes(1))
    await this.#simulation.complete(this.#network.stop(), minutes(1))
  }

  #converse(isolation: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const stream = this.mixnet.connections.open({ host: SITE, port: HELLO_PORT }, isolation)
    let heard = 0
    stream.attach({
      data(chunk) {
        const before = heard
        heard += chunk.length
        if (before < CERTIFICATES && heard >= CERTIFICATES) stream.write(new Uint8Array(REQUEST)).catch(reject)
        if (heard === CERTIFICATES + ANSWER) stream.end()
      },
      end() {},
      close: (error) => (heard === CERTIFICATES + ANSWER ? resolve() : reject(error)),
    })
    stream.write(new Uint8Array(HELLO)).catch(reject)
    return promise
  }
}

async function serveSites(world: World): Promise<void> {
  const { net } = world
  const small = utf8(`HTTP/1.1 200 OK\r\ncontent-length: ${ANSWER}\r\n\r\n${'x'.repeat(ANSWER)}`)
  await net.listen({ host: '0.0.0.0', port: HTTP_PORT }, (connection) => {
    connection.attach({ data: () => connection.write([small]), end: () => connection.end(), close() {} })
  })
  await net.listen({ host: '0.0.0.0', port: HELLO_PORT }, (connection) => {
    let heard = 0
    const data = (chunk: Uint8Array) => {
      const before = heard
      heard += chunk.length
      if (before < HELLO && heard >= HELLO) connection.write([new Uint8Array(CERTIFICATES)])
      if (heard === HELLO + REQUEST) connection.write([new Uint8Array(ANSWER)])
    }
    connection.attach({ data, end: () => connection.end(), close() {} })
  })
  await net.listen({ host: '0.0.0.0', port: ENDLESS_PORT }, (connection) => {
    let open = true
    const more = () => {
      if (!open) return
      if (connection.bufferedBytes < 100_000) connection.write([new Uint8Array(50_000)])
      world.clock.after(millis(50), more)
    }
    const close = () => {
      open = false
    }
    connection.attach({ data() {}, end: () => connection.end(), close })
    more()
  })
}

export const CHOICES: readonly { readonly name: string; readonly traffic: TrafficChoice }[] = [
  { name: 'default', traffic: 'default' },
  { name: 'private', traffic: 'private' },
  { name: 'fast', traffic: 'fast' },
  { name: 'frugal', traffic: 'frugal' },
  { name: '500 MB a day', traffic: { perDay: '500 MB' } },
  { name: '400 MB a day', traffic: { perDay: '400 MB' } },
]

async function run({ quick, say }: BenchOptions): Promise<Report> {
  const rounds = quick ? 5 : 25
  const figures: Figure[] = []
  const notes: string[] = []
  for (const { name, traffic } of CHOICES) {
    const client = await TrafficRun.start(traffic)
    await client.runFor(minutes(1))
    const plain: number[] = []
    const secure: number[] = []
    for (let i = 0; i < rounds; i++) {
      await client.runFor(PAUSE)
      plain.push(Math.round(await client.get(`plain ${i}`)))
      await client.runFor(PAUSE)
      secure.push(Math.round(await client.secureGet(`secure ${i}`)))
    }
    await client.close()
    figures.push({ name: `${name}: GET`, unit: 'ms', measured: spread(plain) })
    figures.push({ name: `${name}: in the flights of https`, unit: 'ms', measured: spread(secure) })
    const { idlePerDay, busiestPerDay } = describeTraffic(traffic).figures
    const sum = ({ up, down }: Bytes) => formatVolume(up + down)
    notes.push(
      `${name}: ${sum(idlePerDay)} a day idle${busiestPerDay ? `, ${sum(busiestPerDay)} at most` : ''}, without the directory.`,
    )
    say(name)
  }
  return { figures, notes }
}

export const traffic: Subject = { name: 'traffic', title: 'Traffic as a choice, simulated', run }
