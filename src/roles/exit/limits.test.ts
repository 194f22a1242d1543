import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { EMPTY_BYTES, utf8 } from '../../foundation/base/bytes.ts'
import { millis, minutes, seconds } from '../../foundation/base/units.ts'
import { DEFAULT_EXIT_PARAMS } from './exitParams.ts'
import { DEFAULT_EXIT_RULES } from './exitRules.ts'
import {
  encodeRequest,
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
  await exit.requester.stop()
  assert.equal(exit.clock.pending, 0)
})

test('a destination that goes on, and a client that does not: who sends no keep-alives has longer', async () => {
  await using destination = await listen(() => {})
  const exit = startExit()
  const anonymous = new Stream(exit)
  const byAddress = new Stream(exit, { tag: undefined, id: 8n })
  const listening = new Stream(exit, { id: 9n })
  anonymous.connect(destination.remote)
  byAddress.connect(destination.remote, RECIPIENT)
  listening.connect(destination.remote)
  await until('all are open', () => anonymous.opened && byAddress.opened && listening.opened)
  // Its side has ended: there is nothing more that it could say.
  listening.end()
  const goOn = async (until: number) => {
    for (let minute = 0; minute < until; minute++) {
      for (const one of destination.sockets) if (!one.destroyed) one.write('more')
      await turns(5)
      exit.clock.advance(minutes(1))
      await turns(5)
    }
  }
  await goOn(4)
  assert.ok(!anonymous.ended)
  await goOn(2)
  assert.ok(anonymous.ended && !byAddress.ended && !listening.ended)
  await goOn(24)
  assert.ok(byAddress.ended && listening.ended)
  assert.equal(exit.meter.snapshot()['exit_closed_total{reason="silent"}'], 2)
  await exit.requester.stop()
})

test('where there is room for no more, who has missed two keep-alives gives way, and is told', async () => {
  await using destination = await listen(() => {})
  const quotas = { ...DEFAULT_EXIT_PARAMS.quotas, connections: { perSender: 2, overall: 3 } }
  const exit = startExit({ params: { quotas } })
  const byAddress = new Stream(exit, { tag: undefined, id: 1n })
  const [gone, talking, early, late] = [2n, 3n, 4n, 5n].map((id) => new Stream(exit, { id, tag: `sender ${id}` })) as [
    Stream,
    Stream,
    Stream,
    Stream,
  ]
  byAddress.connect(destination.remote, RECIPIENT)
  gone.connect(destination.remote)
  talking.connect(destination.remote)
  await until('three are open', () => byAddress.opened && gone.opened && talking.opened)
  exit.clock.advance(seconds(149))
  talking.send(EMPTY_BYTES)
  early.connect(destination.remote)
  await until('it is refused', () => early.refusal !== undefined)
  assert.equal(exit.requester.connectionCount, 3)
  exit.clock.advance(seconds(1))
  late.connect(destination.remote)
  await until('it is open', () => late.opened)
  await until('the other is told', () => gone.refusal === 'too many connections')
  assert.ok(!byAddress.ended && !talking.ended)
  assert.equal(exit.meter.snapshot()['exit_closed_total{reason="gave-way"}'], 1)
  assert.equal(exit.requester.connectionCount, 3)
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
  exit.clock.advance(seconds(151))
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
