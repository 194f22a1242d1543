/** Every form has one encoding, and no bytes make a decoder fall over. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { concat, toHex, utf8 } from '../../../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../../../foundation/base/errors.ts'
import { Secret } from '../../../foundation/base/secret.ts'
import { seconds } from '../../../foundation/base/units.ts'
import { nodeProvider } from '../../../foundation/crypto/nodeProvider.ts'
import { Simulation } from '../../../foundation/platform/simulated/simulation.ts'
import type { World } from '../../../foundation/platform/world.ts'
import type { AgreedKeys } from '../agreedKeys.ts'
import { type DkgMessage, decodeMessage, encodeMessage, signatureHolds, signMessage } from './dkgMessages.ts'
import { type DkgPlan, dkgSession } from './dkgSession.ts'
import { DkgState } from './dkgState.ts'
import { loadAgreedKeys, storeAgreedKeys } from './keyFile.ts'
import { openShare, sealShare } from './shareBox.ts'
import { memberOf, START, seedOf } from './support.test.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const indices = fc
  .uniqueArray(fc.integer({ min: 1, max: 0xffff_ffff }), { maxLength: 12 })
  .map((all) => all.sort((a, b) => a - b))
const items = indices.chain((all) =>
  fc.tuple(...all.map((index) => fc.uint8Array({ maxLength: 512 }).map((one) => ({ index, bytes: one })))),
)
/** Objects like those of our own. */
const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(fields, { noNullPrototype: true })
const commitment = fc.uint8Array({ maxLength: 2_000 })

const arbitraryMessage: fc.Arbitrary<DkgMessage> = fc.oneof(
  record({ phase: fc.constant('keys' as const), encryptionKey: bytes(32) }),
  record({ phase: fc.constant('deal' as const), encryptionKey: bytes(32), commitment, shares: items }),
  record({ phase: fc.constant('complain' as const), dealers: indices }),
  record({ phase: fc.constant('open' as const), commitment }),
  record({ phase: fc.constantFrom('answer' as const, 'accuse' as const, 'rebuild' as const), shares: items }),
  record({ phase: fc.constant('confirm' as const), digest: bytes(32) }),
)

const session = new Uint8Array(32).fill(5)
const { identity } = memberOf(1)
const sign = (message: DkgMessage): Uint8Array =>
  signMessage(nodeProvider, seedOf(1), encodeMessage(session, identity, message))
const refused = (error: unknown): boolean => isMixnetError(error, 'MALFORMED')

describe('messages', () => {
  it('come back as they were, and hold', () => {
    fc.assert(
      fc.property(arbitraryMessage, (message) => {
        const signed = decodeMessage(sign(message))
        assert.deepEqual(signed.message, message)
        assert.deepEqual([signed.session, signed.sender], [session, identity])
        assert.ok(signatureHolds(nodeProvider, signed))
        assert.deepEqual(encodeMessage(signed.session, signed.sender, signed.message), signed.body)
      }),
    )
  })

  it('with anything altered are refused, or are not signed', () => {
    fc.assert(
      fc.property(arbitraryMessage, fc.nat(), fc.integer({ min: 1, max: 255 }), (message, at, bits) => {
        const altered = sign(message)
        altered[at % altered.length] = (altered[at % altered.length] as number) ^ bits
        const decoded = tryDecode(() => decodeMessage(altered))
        if (!isMixnetError(decoded)) assert.ok(!signatureHolds(nodeProvider, decoded))
      }),
    )
  })

  it('of any bytes, cut or with more behind: refused, one value one encoding', () => {
    const header = concat(new Uint8Array([1]), new Uint8Array(1), session, identity)
    fc.assert(
      fc.property(fc.nat({ max: 9 }), fc.uint8Array({ maxLength: 800 }), (phase, rest) => {
        const start = header.slice()
        start[1] = phase
        for (const hostile of [rest, concat(start, rest)]) {
          const decoded = tryDecode(() => decodeMessage(hostile))
          if (isMixnetError(decoded)) assert.ok(refused(decoded))
          else assert.deepEqual(encodeMessage(decoded.session, decoded.sender, decoded.message), decoded.body)
        }
      }),
      { numRuns: 500 },
    )
    fc.assert(
      fc.property(arbitraryMessage, (message) => {
        const real = sign(message)
        assert.throws(() => decodeMessage(concat(real, new Uint8Array(1))), refused)
        assert.throws(() => decodeMessage(concat(real.subarray(0, -65), real.subarray(-64))), refused)
      }),
    )
    assert.throws(() => decodeMessage(new Uint8Array(128 * 1024 + 1)), refused)
  })

  it('do not name anybody twice, or out of order', () => {
    for (const dealers of [[2, 2], [3, 1], [0], Array.from({ length: 101 }, (_, i) => i + 1)]) {
      assert.throws(() => decodeMessage(sign({ phase: 'complain', dealers })), refused)
    }
  })
})

describe('sessions', () => {
  const plan: DkgPlan = {
    network: 'net',
    epochId: 3,
    threshold: 2,
    members: [1, 2, 3].map(memberOf),
    startsAt: START,
    phaseLimit: seconds(10),
  }
  const previous = {
    epochId: 2,
    threshold: 2,
    masterKey: new Uint8Array(680),
    members: [1, 2].map((index) => ({ ...memberOf(index), key: new Uint8Array(680) })),
  }
  const idOf = (changes: Partial<DkgPlan>): string => toHex(dkgSession(nodeProvider, { ...plan, ...changes }).id)

  it('have another name when anything is different', () => {
    const ids = [
      {},
      { network: 'other' },
      { epochId: 4 },
      { threshold: 3 },
      { members: [1, 2, 4].map(memberOf) },
      { members: [1, 2, 3].map((index) => ({ ...memberOf(index), url: 'x' })) },
      { startsAt: seconds(1) },
      { phaseLimit: seconds(11) },
      { previous },
      { previous: { ...previous, masterKey: new Uint8Array(680).fill(1) } },
    ].map(idOf)
    assert.equal(new Set(ids).size, ids.length)
    assert.equal(idOf({}), ids[0])
  })

  it('that cannot work are refused', () => {
    const bad: Partial<DkgPlan>[] = [
      { threshold: 1 },
      { threshold: 4 },
      { members: [] },
      { members: [2, 1, 3].map(memberOf) },
      { members: [1, 1, 3].map(memberOf) },
      { members: [memberOf(1), { ...memberOf(1), index: 2 }, memberOf(3)] },
      { members: [1, 2, 3].map((index) => ({ ...memberOf(index), identity: new Uint8Array(31) })) },
      { members: [1, 2, 3].map((index) => ({ ...memberOf(index), url: 'x'.repeat(256) })) },
      { members: Array.from({ length: 101 }, (_, i) => memberOf(i + 1)), threshold: 60 },
      { epochId: -1 },
      { epochId: 2 ** 32 },
      { phaseLimit: seconds(0) },
      { epochId: 2, previous },
      { previous: { ...previous, threshold: 1 } },
      { previous: { ...previous, masterKey: new Uint8Array(679) } },
    ]
    for (const changes of bad) {
      assert.throws(
        () => idOf(changes),
        (error) => isMixnetError(error, 'CONFIG_INVALID'),
        inspect(changes),
      )
    }
  })
})

describe('boxes of shares', () => {
  const [dealing, receiving] = [seedOf(50), seedOf(60)]
  const ends = {
    session,
    dealer: identity,
    dealerKey: nodeProvider.x25519Base(dealing),
    receiver: memberOf(2).identity,
    receiverKey: nodeProvider.x25519Base(receiving),
  }
  const share = new Uint8Array(320).fill(7)

  it('open for whom they were sealed, where, and by whom', () => {
    const sealed = sealShare(nodeProvider, ends, dealing, share)
    assert.deepEqual(openShare(nodeProvider, ends, receiving, sealed), share)
    const others = {
      session: seedOf(1),
      dealer: seedOf(2),
      receiver: seedOf(3),
      dealerKey: seedOf(4),
      receiverKey: seedOf(5),
    }
    for (const [name, value] of Object.entries(others)) {
      assert.equal(openShare(nodeProvider, { ...ends, [name]: value }, receiving, sealed), undefined, name)
    }
    assert.equal(openShare(nodeProvider, ends, seedOf(61), sealed), undefined)
  })

  it('of any bytes, and keys of low order, open to nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
        assert.equal(openShare(nodeProvider, ends, receiving, noise), undefined)
        const low = { ...ends, dealerKey: new Uint8Array(32) }
        assert.equal(openShare(nodeProvider, low, receiving, noise), undefined)
      }),
    )
  })
})

describe('files', () => {
  async function on(scene: (world: World) => Promise<void>): Promise<void> {
    const simulation = new Simulation({ seed: 'files', crypto: nodeProvider })
    await simulation.complete(scene(simulation.host('one', { ips: ['10.0.0.1'] })))
  }
  const unreadable = (error: unknown): boolean => isMixnetError(error, 'KEY_FILE_UNREADABLE')

  it('of state say it again, and refuse any other bytes', () =>
    on(async (world) => {
      const drawn = {
        receiving: new Secret(seedOf(1)),
        dealing: new Secret(seedOf(2)),
        polynomials: new Secret(new Uint8Array(960)),
      }
      const state = await DkgState.open(world.files, '/s', session, async () => drawn)
      await state.prepare('keys', new Uint8Array([1, 2]))
      const again = await DkgState.open(world.files, '/s', session, () => assert.fail())
      assert.deepEqual(again.secrets.polynomials.expose(), drawn.polynomials.expose())
      assert.deepEqual(again.prepared('keys'), new Uint8Array([1, 2]))
      assert.ok(!inspect(again, { depth: 9 }).includes('960'))
      const [name = assert.fail()] = await world.files.list('/s')
      const real = (await world.files.read(`/s/${name}`)) ?? assert.fail()
      for (let length = 0; length < real.length; length += 37) {
        await world.files.write(`/s/${name}`, real.subarray(0, length))
        await assert.rejects(
          DkgState.open(world.files, '/s', session, () => assert.fail()),
          unreadable,
        )
      }
    }))

  it('of keys come back, and refuse other documents', () =>
    on(async (world) => {
      const keys: AgreedKeys = {
        epochId: 3,
        threshold: 2,
        masterKey: new Uint8Array(680).fill(1),
        members: [1, 2].map((index) => ({ ...memberOf(index), key: new Uint8Array(680).fill(index) })),
        own: { index: 2, secretKey: new Secret(new Uint8Array(168).fill(8)) },
      }
      await storeAgreedKeys(world.files, '/k', keys)
      const loaded = await loadAgreedKeys(world.files, '/k', 3)
      assert.deepEqual(loaded, keys)
      assert.deepEqual(loaded?.own.secretKey.expose(), keys.own.secretKey.expose())
      const shown = `${inspect(loaded, { depth: 9 })}${JSON.stringify(loaded)}`
      assert.ok(!shown.includes('8, 8') && !shown.includes('8,8'))
      assert.equal(await loadAgreedKeys(world.files, '/k', 4), undefined)
      const text = JSON.stringify({ epoch_id: 3, threshold: 2, master_key: 'x', members: [], own: {} })
      for (const document of ['', '{}', '[]', 'null', text, '\u0000']) {
        await world.files.write('/k/keys-3.json', utf8(document))
        await assert.rejects(loadAgreedKeys(world.files, '/k', 3), unreadable, document)
      }
    }))
})
