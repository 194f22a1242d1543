/** What a choice of traffic costs and gives, in words and figures: arithmetic on rates, measured by test/traffic.test.ts. Pure. @module */
import { millis } from '../foundation/base/units.ts'
import {
  type Bytes,
  directoryBytesPerDay,
  FRAGMENT_PAYLOAD,
  PUSHED_PACKET,
  SENT_PACKET,
  SURBS_A_PACKET,
} from './trafficCosts.ts'
import { formatVolume, planTraffic, type TrafficChoice, type TrafficPlan } from './trafficProfiles.ts'

export interface TrafficFigures {
  /** Mean milliseconds between packets of the main stream, real where one waits; undefined: it has none, real packets leave at once. */
  readonly mainStreamInterval: number | undefined
  /** Mean milliseconds between loops of their own; undefined: none. */
  readonly loopCoverInterval: number | undefined
  /** Bytes a day to the gateway and from it, with TLS, TCP and IP, while nothing is asked. */
  readonly idlePerDay: Bytes
  /** The same while answers come without a pause, as fast as they can; undefined where nothing but the line limits them. */
  readonly busiestPerDay: Bytes | undefined
  /** Bytes a day of a directory with 500 mix nodes and gateways. Each connect, and each loss of an exit, asks it for about a megabyte more. */
  readonly directoryPerDay: number
  /** Mean milliseconds that a packet waits for its slot. */
  readonly slotDelay: number
  /** Mean milliseconds in three mix nodes, one way. The network's own latency comes on top. */
  readonly mixDelay: number
  /** The most that real fragments carry, bytes a second; undefined where nothing but the line limits it. */
  readonly uploadPerSecond: number | undefined
  /** The same of anonymous answers, which reply SURBs limit. */
  readonly downloadPerSecond: number | undefined
  readonly cover: 'constant-rate' | 'loops-only' | 'none'
}

export interface TrafficDescription {
  readonly words: readonly string[]
  readonly figures: TrafficFigures
}

const DAY_SECONDS = 86_400
const HOPS = 3

/** Throws BAD_ARGUMENT as `connect` does for the same choice. */
export function describeTraffic(choice: TrafficChoice = 'default'): TrafficDescription {
  const plan = planTraffic(choice)
  const figures = figuresOf(plan)
  return { words: wordsOf(plan, figures), figures }
}

function figuresOf({ params, refresh }: TrafficPlan): TrafficFigures {
  const { mainStreamInterval, loopCoverInterval, averagePacketDelay } = params
  const main = mainStreamInterval === undefined ? 0 : 1000 / mainStreamInterval
  const loops = loopCoverInterval === undefined ? 0 : 1000 / loopCoverInterval
  const perDay = (sent: number, pushed: number): Bytes => ({
    up: Math.round(DAY_SECONDS * (sent * SENT_PACKET.up + pushed * PUSHED_PACKET.up)),
    down: Math.round(DAY_SECONDS * (sent * SENT_PACKET.down + pushed * PUSHED_PACKET.down)),
  })
  const has = mainStreamInterval !== undefined
  return {
    mainStreamInterval,
    loopCoverInterval,
    idlePerDay: perDay(main + loops, main + loops),
    busiestPerDay: has ? perDay(main + loops, main * SURBS_A_PACKET + loops) : undefined,
    directoryPerDay: Math.round(directoryBytesPerDay(refresh)),
    slotDelay: mainStreamInterval ?? 0,
    mixDelay: HOPS * averagePacketDelay,
    uploadPerSecond: has ? Math.round(main * FRAGMENT_PAYLOAD) : undefined,
    downloadPerSecond: has ? Math.round(main * SURBS_A_PACKET * FRAGMENT_PAYLOAD) : undefined,
    cover: has ? 'constant-rate' : loopCoverInterval === undefined ? 'none' : 'loops-only',
  }
}

function wordsOf({ name, budget }: TrafficPlan, figures: TrafficFigures): readonly string[] {
  const { idlePerDay: idle, busiestPerDay: busiest, directoryPerDay, mainStreamInterval, mixDelay } = figures
  const { uploadPerSecond, downloadPerSecond } = figures
  const sum = ({ up, down }: Bytes) => formatVolume(up + down + directoryPerDay)
  const both = ({ up, down }: Bytes) =>
    `${formatVolume(up)} up and ${formatVolume(down)} down a day, ${formatVolume(directoryPerDay)} for the directory`
  return [
    `Traffic: ${name}.`,
    ...(mainStreamInterval === undefined
      ? [
          'WARNING: real packets leave the moment they are made. Whoever watches your connection sees when you use it and how much you send and get, as with no mixnet at all; only where to stays hidden.',
        ]
      : [
          `A packet leaves every ${inSeconds(mainStreamInterval)} on average: yours where one waits, else cover. A watcher of your connection sees the same stream either way.`,
        ]),
    figures.loopCoverInterval === undefined
      ? 'No loops of its own: a gateway that drops your packets is not noticed while you send none.'
      : `Loops to yourself leave every ${inSeconds(figures.loopCoverInterval)} besides, and come back like answers.`,
    // ADR 10: what loops cannot hide.
    'What comes back is hidden less than what leaves: while you are answered, more or fewer packets come than leave, which your gateway can count.',
    `Idle: ${both(idle)}.`,
    busiest === undefined
      ? 'In use: that, and half as much again as what you send and get.'
      : `At most, with answers coming all day: ${both(busiest)}.`,
    ...(budget === undefined || busiest === undefined
      ? []
      : [
          `Of the ${formatVolume(budget)} a day that you allow, idle days take ${sum(idle)} and none more than ${sum(busiest)}. Not counted: messages of strangers to your address, and answers where you gave the exit your address.`,
        ]),
    mainStreamInterval === undefined
      ? `Delay of a message: ${inSeconds(mixDelay)} in three mix nodes.`
      : `Delay of a message: ${inSeconds(mainStreamInterval)} for its turn, once for each of its packets, and ${inSeconds(mixDelay)} in three mix nodes.`,
    uploadPerSecond === undefined || downloadPerSecond === undefined
      ? 'Speed: what your line and the gateway give.'
      : `Speed at most: ${formatVolume(uploadPerSecond)} a second up, ${formatVolume(downloadPerSecond)} a second of anonymous answers.`,
    ...(name === 'private'
      ? [
          'Delays of four times the usual are seen by the nodes a packet passes: the fewer use them, the more a packet with a long delay says about itself.',
        ]
      : []),
    ...(mainStreamInterval !== undefined && mainStreamInterval > SLOW
      ? [`That slow, requests wait for slots: give them deadlines of a minute, and expect a page to take longer.`]
      : []),
  ]
}

const SLOW = millis(250)

/** 20 is '20 ms', 1500 '1.5 s'. */
function inSeconds(duration: number): string {
  return duration < 1000 ? `${Math.round(duration)} ms` : `${Number((duration / 1000).toFixed(1))} s`
}
