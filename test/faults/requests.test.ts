/**
 * What `fetch` says of each thing that can go wrong on the way, over the whole stack in virtual time: the right code before its
 * deadline and a second, and the next request works, through another gateway or exit where there is one.
 */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { createFetch } from '../../src/client/fetch.ts'
import { explainFetchError } from '../../src/client/fetchErrors.ts'
import type { MixnetOptions } from '../../src/client/openClient.ts'
import { createWebFetch } from '../../src/client/web/webFetch.ts'
import { equalBytes } from '../../src/foundation/base/bytes.ts'
import type { ErrorCode } from '../../src/foundation/base/errors.ts'
import { type Millis, millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { formatRecipient } from '../../src/protocol/packet/recipient.ts'
import { CERTIFICATE, CERTIFIED, type SitePath, serveSimulatedSite } from '../support/simulatedSite.ts'
import { FaultyNetwork, MIXES, type TestClient, WITHOUT_COVER, withEachSeed } from './support.test.ts'

const SIZE = { mixNodes: MIXES.length, entries: 3, exits: 3 }
const DEADLINE = seconds(60)
const GRACE = seconds(1)
const OTHER = 'other.starling'

type Fetch = (input: string, init?: RequestInit & { timeout?: Millis }) => Promise<Response>

const CLIENTS = {
  node: (world: World, { mixnet }: TestClient): Fetch =>
    createFetch(world, { dialer: mixnet.connections, ca: CERTIFICATE }).fetch as Fetch,
  web: (world: World, { mixnet }: TestClient): Fetch =>
    createWebFetch(world, { dialer: mixnet.connections, ca: CERTIFICATE }).fetch,
} as const

interface Scene {
  readonly network: FaultyNetwork
  readonly client: TestClient
  /** What reading all of it gave: its length, or the code of the failure, and how long that took. */
  ask(path: SitePath, options?: { host?: string; scheme?: string; limit?: Millis }): Promise<Outcome>
}

interface Outcome {
  readonly result: number | ErrorCode
  readonly took: Millis
}

async function scene(
  kind: keyof typeof CLIENTS,
  seed: string,
  options: Partial<MixnetOptions> & { at?: string } = {},
): Promise<Scene> {
  const { at, ...given } = options
  const network = await FaultyNetwork.start(seed, { size: SIZE })
  const { simulation } = network
  for (const [i, name] of [CERTIFIED, OTHER].entries()) {
    await network.complete(serveSimulatedSite(simulation.host(name, { ips: [`198.51.100.${20 + i}`] })), seconds(1))
  }
  const client = await network.anonymousClient('client', at, { traffic: WITHOUT_COVER, ...given })
  const fetch = CLIENTS[kind](network.worldOf('client'), client)
  const read = async (url: string, limit: Millis): Promise<number | ErrorCode> => {
    try {
      return (await (await fetch(url, { timeout: limit })).arrayBuffer()).byteLength
    } catch (error) {
      return explainFetchError(error).code
    }
  }
  return {
    network,
    client,
    async ask(path, { host = CERTIFIED, scheme = 'http', limit = DEADLINE } = {}) {
      const startedAt = simulation.clock.monotonic()
      const result = await network.complete(read(`${scheme}://${host}${path}`, limit), minutes(5))
      const took = millis(simulation.clock.monotonic() - startedAt)
      assert.ok(took <= limit + GRACE, `${path}: ${result} after ${took} ms`)
      return { result, took }
    },
  }
}

const exitOf = ({ network, client }: Scene): string => {
  const { gateway } = client.mixnet.exit
  return network.testnet.nodes.find(({ running }) => equalBytes(running.identity, gateway))?.plan.name ?? 'unknown'
}

for (const kind of ['node', 'web'] as const) {
  describe(`a request of the ${kind} client`, () => {
    for (const [path, code] of [
      ['/silent', 'TIMEOUT'],
      ['/stall', 'TIMEOUT'],
      ['/cut', 'CONNECTION_CLOSED'],
      ['/reset', 'CONNECTION_CLOSED'],
    ] as const) {
      withEachSeed(`to a server that answers as ${path}`, [1], async (seed) => {
        const { ask } = await scene(kind, seed)
        for (let round = 0; round < 2; round++) {
          assert.equal((await ask(path, { limit: seconds(20) })).result, code)
          assert.equal((await ask('/bytes/3000')).result, 3000)
        }
      })
    }

    // The client for pages does its cryptography in the thread pool, which a simulation does not wait for: tlsStream.test.ts.
    if (kind === 'node') {
      withEachSeed('to a server with a certificate for another name', [1], async (seed) => {
        const { ask } = await scene(kind, seed)
        assert.equal((await ask('/bytes/3000', { scheme: 'https' })).result, 3000)
        assert.equal((await ask('/bytes/3000', { scheme: 'https', host: OTHER })).result, 'TLS_FAILED')
        assert.equal((await ask('/bytes/3000', { scheme: 'https' })).result, 3000)
      })
    }

    for (const kept of [true, false]) {
      const where = kept ? 'on a kept connection' : 'on a new connection'

      withEachSeed(`while the gateway goes silent, ${where}`, [1], async (seed) => {
        const { network, client, ask } = await scene(kind, seed)
        assert.equal((await ask('/bytes/10', { host: kept ? CERTIFIED : OTHER })).result, 10)
        const before = network.gatewayOf(client)
        // Connections stay as they are, and nothing comes through.
        network.simulation.partition(['client'], [before])
        // In time by the next gateway, where nothing of it had been sent through this one.
        const { result } = await ask('/bytes/3000')
        assert.ok(result === 'TIMEOUT' || (!kept && result === 3000), String(result))
        assert.equal((await ask('/bytes/3000')).result, 3000)
        assert.notEqual(network.gatewayOf(client), before)
        assert.ok(client.events.includes('lost') && client.events.includes('moved'), client.events.join())
      })

      withEachSeed(`while the only gateway goes silent and comes back, ${where}`, [1], async (seed) => {
        const { network, client, ask } = await scene(kind, seed, { at: 'tern' })
        assert.equal((await ask('/bytes/10', { host: kept ? CERTIFIED : OTHER })).result, 10)
        const mend = network.simulation.partition(['client'], ['tern'])
        assert.equal((await ask('/bytes/3000')).result, 'TIMEOUT')
        mend()
        assert.equal((await ask('/bytes/3000')).result, 3000)
        assert.equal(network.gatewayOf(client), 'tern')
      })

      withEachSeed(`while the exit goes silent, ${where}`, [1], async (seed) => {
        const at = await scene(kind, seed)
        const { network, client, ask } = at
        assert.equal((await ask('/bytes/10', { host: kept ? CERTIFIED : OTHER })).result, 10)
        const before = exitOf(at)
        network.simulation.partition([before], MIXES)
        assert.equal((await ask('/bytes/3000')).result, 'EXIT_UNREACHABLE')
        assert.equal((await ask('/bytes/3000')).result, 3000)
        assert.notEqual(exitOf(at), before)
        assert.deepEqual(client.events.slice(-2), ['exit-silent', 'exit-changed'])
      })
    }

    withEachSeed('while the only exit goes silent and comes back', [1], async (seed) => {
      const at = await scene(kind, seed)
      const named = await at.network.anonymousClient('named', undefined, {
        traffic: WITHOUT_COVER,
        exit: formatRecipient(at.client.mixnet.exit),
      })
      const fetch = CLIENTS[kind](at.network.worldOf('named'), named)
      const ask = (limit: Millis) =>
        at.network.complete(
          fetch(`http://${OTHER}/bytes/3000`, { timeout: limit }).then(
            async (response) => (await response.arrayBuffer()).byteLength,
            (error: unknown) => explainFetchError(error).code,
          ),
          millis(limit + GRACE),
        )
      await at.network.simulation.runFor(seconds(15))
      const mend = at.network.simulation.partition([exitOf(at)], MIXES)
      assert.equal(await ask(DEADLINE), 'EXIT_UNREACHABLE')
      mend()
      assert.equal(await ask(DEADLINE), 3000)
    })
  })
}
