/** For the tests of streams, SOCKS and fetch: time by hand, an exit without a mixnet, a TCP peer to talk to. @module */
import assert from 'node:assert/strict'
import { concat } from '../foundation/base/bytes.ts'
import { MixnetError } from '../foundation/base/errors.ts'
import { seconds } from '../foundation/base/units.ts'
import { nodeProvider } from '../foundation/crypto/nodeProvider.ts'
import type { Clock } from '../foundation/platform/clock.ts'
import { turn } from '../foundation/platform/handClock.ts'
import type { Connection, Endpoint, Listener } from '../foundation/platform/net.ts'
import { nodeNet } from '../foundation/platform/node/nodeNet.ts'
import { nodeWorld } from '../foundation/platform/node/nodeWorld.ts'
import type { World } from '../foundation/platform/world.ts'
import type { SocketData } from '../protocol/wire/exit/socks5Messages.ts'
import { ExitStream, type ExitStreamParams, type SharedMemory } from './exitStream.ts'

export const HOST = '127.0.0.1'

export const PARAMS: ExitStreamParams = {
  openTimeout: seconds(30),
  idleTimeout: seconds(300),
  keepAliveInterval: seconds(60),
  maxAhead: 1000,
  maxHeldBytes: 4 << 20,
  maxPausedBytes: 8 << 20,
}

export function testWorld(clock: Clock): World {
  return { ...nodeWorld(nodeProvider), clock }
}

/** Turns of the event loop until it holds; fails the test when it does not come to hold. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!holds()) {
    assert.ok(Date.now() < deadline, `waited in vain until ${what}`)
    await turn()
  }
}

/** A repeatable choice in [0, bound). */
export function chooser(seed: number): (bound: number) => number {
  let state = seed >>> 0
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
}

/** Bytes that show when a piece is missing or in the wrong place. */
export function pattern(length: number): Uint8Array {
  const choose = chooser(length)
  return Uint8Array.from({ length }, () => choose(256))
}

export type SentMessage = Omit<SocketData, 'connectionId'>

export interface Scripted {
  readonly stream: ExitStream
  readonly sent: SentMessage[]
  readonly events: string[]
  readonly received: Uint8Array[]
  readonly memory: SharedMemory
  /** While false, nothing is taken for sending. */
  open: boolean
  /** Lets what waits go on. */
  release(): void
  connected: boolean
  finished: 'abandoned' | 'kept' | undefined
  attach(): void
}

/** A stream whose other end is the test. */
export function scripted(
  clock: Clock,
  {
    params = PARAMS,
    memory = { bytes: 0, limit: 1 << 30 },
    open = true,
    messageBytes = 100,
  }: { params?: ExitStreamParams; memory?: SharedMemory; open?: boolean; messageBytes?: number } = {},
): Scripted {
  const waiting = new Set<() => void>()
  const room = async (signal: AbortSignal): Promise<void> => {
    if (signal.aborted) throw new MixnetError('ABORTED')
    if (script.open) return
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(new MixnetError('ABORTED')))
      waiting.add(resolve)
    })
  }
  const script = {
    sent: [] as SentMessage[],
    events: [] as string[],
    received: [] as Uint8Array[],
    memory,
    open,
    connected: false,
    finished: undefined as Scripted['finished'],
    release() {
      for (const resolve of waiting) resolve()
      waiting.clear()
    },
    attach() {
      script.stream.attach({
        data: (chunk) => {
          script.received.push(chunk)
          script.events.push('data')
        },
        end: () => script.events.push('end'),
        close: (error) => script.events.push(error === undefined ? 'close' : `close ${error.code}`),
      })
    },
    stream: undefined as unknown as ExitStream,
  }
  script.stream = new ExitStream({
    clock,
    connectionId: 1n,
    params,
    memory,
    messageBytes,
    connect: async (signal) => {
      await room(signal)
      script.connected = true
    },
    send: async (message, signal) => {
      await room(signal)
      script.sent.push({ ...message, data: message.data.slice() })
    },
    finished: (abandon) => {
      script.finished = abandon ? 'abandoned' : 'kept'
    },
  })
  return script
}

/** A TCP connection with a memory. */
export class Peer {
  readonly connection: Connection
  readonly #chunks: Uint8Array[] = []
  #length = 0
  ended = false
  closed = false

  constructor(connection: Connection) {
    this.connection = connection
    connection.attach({
      data: (chunk) => {
        this.#chunks.push(chunk.slice())
        this.#length += chunk.length
      },
      end: () => {
        this.ended = true
      },
      close: () => {
        this.closed = true
      },
    })
  }

  static async connect(endpoint: Endpoint): Promise<Peer> {
    return new Peer(await nodeNet.connect({ ...endpoint, timeout: seconds(2) }))
  }

  get length(): number {
    return this.#length
  }

  get bytes(): Uint8Array {
    return concat(...this.#chunks)
  }

  send(...bytes: readonly (number | Uint8Array)[]): void {
    this.connection.write(bytes.map((part) => (typeof part === 'number' ? Uint8Array.of(part) : part)))
  }

  /** The first `length` bytes ever received, once they are there. */
  async first(length: number): Promise<Uint8Array> {
    await until(`${length} bytes have come`, () => this.#length >= length || this.closed)
    return this.bytes.subarray(0, length)
  }
}

/** A TCP server that hands out its peers. */
export async function serve(accept: (peer: Peer) => void): Promise<Listener> {
  return await nodeNet.listen({ host: HOST, port: 0 }, (connection) => accept(new Peer(connection)))
}
