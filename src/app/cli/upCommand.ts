/** `starling up`: a whole network on this machine, and a first anonymous request through it. @module */
import type { TicketsDescription } from '../../client/credentials/describeTickets.ts'
import { Mixnet, type NodeMixnetOptions } from '../../client/mixnet.ts'
import { toBase58 } from '../../foundation/base/base58.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import type { Endpoint, Listener } from '../../foundation/platform/net.ts'
import { TICKETS_PER_BOOK } from '../../protocol/credentials/constants.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import type { WayOut } from '../../roles/exit/ip/wayOut.ts'
import { VERSION } from '../node/buildInformation.ts'
import { startCredentialEngine } from '../node/credentialEngine.ts'
import { openDkgEngine } from '../node/dkgEngine.ts'
import { openPacketEngine } from '../node/packetEngine.ts'
import { serveStatus } from '../node/statusServer.ts'
import { listenStepped } from '../node/steppedPort.ts'
import { commitmentsOnce, listsOnce } from '../testnet/computedOnce.ts'
import { DEMO_HOST, type DemoSite, serveDemoSite } from '../testnet/demoSite.ts'
import { hasLoopbackAddresses, planIssuers, planNetwork } from '../testnet/layout.ts'
import { startMonitors } from '../testnet/monitors.ts'
import { withNamedHosts } from '../testnet/namedHosts.ts'
import { startTestnet, type Testnet } from '../testnet/testnet.ts'
import { EXIT_CODES } from './exitCodes.ts'
import { firstRequest, RequestWatch } from './firstRequest.ts'
import { lockFolder } from './folders.ts'
import type { Session } from './session.ts'
import { startLedger, type UpLedger } from './upLedger.ts'

export interface UpOptions {
  readonly once: boolean
  readonly data: string
  readonly mixNodes: number
  readonly entries: number
  readonly exits: number
  readonly directoryPort: number
  readonly socksPort: number
  readonly statusPort: number
  /** Bandwidth for nothing, as official apps and drop-ins expect it. */
  readonly free: boolean
  /** Who is in the network and which epoch it is stands on a chain of this machine; without, the directory says so by its clock. */
  readonly ledger: boolean
  /** Who measure the nodes; only where there is a ledger to report to. */
  readonly monitors: number
}

/** What the network is made of beside its plan. */
interface NetworkParts {
  readonly site: DemoSite
  readonly taken: TakenPorts
  /** Undefined where bandwidth is free. */
  readonly engine: CredentialEngine | undefined
  readonly ledger: UpLedger | undefined
}

interface ClientParts {
  readonly network: Testnet
  readonly watch: RequestWatch
  readonly engine: CredentialEngine | undefined
  readonly ledger: UpLedger | undefined
}

const HOST = '127.0.0.1'
const ISSUERS = 5
const ISSUER_THRESHOLD = 3

/** The network's engine, which the client must not close. */
const shared = (engine: CredentialEngine): CredentialEngine => ({ ...engine, close: undefined }) as CredentialEngine

/** A new book's first ticket, or one of what was left of the last time. */
function paidWith({ left }: TicketsDescription): string {
  const spent = (TICKETS_PER_BOOK - (left % TICKETS_PER_BOOK)) % TICKETS_PER_BOOK
  return `paid with ticket ${spent} of ${TICKETS_PER_BOOK}`
}

/** Resolves with the exit code: 0 after Ctrl-C, or after a first request that worked. */
export async function runUp(session: Session, options: UpOptions): Promise<number> {
  const { world, screen } = session
  if (options.mixNodes < 3) {
    throw new MixnetError(
      'BAD_ARGUMENT',
      { '--mix-nodes': options.mixNodes },
      { message: 'too few mix nodes', nextStep: 'There are three layers: give 3 or more.' },
    )
  }
  const stops: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const part of stops.splice(0).reverse()) await part()
  }
  screen.line(`${screen.bold(`Starling ${VERSION}`)}   a mixnet on this machine\n`, {
    event: 'start',
    version: VERSION,
  })
  session.endWithNpm()
  try {
    const lock = await lockFolder(world.files, options.data)
    stops.push(() => lock.release())
    const thread = options.free ? undefined : startCredentialEngine()
    if (thread !== undefined) stops.push(() => thread.close())
    const engine = thread && listsOnce(thread)
    const ledger = options.ledger ? await startLedger(session, options.data, options) : undefined
    if (ledger !== undefined) stops.push(() => ledger.stop())
    const taken = new TakenPorts()
    const site = await serveDemoSite(world, (wanted, used) => taken.add('demo site', wanted, used))
    stops.push(() => site.close())
    const network = await startNetwork(session, options, { site, taken, engine, ledger })
    stops.push(() => network.stop())
    const watch = new RequestWatch(() => world.clock.monotonic())
    const mixnet = await startClient(session, options, { network, watch, engine, ledger })
    stops.push(() => mixnet.close())
    const failure = await failureOf(
      firstRequest(session, { mixnet, network, site, watch, entry: entryName(network, mixnet) }),
    )
    if (failure !== undefined) {
      screen.line('')
      screen.problem('request', failure)
    }
    if (options.once) ledger?.tellEarnings()
    if (options.once)
      return failure === undefined ? 0 : isMixnetError(failure) ? EXIT_CODES[failure.guilty] : EXIT_CODES.bug
    const proxy = await startProxy(session, mixnet, options.socksPort, site)
    const status = await startStatus(session, { mixnet, network, port: options.statusPort })
    stops.push(() => status.close())
    if (network.ledger !== undefined && options.monitors > 0) {
      const { monitors: many, data } = options
      const parts = {
        count: many,
        ledger: network.ledger,
        directoryUrl: network.directoryUrl,
        folder: data,
        host: HOST,
      }
      const monitors = await startMonitors({ ...parts, world, engine, logOf: (name) => session.quietLogOf(name) })
      stops.push(() => monitors.stop())
      const { epochId } = await network.ledger.epoch()
      const text = `${count(many, 'monitor measures', 'monitors measure')} every node, scores from epoch ${epochId + 2} on`
      screen.step('monitors', text, undefined, { event: 'monitors', monitors: many })
    }
    showNextSteps(session, proxy, ledger !== undefined)
    ledger?.tellEarnings()
    await session.untilInterrupted()
    screen.line('\nStopping.', { event: 'stopping' })
    return 0
  } finally {
    await stop()
  }
}

/** What it failed with; throws ABORTED. */
async function failureOf(work: Promise<void>): Promise<unknown> {
  try {
    await work
    return undefined
  } catch (error) {
    if (isMixnetError(error, 'ABORTED')) throw error
    return error
  }
}

async function startNetwork(
  session: Session,
  options: UpOptions,
  { site, taken, engine, ledger }: NetworkParts,
): Promise<Testnet> {
  const { world, screen, interrupted } = session
  const started = world.clock.monotonic()
  const ownAddresses = await hasLoopbackAddresses(world.net)
  const plans = planNetwork(options, ownAddresses)
  const names = new Map([[DEMO_HOST, site.endpoint]])
  let issuersTook: number | undefined
  const paid = engine && {
    engine,
    dkgEngine: commitmentsOnce(await openDkgEngine(world)),
    plan: planIssuers(ISSUERS, ISSUER_THRESHOLD, ownAddresses),
    worldOf: () => world,
    onIssuers: () => {
      issuersTook = world.clock.monotonic() - started
    },
  }
  const packets = await packetEngine(session)
  const network = await startTestnet({
    plans,
    ...(paid === undefined ? {} : { paid }),
    ...(ledger === undefined ? {} : { ledger: ledger.plan }),
    folder: options.data,
    directory: { host: HOST, port: options.directoryPort },
    noise: ownAddresses,
    world,
    worldOf: ({ roles, host }) =>
      roles.includes('exit') ? { ...world, net: withNamedHosts(world.net, names, host) } : world,
    ...(packets === undefined ? {} : { wayOutOf: () => packets }),
    logOf: (name) => session.quietLogOf(name),
    onStep: (what, wanted, used) => {
      // Nodes that share one address make room for each other: no stranger is in their way.
      if (ownAddresses || what === 'directory') taken.add(what, wanted, used)
    },
    signal: interrupted,
  })
  const took = world.clock.monotonic() - started - (issuersTook ?? 0)
  const links = ownAddresses ? 'encrypted links' : 'plain links'
  const entries = plans.filter(({ roles }) => roles.includes('entry') && !roles.includes('exit')).length
  const exits = plans.filter(({ roles }) => roles.includes('exit')).length
  taken.show(session)
  const { issuers } = network
  if (issuers !== undefined) {
    const { length } = issuers.urls
    screen.step('issuers', `${length} of ${length} keys agreed, any ${issuers.threshold} can issue`, issuersTook, {
      event: 'issuers',
      issuers: issuers.urls,
      threshold: issuers.threshold,
      faucet: issuers.faucetUrl,
    })
  }
  const { epochId, epochEndsAtUnixMs, nodes: listed } = network.directory
  const nextIn = Math.max(0, Math.round((epochEndsAtUnixMs - world.clock.now()) / 1000))
  const epoch = ledger === undefined ? '' : `   epoch ${epochId}, next in ${nextIn} s`
  screen.step('directory', `${network.directoryUrl}${epoch}`, undefined, {
    event: 'directory',
    url: network.directoryUrl,
    epoch: epochId,
    nextEpochInSeconds: nextIn,
  })
  const roleOf = new Map(listed.map(({ nodeId, role }) => [nodeId, role]))
  screen.step(
    'nodes',
    `${options.mixNodes} mix nodes in 3 layers, ${count(entries, 'entry', 'entries')}, ${count(exits, 'exit', 'exits')}, ${links}`,
    took,
    {
      event: 'nodes',
      names: plans.map(({ name }) => name),
      nodes: network.nodes.map(({ plan, running }) => ({
        name: plan.name,
        roles: plan.roles,
        layer: ledger === undefined ? plan.layer : layerOf(roleOf.get(plan.nodeId)),
        ...running.endpoints,
      })),
      noise: ownAddresses,
    },
  )
  return network
}

/** Where nothing carries packets, everything else works. */
async function packetEngine({ world, screen, quietLogOf }: Session): Promise<WayOut | undefined> {
  try {
    return await openPacketEngine(world, { engine: 'passt', allowLocalAddresses: true, log: quietLogOf('packets') })
  } catch (error) {
    if (!isMixnetError(error, 'ENGINE_UNAVAILABLE')) throw error
    screen.step('packets', `the exit carries no datagrams and pings: ${error.nextStep}`, undefined, {
      event: 'no-packets',
      nextStep: error.nextStep,
    })
    return undefined
  }
}

/** As the ledger drew it. */
const layerOf = (role: string | undefined): number | undefined =>
  role?.startsWith('layer') ? Number(role.slice('layer'.length)) : undefined

const count = (number: number, one: string, many: string): string => `${number} ${number === 1 ? one : many}`

/** Ports that other programs have, told once each: a program that has one of them often has it on every address. */
class TakenPorts {
  readonly #steps = new Map<string, { readonly wanted: number; readonly used: number; readonly what: string[] }>()

  add(what: string, wanted: number, used: number): void {
    const key = `${wanted} ${used}`
    const step = this.#steps.get(key) ?? { wanted, used, what: [] }
    step.what.push(what)
    this.#steps.set(key, step)
  }

  show({ screen }: Session): void {
    for (const { wanted, used, what } of this.#steps.values()) {
      const [first] = what
      const whose = what.length === 1 && first !== undefined ? first : `${what.length} nodes`
      screen.step(
        'ports',
        `port ${wanted} is taken by another program; ${whose} ${what.length === 1 ? 'uses' : 'use'} ${used} instead`,
        undefined,
        {
          event: 'port-taken',
          what,
          wanted,
          used,
        },
      )
    }
    this.#steps.clear()
  }
}

async function startClient(
  session: Session,
  options: UpOptions,
  { network, watch, engine, ledger }: ClientParts,
): Promise<Mixnet> {
  const { world, screen, interrupted } = session
  const started = world.clock.monotonic()
  const paying = engine && { tickets: await ticketsOf(network, ledger), engine: async () => shared(engine) }
  const mixnet = await Mixnet.connect(world, {
    directories: [network.directoryUrl],
    folder: `${options.data}/client`,
    signal: interrupted,
    onPacket: watch.onPacket,
    log: session.quietLogOf('client'),
    ...paying,
  })
  const entry = entryName(network, mixnet)
  const tickets = engine && (await mixnet.tickets.describe())
  const paid = tickets === undefined ? '' : `, ${paidWith(tickets)}`
  screen.step('client', `through entry "${entry}"${paid}`, world.clock.monotonic() - started, {
    event: 'client',
    entry,
    ...(tickets && { ticketsLeft: tickets.left, tickets: tickets.text }),
  })
  if (tickets !== undefined) {
    const deposits = await network.ledger?.ledger.read('ecash', 'depositCount', [])
    const bought = deposits === undefined ? 'of the faucet, free here' : 'paid by its own deposit on the ledger'
    screen.step('tickets', `${tickets.left} left of a book ${bought}: docs/guides/tickets.md`, undefined, {
      event: 'tickets',
      left: tickets.left,
      ...(deposits === undefined ? {} : { deposits }),
    })
  }
  return mixnet
}

/** From an account of its own, where there is a ledger: no faucet learns of it, and nobody but the chain is believed about the issuers. */
async function ticketsOf(
  { ledger: accounts }: Testnet,
  ledger: UpLedger | undefined,
): Promise<NonNullable<NodeMixnetOptions['tickets']>> {
  if (accounts === undefined || ledger === undefined) return { buy: 'faucet' }
  // This chain takes nothing back but by a kill, and issuers wait until it is kept.
  return { buy: 'ledger', ledger: { ...ledger.named, key: await accounts.clientKey(), confirmations: 0 } }
}

async function startProxy(session: Session, mixnet: Mixnet, socksPort: number, site: DemoSite): Promise<Endpoint> {
  const { screen } = session
  const taken = new TakenPorts()
  const proxy = await listenStepped(
    { wanted: socksPort, step: true, onStep: (wanted, used) => taken.add('proxy', wanted, used) },
    (port) => mixnet.proxy({ host: HOST, port }),
  )
  const { port } = proxy.endpoint
  screen.line('')
  taken.show(session)
  screen.step('proxy', `SOCKS5 and HTTP on ${HOST}:${port}`, undefined, {
    event: 'proxy',
    host: HOST,
    port,
    site: site.endpoint,
  })
  return proxy.endpoint
}

/** What every node and the client count, on one page; the client's counters also for Prometheus. */
async function startStatus(
  session: Session,
  { mixnet, network, port: wanted }: { mixnet: Mixnet; network: Testnet; port: number },
): Promise<Listener> {
  const { world, screen } = session
  const taken = new TakenPorts()
  const step = { wanted, step: true, onStep: (asked: number, used: number) => taken.add('status', asked, used) }
  const listener = await listenStepped(step, (port) =>
    serveStatus(world, {
      host: HOST,
      port,
      meter: mixnet.meter,
      status: () => ({
        entry: entryName(network, mixnet),
        connections: mixnet.connections.count,
        nodes: network.nodes.map(({ running }) => running.status()),
      }),
    }),
  )
  taken.show(session)
  const url = `http://${HOST}:${listener.endpoint.port}/status`
  screen.step('status', `${url}, and /metrics`, undefined, { event: 'status', url })
  return listener
}

function entryName(network: Testnet, mixnet: Mixnet): string {
  const gateway = toBase58(mixnet.address.gateway)
  return network.nodes.find(({ running }) => toBase58(running.identity) === gateway)?.plan.name ?? gateway.slice(0, 8)
}

function showNextSteps({ screen }: Session, endpoint: Endpoint, hasLedger: boolean): void {
  screen.line(`\n  Point anything at it   curl --socks5-hostname ${HOST}:${endpoint.port} http://${DEMO_HOST}/`)
  screen.line('  Use it in code         docs/guides/first-app.md')
  if (hasLedger) screen.line('  Add a node of yours    docs/guides/operator.md')
  screen.line('  Stop                   Ctrl-C')
}
