/**
 * A program in a network of its own, as an argument: it has no way out but the packets that are handed to us. What it sends while we are
 * away goes nowhere. @module
 */

export interface PacketDevice {
  /** Bytes of a packet. */
  readonly mtu: number
  /** Addresses of its programs, and of what they take for their router and name server: canonical text. */
  readonly programs: { readonly ipv4: string; readonly ipv6: string }
  readonly router: { readonly ipv4: string; readonly ipv6: string }
  /** Whole IP packets of programs. The bytes are the handler's until it returns. */
  onPacket(handler: (packet: Uint8Array) => void): void
  /** To the programs. Lost where their device does not keep up. */
  send(packet: Uint8Array): void
}

export interface ProgramNetwork extends PacketDevice {
  /** Starts the program with our terminal. Resolves when it has ended: its exit code, 128 and the signal's number where one ended it. */
  run(command: readonly string[]): Promise<number>
  /** Tells what of it still runs to end, as a terminal does that closes. */
  hangUp(): void
  /** Ends what of it still runs. */
  close(): Promise<void>
}

/** The network of the whole machine: all that it sends is handed to us, but for connections that were let around. */
export interface MachineNetwork extends PacketDevice {
  /** Nothing is to leave the machine but through us or what was let around: so it stays, also after we are gone, until `restore`. */
  readonly isRaised: boolean
  /** Completes what an earlier one has left, without the device: nothing leaves but what is let around. Throws ENGINE_FAILED. */
  shut(): Promise<void>
  /** Lets TCP to that place around: before `raise` it is noted only. An address, not a name. Throws ENGINE_FAILED. */
  letAround(address: string, port: number): Promise<void>
  /** Throws ENGINE_UNAVAILABLE, ENGINE_FAILED; where nothing was raised before, everything is as it was then, or `isRaised`. */
  raise(): Promise<void>
  /** The device is gone, for whatever reason. Never resolves before `raise`. Rejects where what others took away cannot be put back. */
  readonly lost: Promise<void>
  /** Gives the machine its network back, and touches nothing that is not ours. Throws ENGINE_FAILED where something of ours stays. */
  restore(): Promise<void>
  /** Ends what belongs to us, and leaves what was raised: nothing leaves then but what was let around. */
  leave(): Promise<void>
}
