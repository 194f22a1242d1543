/** A network device of this machine whose packets are ours, as an argument. @module */

export interface TunDevice {
  /** Whole IP packets that the kernel sends through it. The bytes are the handler's. */
  onPacket(handler: (packet: Uint8Array) => void): void
  /** To the kernel, as if it had come in there. False where too much waits already, no packet is that long, or the device is gone: it is lost. */
  send(packet: Uint8Array): boolean
  /** When the device is gone, for whatever reason; never rejects. */
  readonly ended: Promise<void>
  /** Resolves when the device is gone. */
  close(): Promise<void>
}
