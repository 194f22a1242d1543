/** Events of the sdk's interface, and who listens. @module */

export const EventKinds: {
  readonly Loaded: 'Loaded'
  readonly Connected: 'Connected'
  readonly StringMessageReceived: 'StringMessageReceived'
  readonly BinaryMessageReceived: 'BinaryMessageReceived'
  readonly RawMessageReceived: 'RawMessageReceived'
} = {
  Loaded: 'Loaded',
  Connected: 'Connected',
  StringMessageReceived: 'StringMessageReceived',
  BinaryMessageReceived: 'BinaryMessageReceived',
  RawMessageReceived: 'RawMessageReceived',
}

export interface LoadedEvent {
  readonly kind: 'Loaded'
  readonly args: { readonly loaded: true }
}

/** Once after `start`, and again where the client had to move to another gateway, with the address that it has there. */
export interface ConnectedEvent {
  readonly kind: 'Connected'
  readonly args: { readonly address?: string }
}

export interface StringMessageReceivedEvent {
  readonly kind: 'StringMessageReceived'
  readonly args: {
    readonly mimeType: string
    readonly payload: string
    readonly payloadRaw: Uint8Array
    readonly headers?: string
  }
}

export interface BinaryMessageReceivedEvent {
  readonly kind: 'BinaryMessageReceived'
  readonly args: { readonly mimeType: string; readonly payload: Uint8Array; readonly headers?: string }
}

/** Every message, also those that are text or binary. */
export interface RawMessageReceivedEvent {
  readonly kind: 'RawMessageReceived'
  readonly args: { readonly payload: Uint8Array }
}

type NymEvent =
  | LoadedEvent
  | ConnectedEvent
  | StringMessageReceivedEvent
  | BinaryMessageReceivedEvent
  | RawMessageReceivedEvent

export type EventHandlerFn<E> = (event: E) => void | Promise<void>
export type EventHandlerUnsubscribeFn = () => void
export type EventHandlerSubscribeFn<E> = (handler: EventHandlerFn<E>) => EventHandlerUnsubscribeFn

export interface Events {
  readonly subscribeToLoaded: EventHandlerSubscribeFn<LoadedEvent>
  readonly subscribeToConnected: EventHandlerSubscribeFn<ConnectedEvent>
  readonly subscribeToTextMessageReceivedEvent: EventHandlerSubscribeFn<StringMessageReceivedEvent>
  readonly subscribeToBinaryMessageReceivedEvent: EventHandlerSubscribeFn<BinaryMessageReceivedEvent>
  readonly subscribeToRawMessageReceivedEvent: EventHandlerSubscribeFn<RawMessageReceivedEvent>
}

export class Subscriptions {
  readonly #handlers = new Map<NymEvent['kind'], EventHandlerFn<NymEvent>[]>()

  readonly events: Events = {
    subscribeToLoaded: (handler) => {
      // It is loaded when there is anybody to listen.
      const unsubscribe = this.#subscribe('Loaded', handler)
      const told: LoadedEvent = { kind: 'Loaded', args: { loaded: true } }
      queueMicrotask(() => this.#of('Loaded').includes(handler as EventHandlerFn<NymEvent>) && call(handler, told))
      return unsubscribe
    },
    subscribeToConnected: (handler) => this.#subscribe('Connected', handler),
    subscribeToTextMessageReceivedEvent: (handler) => this.#subscribe('StringMessageReceived', handler),
    subscribeToBinaryMessageReceivedEvent: (handler) => this.#subscribe('BinaryMessageReceived', handler),
    subscribeToRawMessageReceivedEvent: (handler) => this.#subscribe('RawMessageReceived', handler),
  }

  fire(event: NymEvent): void {
    for (const handler of [...this.#of(event.kind)]) call(handler, event)
  }

  #subscribe<E extends NymEvent>(kind: E['kind'], handler: EventHandlerFn<E>): EventHandlerUnsubscribeFn {
    const known = handler as EventHandlerFn<NymEvent>
    this.#handlers.set(kind, [...this.#of(kind), known])
    return () => {
      this.#handlers.set(
        kind,
        this.#of(kind).filter((one) => one !== known),
      )
    }
  }

  #of(kind: NymEvent['kind']): readonly EventHandlerFn<NymEvent>[] {
    return this.#handlers.get(kind) ?? []
  }
}

/** One that fails keeps nothing from the others, and is heard of where the official sdk says it: on the console. */
function call<E extends NymEvent>(handler: EventHandlerFn<E>, event: E): void {
  const failed = (error: unknown) => console.error(`Unhandled exception in handler for ${event.kind}:`, error)
  try {
    Promise.resolve(handler(event)).catch(failed)
  } catch (error) {
    failed(error)
  }
}
