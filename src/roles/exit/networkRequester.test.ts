import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { EMPTY_BYTES, utf8 } from '../../foundation/base/bytes.ts'
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
  const exit = startExit({ rules, connect: () => assert.fail('connected'), own: ['1.2.3.4', '2600::7'] })
  exit.names.set('rebound.example', ['8.8.8.8', '192.168.1.1'])
  exit.names.set('own.example', ['8.8.8.8', '1.2.3.4'])
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
    // Of the exit itself.
    ['1.2.3.4:80', 'local-address', 'failed filter check'],
    ['::ffff:1.2.3.4:80', 'local-address', 'failed filter check'],
    ['[2600::7]:80', 'local-address', 'failed filter check'],
    ['own.example:80', 'local-address', 'failed filter check'],
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
