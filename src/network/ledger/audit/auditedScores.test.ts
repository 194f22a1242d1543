import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keccak256 } from 'viem/utils'
import { fromHex, toHex } from '../../../foundation/base/bytes.ts'
import { epochSeed, firstSeed } from '../../../protocol/economy/epochSeed.ts'
import { commitmentHash, packReport, reportHash } from '../../../protocol/economy/reports.ts'
import type { Address, Hex } from '../chain.ts'
import { AuditedScores, type PerformanceEvent, type SettledEpoch } from './auditedScores.ts'
import { Difference } from './difference.ts'

const hash = (bytes: Uint8Array): Uint8Array => keccak256(bytes, 'bytes')
const CONTRACT: Address = '0x00000000000000000000000000000000000000cc'
const WHO: readonly Address[] = [1, 2, 3].map((n): Address => `0x${String(n).padStart(40, '0')}`)
const PERCENT = 10n ** 16n
const secretOf = (i: number): Uint8Array => new Uint8Array(32).fill(i + 1)
const EVIDENCE: Hex = `0x${'07'.repeat(32)}`
const hex = (bytes: Uint8Array): Hex => `0x${toHex(bytes)}`

class Told {
  readonly scores = new AuditedScores({ chainId: 1, contract: CONTRACT }, { exclusion: 6, tolerance: 20 }, hash)
  #seed = firstSeed(1, fromHex(CONTRACT.slice(2)), hash)

  tell(event: PerformanceEvent['event'], args: object, commitment?: Hex): SettledEpoch | undefined {
    return this.scores.take({ contract: 'performance', event, args } as unknown as PerformanceEvent, commitment)
  }

  join(): this {
    for (const [i, who] of WHO.entries())
      this.tell('Joined', { who, stake: BigInt(100 * (i + 1)), measures: true, url: '' })
    return this
  }

  /** Scores of node 7 by participant; undefined: it commits and is silent. */
  round(epochId: number, scores: readonly (number | undefined)[]): void {
    for (const who of WHO.slice(0, scores.length)) this.tell('Committed', { epochId, who })
    for (const [i, score] of scores.entries()) {
      if (score === undefined) continue
      const { words, scores: packed } = packReport(new Map([[7, score]]))
      const secret = hex(secretOf(i))
      this.tell('Revealed', { epochId, who: WHO[i], secret, evidenceHash: EVIDENCE, words, scores: packed })
    }
  }

  settle(epochId: number, speaking: readonly number[], spoil = false): SettledEpoch | undefined {
    const secrets = speaking.map((i) => ({ participant: fromHex((WHO[i] as string).slice(2)), secret: secretOf(i) }))
    this.#seed = epochSeed({ previous: this.#seed, epochId, secrets }, hash)
    return this.tell('Settled', { epochId, seed: hex(spoil ? this.#seed.toReversed() : this.#seed) })
  }
}

test('medians by stake, the newest of 24 epochs, then nothing', () => {
  const told = new Told().join()
  told.round(5, [90, 80, 70])
  assert.deepEqual(told.settle(5, [0, 1, 2]), { epochId: 5, reports: 3, secrets: 3, scored: 1, excluded: 0 })
  // 300 of 600 say 70, 300 more: two halves, and the mean between them.
  assert.equal(told.scores.scoreOf(5, 7), 75n * PERCENT)
  assert.equal(told.scores.scoreOf(29, 7), 75n * PERCENT)
  assert.equal(told.scores.scoreOf(30, 7), 0n)
  assert.equal(told.scores.scoreOf(5, 8), 0n)
})

test('a seed that the secrets do not give', () => {
  const told = new Told().join()
  told.round(5, [90, 80, 70])
  assert.throws(
    () => told.settle(5, [0, 1, 2], true),
    (error) => error instanceof Difference && error.what === 'seed',
  )
  const other = new Told().join()
  other.round(5, [90, 80, undefined])
  assert.throws(
    () => other.settle(5, [0, 1, 2]),
    (error) => error instanceof Difference && error.what === 'seed',
  )
})

test('who is silent, or far from the others, is excluded; nobody else is', () => {
  const isExclusion = (error: unknown) => error instanceof Difference && error.what === 'exclusions'
  const silent = () => {
    const told = new Told().join()
    told.round(5, [undefined, 80, 70])
    return told
  }
  assert.throws(() => silent().settle(5, [1, 2]), isExclusion)
  const right = silent()
  right.tell('Excluded', { epochId: 5, who: WHO[0], untilEpoch: 12, reason: 1 })
  assert.equal(right.settle(5, [1, 2])?.excluded, 1)
  assert.throws(() => right.tell('Committed', { epochId: 11, who: WHO[0] }), Difference)
  right.tell('Committed', { epochId: 12, who: WHO[0] })

  const far = new Told().join()
  far.round(5, [10, 80, 81])
  far.tell('Excluded', { epochId: 5, who: WHO[0], untilEpoch: 12, reason: 2 })
  assert.equal(far.settle(5, [0, 1, 2])?.excluded, 1)
  const unjust = new Told().join()
  unjust.round(5, [79, 80, 81])
  unjust.tell('Excluded', { epochId: 5, who: WHO[0], untilEpoch: 12, reason: 2 })
  assert.throws(() => unjust.settle(5, [0, 1, 2]), isExclusion)
})

test('a report of somebody who did not commit', () => {
  const told = new Told().join()
  told.round(5, [90])
  const { words, scores } = packReport(new Map([[7, 1]]))
  assert.throws(
    () =>
      told.tell('Revealed', {
        epochId: 5,
        who: WHO[1],
        secret: hex(secretOf(1)),
        evidenceHash: EVIDENCE,
        words,
        scores,
      }),
    Difference,
  )
})

test('a report that is not the one that was committed to, in any part; one whose commitment is not known is taken', () => {
  const [who] = WHO as [Address]
  const packed = packReport(new Map([[7, 90]]))
  const right = { epochId: 5, who, secret: hex(secretOf(0)), evidenceHash: EVIDENCE, ...packed }
  const parts = {
    epochId: 5,
    participant: fromHex(who.slice(2)),
    secret: secretOf(0),
    evidenceHash: fromHex('07'.repeat(32)),
  }
  const commitment = hex(commitmentHash({ ...parts, reportHash: reportHash(packed, hash) }, hash))
  const committed = (to?: Hex) => {
    const told = new Told().join()
    told.tell('Committed', { epochId: 5, who }, to)
    return told
  }
  committed(commitment).tell('Revealed', right)
  committed(commitment.toUpperCase().replace('X', 'x') as Hex).tell('Revealed', right)
  for (const wrong of [
    { secret: hex(secretOf(1)) },
    { evidenceHash: hex(new Uint8Array(32)) },
    packReport(new Map([[7, 91]])),
    packReport(new Map([[8, 90]])),
  ]) {
    const isScores = (error: unknown) => error instanceof Difference && error.what === 'scores'
    assert.throws(() => committed(commitment).tell('Revealed', { ...right, ...wrong }), isScores)
    committed().tell('Revealed', { ...right, ...wrong })
  }
})
