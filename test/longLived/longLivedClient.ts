/**
 * One client that lives long: requests of every kind, one gateway after another restarted every minute, and in the end a look at what
 * the client still holds. In virtual time, over the shipped stack. No tests here. @module
 */
import { getEventListeners } from 'node:events'
import { createFetch, type MixnetFetch } from '../../src/client/fetch.ts'
import { explainFetchError } from '../../src/client/fetchErrors.ts'
import type { TrafficParams } from '../../src/client/trafficParams.ts'
import { createWebFetch, type WebFetch, type WebRequestInit } from '../../src/client/web/webFetch.ts'
import { millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import type { Clock, Timer } from '../../src/foundation/platform/clock.ts'
import { below, exponential } from '../../src/foundation/platform/random.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { ENTRIES, FaultyNetwork, MIXES, type TestClient, WITHOUT_COVER } from '../faults/support.test.ts'
import { type SitePath, serveSimulatedSite } from '../support/simulatedSite.ts'

export interface LifeOptions {
  readonly seed: string
  readonly kind: 'node' | 'web'
  readonly requests: number
}

export interface Life {
  /** How many requests ended in which way: 'answered', or the code of a failure. */
  readonly endings: Readonly<Record<string, number>>
  /** What must not have happened, in words. */
  readonly failures: readonly string[]
  readonly virtualMinutes: number
  /** What is held before the first request and a while after the last: counts by name. */
  readonly before: Readonly<Record<string, number>>
  readonly after: Readonly<Record<string, number>>
}

const GRACE = seconds(1)
const SITES = ['one.example', 'two.example', 'three.example']
const MEAN_PAUSE = millis(1500)
const RESTART_EVERY = minutes(1)
const AWAY = seconds(8)
/** Idle connections, conversations and their pseudonyms have ended by then (pseudonyms.ts, replyKeys.ts). */
const AFTERWARDS = minutes(15)
const SIZE = { mixNodes: MIXES.length, entries: ENTRIES.length, exits: 2 }

/** What a day would do to keys that nobody used, in a time that is simulated soon. */
const TRAFFIC: TrafficParams = { ...WITHOUT_COVER, replies: { ...WITHOUT_COVER.replies, maxKeyAge: minutes(10) } }

/** Of twenty requests, what the server does; refusals are those of the exit's policy and of names that do not exist. */
const MIX: readonly (SitePath | 'refused' | 'unknown' | 'unreachable')[] = [
  ...Array.from({ length: 12 }, (): SitePath => '/bytes/2000'),
  '/bytes/40000',
  '/silent',
  '/stall',
  '/reset',
  '/cut',
  'refused',
  'unknown',
  'unreachable',
]

export async function liveLong({ seed, kind, requests }: LifeOptions): Promise<Life> {
  const network = await FaultyNetwork.start(seed, { size: SIZE })
  const { simulation } = network
  const { clock } = simulation
  for (const [i, name] of SITES.entries()) {
    const site = simulation.host(name, { ips: [`198.51.100.${30 + i}`] })
    await network.complete(serveSimulatedSite(site), seconds(1))
  }
  const client = await network.anonymousClient('client', undefined, { traffic: TRAFFIC })
  const outside = network.worldOf('client')
  const timers = new Set<Timer>()
  const world: World = { ...outside, clock: countingClock(outside.clock, timers) }
  const dialer = client.mixnet.connections
  const fetching: MixnetFetch | WebFetch =
    kind === 'node' ? createFetch(world, { dialer }) : createWebFetch(world, { dialer })
  const fetch = fetching.fetch as WebFetch['fetch']
  const random = simulation.random.stream('long life')
  await simulation.runFor(seconds(10))
  const { signal } = new AbortController()
  const heldByRequests = () => ({ timers: timers.size, listeners: getEventListeners(signal, 'abort').length })
  const before = { ...held(client), ...heldByRequests() }

  let restarts = 0
  let living = true
  const restart = (): void => {
    if (!living) return
    network.interrupt(ENTRIES[restarts++ % ENTRIES.length] as string, AWAY)
    clock.after(RESTART_EVERY, restart)
  }
  clock.after(RESTART_EVERY, restart)

  const endings: Record<string, number> = {}
  const failures: string[] = []
  const request = async (number: number): Promise<void> => {
    const what = MIX[below(random, MIX.length)] as (typeof MIX)[number]
    const limit = seconds(5 + below(random, 40))
    const startedAt = clock.monotonic()
    const ending = await endingOf(fetch, urlOf(what, SITES[below(random, SITES.length)] as string), {
      timeout: limit,
      signal,
    })
    const took = clock.monotonic() - startedAt
    endings[ending] = (endings[ending] ?? 0) + 1
    if (took > limit + GRACE) failures.push(`request ${number} (${what}) took ${took} of ${limit} ms: ${ending}`)
    if (ending === 'INTERNAL' || ending === 'wrong') failures.push(`request ${number} (${what}): ${ending}`)
  }
  const running = new Set<Promise<void>>()
  const startedAt = clock.monotonic()
  const live = async (): Promise<void> => {
    for (let number = 0; number < requests; number++) {
      const one: Promise<void> = request(number).finally(() => running.delete(one))
      running.add(one)
      await new Promise<void>((resolve) => clock.after(millis(exponential(random, MEAN_PAUSE)), resolve))
    }
    await Promise.all(running)
  }
  await network.complete(live(), minutes(300))
  const virtualMinutes = (clock.monotonic() - startedAt) / minutes(1)
  living = false
  // undici lets go of idle connections by the machine's clock, which has hardly moved.
  await network.complete(fetching.close(), minutes(1))
  await simulation.runFor(AFTERWARDS)
  const after = { ...held(client), ...heldByRequests() }
  await network.complete(client.mixnet.close(), minutes(1))
  return { endings, failures, virtualMinutes, before, after }
}

const urlOf = (what: (typeof MIX)[number], site: string): string => {
  if (what === 'refused') return 'http://127.0.0.1/'
  if (what === 'unknown') return 'http://nowhere.invalid/'
  if (what === 'unreachable') return `http://${site}:81/`
  return `http://${site}${what}`
}

async function endingOf(fetch: WebFetch['fetch'], url: string, init: WebRequestInit): Promise<string> {
  try {
    const bytes = await (await fetch(url, init)).arrayBuffer()
    return url.endsWith(`/bytes/${bytes.byteLength}`) ? 'answered' : 'wrong'
  } catch (error) {
    return explainFetchError(error).code
  }
}

function countingClock(clock: Clock, timers: Set<Timer>): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    soon: (run) => clock.soon(run),
    after(delay, run) {
      const inner = clock.after(delay, () => {
        timers.delete(timer)
        run()
      })
      const timer: Timer = {
        cancel: () => {
          timers.delete(timer)
          inner.cancel()
        },
      }
      timers.add(timer)
      return timer
    },
  }
}

/** Everything of the client that has a number: its gauges, streams, and the reply keys it would recognise. */
function held({ mixnet, meter }: TestClient): Record<string, number> {
  const gauges = ['client_queued', 'client_unacknowledged', 'client_reply_keys', 'client_inbox_messages']
  const snapshot = meter.snapshot()
  return {
    ...Object.fromEntries(gauges.filter((name) => name in snapshot).map((name) => [name, snapshot[name] ?? 0])),
    streams: mixnet.connections.count,
  }
}
