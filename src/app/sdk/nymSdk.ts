/** `starling-mixnet/sdk` on Node. @module */
import {
  createClient,
  MimeTypes as mimeTypes,
  type NymMixnetClient,
  type NymMixnetClientOptions,
} from './nymSdkClient.ts'
import { EventKinds as eventKinds } from './nymSdkEvents.ts'
import { nodeRuntime } from './nymSdkNode.ts'

export type { Client, NymMixnetClient, NymMixnetClientOptions, Payload, SendArgs } from './nymSdkClient.ts'
export type {
  BinaryMessageReceivedEvent,
  ConnectedEvent,
  Events,
  LoadedEvent,
  RawMessageReceivedEvent,
  StringMessageReceivedEvent,
} from './nymSdkEvents.ts'
export type { NymClientOptions as ClientOpts } from './nymSdkOptions.ts'

export const EventKinds: typeof eventKinds = eventKinds
export const MimeTypes: typeof mimeTypes = mimeTypes

/** A client that is not connected yet: `client.start` does that. */
export async function createNymMixnetClient(options?: NymMixnetClientOptions): Promise<NymMixnetClient> {
  return createClient(nodeRuntime, options)
}
