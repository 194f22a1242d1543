/**
 * System errors of sockets as MixnetErrors. The system's own error is not kept as the cause: its message and fields carry the
 * peer's address, and a logger prints causes. @module
 */

import { isMixnetError, MixnetError } from '../../base/errors.ts'
import { machineError } from '../../base/machineError.ts'

/** Where it failed: opening a connection, using one, or listening. */
type While = 'connecting' | 'open' | 'listening'

/** The system's code (ECONNRESET …), or the error's class where it has none. */
function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'unknown'
  if ('code' in error && typeof error.code === 'string') return error.code
  return error instanceof Error ? error.name : 'unknown'
}

const UNKNOWN_HOST = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_NODATA', 'EAI_NONAME', 'EAI_FAIL', 'ENODATA'])
// What Node itself says of arguments it does not take.
const BAD_ARGUMENT = new Set([
  'ERR_SOCKET_BAD_PORT',
  'ERR_INVALID_ARG_TYPE',
  'ERR_INVALID_ARG_VALUE',
  'ERR_INVALID_URL',
])

export function socketError(error: unknown, during: While): MixnetError {
  if (isMixnetError(error)) return error
  const system = codeOf(error)
  if (BAD_ARGUMENT.has(system)) return new MixnetError('BAD_ARGUMENT', { system })
  if (UNKNOWN_HOST.has(system)) return new MixnetError('HOST_UNKNOWN', { system })
  if (during === 'open') return new MixnetError('CONNECTION_CLOSED', { system })
  if (during === 'listening') {
    return system === 'EADDRINUSE'
      ? machineError('ADDRESS_IN_USE', portOf(error))
      : new MixnetError('BAD_ARGUMENT', { argument: 'listen address', system })
  }
  return system === 'ETIMEDOUT'
    ? new MixnetError('TIMEOUT', { what: 'connect', system })
    : new MixnetError('CONNECTION_REFUSED', { system })
}

/** Which one, where several are listened on. */
function portOf(error: unknown): { port?: number } {
  const port = error instanceof Error && 'port' in error ? error.port : undefined
  return typeof port === 'number' ? { port } : {}
}
