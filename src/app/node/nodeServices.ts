/** What a node offers beside mixing: the API that says who it is, and for its roles a gateway's websocket port and an exit. @module */

import { seconds } from '../../foundation/base/units.ts'
import type { Listener } from '../../foundation/platform/net.ts'
import { httpLimits, measureHttp } from '../../network/api/jsonApi.ts'
import { Gateway, type GatewayOptions } from '../../roles/gateway/gateway.ts'
import { DEFAULT_GATEWAY_PARAMS, LOOPBACK_GATEWAY_PARAMS } from '../../roles/gateway/gatewayParams.ts'
import type { SphinxKeys } from '../../roles/mixing/sphinxKeys.ts'
import { BUILD_INFORMATION } from './buildInformation.ts'
import type { DirectoryContact } from './directoryContact.ts'
import { type ExitService, startExitService } from './exitService.ts'
import { nodeApi } from './nodeApi.ts'
import type { NodeKeys } from './nodeKeys.ts'
import { listenAt, listenHostOf, type NodeParts } from './nodeParts.ts'
import { describeNode, type SelfDescriptionOptions } from './selfDescription.ts'
import { forOperator, isLoopback } from './statusServer.ts'

const API_CONNECTIONS = 256
const API_LIMITS = { maxBodyBytes: 4096, requestTimeout: seconds(10) }

export function startGatewayRole(
  { world, config, meter, log }: NodeParts,
  keys: NodeKeys,
  mixnet: Pick<GatewayOptions, 'forward' | 'congested'>,
): Gateway {
  return new Gateway({
    world,
    identitySeed: keys.identitySeed,
    ...mixnet,
    folder: `${config.data}/gateway`,
    params: config.local ? LOOPBACK_GATEWAY_PARAMS : DEFAULT_GATEWAY_PARAMS,
    meter,
    log: log.child('gateway'),
  })
}

export function listenForClients(parts: NodeParts, gateway: Gateway): Promise<Listener> {
  return listenAt(parts, parts.config.ports.ws, (port) => gateway.listen({ host: listenHostOf(parts), port }))
}

export function startExitRole(
  { world, config, meter, log }: NodeParts,
  gateway: Gateway,
  { view }: DirectoryContact,
): Promise<ExitService> {
  return startExitService(world, {
    config: config.exit,
    local: config.local,
    folder: `${config.data}/exit`,
    gateway,
    view,
    build: BUILD_INFORMATION,
    meter,
    log: log.child('exit'),
  })
}

export interface ApiOptions extends Pick<SelfDescriptionOptions, 'endpoints' | 'exitAddress'> {
  readonly keys: NodeKeys
  readonly sphinx: SphinxKeys
  /** For the operator. */
  readonly status: () => object
}

export async function serveApi(parts: NodeParts, { status, ...about }: ApiOptions): Promise<Listener> {
  const { world, config, meter, log } = parts
  const host = listenHostOf(parts)
  const self = describeNode(world.crypto, { config, meter, ...about })
  const api = nodeApi({ world, self, meter, log: log.child('api'), metrics: 'open' })
  const handler = forOperator(api, {
    mayRead: (peer) => config.local || isLoopback(peer.host) || peer.host === host,
    status,
  })
  const limits = { ...API_LIMITS, ...httpLimits(meter, API_CONNECTIONS) }
  const listener = await listenAt(parts, config.ports.http, (port) =>
    world.net.serveHttp({ host, port, ...limits }, handler),
  )
  measureHttp(meter, listener)
  return listener
}
