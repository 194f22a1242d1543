/** Members that are honest, and the keys they make. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loadMclBls } from '../../../foundation/crypto/mclBls.ts'
import { DAY_SECONDS } from '../../../protocol/credentials/constants.ts'
import type { LocalEngine } from '../../../protocol/credentials/localEngine.ts'
import type { AgreedKeys } from '../agreedKeys.ts'
import { checkKeys, keysOf, Stage } from './support.test.ts'

const EXPIRATION = 1_767_312_000 + 6 * DAY_SECONDS

/** Buys a book of these issuers and pays with it. */
async function payWith(engine: LocalEngine, keys: readonly AgreedKeys[]): Promise<void> {
  const [{ masterKey, threshold, members } = assert.fail()] = keys
  const attributes = { expiration: EXPIRATION, ticketType: 0 }
  const userKey = await engine.userKey(new Uint8Array(32).fill(9))
  const { request, info, publicKey } = await engine.requestBook(userKey, attributes)
  const issuers = keys.slice(0, threshold)
  const keyOf = (index: number) => members.find((one) => one.index === index)?.key ?? assert.fail()
  const answers = []
  for (const { own } of issuers) {
    const issued = await engine.issue({ secretKey: own.secretKey, request, publicKey, attributes })
    assert.equal(issued.kind, 'issued')
    if (issued.kind === 'issued') answers.push({ index: own.index, key: keyOf(own.index), signature: issued.signature })
  }
  const opened = await engine.openBook({ userKey, info, epochId: 7n, threshold, masterKey, answers })
  assert.ok(opened.kind === 'opened')
  const list = async (topic: Parameters<LocalEngine['signList']>[1]): Promise<Uint8Array> => {
    const parts = []
    for (const { own } of issuers) {
      const signatures = await engine.signList(own.secretKey, topic, masterKey)
      parts.push({ index: own.index, key: keyOf(own.index), signatures })
    }
    const aggregated = await engine.aggregateList(topic, masterKey, parts)
    assert.ok(aggregated.kind === 'aggregated')
    return aggregated.signatures
  }
  const payInfo = new Uint8Array(72).fill(3)
  const day = EXPIRATION - DAY_SECONDS
  const payment = await engine.spend({
    masterKey,
    book: opened.book,
    ticket: 4,
    payInfo,
    day,
    dateSignatures: await list({ kind: 'dates', expiration: EXPIRATION }),
    coinSignatures: await list({ kind: 'coins' }),
  })
  const [verdict] = await engine.verifyPayments(masterKey, [{ payment, payInfo, day }], 'strict')
  assert.equal(verdict?.kind, 'good')
}

describe('honest members', () => {
  for (const [n, t] of [
    [1, 1],
    [2, 2],
    [3, 2],
    [5, 3],
    [7, 4],
    [7, 7],
  ] as const) {
    it(`${t} of ${n}: one key, everybody's share, books that pay`, async () => {
      const stage = new Stage({ n, t, delay: (draw) => draw() * 300 })
      const keys = keysOf(await stage.play())
      assert.equal(keys.size, n)
      const engine = stage.credentials()
      await checkKeys(engine, keys)
      await payWith(engine, [...keys.values()].reverse())
    })
  }

  it('on the curve', async () => {
    const stage = new Stage({ n: 3, t: 2, bls: await loadMclBls() })
    const keys = keysOf(await stage.play())
    assert.equal(keys.size, 3)
    const engine = stage.credentials()
    await checkKeys(engine, keys)
    await payWith(engine, [...keys.values()].slice(1))
  })

  it('with indices that have gaps, and one that comes late but in time', async () => {
    const stage = new Stage({ n: 3, t: 2, indices: [2, 9, 40], behaviour: { 9: { late: 9_000 } } })
    const keys = keysOf(await stage.play())
    assert.deepEqual([...keys.keys()], [2, 9, 40])
    await checkKeys(stage.credentials(), keys)
  })

  it('need no deadline where all are there: every phase ends with its last word', async () => {
    const stage = new Stage({ n: 5, t: 3 })
    const began = stage.simulation.clock.now()
    await stage.play()
    assert.ok(stage.simulation.clock.now() - began < 5_000)
  })
})
