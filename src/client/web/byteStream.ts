/**
 * What HTTP needs of a connection, and what TLS both needs and offers: an ordered byte stream each way, whose reader can make it
 * wait. An `ExitStream` is one. @module
 */
import type { MixnetError } from '../../foundation/base/errors.ts'

export interface ByteStreamHandlers {
  /** Ownership of the chunk passes. Not called while paused. */
  data(chunk: Uint8Array): void
  /** The other side has said that it will send no more. Over TLS, with its signature under it. */
  end(): void
  /** Called exactly once, last; without an error where both sides had ended. */
  close(error?: MixnetError): void
}

export interface ByteStream {
  attach(handlers: ByteStreamHandlers): void
  /** Resolves when there is room for more; until then the bytes must not change. */
  write(data: Uint8Array): Promise<void>
  end(): void
  destroy(error?: MixnetError): void
  pause(): void
  resume(): void
}
