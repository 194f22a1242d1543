/** One client of the IP packet router: its addresses, its way out, and what is on its way to it. @module */
import { PacketOrder } from '../../../client/ip/packetOrder.ts'
import { PacketWriter } from '../../../client/ip/packetWriter.ts'
import type { Counter } from '../../../foundation/base/observe.ts'
import type { Millis } from '../../../foundation/base/units.ts'
import { millis } from '../../../foundation/base/units.ts'
import type { World } from '../../../foundation/platform/world.ts'
import type { IpPair } from '../../../protocol/wire/exit/bincode.ts'
import { type IpPacket, PROTOCOL } from '../../../protocol/wire/ip/ipPacket.ts'
import { type ReplyPath, type RequesterClient, sendAnswer } from '../replyPath.ts'
import type { IpRouterParams } from './ipRouterParams.ts'
import { type Dialect, encodeRouterAnswer } from './routerMessages.ts'
import type { SharedConnections } from './sharedConnections.ts'
import { TcpEnds } from './tcpEnds.ts'
import type { OpenWayOut } from './wayOut.ts'

export interface RouterClientOptions {
  readonly world: Pick<World, 'clock' | 'random' | 'net'>
  readonly client: RequesterClient
  /** Key of its state and lane. */
  readonly name: string
  readonly path: ReplyPath
  readonly dialect: Dialect
  readonly ips: IpPair
  readonly bufferTimeoutMs: bigint | undefined
  readonly mtu: number
  readonly params: IpRouterParams
  readonly reserve: (bytes: number, held: number) => boolean
  readonly connections: SharedConnections
  readonly dropped: (packets: number) => void
  /** Takes a packet of TCP that waited for its turn. */
  readonly inTurn: (packet: Uint8Array) => void
  /** Cannot be answered any more. */
  readonly lost: () => void
  readonly toClient: Counter
  readonly toWorld: Counter
}

const MAX_SEQUENCE = 0xffffffff

export class RouterClient {
  readonly #options: RouterClientOptions
  readonly #writer: PacketWriter
  /** Of its packets of TCP. */
  readonly order: PacketOrder
  readonly #tcp: TcpEnds
  #way: OpenWayOut | undefined
  #dialect: Dialect
  #sequence = 0
  #isOver = false
  #wantsPause = false
  #lastFromClient: Millis
  #lastToClient: Millis
  #lastRefusal: Millis | undefined

  constructor(options: RouterClientOptions) {
    const { world, client, name, params, bufferTimeoutMs, reserve, connections, dropped, lost } = options
    const { clock, net } = world
    this.#options = options
    this.#dialect = options.dialect
    this.#lastFromClient = this.#lastToClient = clock.monotonic()
    this.order = new PacketOrder({
      clock,
      patience: params.patience,
      reserve: (bytes, held) => (bytes <= 0 || held + bytes <= params.maxHeldBytes) && reserve(bytes, held),
      deliver: options.inTurn,
    })
    this.#writer = new PacketWriter({
      clock,
      client,
      lane: laneOf(name),
      lanePackets: params.lanePackets,
      bundleWait: bundleWait(bufferTimeoutMs, params),
      bundleBytes: params.bundleBytes,
      pauseAtBytes: params.pauseAtBytes,
      maxWaitingBytes: params.maxWaitingBytes,
      reserve,
      dropped,
      lost,
      send: (bundle, signal) => this.#sendBundle(bundle, signal),
      full: () => {
        this.#wantsPause = true
        this.#tcp.pause()
        this.#way?.pause()
      },
      drained: () => {
        this.#wantsPause = false
        this.#tcp.resume()
        if (!this.#wantsPause) this.#way?.resume()
      },
    })
    this.#tcp = new TcpEnds({
      clock,
      net,
      random: world.random.stream('packet-tcp'),
      mtu: options.mtu,
      send: (packet) => this.receive(packet),
      shared: connections,
    })
  }

  get name(): string {
    return this.#options.name
  }

  get ips(): IpPair {
    return this.#options.ips
  }

  get path(): ReplyPath {
    return this.#options.path
  }

  /** As it was connected: what it is told later is in the same. */
  get dialect(): Dialect {
    return this.#dialect
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Connected again: answers go as this asks. */
  speak(dialect: Dialect): void {
    this.#dialect = dialect
    this.#lastFromClient = this.#options.world.clock.monotonic()
  }

  /** Returns false where it is over meanwhile: the way is the caller's to close. */
  attach(way: OpenWayOut): boolean {
    if (this.#isOver) return false
    this.#way = way
    if (this.#wantsPause) way.pause()
    return true
  }

  owns({ version, source }: Pick<IpPacket, 'version' | 'source'>): boolean {
    const own = version === 4 ? this.ips.ipv4 : this.ips.ipv6
    return own.every((byte, i) => byte === source[i])
  }

  /** Whether it has a packet of the client at all, whatever becomes of it. */
  noteActivity(): void {
    this.#lastFromClient = this.#options.world.clock.monotonic()
  }

  /** A packet of the client for the world, and its bytes. False where it was lost. */
  forward(packet: IpPacket, bytes: Uint8Array): boolean {
    const way = this.#way
    if (way === undefined) return false
    if (packet.protocol === PROTOCOL.tcp) this.#tcp.receive(packet)
    // The engine keeps it; the message it is in goes.
    else if (!way.send(bytes.slice())) return false
    this.#options.toWorld.value += bytes.length
    return true
  }

  /** A packet of the world for the client. */
  receive(packet: Uint8Array): void {
    if (this.#isOver) return
    this.#lastToClient = this.#options.world.clock.monotonic()
    this.#writer.push(packet)
  }

  /** Whether it may be told of a refused destination now. */
  mayRefuse(): boolean {
    const now = this.#options.world.clock.monotonic()
    if (this.#lastRefusal !== undefined && now - this.#lastRefusal < this.#options.params.refusalInterval) return false
    this.#lastRefusal = now
    return true
  }

  /** Why it should be let go, if it should. */
  silence(now: Millis): 'mixnetTrafficTimeout' | 'tunTrafficTimeout' | undefined {
    const { mixnetSilence, worldSilence } = this.#options.params
    if (now - this.#lastFromClient >= mixnetSilence) return 'mixnetTrafficTimeout'
    return now - this.#lastToClient >= worldSilence ? 'tunTrafficTimeout' : undefined
  }

  /** Resolves when nothing of it is left. What waits for it is dropped. */
  async end(): Promise<void> {
    this.#isOver = true
    this.#writer.stop()
    this.order.stop()
    this.#tcp.close()
    const { client, name, path } = this.#options
    client.closeLane(laneOf(name), path.kind === 'tag' ? path.tag : undefined)
    await this.#way?.close()
  }

  /** Of the next frame that nobody asked for. 0 is for answers; officially it is skipped when the numbers begin anew. */
  nextSequence(): number {
    this.#sequence = this.#sequence === MAX_SEQUENCE ? 1 : this.#sequence + 1
    return this.#sequence
  }

  async #sendBundle(bundle: Uint8Array, signal: AbortSignal): Promise<void> {
    const { client, name, path, mtu, toClient } = this.#options
    const data = encodeRouterAnswer(this.#dialect, { kind: 'data', bundle }, { sequence: this.nextSequence(), mtu })
    await sendAnswer(client, { path, lane: laneOf(name), data, signal })
    toClient.value += bundle.length
  }
}

const laneOf = (name: string): string => `ip ${name}`

function bundleWait(asked: bigint | undefined, { bundleWait: usual, maxBundleWait }: IpRouterParams): Millis {
  return asked === undefined ? usual : millis(Math.min(Number(asked), maxBundleWait))
}
