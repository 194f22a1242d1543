/** What a node offers beside mixing: the API that says who it is, and for its roles a gateway's websocket port and an exit. @module */

import { MixnetError } from '../../foundation/base/errors.ts'
import { seconds } from '../../foundation/base/units.ts'
import type { Listener } from '../../foundation/platform/net.ts'
import { httpLimits, measureHttp } from '../../network/api/jsonApi.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import { Gateway, type GatewayOptions, type TicketPlace } from '../../roles/gateway/gateway.ts'
import { DEFAULT_GATEWAY_PARAMS, LOOPBACK_GATEWAY_PARAMS } from '../../roles/gateway/gatewayParams.ts'
import { TicketOffice } from '../../roles/gateway/tickets.ts'
import type { SphinxKeys } from '../../roles/mixing/sphinxKeys.ts'
import { BUILD_INFORMATION } from './buildInformation.ts'
import { CredentialContact } from './credentialContact.ts'
import type { DirectoryContact } from './directoryContact.ts'
import { type ExitService, startExitService } from './exitService.ts'
import { nodeApi } from './nodeApi.ts'
import type { NodeKeys } from './nodeKeys.ts'
import { listenAt, listenHostOf, type NodeParts } from './nodeParts.ts'
import { describeNode, type SelfDescriptionOptions } from './selfDescription.ts'
import { forOperator, isLoopback } from './statusServer.ts'

const API_CONNECTIONS = 256
const API_LIMITS = { maxBodyBytes: 4096, requestTimeout: seconds(10) }

export interface GatewayRole {
  readonly gateway: Gateway
  /** Whom it asks about tickets; not started. Where it takes none there is nobody. */
  readonly issuers: CredentialContact | undefined
}

/** Throws BAD_ARGUMENT where the configuration wants tickets that nobody can check. */
export function startGatewayRole(
  parts: NodeParts,
  keys: NodeKeys,
  { directory }: DirectoryContact,
  mixnet: Pick<GatewayOptions, 'forward' | 'congested'>,
): GatewayRole {
  const { world, config, meter, log, credentials, ticketScale = 1, redeemer } = parts
  const { required = false, compatible = false } = config.tickets ?? {}
  if (required && credentials === undefined) throw new MixnetError('BAD_ARGUMENT', { argument: 'credentials' })
  let issuers: CredentialContact | undefined
  const office = (engine: CredentialEngine, place: TicketPlace): TicketOffice => {
    const strictness = compatible ? 'compatible' : 'strict'
    const askAgain = async () => issuers?.askAgain()
    const tickets = new TicketOffice({ place, engine, strictness, askAgain, redeemer: redeemer?.(place.identity) })
    issuers = new CredentialContact(parts, directory, (epoch) => tickets.learn(epoch))
    return tickets
  }
  const gateway = new Gateway({
    world,
    identitySeed: keys.identitySeed,
    ...mixnet,
    folder: `${config.data}/gateway`,
    ...(credentials && { tickets: (place: TicketPlace) => office(credentials, place) }),
    params: {
      ...(config.local ? LOOPBACK_GATEWAY_PARAMS : DEFAULT_GATEWAY_PARAMS),
      freeBandwidth: !required,
      ticketScale,
      // On one machine nobody is to be hidden among a hundred tickets, and whoever looks wants to see the first one paid.
      ...(config.local && redeemer !== undefined ? { redeemFrom: 1 } : {}),
    },
    meter,
    log: log.child('gateway'),
  })
  return { gateway, issuers }
}

export function listenForClients(parts: NodeParts, gateway: Gateway): Promise<Listener> {
  return listenAt(parts, parts.config.ports.ws, (port) => gateway.listen({ host: listenHostOf(parts), port }))
}

export function startExitRole(
  { world, config, meter, log, wayOut }: NodeParts,
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
    wayOut,
    meter,
    log: log.child('exit'),
  })
}

export interface ApiOptions extends Pick<SelfDescriptionOptions, 'endpoints' | 'exit'> {
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
    mayRead: (peer) => config.local || isLoopback(peer.host) || world.net.ownAddresses().has(peer.host),
    status,
  })
  const limits = { ...API_LIMITS, ...httpLimits(meter, API_CONNECTIONS) }
  const listener = await listenAt(parts, config.ports.http, (port) =>
    world.net.serveHttp({ host, port, ...limits }, handler),
  )
  measureHttp(meter, listener)
  return listener
}
