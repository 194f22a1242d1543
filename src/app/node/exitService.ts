/** The network requester of an exit node: a mixnet client inside the node, linked to the node's own gateway, and the service. @module */
import { loadOrCreateClientKeys } from '../../client/keys.ts'
import { MixnetClient } from '../../client/mixnetClient.ts'
import { SERVICE_TRAFFIC } from '../../client/trafficParams.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import { millis } from '../../foundation/base/units.ts'
import type { World } from '../../foundation/platform/world.ts'
import { type NodeViewProvider, topologyOf } from '../../network/topology/topologyProvider.ts'
import type { Recipient } from '../../protocol/packet/recipient.ts'
import type { BuildInformation } from '../../protocol/wire/directory/buildInformation.ts'
import { DEFAULT_EXIT_PARAMS } from '../../roles/exit/exitParams.ts'
import { loadExitRules } from '../../roles/exit/exitRules.ts'
import { NetworkRequester } from '../../roles/exit/networkRequester.ts'
import type { Gateway } from '../../roles/gateway/gateway.ts'
import type { NodeConfig } from './nodeConfig.ts'

export interface ExitService {
  readonly address: Recipient
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
  readonly meter: Meter
  readonly log: Log
}

const LOCAL_STOP_TIMEOUT = millis(300)

export async function startExitService(world: World, options: ExitServiceOptions): Promise<ExitService> {
  const { config, local, folder, gateway, view, build, meter, log } = options
  const { openProxy, allowLocalAddresses, policyFile } = config
  const rules = await loadExitRules(world.files, {
    openProxy,
    allowLocalAddresses,
    ...(policyFile === undefined ? {} : { policyPath: policyFile }),
  })
  const keys = await loadOrCreateClientKeys(world.crypto, world.random.stream('exit-keys'), world.files, folder)
  const client = MixnetClient.start(world, {
    keys,
    topology: topologyOf(view),
    link: gateway.localLink(keys.identity),
    traffic: SERVICE_TRAFFIC,
    meter,
    log,
  })
  const params = local ? { ...DEFAULT_EXIT_PARAMS, stopTimeout: LOCAL_STOP_TIMEOUT } : DEFAULT_EXIT_PARAMS
  const requester = NetworkRequester.start(world, { client, rules, params, build, meter, log })
  return {
    address: client.address,
    async stop() {
      await requester.stop()
      await client.stop()
    },
  }
}
