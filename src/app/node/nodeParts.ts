/** What every part of a node is made of. @module */
import type { Log, Meter } from '../../foundation/base/observe.ts'
import type { Listener } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import type { WayOut } from '../../roles/exit/ip/wayOut.ts'
import type { Redeemer } from '../../roles/gateway/redeemer.ts'
import type { NodeConfig, NodeRole } from './nodeConfig.ts'
import { listenStepped } from './steppedPort.ts'

export interface NodeParts {
  readonly world: World
  readonly config: NodeConfig
  readonly meter: Meter
  readonly log: Log
  /** Checks tickets, in a thread of its own. Without it a gateway takes none. */
  readonly credentials?: CredentialEngine
  /** What a ticket is worth in units of its official value. Default 1; simulations use tickets up in minutes. */
  readonly ticketScale?: number
  /** Pays a gateway, whose identity key it is told, for the tickets that it took. Default: nobody does. */
  readonly redeemer?: ((gateway: Uint8Array) => Redeemer) | undefined
  /** Carries the IP packets of an exit's clients. Without it an exit carries none. */
  readonly wayOut?: WayOut | undefined
  /** A local network only: the port was taken and another one is used. */
  readonly onStep?: (wanted: number, used: number) => void
}

export const hasRole = ({ config }: NodeParts, role: NodeRole): boolean => config.roles.includes(role)

/** An exit's service is a client of a gateway, so an exit is one. */
export const isGateway = (parts: NodeParts): boolean => hasRole(parts, 'entry') || hasRole(parts, 'exit')

/** Where the node listens: what it announces, unless it is behind a NAT. */
export const listenHostOf = ({ config }: NodeParts): string => config.listenHost ?? config.host

/** On the port that was asked for, or in a local network on the next that is free. */
export function listenAt<T extends Listener>(
  { config, onStep }: NodeParts,
  wanted: number,
  listen: (port: number) => Promise<T>,
): Promise<T> {
  return listenStepped({ wanted, step: config.local, ...(onStep === undefined ? {} : { onStep }) }, listen)
}
