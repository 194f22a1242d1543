/** What the tests of this room share: a mixnet client that is none, clients of the exit, destinations. No tests here. @module */

import assert from 'node:assert/strict'
import { createServer, type Server, type Socket } from 'node:net'
import { OrderedBuffer } from '../../client/orderedBuffer.ts'
import type { KnownSender } from '../../client/replyStock.ts'
import { concat, EMPTY_BYTES } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { HandClock } from '../../foundation/platform/handClock.ts'
import type { Net } from '../../foundation/platform/net.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { Recipient } from '../../protocol/packet/recipient.ts'
import type { BuildInformation } from '../../protocol/wire/directory/buildInformation.ts'
import { parseExitPolicy } from '../../protocol/wire/exit/exitPolicy.ts'
import {
  decodeInterfaceResponse,
  encodeInterfaceRequest,
  type WireVersion,
} from '../../protocol/wire/exit/interfaceEnvelope.ts'
import {
  decodeSocks5Response,
  encodeSocks5Request,
  type Socks5RequestBody,
  type Socks5Response,
} from '../../protocol/wire/exit/socks5Messages.ts'
import { DEFAULT_EXIT_PARAMS, type ExitParams } from './exitParams.ts'
import { DEFAULT_EXIT_RULES, type ExitRules } from './exitRules.ts'
import { NetworkRequester } from './networkRequester.ts'
import type { RequesterClient } from './replyPath.ts'

export const LOCAL_RULES: ExitRules = {
  ...DEFAULT_EXIT_RULES,
  policy: parseExitPolicy('ExitPolicy accept *:*'),
  openProxy: true,
  allowLocalAddresses: true,
}

export const BUILD: BuildInformation = {
  binaryName: 'starling',
  buildTimestamp: '',
  buildVersion: '0.1.0',
  commitSha: '',
  commitTimestamp: '',
  commitBranch: '',
  rustcVersion: '',
  rustcChannel: '',
  cargoProfile: '',
  cargoTriple: '',
}

const point = (seed: number): Uint8Array => nodeProvider.ed25519PublicKey(new Uint8Array(32).fill(seed))

export const RECIPIENT: Recipient = {
  identity: point(1),
  encryptionKey: new Uint8Array(32).fill(2),
  gateway: point(3),
}

/** Turns of the event loop until it holds; fails the test when it does not come to hold. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!holds()) {
    assert.ok(Date.now() < deadline, `waited in vain until ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A few turns, for what must not happen. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

export interface SentAnswer {
  readonly to: string | Recipient
  readonly data: Uint8Array
  readonly lane: string
}

/** The exit's mixnet client. Answers leave their lane at once, or when `release` is called while `congested`. */
export class FakeClient implements RequesterClient {
  readonly address: Recipient = RECIPIENT
  readonly answers: SentAnswer[] = []
  readonly closedLanes: string[] = []
  readonly forgotten: string[] = []
  senders: Iterable<KnownSender> = []
  readonly #lanes = new Map<string, number>()
  readonly #waiters = new Set<() => void>()
  #handler: (message: { data: Uint8Array; sender?: string }) => void = () => {}
  congested = false
  withoutReplyBlocks = false
  taken: (answer: SentAnswer) => void = () => {}

  onMessage(handler: (message: { data: Uint8Array; sender?: string }) => void): void {
    this.#handler = handler
  }

  deliver(data: Uint8Array, sender?: string): void {
    this.#handler(sender === undefined ? { data } : { data, sender })
  }

  async send({
    to,
    data,
    lane,
    anonymous,
  }: {
    to: Recipient
    data: Uint8Array
    lane: string
    anonymous: boolean
  }): Promise<void> {
    assert.equal(anonymous, false)
    this.#take({ to, data, lane })
  }

  async reply({ to, data, lane }: { to: string; data: Uint8Array; lane: string }): Promise<void> {
    if (this.withoutReplyBlocks) throw new MixnetError('NO_REPLY_BLOCKS')
    this.#take({ to, data, lane })
  }

  laneLength(lane: string): number {
    return this.#lanes.get(lane) ?? 0
  }

  async whenLaneBelow(lane: string, packets: number, signal: AbortSignal): Promise<void> {
    while (this.laneLength(lane) > packets) {
      if (signal.aborted) throw new MixnetError('ABORTED')
      await new Promise<void>((resolve) => {
        this.#waiters.add(resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
    if (signal.aborted) throw new MixnetError('ABORTED')
  }

  closeLane(lane: string): void {
    this.closedLanes.push(lane)
  }

  forget(tag: string): void {
    this.forgotten.push(tag)
  }

  release(): void {
    this.#lanes.clear()
    for (const wake of this.#waiters) wake()
    this.#waiters.clear()
  }

  #take(answer: SentAnswer): void {
    this.answers.push(answer)
    if (this.congested)
      this.#lanes.set(answer.lane, this.laneLength(answer.lane) + Math.ceil(answer.data.length / 1604))
    this.taken(answer)
  }
}

export interface Exit {
  readonly client: FakeClient
  readonly requester: NetworkRequester
  readonly meter: Meter
  readonly clock: HandClock
  /** Names that exist; a lookup that never ends is `undefined`. */
  readonly names: Map<string, readonly string[] | undefined>
  readonly connects: string[]
}

export interface ExitChoice {
  readonly rules?: ExitRules
  readonly params?: Partial<ExitParams>
  readonly connect?: Net['connect']
  /** Addresses of the exit's machine. Default: the real ones. */
  readonly own?: readonly string[]
}

export function startExit({ rules = LOCAL_RULES, params = {}, connect, own }: ExitChoice = {}): Exit {
  const clock = new HandClock()
  const names = new Map<string, readonly string[] | undefined>()
  const connects: string[] = []
  const real = nodeWorld(nodeProvider)
  const net: Net = {
    ...real.net,
    ...(own === undefined ? {} : { ownAddresses: () => new Set(own) }),
    connect: (options) => {
      connects.push(options.host)
      return (connect ?? real.net.connect)(options)
    },
    resolve: async (host) => {
      if (!names.has(host)) throw new MixnetError('HOST_UNKNOWN')
      return names.get(host) ?? (await new Promise<never>(() => {}))
    },
  }
  const world: World = { ...real, clock, net }
  const client = new FakeClient()
  const meter = new Meter()
  const requester = NetworkRequester.start(world, {
    client,
    rules,
    params: { ...DEFAULT_EXIT_PARAMS, ...params },
    build: BUILD,
    meter,
    log: silentLog,
  })
  return { client, requester, meter, clock, names, connects }
}

export function encodeRequest(body: Socks5RequestBody, version: WireVersion = 3): Uint8Array {
  const data = encodeSocks5Request({ version, ...body })
  return encodeInterfaceRequest({ kind: 'providerData', interfaceVersion: version, data })
}

export function decodeAnswer(data: Uint8Array): Socks5Response {
  const envelope = decodeInterfaceResponse(data)
  assert.equal(envelope.kind, 'providerData')
  return decodeSocks5Response((envelope as { data: Uint8Array }).data)
}

/** One client's side of one connection. */
export class Stream {
  readonly #exit: Exit
  readonly #inbound = new OrderedBuffer({ maxAhead: 100_000, maxBytes: 1 << 28 })
  readonly #received: Uint8Array[] = []
  readonly tag: string | undefined
  readonly version: WireVersion
  readonly id: bigint
  sequence = 0n
  opened = false
  ended = false
  refusal: string | undefined

  constructor(exit: Exit, options: { tag?: string | undefined; id?: bigint; version?: WireVersion } = {}) {
    this.#exit = exit
    const { tag, id = 7n, version = 3 } = options
    this.tag = 'tag' in options ? tag : 'alice'
    this.id = id
    this.version = version
    const before = exit.client.taken
    exit.client.taken = (answer) => {
      before(answer)
      this.#take(answer)
    }
  }

  get bytes(): Uint8Array {
    return concat(...this.#received)
  }

  get length(): number {
    return this.#received.reduce((sum, { length }) => sum + length, 0)
  }

  connect(remote: string, returnAddress?: Recipient): void {
    this.deliver(this.connectRequest(remote, returnAddress))
  }

  connectRequest(remote: string, returnAddress?: Recipient): Uint8Array {
    return encodeRequest({ kind: 'connect', connectionId: this.id, remote, returnAddress }, this.version)
  }

  /** The next message of the stream, not yet delivered. */
  message(data: Uint8Array = EMPTY_BYTES, closed = false): Uint8Array {
    const sequence = this.sequence++
    return encodeRequest({ kind: 'send', connectionId: this.id, closed, sequence, data }, this.version)
  }

  send(data: Uint8Array): void {
    this.deliver(this.message(data))
  }

  end(): void {
    this.deliver(this.message(EMPTY_BYTES, true))
  }

  deliver(request: Uint8Array): void {
    this.#exit.client.deliver(request, this.tag)
  }

  #take({ to, data }: SentAnswer): void {
    if (to !== (this.tag ?? to)) return
    const envelope = decodeInterfaceResponse(data)
    if (envelope.kind === 'control') return
    const response = decodeSocks5Response(envelope.data)
    if (response.kind === 'query' || response.connectionId !== this.id) return
    assert.equal(response.version, this.version)
    assert.equal(envelope.interfaceVersion, this.version)
    if (response.kind === 'connectionError') {
      this.refusal = response.message
      return
    }
    if (response.sequence === 0n) this.opened = !response.closed
    const result = this.#inbound.push(response.sequence, response.data, response.closed)
    if (result.kind !== 'deliver') return
    this.#received.push(...result.data)
    if (result.closed) this.ended = true
  }
}

export interface Destination extends AsyncDisposable {
  readonly remote: string
  readonly port: number
  readonly sockets: Socket[]
}

export async function listen(accept: (socket: Socket) => void): Promise<Destination> {
  const sockets: Socket[] = []
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    accept(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    remote: `127.0.0.1:${port}`,
    port,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Random enough for tests, and the same every time. */
export function testBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = seed | 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state >>> 8
  }
  return bytes
}

export function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
}

/** In another order, everything twice. */
export function shuffledTwice<T>(items: readonly T[], seed = 1): T[] {
  const order = testBytes(items.length * 4, seed)
  return [...items, ...items]
    .map((item, i) => ({
      item,
      key: (order[(2 * i) % order.length] as number) * 256 + (order[(2 * i + 1) % order.length] as number),
    }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item)
}
