/**
 * The options that `@nymproject/sdk` 1.4.1 and `@nymproject/mix-fetch` 1.4.4 share, as ours. What cannot be done here and would
 * make somebody less safe, or a promise empty, is refused; what makes no difference is not looked at. The list for users:
 * docs/compatibility.md, "Our drop-ins". @module
 */
import type { MixnetOptions } from '../../client/openClient.ts'
import { DEFAULT_TRAFFIC, type TrafficParams } from '../../client/trafficParams.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import { MIN_PERFORMANCE_PERCENT } from '../../network/topology/gatewaySelection.ts'
import { CLIENT_REFRESH } from '../../network/topology/topologyProvider.ts'

/** `ClientOpts` of the official packages. */
export interface NymClientOptions {
  /** Under which name the identity is kept. */
  readonly clientId?: string | undefined
  /** URL of the network's directory, its `/api` included. Required: this package knows no network of its own. */
  readonly nymApiUrl?: string | undefined
  /** Nobody asks the chain here: not looked at. */
  readonly nyxdUrl?: string | undefined
  readonly clientOverride?: NymClientOverride | undefined
  /** Base58 identity of the entry gateway. */
  readonly preferredGateway?: string | undefined
  readonly storagePassphrase?: string | undefined
  /** Only gateways that take wss. Default: whether this is a page that came by https, which may open nothing else. */
  readonly forceTls?: boolean | undefined
  /** Guards are drawn at random here: the fastest gateway tells where somebody lives. Not looked at. */
  readonly latencyBasedSelection?: boolean | undefined
}

/** What of `DebugWasmOverride` is looked at. */
export interface NymClientOverride {
  readonly traffic?: {
    readonly averagePacketDelayMs?: number
    readonly messageSendingAverageDelayMs?: number
    readonly maximumNumberOfRetransmissions?: number
    readonly disableMainPoissonPacketDistribution?: boolean
    readonly deterministicRouteSelection?: boolean
    readonly useOutfox?: boolean
    readonly [name: string]: unknown
  }
  readonly coverTraffic?: {
    readonly loopCoverTrafficAverageDelayMs?: number
    readonly disableLoopCoverTrafficStream?: boolean
    readonly [name: string]: unknown
  }
  readonly acknowledgements?: {
    readonly averageAckDelayMs?: number
    readonly ackWaitMultiplier?: number
    readonly ackWaitAdditionMs?: number
    readonly [name: string]: unknown
  }
  readonly topology?: {
    readonly topologyRefreshRateMs?: number
    readonly minimumMixnodePerformance?: number
    readonly minimumGatewayPerformance?: number
    readonly [name: string]: unknown
  }
  readonly replySurbs?: { readonly surbMixHops?: number | null; readonly [name: string]: unknown }
  readonly forgetMe?: { readonly client?: boolean; readonly stats?: boolean }
  readonly [name: string]: unknown
}

// What a 32-bit timer can wait for.
const LONGEST_MS = 2 ** 31 - 1
const MIX_HOPS = 3

/** Throws BAD_ARGUMENT, naming the option. */
export function mixnetOptions(options: NymClientOptions): MixnetOptions & { readonly traffic: TrafficParams } {
  const { nymApiUrl, clientOverride = {}, preferredGateway, forceTls } = options
  if (typeof nymApiUrl !== 'string' || nymApiUrl === '') {
    const nextStep =
      'Give the URL of a directory, for instance http://127.0.0.1:8080/api: there is no network by default.'
    throw new MixnetError('BAD_ARGUMENT', { argument: 'nymApiUrl' }, { nextStep })
  }
  refuseWhatWeCannotDo(clientOverride)
  const interval = duration('topology.topologyRefreshRateMs', clientOverride.topology?.topologyRefreshRateMs, 1)
  return {
    directories: [nymApiUrl.replace(/\/+$/, '')],
    traffic: trafficOf(clientOverride),
    ...(preferredGateway === undefined ? {} : { gateway: preferredGateway }),
    ...(forceTls === undefined ? {} : { forceTls }),
    ...(interval === undefined ? {} : { refresh: { ...CLIENT_REFRESH, interval } }),
  }
}

/** A positive duration where one was given. Throws BAD_ARGUMENT. */
export function duration(argument: string, value: unknown, least: number): Millis | undefined {
  const number = numberIn(argument, value, least)
  return number === undefined ? undefined : millis(number)
}

function trafficOf({ traffic = {}, coverTraffic = {}, acknowledgements = {} }: NymClientOverride): TrafficParams {
  const given = DEFAULT_TRAFFIC
  const sending = duration('traffic.messageSendingAverageDelayMs', traffic.messageSendingAverageDelayMs, 1)
  const cover = duration('coverTraffic.loopCoverTrafficAverageDelayMs', coverTraffic.loopCoverTrafficAverageDelayMs, 1)
  const { averagePacketDelayMs, maximumNumberOfRetransmissions } = traffic
  const { averageAckDelayMs, ackWaitMultiplier, ackWaitAdditionMs } = acknowledgements
  return {
    ...given,
    averagePacketDelay: duration('traffic.averagePacketDelayMs', averagePacketDelayMs, 0) ?? given.averagePacketDelay,
    averageAckDelay: duration('acknowledgements.averageAckDelayMs', averageAckDelayMs, 0) ?? given.averageAckDelay,
    mainStreamInterval:
      traffic.disableMainPoissonPacketDistribution === true ? undefined : (sending ?? given.mainStreamInterval),
    loopCoverInterval:
      coverTraffic.disableLoopCoverTrafficStream === true ? undefined : (cover ?? given.loopCoverInterval),
    ackWaitMultiplier: numberIn('acknowledgements.ackWaitMultiplier', ackWaitMultiplier, 1) ?? given.ackWaitMultiplier,
    ackWaitAddition: duration('acknowledgements.ackWaitAdditionMs', ackWaitAdditionMs, 0) ?? given.ackWaitAddition,
    maxRetransmissions:
      numberIn('traffic.maximumNumberOfRetransmissions', maximumNumberOfRetransmissions, 0) ?? given.maxRetransmissions,
  }
}

function refuseWhatWeCannotDo({ traffic, topology, replySurbs, forgetMe }: NymClientOverride): void {
  const refuse = (argument: string, isAsked: boolean, why: string): void => {
    if (isAsked) throw new MixnetError('BAD_ARGUMENT', { argument: `clientOverride.${argument}`, why })
  }
  refuse('traffic.useOutfox', traffic?.useOutfox === true, 'only Sphinx is spoken here')
  refuse(
    'traffic.deterministicRouteSelection',
    traffic?.deterministicRouteSelection === true,
    'each packet has a route',
  )
  const hops = replySurbs?.surbMixHops ?? MIX_HOPS
  refuse('replySurbs.surbMixHops', hops !== MIX_HOPS, `answers take ${MIX_HOPS} mix nodes`)
  const isForgetting = forgetMe?.client === true || forgetMe?.stats === true
  refuse('forgetMe', isForgetting, 'a gateway is not asked to forget')
  // Looser is what this client does not do; stricter is what somebody would rely on.
  for (const name of ['minimumMixnodePerformance', 'minimumGatewayPerformance'] as const) {
    const least = topology?.[name] ?? 0
    refuse(
      `topology.${name}`,
      least > MIN_PERFORMANCE_PERCENT,
      `nodes of ${MIN_PERFORMANCE_PERCENT} % and more are used`,
    )
  }
}

function numberIn(argument: string, value: unknown, least: number): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number' && value >= least && value <= LONGEST_MS) return value
  throw new MixnetError('BAD_ARGUMENT', { argument, why: `not a number from ${least} to ${LONGEST_MS}` })
}
