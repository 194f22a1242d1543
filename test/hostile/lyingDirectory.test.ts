/**
 * A directory that lies: to clients, which try the next one, and to nodes, which go on with what they know. And what a directory
 * may say without being caught, keys, addresses and names that are none of use, must do no harm either. @module
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createClientKeys } from '../../src/client/keys.ts'
import { PacketFactory } from '../../src/client/packetFactory.ts'
import { DEFAULT_TRAFFIC } from '../../src/client/trafficParams.ts'
import { toBase58 } from '../../src/foundation/base/base58.ts'
import { fromUtf8Lossy, utf8 } from '../../src/foundation/base/bytes.ts'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import { millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import type { Net } from '../../src/foundation/platform/net.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { DirectoryClient } from '../../src/network/topology/directoryClient.ts'
import { gatewayUrls } from '../../src/network/topology/gatewaySelection.ts'
import { CLIENT_REFRESH } from '../../src/network/topology/topologyProvider.ts'
import { clientTopologySource, nodeViewSource } from '../../src/network/topology/topologySources.ts'
import { decodeKeyRotationInfo } from '../../src/protocol/wire/directory/epochs.ts'
import { untilNextEpoch, wantedKeys } from '../../src/roles/mixing/rotationSchedule.ts'
import { recordedSeeds } from '../fuzz/corpus.ts'
import { hostileInput } from '../fuzz/hostileInput.ts'
import { HostileNetwork } from './simulatedNetwork.ts'

type Lie = (path: string, truth: string) => Response | Promise<Response>

/** Serves what the true directory says, with a lie in it. */
async function serveLies(network: HostileNetwork, lie: () => Lie): Promise<string> {
  const world = network.attacker()
  const listener = await network.complete(
    world.net.serveHttp(
      { host: '0.0.0.0', port: 80, maxBodyBytes: 65_536, requestTimeout: seconds(30) },
      async (request) => {
        const { pathname, search } = new URL(request.url)
        const answer = await world.net.request({
          url: `${network.directoryUrl}${pathname.replace('/api', '')}${search}`,
          timeout: seconds(5),
          maxBodyBytes: 1_000_000,
        })
        return lie()(pathname, fromUtf8Lossy(answer.body))
      },
    ),
  )
  // The address of the host is not the one listened on.
  const { port } = listener.endpoint
  return `http://203.0.113.1:${port}/api`
}

const json = (value: unknown): Response => Response.json(value)
const changed = (truth: string, change: (document: Record<string, unknown>) => void): Response => {
  const document = JSON.parse(truth)
  change(document)
  return json(document)
}

const LIES: Readonly<Record<string, Lie>> = {
  'no JSON': () => new Response('<html>'),
  'an error': () => new Response('{}', { status: 500 }),
  'nothing for a minute': () => new Promise(() => {}),
  'a redirect to itself': () => new Response(null, { status: 302, headers: { location: '/api/v1' } }),
  'more than there is memory for': () =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(1024 * 1024).fill(0x20)),
      }),
    ),
  'another epoch in every answer': (path, truth) =>
    path.endsWith('rewarded-set')
      ? changed(truth, (set) => {
          set.epoch_id = 12_345
        })
      : new Response(truth),
  'a total that never comes': (path, truth) =>
    path.includes('skimmed')
      ? changed(truth, (listing) => {
          const nodes = listing.nodes as { pagination: { total: number } }
          nodes.pagination.total = 9999
        })
      : new Response(truth),
  'an empty network': (path, truth) =>
    path.includes('skimmed')
      ? changed(truth, (listing) => {
          const nodes = listing.nodes as { data: unknown[]; pagination: { total: number } }
          nodes.data = []
          nodes.pagination.total = 0
        })
      : new Response(truth),
}

describe('a lying directory', { timeout: 120_000 }, () => {
  it('a client tells each lie from the truth, and asks the next directory', async () => {
    const network = await HostileNetwork.start()
    let lie: Lie = () => json({})
    const url = await serveLies(network, () => lie)
    for (const [what, next] of Object.entries(LIES)) {
      lie = next
      await assert.rejects(
        network.client({
          directories: [url],
          folder: undefined,
          connectTimeout: seconds(12),
          refresh: { ...CLIENT_REFRESH, startRetry: seconds(9) },
        }),
        (error) => isMixnetError(error, 'TOPOLOGY_UNAVAILABLE') || isMixnetError(error, 'TIMEOUT'),
        what,
      )
    }
    // Two of them waited for their deadlines before; a client that knows another directory loses only that time.
    for (const what of ['no JSON', 'another epoch in every answer', 'an empty network']) {
      lie = LIES[what] as Lie
      const client = await network.client({ directories: [url, network.directoryUrl], folder: undefined })
      await network.assertServes(client, 700)
      await network.complete(client.close())
    }
  })

  it('nodes and clients that run live on what they know, and listen again when it tells the truth', async () => {
    let lie: Lie | undefined
    const lying = (world: World): World => {
      const request: Net['request'] = async (asked) => {
        const answer = await world.net.request(asked)
        if (lie === undefined || !asked.url.includes('/api/v')) return answer
        const told = await lie(new URL(asked.url).pathname, fromUtf8Lossy(answer.body))
        return { status: told.status, contentType: 'application/json', body: utf8(await told.text()) }
      }
      return { ...world, net: { ...world.net, request } }
    }
    const network = await HostileNetwork.start({ worldOf: (_, world) => lying(world) })
    const client = await network.client({}, lying)
    await network.assertServes(client)
    for (const what of ['no JSON', 'an error', 'another epoch in every answer', 'an empty network']) {
      lie = LIES[what]
      await network.runFor(seconds(65))
      await network.assertServes(client)
    }
    // Garbage in every number and name.
    let seed = 0
    lie = (_, truth) => {
      const [garbled = utf8('{}')] = fc.sample(hostileInput([utf8(truth)]), { numRuns: 1, seed: seed++ })
      return new Response(fromUtf8Lossy(garbled))
    }
    await network.runFor(minutes(2))
    lie = undefined
    await network.runFor(minutes(2))
    await network.assertServes(client)
  })

  it('whatever a listing says that can be read: routes, packets and addresses are made of it or refused', async () => {
    const world = nodeWorld(nodeProvider)
    const [listing, set] = [
      recordedSeeds('decodeSemiSkimmedListing').slice(-1),
      recordedSeeds('decodeRewardedSet').slice(-1),
    ]
    const skimmed = recordedSeeds('decodeSkimmedListing')
    const keys = createClientKeys(nodeProvider, world.random.stream('test'))
    let built = 0
    const property = fc.asyncProperty(
      hostileInput(listing),
      hostileInput(set),
      fc.tuple(fc.constantFrom(...skimmed), hostileInput(skimmed)),
      fc.boolean(),
      async (semiSkimmed, rewarded, [mixes, gateways], isTrueSet) => {
        const request: Net['request'] = async ({ url }) => {
          const bodies: readonly (readonly [string, Uint8Array])[] = [
            ['rewarded-set', isTrueSet ? (set[0] as Uint8Array) : rewarded],
            ['semi-skimmed', semiSkimmed],
            ['mixnodes', mixes],
            ['entry-gateways', gateways],
          ]
          const body = bodies.find(([part]) => url.includes(part))?.[1] ?? utf8('{}')
          return { status: 200, contentType: 'application/json', body }
        }
        const directory = new DirectoryClient({ ...world.net, request }, { baseUrls: ['http://x/api'] })
        const from = { clock: world.clock, directory }
        const signal = new AbortController().signal
        const read = async () => [
          await nodeViewSource(from)(signal).then(({ topology }) => topology, refusal),
          await clientTopologySource(from)(signal).catch(refusal),
        ]
        for (const topology of await read()) {
          if (topology === undefined) continue
          built++
          for (const node of topology.nodesById.values()) {
            for (const text of gatewayUrls(node)) assert.ok(!/[\r\n]/.test(text))
            const factory = new PacketFactory({
              crypto: nodeProvider,
              random: world.random,
              keys,
              address: () => ({ ...keys, gateway: node.identity }),
              topology: () => topology,
              averagePacketDelay: DEFAULT_TRAFFIC.averagePacketDelay,
              averageAckDelay: DEFAULT_TRAFFIC.averageAckDelay,
            })
            factory.loopCover()
            factory.replySurb()
          }
        }
      },
    )
    await fc.assert(property, { numRuns: 150 })
    assert.ok(built > 20, `only ${built} listings could be read`)
  })

  it('keys of low order, in every place of a route', async () => {
    const world = nodeWorld(nodeProvider)
    const zero = toBase58(new Uint8Array(32))
    const [listing = new Uint8Array(0)] = recordedSeeds('decodeSemiSkimmedListing').slice(-1)
    const [set = new Uint8Array(0)] = recordedSeeds('decodeRewardedSet').slice(-1)
    const text = fromUtf8Lossy(listing).replaceAll(/("x25519_sphinx_pubkey":)"\w+"/g, `$1"${zero}"`)
    assert.notEqual(text, fromUtf8Lossy(listing), 'the field has another name now')
    const request: Net['request'] = async ({ url }) => ({
      status: 200,
      contentType: 'application/json',
      body: url.includes('rewarded-set') ? set : utf8(text),
    })
    const directory = new DirectoryClient({ ...world.net, request }, { baseUrls: ['http://x/api'] })
    const view = await nodeViewSource({ clock: world.clock, directory })(new AbortController().signal).catch(refusal)
    const keys = createClientKeys(nodeProvider, world.random.stream('test'))
    assert.ok(view !== undefined)
    for (const node of view.topology.nodesById.values()) {
      const factory = new PacketFactory({
        crypto: nodeProvider,
        random: world.random,
        keys,
        address: () => ({ ...keys, gateway: node.identity }),
        topology: () => view.topology,
        averagePacketDelay: millis(15),
        averageAckDelay: millis(15),
      })
      factory.loopCover()
    }
  })

  it('epochs of no length, of the past, of the far future: whatever is read gives a node a sane schedule', () => {
    const seeds = recordedSeeds('decodeKeyRotationInfo')
    fc.assert(
      fc.property(hostileInput(seeds), fc.double({ min: 0, max: 4e12, noNaN: true }), (input, now) => {
        let info: ReturnType<typeof decodeKeyRotationInfo>
        try {
          info = decodeKeyRotationInfo(fromUtf8Lossy(input))
        } catch (error) {
          assert.ok(isMixnetError(error, 'MALFORMED'))
          return
        }
        const clock = {
          currentEpoch: info.currentAbsoluteEpochId,
          currentEpochStart: info.currentEpochStart,
          epochLength: info.epochDuration,
          initialEpoch: info.initialEpochId,
          validityEpochs: info.validityEpochs,
        }
        assert.ok(untilNextEpoch(clock, millis(now)) >= 0)
        assert.ok(Number.isFinite(wantedKeys(clock, millis(now)).current))
      }),
      { numRuns: 2000 },
    )
  })
})

function refusal(error: unknown): undefined {
  if (!isMixnetError(error)) throw error
}
