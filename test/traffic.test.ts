/** What a choice of traffic promises, held against a simulated wire: bytes a day, idle and busy; requests within their deadlines. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CHOICES, TrafficRun } from '../bench/traffic.ts'
import { describeTraffic, type TrafficFigures } from '../src/client/trafficFigures.ts'
import { parseVolume, planTraffic, type TrafficChoice } from '../src/client/trafficProfiles.ts'
import { hours, type Millis, minutes, seconds } from '../src/foundation/base/units.ts'

const DAY_MS = 86_400_000
const perDay = (bytes: number, duration: Millis): number => (bytes * DAY_MS) / duration

async function idleAndBusy(traffic: TrafficChoice, duration: Millis) {
  const run = await TrafficRun.start(traffic)
  await run.runFor(minutes(1))
  const idle = await run.bytesOf(duration)
  run.download()
  const busy = await run.bytesOf(duration)
  await run.close()
  return { idle, busy }
}

// What is promised counts TLS and TCP's own acks, up to a tenth, and the longer addresses; the simulated wires have neither.
const holds = (measured: number, promised: number, what: string, least = 0.8): void => {
  const share = measured / promised
  assert.ok(share > least && share < 1.05, `${what}: ${share.toFixed(3)} of what is promised`)
}

// Poisson: of n packets, give or take the root of n. The least here are some 700.
for (const [traffic, duration] of [
  ['default', seconds(40)],
  ['private', seconds(40)],
  ['frugal', minutes(8)],
  [{ perDay: '500 MB' }, minutes(20)],
] as const) {
  it(`${JSON.stringify(traffic)} costs what is said, idle and while answers come without a pause`, async (t) => {
    const { idle, busy } = await idleAndBusy(traffic, duration)
    const { idlePerDay, busiestPerDay } = describeTraffic(traffic).figures
    const busiest = busiestPerDay as NonNullable<TrafficFigures['busiestPerDay']>
    const [up, down] = [perDay(busy.up, duration), perDay(busy.down, duration)]
    t.diagnostic(
      `idle ${Math.round(perDay(idle.up, duration) / 1e6)} of ${Math.round(idlePerDay.up / 1e6)} MB a day up, ${Math.round(perDay(idle.down, duration) / 1e6)} of ${Math.round(idlePerDay.down / 1e6)} down; busy ${Math.round(up / 1e6)} of ${Math.round(busiest.up / 1e6)} up, ${Math.round(down / 1e6)} of ${Math.round(busiest.down / 1e6)} down`,
    )
    holds(perDay(idle.up, duration), idlePerDay.up, 'up, idle')
    holds(perDay(idle.down, duration), idlePerDay.down, 'down, idle')
    holds(up, busiest.up, 'up, busy', 0.7)
    // Less would mean that the bound is not the one that holds.
    holds(down, busiest.down, 'down, busy', 0.7)
  })
}

it('a budget is held over hours of downloads, the directory included', async () => {
  const traffic = { perDay: '400 MB' } as const
  const { idle, busy } = await idleAndBusy(traffic, hours(1))
  const { directoryPerDay } = describeTraffic(traffic).figures
  const [idleDay, busyDay] = [idle, busy].map(({ up, down }) => perDay(up + down, hours(1)) + directoryPerDay)
  const budget = parseVolume(traffic.perDay) as number
  assert.ok((busyDay as number) <= budget && (idleDay as number) <= 0.6 * budget, `${idleDay} and ${busyDay}`)
})

describe('requests meet their deadlines', () => {
  for (const { name, traffic } of CHOICES) {
    it(name, async (t) => {
      const run = await TrafficRun.start(traffic, 'deadlines')
      // At once: what is shipped ahead of need must not stand in the way of the first request.
      const times = [await run.get('first')]
      for (let i = 0; i < 5; i++) {
        await run.runFor(seconds(20))
        times.push(await run.secureGet(`secure ${i}`))
      }
      t.diagnostic(times.map(Math.round).join(' '))
      assert.ok(times.every((time) => time < seconds(60)))
      await run.close()
    })
  }
})

it('a slow client does not begin with a flood of reply SURBs', async () => {
  const traffic = { perDay: '400 MB' } as const
  const { mainStreamInterval, replies } = planTraffic(traffic).params
  assert.ok(replies.idleTarget <= 10)
  const run = await TrafficRun.start(traffic)
  await run.runFor(minutes(2))
  const sent = run.mixnet.meter.snapshot()
  await run.close()
  assert.ok((sent['client_sent_total{kind="real"}'] as number) <= 4)
  assert.ok((sent['client_sent_total{kind="main-cover"}'] as number) > minutes(1) / (mainStreamInterval as Millis))
})
