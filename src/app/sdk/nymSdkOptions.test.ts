import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_TRAFFIC } from '../../client/trafficParams.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { mixnetOptions, type NymClientOverride } from './nymSdkOptions.ts'

const nymApiUrl = 'http://127.0.0.1:8080/api'

test('what can be kept is kept', () => {
  const options = mixnetOptions({
    nymApiUrl: `${nymApiUrl}/`,
    preferredGateway: 'gateway',
    forceTls: true,
    clientOverride: {
      traffic: { averagePacketDelayMs: 1, messageSendingAverageDelayMs: 2, maximumNumberOfRetransmissions: 3 },
      coverTraffic: { loopCoverTrafficAverageDelayMs: 4 },
      acknowledgements: { averageAckDelayMs: 5, ackWaitMultiplier: 2.5, ackWaitAdditionMs: 7 },
      topology: { topologyRefreshRateMs: 1000, minimumMixnodePerformance: 50 },
    },
  })
  const { directories, gateway, forceTls, refresh, traffic } = options
  assert.deepEqual([directories, gateway, forceTls, refresh?.interval], [[nymApiUrl], 'gateway', true, 1000])
  assert.deepEqual(traffic, {
    ...DEFAULT_TRAFFIC,
    averagePacketDelay: 1,
    mainStreamInterval: 2,
    maxRetransmissions: 3,
    loopCoverInterval: 4,
    averageAckDelay: 5,
    ackWaitMultiplier: 2.5,
    ackWaitAddition: 7,
  })
})

test('cover is switched off only where that is said', () => {
  const traffic = (clientOverride: NymClientOverride) => mixnetOptions({ nymApiUrl, clientOverride }).traffic
  const off = traffic({
    traffic: { disableMainPoissonPacketDistribution: true, messageSendingAverageDelayMs: 5 },
    coverTraffic: { disableLoopCoverTrafficStream: true },
  })
  assert.deepEqual([off?.mainStreamInterval, off?.loopCoverInterval], [undefined, undefined])
  assert.deepEqual(traffic({}), DEFAULT_TRAFFIC)
  assert.deepEqual(traffic({ traffic: { useLegacySphinxFormat: false, useExtendedPacketSize: true } }), DEFAULT_TRAFFIC)
})

test('what cannot be kept is refused, by its name', () => {
  const refused: Readonly<Record<string, NymClientOverride>> = {
    'traffic.useOutfox': { traffic: { useOutfox: true } },
    'traffic.deterministicRouteSelection': { traffic: { deterministicRouteSelection: true } },
    'replySurbs.surbMixHops': { replySurbs: { surbMixHops: 1 } },
    forgetMe: { forgetMe: { client: true } },
    'topology.minimumMixnodePerformance': { topology: { minimumMixnodePerformance: 80 } },
  }
  for (const [name, clientOverride] of Object.entries(refused)) {
    assert.throws(
      () => mixnetOptions({ nymApiUrl, clientOverride }),
      (error) => isMixnetError(error, 'BAD_ARGUMENT') && error.details.argument === `clientOverride.${name}`,
      name,
    )
  }
  const isBad = (error: unknown) => isMixnetError(error, 'BAD_ARGUMENT')
  assert.throws(() => mixnetOptions({}), isBad)
  for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '20']) {
    const traffic = { messageSendingAverageDelayMs: value as number }
    assert.throws(() => mixnetOptions({ nymApiUrl, clientOverride: { traffic } }), isBad, String(value))
  }
})
