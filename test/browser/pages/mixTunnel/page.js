// What a program does with the official mix-fetch 2: open the tunnel once, then use it like fetch.
import { disconnectMixTunnel, getTunnelState, mixFetch, setupMixTunnel } from './index.js'

Object.assign(globalThis, {
  async setUp(options) {
    await setupMixTunnel(options)
  },
  /** The answer with its body as base64, or what was thrown. */
  async request(url, { bodyBase64, ...init } = {}) {
    try {
      const body = bodyBase64 === undefined ? {} : { body: Uint8Array.fromBase64(bodyBase64) }
      const response = await mixFetch(url, { ...init, ...body })
      const bytes = new Uint8Array(await response.arrayBuffer())
      return { status: response.status, headers: Object.fromEntries(response.headers), body: bytes.toBase64() }
    } catch (error) {
      return { error: String(error?.message ?? error) }
    }
  },
  state: () => getTunnelState(),
  disconnect: () => disconnectMixTunnel(),
})
