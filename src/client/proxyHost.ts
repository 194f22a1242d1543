/** What a program's connection to the local proxy offers to the protocol that is spoken on it. @module */
import type { MixnetError } from '../foundation/base/errors.ts'
import type { Destination } from './dialer.ts'
import type { ExitStream } from './exitStream.ts'
import type { Relay, RelayStream } from './relay.ts'

/** One protocol with one program: SOCKS or HTTP. */
export interface Conversation {
  data(chunk: Uint8Array): void
  /** The program will send no more. */
  end(): void
}

export interface ConnectRequest {
  /** For counting: what asked. */
  readonly version: string
  readonly destination: Destination
  /** What came behind the request. */
  readonly early: Uint8Array
  readonly granted: Uint8Array
  readonly denied: (error: MixnetError) => Uint8Array
}

export interface ProxyHost {
  /** The program's request is whole: its time limit ends. */
  requested(): void
  /** A tunnel to where the program said, which is told when there is one, or why not. Undefined: it was told at once. */
  connect(request: ConnectRequest): Relay | undefined
  /** The same without words: the caller answers. Counts the request. */
  open(version: string, destination: Destination): ExitStream | MixnetError
  relay(stream: RelayStream): Relay
  write(bytes: Uint8Array): void
  /** Says a last thing, and closes whatever the program does. */
  leave(last: Uint8Array): void
  /** Gone at once, so that half of something is not taken for the whole. */
  drop(): void
  refused(reason: string): void
  failed(error: MixnetError): void
}
