/**
 * The mixnet as an application sees it: one client with its gateway and its exit, and on top of them fetch, streams, and what
 * other programs are served with: a proxy, the local websocket API. @module
 */
import { isMixnetError, MixnetError, tryDecode } from '../foundation/base/errors.ts'
import { parseIp } from '../foundation/base/ipAddress.ts'
import type { Millis } from '../foundation/base/units.ts'
import type { CryptoProvider } from '../foundation/crypto/provider.ts'
import type { Endpoint } from '../foundation/platform/net.ts'
import type { PacketDevice } from '../foundation/platform/programNetwork.ts'
import type { World } from '../foundation/platform/world.ts'
import { parseRecipient, type Recipient } from '../protocol/packet/recipient.ts'
import type { IpPair } from '../protocol/wire/exit/bincode.ts'
import { isGlobalAddress } from '../protocol/wire/exit/globalAddress.ts'
import type { LedgerTicketOptions } from './credentials/ledgerTickets.ts'
import type { TicketFolder } from './credentials/openTickets.ts'
import type { ClosableEngine } from './credentials/openWallet.ts'
import type { TicketWallet } from './credentials/ticketWallet.ts'
import { type AdapterOptions, createFetch, type HttpAdapters, type MixnetFetch } from './fetch.ts'
import { explainFetchError } from './fetchErrors.ts'
import type { IpTunnel, IpTunnelOptions } from './ip/ipTunnel.ts'
import { IpTunnels } from './ip/ipTunnels.ts'
import { LocalNetwork, type LocalNetworkOptions } from './ip/localNetwork.ts'
import { MixnetIp } from './ip/mixnetIp.ts'
import { lateTickets } from './lateTickets.ts'
import { LocalApi, type LocalApiChoice } from './localApi.ts'
import type { ReceivedMessage } from './mixnetClient.ts'
import { MixnetCore } from './mixnetCore.ts'
import { type MixnetOptions, type OpenClient, openClient } from './openClient.ts'
import { Socks5Server } from './socks5Server.ts'
import type { TicketOptions } from './ticketOptions.ts'
import { planTraffic } from './trafficProfiles.ts'
import type { WebSocketConstructor } from './web/webSocket.ts'

interface Server {
  close(): Promise<void>
}

export interface NodeMixnetOptions extends MixnetOptions {
  /** PEM of the only authorities that `fetch` and WebSockets trust. Default: those Node comes with, and NODE_EXTRA_CA_CERTS. */
  readonly ca?: string | undefined
  /**
   * How bandwidth is paid for where a gateway wants it. Needs a directory; without a `folder` tickets end with the process. Default: as
   * { buy: 'faucet' }, but nothing is loaded or asked before a gateway wants it. { buy: 'ledger' }: with tokens, from an account on the
   * network's ledger, whose key is in a file.
   */
  readonly tickets?: TicketOptions | LedgerTicketOptions | undefined
  /** What computes with tickets. Default: on the spot, some 20 ms for each. */
  readonly engine?: (() => Promise<ClosableEngine>) | undefined
}

export interface IpOptions extends Pick<IpTunnelOptions, 'timeout' | 'signal' | 'onLost' | 'onRefused'> {
  /** Address of the only IP packet router to use. Default: a random one that the directory lists, and another where it does not answer. */
  readonly router?: string | undefined
}

export class Mixnet extends MixnetCore {
  readonly #world: World
  readonly #ca: string | undefined
  readonly #wallet: () => TicketWallet | undefined
  readonly #tunnels: IpTunnels
  readonly #isLocal: boolean
  readonly #slot: Millis | undefined
  readonly #servers = new Set<Server>()
  #http: MixnetFetch | undefined
  #adapters: HttpAdapters | undefined
  #closed = false

  private constructor(
    world: World,
    opened: OpenClient,
    tunnels: IpTunnels,
    ca: string | undefined,
    wallet: () => TicketWallet | undefined,
    { directories, traffic }: MixnetOptions,
  ) {
    super(world, opened)
    this.#isLocal = isLocalNetwork(directories)
    this.#slot = planTraffic(traffic).params.mainStreamInterval
    this.#tunnels = tunnels
    this.#world = world
    this.#ca = ca
    this.#wallet = wallet
  }

  /** Resolves when packets can be sent. Throws as `openClient`, NO_TICKETS, and BAD_ARGUMENT for `tickets` that cannot be. */
  static async connect(world: World, { ca, engine, tickets, ...options }: NodeMixnetOptions): Promise<Mixnet> {
    const paying = await payingFolder(world, { ...options, engine, tickets })
    const tunnels = new IpTunnels(world)
    let opened: OpenClient | undefined
    const { onMessage = (message: ReceivedMessage) => opened?.inbox.push(message) } = options
    opened = await openClient(world, {
      ...options,
      open: paying?.open,
      onMessage: (message) => {
        if (!tunnels.take(message)) onMessage(message)
      },
    })
    return new Mixnet(world, opened, tunnels, ca, () => paying?.wallet(), options)
  }

  /**
   * An address in the world, behind an exit that routes IP packets: datagrams, pings, names, packets of one's own. The exit sees that what one
   * address does belongs together; two of them it cannot connect. Throws EXIT_UNREACHABLE where no exit does that or none answers,
   * EXIT_REFUSED, BAD_ARGUMENT, ABORTED, STOPPED.
   */
  async ip(options: IpOptions = {}): Promise<MixnetIp> {
    return new MixnetIp(this.#world, await this.#openTunnel(options), this.connections)
  }

  async #openTunnel({ router, ...options }: IpOptions): Promise<IpTunnel> {
    if (this.#closed) throw new MixnetError('STOPPED')
    const { client, meter } = this
    const { directory, entries } = this.opened
    const named = router === undefined ? undefined : parseAddress(this.#world.crypto, router)
    const slot = this.#slot
    return await this.#tunnels.open({ client, meter, slot, directory, entries: entries(), router: named, ...options })
  }

  /**
   * What is left of the tickets, and how to move them. Throws BAD_ARGUMENT where `connect` was given no `tickets` and no gateway has
   * wanted any yet.
   */
  get tickets(): TicketWallet {
    const wallet = this.#wallet()
    if (wallet !== undefined) return wallet
    const nextStep =
      "Connect with `tickets: { buy: 'never' }`, or with 'faucet' in a local network: then they are there at once."
    throw new MixnetError('BAD_ARGUMENT', { argument: 'tickets', why: 'nothing was paid for yet' }, { nextStep })
  }

  /**
   * As the global one, through the mixnet, with a deadline that always fires. Rejects with MixnetErrors (EXIT_REFUSED,
   * HOST_UNKNOWN, TIMEOUT …), or with the reason of the caller's signal where that was aborted.
   */
  readonly fetch: MixnetFetch['fetch'] = async (input, init) => {
    try {
      return await this.#requests().fetch(input, init)
    } catch (error) {
      throw init?.signal?.aborted === true ? error : explainFetchError(error)
    }
  }

  /**
   * As the global one: `new mixnet.WebSocket(url, protocols, options)`, with a deadline for connecting that always fires. Every end
   * that is not peaceful is told by an `error` event, whose `error` is a MixnetError.
   */
  get WebSocket(): WebSocketConstructor {
    return this.#requests().WebSocket
  }

  /** For undici's `request` and `fetch`, and for Node's: `fetch(url, { dispatcher: mixnet.dispatcher })`. */
  get dispatcher(): HttpAdapters['dispatcher'] {
    return this.#ownAdapters().dispatcher
  }

  /** For `node:http` and what is built on it: `https.get(url, { agent: mixnet.agent.https })`. */
  get agent(): HttpAdapters['agent'] {
    return this.#ownAdapters().agent
  }

  /**
   * Another dispatcher and other agents, with an isolation key or a timeout of their own. Requests end with errors that are MixnetErrors
   * or have one in `cause`, before their deadlines. All live as long as this client; closing them does nothing.
   */
  adapters(options?: AdapterOptions): HttpAdapters {
    return this.#requests().adapters(options)
  }

  /**
   * The network of programs in a network of their own: whatever they send leaves through the mixnet. `nameServer`: an IP address, asked for
   * names; without one the exit that connects looks them up, and only connections know names. Addresses that are not public are
   * refused, unless all directories have such ones themselves. `nameServers`: whom programs ask now, and shall ask us.
   */
  networkFor(
    programs: PacketDevice,
    options: Pick<
      LocalNetworkOptions,
      | 'nameServer'
      | 'nameServers'
      | 'noAddress'
      | 'addressLost'
      | 'fragment'
      | 'refused'
      | 'toName'
      | 'silentNameServer'
    > = {},
  ): LocalNetwork {
    const { meter, connections: dialer } = this
    const pair = ({ ipv4, ipv6 }: PacketDevice['router']): IpPair => ({
      ipv4: parseIp(ipv4) as Uint8Array,
      ipv6: parseIp(ipv6) as Uint8Array,
    })
    const network = new LocalNetwork(this.#world, {
      ...options,
      dialer,
      tunnel: (onLost, onRefused) => this.#openTunnel({ onLost, onRefused }),
      mtu: programs.mtu,
      programs: pair(programs.programs),
      router: pair(programs.router),
      allowsLocalAddresses: this.#isLocal,
      send: (packet) => programs.send(packet),
      meter,
    })
    programs.onPacket((packet) => network.receive(packet))
    return network
  }

  /** A SOCKS proxy for other programs. Throws ADDRESS_IN_USE, and STOPPED after `close`. */
  async proxy(endpoint: Endpoint): Promise<Socks5Server> {
    const { connections: dialer, meter } = this
    const { log } = this.opened
    return this.#serve(() => Socks5Server.listen(this.#world, { ...endpoint, dialer, meter, log }))
  }

  /**
   * The websocket of the official native client, for a program on this machine. While one is connected it gets the messages, and
   * `messages()` shares them with it. Throws as `proxy`.
   */
  async localApi(choice: LocalApiChoice): Promise<LocalApi> {
    const { client, meter } = this
    const { log } = this.opened
    const messages = (signal: AbortSignal) => this.messages(signal)
    return this.#serve(() => LocalApi.listen(this.#world, { ...choice, client, messages, meter, log }))
  }

  async #serve<T extends Server>(listen: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new MixnetError('STOPPED')
    const server = await listen()
    if (this.#closed) {
      // Closed while it began to listen: nobody else would ever close it, and its port would answer on.
      await server.close()
      throw new MixnetError('STOPPED')
    }
    this.#servers.add(server)
    return server
  }

  override async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#servers].map((server) => server.close()))
    await this.#http?.close()
    await this.#tunnels.close()
    await super.close()
  }

  #requests(): MixnetFetch {
    this.#http ??= createFetch(this.#world, { dialer: this.connections, ca: this.#ca, log: this.log })
    return this.#http
  }

  #ownAdapters(): HttpAdapters {
    this.#adapters ??= this.adapters()
    return this.#adapters
  }
}

/** Throws BAD_ARGUMENT: what the caller wrote is the caller's mistake. */
function parseAddress(crypto: CryptoProvider, text: string): Recipient {
  const address = tryDecode(() => parseRecipient(crypto, text))
  if (!isMixnetError(address)) return address
  const nextStep = 'Give the address of an IP packet router, or nothing: then one is chosen.'
  throw new MixnetError('BAD_ARGUMENT', { argument: 'router' }, { nextStep, cause: address })
}

/** Programs that never pay are spared the curve. */
async function payingFolder(
  world: World,
  { engine, tickets, ...options }: Omit<NodeMixnetOptions, 'ca'>,
): Promise<TicketFolder | undefined> {
  const load = () => import('./credentials/openTickets.ts')
  if (tickets?.buy === 'ledger') {
    const { ledgerTickets } = await import('./credentials/ledgerTickets.ts')
    return (await load()).ticketFolder(world, { ...options, ...(await ledgerTickets(world, tickets)), engine })
  }
  if (tickets !== undefined) return (await load()).ticketFolder(world, { ...options, tickets, engine })
  // Nobody says who issues tickets.
  if (options.directories.length === 0) return undefined
  return lateTickets(async () => (await load()).lateOpener(world, { ...options, tickets: { buy: 'faucet' }, engine }))
}

/** Whose directories are at addresses that are not public: its sites are there as well. */
function isLocalNetwork(directories: readonly string[]): boolean {
  return (
    directories.length > 0 &&
    directories.every((directory) => {
      if (!URL.canParse(directory)) return false
      const host = new URL(directory).hostname.replace(/^\[|\]$/g, '')
      const address = parseIp(host)
      return host === 'localhost' || (address !== undefined && !isGlobalAddress(address))
    })
  )
}
