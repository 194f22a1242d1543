/** How the datagrams and pings of clients leave an exit, and how others come back: what an engine has to be. Connections end before it (`TcpEnds`). @module */
import type { MixnetError } from '../../../foundation/base/errors.ts'
import type { IpPair } from '../../../protocol/wire/exit/bincode.ts'

export interface WayOutOptions {
  /** Of the client. */
  readonly ips: IpPair
  /** Packets for it, whole. The bytes are its own. */
  readonly received: (packet: Uint8Array) => void
  /** It is over, and not by `close`: nothing comes any more. At most once. */
  readonly lost: (error: MixnetError) => void
}

export interface OpenWayOut {
  /** False where the engine has too much already: the packet is lost, as in any router. */
  send(packet: Uint8Array): boolean
  /** Takes nothing more from the world until `resume`, as far as the engine can: what cannot wait is lost there. */
  pause(): void
  resume(): void
  /** Resolves when nothing of it is left. */
  close(): Promise<void>
}

export interface WayOut {
  /** Bytes of a packet that goes through whole. */
  readonly mtu: number
  /** Throws ENGINE_FAILED, ABORTED. */
  open(options: WayOutOptions, signal: AbortSignal): Promise<OpenWayOut>
  close(): Promise<void>
}
