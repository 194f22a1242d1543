/**
 * The network as a process of its own, started by network.ts. In the test's process it would starve the browser's driver, which
 * hears of every websocket frame of every page and takes one message a turn of the event loop.
 *
 * It is on a ledger, that of `npm start`: what clients are told of epochs, roles and keys is what the contracts say. @module
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Screen } from '../../src/app/cli/screen.ts'
import { startLedger } from '../../src/app/cli/upLedger.ts'
import { startCredentialEngine } from '../../src/app/node/credentialEngine.ts'
import { openDkgEngine } from '../../src/app/node/dkgEngine.ts'
import { openPacketEngine } from '../../src/app/node/packetEngine.ts'
import { hasLoopbackAddresses, type NodePlan, planNetwork } from '../../src/app/testnet/layout.ts'
import { withNamedHosts } from '../../src/app/testnet/namedHosts.ts'
import { startTestnet, type Testnet } from '../../src/app/testnet/testnet.ts'
import { toBase58 } from '../../src/foundation/base/base58.ts'
import { silentLog } from '../../src/foundation/base/observe.ts'
import { seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import type { DeploymentParams } from '../../src/network/ledger/deploymentParams.ts'
import { ROLE } from '../../src/protocol/economy/draw.ts'
import { NameServer } from './nameServer.ts'
import { type Site, serveSite } from './site.ts'
import { COMPILED_IN } from './testAuthority.ts'
import { type Target, TlsProxy } from './tlsProxy.ts'

/** Given as JSON, the only argument. */
export interface NetworkArguments {
  readonly directoryPort: number
  /** Names that the exit knows, whatever the port. */
  readonly site: string
  readonly secureSite: string
  /** More of them, or others in their place. */
  readonly names?: Readonly<Record<string, { readonly host: string; readonly port: number }>>
  readonly epochs: Partial<LedgerEpochs>
  /** More than the set has places for are drawn from anew in each epoch. Default: three. */
  readonly mixNodes: number
  /** One gateway is announced for wss, and the directory is there by https too, behind proxies on `localhost`. */
  readonly tls: boolean
  /**
   * Gateways want to be paid, and there are issuers and a faucet. Default: bandwidth is free. There is no ledger then: pages have no
   * account on one, so somebody must give them their books.
   */
  readonly paid?: boolean | undefined
  /**
   * The exit carries IP packets, and the site is at this address of the machine: passt reaches what is not loopback. Names are asked of
   * `Packets.nameServer`. Its certificate is of the authority that `withTestRoot` compiles in. Default: the site is on loopback, with the
   * fixture's certificate, and no packets are carried.
   */
  readonly packetsTo?: string | undefined
}

/** Default: those of `npm start`. */
export interface LedgerEpochs {
  readonly epochSeconds: number
  /** Of a Sphinx key. */
  readonly validityEpochs: number
}

export interface NetworkNode {
  readonly name: string
  readonly roles: readonly string[]
  readonly host: string
  readonly identity: string
}

export interface Look {
  /** Of all nodes together and of each, by name. */
  readonly counters: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** The oldest that a node lives in. */
  readonly keyRotation: number
  /** Method and path of every request at the site, and where it came from. */
  readonly visits: Site['visits']
  /** That came in by wss. */
  readonly tlsConnections: number
}

/** What the contracts say, read of them and not of the directory. */
export interface Contracts {
  readonly epochId: number
  /** Node ids by role, ascending: entries, layers 1 to 3, exits, standby. */
  readonly set: readonly (readonly number[])[]
}

/** What pages that came by https can reach. */
export interface Secure {
  readonly directoryUrl: string
  /** Identity of the only gateway. */
  readonly gateway: string
}

/** What is behind the packet router. */
export interface Packets {
  /** `host:port`: knows the site's names. */
  readonly nameServer: string
  readonly ports: { readonly http: number; readonly https: number }
}

export type FromNetwork =
  | {
      readonly kind: 'ready'
      readonly directoryUrl: string
      readonly nodes: readonly NetworkNode[]
      readonly secure?: Secure
      readonly packets?: Packets
    }
  | { readonly kind: 'failed'; readonly why: string }
  | ({ readonly kind: 'look' } & Look)
  | ({ readonly kind: 'contracts' } & Contracts)

export type ToNetwork = 'look' | 'contracts' | 'stop'

const READY_LIMIT = seconds(90)
/** Places in the set; more than three mix nodes compete for them. */
const SIZE = { mixNodes: 3, entries: 2, exits: 1 }
/** All where the policy of our pages lets them ask. */
const [PAGES_MAY_ASK, ISSUERS_WANTED] = ['127.0.0.1', 3]
const ISSUERS = {
  plan: { hosts: Array<string>(ISSUERS_WANTED).fill(PAGES_MAY_ASK), threshold: 2, faucetHost: PAGES_MAY_ASK },
}

const SCREEN = new Screen({
  json: false,
  verbose: true,
  write() {},
  writeProblem: (text) => console.error(text),
  colour: false,
  live: false,
})

const tell = (message: FromNetwork) => process.send?.(message)

async function main({
  directoryPort,
  epochs,
  mixNodes,
  site: name,
  secureSite,
  names: others = {},
  tls,
  paid = false,
  packetsTo,
}: NetworkArguments): Promise<void> {
  const world = nodeWorld(nodeProvider)
  const folder = await mkdtemp(join(tmpdir(), 'starling-'))
  const site = packetsTo === undefined ? await serveSite(PAGES_MAY_ASK) : await serveSite(packetsTo, COMPILED_IN)
  const nameServer = packetsTo === undefined ? undefined : await NameServer.start(packetsTo, [name, secureSite])
  const wayOut =
    packetsTo === undefined
      ? undefined
      : await openPacketEngine(world, { engine: 'passt', allowLocalAddresses: true, log: silentLog })
  const ownAddresses = await hasLoopbackAddresses(world.net)
  const names = new Map([[name, site.http], [secureSite, site.https], ...Object.entries(others)])
  const plans = planNetwork({ ...SIZE, mixNodes }, ownAddresses)
  const front = tls ? await secureFront(plans) : undefined
  const engine = paid ? startCredentialEngine() : undefined
  const ledger = paid
    ? undefined
    : await startLedger({ world, screen: SCREEN }, folder, SIZE, ledgerParams(world, epochs))
  const testnet = await startTestnet({
    ...(engine === undefined
      ? {}
      : { paid: { ...ISSUERS, engine, dkgEngine: await openDkgEngine(world), worldOf: () => world } }),
    plans: front?.plans ?? plans,
    folder,
    directory: { host: '127.0.0.1', port: directoryPort },
    noise: ownAddresses,
    ...(ledger === undefined ? {} : { ledger: ledger.plan }),
    ...(wayOut === undefined ? {} : { wayOutOf: () => wayOut }),
    world,
    worldOf: ({ roles, host }) =>
      roles.includes('exit') ? { ...world, net: withNamedHosts(world.net, names, host) } : world,
    logOf: () => silentLog,
    readyLimit: READY_LIMIT,
  })
  const stop = async () => {
    await front?.close()
    await testnet.stop()
    await ledger?.stop()
    await engine?.close()
    await nameServer?.close()
    await site.close()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    process.exit(0)
  }
  process.on('message', (request: ToNetwork) => {
    if (request === 'look') tell({ kind: 'look', ...look(testnet, site), tlsConnections: front?.connections() ?? 0 })
    else if (request === 'contracts') contracts(testnet).then(tell, fail)
    else void stop()
  })
  // Whoever started it is gone.
  process.on('disconnect', () => void stop())
  const nodes = testnet.nodes.map(({ plan, running }) => ({
    name: plan.name,
    roles: plan.roles,
    host: plan.host,
    identity: toBase58(running.identity),
  }))
  const secure = front?.open(testnet)
  tell({
    kind: 'ready',
    directoryUrl: testnet.directoryUrl,
    nodes,
    ...(secure === undefined ? {} : { secure }),
    ...(nameServer === undefined
      ? {}
      : {
          packets: {
            nameServer: nameServer.address,
            ports: { http: site.http.port, https: site.https.port },
          },
        }),
  })
}

/** Of the first entry gateway, and of the directory. */
async function secureFront(plans: readonly NodePlan[]) {
  const [gateway, directory] = [await TlsProxy.start(), await TlsProxy.start()]
  const first = plans.find(({ roles }) => roles.includes('entry'))
  return {
    plans: plans.map((plan) =>
      plan === first ? { ...plan, wss: { hostname: 'localhost', port: gateway.port } } : plan,
    ),
    connections: () => gateway.connections,
    open({ directoryUrl, nodes }: Testnet): Secure {
      const { running } = nodes.find(({ plan }) => plan.name === first?.name) as Testnet['nodes'][number]
      const { hostname, port, pathname } = new URL(directoryUrl)
      gateway.forwardTo(running.endpoints.ws as Target)
      directory.forwardTo({ host: hostname, port: Number(port) })
      return {
        directoryUrl: `https://localhost:${directory.port}${pathname}`,
        gateway: toBase58(running.identity),
      }
    },
    async close() {
      await Promise.all([gateway.close(), directory.close()])
    },
  }
}

function look({ nodes }: Testnet, { visits }: Site): Omit<Look, 'tlsConnections'> {
  return {
    counters: Object.fromEntries(nodes.map(({ plan, meter }) => [plan.name, meter.snapshot()])),
    keyRotation: Math.min(...nodes.map(({ running }) => running.status().keyRotation)),
    visits,
  }
}

/** The counterpart of the directory's documents. Of one block. */
async function contracts({ ledger }: Testnet): Promise<FromNetwork> {
  if (ledger === undefined) throw new Error('this network has no ledger')
  const roles = [ROLE.entryGateway, ROLE.layer1, ROLE.layer2, ROLE.layer3, ROLE.exitGateway, ROLE.standby] as const
  const { results } = await ledger.ledger.readAll([
    { contract: 'mixnet', fn: 'interval', args: [] },
    ...roles.map((role) => ({ contract: 'rewardedSet', fn: 'nodesOf', args: [role] }) as const),
  ])
  const [{ totalElapsedEpochs }, ...set] = results
  return { kind: 'contracts', epochId: totalElapsedEpochs, set: set.map((ids) => ids.toSorted((a, b) => a - b)) }
}

/** The first epoch is over at once, as everywhere on one machine. */
function ledgerParams(
  { clock }: World,
  { epochSeconds, validityEpochs }: Partial<LedgerEpochs>,
): Partial<DeploymentParams> {
  const begun = (length: number) => ({ epochSeconds: length, firstEpochStart: Math.floor(clock.now() / 1000) - length })
  return {
    ...(epochSeconds === undefined ? {} : begun(epochSeconds)),
    ...(validityEpochs === undefined ? {} : { validityEpochs, firstEpochId: validityEpochs }),
  }
}

function fail(error: unknown): void {
  tell({ kind: 'failed', why: String(error) })
  process.exitCode = 1
}

main(JSON.parse(process.argv[2] as string)).catch(fail)
