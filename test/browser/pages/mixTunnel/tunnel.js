// Of the tunnel under the official mix-fetch 2: its state, and its end. Requests are made by the page of mix-fetch 1, which needs no change.
import { disconnectMixTunnel, getTunnelState } from './index.js'

Object.assign(globalThis, {
  state: () => getTunnelState(),
  disconnect: () => disconnectMixTunnel(),
})
