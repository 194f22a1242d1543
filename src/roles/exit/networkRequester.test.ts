import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { EMPTY_BYTES, utf8 } from '../../foundation/base/bytes.ts'
import { millis, minutes, seconds } from '../../foundation/base/units.ts'
import { parseExitPolicy } from '../../protocol/wire/exit/exitPolicy.ts'
import { decodeInterfaceResponse, encodeInterfaceRequest } from '../../protocol/wire/exit/interfaceEnvelope.ts'
import { DEFAULT_EXIT_PARAMS } from './exitParams.ts'
import { DEFAULT_EXIT_RULES } from './exitRules.ts'
import {
  decodeAnswer,
  encodeRequest,
  LOCAL_RULES,
  listen,
  pieces,
  RECIPIENT,
  Stream,
  shuffledTwice,
  startExit,
  testBytes,
  turns,
  until,
} from './support.test.ts'

const MIB = 1024 * 1024
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

test('a megabyte both ways at once, reordered and repeated, arrives as it was', async () => {
  await using destination = await listen((socket) => socket.pipe(socket))
  const exit = startExit()
  const stream = new Stream(exit)
  stream.connect(destination.remote)
  const sent = testBytes(MIB)
  const messages = pieces(sent, 6000).map((piece) => stream.message(piece))
  messages.push(stream.message(EMPTY_BYTES, true))
  for (const [index, window] of [messages.slice(0, 90), messages.slice(90)].entries()) {
    for (const message of shuffledTwice(window, index + 1)) stream.deliver(message)
    await turns(3)
  }
  await until('all came back', () => stream.ended)
  assert.equal(stream.length, MIB)
  assert.equal(sha256(stream.bytes), sha256(sent))
  await until('the connection is over', () => exit.requester.connectionCount === 0)
  const counted = exit.meter.snapshot()
  assert.equal(counted['exit_closed_total{reason="ended"}'], 1)
  assert.equal(counted.exit_held_bytes, 0)
  for (const { data } of exit.client.answers) assert.ok(data.length <= 4 * 1604 - 3, 'fills four packets at most')
  await exit.requester.stop()
})

test('the first answer is empty, says open, and comes before any data; small reads go at once', async () => {
  await using destination = await listen((socket) => socket.write('hello'))
  const exit = startExit()
  const stream = new Stream(exit)
  stream.connect(destination.remote)
  await until('the greeting came', () => stream.length === 5)
  const [first, second] = exit.client.answers.map(({ data }) => decodeAnswer(data))
  assert.deepEqual(first, {
    version: 3,
    kind: 'networkData',
    connectionId: 7n,
    closed: false,
    sequence: 0n,
    data: EMPTY_BYTES,
  })
  assert.ok(second?.kind === 'networkData' && second.sequence === 1n && !second.closed)
  assert.equal(exit.client.answers[0]?.to, 'alice')
  await exit.requester.stop()
})

test('a closed port is one closing message with number 0', async () => {
  const destination = await listen(() => {})
  await destination[Symbol.asyncDispose]()
  const exit = startExit()
  const stream = new Stream(exit)
  stream.connect(destination.remote)
  stream.send(utf8('early'))
  await until('it is told', () => stream.ended)
  assert.equal(stream.opened, false)
  assert.equal(exit.client.answers.length, 1)
  assert.equal(exit.meter.snapshot()['exit_closed_total{reason="unreachable"}'], 1)
  assert.equal(exit.meter.snapshot().exit_held_bytes, 0)
  await exit.requester.stop()
})

test('each refusal has its text and its counter, and connects to nothing', async () => {
  const rules = {
    ...DEFAULT_EXIT_RULES,
    policy: parseExitPolicy('ExitPolicy reject 9.9.9.0/24:*\nExitPolicy accept *:80'),
  }
  const exit = startExit({ rules, connect: () => assert.fail('connected') })
  exit.names.set('rebound.example', ['8.8.8.8', '192.168.1.1'])
  exit.names.set('blocked.example', ['8.8.8.8', '9.9.9.9'])
  exit.names.set('scoped.example', ['fe80::1%eth0'])
  exit.names.set('empty.example', [])
  exit.names.set('slow.example', undefined)
  const cases: readonly (readonly [string, string, string])[] = [
    ['8.8.8.8:25', 'policy', 'failed filter check'],
    ['9.9.9.9:80', 'policy', 'failed filter check'],
    ['blocked.example:80', 'policy', 'failed filter check'],
    ['127.0.0.1:80', 'local-address', 'failed filter check'],
    ['[::1]:80', 'local-address', 'failed filter check'],
    ['0:0:0:0:0:0:0:1:80', 'local-address', 'failed filter check'],
    ['::ffff:8.8.8.8:80', 'local-address', 'failed filter check'],
    ['64:ff9b::7f00:1:80', 'local-address', 'failed filter check'],
    ['64:ff9b::909:909:80', 'policy', 'failed filter check'],
    ['rebound.example:80', 'local-address', 'failed filter check'],
    ['scoped.example:80', 'local-address', 'failed filter check'],
    ['nowhere.example:80', 'unknown-host', 'unknown host'],
    ['empty.example:80', 'unknown-host', 'unknown host'],
    ['no such name:80', 'malformed-host', 'unknown host'],
    ['slow.example:80', 'lookup-timeout', 'unknown host'],
    ['8.8.8.8', 'malformed-address', 'failed filter check'],
    ['8.8.8.8:0', 'malformed-address', 'failed filter check'],
    ['8.8.8.8:65536', 'malformed-address', 'failed filter check'],
    ['8.8.8.8:+80', 'malformed-address', 'failed filter check'],
    [':80', 'malformed-address', 'failed filter check'],
    [`${'\u0000'.repeat(60_000)}:80`, 'malformed-host', 'unknown host'],
  ]
  for (const [index, [remote, reason, text]] of cases.entries()) {
    const stream = new Stream(exit, { id: BigInt(index) })
    const before = exit.meter.snapshot()[`exit_refused_total{reason="${reason}"}`] ?? 0
    stream.connect(remote)
    if (reason === 'lookup-timeout') exit.clock.advance(DEFAULT_EXIT_PARAMS.lookupTimeout)
    await until(`${remote.slice(0, 40)} is refused`, () => stream.refusal !== undefined)
    assert.ok(stream.refusal?.endsWith(text), `${stream.refusal}`)
    assert.equal(exit.meter.snapshot()[`exit_refused_total{reason="${reason}"}`], before + 1, remote.slice(0, 40))
  }
  assert.equal(exit.requester.connectionCount, 0)
  assert.ok(exit.client.answers.every(({ data }) => data.length < 2000))
  await exit.requester.stop()
})

test('a name is looked up once, and the address that was checked is the one connected to', async () => {
  await using destination = await listen((socket) => socket.end('yes'))
  const exit = startExit()
  let lookups = 0
  exit.names.set('changing.example', ['127.0.0.1'])
  const get = exit.names.get.bind(exit.names)
  exit.names.get = (name) => (lookups++ === 0 ? get(name) : ['10.0.0.1'])
  const stream = new Stream(exit)
  stream.connect(`changing.example:${destination.port}`)
  await until('it answered', () => stream.ended)
  assert.equal(lookups, 1)
  assert.deepEqual(exit.connects, ['127.0.0.1'])
  await exit.requester.stop()
})

test('the next address of a name is tried where the first cannot be reached', async () => {
  await using destination = await listen((socket) => socket.end('yes'))
  const exit = startExit()
  exit.names.set('two.example', ['127.0.0.254', '127.0.0.1'])
  const stream = new Stream(exit)
  stream.connect(`two.example:${destination.port}`)
  await until('it answered', () => stream.ended)
  assert.deepEqual(exit.connects, ['127.0.0.254', '127.0.0.1'])
  await exit.requester.stop()
})

test('client ends first: the destination gets a FIN and can still answer', async () => {
  let received = ''
  await using destination = await listen((socket) => {
    socket.on('data', (chunk) => {
      received += chunk
    })
    socket.on('end', () => setImmediate(() => socket.end(`got ${received}`)))
  })
  const exit = startExit()
  const stream = new Stream(exit)
  stream.connect(destination.remote)
  stream.send(utf8('question'))
  stream.end()
  await until('it answered', () => stream.ended)
  assert.equal(Buffer.from(stream.bytes).toString(), 'got question')
  await until('the connection is over', () => exit.requester.connectionCount === 0)
  assert.equal(exit.meter.snapshot()['exit_closed_total{reason="ended"}'], 1)
  await exit.requester.stop()
})

test('destination ends first: the client is told, and what it still sends goes out', async () => {
  let received = ''
  let over = false
  await using destination = await listen((socket) => {
    socket.end('bye')
    socket.on('data', (chunk) => {
      received += chunk
    })
    socket.on('end', () => {
      over = true
    })
  })
  const exit = startExit()
  const stream = new Stream(exit)
  stream.connect(destination.remote)
  await until('it is told', () => stream.ended)
  assert.equal(Buffer.from(stream.bytes).toString(), 'bye')
  stream.send(utf8('one '))
  stream.send(utf8('two'))
  stream.end()
  await until('the destination has all', () => over)
  assert.equal(received, 'one two')
  await until('the connection is over', () => exit.requester.connectionCount === 0)
  assert.equal(exit.meter.snapshot()['exit_closed_total{reason="ended"}'], 1)
  await exit.requester.stop()
})

test('a destination that resets: what was read comes, then the end', async () => {
  await using destination = await listen((socket) => {
    socket.write('partial')
    socket.once('data', () => socket.resetAndDestroy())
  })
  const exit = startExit()
  const stream = new Stream(exit)
  stream.connect(destination.remote)
  await until('the start came', () => stream.length === 7)
  stream.send(utf8('x'))
  await until('it is told', () => stream.ended)
  await until('the connection is over', () => exit.requester.connectionCount === 0)
  assert.equal(exit.meter.snapshot()['exit_closed_total{reason="reset"}'], 1)
  await exit.requester.stop()
})

test('a slow client: the destination is read only while the lane has room', async () => {
  await using destination = await listen((socket) => socket.end(testBytes(16 * MIB)))
  const exit = startExit()
  exit.client.congested = true
  const stream = new Stream(exit)
  stream.connect(destination.remote)
  await until('the lane is full', () => exit.client.laneLength('exit:alice/7') > DEFAULT_EXIT_PARAMS.lanePackets)
  await turns(50)
  const lane = exit.client.laneLength('exit:alice/7')
  assert.ok(lane <= DEFAULT_EXIT_PARAMS.lanePackets + 4, `${lane} packets`)
  assert.ok((destination.sockets[0]?.writableLength ?? 0) > MIB, 'the destination waits')
  exit.client.release()
  await until('more was read', () => exit.client.laneLength('exit:alice/7') > DEFAULT_EXIT_PARAMS.lanePackets)
  // The client is gone: what nobody wants any more is dropped, and the connection with it.
  exit.clock.advance(minutes(6))
  exit.clock.advance(minutes(2))
  assert.equal(exit.requester.connectionCount, 0)
  assert.deepEqual(exit.client.closedLanes, ['exit:alice/7'])
  await exit.requester.stop()
})

test('a slow destination: what it does not take is bounded, then the connection ends', async () => {
  await using destination = await listen((socket) => socket.pause())
  const exit = startExit({ params: { maxConnectionBytes: MIB } })
  const stream = new Stream(exit)
  stream.connect(destination.remote)
  await until('it is open', () => stream.opened)
  const piece = new Uint8Array(60_000)
  for (let i = 0; i < 1000 && !stream.ended; i++) {
    stream.send(piece)
    assert.ok((exit.meter.snapshot().exit_held_bytes ?? 0) <= MIB)
    await turns(1)
  }
  assert.ok(stream.ended)
  assert.equal(exit.meter.snapshot()['exit_closed_total{reason="slow-destination"}'], 1)
  assert.equal(exit.meter.snapshot().exit_held_bytes, 0)
  stream.send(piece)
  assert.equal(exit.meter.snapshot()['exit_dropped_total{reason="connection-over"}'], 1)
  await exit.requester.stop()
})

test('a flood of connects is bounded by sender and in all, and leaves nothing behind', async () => {
  const quotas = {
    ...DEFAULT_EXIT_PARAMS.quotas,
    connects: { perSender: 5, overall: 12 },
    answers: { perSender: 1000, overall: 1000 },
  }
  const exit = startExit({ params: { quotas, maxLookups: 3, maxRemembered: 100 } })
  exit.names.set('slow.example', undefined)
  for (let i = 0; i < 500; i++) {
    const sender = `sender ${i % 5}`
    exit.client.deliver(
      encodeRequest({ kind: 'connect', connectionId: BigInt(i), remote: 'slow.example:80', returnAddress: undefined }),
      sender,
    )
  }
  const counted = exit.meter.snapshot()
  assert.equal(counted.exit_connecting, 12)
  assert.equal(counted.exit_lookups, 3)
  assert.equal(
    (counted['exit_refused_total{reason="sender-limit"}'] ?? 0) +
      (counted['exit_refused_total{reason="overall-limit"}'] ?? 0),
    488,
  )
  await until('all refusals are told', () => exit.client.answers.length === 488)
  exit.clock.advance(DEFAULT_EXIT_PARAMS.lookupTimeout)
  await until('all lookups are given up', () => exit.client.answers.length === 500)
  await turns()
  assert.equal(exit.requester.connectionCount, 0)
  assert.equal(exit.meter.snapshot().exit_connecting, 0)
  // Given up is not over: the system still works on them, and the next must wait for it.
  assert.equal(exit.meter.snapshot().exit_lookups, 3)
  await exit.requester.stop()
  assert.equal(exit.clock.pending, 0)
})

test('open connections are bounded too', async () => {
  await using destination = await listen(() => {})
  const quotas = { ...DEFAULT_EXIT_PARAMS.quotas, connections: { perSender: 2, overall: 3 } }
  const exit = startExit({ params: { quotas } })
  const streams = ['a', 'a', 'a', 'b', 'b'].map((tag, index) => new Stream(exit, { tag, id: BigInt(index) }))
  for (const stream of streams) stream.connect(destination.remote)
  await until('all are answered', () => streams.every(({ opened, refusal }) => opened || refusal !== undefined))
  assert.deepEqual(
    streams.map(({ refusal }) => refusal),
    [undefined, undefined, 'too many connections', undefined, 'too many connections'],
  )
  await exit.requester.stop()
})

test('where all bytes are taken, the connection that holds the most gives way', async () => {
  await using destination = await listen((socket) => socket.resume())
  const quotas = { ...DEFAULT_EXIT_PARAMS.quotas, bytes: { perSender: 100_000, overall: 150_000 } }
  const exit = startExit({ params: { quotas } })
  const [hoarder, other] = ['hoarder', 'other'].map((tag) => new Stream(exit, { tag })) as [Stream, Stream]
  hoarder.connect(destination.remote)
  other.connect(destination.remote)
  await until('both are open', () => hoarder.opened && other.opened)
  const [gap] = [hoarder.message(utf8('held back')), other.sequence++]
  hoarder.send(new Uint8Array(90_000))
  other.send(new Uint8Array(50_000))
  assert.equal(exit.meter.snapshot().exit_held_bytes, 140_000)
  other.send(new Uint8Array(20_000))
  await until('the hoarder is told', () => hoarder.ended)
  assert.equal(exit.meter.snapshot().exit_held_bytes, 70_000)
  assert.equal(other.ended, false)
  hoarder.deliver(gap)
  other.send(new Uint8Array(40_000))
  await until('a sender has its own limit', () => other.ended)
  assert.equal(exit.meter.snapshot().exit_held_bytes, 0)
  assert.equal(exit.meter.snapshot()['exit_closed_total{reason="too-many-bytes"}'], 2)
  await exit.requester.stop()
})

test('data that overtakes its connect waits for it', async () => {
  await using destination = await listen((socket) => socket.pipe(socket))
  const exit = startExit()
  const stream = new Stream(exit)
  const messages = pieces(testBytes(100_000), 6000).map((piece) => stream.message(piece))
  messages.push(stream.message(EMPTY_BYTES, true))
  for (const message of shuffledTwice(messages)) stream.deliver(message)
  assert.ok((exit.meter.snapshot().exit_early_bytes ?? 0) > 100_000)
  stream.connect(destination.remote)
  await until('all came back', () => stream.ended)
  assert.equal(sha256(stream.bytes), sha256(testBytes(100_000)))
  assert.equal(exit.meter.snapshot().exit_early_bytes, 0)
  await exit.requester.stop()
})

test('early data is bounded in messages, bytes, connections and time; a connect after its loss is refused', async () => {
  const early = { maxMessages: 10, maxBytes: 20_000, maxConnections: 5, maxTotalBytes: 50_000, lifetime: seconds(60) }
  const exit = startExit({ params: { early } })
  const lost = () => exit.meter.snapshot()['exit_dropped_total{reason="early-data-lost"}'] ?? 0
  const stream = (id: number) => new Stream(exit, { id: BigInt(id) })
  const [many, large] = [stream(1), stream(2)]
  for (let i = 0; i < 11; i++) many.send(EMPTY_BYTES)
  assert.equal(lost(), 1)
  large.send(new Uint8Array(20_000))
  assert.equal(lost(), 2)
  for (let i = 0; i < 6; i++) stream(10 + i).send(EMPTY_BYTES)
  assert.equal(lost(), 3)
  for (let i = 0; i < 4; i++) stream(11 + i).send(new Uint8Array(15_000))
  assert.equal(lost(), 4)
  assert.ok((exit.meter.snapshot().exit_early_bytes ?? 0) <= 50_000)
  exit.clock.advance(seconds(61))
  assert.equal(exit.meter.snapshot().exit_early_bytes, 0)
  many.connect('127.0.0.1:1')
  await until('it is refused', () => many.refusal !== undefined)
  assert.equal(exit.meter.snapshot()['exit_refused_total{reason="early-data-lost"}'], 1)
  assert.deepEqual(exit.connects, [])
  await exit.requester.stop()
})

test('an empty message with a hundred kilobytes behind it keeps only itself', async () => {
  const exit = startExit({ params: { early: { ...DEFAULT_EXIT_PARAMS.early, maxTotalBytes: 5000 } } })
  const stream = new Stream(exit)
  const message = stream.message(utf8('x'))
  const large = new Uint8Array(100_000)
  large.set(message)
  stream.deliver(large.subarray(0, message.length))
  assert.ok((exit.meter.snapshot().exit_early_bytes ?? 0) < 1000)
  await exit.requester.stop()
})

test('a repeated connect and stragglers of a connection that is over open nothing', async () => {
  await using destination = await listen((socket) => socket.end())
  const exit = startExit()
  const stream = new Stream(exit)
  stream.connect(destination.remote)
  stream.connect(destination.remote)
  stream.end()
  await until('it is over', () => stream.ended && exit.requester.connectionCount === 0)
  stream.connect(destination.remote)
  stream.send(utf8('late'))
  await turns()
  assert.equal(destination.sockets.length, 1)
  assert.equal(exit.meter.snapshot()['exit_dropped_total{reason="repeated-connect"}'], 2)
  assert.equal(exit.meter.snapshot()['exit_dropped_total{reason="connection-over"}'], 1)
  await exit.requester.stop()
})

test("the same id of two pseudonyms is two connections, and nobody writes into another's", async () => {
  await using destination = await listen((socket) => socket.pipe(socket))
  const exit = startExit()
  const [alice, bob] = [new Stream(exit, { tag: 'alice' }), new Stream(exit, { tag: 'bob' })]
  alice.connect(destination.remote)
  bob.connect(destination.remote)
  alice.send(utf8('from alice'))
  bob.send(utf8('from bob'))
  await until('both echoes came', () => alice.length === 10 && bob.length === 8)
  await exit.requester.stop()
})

test('an explicit return address gets plain messages, and its data need no pseudonym', async () => {
  await using destination = await listen((socket) => socket.pipe(socket))
  const exit = startExit()
  const stream = new Stream(exit, { tag: undefined })
  stream.connect(destination.remote, RECIPIENT)
  stream.send(utf8('plain'))
  stream.end()
  await until('the echo came', () => stream.ended)
  assert.equal(Buffer.from(stream.bytes).toString(), 'plain')
  for (const { to } of exit.client.answers) assert.deepEqual(to, RECIPIENT)
  await exit.requester.stop()
})

test('neither pseudonym nor address: counted and dropped', async () => {
  const exit = startExit()
  const stream = new Stream(exit, { tag: undefined })
  stream.connect('127.0.0.1:1')
  stream.deliver(encodeRequest({ kind: 'query', query: 'openProxy' }))
  stream.deliver(Uint8Array.of(3, 0, 0))
  await turns()
  assert.equal(exit.meter.snapshot()['exit_dropped_total{reason="no-return-path"}'], 3)
  assert.equal(exit.client.answers.length, 0)
  await exit.requester.stop()
})

test('legacy requests get legacy answers', async () => {
  await using destination = await listen((socket) => socket.pipe(socket))
  const exit = startExit()
  const stream = new Stream(exit, { version: 'legacy' })
  stream.connect(destination.remote)
  stream.send(utf8('old'))
  stream.end()
  await until('the echo came', () => stream.ended)
  assert.equal(Buffer.from(stream.bytes).toString(), 'old')
  const refused = new Stream(exit, { version: 'legacy', id: 8n })
  refused.connect('nowhere.example:80')
  await until('it is refused', () => refused.refusal !== undefined)
  await exit.requester.stop()
})

test('answers carry the interface version they were asked with', async () => {
  const exit = startExit()
  exit.client.deliver(encodeInterfaceRequest({ kind: 'control', interfaceVersion: 9, control: 'health' }), 'alice')
  await turns()
  assert.deepEqual(exit.client.answers[0]?.data, Uint8Array.of(9, 0, 0))
  await exit.requester.stop()
})

test('control requests and queries', async () => {
  const rules = {
    ...LOCAL_RULES,
    policy: parseExitPolicy('ExitPolicy accept *:443'),
    openProxy: false,
    source: 'https://x',
  }
  const exit = startExit({ rules })
  for (const control of ['binaryInfo', 'supportedRequestVersions'] as const) {
    exit.client.deliver(encodeInterfaceRequest({ kind: 'control', interfaceVersion: 3, control }), 'alice')
  }
  for (const query of ['openProxy', 'description', 'exitPolicy'] as const) {
    exit.client.deliver(encodeRequest({ kind: 'query', query }), 'alice')
  }
  await until('all are answered', () => exit.client.answers.length === 5)
  const [info, versions, ...queries] = exit.client.answers.map(({ data }) => data) as Uint8Array[]
  const control = (data: Uint8Array | undefined): unknown => {
    const message = decodeInterfaceResponse(data as Uint8Array)
    return message.kind === 'control' ? message.control : undefined
  }
  assert.equal((control(info) as { binaryName: string }).binaryName, 'starling')
  assert.deepEqual(control(versions), { kind: 'supportedRequestVersions', interface: 3, provider: 3 })
  const answers = queries.map((data) => {
    const response = decodeAnswer(data)
    return response.kind === 'query' ? response.answer : undefined
  })
  assert.deepEqual(answers, [
    { kind: 'openProxy', openProxy: false },
    { kind: 'description', description: 'Description (placeholder)' },
    { kind: 'exitPolicy', enabled: true, upstream: 'https://x', policy: rules.policy },
  ])
  assert.ok(exit.client.answers.every(({ lane }) => lane === 'exit'))
  await exit.requester.stop()
})

test('a client that gives up both directions is believed, whatever order its messages come in', async () => {
  await using destination = await listen((socket) => socket.write(testBytes(MIB)))
  const exit = startExit()
  const stream = new Stream(exit)
  stream.connect(destination.remote)
  await until('it is open', () => stream.opened)
  const [end, again] = [stream.message(EMPTY_BYTES, true), stream.message(EMPTY_BYTES, true)]
  stream.deliver(again)
  stream.deliver(again)
  assert.equal(exit.requester.connectionCount, 1)
  stream.deliver(end)
  assert.equal(exit.requester.connectionCount, 0)
  assert.equal(exit.meter.snapshot()['exit_closed_total{reason="abandoned"}'], 1)
  await exit.requester.stop()
})

test('a client whose reply blocks are gone loses its connections', async () => {
  await using destination = await listen(() => {})
  const exit = startExit()
  exit.client.withoutReplyBlocks = true
  new Stream(exit).connect(destination.remote)
  await until('it is over', () => exit.meter.snapshot()['exit_closed_total{reason="no-reply-path"}'] === 1)
  assert.equal(exit.requester.connectionCount, 0)
  await exit.requester.stop()
})

test('keep-alives, idleness, silence and half-closed connections', async () => {
  await using destination = await listen(() => {})
  const exit = startExit()
  const closed = (reason: string) => exit.meter.snapshot()[`exit_closed_total{reason="${reason}"}`] ?? 0
  const [idle, half, kept] = [1n, 2n, 3n].map((id) => new Stream(exit, { id })) as [Stream, Stream, Stream]
  for (const stream of [idle, half, kept]) stream.connect(destination.remote)
  await until('all are open', () => idle.opened && half.opened && kept.opened)
  half.end()
  const heard = exit.client.answers.length
  exit.clock.advance(seconds(61))
  await until('keep-alives came', () => exit.client.answers.length === heard + 3)
  for (let minute = 2; minute <= 12; minute++) {
    exit.clock.advance(minutes(1))
    kept.send(EMPTY_BYTES)
    if (minute < 9) half.send(EMPTY_BYTES)
    await turns(5)
    if (minute === 6) assert.equal(closed('idle'), 1)
  }
  assert.ok(idle.ended && half.ended && !kept.ended)
  assert.equal(closed('half-closed'), 1)
  assert.equal(exit.requester.connectionCount, 1)
  // The destination goes on, the client does not.
  const [, , socket] = destination.sockets
  for (let minute = 0; minute < 31; minute++) {
    for (const one of destination.sockets) if (!one.destroyed) one.write('more')
    await turns(5)
    exit.clock.advance(minutes(1))
    await turns(5)
  }
  assert.ok(socket !== undefined && kept.ended)
  assert.equal(closed('silent'), 1)
  await exit.requester.stop()
  assert.equal(exit.clock.pending, 0)
})

test('told of the end, a client that says nothing more is forgotten', async () => {
  await using destination = await listen((socket) => socket.end())
  const exit = startExit()
  const stream = new Stream(exit)
  stream.connect(destination.remote)
  await until('it is told', () => stream.ended)
  assert.equal(exit.requester.connectionCount, 1)
  await turns()
  exit.clock.advance(seconds(61))
  assert.equal(exit.requester.connectionCount, 0)
  await exit.requester.stop()
})

test('stop in the middle says goodbye to all and takes nothing new', async () => {
  await using destination = await listen((socket) => socket.write('hello'))
  const exit = startExit()
  exit.names.set('slow.example', undefined)
  const [open, opening, late] = [1n, 2n, 3n].map((id) => new Stream(exit, { id })) as [Stream, Stream, Stream]
  open.connect(destination.remote)
  opening.connect('slow.example:80')
  await until('it is open', () => open.length === 5)
  const stopped = exit.requester.stop()
  late.connect(destination.remote)
  await stopped
  assert.ok(open.ended && opening.ended && !opening.opened)
  assert.equal(exit.requester.connectionCount, 0)
  assert.equal(exit.meter.snapshot()['exit_dropped_total{reason="stopping"}'], 1)
  assert.equal(exit.meter.snapshot()['exit_closed_total{reason="stopped"}'], 2)
  assert.equal(exit.clock.pending, 0)
  await exit.requester.stop()
})

test('stop does not wait for clients that cannot be told', async () => {
  await using destination = await listen(() => {})
  const exit = startExit()
  exit.client.congested = true
  const stream = new Stream(exit)
  stream.connect(destination.remote)
  await until('it is open', () => stream.opened)
  const stopped = exit.requester.stop()
  await turns()
  assert.equal(exit.requester.connectionCount, 1)
  exit.clock.advance(millis(2000))
  await stopped
  assert.equal(exit.requester.connectionCount, 0)
})

test('random and mutated bytes do no harm', async () => {
  const exit = startExit({ connect: () => assert.fail('connected'), rules: DEFAULT_EXIT_RULES })
  const valid = [
    encodeRequest({ kind: 'connect', connectionId: 1n, remote: '10.0.0.1:80', returnAddress: RECIPIENT }),
    encodeRequest({ kind: 'connect', connectionId: 1n, remote: 'a:80', returnAddress: undefined }, 'legacy'),
    encodeRequest({ kind: 'send', connectionId: 1n, closed: false, sequence: 0n, data: utf8('x') }),
    encodeRequest({ kind: 'query', query: 'exitPolicy' }),
    Uint8Array.of(3, 0, 1),
  ]
  const mutated = fc
    .tuple(fc.constantFrom(...valid), fc.nat(200), fc.nat(255), fc.nat(200))
    .map(([bytes, at, value, length]) => {
      const copy = bytes.slice(0, Math.max(1, bytes.length - Math.max(0, length - 150)))
      copy[at % copy.length] = value
      return copy
    })
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array({ maxLength: 64 }), mutated),
      fc.option(fc.constantFrom('a', 'b')),
      (bytes, tag) => {
        exit.client.deliver(bytes, tag ?? undefined)
      },
    ),
    { numRuns: 2000 },
  )
  await turns()
  exit.clock.advance(minutes(11))
  await turns()
  assert.equal(exit.requester.connectionCount, 0)
  const counted = exit.meter.snapshot()
  assert.equal(counted.exit_early_bytes, 0)
  assert.equal(counted.exit_held_bytes, 0)
  assert.ok((counted['exit_dropped_total{reason="malformed"}'] ?? 0) > 0)
  await exit.requester.stop()
  assert.equal(exit.clock.pending, 0)
})
