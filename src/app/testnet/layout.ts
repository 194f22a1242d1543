/** Who is in a network on one machine: names, addresses, layers. @module */
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Net } from '../../foundation/platform/net.ts'
import type { NodeRole } from '../node/nodeConfig.ts'
import type { TestnetIssuerPlan } from './issuers.ts'

export interface NodePlan {
  readonly nodeId: number
  readonly name: string
  readonly roles: readonly NodeRole[]
  readonly layer: 1 | 2 | 3 | undefined
  readonly host: string
  /** What somebody's TLS proxy in front of this gateway answers for: announced, not listened on. */
  readonly wss?: { readonly hostname: string; readonly port: number }
}

export interface NetworkSize {
  readonly mixNodes: number
  readonly entries: number
  readonly exits: number
}

export const DEFAULT_SIZE: NetworkSize = { mixNodes: 6, entries: 2, exits: 1 }

const MIX_NAMES = ['knot', 'dunlin', 'rook', 'jackdaw', 'wren', 'swift', 'crake', 'twite', 'siskin', 'brambling']
const ENTRY_NAMES = ['tern', 'plover', 'avocet', 'godwit']
const EXIT_NAMES = ['heron', 'egret', 'bittern']

const nameOf = (names: readonly string[], index: number): string => {
  const name = names[index % names.length] as string
  return index < names.length ? name : `${name}${Math.floor(index / names.length) + 1}`
}

/**
 * Every node gets its own loopback address where the system has them (Linux), because nodes of this protocol recognise each
 * other's encrypted links by address; elsewhere all share one.
 */
export function planNetwork({ mixNodes, entries, exits }: NetworkSize, ownAddresses: boolean): readonly NodePlan[] {
  const plans: NodePlan[] = []
  const add = (name: string, roles: readonly NodeRole[], layer: 1 | 2 | 3 | undefined) => {
    const nodeId = plans.length + 1
    plans.push({ nodeId, name, roles, layer, host: ownAddresses ? `127.0.1.${nodeId}` : '127.0.0.1' })
  }
  for (let i = 0; i < mixNodes; i++) add(nameOf(MIX_NAMES, i), ['mix'], ((i % 3) + 1) as 1 | 2 | 3)
  for (let i = 0; i < entries; i++) add(nameOf(ENTRY_NAMES, i), ['entry'], undefined)
  for (let i = 0; i < exits; i++) add(nameOf(EXIT_NAMES, i), ['exit'], undefined)
  return plans
}

/** Issuers beside the nodes, each with an address of its own where the nodes have them too. */
export function planIssuers(count: number, threshold: number, ownAddresses: boolean): TestnetIssuerPlan {
  const hostOf = (last: number): string => (ownAddresses ? `127.0.2.${last}` : '127.0.0.1')
  const hosts = Array.from({ length: count }, (_, i) => hostOf(i + 1))
  return { hosts, threshold, faucetHost: hostOf(count + 1) }
}

/** Whether 127.0.1.x can be listened on: on Linux, and where somebody added the addresses. */
export async function hasLoopbackAddresses(net: Net): Promise<boolean> {
  try {
    const listener = await net.listen({ host: '127.0.1.1', port: 0 }, (connection) => connection.destroy())
    await listener.close()
    return true
  } catch (error) {
    if (isMixnetError(error)) return false
    throw error
  }
}
