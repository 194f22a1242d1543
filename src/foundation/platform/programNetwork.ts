/**
 * A program in a network of its own, as an argument: it has no way out but the packets that are handed to us. What it sends while we are
 * away goes nowhere. @module
 */

export interface ProgramNetwork {
  /** Bytes of a packet. */
  readonly mtu: number
  /** Addresses of its programs, and of what they take for their router and name server: canonical text. */
  readonly programs: { readonly ipv4: string; readonly ipv6: string }
  readonly router: { readonly ipv4: string; readonly ipv6: string }
  /** Whole IP packets of programs. The bytes are the handler's until it returns. */
  onPacket(handler: (packet: Uint8Array) => void): void
  /** To the programs. Lost where their device does not keep up. */
  send(packet: Uint8Array): void
  /** Starts the program with our terminal. Resolves when it has ended: its exit code, 128 and the signal's number where one ended it. */
  run(command: readonly string[]): Promise<number>
  /** Ends what of it still runs. */
  close(): Promise<void>
}
