/** A client's way into the mixnet. @module */
import type { MixnetError } from '../foundation/base/errors.ts'
import type { MixPacket } from '../protocol/wire/mixPacket.ts'

export interface EntryLinkHandlers {
  /** A packet for this client, its SURB-ack removed. */
  pushed(plaintext: Uint8Array): void
  /** Ready to send; `gateway` may have changed since the last time. */
  opened(): void
  lost(error: MixnetError): void
}

/** A websocket to a gateway, or a direct call inside the node that hosts an exit. It reopens by itself after a loss. */
export interface EntryLink {
  /** Ed25519 identity, 32 bytes: the last part of the client's address. */
  readonly gateway: Uint8Array
  readonly isOpen: boolean
  attach(handlers: EntryLinkHandlers): void
  /** False where the link is down or its buffer is full: the packet was not taken. */
  send(packet: MixPacket): boolean
  close(): Promise<void>
}
