/**
 * Traffic as a choice: a profile by name, or a budget, becomes TrafficParams. What it costs is said by trafficFigures.ts. Pure.
 * Guide: docs/guides/traffic.md.
 *
 * A budget is held by rates and by nothing else. A client that counted its bytes and slowed down when they run out would show how
 * much it has been used; so the rates are those at which even a day of downloads without a pause stays within it, and an idle day
 * takes about half. @module
 */
import { MixnetError } from '../foundation/base/errors.ts'
import { type Millis, millis, minutes, seconds } from '../foundation/base/units.ts'
import { CLIENT_REFRESH, type RefreshParams } from '../network/topology/topologyProvider.ts'
import { directoryBytesPerDay, PUSHED_PACKET, SENT_PACKET, SURBS_A_PACKET } from './trafficCosts.ts'
import { DEFAULT_TRAFFIC, SERVICE_TRAFFIC, type TrafficParams } from './trafficParams.ts'

const PROFILES = ['default', 'frugal', 'fast', 'private'] as const
const UNITS = { kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 } as const

export type TrafficProfile = (typeof PROFILES)[number]
/** A number, a space and a decimal unit: '500 MB', '1.5 GB'. */
export type Volume = `${number} ${keyof typeof UNITS}`
/** Both directions together, as a network provider counts them. A month has 30 days. */
export type TrafficBudget = { readonly perDay: Volume } | { readonly perMonth: Volume }
export type TrafficChoice = TrafficProfile | TrafficBudget | TrafficParams

export interface TrafficPlan {
  /** A profile's name, the budget as it was given, or 'own' for TrafficParams. */
  readonly name: string
  readonly params: TrafficParams
  /** How often the directory is asked: its answers can be a good part of a small budget. */
  readonly refresh: RefreshParams
  /** Bytes a day that the budget allows; undefined without one. */
  readonly budget: number | undefined
}

const DAY_MS = 86_400_000
const DAYS_A_MONTH = 30
/** Nym's ratio of the two streams. */
const LOOPS_OF_MAIN = 10
/**
 * The slowest main stream that a budget may lead to. An https request takes some eight slots, one after the other in threes and fours,
 * and some slots go to reply SURBs: test/traffic.test.ts sees requests meet their deadline of 60 s here, and the exit’s connect its 30 s.
 */
const SLOWEST_MAIN: Millis = millis(2_500)
/** SURBs ahead of need fill this much of a slow main stream when a client starts, and no more. */
const STOCK_FILL = seconds(2)
const LEAST_STOCK = 10

/** An old topology works until keys rotate, and nodes keep the last keys for an epoch of an hour. */
const SLOW_REFRESH: RefreshParams = { ...CLIENT_REFRESH, interval: minutes(30) }

/** Throws BAD_ARGUMENT, saying what is allowed; for a budget that is too small, the least in `details.minimum`. */
export function planTraffic(choice: TrafficChoice = 'default'): TrafficPlan {
  const given: unknown = choice
  if (typeof given === 'string') return ofProfile(given)
  if (typeof given !== 'object' || given === null) throw unknownChoice(String(given))
  if ('perDay' in given || 'perMonth' in given) return ofBudget(given)
  if (!('averagePacketDelay' in given)) throw unknownChoice('an object')
  return { name: 'own', params: checked(given as TrafficParams), refresh: CLIENT_REFRESH, budget: undefined }
}

/** The bytes of '500 MB', or undefined for what is no volume. */
export function parseVolume(text: unknown): number | undefined {
  const [, number, unit] = (typeof text === 'string' && /^(\d{1,12}(?:\.\d{1,6})?) ([kMGT]B)$/.exec(text)) || []
  const bytes = Number(number) * UNITS[unit as keyof typeof UNITS]
  return bytes > 0 ? bytes : undefined
}

/** Three digits at most: 1234567 is '1.23 MB'. */
export function formatVolume(bytes: number): Volume {
  const unit = bytes >= 1e12 ? 'TB' : bytes >= 1e9 ? 'GB' : bytes >= 1e6 ? 'MB' : 'kB'
  return `${Number((bytes / UNITS[unit]).toPrecision(3))} ${unit}`
}

function ofProfile(name: string): TrafficPlan {
  switch (name) {
    case 'default':
      return { name, params: DEFAULT_TRAFFIC, refresh: CLIENT_REFRESH, budget: undefined }
    case 'frugal':
      return { name, params: atRate(millis(500)), refresh: SLOW_REFRESH, budget: undefined }
    case 'fast':
      return { name, params: SERVICE_TRAFFIC, refresh: CLIENT_REFRESH, budget: undefined }
    case 'private':
      return {
        name,
        // Delays hide which packet that leaves a node is which that came; loops hide how much of what comes is real.
        params: {
          ...DEFAULT_TRAFFIC,
          averagePacketDelay: millis(60),
          averageAckDelay: millis(60),
          loopCoverInterval: millis(50),
        },
        refresh: CLIENT_REFRESH,
        budget: undefined,
      }
    default:
      throw unknownChoice(name)
  }
}

function ofBudget(given: object): TrafficPlan {
  const [[unit, volume] = [], ...others] = Object.entries(given)
  const days = unit === 'perDay' ? 1 : DAYS_A_MONTH
  const bytes = parseVolume(volume)
  if (bytes === undefined || others.length > 0 || (unit !== 'perDay' && unit !== 'perMonth')) {
    const nextStep = `Give one of { perDay } and { perMonth }, a number, a space and ${Object.keys(UNITS).join(', ')}: { perDay: '500 MB' }.`
    throw new MixnetError('BAD_ARGUMENT', { argument: 'traffic' }, { message: 'that is no budget', nextStep })
  }
  const budget = bytes / days
  const forPackets = budget - directoryBytesPerDay(SLOW_REFRESH)
  const interval = millis((DAY_MS * BUSIEST_SLOT) / forPackets)
  if (forPackets <= 0 || interval > SLOWEST_MAIN) {
    const least = days * (directoryBytesPerDay(SLOW_REFRESH) + (DAY_MS * BUSIEST_SLOT) / SLOWEST_MAIN)
    const minimum = `${Math.ceil(least / 1e6)} MB`
    throw new MixnetError(
      'BAD_ARGUMENT',
      { argument: `traffic.${unit}`, given: String(volume), minimum },
      {
        message: 'the budget is too small for a client that can be used',
        nextStep: `Give at least ${minimum}, or connect only while you need it: slower, requests miss their deadlines.`,
      },
    )
  }
  const fastest = DEFAULT_TRAFFIC.mainStreamInterval as Millis
  return {
    name: `${volume} a ${unit === 'perDay' ? 'day' : 'month'}`,
    params: interval <= fastest ? DEFAULT_TRAFFIC : atRate(interval),
    refresh: SLOW_REFRESH,
    budget,
  }
}

/** Bytes both ways for a packet of the main stream and its share of the loops, while answers come as fast as its SURBs allow. */
const BUSIEST_SLOT =
  SENT_PACKET.up +
  SENT_PACKET.down +
  SURBS_A_PACKET * (PUSHED_PACKET.up + PUSHED_PACKET.down) +
  (SENT_PACKET.up + SENT_PACKET.down + PUSHED_PACKET.up + PUSHED_PACKET.down) / LOOPS_OF_MAIN

function atRate(mainStreamInterval: Millis): TrafficParams {
  const { replies } = DEFAULT_TRAFFIC
  const affordable = Math.floor((SURBS_A_PACKET * STOCK_FILL) / mainStreamInterval)
  return {
    ...DEFAULT_TRAFFIC,
    mainStreamInterval,
    loopCoverInterval: millis(LOOPS_OF_MAIN * mainStreamInterval),
    replies: { ...replies, idleTarget: Math.max(LEAST_STOCK, Math.min(replies.idleTarget, affordable)) },
  }
}

/** What JavaScript may have written there; a timer of no length would be a flood. */
function checked(params: TrafficParams): TrafficParams {
  const { mainStreamInterval, loopCoverInterval, averagePacketDelay, averageAckDelay } = params
  for (const [argument, value, least] of [
    ['mainStreamInterval', mainStreamInterval ?? 1, 1],
    ['loopCoverInterval', loopCoverInterval ?? 1, 1],
    ['averagePacketDelay', averagePacketDelay, 0],
    ['averageAckDelay', averageAckDelay, 0],
  ] as const) {
    if (!(value >= least) || !Number.isFinite(value))
      throw new MixnetError(
        'BAD_ARGUMENT',
        { argument: `traffic.${argument}` },
        { nextStep: `Give milliseconds, ${least} or more; spread DEFAULT_TRAFFIC for what you do not change.` },
      )
  }
  return withNumbers(params, DEFAULT_TRAFFIC, 'traffic')
}

/** What is missing there would be found out in the middle of a connection, by a TypeError or a NaN that no timer minds. */
function withNumbers<T extends object>(given: T, like: object, argument: string): T {
  for (const [name, expected] of Object.entries(like)) {
    const value: unknown = (given as Readonly<Record<string, unknown>>)[name]
    if (value === undefined && (name === 'mainStreamInterval' || name === 'loopCoverInterval')) continue
    if (typeof expected === 'object' && typeof value === 'object' && value !== null)
      withNumbers(value, expected, `${argument}.${name}`)
    else if (typeof expected === 'object' || typeof value !== 'number' || !(value >= 0))
      throw new MixnetError(
        'BAD_ARGUMENT',
        { argument: `${argument}.${name}` },
        { nextStep: 'Spread DEFAULT_TRAFFIC for what you do not change.' },
      )
  }
  return given
}

function unknownChoice(given: string): MixnetError {
  const nextStep = `Give ${PROFILES.map((name) => `'${name}'`).join(', ')}, or a budget such as { perDay: '500 MB' }.`
  return new MixnetError(
    'BAD_ARGUMENT',
    { argument: 'traffic', given: given.slice(0, 40) },
    { message: 'there is no such traffic profile', nextStep },
  )
}
