/**
 * Who can exchange the sdk's messages: pages of the official sdk and of our drop-in, our client on Node and in a page. What the latter
 * two send and get is the sdk's envelope, written and read here. @module
 */
import { connect } from '../../src/app/sdk/connect.ts'
import { fromUtf8, utf8 } from '../../src/foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../../src/foundation/base/errors.ts'
import { formatRecipient } from '../../src/protocol/packet/recipient.ts'
import { until } from './network.ts'
import { DEADLINE_MS, type PageEvent } from './officialPage.ts'
import { decodeSdkPayload, encodeSdkPayload } from './sdkPayload.ts'
import type { Stage } from './stage.ts'

export type PartyKind = 'official page' | 'drop-in page' | 'Starling page' | 'Starling on Node'

/** Text as it is, binary in base64. */
export interface Heard {
  readonly kind: 'text' | 'binary'
  readonly content: string
  readonly headers: string | undefined
}

export interface Party {
  readonly kind: PartyKind
  readonly address: string
  sendText(to: string, text: string): Promise<void>
  sendBinary(to: string, content: string, headers: string): Promise<void>
  heard(): readonly Heard[]
  close(): Promise<void>
}

/** Somebody new. */
export async function joined(stage: Stage, kind: PartyKind): Promise<Party> {
  if (kind === 'official page') return await sdkPage(stage, kind, 'sdk')
  if (kind === 'drop-in page') return await sdkPage(stage, kind, 'sdkDropIn')
  return kind === 'Starling page' ? await starlingPage(stage) : await starlingOnNode(stage)
}

/** Resolves once it has heard so many that fit, with all of them. */
export async function hears(party: Party, count: number, fits: (heard: Heard) => boolean): Promise<readonly Heard[]> {
  const found = () => party.heard().filter(fits)
  await until(() => found().length >= count, `${party.kind} hears ${count} messages`)
  return found()
}

async function sdkPage(stage: Stage, kind: PartyKind, folder: 'sdk' | 'sdkDropIn'): Promise<Party> {
  const page = await stage.open(folder)
  const address = await page.call<string>('connect', stage.options)
  return {
    kind,
    address,
    sendText: (to, text) => page.call('sendText', to, text),
    sendBinary: (to, content, headers) => page.call('sendBinary', to, content, headers),
    heard: () =>
      page.received.flatMap(({ kind, payload, headers }) =>
        kind === 'raw' ? [] : [{ kind, content: payload, headers: headers ?? undefined }],
      ),
    close: () => page.close(),
  }
}

async function starlingPage(stage: Stage): Promise<Party> {
  const page = await stage.open('starling')
  await page.call('connect', { directory: stage.network.directoryUrl })
  const address = await page.call<readonly string[]>('address')
  const [identity, encryptionKey, gateway] = address.map((part) => Buffer.from(part, 'base64')) as [
    Buffer,
    Buffer,
    Buffer,
  ]
  const send = (to: string, data: Uint8Array) => page.call<void>('send', to, Buffer.from(data).toString('base64'))
  return {
    kind: 'Starling page',
    address: formatRecipient({ identity, encryptionKey, gateway }),
    ...speaking(send),
    heard: () => page.received.flatMap(({ payload }: PageEvent) => understood(Buffer.from(payload, 'base64'))),
    close: () => page.close(),
  }
}

async function starlingOnNode(stage: Stage): Promise<Party> {
  const received: Uint8Array[] = []
  const mixnet = await connect({
    directory: stage.network.directoryUrl,
    connectTimeout: DEADLINE_MS,
    onMessage: ({ data }) => received.push(data),
  })
  return {
    kind: 'Starling on Node',
    address: formatRecipient(mixnet.address),
    ...speaking((to, data) => mixnet.send(to, data)),
    heard: () => received.flatMap(understood),
    close: () => mixnet.close(),
  }
}

function speaking(send: (to: string, data: Uint8Array) => Promise<void>): Pick<Party, 'sendText' | 'sendBinary'> {
  return {
    sendText: (to, text) => send(to, encodeSdkPayload({ mimeType: 'text/plain', headers: null, payload: utf8(text) })),
    sendBinary(to, content, headers) {
      const payload = Buffer.from(content, 'base64')
      return send(to, encodeSdkPayload({ mimeType: 'application/octet-stream', headers, payload }))
    },
  }
}

function understood(data: Uint8Array): readonly Heard[] {
  const message = tryDecode(() => decodeSdkPayload(data))
  if (isMixnetError(message)) return []
  const { mimeType, payload } = message
  const headers = message.headers ?? undefined
  return mimeType === 'text/plain'
    ? [{ kind: 'text', content: fromUtf8(payload, 'text'), headers }]
    : [{ kind: 'binary', content: Buffer.from(payload).toString('base64'), headers }]
}
