/**
 * Node's own HTTP agents over connections from somewhere else: keeping, queueing and HTTP are Node's. The two methods that its
 * documentation leaves out, `addRequest` and the callback of `createConnection`, are what every agent in npm is built on. @module
 */
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { Duplex } from 'node:stream'
import type { ConnectionOptions } from 'node:tls'

export interface AgentTarget {
  readonly host: string
  readonly port: number
  /** What the program said of TLS. */
  readonly tls: ConnectionOptions
}

/** `res` is there once the answer has begun; listening for `response` instead would leave the answer to whoever listens. */
export type HookedRequest = ClientRequest & { readonly res?: IncomingMessage | null }

export interface AgentHooks {
  /** Opens the connection of a request, TLS included where the agent is for https. What it throws, the request fails with. */
  connect(target: AgentTarget, secure: boolean): Duplex
  /** A request begins: there may be no connection for it yet. */
  began(request: HookedRequest): void
  /** Nobody uses the connection for now. */
  kept(connection: Duplex): void
  /** Somebody does again. */
  taken(connection: Duplex): void
}

type Created = (error: Error | null, socket?: Duplex) => void
type TargetOptions = ConnectionOptions & { readonly hostname?: string }

/** What is replaced; the types of Node know some of it only. */
interface Hookable {
  addRequest(request: ClientRequest, options: unknown): void
  createConnection(options: TargetOptions, created: Created): Duplex | undefined
  keepSocketAlive(socket: Duplex): boolean
  reuseSocket(socket: Duplex, request: ClientRequest): void
}

export const hookedHttpAgent = (maxSockets: number, hooks: AgentHooks): HttpAgent =>
  hooked(new HttpAgent({ keepAlive: true, maxSockets }), false, hooks)

export const hookedHttpsAgent = (maxSockets: number, hooks: AgentHooks): HttpsAgent =>
  hooked(new HttpsAgent({ keepAlive: true, maxSockets }), true, hooks)

function hooked<A extends HttpAgent>(agent: A, secure: boolean, hooks: AgentHooks): A {
  const own = agent as unknown as Hookable
  const addRequest = own.addRequest.bind(agent)
  const reuseSocket = own.reuseSocket.bind(agent)
  const replaced: Hookable = {
    addRequest(request, options) {
      hooks.began(request)
      addRequest(request, options)
    },
    createConnection(options, created) {
      try {
        const { host = 'localhost', port } = options
        return hooks.connect({ host, port: Number(port ?? (secure ? 443 : 80)), tls: options }, secure)
      } catch (error) {
        // Thrown here it would come out of the call that makes the request, where nobody looks for it.
        queueMicrotask(() => created(error as Error))
        return undefined
      }
    },
    keepSocketAlive(socket) {
      hooks.kept(socket)
      return true
    },
    reuseSocket(socket, request) {
      // Takes off what guards an idle connection: left there, it ends the connection at the first byte of the answer.
      reuseSocket(socket, request)
      hooks.taken(socket)
    },
  }
  return Object.assign(agent, replaced)
}
