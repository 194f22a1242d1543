/** A monitor as a process: its configuration, the network it looks at, the ledger it reports to, and its API. @module */
import { stringify } from 'smol-toml'
import { z } from 'zod'
import type { TicketSource } from '../../client/ticketSource.ts'
import type { TrafficChoice } from '../../client/trafficProfiles.ts'
import { planTraffic } from '../../client/trafficProfiles.ts'
import { utf8 } from '../../foundation/base/bytes.ts'
import { parseIp } from '../../foundation/base/ipAddress.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import { seconds } from '../../foundation/base/units.ts'
import type { Files } from '../../foundation/platform/files.ts'
import type { Endpoint } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import { httpLimits, measureHttp, plainPath } from '../../network/api/jsonApi.ts'
import { DirectoryClient } from '../../network/topology/directoryClient.ts'
import { CLIENT_REFRESH } from '../../network/topology/topologyProvider.ts'
import type { DescribedNode } from '../../protocol/wire/directory/describedNodes.ts'
import { evidenceApi } from '../../roles/monitor/evidenceApi.ts'
import { Monitor, type MonitorStatus } from '../../roles/monitor/monitor.ts'
import { monitoredTopology } from '../../roles/monitor/monitoredTopology.ts'
import type { MonitorLedger } from '../../roles/monitor/monitorLedger.ts'
import type { MonitorParams } from '../../roles/monitor/monitorParams.ts'
import { besideFile, readConfigFile } from './configFile.ts'
import { describedNodes } from './describedNodes.ts'
import { LOCAL_REFRESH } from './directoryContact.ts'
import { forOperator, isLoopback, statusHandler } from './statusServer.ts'

export interface MonitorConfig {
  /** For people: logs and the screen. */
  readonly name: string
  /** Where its evidence is served. */
  readonly listen: Endpoint
  /** Folder of reports and evidence; in a file, relative to it. */
  readonly data: string
  readonly directories: readonly string[]
  /** What its sessions are like. `frugal`: 5 kB a second for each gateway; in networks with short epochs `default`, 25 times that. */
  readonly traffic: 'default' | 'frugal'
  /** Epochs kept on disk. */
  readonly keepEpochs: number
  /** A network on one machine: the directory is asked more often. */
  readonly local: boolean
}

const schema: z.ZodType<MonitorConfig, unknown> = z.strictObject({
  name: z.string().min(1).max(64),
  listen: z
    .strictObject({
      host: z
        .string()
        .refine((text) => parseIp(text) !== undefined, 'must be an IP address')
        .default('127.0.0.1'),
      port: z.number().int().min(0).max(65_535).default(8095),
    })
    .prefault({}),
  data: z.string().min(1).default('.'),
  directories: z
    .array(z.url({ protocol: /^https?$/ }))
    .min(1)
    .max(16),
  traffic: z.enum(['default', 'frugal']).default('frugal'),
  keepEpochs: z.number().int().min(2).max(10_000).default(48),
  local: z.boolean().default(false),
})

/** Throws CONFIG_INVALID. */
export async function readMonitorConfig(files: Files, path: string): Promise<MonitorConfig> {
  const config = await readConfigFile(files, path, schema)
  return { ...config, data: besideFile(path, config.data) }
}

export function formatMonitorConfig(config: MonitorConfig): Uint8Array {
  return utf8(`# A monitor. docs/spec/monitor.md says what it does\n${stringify(config)}`)
}

export interface MonitorServiceOptions {
  readonly ledger: MonitorLedger
  /** Percent from a node's description, by the rules of the ledger; nodes without a description have 0. */
  readonly configScore: (node: DescribedNode) => number
  /** What its sessions pay with; their owner closes them, after it. */
  readonly tickets?: TicketSource | undefined
  readonly params?: Partial<MonitorParams>
  /** Instead of the configured traffic. */
  readonly traffic?: TrafficChoice
  readonly meter: Meter
  readonly log: Log
}

export interface RunningMonitor {
  readonly endpoint: Endpoint
  status(): MonitorStatus
  /** What the monitor itself shows, without HTTP. */
  readonly monitor: Monitor
  stop(): Promise<void>
}

const MAX_CONNECTIONS = 256
const REQUEST_TIMEOUT = seconds(30)

/** Serves and measures when it resolves. Throws LOCKED, ADDRESS_IN_USE, TOPOLOGY_UNAVAILABLE. */
export async function startMonitor(
  world: World,
  config: MonitorConfig,
  options: MonitorServiceOptions,
): Promise<RunningMonitor> {
  const { meter, log } = options
  const directory = new DirectoryClient(world.net, { baseUrls: config.directories })
  const refresh = config.local ? LOCAL_REFRESH : CLIENT_REFRESH
  const topology = monitoredTopology({ clock: world.clock, directory, refresh, log })
  const lock = await world.files.lock(`${config.data}/lock`)
  let monitor: Monitor | undefined
  try {
    await topology.start()
    const running = Monitor.start(world, {
      folder: config.data,
      ledger: options.ledger,
      topology,
      configScores: async () => {
        // Who is listed and not described has said nothing of itself.
        const unknown = [...(topology.current()?.nodesById.keys() ?? [])].map((id) => [id, 0] as const)
        const described = await describedNodes(directory)
        return new Map([...unknown, ...described.map((node) => [node.nodeId, options.configScore(node)] as const)])
      },
      traffic: planTraffic(options.traffic ?? config.traffic).params,
      tickets: options.tickets,
      params: { keepEpochs: config.keepEpochs, ...options.params },
      meter,
      log,
    })
    monitor = running
    const evidence = evidenceApi({ monitor: running, crypto: world.crypto, log })
    const counters = statusHandler({ meter, status: () => ({ ...running.status }) })
    // How many tests are on their way at this moment is for the operator alone.
    const handler = forOperator(
      (request, peer) => (isMetrics(request) ? counters(request, peer) : evidence(request, peer)),
      { mayRead: ({ host }) => isLoopback(host), status: () => running.status },
    )
    const listener = await world.net.serveHttp(
      { ...config.listen, ...httpLimits(meter, MAX_CONNECTIONS), maxBodyBytes: 1024, requestTimeout: REQUEST_TIMEOUT },
      handler,
    )
    measureHttp(meter, listener)
    return {
      endpoint: listener.endpoint,
      monitor: running,
      status: () => running.status,
      async stop() {
        await listener.close()
        await running.stop()
        topology.stop()
        await lock.release()
      },
    }
  } catch (error) {
    await monitor?.stop()
    topology.stop()
    await lock.release()
    throw error
  }
}

const isMetrics = (request: Request): boolean => plainPath(new URL(request.url).pathname) === '/metrics'
