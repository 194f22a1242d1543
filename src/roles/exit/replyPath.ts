/** How an exit answers a client, and what it needs of the mixnet client it is behind. @module */
import type { Lane } from '../../client/laneQueue.ts'
import type { KnownSender, SenderTag } from '../../client/replyStock.ts'
import type { Recipient } from '../../protocol/packet/recipient.ts'
import { encodeInterfaceResponse, type WireVersion } from '../../protocol/wire/exit/interfaceEnvelope.ts'
import { encodeSocks5Response, type Socks5ResponseBody } from '../../protocol/wire/exit/socks5Messages.ts'

/** What an exit uses of MixnetClient. */
export interface RequesterClient {
  readonly address: Recipient
  onMessage(handler: (message: { readonly data: Uint8Array; readonly sender?: SenderTag }) => void): void
  /** Resolves once the message is queued; waits while its lane is full. */
  send(message: {
    readonly to: Recipient
    readonly data: Uint8Array
    readonly lane: Lane
    readonly anonymous: boolean
    readonly signal: AbortSignal
  }): Promise<void>
  /** As `send`. Throws NO_REPLY_BLOCKS where the sender gave none. */
  reply(message: {
    readonly to: SenderTag
    readonly data: Uint8Array
    readonly lane: Lane
    readonly signal: AbortSignal
  }): Promise<void>
  whenLaneBelow(lane: Lane, packets: number, signal: AbortSignal, tag?: SenderTag): Promise<void>
  closeLane(lane: Lane, tag?: SenderTag): void
  /** Whose reply SURBs are kept, the longest quiet first. They may be forgotten while they are looked through. */
  readonly senders: Iterable<KnownSender>
  /** Throws the reply SURBs of a pseudonym away, unless it writes again. */
  forget(tag: SenderTag): void
}

export type ReplyPath =
  | { readonly kind: 'tag'; readonly tag: SenderTag }
  | { readonly kind: 'address'; readonly recipient: Recipient }

/** The versions a request came in; answers to it go out in the same. */
export interface RequestVersions {
  readonly envelope: WireVersion
  readonly provider: WireVersion
}

export interface Answer {
  readonly path: ReplyPath
  readonly lane: Lane
  readonly data: Uint8Array
  readonly signal: AbortSignal
}

export async function sendAnswer(client: RequesterClient, { path, lane, data, signal }: Answer): Promise<void> {
  if (path.kind === 'tag') await client.reply({ to: path.tag, data, lane, signal })
  else await client.send({ to: path.recipient, data, lane, anonymous: false, signal })
}

export function encodeProviderAnswer({ envelope, provider }: RequestVersions, body: Socks5ResponseBody): Uint8Array {
  const data = encodeSocks5Response({ version: provider, ...body })
  return encodeInterfaceResponse({ kind: 'providerData', interfaceVersion: envelope, data })
}
