/** For the tests of fetch: local servers and an exit that leads to them. @module */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { ErrorCode } from '../foundation/base/errors.ts'
import { HandClock } from '../foundation/platform/handClock.ts'
import { nodeRandom } from '../foundation/platform/node/nodeRandom.ts'
import { BridgeExit, type Route } from './bridgeExit.test.ts'
import { createFetch, type FetchOptions, type MixnetFetch } from './fetch.ts'
import { explainFetchError } from './fetchErrors.ts'
import { HOST } from './streamSupport.test.ts'

const fixture = (name: string) => readFileSync(new URL(`../../test/fixtures/tls/${name}`, import.meta.url), 'utf8')
export const CERTIFICATE: string = fixture('certificate.pem')
export const URL_PLAIN = 'http://demo.starling/'
export const URL_SECURE = 'https://demo.starling/'

export const cleanups: (() => unknown)[] = []
/** For `afterEach`. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
}

export interface Setup {
  readonly clock: HandClock
  readonly exit: BridgeExit
  readonly client: MixnetFetch
  readonly fetch: MixnetFetch['fetch']
}

export function through(route: Route, options: Partial<FetchOptions> = {}): Setup {
  const clock = new HandClock()
  const exit = new BridgeExit(clock, () => route)
  const client = createFetch({ clock, random: nodeRandom }, { dialer: exit, ca: CERTIFICATE, ...options })
  cleanups.push(() => client.close())
  return { clock, exit, client, fetch: client.fetch }
}

export async function listening(server: Server): Promise<Route> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { host: HOST, port: (server.address() as AddressInfo).port }
}

export const plain = (listener: RequestListener): Promise<Route> => listening(createServer(listener))
export const secure = (listener: RequestListener): Promise<Route> =>
  listening(createSecureServer({ key: fixture('key.pem'), cert: CERTIFICATE }, listener))

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

export async function rejectsWith(code: ErrorCode, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.equal(explainFetchError(error).code, code, String((error as Error).cause ?? error))
    return true
  })
}
