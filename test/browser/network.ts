/** A network on this machine for official clients, with a web site behind its exit. @module */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasLoopbackAddresses, planNetwork } from '../../src/app/testnet/layout.ts'
import { withNamedHosts } from '../../src/app/testnet/namedHosts.ts'
import { startTestnet, type Testnet } from '../../src/app/testnet/testnet.ts'
import { silentLog } from '../../src/foundation/base/observe.ts'
import { seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { holdProcess } from '../../src/foundation/platform/node/holdProcess.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import { type Site, serveSite } from './site.ts'

/** Names that the exit knows, whatever the port. */
export const SITE = 'http://site.starling'
/** The name in the certificate of the TLS fixture. */
export const SECURE_SITE = 'https://demo.starling'

export interface LocalNetwork {
  readonly site: Site
  readonly testnet: Testnet
  /** The network requester's address. */
  readonly requester: string
  /** The sum over all nodes of a counter, whatever its labels. */
  total(counter: string): number
  /** Resolves once `condition` holds; it is looked at anew every few milliseconds. */
  until(condition: () => boolean, what: string): Promise<void>
  stop(): Promise<void>
}

const READY_LIMIT = seconds(90)
const DEADLINE_MS = 60_000

export async function startLocalNetwork(directoryPort: number): Promise<LocalNetwork> {
  const release = holdProcess()
  const world = nodeWorld(nodeProvider)
  const folder = await mkdtemp(join(tmpdir(), 'starling-'))
  const site = await serveSite()
  const ownAddresses = await hasLoopbackAddresses(world.net)
  const names = new Map([
    [new URL(SITE).hostname, site.http],
    [new URL(SECURE_SITE).hostname, site.https],
  ])
  const testnet = await startTestnet({
    plans: planNetwork({ mixNodes: 3, entries: 2, exits: 1 }, ownAddresses),
    folder,
    directory: { host: '127.0.0.1', port: directoryPort },
    noise: ownAddresses,
    world,
    worldOf: ({ roles, host }) =>
      roles.includes('exit') ? { ...world, net: withNamedHosts(world.net, names, host) } : world,
    logOf: () => silentLog,
    readyLimit: READY_LIMIT,
  })
  return {
    site,
    testnet,
    requester: await requesterOf(testnet),
    total: (counter) =>
      testnet.nodes
        .flatMap(({ meter }) => Object.entries(meter.snapshot()))
        .filter(([name]) => name === counter || name.startsWith(`${counter}{`))
        .reduce((sum, [, value]) => sum + value, 0),
    async until(condition, what) {
      const deadline = performance.now() + DEADLINE_MS
      while (!condition()) {
        if (performance.now() > deadline) throw new Error(`not in time: ${what}`)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
    async stop() {
      await testnet.stop()
      await site.close()
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
      release()
    },
  }
}

/** As users find it: in the directory. */
async function requesterOf({ directoryUrl }: Testnet): Promise<string> {
  const response = await fetch(`${directoryUrl}/v1/nym-nodes/described`)
  const { data } = (await response.json()) as {
    readonly data: readonly {
      readonly description: { readonly network_requester: { readonly address: string } | null }
    }[]
  }
  const address = data.map(({ description }) => description.network_requester?.address).find((one) => one !== undefined)
  if (address === undefined) throw new Error('the directory lists no network requester')
  return address
}
