/** Choosing an entry gateway, and the URLs under which it is reached. Rules: docs/spec/links.md, "Entry gateways". @module */
import { fromBase58, toBase58 } from '../../foundation/base/base58.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { pick, type RandomStream } from '../../foundation/platform/random.ts'
import { performancePercent } from '../../protocol/wire/directory/skimmedNodes.ts'
import type { NodeDescriptor } from './topology.ts'

export interface GatewaySelection {
  readonly gateways: Iterable<NodeDescriptor>
  readonly random: RandomStream
  /** Base58. Then that one or none. */
  readonly identity?: string | undefined
  /** Base58 identities not to choose, for failover. A named gateway is chosen all the same. */
  readonly exclude?: ReadonlySet<string> | undefined
  /** Only gateways with wss: for pages that were loaded over https. */
  readonly forceTls?: boolean | undefined
  /** Whole percent; default 50. */
  readonly minPerformancePercent?: number | undefined
}

const DEFAULT_MIN_PERFORMANCE_PERCENT = 50
const IDENTITY_BYTES = 32

/** Throws GATEWAY_UNREACHABLE, saying why, where there is none to choose. */
export function selectGateway(selection: GatewaySelection): NodeDescriptor {
  const usable = usableGateways(selection)
  const { identity, exclude, random } = selection
  if (identity !== undefined) {
    fromBase58(identity, 'gateway identity', IDENTITY_BYTES)
    const named = usable.find((node) => toBase58(node.identity) === identity)
    if (named) return named
    throw new MixnetError('GATEWAY_UNREACHABLE', { why: 'the directory does not list it as usable', gateway: identity })
  }
  const left = exclude ? usable.filter((node) => !exclude.has(toBase58(node.identity))) : usable
  const chosen = pick(random, left)
  if (chosen) return chosen
  const why = usable.length > 0 ? 'all usable gateways were tried' : 'the directory lists no usable gateway'
  throw new MixnetError('GATEWAY_UNREACHABLE', { why })
}

/** Gateways that perform well enough and can be reached in the way asked for. */
export function usableGateways({
  gateways,
  forceTls = false,
  minPerformancePercent = DEFAULT_MIN_PERFORMANCE_PERCENT,
}: Pick<GatewaySelection, 'gateways' | 'forceTls' | 'minPerformancePercent'>): NodeDescriptor[] {
  return [...gateways].filter(
    (node) =>
      performancePercent(node.performance) >= minPerformancePercent && gatewayUrls(node, { forceTls }).length > 0,
  )
}

/**
 * Where to open the websocket, best first. With TLS there is the one URL of the announced host name; without, the host name
 * and then every IP. Without `forceTls` wss is never chosen: so do official clients since 2026, and the gateway protocol has
 * its own encryption.
 */
export function gatewayUrls(
  { entry, ipAddresses }: NodeDescriptor,
  { forceTls = false }: { forceTls?: boolean } = {},
): string[] {
  if (entry === undefined) return []
  const { hostname, wsPort, wssPort } = entry
  if (forceTls) return hostname !== undefined && wssPort !== undefined ? [`wss://${hostname}:${wssPort}/`] : []
  const hosts = [...(hostname === undefined ? [] : [hostname]), ...ipAddresses]
  return hosts.map((host) => `ws://${host.includes(':') ? `[${host}]` : host}:${wsPort}/`)
}
