/**
 * A whole network on one machine, in this process, on real loopback sockets: directory, mix nodes, gateways, exits. The same
 * function starts it in simulations. @module
 */
import { utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { type Log, Meter } from '../../foundation/base/observe.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import { awaited, sleep, unlessAborted, withDeadline } from '../../foundation/platform/clock.ts'
import type { Endpoint } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import { MemoryBondedNodes } from '../../roles/directory/bondedNodes.ts'
import { Directory, type DirectoryStatus } from '../../roles/directory/directory.ts'
import type { EpochParams } from '../../roles/directory/epochs.ts'
import type { LedgerNetwork } from '../../roles/directory/ledgerNetwork.ts'
import { BUILD_INFORMATION } from '../node/buildInformation.ts'
import { LOCAL_DESCRIBER, localNetworkDetails } from '../node/directoryService.ts'
import { type NodeOptions, type RunningNode, startNode } from '../node/node.ts'
import type { NodeConfig } from '../node/nodeConfig.ts'
import { listenStepped } from '../node/steppedPort.ts'
import { type IssuerEngines, startIssuers, type TestnetIssuerPlan, type TestnetIssuers } from './issuers.ts'
import type { NodePlan } from './layout.ts'
import { type LedgerPlan, LOCAL_LEDGER, TestnetLedger } from './ledger.ts'

export interface TestnetOptions {
  readonly plans: readonly NodePlan[]
  /** Everything is kept below it. */
  readonly folder: string
  /** Where the directory listens; a taken port is stepped over. */
  readonly directory: Endpoint
  /** Encrypted links: only where every node has its own address. */
  readonly noise: boolean
  readonly epochs?: Partial<EpochParams>
  /** The world of one node: its own host in a simulation, the same for all on one machine. */
  readonly worldOf: (plan: NodePlan) => World
  readonly world: World
  readonly logOf: (name: string) => Log
  /** Bandwidth is paid for with tickets of issuers that are started with it; without them it is free. */
  readonly paid?: PaidNetwork
  /** Instead: issuers that run already, and how a gateway takes payment. */
  readonly issuers?: readonly string[]
  readonly paymentOf?: (plan: NodePlan) => Payment
  /** Who is in the network, what everybody does and which epoch it is, the ledger says; without it the directory does, by its clock. */
  readonly ledger?: LedgerPlan
  /** Carries the IP packets of an exit's clients. Default: nothing does. */
  readonly wayOutOf?: (plan: NodePlan, world: World) => NodeOptions['wayOut']
  /** For the network to become usable. */
  readonly readyLimit?: Millis
  readonly onStep?: (what: string, wanted: number, used: number) => void
  /** Gives up the start: ABORTED. */
  readonly signal?: AbortSignal
}

export type Payment = Pick<NodeConfig, 'tickets'> & Pick<NodeOptions, 'credentials' | 'ticketScale'>

export interface PaidNetwork extends IssuerEngines {
  readonly plan: TestnetIssuerPlan
  /** The world of a host of the plan. */
  readonly worldOf: (host: string) => World
  /** Simulations use tickets up in minutes. */
  readonly ticketScale?: number
  /** They have their keys and issue. */
  readonly onIssuers?: () => void
}

export interface TestnetNode {
  readonly plan: NodePlan
  readonly meter: Meter
  readonly running: RunningNode
}

export interface Testnet {
  readonly directoryUrl: string
  readonly nodes: readonly TestnetNode[]
  /** The node that has this IP and this mix port, for showing routes. */
  nameOf(ip: string, port: number): string | undefined
  /** Where bandwidth is paid for. */
  readonly issuers: TestnetIssuers | undefined
  /** Where there is one. */
  readonly ledger: TestnetLedger | undefined
  readonly directory: DirectoryStatus
  /** Starts a node whose process died anew, on what it left behind, in `world`. Resolves when it listens. */
  restartNode(name: string, world: World): Promise<TestnetNode>
  /** The same for the directory. Resolves when it answers. */
  restartDirectory(world: World): Promise<void>
  stop(): Promise<void>
}

const READY_LIMIT = seconds(30)
const REFRESH_AGAIN = millis(250)
// Everything but mail, this machine included: people try things out here. The one refusal shows what a refusal looks like; of 24,
// private mail, also in a page, whose fetch itself refuses 25.
const EXIT_POLICY = 'ExitPolicy reject *:24-25\nExitPolicy accept *:*\n'
const FIRST_PORTS = { mix: 1789, http: 8080, ws: 9000 }

/** Resolves when clients can use it. Whatever fails, nothing stays behind. */
export async function startTestnet(options: TestnetOptions): Promise<Testnet> {
  const { plans, world, worldOf, signal, readyLimit = READY_LIMIT } = options
  const bonded = new MemoryBondedNodes()
  const ledger =
    options.ledger &&
    new TestnetLedger({
      directory: LOCAL_LEDGER,
      ...options.ledger,
      folder: options.folder,
      world,
      logOf: options.logOf,
      signal,
    })
  const running = new Map<string, TestnetNode>()
  let stopDirectory = async () => {}
  let issuers: TestnetIssuers | undefined
  const stopAll = async () => {
    // Ends no epoch while its nodes leave.
    await ledger?.stop()
    await Promise.all([...running.values()].map((node) => node.running.stop()))
    running.clear()
    await stopDirectory()
    stopDirectory = async () => {}
    await issuers?.stop()
    issuers = undefined
  }
  try {
    if (options.paid !== undefined) {
      issuers = await startIssuers({ ...options, ...options.paid, ledger: await ledger?.issuing() })
      options.paid.onIssuers?.()
    }
    const served = { ...options, issuers: issuers?.urls ?? options.issuers ?? [] }
    await ledger?.wake()
    const first = await serveDirectory(world, served, ledger ?? bonded)
    let { directory } = first
    const { endpoint } = first
    stopDirectory = first.stop
    const directoryUrl = `http://${endpoint.host}:${endpoint.port}/api`
    const start = async (plan: NodePlan, nodeWorld: World) => {
      const onLedger = await ledger?.forNode(plan, nodeWorld)
      const node = await startTestnetNode(nodeWorld, plan, { ...options, directoryUrl, onLedger })
      running.set(plan.name, node)
      return node
    }
    const starts = plans.map((plan) => start(plan, worldOf(plan)))
    // Where one fails, the others are waited for all the same: only what has started can be stopped.
    await Promise.allSettled(starts)
    const nodes = await Promise.all(starts)
    const wait = <T>(what: string, work: Promise<T>) =>
      withDeadline(world.clock, readyLimit, what, unlessAborted(work, signal))
    if (ledger === undefined) {
      bonded.set(
        nodes.map(({ plan, running: { identity, endpoints } }) => ({
          nodeId: plan.nodeId,
          identity,
          host: plan.host,
          httpPort: endpoints.http.port,
          layer: plan.layer,
        })),
      )
    } else {
      await wait('bonds', ledger.bondAll(nodes))
      await first.network?.refresh()
    }
    await Promise.all(nodes.map((node) => node.running.announce()))
    if (ledger !== undefined) {
      await wait('announcements', Promise.all(nodes.map((node) => node.running.announced())))
      await wait('epoch', ledger.drive())
      await first.network?.refresh()
    }
    await wait('network', directory.ready)
    await wait('nodes', Promise.all(nodes.map((node) => node.running.ready)))
    // A node that asked early knows a part of the network only.
    const until = millis(world.clock.monotonic() + readyLimit)
    await Promise.all(nodes.map(({ running: node }) => refreshed(world.clock, node, { until, signal })))
    return {
      directoryUrl,
      issuers,
      ledger,
      get directory() {
        return directory.status()
      },
      get nodes() {
        return [...running.values()]
      },
      nameOf: (ip, port) =>
        [...running.values()].find(
          ({ running: { endpoints } }) => endpoints.mix.host === ip && endpoints.mix.port === port,
        )?.plan.name,
      restartNode(name, nodeWorld) {
        const plan = plans.find((one) => one.name === name)
        if (plan === undefined) throw new MixnetError('BAD_ARGUMENT', { argument: 'node', unknown: name })
        return start(plan, nodeWorld)
      },
      async restartDirectory(nextWorld) {
        const next = await serveDirectory(nextWorld, { ...served, directory: endpoint }, ledger ?? bonded)
        directory = next.directory
        stopDirectory = next.stop
      },
      stop: stopAll,
    }
  } catch (error) {
    await stopAll()
    throw error
  }
}

/** Killed and started again on its ledger, a network may come to the end of an epoch just now: its next set is unknown for a moment. */
async function refreshed(
  clock: World['clock'],
  node: RunningNode,
  { until, signal }: { readonly until: Millis; readonly signal: AbortSignal | undefined },
): Promise<void> {
  for (;;) {
    try {
      return await node.refresh()
    } catch (error) {
      if (!isMixnetError(error, 'TOPOLOGY_UNAVAILABLE') || clock.monotonic() >= until) throw error
      await awaited(clock, sleep(clock, REFRESH_AGAIN, signal))
    }
  }
}

interface ServedDirectory {
  readonly directory: Directory
  readonly network: LedgerNetwork | undefined
  readonly endpoint: Endpoint
  readonly stop: () => Promise<void>
}

async function serveDirectory(
  world: World,
  {
    folder,
    epochs,
    logOf,
    directory: wanted,
    onStep,
    issuers,
  }: TestnetOptions & { readonly issuers: readonly string[] },
  source: MemoryBondedNodes | TestnetLedger,
): Promise<ServedDirectory> {
  const network = source instanceof TestnetLedger ? await source.network(world) : undefined
  const directory = await Directory.start(world, {
    folder: `${folder}/directory`,
    ...(source instanceof TestnetLedger ? { ledger: network } : { bonded: source }),
    network: localNetworkDetails(''),
    build: BUILD_INFORMATION,
    describer: LOCAL_DESCRIBER,
    issuers,
    ...(epochs === undefined ? {} : { epochs }),
    log: logOf('directory'),
  })
  const step = {
    wanted: wanted.port,
    step: true,
    onStep: (asked: number, used: number) => onStep?.('directory', asked, used),
  }
  try {
    const listener = await listenStepped(step, (port) => directory.serve({ host: wanted.host, port }))
    return {
      directory,
      network,
      endpoint: listener.endpoint,
      async stop() {
        await listener.close()
        await directory.stop()
      },
    }
  } catch (error) {
    await directory.stop()
    throw error
  }
}

async function startTestnetNode(
  world: World,
  plan: NodePlan,
  {
    folder,
    directoryUrl,
    noise,
    logOf,
    onStep,
    signal,
    paid,
    paymentOf = () => paymentTo(paid),
    wayOutOf,
    onLedger,
  }: TestnetOptions & {
    readonly directoryUrl: string
    readonly onLedger: Pick<NodeOptions, 'ledger' | 'redeemer'> | undefined
  },
): Promise<TestnetNode> {
  if (plan.roles.includes('exit')) await world.files.write(policyPath(folder), utf8(EXIT_POLICY))
  const meter = new Meter()
  const { tickets, ...payment } = paymentOf(plan)
  const config = { ...nodeConfig(plan, { folder, directoryUrl, noise }), tickets }
  const running = await startNode(world, config, {
    ...payment,
    meter,
    log: logOf(plan.name),
    onStep: (wanted, used) => onStep?.(plan.name, wanted, used),
    ...(plan.roles.includes('exit') ? { wayOut: wayOutOf?.(plan, world) } : {}),
    ...onLedger,
    ...(signal === undefined ? {} : { signal }),
  })
  return { plan, meter, running }
}

function paymentTo(paid: PaidNetwork | undefined): Payment {
  if (paid === undefined) return {}
  const { engine: credentials, ticketScale } = paid
  return {
    tickets: { required: true, compatible: false },
    credentials,
    ...(ticketScale === undefined ? {} : { ticketScale }),
  }
}

const policyPath = (folder: string): string => `${folder}/exit-policy.txt`

function nodeConfig(
  plan: NodePlan,
  { folder, directoryUrl, noise }: { folder: string; directoryUrl: string; noise: boolean },
): NodeConfig {
  return {
    name: plan.name,
    roles: plan.roles,
    host: plan.host,
    hostname: plan.wss?.hostname,
    directories: [directoryUrl],
    data: `${folder}/nodes/${plan.name}`,
    ports: { ...FIRST_PORTS, wss: plan.wss?.port },
    noise,
    local: true,
    exit: { openProxy: false, allowLocalAddresses: true, policyFile: policyPath(folder) },
  }
}
