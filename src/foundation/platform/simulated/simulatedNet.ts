/** The sockets of one simulated process. @module */
import type { Net } from '../net.ts'
import type { Life } from './life.ts'
import type { Network } from './network.ts'
import { requestHttp, serveHttp } from './simulatedHttp.ts'
import { connectTcp, listenTcp } from './simulatedTcp.ts'
import { connectWebSocket, listenWebSocket } from './simulatedWebSocket.ts'

export function simulatedNet(network: Network, life: Life): Net {
  return {
    listen: (options, accept) => listenTcp(network, life, options, accept),
    connect: (options) => connectTcp(network, life, options),
    listenWebSocket: (options, accept) => listenWebSocket(network, life, options, accept),
    connectWebSocket: (options) => connectWebSocket(network, life, options),
    serveHttp: (options, handler) => serveHttp(network, life, options, handler),
    request: (request) => requestHttp(network, life, request),
    resolve: (host) => life.later(() => network.resolve(host)),
    ownAddresses: () => new Set(life.machine.ips),
  }
}
