/** Log lines through pino: structured, redacted, to standard error. @module */
import { type DestinationStream, type Logger, pino } from 'pino'
import type { Log, LogFields } from '../../foundation/base/observe.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface LogOptions {
  readonly level: LogLevel
  /** The node or client that speaks. */
  readonly name: string
  readonly destination?: DestinationStream
}

// Keys and contents have no place in log fields; this is the net under that rule.
const REDACT = ['secret', 'key', 'seed', 'privateKey', 'payload', 'data']

export function createLog({ level, name, destination }: LogOptions): Log {
  const options = {
    level,
    base: { name },
    redact: REDACT,
    messageKey: 'event',
    timestamp: pino.stdTimeFunctions.isoTime,
  }
  return adapt(destination === undefined ? pino(options, pino.destination(2)) : pino(options, destination))
}

function adapt(logger: Logger): Log {
  return {
    debug: (code: string, fields: LogFields = {}) => logger.debug(fields, code),
    info: (code: string, fields: LogFields = {}) => logger.info(fields, code),
    warn: (code: string, fields: LogFields = {}) => logger.warn(fields, code),
    error: (code: string, fields: LogFields = {}) => logger.error(fields, code),
    child: (room: string) => adapt(logger.child({ room })),
  }
}
