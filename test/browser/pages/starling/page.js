// Our own client in a page, as its users write it. Bytes cross to the test in base64.
import { connect, isMixnetError } from './starling.js'

const toBase64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
const fromBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0))

let mixnet
const events = []

globalThis.connect = async (options) => {
  mixnet = await connect({ ...options, onEvent: ({ type }) => events.push(type) })
  listen(mixnet)
}

globalThis.close = async () => await mixnet.close()
/** What the client told so far. */
globalThis.events = () => events
/** What was loaded beside the page, and whom it asked. */
globalThis.loaded = () => performance.getEntriesByType('resource').map(({ name }) => name)

/** Stays when the identity was kept. */
globalThis.identity = () => toBase64(mixnet.address.identity)

globalThis.address = () => {
  const { identity, encryptionKey, gateway } = mixnet.address
  return [identity, encryptionKey, gateway].map(toBase64)
}

globalThis.send = async (to, payload) => await mixnet.send(to, fromBase64(payload), { repliable: true })
globalThis.reply = async (sender, payload) => await mixnet.reply(sender, fromBase64(payload))
globalThis.sendToSelf = async (payload) => await mixnet.send(mixnet.address, fromBase64(payload))

/** What `fetch` gave, or the code of the error. */
globalThis.request = async (url, init = {}) => {
  try {
    const response = await mixnet.fetch(url, init)
    const body = new Uint8Array(await response.arrayBuffer())
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', body))
    return { status: response.status, bytes: body.length, sha256: toBase64(hash), text: toBase64(body.slice(0, 1000)) }
  } catch (error) {
    return { code: isMixnetError(error) ? error.code : `${error.name}: ${error.message}` }
  }
}

globalThis.tryConnect = async (options) => {
  try {
    await (await connect(options)).close()
    return 'connected'
  } catch (error) {
    return isMixnetError(error) ? error.code : String(error)
  }
}

/** A case of test/fetchCases. */
globalThis.runCase = async (number, settings) => {
  const { runCase } = await import('./cases.js')
  const codeOf = (error) => {
    if (isMixnetError(error)) return error.code
    return { AbortError: 'ABORTED', TimeoutError: 'TIMEOUT' }[error.name] ?? `${error.name}: ${error.message}`
  }
  return await runCase(number, { kind: 'web', fetch: mixnet.fetch, codeOf, ...settings })
}

/** What the local websocket API answers a page of this origin: our address, or that the browser was turned away. */
globalThis.askLocalApi = (url) =>
  new Promise((resolve) => {
    const socket = new WebSocket(url)
    socket.onopen = () => socket.send('{"type":"selfAddress"}')
    socket.onmessage = ({ data }) => {
      socket.close()
      resolve(JSON.parse(data).type)
    }
    socket.onerror = () => resolve('refused')
  })

globalThis.close = async () => await mixnet.close()

async function listen({ messages }) {
  for await (const { data, sender } of messages.call(mixnet)) {
    globalThis.tell({ kind: 'binary', payload: toBase64(data), headers: sender })
  }
}
