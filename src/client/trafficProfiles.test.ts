import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isMixnetError, tryDecode } from '../foundation/base/errors.ts'
import type { Millis } from '../foundation/base/units.ts'
import { describeTraffic } from './trafficFigures.ts'
import { DEFAULT_TRAFFIC } from './trafficParams.ts'
import { formatVolume, parseVolume, planTraffic, type TrafficChoice, type Volume } from './trafficProfiles.ts'

/** What JavaScript may write there. */
const refusal = (choice: unknown) => {
  const refused = tryDecode(() => planTraffic(choice as TrafficChoice))
  assert.ok(isMixnetError(refused, 'BAD_ARGUMENT'), JSON.stringify(choice))
  return refused
}

test('nothing chosen is what Nym does', () => {
  assert.equal(planTraffic().params, DEFAULT_TRAFFIC)
  assert.equal(planTraffic('default').params, DEFAULT_TRAFFIC)
})

test('own parameters are whole, and numbers', () => {
  const { replies, ...withoutReplies } = DEFAULT_TRAFFIC
  const { reserve: _, ...withoutReserve } = replies
  for (const [choice, argument] of [
    [withoutReplies, 'traffic.replies'],
    [{ ...DEFAULT_TRAFFIC, replies: withoutReserve }, 'traffic.replies.reserve'],
    [{ ...DEFAULT_TRAFFIC, maxRetransmissions: '10' }, 'traffic.maxRetransmissions'],
    [{ ...DEFAULT_TRAFFIC, ackWaitAddition: Number.NaN }, 'traffic.ackWaitAddition'],
    [{ ...DEFAULT_TRAFFIC, queueCapacity: -1 }, 'traffic.queueCapacity'],
  ] as const) {
    assert.equal(refusal(choice).details.argument, argument)
  }
})

test('whoever names what there is not is told what there is', () => {
  for (const choice of ['', 'Frugal', 'toString', 7, null, {}, [], true]) {
    assert.match(refusal(choice).nextStep, /'default', 'frugal', 'fast', 'private', or a budget/)
  }
  for (const volume of [
    '',
    '500',
    '500MB',
    '500 mb',
    '-5 GB',
    '0 MB',
    '1e9 MB',
    'NaN MB',
    '5 GB ',
    500,
    null,
    undefined,
  ]) {
    assert.match(refusal({ perDay: volume }).nextStep, /\{ perDay: '500 MB' \}/)
  }
  refusal({ perDay: '5 GB', perMonth: '5 GB' })
  refusal({ perDay: '5 GB', perHour: '5 GB' })
})

test('own parameters that would flood are refused', () => {
  assert.equal(planTraffic({ ...DEFAULT_TRAFFIC, mainStreamInterval: undefined }).name, 'own')
  for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    refusal({ ...DEFAULT_TRAFFIC, mainStreamInterval: bad })
    refusal({ ...DEFAULT_TRAFFIC, loopCoverInterval: bad })
  }
  refusal({ ...DEFAULT_TRAFFIC, averagePacketDelay: -1 })
})

test('a budget that is too small says the least, and that is enough', () => {
  for (const [unit, amount] of [
    ['perDay', '50 MB'],
    ['perMonth', '1 GB'],
  ] as const) {
    const { minimum } = refusal({ [unit]: amount }).details
    const { params } = planTraffic({ [unit]: minimum } as unknown as TrafficChoice)
    assert.ok((params.mainStreamInterval as number) <= 2_500)
  }
})

test('a budget is never promised more than it has, and more buys more', () => {
  let slower = Number.POSITIVE_INFINITY
  for (const megabytes of [500, 1_000, 5_000, 20_000, 45_000, 1_000_000]) {
    const { idlePerDay, busiestPerDay, directoryPerDay, mainStreamInterval } = describeTraffic({
      perDay: `${megabytes} MB`,
    }).figures
    assert.ok(busiestPerDay)
    const most = busiestPerDay.up + busiestPerDay.down + directoryPerDay
    assert.ok(most <= megabytes * 1e6 && idlePerDay.up + idlePerDay.down < most)
    assert.ok((mainStreamInterval as number) <= slower)
    slower = mainStreamInterval as number
  }
  assert.equal(slower, DEFAULT_TRAFFIC.mainStreamInterval as Millis)
})

test('what hides nothing says so first', () => {
  const { words, figures } = describeTraffic('fast')
  assert.match(words[1] ?? '', /^WARNING: .*sees when you use it and how much/)
  assert.deepEqual(
    [figures.cover, figures.busiestPerDay, figures.uploadPerSecond],
    ['loops-only', undefined, undefined],
  )
  assert.equal(
    describeTraffic({ ...DEFAULT_TRAFFIC, mainStreamInterval: undefined, loopCoverInterval: undefined }).figures.cover,
    'none',
  )
  for (const quiet of ['default', 'frugal', 'private', { perDay: '500 MB' }] as const) {
    const described = describeTraffic(quiet)
    assert.equal(described.figures.cover, 'constant-rate')
    assert.ok(!described.words.some((word) => word.includes('WARNING')))
  }
})

test('volumes are read as they are written', () => {
  assert.equal(parseVolume('1.5 GB'), 1.5e9)
  fc.assert(
    fc.property(fc.integer({ min: 1_000, max: 1e14 }), (bytes) => {
      const read = parseVolume(formatVolume(bytes) satisfies Volume) as number
      assert.ok(Math.abs(read / bytes - 1) < 0.006)
    }),
  )
  fc.assert(fc.property(fc.string(), (text) => (parseVolume(text) ?? 1) > 0))
})
