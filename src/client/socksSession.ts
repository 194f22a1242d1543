/** SOCKS with one program: handshake, then what it asked to be connected with. Messages: socksMessages.ts. @module */
import type { ErrorCode } from '../foundation/base/errors.ts'
import type { Conversation, ProxyHost } from './proxyHost.ts'
import type { Relay } from './relay.ts'
import { encodeSocksReply, SocksHandshake, type SocksReply } from './socksMessages.ts'

/** Every other code is a general failure. */
const REPLY_BY_CODE: Partial<Record<ErrorCode, SocksReply>> = {
  EXIT_REFUSED: 'notAllowed',
  HOST_UNKNOWN: 'hostUnreachable',
  DESTINATION_UNREACHABLE: 'connectionRefused',
  EXIT_UNREACHABLE: 'ttlExpired',
  TIMEOUT: 'ttlExpired',
  NO_ROUTE: 'networkUnreachable',
  TOPOLOGY_UNAVAILABLE: 'networkUnreachable',
  GATEWAY_UNREACHABLE: 'networkUnreachable',
  GATEWAY_LOST: 'networkUnreachable',
}

export class SocksSession implements Conversation {
  readonly #host: ProxyHost
  readonly #handshake = new SocksHandshake()
  #relay: Relay | undefined

  constructor(host: ProxyHost) {
    this.#host = host
  }

  data(chunk: Uint8Array): void {
    if (this.#relay !== undefined) return this.#relay.data(chunk)
    const host = this.#host
    const progress = this.#handshake.push(chunk)
    if (progress.kind === 'pending') return host.write(progress.reply)
    host.requested()
    if (progress.kind === 'refused') {
      host.refused(progress.reason)
      return host.leave(progress.reply)
    }
    const { version, destination, rest, reply } = progress
    host.write(reply)
    this.#relay = host.connect({
      version: `${version}`,
      destination,
      early: rest,
      granted: encodeSocksReply(version, 'succeeded'),
      denied: ({ code }) => encodeSocksReply(version, REPLY_BY_CODE[code] ?? 'generalFailure'),
    })
  }

  end(): void {
    if (this.#relay === undefined) this.#host.drop()
    else this.#relay.end()
  }
}
