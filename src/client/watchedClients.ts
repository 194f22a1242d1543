/**
 * undici's pools, so that a request's timeline learns of the connection it goes over: undici chooses one of a pool's clients, each with
 * one connection at a time, and tells the request nothing of it. @module
 */
import { Client, type Dispatcher, Pool } from 'undici'
import type { ExitConnector } from './exitConnector.ts'
import { Line } from './line.ts'
import type { RequestTimeline } from './requestTimeline.ts'

/** Names the timeline of a dispatch, among its options, which undici hands down as they are. */
const TIMELINE: unique symbol = Symbol('timeline')

export type WatchedDispatch = Dispatcher.DispatchOptions & { readonly [TIMELINE]?: RequestTimeline }

export const withTimeline = (options: Dispatcher.DispatchOptions, timeline: RequestTimeline): WatchedDispatch => ({
  ...options,
  [TIMELINE]: timeline,
})

class WatchedClient extends Client {
  readonly #line: Line

  constructor(origin: URL | string, options: Client.Options, line: Line) {
    super(origin, options)
    this.#line = line
  }

  override dispatch(options: WatchedDispatch, handler: Dispatcher.DispatchHandler): boolean {
    this.#line.serve(options[TIMELINE])
    return super.dispatch(options, handler)
  }
}

/** For an Agent: a pool an origin, whose connections the connector opens under that isolation key. */
export function watchedPools(
  connector: ExitConnector,
  isolation: string | undefined,
): (origin: string | URL, options: object) => Dispatcher {
  return (origin, options) =>
    new Pool(origin, {
      ...options,
      factory: (url, clientOptions) => {
        const line = new Line()
        return new WatchedClient(url, { ...clientOptions, connect: connector.undici(isolation, line) }, line)
      },
    })
}
