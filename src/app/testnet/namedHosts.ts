/** A Net that knows a few names more: how the exit of a network on one machine finds the demo site on its odd port. @module */
import type { Endpoint, Net } from '../../foundation/platform/net.ts'

// A documentation address: never routed, so nothing real is hidden by it.
const FIRST_ADDRESS = '203.0.113.'

/** Connections to the named hosts come from `localHost`, where one is given: what the site sees is then the node's address. */
export function withNamedHosts(net: Net, hosts: ReadonlyMap<string, Endpoint>, localHost?: string): Net {
  const byAddress = new Map([...hosts].map(([name, endpoint], i) => [`${FIRST_ADDRESS}${i + 1}`, { name, endpoint }]))
  const addressOf = (host: string) => [...byAddress].find(([, { name }]) => name === host)?.[0]
  return {
    listen: (options, accept) => net.listen(options, accept),
    connect: (options) => {
      const named = byAddress.get(options.host)
      if (named === undefined) return net.connect(options)
      return net.connect({ ...options, ...named.endpoint, ...(localHost === undefined ? {} : { localHost }) })
    },
    listenWebSocket: (options, accept) => net.listenWebSocket(options, accept),
    connectWebSocket: (options) => net.connectWebSocket(options),
    serveHttp: (options, handler) => net.serveHttp(options, handler),
    request: (request) => net.request(request),
    resolve: async (host) => {
      const address = addressOf(host)
      return address === undefined ? net.resolve(host) : [address]
    },
    ownAddresses: () => net.ownAddresses(),
  }
}
