/** What opens streams to the outside world: ExitConnections in production, something in memory in tests. @module */
import type { ExitStream } from './exitStream.ts'

export interface Destination {
  /**
   * An IP address, IPv6 without brackets, or a name, which is resolved at the exit. What it found is never told: the protocol has no
   * question for addresses and no answer with any (docs/spec/exit.md). What dnsLookup.ts asks is another server, and its answer need not
   * be what the exit then finds for the same name.
   */
  readonly host: string
  readonly port: number
}

export interface Dialer {
  /**
   * Returns at once: data written goes right behind the connect. The exit cannot connect streams of different `isolation` keys with
   * each other; by default every site has its own. Throws QUEUE_FULL above the connection limit.
   */
  open(destination: Destination, isolation?: string): ExitStream
  /**
   * Another number when kept connections are not to be used for anything new: we are at another gateway, and an exit answers first by
   * what leads to the one before. Those in use go on.
   */
  generation?(): number
}
