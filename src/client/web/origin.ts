/** Where a connection leads, and how one is opened: the same for `fetch` in pages and for WebSockets everywhere. @module */
import type { MixnetError } from '../../foundation/base/errors.ts'
import type { ByteStream } from './byteStream.ts'

export interface Origin {
  readonly secure: boolean
  /** Without brackets. */
  readonly host: string
  readonly port: number
}

export interface Opening {
  /** With TLS agreed, where the origin is secure. */
  readonly ready: Promise<ByteStream>
  /** Ends it before it is ready. */
  readonly abandon: (error: MixnetError) => void
}

export function originOf({ protocol, hostname, port }: URL): Origin {
  const secure = protocol === 'https:' || protocol === 'wss:'
  return { secure, host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? (secure ? 443 : 80) : Number(port) }
}
