/**
 * What a client can tell, to nobody but its own program, of the packets it sends: where each was sent through, how long each mix
 * node was asked to hold it, and when its ack came back. For showing people what happens; nothing of it leaves the process.
 * @module
 */
import { type Millis, type Nanos, nanosToMillis } from '../foundation/base/units.ts'
import type { FragmentId } from '../protocol/packet/acks.ts'
import { decodeNodeAddress, type NodeAddress } from '../protocol/packet/nodeAddress.ts'
import type { Hop } from '../protocol/sphinx/route.ts'
import type { Lane } from './laneQueue.ts'

export interface PacketHop {
  readonly address: NodeAddress
  /** What the node was asked to hold the packet; undefined for the last one, which hands it over at once. */
  readonly hold: Millis | undefined
}

export type PacketEvent =
  /** Taken by the entry gateway's link. A fragment that is sent again tells again, with its new route. */
  | { readonly type: 'sent'; readonly id: FragmentId; readonly lane: Lane; readonly hops: readonly PacketHop[] }
  /** Of a message or a reply. */
  | { readonly type: 'acknowledged'; readonly id: FragmentId }

export function describeRoute(route: readonly Hop[], delays: readonly Nanos[]): readonly PacketHop[] {
  return route.map(({ address }, i) => ({
    address: decodeNodeAddress(address).address,
    hold: i < route.length - 1 ? nanosToMillis(delays[i] as Nanos) : undefined,
  }))
}
