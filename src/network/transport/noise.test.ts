import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { concat, fromHex, toHex } from '../../foundation/base/bytes.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { nobleProvider } from '../../foundation/crypto/nobleProvider.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import type { LinkCryptoProvider } from '../../foundation/crypto/provider.ts'
import { NoiseHandshake, type NoiseHandshakeOptions, type NoiseRole, noisePsk } from './noise.ts'
import type { NoisePattern } from './noiseCipher.ts'
import { NOISE_HEADER_BYTES } from './noiseFrames.ts'
import { NoiseSession, type NoiseSessionRefusal } from './noiseSession.ts'

type Bytes = string | { readonly length: number; readonly fill: number }
interface FrameDigest {
  readonly length: number
  readonly bytes?: string
  readonly start?: string
  readonly end?: string
  readonly sha256?: string
}
interface NoiseCase {
  readonly pattern: NoisePattern
  readonly name: string
  readonly initiatorStaticSecret: string
  readonly initiatorStaticPublic: string
  readonly responderStaticSecret: string
  readonly responderStaticPublic: string
  readonly initiatorEphemeralSecret: string
  readonly responderEphemeralSecret: string
  readonly psk: string
  readonly handshake: readonly { readonly from: NoiseRole; readonly frame: string }[]
  readonly writes: readonly { readonly from: NoiseRole; readonly plaintext: Bytes }[]
  readonly dataFrames: readonly { readonly from: NoiseRole; readonly frame: FrameDigest }[]
}

const vectors = JSON.parse(readFileSync(new URL('../../../vectors/noise.json', import.meta.url), 'utf8')) as {
  readonly cases: readonly NoiseCase[]
}
const caseOf = (pattern: NoisePattern): NoiseCase => vectors.cases.find((one) => one.pattern === pattern) as NoiseCase

function optionsOf(known: NoiseCase, role: NoiseRole): NoiseHandshakeOptions {
  const { pattern } = known
  const responderPublic = fromHex(known.responderStaticPublic)
  return role === 'initiator'
    ? {
        role,
        pattern,
        own: {
          secret: new Secret(fromHex(known.initiatorStaticSecret)),
          public: fromHex(known.initiatorStaticPublic),
        },
        remotePublic: responderPublic,
        ephemeralSecret: fromHex(known.initiatorEphemeralSecret),
      }
    : {
        role,
        pattern,
        own: { secret: new Secret(fromHex(known.responderStaticSecret)), public: responderPublic },
        ephemeralSecret: fromHex(known.responderEphemeralSecret),
      }
}

/** A session with what it replied and read. */
class End {
  readonly session: NoiseSession
  readonly replies: Uint8Array[] = []
  #read: Uint8Array[] = []

  constructor(crypto: LinkCryptoProvider, options: NoiseHandshakeOptions) {
    this.session = new NoiseSession(crypto, options)
  }

  receive(chunk: Uint8Array): NoiseSessionRefusal | undefined {
    return this.session.receive(chunk, {
      reply: (frame) => this.replies.push(frame),
      plaintext: (bytes) => this.#read.push(bytes),
    })
  }

  read(): Uint8Array {
    return concat(...this.#read.splice(0))
  }
}

/** Both ends after their handshake, and the frames of it. */
function connect(crypto: LinkCryptoProvider, initiator: NoiseHandshakeOptions, responder: NoiseHandshakeOptions) {
  const ends = { initiator: new End(crypto, initiator), responder: new End(crypto, responder) }
  const frames: { from: NoiseRole; frame: Uint8Array }[] = []
  let from: NoiseRole = 'initiator'
  let frame = ends.initiator.session.begin()
  while (frame) {
    frames.push({ from, frame })
    const to: NoiseRole = from === 'initiator' ? 'responder' : 'initiator'
    assert.equal(ends[to].receive(frame), undefined)
    frame = ends[to].replies.shift()
    from = to
  }
  return { ...ends, frames }
}

const bytesOf = (bytes: Bytes): Uint8Array =>
  typeof bytes === 'string' ? fromHex(bytes) : new Uint8Array(bytes.length).fill(bytes.fill)

function assertFrame(crypto: LinkCryptoProvider, frame: Uint8Array, expected: FrameDigest): void {
  assert.equal(frame.length, expected.length)
  if (expected.bytes !== undefined) assert.equal(toHex(frame), expected.bytes)
  if (expected.start !== undefined) assert.ok(toHex(frame).startsWith(expected.start))
  if (expected.end !== undefined) assert.ok(toHex(frame).endsWith(expected.end))
  if (expected.sha256 !== undefined) assert.equal(toHex(crypto.sha256(frame)), expected.sha256)
}

for (const crypto of [nodeProvider, nobleProvider]) {
  describe(`official connections, ${crypto.name} provider`, () => {
    for (const [i, known] of vectors.cases.entries()) {
      test(`${i}: ${known.name}`, () => {
        const ends = connect(crypto, optionsOf(known, 'initiator'), optionsOf(known, 'responder'))
        assert.deepEqual(
          ends.frames.map(({ from, frame }) => ({ from, frame: toHex(frame) })),
          known.handshake,
        )
        assert.equal(toHex(noisePsk(crypto, fromHex(known.responderStaticPublic))), known.psk)
        assert.equal(toHex(ends.responder.session.remotePublic ?? new Uint8Array()), known.initiatorStaticPublic)

        const expected = [...known.dataFrames]
        for (const { from, plaintext } of known.writes) {
          const bytes = bytesOf(plaintext)
          const to: NoiseRole = from === 'initiator' ? 'responder' : 'initiator'
          for (const frame of ends[from].session.seal([bytes])) {
            const next = expected.shift()
            assert.equal(next?.from, from)
            assertFrame(crypto, frame, next.frame)
            assert.equal(ends[to].receive(frame), undefined)
          }
          assert.deepEqual(ends[to].read(), bytes)
        }
        assert.equal(expected.length, 0)
      })
    }
  })
}

test('psk of the specification', () => {
  const key = fromHex('a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209')
  assert.equal(toHex(noisePsk(nodeProvider, key)), 'e11a79135dc524c708d025e7619f82a7d6de67fed980ac975fc99ece00b7b437')
})

describe('what is refused', () => {
  const crypto = nodeProvider
  const xk = caseOf(1)
  const pair = () => connect(crypto, optionsOf(xk, 'initiator'), optionsOf(xk, 'responder'))

  test("a wrong responder key fails at the responder's first read", () => {
    const wrong = crypto.x25519Base(new Uint8Array(32).fill(7))
    const initiator = new End(crypto, { ...optionsOf(xk, 'initiator'), role: 'initiator', remotePublic: wrong })
    const responder = new End(crypto, optionsOf(xk, 'responder'))
    assert.equal(responder.receive(initiator.session.begin() as Uint8Array), 'handshake-tag')
    assert.equal(responder.receive(new Uint8Array(1)), 'handshake-tag')
  })

  for (const pattern of [1, 2] as const) {
    test(`every flipped byte of a handshake of pattern ${pattern}`, () => {
      const known = caseOf(pattern)
      const { frames } = connect(crypto, optionsOf(known, 'initiator'), optionsOf(known, 'responder'))
      for (const [message, { frame }] of frames.entries()) {
        for (let at = 0; at < frame.length; at += 3) {
          if (at >= 5 && at < NOISE_HEADER_BYTES) continue // reserved, ignored
          const tampered = frame.slice()
          tampered[at] = (tampered[at] as number) ^ 0x40
          const receiver = new End(crypto, optionsOf(known, message % 2 === 0 ? 'responder' : 'initiator'))
          if (message === 1) receiver.session.begin()
          if (message === 2) assert.equal(receiver.receive(frames[0]?.frame as Uint8Array), undefined)
          receiver.receive(tampered)
          assert.equal(receiver.session.isOpen && receiver.receive(new Uint8Array(0)) === undefined, false)
        }
      }
    })
  }

  test('low-order ephemerals', () => {
    const handshake = new NoiseHandshake(crypto, optionsOf(xk, 'responder'))
    assert.equal(handshake.read(new Uint8Array(48)), 'low-order')
  })

  test('a low-order announced key, before anything is sent', () => {
    const options = { ...optionsOf(xk, 'initiator'), role: 'initiator', remotePublic: new Uint8Array(32) } as const
    assert.equal(new NoiseSession(crypto, options).begin(), undefined)
  })

  test('handshake messages of other lengths', () => {
    for (const length of [16, 47, 49, 1024]) {
      const frame = new Uint8Array(NOISE_HEADER_BYTES + length)
      frame.set([1, 1, 0, length >> 8, length & 0xff])
      assert.equal(new End(crypto, optionsOf(xk, 'responder')).receive(frame), 'handshake-length')
    }
    assert.equal(
      new End(crypto, optionsOf(xk, 'responder')).receive(Uint8Array.of(1, 1, 0, 4, 1, 0, 0, 0)),
      'frame-length',
    )
  })

  test('data before the handshake, handshake after it, other patterns and versions', () => {
    const fresh = (head: number[]) =>
      new End(crypto, optionsOf(xk, 'responder')).receive(Uint8Array.of(...head, 0, 48, 0, 0, 0))
    assert.equal(fresh([1, 1, 1]), 'frame-message-type')
    assert.equal(fresh([1, 1, 2]), 'frame-message-type')
    assert.equal(fresh([1, 2, 0]), 'frame-pattern')
    assert.equal(fresh([2, 1, 0]), 'frame-version')
    const { responder, frames } = pair()
    assert.equal(responder.receive(frames[0]?.frame as Uint8Array), 'frame-message-type')
  })

  test('a replayed handshake: the responder answers anew, and nothing recorded opens', () => {
    const recorded = pair()
    const data = recorded.initiator.session.seal([new Uint8Array(100)])
    const again = new End(crypto, { ...optionsOf(xk, 'responder'), ephemeralSecret: new Uint8Array(32).fill(9) })
    assert.equal(again.receive(recorded.frames[0]?.frame as Uint8Array), undefined)
    assert.notDeepEqual(again.replies[0], recorded.frames[1]?.frame)
    assert.equal(again.receive(recorded.frames[2]?.frame as Uint8Array), 'handshake-tag')
    assert.equal(again.receive(data[0] as Uint8Array), 'handshake-tag')
    assert.equal(again.read().length, 0)

    const ik = caseOf(2)
    const recorded2 = connect(crypto, optionsOf(ik, 'initiator'), optionsOf(ik, 'responder'))
    const data2 = recorded2.initiator.session.seal([new Uint8Array(100)])
    const again2 = new End(crypto, { ...optionsOf(ik, 'responder'), ephemeralSecret: new Uint8Array(32).fill(9) })
    assert.equal(again2.receive(recorded2.frames[0]?.frame as Uint8Array), undefined)
    assert.equal(again2.receive(data2[0] as Uint8Array), 'data-tag')
  })

  test('data tampered with, repeated, swapped or left out', () => {
    for (const disturb of [
      ([a, b]: Uint8Array[]) => [b, a],
      ([a]: Uint8Array[]) => [a, a],
      ([, b]: Uint8Array[]) => [b],
      ([a, b]: Uint8Array[]) => [a?.map((byte, i) => (i === 20 ? byte ^ 1 : byte)), b],
    ]) {
      const { initiator, responder } = pair()
      const frames = [...initiator.session.seal([Uint8Array.of(1)]), ...initiator.session.seal([Uint8Array.of(2)])]
      let refusal: NoiseSessionRefusal | undefined
      for (const frame of disturb(frames)) refusal ??= responder.receive(frame as Uint8Array)
      assert.equal(refusal, 'data-tag')
    }
  })

  test('data frames that are empty or too short to be sealed', () => {
    const { responder } = pair()
    assert.equal(responder.receive(Uint8Array.of(1, 1, 1, 0, 15, 0, 0, 0)), 'frame-length')
    const other = pair()
    const empty = new Uint8Array(NOISE_HEADER_BYTES + 16)
    empty.set([1, 1, 1, 0, 16])
    assert.equal(other.responder.receive(empty), 'data-empty')
  })
})

describe('the stream', () => {
  test('arrives whatever way it is cut', () => {
    for (const step of [1, 7, 8, 9, 4096]) {
      const known = caseOf(1)
      const { initiator, responder } = connect(
        nodeProvider,
        optionsOf(known, 'initiator'),
        optionsOf(known, 'responder'),
      )
      const sent = [new Uint8Array(33_137).fill(1), new Uint8Array(33_137).fill(2), new Uint8Array(5).fill(3)]
      const frames = initiator.session.seal(sent)
      assert.deepEqual(
        frames.map((frame) => frame.length),
        [33_161, 33_166],
        'a chunk that does not fit whole begins the next frame',
      )
      const bytes = concat(...frames)
      for (let at = 0; at < bytes.length; at += step) {
        assert.equal(responder.receive(bytes.subarray(at, at + step)), undefined)
      }
      assert.deepEqual(responder.read(), concat(...sent))
      assert.equal(responder.session.pendingBytes, 0)
    }
  })

  test('never sends an empty frame', () => {
    const { initiator } = connect(nodeProvider, optionsOf(caseOf(1), 'initiator'), optionsOf(caseOf(1), 'responder'))
    assert.deepEqual(initiator.session.seal([]), [])
    assert.deepEqual(initiator.session.seal([new Uint8Array(0)]), [])
    assert.equal(initiator.session.seal([new Uint8Array(65_519), new Uint8Array(0)]).length, 1)
    assert.deepEqual(
      initiator.session.seal([new Uint8Array(2 * 65_519), new Uint8Array(1)]).map((frame) => frame.length),
      [65_543, 65_543, 25],
    )
  })
})
