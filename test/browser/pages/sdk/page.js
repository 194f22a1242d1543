// What a program does with the official sdk: connect, send, listen. `tell` is the test, in the other process.
import { createNymMixnetClient } from './index.js'

let client

// Declared as Uint8Array; binary payloads come as plain arrays of numbers.
const base64 = (bytes) => Uint8Array.from(bytes).toBase64()

async function create() {
  const created = await createNymMixnetClient()
  client = created.client
  const { events } = created
  events.subscribeToTextMessageReceivedEvent(({ args }) => tell({ kind: 'text', ...args, payloadRaw: undefined }))
  events.subscribeToBinaryMessageReceivedEvent(({ args }) =>
    tell({ kind: 'binary', ...args, payload: base64(args.payload) }),
  )
  events.subscribeToRawMessageReceivedEvent(({ args }) => tell({ kind: 'raw', payload: base64(args.payload) }))
  return events
}

Object.assign(globalThis, {
  /** Resolves with the page's address once the client says that it is connected. */
  async connect(options) {
    const events = await create()
    const connected = new Promise((resolve) => events.subscribeToConnected(({ args }) => resolve(args.address)))
    await client.start(options)
    return await connected
  },
  /** Resolves long before anything has happened: whether it comes to something is only said on the console. */
  async start(options) {
    await create()
    await client.start(options)
  },
  sendText: (recipient, message) => client.send({ payload: { message, mimeType: 'text/plain' }, recipient }),
  sendBinary: (recipient, base64, headers) =>
    client.send({
      payload: { message: Uint8Array.fromBase64(base64), mimeType: 'application/octet-stream', headers },
      recipient,
    }),
  sendRaw: (recipient, base64, replySurbs) =>
    client.rawSend({ payload: Uint8Array.fromBase64(base64), recipient, replySurbs }),
  stop: () => client.stop(),
})
