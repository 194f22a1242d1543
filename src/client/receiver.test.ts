import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concat, utf8 } from '../foundation/base/bytes.ts'
import { Meter } from '../foundation/base/observe.ts'
import type { AsyncCurve } from '../foundation/crypto/asyncCurve.ts'
import { nodeProvider } from '../foundation/crypto/nodeProvider.ts'
import { nullProvider } from '../foundation/crypto/nullProvider.ts'
import type { LinkCryptoProvider } from '../foundation/crypto/provider.ts'
import { Simulation } from '../foundation/platform/simulated/simulation.ts'
import { encodeAck, type FragmentId } from '../protocol/packet/acks.ts'
import { agreePayloadKey, applyPayloadKey } from '../protocol/packet/endToEnd.ts'
import { encodeFragment, splitMessage } from '../protocol/packet/fragments.ts'
import { encodeMessage, type NymMessage, padMessage } from '../protocol/packet/message.ts'
import { REGULAR } from '../protocol/packet/sizes.ts'
import { createClientKeys } from './keys.ts'
import { OwnLoops } from './ownLoops.ts'
import { Receiver, type ReceiverOptions } from './receiver.ts'
import type { Holder } from './replyKeys.ts'
import { DEFAULT_TRAFFIC } from './trafficParams.ts'

const holder = (number: number): Holder => ({
  recipient: { identity: new Uint8Array(32), encryptionKey: new Uint8Array(32), gateway: new Uint8Array(32) },
  senderTag: new Uint8Array(16),
  number,
})

function makeBench(crypto: LinkCryptoProvider = nullProvider, later: Partial<ReceiverOptions> = {}) {
  const simulation = new Simulation({ seed: 'receiver', crypto })
  const { clock, random } = simulation.host('client', { ips: ['10.0.0.1'] })
  const keys = createClientKeys(crypto, random.stream('keys'))
  const meter = new Meter()
  const received: { message: NymMessage; holder: Holder | undefined }[] = []
  const acks: FragmentId[] = []
  // Each digest is 32 bytes of the holder's number; here it can be used again.
  const takeReplyKey = (digest: Uint8Array) => {
    const number = digest[0] as number
    if (number > 2 || !digest.every((byte) => byte === number)) return undefined
    return { key: new Uint8Array(16), holder: holders[number] as Holder, at: clock.now() }
  }
  const holders = [holder(0), holder(1), holder(2)]
  const receiver = new Receiver({
    crypto,
    clock,
    keys,
    limits: DEFAULT_TRAFFIC.reassembly,
    meter,
    takeReplyKey,
    acknowledged: (id) => acks.push(id),
    message: (message, from) => received.push({ message, holder: from }),
    ...later,
  })
  const fragmentsOf = (message: NymMessage): Uint8Array[] =>
    splitMessage(padMessage(encodeMessage(message), REGULAR), REGULAR, random.stream('fragment')).map(encodeFragment)
  const direct = (fragment: Uint8Array): Uint8Array => {
    const secret = random.stream('ephemeral').bytes(32)
    const key = agreePayloadKey(crypto, secret, keys.encryptionKey)
    return concat(crypto.x25519Base(secret), applyPayloadKey(crypto, key, fragment))
  }
  const through = (number: number, fragment: Uint8Array): Uint8Array =>
    concat(new Uint8Array(32).fill(number), applyPayloadKey(crypto, new Uint8Array(16), fragment))
  const refused = (reason: string): number => meter.snapshot()[`client_refused_total{reason="${reason}"}`] as number
  return { receiver, keys, crypto, received, acks, holders, fragmentsOf, direct, through, refused }
}

const REPLY: NymMessage = { kind: 'reply', content: { kind: 'data', data: new Uint8Array(5_000) } }
const PLAIN: NymMessage = { kind: 'plain', data: new Uint8Array(5_000) }

for (const crypto of [nullProvider, nodeProvider]) {
  test(`plain messages come directly, replies through SURBs: ${crypto.name}`, () => {
    const { receiver, received, fragmentsOf, direct, through, holders } = makeBench(crypto)
    for (const fragment of fragmentsOf(PLAIN)) receiver.pushed(direct(fragment))
    for (const fragment of fragmentsOf(REPLY).reverse()) receiver.pushed(through(1, fragment))
    assert.deepEqual(
      received.map(({ message, holder: from }) => [message.kind, from]),
      [
        ['plain', undefined],
        ['reply', holders[1]],
      ],
    )
  })
}

test('a reply to our address, and anything else through a SURB, is refused: it would tie our address to a pseudonym', () => {
  const { receiver, received, fragmentsOf, direct, through, refused } = makeBench()
  for (const fragment of fragmentsOf(REPLY)) receiver.pushed(direct(fragment))
  for (const fragment of fragmentsOf(PLAIN)) receiver.pushed(through(1, fragment))
  assert.equal(received.length, 0)
  assert.equal(refused('source'), 2)
})

test('fragments of one message count only together where they came the same way', () => {
  const { receiver, received, fragmentsOf, direct, through, holders } = makeBench()
  const long: NymMessage = { kind: 'reply', content: { kind: 'data', data: new Uint8Array(500_000) } }
  for (const message of [REPLY, long]) {
    const fragments = fragmentsOf(message)
    const half = fragments.length >> 1
    for (const fragment of fragments.slice(0, half)) receiver.pushed(through(1, fragment))
    for (const fragment of fragments.slice(half)) {
      receiver.pushed(through(2, fragment))
      receiver.pushed(direct(fragment))
    }
    assert.equal(received.length, 0)
    for (const fragment of fragments.slice(half)) receiver.pushed(through(1, fragment))
    assert.equal(received.pop()?.holder, holders[1])
  }
})

test('a message that comes twice is delivered once', () => {
  const { receiver, received, fragmentsOf, direct } = makeBench()
  const fragments = fragmentsOf(PLAIN)
  for (let i = 0; i < 3; i++) for (const fragment of fragments) receiver.pushed(direct(fragment))
  assert.equal(received.length, 1)
})

test('acks are told by their length', () => {
  const { receiver, acks, crypto, keys } = makeBench(nodeProvider)
  const iv = new Uint8Array(16).fill(3)
  receiver.pushed(encodeAck(crypto, keys.ackKey.expose(), { setId: 77, position: 4 }, iv))
  receiver.pushed(encodeAck(crypto, keys.ackKey.expose(), { setId: 0, position: 0 }, iv))
  assert.deepEqual(acks, [{ setId: 77, position: 4 }])
})

test('whatever is pushed, nothing is thrown', () => {
  for (const crypto of [nullProvider, nodeProvider]) {
    const { receiver, fragmentsOf, direct, through } = makeBench(crypto)
    const bytes = fc.uint8Array({ maxLength: 2_100 })
    fc.assert(
      fc.property(bytes, (plaintext) => receiver.pushed(plaintext)),
      { numRuns: 300 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 21, maxLength: 21 }), (ack) => receiver.pushed(ack)),
      { numRuns: 100 },
    )
    // Well-formed fragments of nonsense, and messages with one byte changed.
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 1_600 }), fc.constantFrom(0, 1, 2), (payload, number) => {
        const fragment = encodeFragment({ setId: payload.length, total: 1, position: 1, link: undefined, payload })
        receiver.pushed(number === 0 ? direct(fragment) : through(number, fragment))
      }),
      { numRuns: 300 },
    )
    fc.assert(
      fc.property(fc.nat(1_600), fc.nat(255), (position, byte) => {
        for (const message of [REPLY, PLAIN]) {
          const fragment = fragmentsOf(message)[0] as Uint8Array
          fragment[position] = byte
          receiver.pushed(direct(fragment))
          receiver.pushed(through(1, fragment))
        }
      }),
      { numRuns: 100 },
    )
  }
})

/** Counts what waits, and multiplies when it is told to. */
function waitingCurve() {
  const waiting: (() => void)[] = []
  const curve: AsyncCurve = {
    scalar: (secret) => ({
      times: (point) =>
        new Promise((resolve) => {
          waiting.push(() => resolve(nodeProvider.x25519(secret, point)))
        }),
      base: async () => nodeProvider.x25519Base(secret),
    }),
    hkdfSha256: async (...given) => nodeProvider.hkdfSha256(...given),
  }
  return { curve, waiting }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

test('on a curve that answers later, messages are whole, and answers do not wait for it', async () => {
  const { curve, waiting } = waitingCurve()
  const { receiver, received, fragmentsOf, direct, through } = makeBench(nodeProvider, { curve })
  for (const fragment of fragmentsOf(PLAIN)) receiver.pushed(direct(fragment))
  for (const fragment of fragmentsOf(REPLY)) receiver.pushed(through(1, fragment))
  assert.deepEqual(
    received.map(({ message }) => message.kind),
    ['reply'],
  )
  for (const answer of waiting.reverse()) answer()
  await settled()
  assert.deepEqual(received[1]?.message, PLAIN)
})

test('after the end nothing is read that still waited', async () => {
  const { curve, waiting } = waitingCurve()
  const { receiver, received, fragmentsOf, direct } = makeBench(nodeProvider, { curve })
  for (const fragment of fragmentsOf(PLAIN)) receiver.pushed(direct(fragment))
  receiver.stop()
  for (const answer of waiting) answer()
  await settled()
  assert.deepEqual(received, [])
})

test('a flood does not wait without bound: beyond some hundreds, packets are read at once', () => {
  const { curve, waiting } = waitingCurve()
  const { receiver, refused, crypto } = makeBench(nodeProvider, { curve })
  const noise = new Uint8Array(1_000).fill(9)
  for (let i = 0; i < 400; i++) {
    noise.set(crypto.x25519Base(new Uint8Array(32).fill(i)))
    receiver.pushed(noise.slice())
  }
  assert.equal(waiting.length, 256)
  assert.equal(refused('fragment'), 400 - 256)
})

test('a loop whose key is known is read without the curve', () => {
  const { curve, waiting } = waitingCurve()
  const key = new Uint8Array(16).fill(7)
  const known = new Uint8Array(32).fill(77)
  const takeLoop = (variant: Uint8Array) => (variant[0] === 77 ? { key } : undefined)
  const { receiver } = makeBench(nodeProvider, { curve, takeLoop })
  receiver.pushed(concat(known, applyPayloadKey(nodeProvider, key, utf8('The cake is a lie! and so on'))))
  assert.equal(waiting.length, 0)
  assert.equal(receiver.loopsReturned, 1)
})

test('a loop counts once, whatever its gateway says again, and cover of strangers never', () => {
  const loops = new OwnLoops()
  const { receiver, direct } = makeBench(nodeProvider, { takeLoop: (variant) => loops.take(variant) })
  const [own, foreign] = [direct(utf8('The cake is a lie!')), direct(utf8('The cake is a lie!'))]
  loops.sent(own.subarray(0, 32), undefined)
  for (const pushed of [foreign, own, own, foreign]) receiver.pushed(pushed)
  assert.equal(receiver.loopsReturned, 1)
})
