// What both workers do with the client, whichever bundle it comes from.

let mixnet

export const current = () => mixnet

export function operations({ connect, isMixnetError }) {
  return {
    async connect(options) {
      mixnet = await connect(options)
    },
    identity: () => Array.from(mixnet.address.identity),
    async request(url) {
      try {
        const response = await mixnet.fetch(url)
        const text = await response.text()
        return { status: response.status, text, outcome: mixnet.explain(response).outcome }
      } catch (error) {
        return { code: isMixnetError(error) ? error.code : String(error) }
      }
    },
    async sendToSelf(text) {
      await mixnet.send(mixnet.address, text)
      for await (const { data } of mixnet.messages()) return new TextDecoder().decode(data)
    },
    /** What a WebSocket echoed, and how it closed. */
    webSocket: (url, text) =>
      new Promise((resolve) => {
        const socket = new mixnet.WebSocket(url)
        let heard
        let failure
        socket.onopen = () => socket.send(text)
        socket.onmessage = ({ data }) => {
          heard = data
          socket.close(1000)
        }
        socket.onerror = ({ error }) => {
          failure = error.code
        }
        socket.onclose = ({ code, wasClean }) => resolve({ heard, failure, code, wasClean })
      }),
    close: () => mixnet.close(),
    isMixnetError,
  }
}

export async function answer({ isMixnetError, ...all }, { data: { name, args }, ports: [port] }) {
  try {
    port.postMessage({ value: await all[name](...args) })
  } catch (error) {
    port.postMessage({ error: isMixnetError(error) ? `${error.code}: ${error.message}` : String(error) })
  }
}
