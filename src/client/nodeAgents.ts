/**
 * The mixnet as Node's own agents, for what is built on `node:http` and `node:https`: axios, got, most of npm. Node asks which of the two
 * protocols an agent is for before it says which one it wants, so there is one for each. @module
 */
import { errorMonitor } from 'node:events'
import type { Duplex } from 'node:stream'
import { isMixnetError, MixnetError } from '../foundation/base/errors.ts'
import { type Millis, seconds } from '../foundation/base/units.ts'
import { type Clock, deadlineAfter, type Timer } from '../foundation/platform/clock.ts'
import {
  type AgentHooks,
  type HookedRequest,
  hookedHttpAgent,
  hookedHttpsAgent,
} from '../foundation/platform/node/hookedAgents.ts'
import type { ExitConnector } from './exitConnector.ts'
import { explainFetchError } from './fetchErrors.ts'
import { Line } from './line.ts'
import type { RequestLog } from './requestLog.ts'

/** As got takes them: `got(url, { agent: mixnet.agent })`. */
export interface NodeAgents {
  readonly http: ReturnType<typeof hookedHttpAgent>
  readonly https: ReturnType<typeof hookedHttpsAgent>
}

export interface NodeAgentsOptions {
  readonly clock: Clock
  readonly connector: ExitConnector
  readonly log: RequestLog
  readonly isolation: string | undefined
  readonly limit: Millis
  readonly maxConnectionsPerOrigin: number
}

// As undici's here: shorter than most servers'.
const KEEP_ALIVE = seconds(10)

export function createNodeAgents(options: NodeAgentsOptions): NodeAgents {
  const { clock, connector, log, isolation, limit, maxConnectionsPerOrigin } = options
  const idle = new WeakMap<Duplex, Timer>()
  const lines = new WeakMap<Duplex, Line>()
  const hooks: AgentHooks = {
    connect({ host, port, tls }, secure) {
      const socket = connector.open({ host, port }, isolation)
      const line = new Line()
      line.opened(socket.stream)
      lines.set(socket, line)
      if (!secure) return socket
      const secured = connector.secure(socket, { ...tls, host })
      lines.set(secured, line)
      secured.once('secureConnect', () => line.secured(socket.stream))
      // TLS reports what became of it, and not why the stream below it ended.
      secured.on(errorMonitor, (error) => addCause(error, socket.failure))
      return secured
    },
    began(request) {
      limitRequest(request, clock, limit)
      tellOf(request, log, lines)
    },
    kept(connection) {
      // Once for a connection, which may serve hundreds of requests.
      if (!idle.has(connection)) connection.once('close', () => idle.get(connection)?.cancel())
      idle.get(connection)?.cancel()
      idle.set(
        connection,
        clock.after(KEEP_ALIVE, () => connection.destroy()),
      )
    },
    taken: (connection) => idle.get(connection)?.cancel(),
  }
  return {
    http: hookedHttpAgent(maxConnectionsPerOrigin, hooks),
    https: hookedHttpsAgent(maxConnectionsPerOrigin, hooks),
  }
}

/** Ends it with TIMEOUT, whatever it waits for: a connection, the answer, the rest of the body, or somebody who reads that. */
function limitRequest(request: HookedRequest, clock: Clock, limit: Millis): void {
  const timer = deadlineAfter(clock, limit, () => {
    const error = new MixnetError('TIMEOUT', { what: 'request', limitMs: limit })
    request.res?.destroy(error)
    request.destroy(error)
  })
  request.once('close', () => timer.cancel())
  // Listening to errors themselves would hide from a program that it does not.
  request.on(errorMonitor, (error) => addCause(error, explainFetchError(error)))
  request.once('socket', (socket) => {
    // Of a body that is cut, Node says `aborted` and nothing of the reason.
    const failed = (error: Error): void => void request.res?.destroy(error)
    socket.prependListener('error', failed)
    request.once('close', () => socket.off('error', failed))
  })
}

/** Writes the request's timeline. Listens to nothing that Node behaves differently for when somebody does. */
function tellOf(request: HookedRequest, log: RequestLog, lines: WeakMap<Duplex, Line>): void {
  const timeline = log.begin()
  log.gave(request, timeline)
  request.once('socket', (socket) => {
    lines.get(socket)?.serve(timeline)
    // Node's parser has read it by then: it listens first, and with a listener for `response` Node waits for somebody to read the answer.
    socket.once('data', () => timeline.reached('first-byte', request.res?.statusCode?.toString()))
  })
  request.once('finish', () => timeline.reached('request-sent'))
  request.on(errorMonitor, (error) => {
    timeline.failed(error)
    log.gave(error, timeline)
  })
  request.once('close', () => timeline.finished())
}

/** Programs look at Node's codes, so its errors stay, and say in `cause` what this project calls it. */
function addCause(error: unknown, cause: MixnetError | undefined): void {
  if (!(error instanceof Error) || isMixnetError(error) || error.cause !== undefined) return
  if (cause === undefined || cause.code === 'INTERNAL') return
  Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true })
}
