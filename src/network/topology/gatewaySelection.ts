/** Which nodes can be entry gateways, and the URLs under which it is reached. Rules: docs/spec/links.md, "Entry gateways". @module */
import { performancePercent } from '../../protocol/wire/directory/skimmedNodes.ts'
import type { NodeDescriptor } from './topology.ts'

export interface GatewaySelection {
  readonly gateways: Iterable<NodeDescriptor>
  /** Only gateways with wss: for pages that were loaded over https. */
  readonly forceTls?: boolean | undefined
}

export const MIN_PERFORMANCE_PERCENT = 50

/** Gateways that perform well enough and can be reached in the way asked for. */
export function usableGateways({ gateways, forceTls = false }: GatewaySelection): NodeDescriptor[] {
  return [...gateways].filter(
    (node) =>
      performancePercent(node.performance) >= MIN_PERFORMANCE_PERCENT && gatewayUrls(node, { forceTls }).length > 0,
  )
}

/**
 * Where to open the websocket, best first. With TLS there is the one URL of the announced host name; without, the host name
 * and then every IP. Without `forceTls` wss is never chosen: so do official clients since 2026, and the gateway protocol has
 * its own encryption.
 */
export function gatewayUrls(
  { entry, ipAddresses }: NodeDescriptor,
  { forceTls = false }: { readonly forceTls?: boolean | undefined } = {},
): string[] {
  if (entry === undefined) return []
  const { hostname, wsPort, wssPort } = entry
  if (forceTls) return hostname !== undefined && wssPort !== undefined ? [`wss://${hostname}:${wssPort}/`] : []
  const hosts = [...(hostname === undefined ? [] : [hostname]), ...ipAddresses]
  return hosts.map((host) => `ws://${host.includes(':') ? `[${host}]` : host}:${wsPort}/`)
}
