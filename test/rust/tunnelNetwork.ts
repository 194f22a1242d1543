/** A network whose exit carries IP packets, and servers on this machine for it to carry them to. @module */
import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openPacketEngine } from '../../src/app/node/packetEngine.ts'
import { hasLoopbackAddresses, planNetwork } from '../../src/app/testnet/layout.ts'
import { startTestnet, type Testnet } from '../../src/app/testnet/testnet.ts'
import { silentLog } from '../../src/foundation/base/observe.ts'
import { seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import { OWN_ADDRESS } from '../../src/roles/exit/ip/passtSupport.test.ts'
import { pattern } from '../browser/site.ts'

const READY_LIMIT = seconds(90)

export class TunnelNetwork {
  /** Packets to loopback addresses would stay in the client's own stack. */
  readonly host: string = OWN_ADDRESS
  readonly router: string
  /** `ip:port` of a server that sends back every datagram, and of a web site. */
  readonly echo: string
  readonly site: string
  readonly #testnet: Testnet
  readonly #close: () => Promise<void>

  private constructor(
    parts: Pick<TunnelNetwork, 'router' | 'echo' | 'site'> & { testnet: Testnet; close: () => Promise<void> },
  ) {
    this.router = parts.router
    this.echo = parts.echo
    this.site = parts.site
    this.#testnet = parts.testnet
    this.#close = parts.close
  }

  static async start(directoryPort: number): Promise<TunnelNetwork> {
    const world = nodeWorld(nodeProvider)
    const ownAddresses = await hasLoopbackAddresses(world.net)
    const folder = await mkdtemp(join(tmpdir(), 'starling-'))
    const engine = await openPacketEngine(world, { engine: 'passt', allowLocalAddresses: true, log: silentLog })
    const testnet = await startTestnet({
      plans: planNetwork({ mixNodes: 3, entries: 2, exits: 1 }, ownAddresses),
      folder,
      directory: { host: '127.0.0.1', port: directoryPort },
      noise: ownAddresses,
      world,
      worldOf: () => world,
      wayOutOf: () => engine,
      logOf: () => silentLog,
      readyLimit: READY_LIMIT,
    })
    const echo = createSocket('udp4', (data, from) => echo.send(data, from.port, from.address))
    echo.bind(0, OWN_ADDRESS)
    const site = createServer(async (request, response) => {
      const { searchParams } = new URL(request.url ?? '/', 'http://site')
      // What was sent: its length and hash.
      if (request.method === 'POST') {
        const hash = createHash('sha256')
        for await (const chunk of request) hash.update(chunk)
        response.end(hash.digest('hex'))
      } else response.end(pattern(Number(searchParams.get('count'))))
    }).listen(0, OWN_ADDRESS)
    await Promise.all([once(echo, 'listening'), once(site, 'listening')])
    return new TunnelNetwork({
      router: await routerIn(testnet.directoryUrl),
      echo: `${OWN_ADDRESS}:${echo.address().port}`,
      site: `${OWN_ADDRESS}:${(site.address() as AddressInfo).port}`,
      testnet,
      async close() {
        echo.close()
        site.close()
        site.closeAllConnections()
        await testnet.stop()
        await rm(folder, { recursive: true, force: true, maxRetries: 3 })
      },
    })
  }

  get directoryUrl(): string {
    return this.#testnet.directoryUrl
  }

  /** What the router has counted under that name, by labels. */
  counted(name: string): Readonly<Record<string, number>> {
    const { meter } = this.#testnet.nodes.find(({ plan }) => plan.roles.includes('exit')) as Testnet['nodes'][number]
    const all = Object.entries(meter.snapshot())
    return Object.fromEntries(all.filter(([key]) => key === name || key.startsWith(`${name}{`)))
  }

  /** The engine's process of the client that has this address. */
  killEngineOf(ipv4: string): void {
    for (const pid of readdirSync('/proc')) {
      if (!/^[0-9]+$/.test(pid)) continue
      const args = argumentsOf(pid)
      if (args[0]?.endsWith('passt') === true && args.includes(ipv4)) return void process.kill(Number(pid), 'SIGKILL')
    }
    throw new Error(`no engine for ${ipv4}`)
  }

  stop(): Promise<void> {
    return this.#close()
  }
}

function argumentsOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    // Ended meanwhile.
    return []
  }
}

async function routerIn(directoryUrl: string): Promise<string> {
  const response = await fetch(`${directoryUrl}/v2/nym-nodes/described`)
  const { data } = (await response.json()) as {
    readonly data: readonly {
      readonly description: { readonly ip_packet_router: { readonly address: string } | null }
    }[]
  }
  const address = data.map(({ description }) => description.ip_packet_router?.address).find((one) => one !== undefined)
  if (address === undefined) throw new Error('the directory lists no IP packet router')
  return address
}
