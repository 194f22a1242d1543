/** A client's streams and an exit, with nothing between them but messages that change their order. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { ExitConnections, type ExitConnectionsOptions } from '../../client/exitConnections.ts'
import type { ExitStream } from '../../client/exitStream.ts'
import type { MixnetClient, Pseudonym, ReceivedMessage, SendOptions } from '../../client/mixnetClient.ts'
import { concat, utf8 } from '../../foundation/base/bytes.ts'
import { type ErrorCode, isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { Recipient } from '../../protocol/packet/recipient.ts'
import { DEFAULT_EXIT_PARAMS } from './exitParams.ts'
import { DEFAULT_EXIT_RULES, type ExitRules } from './exitRules.ts'
import { NetworkRequester } from './networkRequester.ts'
import type { RequesterClient } from './replyPath.ts'
import { BUILD, LOCAL_RULES, listen, RECIPIENT, testBytes, until } from './support.test.ts'

/** The real client must do as an exit's. */
export const asRequesterClient = (client: MixnetClient): RequesterClient => client

const MESSAGES_PER_LANE = 8
const PSEUDONYM = 'pseudonym'
const PSEUDONYM_HELD: Pseudonym = { recipient: RECIPIENT, senderTag: new Uint8Array(16), number: 1 }
const CLIENT: Recipient = { ...RECIPIENT, encryptionKey: new Uint8Array(32).fill(9) }

/** Messages on their way. They arrive in random order, a few per turn. */
class Pipe {
  readonly #onTheWay: { readonly lane: string; arrive(): void }[] = []
  #random = 12_345
  #moving = false

  inLane(lane: string): number {
    return this.#onTheWay.filter((one) => one.lane === lane).length
  }

  async send(lane: string, signal: AbortSignal, arrive: () => void): Promise<void> {
    await this.whenBelow(lane, MESSAGES_PER_LANE, signal)
    this.#onTheWay.push({ lane, arrive })
    if (!this.#moving) setImmediate(() => this.#move())
    this.#moving = true
  }

  async whenBelow(lane: string, messages: number, signal?: AbortSignal): Promise<void> {
    while (!signal?.aborted && this.inLane(lane) > messages) await new Promise((resolve) => setImmediate(resolve))
    if (signal?.aborted) throw new MixnetError('ABORTED')
  }

  #move(): void {
    for (let i = 0; i < 5 && this.#onTheWay.length > 0; i++) {
      this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0
      const at = Math.floor((this.#random / 2 ** 32) * this.#onTheWay.length)
      this.#onTheWay.splice(at, 1)[0]?.arrive()
    }
    this.#moving = this.#onTheWay.length > 0
    if (this.#moving) setImmediate(() => this.#move())
  }
}

interface Pair extends AsyncDisposable {
  readonly client: ExitConnections
  readonly requester: NetworkRequester
  readonly meter: Meter
}

function startPair(options: { anonymous: boolean; rules?: ExitRules }): Pair {
  const { anonymous, rules = LOCAL_RULES } = options
  const real = nodeWorld(nodeProvider)
  const resolve = async (): Promise<never> => {
    throw new MixnetError('HOST_UNKNOWN')
  }
  const world: World = { ...real, net: { ...real.net, resolve } }
  const pipe = new Pipe()
  let toClient: (message: ReceivedMessage) => void = () => {}
  let toExit: (message: { data: Uint8Array; sender?: string }) => void = () => {}
  const exitClient: RequesterClient = {
    address: RECIPIENT,
    onMessage: (handler) => {
      toExit = handler
    },
    send: ({ to, data, lane, signal }) => {
      assert.deepEqual(to, CLIENT)
      return pipe.send(lane, signal, () => toClient({ data }))
    },
    reply: ({ to, data, lane, signal }) => {
      assert.equal(to, PSEUDONYM)
      return pipe.send(lane, signal, () => toClient({ data, repliedBy: RECIPIENT }))
    },
    whenLaneBelow: (lane, packets, signal) => pipe.whenBelow(lane, packets / 4, signal),
    closeLane: () => {},
    senders: [],
    forget: () => {},
  }
  const meter = new Meter()
  const requester = NetworkRequester.start(world, {
    client: exitClient,
    rules,
    params: DEFAULT_EXIT_PARAMS,
    build: BUILD,
    meter,
    log: silentLog,
  })
  const ours = {
    address: CLIENT,
    supply: () => {},
    onMessage: (handler: (message: ReceivedMessage) => void) => {
      toClient = handler
    },
    send: ({ data, lane = 'general', signal }: SendOptions) =>
      pipe.send(lane, signal ?? new AbortController().signal, () =>
        toExit(anonymous ? { data, sender: PSEUDONYM } : { data }),
      ),
    whenLaneBelow: (lane, packets, signal) => pipe.whenBelow(lane, packets / 4, signal),
    closeLane: () => {},
    onMoved: () => {},
    hold: () => PSEUDONYM_HELD,
    surbsLeft: () => 0,
    release: () => {},
  } satisfies ExitConnectionsOptions['client']
  const client = new ExitConnections(world, { client: ours, exit: RECIPIENT, anonymous })
  return {
    client,
    requester,
    meter,
    async [Symbol.asyncDispose]() {
      client.close()
      await requester.stop()
    },
  }
}

interface Collected {
  readonly chunks: Uint8Array[]
  ended: boolean
  closed: boolean
  error: MixnetError | undefined
}

function collect(stream: ExitStream): Collected {
  const collected: Collected = { chunks: [], ended: false, closed: false, error: undefined }
  stream.attach({
    data: (chunk) => collected.chunks.push(chunk.slice()),
    end: () => {
      collected.ended = true
    },
    close: (error) => {
      collected.closed = true
      collected.error = error
    },
  })
  return collected
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

for (const anonymous of [true, false]) {
  test(`a megabyte there and back on each of three streams, ${anonymous ? 'anonymous' : 'by address'}`, async () => {
    await using destination = await listen((socket) => socket.pipe(socket))
    await using pair = startPair({ anonymous })
    const runs = [1, 2, 3].map(async (seed) => {
      const sent = testBytes(1 << 20, seed)
      const stream = pair.client.open({ host: '127.0.0.1', port: destination.port })
      const collected = collect(stream)
      for (let offset = 0; offset < sent.length; offset += 50_000) {
        await stream.write(sent.subarray(offset, offset + 50_000))
      }
      stream.end()
      await until(`stream ${seed} is over`, () => collected.closed)
      assert.equal(collected.error, undefined)
      assert.equal(sha256(concat(...collected.chunks)), sha256(sent))
    })
    await Promise.all(runs)
    await until('the exit is done too', () => pair.requester.connectionCount === 0)
    assert.equal(pair.meter.snapshot()['exit_closed_total{reason="ended"}'], 3)
    assert.equal(pair.meter.snapshot().exit_held_bytes, 0)
  })
}

test('what goes wrong at the exit is what the client is told', async () => {
  const closedPort = await listen(() => {})
  await closedPort[Symbol.asyncDispose]()
  const cases: readonly (readonly [ErrorCode, string, number, ExitRules])[] = [
    ['EXIT_REFUSED', '8.8.8.8', 25, DEFAULT_EXIT_RULES],
    ['EXIT_REFUSED', '127.0.0.1', 80, DEFAULT_EXIT_RULES],
    ['EXIT_REFUSED', '::1', 80, DEFAULT_EXIT_RULES],
    ['HOST_UNKNOWN', 'nowhere.example', 80, DEFAULT_EXIT_RULES],
    ['DESTINATION_UNREACHABLE', '127.0.0.1', closedPort.port, LOCAL_RULES],
  ]
  for (const [code, host, port, rules] of cases) {
    await using pair = startPair({ anonymous: true, rules })
    await assert.rejects(
      pair.client.open({ host, port }).opened,
      (error) => isMixnetError(error, code),
      `${host} ${port}`,
    )
    await until('the exit is done', () => pair.requester.connectionCount === 0)
  }
})

test('the destination ends first, the client goes on', async () => {
  const received: Uint8Array[] = []
  let over = false
  await using destination = await listen((socket) => {
    socket.end('bye')
    socket.on('data', (chunk: Uint8Array) => received.push(chunk))
    socket.on('end', () => {
      over = true
    })
  })
  await using pair = startPair({ anonymous: true })
  const stream = pair.client.open({ host: '127.0.0.1', port: destination.port })
  const collected = collect(stream)
  await until('it has ended', () => collected.ended)
  await stream.write(utf8('still here'))
  stream.end()
  await until('the destination has all', () => over)
  assert.equal(Buffer.concat(received).toString(), 'still here')
  await until('both are done', () => collected.closed && pair.requester.connectionCount === 0)
})

test('a client that gives up takes the destination with it', async () => {
  let told = false
  await using destination = await listen((socket) => {
    socket.write(testBytes(8 << 20))
    socket.on('end', () => {
      told = true
    })
    socket.resume()
  })
  await using pair = startPair({ anonymous: true })
  const stream = pair.client.open({ host: '127.0.0.1', port: destination.port })
  collect(stream)
  await stream.opened
  stream.end()
  await until('the destination knows of the end', () => told)
  assert.equal(pair.requester.connectionCount, 1)
  stream.destroy()
  await until('the exit is done', () => pair.requester.connectionCount === 0)
  await until('the destination noticed', () => destination.sockets[0]?.closed === true)
  assert.equal(pair.meter.snapshot()['exit_closed_total{reason="abandoned"}'], 1)
})

test('an exit that stops tells its clients', async () => {
  await using destination = await listen((socket) => socket.write('hello'))
  await using pair = startPair({ anonymous: true })
  const collected = collect(pair.client.open({ host: '127.0.0.1', port: destination.port }))
  await until('the greeting came', () => collected.chunks.length > 0)
  await pair.requester.stop()
  await until('it is told', () => collected.ended)
})
