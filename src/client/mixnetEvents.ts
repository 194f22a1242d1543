/** What a client tells its program of its connection. Types and states are stable; nothing here names a destination. @module */
import type { MixnetError } from '../foundation/base/errors.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'

export type MixnetEvent =
  /** A gateway is tried, the first or another one; `lost` may have been before. */
  | { readonly type: 'connecting'; readonly gateway: Uint8Array }
  /** Packets can be sent. */
  | { readonly type: 'open'; readonly gateway: Uint8Array }
  /** The gateway is away; it is tried again, and then others. Nothing has to be done. */
  | { readonly type: 'lost'; readonly error: MixnetError }
  /** All gateways this client keeps to are away; this one was drawn and is tried next. */
  | { readonly type: 'beyond-guards'; readonly gateway: Uint8Array }
  /** Right after `open`, at another gateway than before: our address has changed. */
  | { readonly type: 'moved'; readonly gateway: Uint8Array }
  /** The exit answers nothing any more, not even what only it can answer. */
  | { readonly type: 'exit-silent'; readonly exit: Recipient }
  /** Another one was chosen. What went through the old one has ended with EXIT_UNREACHABLE. */
  | { readonly type: 'exit-changed'; readonly exit: Recipient; readonly before: Recipient }
  /** A ticket went to a gateway; so many are left that are good today. */
  | { readonly type: 'ticket-spent'; readonly left: number }
  /** No more than a few are left, or none for tomorrow, and nobody buys more. */
  | { readonly type: 'tickets-low'; readonly left: number }
  /** `culprits`: indices of the issuers that answered wrongly, and were done without. */
  | { readonly type: 'book-bought'; readonly left: number; readonly culprits: readonly number[] }
  /** A book was to be bought and was not; it is tried again, and what was paid is not lost. */
  | { readonly type: 'purchase-failed'; readonly error: MixnetError }
  | { readonly type: 'closed' }

/** Of the way to the gateway. */
export type MixnetState = 'connecting' | 'open' | 'lost' | 'closed'

/** Remembers the state that the events amount to. */
export class Events {
  readonly #tell: ((event: MixnetEvent) => void) | undefined
  #state: MixnetState = 'connecting'

  constructor(tell: ((event: MixnetEvent) => void) | undefined) {
    this.#tell = tell
  }

  get state(): MixnetState {
    return this.#state
  }

  tell(event: MixnetEvent): void {
    if (this.#state === 'closed') return
    const { type } = event
    if (type === 'connecting' || type === 'open' || type === 'lost' || type === 'closed') this.#state = type
    this.#tell?.(event)
  }
}
