/** The client of `starling up`, its proxy, and what is told of them. @module */
import type { TicketsDescription } from '../../client/credentials/describeTickets.ts'
import { Mixnet, type NodeMixnetOptions } from '../../client/mixnet.ts'
import { toBase58 } from '../../foundation/base/base58.ts'
import type { Endpoint, Listener } from '../../foundation/platform/net.ts'
import { TICKETS_PER_BOOK } from '../../protocol/credentials/constants.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import { serveStatus } from '../node/statusServer.ts'
import { listenStepped } from '../node/steppedPort.ts'
import type { DemoSite } from '../testnet/demoSite.ts'
import type { Testnet } from '../testnet/testnet.ts'
import type { RequestWatch } from './firstRequest.ts'
import type { Session } from './session.ts'
import { TakenPorts } from './takenPorts.ts'
import type { UpLedger } from './upLedger.ts'
import { HOST, type UpOptions } from './upNetwork.ts'

interface ClientParts {
  readonly network: Testnet
  readonly watch: RequestWatch
  readonly engine: CredentialEngine | undefined
  readonly ledger: UpLedger | undefined
}

/** The network's engine, which the client must not close. */
const shared = (engine: CredentialEngine): CredentialEngine => ({ ...engine, close: undefined }) as CredentialEngine

/** A new book's first ticket, or one of what was left of the last time. */
function paidWith({ left }: TicketsDescription): string {
  const spent = (TICKETS_PER_BOOK - (left % TICKETS_PER_BOOK)) % TICKETS_PER_BOOK
  return `paid with ticket ${spent} of ${TICKETS_PER_BOOK}`
}

export async function startClient(
  session: Session,
  options: UpOptions,
  { network, watch, engine, ledger }: ClientParts,
): Promise<Mixnet> {
  const { world, interrupted } = session
  const paying = engine && { tickets: await ticketsOf(network, ledger), engine: async () => shared(engine) }
  return Mixnet.connect(world, {
    directories: [network.directoryUrl],
    folder: `${options.data}/client`,
    signal: interrupted,
    onPacket: watch.onPacket,
    log: session.quietLogOf('client'),
    ...paying,
  })
}

export async function showClient(
  { screen }: Session,
  mixnet: Mixnet,
  { network, paid: isPaid, took }: { readonly network: Testnet; readonly paid: boolean; readonly took: number },
): Promise<void> {
  const entry = entryName(network, mixnet)
  const tickets = isPaid ? await mixnet.tickets.describe() : undefined
  const paid = tickets === undefined ? '' : `, ${paidWith(tickets)}`
  screen.step('client', `through entry "${entry}"${paid}`, took, {
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

export async function startProxy(
  session: Session,
  mixnet: Mixnet,
  socksPort: number,
  site: DemoSite,
): Promise<Endpoint> {
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
export async function startStatus(
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

export function entryName(network: Testnet, mixnet: Mixnet): string {
  const gateway = toBase58(mixnet.address.gateway)
  return network.nodes.find(({ running }) => toBase58(running.identity) === gateway)?.plan.name ?? gateway.slice(0, 8)
}
