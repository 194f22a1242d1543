/** The network as a monitor looks at it: every node that is bonded and described, however badly it did so far. @module */
import type { Log } from '../../foundation/base/observe.ts'
import { hours } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { DirectoryClient } from '../../network/topology/directoryClient.ts'
import type { Topology } from '../../network/topology/topology.ts'
import { CLIENT_REFRESH, Refreshing, type RefreshParams } from '../../network/topology/topologyProvider.ts'
import { nodeViewSource } from '../../network/topology/topologySources.ts'

/** Clients leave out who performs badly; who is never tested again could never do better. */
const EVERYBODY = { minPerformancePercent: 0, assumedValidity: hours(1) }

export interface MonitoredTopologyOptions {
  readonly clock: Clock
  readonly directory: DirectoryClient
  readonly refresh?: RefreshParams | undefined
  readonly log: Log
}

/** To be started by the caller. */
export function monitoredTopology({
  clock,
  directory,
  refresh = CLIENT_REFRESH,
  log,
}: MonitoredTopologyOptions): Refreshing<Topology> {
  const read = nodeViewSource({ clock, directory, params: EVERYBODY })
  return new Refreshing<Topology>({
    clock,
    fetch: async (signal) => (await read(signal)).topology,
    params: refresh,
    log,
  })
}
