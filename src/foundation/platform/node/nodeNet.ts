/** Real sockets. @module */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Net } from '../net.ts'
import { nodeAddresses } from './nodeAddresses.ts'
import { serveHttp } from './nodeHttp.ts'
import { requestHttp } from './nodeHttpClient.ts'
import { connectTcp, listenTcp } from './nodeTcp.ts'
import { connectWebSocket, listenWebSocket } from './nodeWebSocket.ts'
import { socketError } from './systemErrors.ts'

async function resolve(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host]
  try {
    const found = await lookup(host, { all: true, order: 'ipv4first' })
    return [...new Set(found.map(({ address }) => address))]
  } catch (error) {
    throw socketError(error, 'connecting')
  }
}

export const nodeNet: Net = {
  listen: listenTcp,
  connect: connectTcp,
  listenWebSocket,
  connectWebSocket,
  serveHttp,
  request: requestHttp,
  resolve,
  ownAddresses: nodeAddresses,
}
