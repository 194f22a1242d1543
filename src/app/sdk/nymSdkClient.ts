/**
 * The interface of `@nymproject/sdk` 1.4.1, over a client of ours, and its messages: pages of both talk to each other. What is
 * different, and why: docs/compatibility.md, "Our drop-ins". @module
 */
import type { ReceivedMessage } from '../../client/mixnetClient.ts'
import type { MixnetCore } from '../../client/mixnetCore.ts'
import { fromUtf8, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { seconds } from '../../foundation/base/units.ts'
import { formatRecipient } from '../../protocol/packet/recipient.ts'
import { decodeNymEnvelope, encodeNymEnvelope, type NymEnvelope } from './nymSdkEnvelope.ts'
import { EventKinds, type Events, Subscriptions } from './nymSdkEvents.ts'
import { mixnetOptions, type NymClientOptions } from './nymSdkOptions.ts'
import { type Identity, type NymRuntime, takeIdentity } from './nymSdkRuntime.ts'

/** Those whose messages are text unless a program says otherwise; any other type may be named as well. */
export const MimeTypes: {
  readonly ApplicationOctetStream: 'application/octet-stream'
  readonly TextPlain: 'text/plain'
  readonly ApplicationJson: 'application/json'
} = {
  ApplicationOctetStream: 'application/octet-stream',
  TextPlain: 'text/plain',
  ApplicationJson: 'application/json',
}

export interface Payload {
  /** Text only with a type that is text, see `setTextMimeTypes`. */
  readonly message: string | Uint8Array
  /** Default: application/octet-stream. */
  readonly mimeType?: string | undefined
  readonly headers?: string | undefined
}

export interface SendArgs<P> {
  readonly payload: P
  /** Address of the recipient, as `selfAddress` gives it there. */
  readonly recipient: string
  /** For answers. Default 10; 0: the recipient learns no pseudonym either. */
  readonly replySurbs?: number | undefined
}

export interface Client {
  /**
   * Resolves when messages can be sent. Rejects as `connect` of this package; with LOCKED where another page has this identity
   * open, and BAD_ARGUMENT for options that cannot be kept.
   */
  readonly start: (opts?: NymClientOptions) => Promise<void>
  readonly stop: () => Promise<void>
  /** undefined before `start` is done. */
  readonly selfAddress: () => Promise<string | undefined>
  /** Types of messages that are text, sent and received. */
  readonly setTextMimeTypes: (mimeTypes: readonly string[]) => void
  readonly getTextMimeTypes: () => Promise<string[]>
  /** Resolves when it is queued. Rejects with STOPPED, BAD_ARGUMENT. */
  readonly send: (args: SendArgs<Payload>) => Promise<void>
  /** The bytes alone; the recipient gets a raw message. */
  readonly rawSend: (args: SendArgs<Uint8Array>) => Promise<void>
}

export interface NymMixnetClientOptions {
  readonly autoConvertStringMimeTypes?: readonly string[] | undefined
}

export interface NymMixnetClient {
  readonly client: Client
  readonly events: Events
}

interface Running {
  readonly mixnet: MixnetCore
  readonly identity: Identity
}

const DEFAULT_TEXT_TYPES = [MimeTypes.ApplicationJson, MimeTypes.TextPlain]
const DEFAULT_SURBS = 10
// What a recipient may ask for at once; more would be a way to make a page send for hours.
const MAX_SURBS = 500
/** A page that is loaded anew finds the lock of its former self for a moment. */
const PATIENCE = seconds(2)

export function createClient(
  runtime: NymRuntime<MixnetCore>,
  { autoConvertStringMimeTypes }: NymMixnetClientOptions = {},
): NymMixnetClient {
  const subscriptions = new Subscriptions()
  let textTypes: readonly string[] = [...(autoConvertStringMimeTypes ?? DEFAULT_TEXT_TYPES)]
  let starting: Promise<Running> | undefined
  let running: Running | undefined

  async function connect(opts: NymClientOptions): Promise<Running> {
    const { clientId, storagePassphrase: passphrase } = opts
    const options = mixnetOptions(opts)
    const identity = await takeIdentity(runtime.world, runtime.folderOf('sdk', clientId), PATIENCE)
    try {
      const mixnet = await runtime.connect({
        ...options,
        folder: identity.folder,
        locked: true,
        passphrase,
        onMessage: received,
        // Others find us at the new address only.
        onEvent: ({ type }) => type === 'moved' && running !== undefined && connected(running),
      })
      return { mixnet, identity }
    } catch (error) {
      await identity.release()
      throw error
    }
  }

  function connected({ mixnet }: Running): void {
    subscriptions.fire({ kind: EventKinds.Connected, args: { address: formatRecipient(mixnet.address) } })
  }

  function received({ data }: ReceivedMessage): void {
    subscriptions.fire({ kind: EventKinds.RawMessageReceived, args: { payload: data } })
    const message = tryDecode(() => decodeNymEnvelope(data))
    if (isMixnetError(message)) return
    const { mimeType, headers, payload } = message
    const about = { mimeType, ...(headers === undefined ? {} : { headers }) }
    if (!textTypes.includes(mimeType)) {
      subscriptions.fire({ kind: EventKinds.BinaryMessageReceived, args: { ...about, payload } })
      return
    }
    const text = tryDecode(() => fromUtf8(payload, 'text'))
    if (isMixnetError(text)) return
    const args = { ...about, payload: text, payloadRaw: payload }
    subscriptions.fire({ kind: EventKinds.StringMessageReceived, args })
  }

  async function send(data: Uint8Array, { recipient, replySurbs = DEFAULT_SURBS }: Omit<SendArgs<never>, 'payload'>) {
    if (running === undefined) throw notStarted()
    if (typeof recipient !== 'string') throw badArgument('recipient', 'not the text of an address')
    if (!Number.isInteger(replySurbs) || replySurbs < 0 || replySurbs > MAX_SURBS) {
      throw badArgument('replySurbs', `not a number from 0 to ${MAX_SURBS}`)
    }
    await running.mixnet.send(recipient, data, replySurbs === 0 ? { repliable: false } : { surbs: replySurbs })
  }

  const client: Client = {
    async start(opts = {}) {
      if (starting !== undefined) throw badArgument('start', 'it is started: stop it first')
      const connecting = connect(opts)
      starting = connecting
      try {
        running = await connecting
      } catch (error) {
        if (starting === connecting) starting = undefined
        throw error
      }
      connected(running)
    },
    async stop() {
      const stopping = starting
      if (stopping === undefined) throw notStarted()
      starting = running = undefined
      const { mixnet, identity } = await stopping
      await mixnet.close().finally(() => identity.release())
    },
    selfAddress: async () => (running === undefined ? undefined : formatRecipient(running.mixnet.address)),
    setTextMimeTypes(mimeTypes) {
      textTypes = [...mimeTypes]
    },
    getTextMimeTypes: async () => [...textTypes],
    send: async (args) => await send(encodeNymEnvelope(envelopeOf(args.payload, textTypes)), args),
    async rawSend(args) {
      if (!(args.payload instanceof Uint8Array)) throw badArgument('payload', 'not a Uint8Array')
      await send(args.payload, args)
    },
  }
  return { client, events: subscriptions.events }
}

/** Throws BAD_ARGUMENT. */
function envelopeOf(payload: Payload, textTypes: readonly string[]): NymEnvelope {
  // A bare text is what its own introduction shows, and what it never took.
  if (typeof payload !== 'object' || payload === null) throw badArgument('payload', 'give { message, mimeType }')
  const { message, mimeType = MimeTypes.ApplicationOctetStream, headers } = payload
  if (message instanceof Uint8Array) return { mimeType, headers, payload: message }
  if (typeof message !== 'string') throw badArgument('payload.message', 'neither text nor a Uint8Array')
  if (!textTypes.includes(mimeType)) throw badArgument('payload.mimeType', `${mimeType} is not one of text`)
  return { mimeType, headers, payload: utf8(message) }
}

const badArgument = (argument: string, why: string): MixnetError => new MixnetError('BAD_ARGUMENT', { argument, why })
const notStarted = (): MixnetError =>
  new MixnetError('STOPPED', {}, { message: 'the client is not started', nextStep: 'Await client.start first.' })
