/** The services of an exit node, each behind a mixnet client of its own inside the node, linked to the node's own gateway. @module */
import { loadOrCreateClientKeys } from '../../client/keys.ts'
import { MixnetClient } from '../../client/mixnetClient.ts'
import { SERVICE_TRAFFIC, type TrafficParams } from '../../client/trafficParams.ts'
import { type Log, Meter } from '../../foundation/base/observe.ts'
import { millis } from '../../foundation/base/units.ts'
import type { World } from '../../foundation/platform/world.ts'
import { type NodeViewProvider, topologyOf } from '../../network/topology/topologyProvider.ts'
import type { Recipient } from '../../protocol/packet/recipient.ts'
import type { BuildInformation } from '../../protocol/wire/directory/buildInformation.ts'
import { DEFAULT_EXIT_PARAMS } from '../../roles/exit/exitParams.ts'
import { type ExitRules, loadExitRules } from '../../roles/exit/exitRules.ts'
import { IpPacketRouter } from '../../roles/exit/ip/ipPacketRouter.ts'
import { DEFAULT_IP_ROUTER_PARAMS, ROUTER_TRAFFIC } from '../../roles/exit/ip/ipRouterParams.ts'
import type { WayOut } from '../../roles/exit/ip/wayOut.ts'
import { NetworkRequester } from '../../roles/exit/networkRequester.ts'
import type { Gateway } from '../../roles/gateway/gateway.ts'
import type { NodeConfig } from './nodeConfig.ts'

export interface ExitService {
  /** Of the network requester. */
  readonly address: Recipient
  /** Of the IP packet router, where there is one. */
  readonly packetRouter: Recipient | undefined
  stop(): Promise<void>
}

export interface ExitServiceOptions {
  readonly config: NodeConfig['exit']
  /** The network is on one machine: whoever stops it waits for it, and the clients stop as well. */
  readonly local: boolean
  readonly folder: string
  readonly gateway: Gateway
  readonly view: NodeViewProvider
  readonly build: BuildInformation
  /** For IP packets. Without it there is no IP packet router. */
  readonly wayOut: WayOut | undefined
  readonly meter: Meter
  readonly log: Log
}

const LOCAL_STOP_TIMEOUT = millis(300)

export async function startExitService(world: World, options: ExitServiceOptions): Promise<ExitService> {
  const { config, local, folder, build, wayOut, meter, log } = options
  const { openProxy, allowLocalAddresses, policyFile } = config
  const rules = await loadExitRules(world.files, {
    openProxy,
    allowLocalAddresses,
    ...(policyFile === undefined ? {} : { policyPath: policyFile }),
  })
  const client = await startServiceClient(world, options, folder, meter)
  const params = local ? { ...DEFAULT_EXIT_PARAMS, stopTimeout: LOCAL_STOP_TIMEOUT } : DEFAULT_EXIT_PARAMS
  const requester = NetworkRequester.start(world, { client, rules, params, build, meter, log })
  const packets = wayOut && (await startPacketRouter(world, { ...options, wayOut, rules }))
  return {
    address: client.address,
    packetRouter: packets?.router.address,
    async stop() {
      await packets?.router.stop()
      await packets?.client.stop()
      await requester.stop()
      await client.stop()
    },
  }
}

async function startPacketRouter(
  world: World,
  options: ExitServiceOptions & { readonly wayOut: WayOut; readonly rules: ExitRules },
): Promise<{ readonly router: IpPacketRouter; readonly client: MixnetClient }> {
  const { local, folder, build, meter, log, wayOut, rules } = options
  // The counters of a client are those of the requester's: the router counts packets.
  const client = await startServiceClient(world, options, `${folder}/packets`, new Meter(), ROUTER_TRAFFIC)
  const router = IpPacketRouter.start(world, {
    client,
    wayOut,
    rules,
    params: local ? { ...DEFAULT_IP_ROUTER_PARAMS, stopTimeout: LOCAL_STOP_TIMEOUT } : DEFAULT_IP_ROUTER_PARAMS,
    build,
    meter,
    log: log.child('packets'),
  })
  return { router, client }
}

async function startServiceClient(
  world: World,
  { gateway, view, log }: ExitServiceOptions,
  folder: string,
  meter: Meter,
  traffic: TrafficParams = SERVICE_TRAFFIC,
): Promise<MixnetClient> {
  const keys = await loadOrCreateClientKeys(world.crypto, world.random.stream('exit-keys'), world.files, folder)
  const link = gateway.localLink(keys.identity)
  const topology = topologyOf(view)
  return MixnetClient.start(world, { keys, topology, link, traffic, meter, log })
}
