/**
 * The IP packet router: gives clients of the mixnet addresses, carries their packets into the world and back. Who they are stays unknown to
 * it. Every packet is read before it leaves: it must come from who has its source address, and go where the policy lets it. Everything that
 * a client can make it keep is bounded. Behaviour: docs/spec/ip-packet-router.md. @module
 */
import { needsOrder } from '../../../client/ip/packetOrder.ts'
import { equalBytes } from '../../../foundation/base/bytes.ts'
import { isMixnetError, type MixnetError } from '../../../foundation/base/errors.ts'
import type { Log, Meter } from '../../../foundation/base/observe.ts'
import type { Millis } from '../../../foundation/base/units.ts'
import type { Timer } from '../../../foundation/platform/clock.ts'
import type { World } from '../../../foundation/platform/world.ts'
import type { Recipient } from '../../../protocol/packet/recipient.ts'
import type { BuildInformation } from '../../../protocol/wire/directory/buildInformation.ts'
import type { IpPair } from '../../../protocol/wire/exit/bincode.ts'
import { decodeBundle } from '../../../protocol/wire/exit/ipBundle.ts'
import { copyPacket, type IpPacket, readIpPacket } from '../../../protocol/wire/ip/ipPacket.ts'
import { Answers } from '../answers.ts'
import { forgetQuiet } from '../quietSenders.ts'
import { Quotas } from '../quotas.ts'
import type { ReplyPath, RequesterClient } from '../replyPath.ts'
import { AddressPool } from './addressPool.ts'
import type { IpRouterParams } from './ipRouterParams.ts'
import type { PacketRulesOptions } from './packetRules.ts'
import { ANSWERS_LANE, RouterClient } from './routerClient.ts'
import {
  type Dialect,
  encodeRouterAnswer,
  type RouterAnswer,
  type RouterQuestion,
  type RouterRequest,
  readRouterRequest,
} from './routerMessages.ts'
import { SharedConnections } from './sharedConnections.ts'
import { SharedMemory } from './sharedMemory.ts'
import type { WayOut } from './wayOut.ts'

export interface IpPacketRouterOptions extends Pick<PacketRulesOptions, 'rules'> {
  /** The router's own mixnet client, whose messages it takes over; whoever started it stops it. */
  readonly client: RequesterClient
  readonly wayOut: WayOut
  readonly params: IpRouterParams
  readonly build: BuildInformation
  readonly meter: Meter
  readonly log: Log
}

type ConnectQuestion = Extract<RouterQuestion, { kind: 'connect' }>

/** Whom a question is from and how it is answered. */
interface Asking {
  readonly name: string
  readonly path: ReplyPath
  readonly dialect: Dialect
  readonly requestId: bigint
}

export class IpPacketRouter {
  readonly #world: World
  readonly #options: IpPacketRouterOptions
  readonly #pool: AddressPool
  readonly #answers: Answers
  readonly #clients = new Map<string, RouterClient>()
  /** Of versions 6 and 7, whose packets do not say whose they are. */
  readonly #bySource = new Map<string, RouterClient>()
  readonly #stopping = new AbortController()
  #isStopping = false
  readonly #ending = new Set<Promise<void>>()
  readonly #connections = new SharedConnections()
  readonly #memory: SharedMemory
  /** Pseudonyms that have gone, oldest first: they may still be told so. What they gave for answers is 100 kB each, and goes when their addresses are free. */
  readonly #gone = new Map<string, Millis>()
  #connecting = 0
  #review: Timer | undefined

  private constructor(world: World, options: IpPacketRouterOptions) {
    const { params, meter, client } = options
    this.#world = world
    this.#options = options
    this.#memory = new SharedMemory(params)
    this.#pool = new AddressPool({ random: world.random.stream('ip-addresses'), restFor: params.addressRest })
    this.#answers = new Answers({
      clock: world.clock,
      client,
      answerTimeout: params.answerTimeout,
      quotas: new Quotas({ answers: params.answers }),
      stopping: this.#stopping.signal,
      dropped: (reason) => this.#drop(reason),
    })
    meter.gauge('ip_clients', 'Clients that have addresses', () => this.#clients.size)
    meter.gauge('ip_connections', 'Connections of clients that end here', () => this.#connections.count)
    meter.gauge('ip_waiting_bytes', 'Bytes that wait for clients', () => this.#memory.taken)
  }

  static start(world: World, options: IpPacketRouterOptions): IpPacketRouter {
    const router = new IpPacketRouter(world, options)
    options.client.onMessage(({ data, sender }) => router.#received(data, sender))
    router.#scheduleReview()
    return router
  }

  /** Where clients write to. */
  get address(): Recipient {
    return this.#options.client.address
  }

  get clientCount(): number {
    return this.#clients.size
  }

  /** Tells every client, ends every way out. Resolves when none is left, and what they are told has left, or the time for that is over. */
  async stop(): Promise<void> {
    this.#review?.cancel()
    this.#isStopping = true
    const clients = [...this.#clients]
    for (const [name] of clients) this.#end(name, { text: 'this exit is going away' })
    await this.#told(clients.map(([, client]) => client))
    this.#stopping.abort()
    await Promise.all(this.#ending)
    await this.#options.wayOut.close()
  }

  /** Else they would hear of it by silence only. */
  async #told(clients: readonly RouterClient[]): Promise<void> {
    const late = new AbortController()
    const timer = this.#world.clock.after(this.#options.params.stopTimeout, () => late.abort())
    await Promise.allSettled(clients.map((client) => client.whenSent(late.signal)))
    timer.cancel()
  }

  #received(message: Uint8Array, tag: string | undefined): void {
    if (this.#isStopping) return
    const request = readRouterRequest(this.#world.crypto, message, tag, this.#world.clock.now())
    if (typeof request === 'string') return this.#drop(request)
    if (request.kind === 'nothing') return
    if (request.kind === 'data') return this.#carry(request)
    const { client: name, dialect, question, sequence } = request
    // A number of the stream as well, for which packets would wait.
    if (sequence !== undefined) this.#clients.get(name)?.order.push(sequence, [])
    const path: ReplyPath =
      dialect.version === 6 || dialect.version === 7
        ? { kind: 'address', recipient: dialect.replyTo }
        : { kind: 'tag', tag: name }
    const asking: Asking = { name, path, dialect, requestId: question.requestId }
    switch (question.kind) {
      case 'ping':
        return this.#answer(asking, { kind: 'pong' })
      case 'health':
        return this.#answer(asking, { kind: 'health', buildInformation: this.#options.build })
      case 'disconnect': {
        const known = this.#clients.has(name)
        if (known) this.#end(name)
        return this.#answer(asking, { kind: known ? 'disconnected' : 'disconnectRefused' })
      }
      case 'connect':
        void this.#connect(asking, question)
    }
  }

  // ---- connecting

  async #connect(asking: Asking, question: ConnectQuestion): Promise<void> {
    const { name, dialect } = asking
    const { wanted } = question
    const known = this.#clients.get(name)
    if (known !== undefined) {
      if (wanted !== undefined && !sameIps(known.ips, wanted)) {
        return this.#answer(asking, { kind: 'connectRefused', reason: 'addressInUse' })
      }
      // A client that asks twice has lost the answer, or its packets of before: officially it gets the same addresses, in a stream new ones.
      if (dialect.version < 9) {
        known.speak(dialect)
        return this.#answer(asking, { kind: 'connected', ips: known.ips, wanted: wanted !== undefined })
      }
      this.#end(name)
    }
    const { params, meter } = this.#options
    // What is being closed is a process still: who connects and leaves in a loop waits for it.
    const changing = Math.max(this.#connecting, this.#ending.size)
    if (this.#clients.size >= params.maxClients || changing >= params.maxConnecting) {
      return this.#answer(asking, { kind: 'connectRefused', reason: { text: 'too many clients' } })
    }
    const ips = this.#addressesFor(asking, wanted)
    if (ips === undefined) return
    const client = this.#newClient(asking, question, ips)
    this.#clients.set(name, client)
    this.#gone.delete(name)
    if (asking.path.kind === 'address') for (const key of sourceKeys(ips)) this.#bySource.set(key, client)
    this.#connecting++
    try {
      const way = await this.#options.wayOut.open(
        {
          ips,
          received: (packet) => client.returned(packet),
          lost: (error) => this.#lost(name, client, error),
        },
        this.#stopping.signal,
      )
      if (!client.attach(way)) return await way.close()
      meter.counter('ip_connects_total', 'Clients that got addresses').value++
      this.#answer(asking, { kind: 'connected', ips, wanted: wanted !== undefined })
    } catch (error) {
      if (!isMixnetError(error)) throw error
      if (this.#clients.get(name) === client) this.#end(name)
      if (error.code === 'ABORTED') return
      this.#options.log.warn('ip.no-way-out', { code: error.code })
      this.#answer(asking, { kind: 'connectRefused', reason: { text: 'the way out does not open' } })
    } finally {
      this.#connecting--
    }
  }

  #addressesFor(asking: Asking, wanted: IpPair | undefined): IpPair | undefined {
    const now = this.#world.clock.monotonic()
    if (wanted === undefined) {
      const drawn = this.#pool.draw(now)
      if (drawn === undefined) this.#answer(asking, { kind: 'connectRefused', reason: 'noAvailableIp' })
      return drawn
    }
    if (this.#pool.take(wanted, now) === 'taken') return wanted
    this.#answer(asking, { kind: 'connectRefused', reason: 'ipInUse' })
    return undefined
  }

  #newClient({ name, path, dialect }: Asking, { bufferTimeoutMs }: ConnectQuestion, ips: IpPair): RouterClient {
    const { client, params, meter, wayOut, rules } = this.#options
    const created: RouterClient = new RouterClient({
      world: this.#world,
      client,
      name,
      path,
      dialect,
      ips,
      bufferTimeoutMs,
      mtu: wayOut.mtu,
      params,
      rules,
      memory: this.#memory,
      connections: this.#connections,
      answers: this.#answers,
      dropped: (reason, packets) => this.#drop(reason, packets),
      lost: () => {
        if (this.#clients.get(name) === created) this.#end(name)
      },
      toClient: meter.counter('ip_bytes_total', 'Bytes carried', { to: 'client' }),
      toWorld: meter.counter('ip_bytes_total', 'Bytes carried', { to: 'world' }),
    })
    return created
  }

  // ---- packets

  #carry({ client: name, bundle, sequence }: Extract<RouterRequest, { kind: 'data' }>): void {
    const client = name === undefined ? undefined : this.#clients.get(name)
    const inTurn: IpPacket[] = []
    for (const bytes of decodeBundle(bundle).packets) {
      const packet = readIpPacket(bytes)
      if ('fault' in packet) {
        this.#drop(`packet-${packet.fault}`)
        continue
      }
      const whose = name === undefined ? this.#bySource.get(keyOf(packet.source)) : client
      if (whose === undefined) this.#drop('not-connected')
      else if (!whose.owns(packet)) this.#drop('source-of-another')
      else if (sequence !== undefined && needsOrder(packet)) inTurn.push(copyPacket(packet))
      else whose.carry(packet)
    }
    if (sequence !== undefined) client?.order.push(sequence, inTurn)
  }

  // ---- ends

  #lost(name: string, client: RouterClient, error: MixnetError): void {
    this.#options.log.warn('ip.way-out-lost', { code: error.code, ...error.details })
    if (this.#clients.get(name) === client) this.#end(name, { text: 'the way out has failed' })
  }

  /** `told`: what the client hears, who did not ask for it. */
  #end(name: string, told?: Extract<RouterAnswer, { kind: 'unrequestedDisconnect' }>['reason']): void {
    const client = this.#clients.get(name)
    if (client === undefined) return
    this.#clients.delete(name)
    for (const key of sourceKeys(client.ips)) if (this.#bySource.get(key) === client) this.#bySource.delete(key)
    if (client.path.kind === 'tag') this.#gone.set(name, this.#world.clock.monotonic())
    const ending = client.end(told).finally(() => {
      this.#pool.give(client.ips, this.#world.clock.monotonic())
      this.#ending.delete(ending)
    })
    this.#ending.add(ending)
  }

  #scheduleReview(): void {
    const { clock } = this.#world
    this.#review = clock.after(this.#options.params.reviewInterval, () => {
      const now = clock.monotonic()
      for (const [name, client] of [...this.#clients]) {
        const reason = client.silence(now)
        if (reason === undefined) continue
        this.#options.meter.counter('ip_ends_total', 'Clients let go', { reason }).value++
        this.#end(name, reason)
      }
      this.#forget(now)
      this.#scheduleReview()
    })
  }

  #forget(now: Millis): void {
    const { client, params } = this.#options
    for (const [name, since] of this.#gone) {
      if (now - since < params.addressRest) break
      this.#gone.delete(name)
      client.forget(name)
    }
    // And those who never came in: spare pseudonyms, and who asked something else.
    forgetQuiet(client, params.quietSenders, now, (tag) => this.#clients.has(tag))
  }

  // ---- answers

  #answer({ name, path, dialect, requestId }: Asking, answer: RouterAnswer): void {
    const data = encodeRouterAnswer(dialect, answer, { requestId, mtu: this.#options.wayOut.mtu })
    this.#answers.send({ path, sender: name }, ANSWERS_LANE, data)
  }

  #drop(reason: string, count = 1): void {
    this.#options.meter.counter('ip_dropped_total', 'Messages and packets dropped', { reason }).value += count
  }
}

const keyOf = (address: Uint8Array): string => address.join('.')
const sourceKeys = ({ ipv4, ipv6 }: IpPair): readonly string[] => [keyOf(ipv4), keyOf(ipv6)]
const sameIps = (a: IpPair, b: IpPair): boolean => equalBytes(a.ipv4, b.ipv4) && equalBytes(a.ipv6, b.ipv6)
