/**
 * The entrance to the package in service workers: `import { connect } from 'starling-mixnet/service-worker'`. The same as in pages, with all
 * of it there from the beginning, since `import()` is refused there: TLS and the list of authorities are 150 KB more to load. @module
 */
import { PARTS_AT_ONCE } from '../../client/web/partsAtOnce.ts'
import {
  type ErrorCode,
  isMixnetError as isError,
  type MixnetError as MixnetFailure,
} from '../../foundation/base/errors.ts'
import {
  type ConnectOptions as BrowserOptions,
  type TrafficChoice as Choice,
  type MixnetConnection as Connection,
  connect as connectInBrowser,
  type TrafficDescription as Description,
  type MixnetEvent as Event,
  type MixnetState as State,
} from './browser.ts'

export type MixnetError = MixnetFailure
export type MixnetErrorCode = ErrorCode
/** What `onEvent` gets, and what `state` says. */
export type MixnetEvent = Event
export type MixnetState = State
export type MixnetConnection = Connection
export type TrafficChoice = Choice
export type TrafficDescription = Description
export type ConnectOptions = Omit<BrowserOptions, 'parts'>

/**
 * As in pages. Browsers stop a service worker after some 30 seconds without an event, and the client with it: `folder` keeps who it is,
 * and whatever wakes the worker connects again.
 */
export async function connect(options: ConnectOptions): Promise<MixnetConnection> {
  return await connectInBrowser({ ...options, parts: PARTS_AT_ONCE })
}

export function isMixnetError(error: unknown, code?: MixnetErrorCode): error is MixnetError {
  return isError(error, code)
}
