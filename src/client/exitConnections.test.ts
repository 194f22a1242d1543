import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { utf8 } from '../foundation/base/bytes.ts'
import { isMixnetError } from '../foundation/base/errors.ts'
import { nodeProvider } from '../foundation/crypto/nodeProvider.ts'
import { HandClock, turn } from '../foundation/platform/handClock.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'
import { connectionErrorText } from '../protocol/wire/exit/connectionErrors.ts'
import {
  CURRENT_VERSION,
  decodeInterfaceRequest,
  encodeInterfaceResponse,
} from '../protocol/wire/exit/interfaceEnvelope.ts'
import {
  decodeSocks5Request,
  encodeSocks5Response,
  type Socks5Request,
  type Socks5ResponseBody,
} from '../protocol/wire/exit/socks5Messages.ts'
import { ExitConnections, type ExitConnectionsOptions } from './exitConnections.ts'
import type { Pseudonym, ReceivedMessage } from './mixnetClient.ts'
import { pattern, testWorld } from './streamSupport.test.ts'

const recipient = (seed: number): Recipient => ({
  identity: nodeProvider.ed25519PublicKey(new Uint8Array(32).fill(seed)),
  encryptionKey: nodeProvider.x25519Base(new Uint8Array(32).fill(seed)),
  gateway: nodeProvider.ed25519PublicKey(new Uint8Array(32).fill(seed + 1)),
})
const OURS = recipient(1)
const EXIT = recipient(3)
const OTHER_EXIT = recipient(5)

interface Sent {
  readonly to: Recipient
  readonly lane: string | undefined
  readonly anonymous: boolean | undefined
  readonly as: Pseudonym | undefined
  readonly request: Socks5Request
}

function setUp(options: Partial<ExitConnectionsOptions> = {}) {
  const sent: Sent[] = []
  const closedLanes: string[] = []
  const supplied: Recipient[] = []
  const held = new Set<Pseudonym>()
  let handler: (message: ReceivedMessage) => void = () => {}
  let moved = (): void => {}
  const { promise: left, resolve: leave } = Promise.withResolvers<void>()
  const client: ExitConnectionsOptions['client'] = {
    address: OURS,
    async send({ to, data, lane, anonymous, as }) {
      const envelope = decodeInterfaceRequest(data)
      assert.equal(envelope.kind, 'providerData')
      if (envelope.kind !== 'providerData') return
      sent.push({ to, lane, anonymous, as, request: decodeSocks5Request(nodeProvider, envelope.data) })
    },
    onMessage(given) {
      handler = given
    },
    onMoved(given) {
      moved = given
    },
    hold: (to) => {
      const pseudonym = { recipient: to, senderTag: new Uint8Array(16), number: held.size + 1 }
      held.add(pseudonym)
      return pseudonym
    },
    release: (pseudonym) => held.delete(pseudonym),
    surbsLeft: () => 7,
    closeLane: (lane) => closedLanes.push(lane),
    whenLaneBelow: () => left,
    supply: (to) => supplied.push(to),
  }
  const others: Uint8Array[] = []
  const connections = new ExitConnections(testWorld(new HandClock()), {
    client,
    exit: EXIT,
    anonymous: true,
    onOther: ({ data }) => others.push(data),
    ...options,
  })
  const raw = (data: Uint8Array, repliedBy: Recipient | undefined): void =>
    handler({ data, ...(repliedBy === undefined ? {} : { repliedBy }) })
  const receive = (body: Socks5ResponseBody, repliedBy: Recipient | undefined = EXIT): void =>
    raw(
      encodeInterfaceResponse({
        interfaceVersion: CURRENT_VERSION,
        kind: 'providerData',
        data: encodeSocks5Response({ version: CURRENT_VERSION, ...body }),
      }),
      repliedBy,
    )
  return { sent, closedLanes, supplied, others, connections, receive, raw, held, leave, moved: () => moved() }
}

const code = (expected: string) => (error: unknown) => isMixnetError(error) && error.code === expected

describe('what the exit is sent', () => {
  test('a connect, then the data, in the lane of the connection', async () => {
    const { connections, sent, supplied } = setUp()
    const stream = connections.open({ host: 'demo.starling', port: 443 })
    await stream.write(utf8('hello'))
    stream.end()
    await turn()
    const { connectionId } = stream
    assert.deepEqual(
      sent.map(({ request }) => request),
      [
        { version: 3, kind: 'connect', connectionId, remote: 'demo.starling:443', returnAddress: undefined },
        { version: 3, kind: 'send', connectionId, closed: false, sequence: 0n, data: utf8('hello') },
        { version: 3, kind: 'send', connectionId, closed: true, sequence: 1n, data: new Uint8Array(0) },
      ],
    )
    assert.ok(
      sent.every(({ to, anonymous, lane }) => to === EXIT && anonymous && lane === `connection:${connectionId}`),
    )
    assert.deepEqual(supplied, [EXIT])
  })

  test('our address instead of reply SURBs, where asked for', async () => {
    const { connections, sent, supplied } = setUp({ anonymous: false })
    connections.open({ host: '1.2.3.4', port: 80 })
    await turn()
    const [connect] = sent
    assert.equal(connect?.anonymous, false)
    assert.ok(connect?.request.kind === 'connect')
    assert.deepEqual(connect.request.returnAddress?.identity, OURS.identity)
    assert.deepEqual(supplied, [])
  })

  test('IPv6 as official clients write it', async () => {
    const { connections, sent } = setUp()
    connections.open({ host: '2001:db8::1', port: 443 })
    await turn()
    assert.ok(sent[0]?.request.kind === 'connect')
    assert.equal(sent[0].request.remote, '2001:db8:0:0:0:0:0:1:443')
  })
})

describe('what the exit answers', () => {
  test('goes to its stream; what belongs to none or is none is dropped', async () => {
    const { connections, receive, raw, others } = setUp()
    const [one, other] = [connections.open({ host: 'a', port: 1 }), connections.open({ host: 'b', port: 1 })]
    const received: string[] = []
    for (const stream of [one, other]) {
      stream.attach({
        data: (chunk) => received.push(`${stream === one ? 'one' : 'other'} ${chunk.length}`),
        end() {},
        close() {},
      })
    }
    receive({ kind: 'networkData', connectionId: other.connectionId, closed: false, sequence: 0n, data: pattern(7) })
    receive({ kind: 'networkData', connectionId: 1n, closed: false, sequence: 0n, data: pattern(7) })
    receive({ kind: 'query', answer: { kind: 'openProxy', openProxy: true } })
    raw(pattern(50), EXIT)
    raw(new Uint8Array(0), EXIT)
    await other.opened
    assert.equal(others.length, 2)
    assert.deepEqual(received, ['other 7'])
  })

  test('counts only when it comes from the exit, the way we can be reached', async () => {
    const answer = (connectionId: bigint): Socks5ResponseBody => {
      return { kind: 'networkData', connectionId, closed: false, sequence: 0n, data: pattern(7) }
    }
    const hidden = setUp()
    const stream = hidden.connections.open({ host: 'a', port: 1 })
    const received: number[] = []
    stream.attach({ data: (chunk) => received.push(chunk.length), end() {}, close() {} })
    hidden.raw(utf8('hello'), undefined)
    hidden.receive(answer(stream.connectionId), recipient(5))
    assert.deepEqual(received, [])
    assert.equal(hidden.others.length, 2)
    hidden.receive(answer(stream.connectionId), EXIT)
    assert.deepEqual(received, [7])
  })

  test('errors have their codes, and what the stream still wanted to send is dropped', async () => {
    for (const [text, expected] of [
      [connectionErrorText('refused-by-policy', 'x:1'), 'EXIT_REFUSED'],
      [connectionErrorText('unknown-host', 'x:1'), 'HOST_UNKNOWN'],
      ['anything else', 'DESTINATION_UNREACHABLE'],
    ] as const) {
      const { connections, receive, closedLanes } = setUp()
      const stream = connections.open({ host: 'x', port: 1 })
      receive({ kind: 'connectionError', connectionId: stream.connectionId, message: text })
      await assert.rejects(stream.opened, code(expected))
      assert.deepEqual(closedLanes, [`connection:${stream.connectionId}`])
      assert.equal(connections.count, 0)
    }
  })
})

describe('a change of gateway', () => {
  test('leaves anonymous streams alone: each keeps its pseudonym until it is over', async () => {
    const { connections, sent, held, moved } = setUp()
    const stream = connections.open({ host: 'a', port: 1 })
    await stream.write(utf8('before'))
    moved()
    await stream.write(utf8('after'))
    assert.equal(held.size, 1)
    assert.equal(new Set(sent.map(({ as }) => as)).size, 1)
    stream.destroy()
    await turn()
    assert.equal(held.size, 0)
    assert.deepEqual([sent.length, sent.at(-1)?.as], [4, sent[0]?.as], 'the goodbye is from the same')
  })

  test('ends streams whose exit answers to the address that was, and tells the exit', async () => {
    const { connections, held, moved, sent } = setUp({ anonymous: false })
    const stream = connections.open({ host: 'a', port: 1 })
    await turn()
    moved()
    await turn()
    assert.ok(sent[1]?.request.kind === 'send' && sent[1].request.closed)
    await assert.rejects(stream.opened, code('GATEWAY_LOST'))
    assert.equal(connections.count, 0)
    assert.equal(held.size, 0)
    connections.open({ host: 'a', port: 1 })
    assert.equal(connections.count, 1)
  })
})

describe('another exit', () => {
  test('takes new streams; those under way end, and nobody hears what the old one says', async () => {
    const { connections, sent, supplied, receive, held, closedLanes } = setUp()
    const stream = connections.open({ host: 'a', port: 1 })
    connections.leaveFor(OTHER_EXIT)
    await assert.rejects(stream.opened, code('EXIT_UNREACHABLE'))
    assert.deepEqual([connections.count, held.size, closedLanes.length], [0, 0, 1])
    assert.deepEqual(supplied, [EXIT, EXIT, OTHER_EXIT], 'no more for the one that is left')
    const next = connections.open({ host: 'a', port: 1 })
    await turn()
    assert.deepEqual([connections.exit, sent.at(-1)?.to], [OTHER_EXIT, OTHER_EXIT])
    const answer: Socks5ResponseBody = {
      kind: 'networkData',
      connectionId: next.connectionId,
      closed: false,
      sequence: 0n,
      data: pattern(7),
    }
    receive(answer, EXIT)
    assert.equal(next.isOpen, false)
    receive(answer, OTHER_EXIT)
    assert.equal(next.isOpen, true)
  })

  test('whether it answers is told: not of a stream that ends before, nor of an exit that is left', async () => {
    const waits: number[] = []
    let heard = 0
    const observer = {
      heard: () => heard++,
      suspicious: () => true,
      unanswered: (waited: number) => waits.push(waited),
    }
    const { connections, receive, sent, held } = setUp({ observer })
    const [given, refused, left] = [1, 2, 3].map((port) => connections.open({ host: 'a', port }))
    given?.destroy()
    receive({ kind: 'connectionError', connectionId: refused?.connectionId ?? 0n, message: 'no' })
    assert.ok(heard > 0)
    await turn()
    connections.leaveFor(OTHER_EXIT)
    await assert.rejects(left?.opened ?? Promise.resolve(), code('EXIT_UNREACHABLE'))
    await turn()
    assert.deepEqual(waits, [0])
    connections.probe()
    await turn()
    assert.deepEqual(sent.at(-1)?.request, { version: 3, kind: 'query', query: 'openProxy' })
    assert.deepEqual([sent.at(-1)?.anonymous, held.size], [true, 0])
    const before = heard
    receive({ kind: 'query', answer: { kind: 'openProxy', openProxy: false } }, OTHER_EXIT)
    assert.ok(heard > before)
  })
})

test('bounded, and closed for good', async () => {
  const { connections, closedLanes, sent, leave } = setUp({ maxConnections: 2 })
  leave()
  const streams = [connections.open({ host: 'a', port: 1 }), connections.open({ host: 'b', port: 1 })]
  assert.throws(() => connections.open({ host: 'c', port: 1 }), code('QUEUE_FULL'))
  await turn()
  await connections.close()
  for (const stream of streams) await assert.rejects(stream.opened, code('STOPPED'))
  assert.throws(() => connections.open({ host: 'c', port: 1 }), code('STOPPED'))
  assert.equal(connections.count, 0)
  await turn()
  assert.deepEqual(closedLanes, [], 'the exit is still to hear of it')
  assert.equal(sent.filter(({ request }) => request.kind === 'send' && request.closed).length, 2)
})

test('closing waits until the exit has been told of every end, also of streams that were over before', async () => {
  const { connections, sent, leave } = setUp()
  connections.open({ host: 'a', port: 1 })
  const over = connections.open({ host: 'b', port: 1 })
  await turn()
  over.destroy()
  let closed = false
  const closing = connections.close().then(() => {
    closed = true
  })
  await turn()
  assert.equal(sent.filter(({ request }) => request.kind === 'send' && request.closed).length, 2)
  assert.equal(closed, false, 'queued is not sent')
  leave()
  await closing
})
