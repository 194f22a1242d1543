/**
 * Who may announce which IP address. Nodes look Noise keys up by address and allow senders by address, so a node that announced
 * another's address could cut that one's links. A node whose bonded host is at an address has the first right to it.
 * Rules: docs/spec/directory-server.md, "Addresses". @module
 */
import { canonicalIp, formatIp, parseIp } from '../../foundation/base/ipAddress.ts'
import type { BondedNode } from './bondedNodes.ts'

export interface AddressClaim {
  readonly nodeId: number
  readonly mixPort: number
  /** Canonical. */
  readonly announced: readonly string[]
  /** Addresses of its bonded host. */
  readonly proven: readonly string[]
}

/** What each node may announce, in its own order. */
export function settleClaims(
  claims: readonly AddressClaim[],
  bonded: readonly Pick<BondedNode, 'nodeId' | 'host'>[],
): ReadonlyMap<number, readonly string[]> {
  // Nodes that do not answer now keep their address too: nobody may take it over while they restart.
  const owners = new Map<string, Set<number>>()
  const addOwner = (ip: string, nodeId: number): void => {
    const known = owners.get(ip)
    if (known === undefined) owners.set(ip, new Set([nodeId]))
    else known.add(nodeId)
  }
  for (const { nodeId, host } of bonded) {
    const bytes = parseIp(host)
    if (bytes !== undefined) addOwner(formatIp(canonicalIp(bytes)), nodeId)
  }
  for (const { nodeId, proven } of claims) for (const ip of proven) addOwner(ip, nodeId)

  const takenPorts = new Set<string>()
  const takenIps = new Set<string>()
  const allowed = new Map<number, string[]>()
  // The lowest id first: bonded longest, and the same for everybody.
  for (const { nodeId, mixPort, announced } of [...claims].sort((a, b) => a.nodeId - b.nodeId)) {
    const mine = announced.filter((ip) => {
      const owned = owners.get(ip)
      // Several nodes at one address, as on one machine: told apart by their ports.
      if (owned !== undefined) return owned.has(nodeId) && take(takenPorts, `${ip} ${mixPort}`)
      return take(takenIps, ip)
    })
    allowed.set(nodeId, mine)
  }
  return allowed
}

function take(taken: Set<string>, what: string): boolean {
  if (taken.has(what)) return false
  taken.add(what)
  return true
}
