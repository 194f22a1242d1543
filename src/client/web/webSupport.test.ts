/** For the tests of `fetch` without Node: local servers, and an exit that leads to them. @module */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server as NetServer, type Socket } from 'node:net'
import type { ErrorCode } from '../../foundation/base/errors.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { HandClock } from '../../foundation/platform/handClock.ts'
import { nodeRandom } from '../../foundation/platform/node/nodeRandom.ts'
import { BridgeExit, type Route } from '../bridgeExit.test.ts'
import { HOST } from '../streamSupport.test.ts'
import { createWebFetch, type WebFetch, type WebFetchOptions } from './webFetch.ts'

export const fixture = (name: string): string =>
  readFileSync(new URL(`../../../test/fixtures/tls/${name}`, import.meta.url), 'utf8')
export const CERTIFICATE: string = fixture('certificate.pem')
export const URL_PLAIN = 'http://demo.starling/'
export const URL_SECURE = 'https://demo.starling/'

const cleanups: (() => unknown)[] = []
/** For `afterEach`. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
}

export interface Setup {
  readonly clock: HandClock
  readonly exit: BridgeExit
  readonly client: WebFetch
  readonly fetch: WebFetch['fetch']
}

/** 2026-12-01: what certificates are judged by, whatever the machine says. */
export class DatedClock extends HandClock {
  override now(): ReturnType<HandClock['now']> {
    return (Date.UTC(2026, 11, 1) + super.now()) as ReturnType<HandClock['now']>
  }
}

export function through(route: Route | ((host: string) => Route), options: Partial<WebFetchOptions> = {}): Setup {
  const clock = new DatedClock()
  const exit = new BridgeExit(clock, ({ host }) => (typeof route === 'function' ? route(host) : route))
  const client = createWebFetch({ clock, random: nodeRandom }, { dialer: exit, ca: CERTIFICATE, ...options })
  cleanups.push(() => client.close())
  return { clock, exit, client, fetch: client.fetch }
}

export async function listening(server: Server | NetServer): Promise<Route> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => {})
    sockets.add(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { host: HOST, port: (server.address() as AddressInfo).port }
}

export const plain = (listener: RequestListener): Promise<Route> => listening(createServer(listener))
export const secure = (listener: RequestListener, options = {}): Promise<Route> =>
  listening(createSecureServer({ key: fixture('key.pem'), cert: CERTIFICATE, ...options }, listener))

/** A server that says `answer` to whatever comes first, and then what `after` does. */
export const scripted = (answer: string | Uint8Array, after: (socket: Socket) => void = () => {}): Promise<Route> =>
  listening(
    createTcpServer((socket) => {
      socket.once('data', () => {
        socket.write(typeof answer === 'string' ? Buffer.from(answer, 'latin1') : answer, () => after(socket))
      })
    }),
  )

export async function rejectsWith(code: ErrorCode, work: Promise<unknown>, details?: object): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isMixnetError(error), `${code}, not ${String(error)}`)
    assert.equal(error.code, code, error.message)
    if (details !== undefined) assert.deepEqual(error.details, details)
    return true
  })
}
