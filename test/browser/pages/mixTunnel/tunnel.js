// What else uses the tunnel under the official mix-fetch 2: names and WebSockets. Requests are made by the page of mix-fetch 1, which needs no change.
import { mixDNS } from '@nymproject/mix-dns'
import { MixWebSocket } from '@nymproject/mix-websocket'
import { disconnectMixTunnel, getTunnelState } from './index.js'

let socket

Object.assign(globalThis, {
  state: () => getTunnelState(),
  disconnect: () => disconnectMixTunnel(),
  /** The address, or what was thrown. */
  async resolveName(name) {
    try {
      return { address: await mixDNS(name) }
    } catch (error) {
      return { error: error.message }
    }
  },
  /** Resolves with the state of the socket once it is open, or never will be; messages are told from then on, and the end. */
  async openSocket(url) {
    socket = new MixWebSocket(url)
    socket.addEventListener('message', ({ data }) => {
      if (typeof data === 'string') tell({ kind: 'text', payload: data })
      else tell({ kind: 'binary', payload: new Uint8Array(data).toBase64() })
    })
    socket.addEventListener('error', ({ message }) => tell({ kind: 'raw', payload: message }))
    socket.addEventListener('close', () => tell({ kind: 'raw', payload: 'closed' }))
    await socket.opened()
    return socket.readyState
  },
  sendText: (text) => socket.send(text),
  sendBytes: (base64) => socket.send(Uint8Array.fromBase64(base64)),
  closeSocket: () => socket.close(),
})
