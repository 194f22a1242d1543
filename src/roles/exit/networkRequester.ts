/**
 * The network requester: connects to the outside world for clients of the mixnet, who stay unknown to it. Hands each message
 * of a client to its connection, answers control requests and queries, and keeps every quantity bounded, since anybody may
 * write to it and pseudonyms are free. Behaviour: docs/spec/network-requester.md.
 *
 * Connections are scoped by the sender's pseudonym, so that nobody can write into another's: ids are chosen by clients. Only
 * clients that gave their address have no pseudonym on what they send; those share a scope, and a 64-bit id is their secret.
 * @module
 */
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { Recipient } from '../../protocol/packet/recipient.ts'
import type { BuildInformation } from '../../protocol/wire/directory/buildInformation.ts'
import {
  CURRENT_VERSION,
  decodeInterfaceRequest,
  encodeInterfaceResponse,
} from '../../protocol/wire/exit/interfaceEnvelope.ts'
import {
  decodeSocks5Request,
  type SocketData,
  type Socks5RequestBody,
} from '../../protocol/wire/exit/socks5Messages.ts'
import {
  type AnsweredClient,
  Answers,
  answerControl,
  answerQuery,
  type ConnectRefusal,
  clientOf,
  refusalText,
  shownRemote,
} from './answers.ts'
import { type CloseReason, ExitConnection } from './connection.ts'
import { ConnectionTable } from './connectionTable.ts'
import { Destinations } from './destinations.ts'
import { EarlyData } from './earlyData.ts'
import type { ExitParams, ExitResource } from './exitParams.ts'
import type { ExitRules } from './exitRules.ts'
import { PastConnections } from './pastConnections.ts'
import { forgetQuiet } from './quietSenders.ts'
import { Quotas } from './quotas.ts'
import { encodeProviderAnswer, type RequesterClient, type RequestVersions } from './replyPath.ts'

export interface NetworkRequesterOptions {
  /** The exit's own mixnet client. The requester takes over its messages; whoever started it stops it. */
  readonly client: RequesterClient
  readonly rules: ExitRules
  readonly params: ExitParams
  readonly build: BuildInformation
  readonly description?: string
  readonly meter: Meter
  readonly log: Log
}

type DropReason =
  | 'malformed'
  | 'no-return-path'
  | 'repeated-connect'
  | 'connection-over'
  | 'early-data-lost'
  | 'too-many-answers'
  | 'unanswerable'
  | 'stopping'

type ConnectRequest = Extract<Socks5RequestBody, { kind: 'connect' }>

const GENERAL_LANE = 'exit'

export class NetworkRequester implements AsyncDisposable {
  readonly #world: World
  readonly #options: NetworkRequesterOptions
  readonly #destinations: Destinations
  readonly #answers: Answers
  readonly #early: EarlyData
  readonly #past: PastConnections
  readonly #connections: ConnectionTable
  readonly #stopping = new AbortController()
  #review: Timer | undefined
  #stopped: Promise<void> | undefined

  private constructor(world: World, options: NetworkRequesterOptions) {
    const { params, rules, meter } = options
    this.#world = world
    this.#options = options
    this.#destinations = new Destinations(world, rules, params)
    const quotas = new Quotas<ExitResource>(params.quotas)
    this.#answers = new Answers({
      clock: world.clock,
      client: options.client,
      answerTimeout: params.answerTimeout,
      quotas,
      stopping: this.#stopping.signal,
      dropped: (reason) => this.#drop(reason),
    })
    this.#connections = new ConnectionTable({
      clock: world.clock,
      quotas,
      giveWayAfter: params.lingerTimeout,
      gaveWay: (key) => this.#tellOver(key, 'overall-limit'),
    })
    this.#past = new PastConnections({ max: params.maxRemembered, lifetime: params.rememberFor })
    this.#early = new EarlyData(params.early, (key) => this.#lose(key))
    meter.gauge('exit_connections', 'Connections, those not yet made included', () => this.#connections.size)
    meter.gauge('exit_connecting', 'Connections not yet made', () => quotas.used('connects'))
    meter.gauge('exit_lookups', 'Name lookups under way', () => this.#destinations.lookups.underWay)
    meter.gauge('exit_held_bytes', "Clients' bytes that wait for their destination", () => quotas.used('bytes'))
    meter.gauge('exit_early_bytes', 'Bytes that came before their connect request', () => this.#early.bytes)
  }

  static start(world: World, options: NetworkRequesterOptions): NetworkRequester {
    const requester = new NetworkRequester(world, options)
    options.client.onMessage((message) => requester.#received(message.data, message.sender))
    requester.#scheduleReview()
    return requester
  }

  /** Where clients write to. */
  get address(): Recipient {
    return this.#options.client.address
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Takes nothing new, tells every client goodbye, and resolves when that has left or the time for it is over. */
  stop(): Promise<void> {
    this.#stopping.abort()
    this.#review?.cancel()
    this.#stopped ??= this.#connections.end(this.#options.params.stopTimeout)
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #received(data: Uint8Array, tag: string | undefined): void {
    const { crypto } = this.#world
    const { build, rules, description } = this.#options
    const message = tryDecode(() => {
      const envelope = decodeInterfaceRequest(data)
      if (envelope.kind === 'control') return { ...envelope, request: undefined }
      return { ...envelope, request: decodeSocks5Request(crypto, envelope.data) }
    })
    if (isMixnetError(message)) return this.#drop('malformed')
    if (this.#stopping.signal.aborted) return this.#drop('stopping')
    if (message.kind === 'control') {
      const { interfaceVersion, control } = message
      const answer = answerControl(control, build)
      this.#answerTag(tag, encodeInterfaceResponse({ kind: 'control', interfaceVersion, control: answer }))
      return
    }
    const { request, interfaceVersion } = message
    const scope = tag ?? ''
    switch (request.kind) {
      case 'query': {
        // Queries are younger than the legacy version: their answers have none.
        const versions = { envelope: interfaceVersion, provider: CURRENT_VERSION }
        const answer = answerQuery(request.query, rules, description)
        return this.#answerTag(tag, encodeProviderAnswer(versions, { kind: 'query', answer }))
      }
      case 'connect':
        return this.#connect(request, tag, { envelope: interfaceVersion, provider: request.version })
      case 'send':
        return this.#send(keyOf(scope, request.connectionId), request)
    }
  }

  #send(key: string, data: SocketData): void {
    const connection = this.#connections.get(key)
    if (connection !== undefined) return connection.receive(data)
    if (this.#past.get(key) !== undefined) return this.#drop('connection-over')
    this.#early.hold(key, data, this.#world.clock.monotonic())
  }

  /** Data without a connect request: of a connection from before a restart, as a rule, whose client waits for answers in vain. */
  #lose(key: string): void {
    this.#drop('early-data-lost')
    this.#past.add(key, 'lost', this.#world.clock.monotonic())
    this.#tellOver(key, 'early-data-lost')
  }

  /** To a client under a pseudonym: of others it is not known here where they are. */
  #tellOver(key: string, reason: ConnectRefusal): void {
    const slash = key.lastIndexOf('/')
    const client = clientOf(undefined, slash === 0 ? undefined : key.slice(0, slash))
    if (client === undefined) return
    const [connectionId, message] = [BigInt(key.slice(slash + 1)), refusalText(reason, '')]
    const versions = { envelope: CURRENT_VERSION, provider: CURRENT_VERSION }
    this.#answers.send(
      client,
      laneOf(key),
      encodeProviderAnswer(versions, { kind: 'connectionError', connectionId, message }),
    )
  }

  #connect(request: ConnectRequest, tag: string | undefined, versions: RequestVersions): void {
    const { connectionId, returnAddress } = request
    const client = clientOf(returnAddress, tag)
    if (client === undefined) return this.#drop('no-return-path')
    const key = keyOf(tag ?? '', connectionId)
    const past = this.#past.get(key)
    if (this.#connections.get(key) !== undefined || past === 'closed') return this.#drop('repeated-connect')
    const refuse = (reason: ConnectRefusal) => this.#refuse(reason, { key, request, client, versions })
    if (past === 'lost') return refuse('early-data-lost')
    const { sender } = client
    const verdict = this.#connections.admit(sender)
    if (verdict !== 'granted') return refuse(`${verdict}-limit`)
    const { meter, params } = this.#options
    const connection: ExitConnection = new ExitConnection({
      clock: this.#world.clock,
      client: this.#options.client,
      connectionId,
      lane: laneOf(key),
      path: client.path,
      versions,
      params,
      reserve: (bytes) => this.#connections.reserve(connection, sender, bytes),
      release: (bytes) => this.#connections.release(sender, bytes),
      finished: (reason) => this.#finished(key, sender, reason),
      toClient: meter.counter('exit_bytes_total', 'Bytes carried', { to: 'client' }),
      toDestination: meter.counter('exit_bytes_total', 'Bytes carried', { to: 'destination' }),
    })
    this.#connections.add(key, connection)
    for (const message of this.#early.take(key)) connection.receive(message)
    void this.#open(connection, refuse, request.remote).finally(() => this.#connections.made(sender))
  }

  async #open(connection: ExitConnection, refuse: (reason: ConnectRefusal) => void, remote: string): Promise<void> {
    const { meter, log } = this.#options
    const reached = await this.#destinations.reach(remote, connection.opening)
    switch (reached.kind) {
      case 'connected':
        meter.counter('exit_connected_total', 'Connections made to destinations').value++
        return connection.open(reached.connection)
      case 'refused':
        log.debug('exit-refused', { remote: shownRemote(remote), reason: reached.reason })
        connection.drop('refused')
        return refuse(reached.reason)
      case 'unreachable':
        log.debug('exit-unreachable', { remote, code: reached.error.code })
        return connection.fail('unreachable')
      case 'aborted':
        return
    }
  }

  #refuse(
    reason: ConnectRefusal,
    to: { key: string; request: ConnectRequest; client: AnsweredClient; versions: RequestVersions },
  ): void {
    const { key, request, client, versions } = to
    const { connectionId } = request
    this.#options.meter.counter('exit_refused_total', 'Connect requests refused', { reason }).value++
    this.#past.add(key, 'closed', this.#world.clock.monotonic())
    const message = refusalText(reason, request.remote)
    const data = encodeProviderAnswer(versions, { kind: 'connectionError', connectionId, message })
    this.#answers.send(client, laneOf(key), data)
  }

  #finished(key: string, sender: string, reason: CloseReason): void {
    this.#connections.remove(key, sender)
    this.#past.add(key, 'closed', this.#world.clock.monotonic())
    this.#options.meter.counter('exit_closed_total', 'Connections over, by why', { reason }).value++
  }

  #answerTag(tag: string | undefined, data: Uint8Array): void {
    const client = clientOf(undefined, tag)
    if (client === undefined) return this.#drop('no-return-path')
    this.#answers.send(client, GENERAL_LANE, data)
  }

  #drop(reason: DropReason): void {
    this.#options.meter.counter('exit_dropped_total', 'Messages that led to nothing', { reason }).value++
  }

  #scheduleReview(): void {
    const { clock } = this.#world
    const { client, params } = this.#options
    this.#review = clock.after(params.reviewInterval, () => {
      const now = clock.monotonic()
      for (const connection of this.#connections.all) connection.review()
      this.#early.expire(now)
      this.#past.expire(now)
      forgetQuiet(client, params.quietSenders, now, (tag) => this.#connections.isConnected(tag))
      this.#scheduleReview()
    })
  }
}

const keyOf = (scope: string, connectionId: bigint): string => `${scope}/${connectionId}`
const laneOf = (key: string): string => `exit:${key}`
