/** Programs at the local websocket of clients in a simulated mixnet. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toBase58 } from '../foundation/base/base58.ts'
import { utf8 } from '../foundation/base/bytes.ts'
import { isMixnetError } from '../foundation/base/errors.ts'
import { silentLog } from '../foundation/base/observe.ts'
import { millis, seconds } from '../foundation/base/units.ts'
import type { WebSocketConnection } from '../foundation/platform/net.ts'
import { formatRecipient } from '../protocol/packet/recipient.ts'
import { encodeLocalRequest } from '../protocol/wire/client/localRequests.ts'
import { decodeLocalResponse, type LocalResponse } from '../protocol/wire/client/localResponses.ts'
import { DEFAULT_LOCAL_API, LocalApi, type LocalApiParams } from './localApi.ts'
import { MessageInbox } from './messageInbox.ts'
import { type TestClient, TestMixnet } from './mixnet.support.test.ts'

interface Program {
  readonly socket: WebSocketConnection
  readonly texts: string[]
  readonly frames: LocalResponse[]
  readonly closed: () => boolean
}

interface Served extends TestClient {
  readonly api: LocalApi
  readonly address: string
  connect(origin?: string): Promise<Program>
}

async function serve(
  mixnet: TestMixnet,
  params: Partial<LocalApiParams> = {},
  allowedOrigins: readonly string[] = [],
): Promise<Served> {
  const one = mixnet.client()
  const { world, client, meter } = one
  const inbox = new MessageInbox(meter, { messages: 100, bytes: 1 << 23 })
  client.onMessage((message) => inbox.push(message))
  const api = await mixnet.simulation.complete(
    LocalApi.listen(world, {
      ...{ host: '127.0.0.1', port: 1977, client, meter, log: silentLog, allowedOrigins },
      messages: (signal) => inbox.messages(signal),
      params: { ...DEFAULT_LOCAL_API, ...params },
    }),
    seconds(1),
  )
  const connect = async (origin?: string): Promise<Program> => {
    const options = { url: 'ws://127.0.0.1:1977/', timeout: seconds(5), maxMessageBytes: 1 << 25 }
    const socket = await mixnet.simulation.complete(
      world.net.connectWebSocket({ ...options, ...(origin === undefined ? {} : { origin }) }),
      seconds(10),
    )
    const texts: string[] = []
    const frames: LocalResponse[] = []
    let closed = false
    socket.attach({
      text: (message) => texts.push(message),
      binary: (message) => frames.push(decodeLocalResponse(mixnet.crypto, message)),
      close: () => {
        closed = true
      },
    })
    return { socket, texts, frames, closed: () => closed }
  }
  return { ...one, api, address: formatRecipient(client.address), connect }
}

const json = (value: unknown): string => JSON.stringify(value)
const refusedWith = (status: number) => (error: unknown) =>
  isMixnetError(error, 'CONNECTION_REFUSED') && error.details.status === status

describe('a program', () => {
  it('sends, is answered and answers, all in JSON', async () => {
    const mixnet = new TestMixnet({ seed: 'json' })
    const [alice, bob] = [await serve(mixnet), await serve(mixnet)]
    const [a, b] = [await alice.connect(), await bob.connect()]
    b.socket.send(json({ type: 'selfAddress' }))
    await mixnet.until(() => b.texts.length === 1)
    assert.deepEqual(b.texts, [json({ type: 'selfAddress', address: bob.address })])

    a.socket.send(json({ type: 'send', message: 'grüße', recipient: bob.address, connectionId: null }))
    await mixnet.until(() => b.texts.length === 2)
    assert.equal(b.texts[1], json({ type: 'received', message: 'grüße', senderTag: null }))

    a.socket.send(json({ type: 'sendAnonymous', message: 'who am I?', recipient: bob.address, replySurbs: 10 }))
    await mixnet.until(() => b.texts.length === 3)
    const { senderTag, ...received } = JSON.parse(b.texts[2] ?? '')
    assert.deepEqual(received, { type: 'received', message: 'who am I?' })
    b.socket.send(json({ type: 'reply', message: 'you tell me', senderTag }))
    await mixnet.until(() => a.texts.length === 1)
    assert.equal(a.texts[0], json({ type: 'received', message: 'you tell me', senderTag: null }))
  })

  it('speaks bytes as well, and gets messages in the form it used last: bytes at first', async () => {
    const mixnet = new TestMixnet({ seed: 'bytes' })
    const [alice, bob] = [await serve(mixnet), await serve(mixnet)]
    const [a, b] = [await alice.connect(), await bob.connect()]
    const recipient = bob.client.address
    const data = Uint8Array.of(0, 255, 128)
    a.socket.send(encodeLocalRequest({ type: 'send', recipient, connectionId: undefined, data }))
    await mixnet.until(() => b.frames.length === 1)
    assert.deepEqual(b.frames[0], { type: 'received', senderTag: undefined, data })
    b.socket.send(json({ type: 'selfAddress' }))
    a.socket.send(
      encodeLocalRequest({ type: 'sendAnonymous', recipient, replySurbs: 0, connectionId: undefined, data }),
    )
    await mixnet.until(() => b.texts.length === 2)
    assert.equal(JSON.parse(b.texts[1] ?? '').message, '\u0000\ufffd\ufffd')
    b.socket.send(encodeLocalRequest({ type: 'selfAddress' }))
    await mixnet.until(() => b.frames.length === 2)
    assert.deepEqual(b.frames[1], { type: 'selfAddress', address: recipient })
  })

  it('gets the reply SURBs it asks for to the recipient', async () => {
    const stocked = async (replySurbs: number): Promise<number> => {
      const mixnet = new TestMixnet({ seed: 'surbs' })
      const [alice, bob] = [await serve(mixnet), await serve(mixnet)]
      const a = await alice.connect()
      a.socket.send(json({ type: 'sendAnonymous', message: 'hi', recipient: bob.address, replySurbs }))
      await mixnet.simulation.runFor(seconds(20))
      return bob.meter.snapshot().client_reply_surbs ?? 0
    }
    assert.ok((await stocked(0)) < 30)
    assert.ok((await stocked(120)) >= 120)
  })

  it('is told what is wrong, and goes on', async () => {
    const mixnet = new TestMixnet({ seed: 'wrong' })
    const alice = await serve(mixnet)
    const a = await alice.connect()
    const senderTag = toBase58(new Uint8Array(16).fill(9))
    a.socket.send('hello')
    a.socket.send(json({ type: 'send', message: 'x', recipient: 'nobody' }))
    a.socket.send(json({ type: 'reply', message: 'x', senderTag }))
    a.socket.send(new Uint8Array(0))
    a.socket.send(json({ type: 'selfAddress' }))
    await mixnet.until(() => a.texts.length === 4 && a.frames.length === 1)
    const messages = a.texts.map((text) => JSON.parse(text)).map(({ type, message }) => message ?? type)
    assert.deepEqual(messages.toSorted(), [
      'malformed request:local request: not JSON',
      "malformed request:recipient: needs exactly one '@'",
      'other:NO_REPLY_BLOCKS: there is no reply block left for this sender',
      'selfAddress',
    ])
    assert.deepEqual(a.frames, [{ type: 'error', kind: 'emptyRequest', message: 'no data provided' }])
    assert.equal(a.closed(), false)
  })

  it('may send and go: what waited for room leaves all the same', async () => {
    const mixnet = new TestMixnet({ seed: 'gone' })
    const [alice, bob] = [await serve(mixnet), await serve(mixnet)]
    const a = await alice.connect()
    const message = 'x'.repeat(50_000)
    for (let i = 0; i < 6; i++) a.socket.send(json({ type: 'send', message, recipient: bob.address }))
    a.socket.close()
    await mixnet.until(() => a.closed())
    await mixnet.until(() => bob.meter.snapshot().client_inbox_messages === 6)
  })
})

describe('lanes', () => {
  const recipientOf = ({ address }: Served) => address

  it('who names a connection is told how much of it waits, in order, and the others are not held up', async () => {
    const mixnet = new TestMixnet({ seed: 'lanes' })
    const [alice, bob] = [await serve(mixnet), await serve(mixnet)]
    const a = await alice.connect()
    const large = { type: 'send', message: 'x'.repeat(300_000), recipient: recipientOf(bob), connectionId: 1 }
    a.socket.send(json(large))
    a.socket.send(json({ ...large, message: 'behind' }))
    a.socket.send(json({ ...large, message: 'beside', connectionId: 2 }))
    await mixnet.until(() => a.texts.length === 2, millis(1_000))
    const [first, second] = a.texts.map((text) => JSON.parse(text))
    assert.deepEqual([first.lane, second.lane], [1, 2])
    assert.ok(first.queue_length > 100)
    a.socket.send(json({ type: 'getLaneQueueLength', connectionId: 1 }))
    await mixnet.until(() => a.texts.length === 3, millis(500))
    await mixnet.until(() => a.texts.length === 4)
    assert.equal(JSON.parse(a.texts[3] ?? '').lane, 1, 'what was behind is queued once there is room')
  })

  it('a connection that is closed sends nothing more, and what waited for it is forgotten', async () => {
    const mixnet = new TestMixnet({ seed: 'closed' })
    const [alice, bob] = [await serve(mixnet), await serve(mixnet)]
    const a = await alice.connect()
    const large = { type: 'send', message: 'x'.repeat(300_000), recipient: recipientOf(bob), connectionId: 1 }
    for (let i = 0; i < 5; i++) a.socket.send(json(large))
    await mixnet.until(() => a.texts.length === 1)
    assert.equal(alice.meter.snapshot().local_api_waiting, 4)
    a.socket.send(json({ type: 'closedConnection', connectionId: 1 }))
    await mixnet.until(() => alice.meter.snapshot().local_api_waiting === 0)
    a.socket.send(json({ type: 'getLaneQueueLength', connectionId: 1 }))
    await mixnet.until(() => a.texts.length === 2)
    assert.equal(JSON.parse(a.texts[1] ?? '').queue_length, 0)
    assert.equal(alice.meter.snapshot().local_api_waiting_bytes, 0)
    // The number may be used again.
    a.socket.send(json({ ...large, message: 'again' }))
    await mixnet.until(() => bob.meter.snapshot().client_inbox_messages === 1)
  })

  it('what waits for SURBs counts, and goes with its connection', async () => {
    const mixnet = new TestMixnet({ seed: 'replies' })
    const [alice, bob] = [await serve(mixnet), await serve(mixnet)]
    const [a, b] = [await alice.connect(), await bob.connect()]
    a.socket.send(json({ type: 'sendAnonymous', message: 'hi', recipient: bob.address, replySurbs: 1 }))
    b.socket.send(json({ type: 'selfAddress' }))
    await mixnet.until(() => b.texts.length === 2)
    const { senderTag } = JSON.parse(b.texts[1] ?? '')
    b.socket.send(json({ type: 'reply', message: 'y'.repeat(200_000), senderTag, connectionId: 3 }))
    await mixnet.until(() => b.texts.length === 3)
    assert.ok(JSON.parse(b.texts[2] ?? '').queue_length > 50)
    b.socket.send(json({ type: 'closedConnection', connectionId: 3 }))
    b.socket.send(json({ type: 'getLaneQueueLength', connectionId: 3 }))
    await mixnet.until(() => b.texts.length === 4)
    assert.equal(JSON.parse(b.texts[3] ?? '').queue_length, 0)
  })
})

describe('who may come', () => {
  it('one program at a time; messages wait for the next', async () => {
    const mixnet = new TestMixnet({ seed: 'one' })
    const [alice, bob] = [await serve(mixnet), await serve(mixnet)]
    const [a, first] = [await alice.connect(), await bob.connect()]
    await assert.rejects(bob.connect(), refusedWith(503))
    first.socket.close()
    await mixnet.until(first.closed)
    for (const message of ['1', '2', '3']) a.socket.send(json({ type: 'send', message, recipient: bob.address }))
    await mixnet.until(() => bob.meter.snapshot().client_inbox_messages === 3)
    const second = await bob.connect()
    await mixnet.until(() => second.frames.length === 3)
    assert.equal(bob.meter.snapshot()['local_api_refused_total{reason="busy"}'], 1)
  })

  it('no page of a browser, unless its origin was allowed', async () => {
    const mixnet = new TestMixnet({ seed: 'pages' })
    const alice = await serve(mixnet, {}, ['http://localhost:3000'])
    for (const origin of ['https://evil.example', 'http://127.0.0.1:1977', 'http://localhost:30001', 'null', '']) {
      await assert.rejects(alice.connect(origin), refusedWith(403), origin)
    }
    assert.equal(alice.meter.snapshot()['local_api_refused_total{reason="origin"}'], 5)
    const page = await alice.connect('http://localhost:3000')
    page.socket.send(json({ type: 'selfAddress' }))
    await mixnet.until(() => page.texts.length === 1)
  })

  it('"null" is what every sandboxed frame says: it cannot be allowed', async () => {
    const alice = await serve(new TestMixnet({ seed: 'null' }), {}, ['null'])
    await assert.rejects(alice.connect('null'), refusedWith(403))
  })
})

describe('programs that misbehave', () => {
  it('one that never reads is not read either, loses nothing of the inbox, and is given up', async () => {
    const mixnet = new TestMixnet({ seed: 'deaf' })
    const [alice, bob] = [await serve(mixnet), await serve(mixnet, { bufferedBytes: 20_000 })]
    const [a, deaf] = [await alice.connect(), await bob.connect()]
    deaf.socket.pause()
    // A mebibyte is in the simulated kernels before anything waits with us.
    const message = 'x'.repeat(150_000)
    for (let i = 0; i < 12; i++) a.socket.send(json({ type: 'send', message, recipient: bob.address }))
    await mixnet.until(() => bob.meter.snapshot().client_inbox_messages === 5)
    for (let i = 0; i < 50; i++) deaf.socket.send(json({ type: 'selfAddress' }))
    await mixnet.simulation.runFor(seconds(5))
    assert.equal(bob.meter.snapshot()['local_api_requests_total{type="selfAddress"}'], undefined)
    await mixnet.simulation.runFor(seconds(60))
    assert.equal(bob.meter.snapshot()['local_api_closed_total{reason="slow"}'], 1)
    const next = await bob.connect()
    await mixnet.until(() => next.frames.length === 5)
  })

  it('one that sends faster than the mixnet is read no faster', async () => {
    const mixnet = new TestMixnet({ seed: 'flood' })
    const [alice, bob] = [await serve(mixnet, { waiting: 5 }), await serve(mixnet)]
    const a = await alice.connect()
    const message = 'x'.repeat(100_000)
    for (let i = 0; i < 40; i++) a.socket.send(json({ type: 'send', message, recipient: bob.address }))
    let most = 0
    await mixnet.until(() => {
      most = Math.max(most, alice.meter.snapshot().local_api_waiting ?? 0)
      return bob.meter.snapshot().client_inbox_messages === 10
    })
    assert.equal(most, 5)
  })

  it('a frame that is too long ends the connection, and the place is free', async () => {
    const mixnet = new TestMixnet({ seed: 'long' })
    const alice = await serve(mixnet, { maxMessageBytes: 1000 })
    const a = await alice.connect()
    a.socket.send(utf8('x'.repeat(1001)))
    await mixnet.until(a.closed)
    assert.equal(alice.meter.snapshot().local_api_programs, 0)
  })
})
