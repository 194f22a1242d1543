/**
 * One client of the IP packet router: its addresses, its way out, and what is on its way to it. Each of its packets is judged here, and refused where
 * the policy says so. @module
 */
import { PacketOrder } from '../../../client/ip/packetOrder.ts'
import { PacketWriter } from '../../../client/ip/packetWriter.ts'
import { equalBytes } from '../../../foundation/base/bytes.ts'
import type { Counter } from '../../../foundation/base/observe.ts'
import type { Millis } from '../../../foundation/base/units.ts'
import { millis } from '../../../foundation/base/units.ts'
import type { World } from '../../../foundation/platform/world.ts'
import type { IpPair } from '../../../protocol/wire/exit/bincode.ts'
import { buildEcho, readEcho } from '../../../protocol/wire/ip/echo.ts'
import { type IpPacket, PROTOCOL, readIpPacket } from '../../../protocol/wire/ip/ipPacket.ts'
import { buildReset, FLAG, readTcpSegment } from '../../../protocol/wire/ip/tcpSegment.ts'
import { buildTooBig } from '../../../protocol/wire/ip/tooBig.ts'
import type { Answers } from '../answers.ts'
import type { ExitRules } from '../exitRules.ts'
import { type ReplyPath, type RequesterClient, sendAnswer } from '../replyPath.ts'
import { ROUTER_IPS } from './addressPool.ts'
import type { IpRouterParams } from './ipRouterParams.ts'
import { destinationText, judgePacket } from './packetRules.ts'
import { type Dialect, encodeRouterAnswer, type RouterAnswer } from './routerMessages.ts'
import type { SharedConnections } from './sharedConnections.ts'
import type { SharedMemory } from './sharedMemory.ts'
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
  readonly rules: ExitRules
  readonly memory: SharedMemory
  readonly connections: SharedConnections
  readonly answers: Pick<Answers, 'send'>
  readonly dropped: (reason: string, packets?: number) => void
  /** Cannot be answered any more. */
  readonly lost: () => void
  readonly toClient: Counter
  readonly toWorld: Counter
}

const MAX_SEQUENCE = 0xffffffff
export const ANSWERS_LANE = 'ip-answers'

export class RouterClient {
  readonly #options: RouterClientOptions
  readonly #writer: PacketWriter
  /** Of its packets of TCP. */
  readonly order: PacketOrder
  readonly #tcp: TcpEnds
  #way: OpenWayOut | undefined
  /** As it was connected: what it is told later is in the same. */
  #dialect: Dialect
  #sequence = 0
  #isOver = false
  #wantsPause = false
  #lastFromClient: Millis
  #lastToClient: Millis
  #lastRefusal: Millis | undefined

  constructor(options: RouterClientOptions) {
    const { world, client, name, params, bufferTimeoutMs, memory, connections, dropped, lost } = options
    const { clock, net } = world
    this.#options = options
    this.#dialect = options.dialect
    this.#lastFromClient = this.#lastToClient = clock.monotonic()
    this.order = new PacketOrder({
      clock,
      patience: params.patience,
      reserve: (bytes, held) => held + bytes <= params.maxHeldBytes && memory.reserve(bytes, held),
      deliver: (packet) => this.carry(packet),
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
      reserve: (bytes, held) => memory.reserve(bytes, held),
      dropped: (packets) => dropped('client-too-slow', packets),
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
      send: (packet) => this.#receive(packet),
      shared: connections,
    })
    // What a session before left there: it would be taken for this one's.
    this.#dropLane()
  }

  get ips(): IpPair {
    return this.#options.ips
  }

  get path(): ReplyPath {
    return this.#options.path
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
    return equalBytes(version === 4 ? this.ips.ipv4 : this.ips.ipv6, source)
  }

  // ---- packets

  /** One of its packets, in its turn. */
  carry(packet: IpPacket): void {
    const { mtu, rules, world, dropped, toWorld } = this.#options
    this.#lastFromClient = world.clock.monotonic()
    if (isRouter(packet.destination)) return this.#answerEcho(packet)
    if (packet.bytes.length > mtu) return this.#refuseLong(packet)
    const verdict = judgePacket(packet, { rules, net: world.net })
    if (verdict !== 'accepted') {
      dropped(`destination-${verdict}`)
      return this.#refuse(packet)
    }
    const way = this.#way
    if (way === undefined) return dropped('engine-busy')
    if (packet.protocol === PROTOCOL.tcp) this.#tcp.receive(packet)
    // The engine keeps it; the message it is in goes.
    else if (!way.send(packet.bytes.slice())) return dropped('engine-busy')
    toWorld.value += packet.bytes.length
  }

  #refuse(packet: IpPacket): void {
    // To whom asks for a connection: official clients do not read what else they are told, and ask for ever.
    const asks = packet.protocol === PROTOCOL.tcp && readTcpSegment(packet).flags === FLAG.syn
    if (asks) this.#receive(buildReset(packet))
    if (!this.#mayRefuse()) return
    const info = { kind: 'exitPolicyRefused', destination: destinationText(packet) } as const
    this.tell({ kind: 'info', info, level: 'warn' })
  }

  #refuseLong(packet: IpPacket): void {
    const { mtu, dropped } = this.#options
    dropped('packet-too-long')
    if (!this.#mayRefuse()) return
    this.#receive(buildTooBig(packet, packet.version === 4 ? ROUTER_IPS.ipv4 : ROUTER_IPS.ipv6, mtu))
  }

  /** Whether it may be told of something refused now: an answer costs a reply SURB. */
  #mayRefuse(): boolean {
    const now = this.#options.world.clock.monotonic()
    if (this.#lastRefusal !== undefined && now - this.#lastRefusal < this.#options.params.refusalInterval) return false
    this.#lastRefusal = now
    return true
  }

  /** The one thing that the router answers itself: clients probe it. */
  #answerEcho(packet: IpPacket): void {
    const echo = readEcho(packet)
    if (echo === undefined || echo.isReply) return this.#options.dropped('destination-router')
    const back = { source: packet.destination, destination: packet.source }
    this.#receive(buildEcho(back, { ...echo, isReply: true }))
  }

  /** What its way out brings. */
  returned(bytes: Uint8Array): void {
    const { dropped } = this.#options
    const packet = readIpPacket(bytes)
    if ('fault' in packet) return dropped(`returned-${packet.fault}`)
    // An engine that mixes its clients up is not believed.
    if (!this.owns({ version: packet.version, source: packet.destination })) return dropped('returned-for-another')
    // Connections are ours: what an engine brings of one is a stranger's.
    if (packet.protocol === PROTOCOL.tcp) return dropped('returned-tcp')
    this.#receive(bytes)
  }

  #receive(packet: Uint8Array): void {
    this.#lastToClient = this.#options.world.clock.monotonic()
    this.#writer.push(packet)
  }

  // ---- ends, and what it is told

  /** Why it should be let go, if it should. */
  silence(now: Millis): 'mixnetTrafficTimeout' | 'tunTrafficTimeout' | undefined {
    const { mixnetSilence, worldSilence } = this.#options.params
    if (now - this.#lastFromClient >= mixnetSilence) return 'mixnetTrafficTimeout'
    return now - this.#lastToClient >= worldSilence ? 'tunTrafficTimeout' : undefined
  }

  /**
   * Resolves when nothing of it is left. What waits for it is dropped. Told why, it is sent what its lane holds all the same, and that has no more
   * room than before: official clients take frames in the order of their numbers, and would wait for those dropped, not for the last. What
   * nobody comes for goes with its reply SURBs.
   */
  async end(told?: Extract<RouterAnswer, { kind: 'unrequestedDisconnect' }>['reason']): Promise<void> {
    this.#isOver = true
    this.#writer.stop()
    this.order.stop()
    this.#tcp.close()
    if (told === undefined) this.#dropLane()
    else this.tell({ kind: 'unrequestedDisconnect', reason: told }, this.#nextSequence)
    await this.#way?.close()
  }

  /** What it is told has left, and what its lane holds, which official clients read before. Throws ABORTED, STOPPED. */
  async whenSent(signal: AbortSignal): Promise<void> {
    const { client, name, path } = this.#options
    const tag = path.kind === 'tag' ? path.tag : undefined
    for (const lane of [laneOf(name), ANSWERS_LANE]) await client.whenLaneBelow(lane, 0, signal, tag)
  }

  #dropLane(): void {
    const { client, name, path } = this.#options
    client.closeLane(laneOf(name), path.kind === 'tag' ? path.tag : undefined)
  }

  /** Of the next frame that nobody asked for. 0 is for answers; officially it is skipped when the numbers begin anew. */
  get #nextSequence(): number {
    return this.#sequence === MAX_SEQUENCE ? 1 : this.#sequence + 1
  }

  /** Something that it did not ask for. */
  tell(answer: RouterAnswer, sequence = 0): void {
    const { answers, name: sender, path, mtu } = this.#options
    answers.send({ path, sender }, ANSWERS_LANE, encodeRouterAnswer(this.#dialect, answer, { sequence, mtu }))
  }

  async #sendBundle(bundle: Uint8Array, signal: AbortSignal): Promise<void> {
    const { client, name, path, mtu, toClient } = this.#options
    const sequence = this.#nextSequence
    const data = encodeRouterAnswer(this.#dialect, { kind: 'data', bundle }, { sequence, mtu })
    await sendAnswer(client, { path, lane: laneOf(name), data, signal })
    // One at a time, and where it found no room before the end it has no number.
    this.#sequence = sequence
    toClient.value += bundle.length
  }
}

const laneOf = (name: string): string => `ip ${name}`

function bundleWait(asked: bigint | undefined, { bundleWait: usual, maxBundleWait }: IpRouterParams): Millis {
  return asked === undefined ? usual : millis(Math.min(Number(asked), maxBundleWait))
}

const isRouter = (address: Uint8Array): boolean =>
  equalBytes(address, ROUTER_IPS.ipv4) || equalBytes(address, ROUTER_IPS.ipv6)
